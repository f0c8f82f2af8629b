"""TLS for a server: what it is spoken by, and how it begins."""

from __future__ import annotations

import os
import ssl
from typing import Any

import gevent.socket
import gevent.ssl

from ..exceptions import SettingsError
from ..runtime.turnstile import Turnstile

__all__ = ["context_in", "server_context", "shake_hands"]

#: Options of gevent's server in the place of a context.
_FILES = ("keyfile", "certfile", "cert_reqs", "ssl_version", "ca_certs", "ciphers")


def server_context(
    certfile: str, keyfile: str = "", protocol: int = ssl.PROTOCOL_TLS_SERVER
) -> ssl.SSLContext:
    """What a server speaks TLS by: a chain of certificates and its key, both in PEM, in one file
    or in two. They are read once, here.

    Raises ``SettingsError`` for what cannot be read, and for what is none.
    """
    if not certfile:
        raise SettingsError("keyfile needs certfile: the certificate that belongs to the key.")
    context: ssl.SSLContext = gevent.ssl.SSLContext(protocol)
    for name, path in (("certfile", certfile), ("keyfile", keyfile)):
        if path and not os.access(path, os.R_OK):
            why = "cannot be read" if os.path.exists(path) else "there is no such file"
            raise SettingsError(f"{name}={path}: {why}. It is the path of a PEM file.")
    try:
        context.load_cert_chain(certfile, keyfile or None)
    except OSError as error:  # ssl.SSLError is one
        what = f"certfile={certfile}" + (f", keyfile={keyfile}" if keyfile else "")
        raise SettingsError(
            f"{what}: no certificates with their key, both in PEM ({error}). The key may be in a "
            "file of its own: keyfile."
        ) from error
    return context


def context_in(options: dict[str, Any]) -> Any:
    """The context among the ``options`` of gevent's server, or None without TLS.

    One is made, and takes their place, of ``certfile`` and its kin, of which gevent would make
    another for each connection. Raises as :func:`server_context` does.
    """
    if "ssl_context" not in options:
        given = {name: options.pop(name) for name in _FILES if name in options}
        if not given:
            return None
        options["ssl_context"] = context = server_context(
            given.get("certfile") or "",
            given.get("keyfile") or "",
            given.get("ssl_version", ssl.PROTOCOL_TLS_SERVER),
        )
        context.verify_mode = given.get("cert_reqs", ssl.CERT_NONE)
        if given.get("ca_certs"):
            context.load_verify_locations(given["ca_certs"])
        if given.get("ciphers"):
            context.set_ciphers(given["ciphers"])
    context = options["ssl_context"]
    if isinstance(context, gevent.ssl.SSLContext):
        # OpenSSL before 3 would do it as often as a client asks for it.
        context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def shake_hands(sock: Any, line: Turnstile) -> None:
    """The handshake of a new connection, which has said something; blocks, where the client is
    waited for in the ``line``. Raises ``OSError`` or ``ValueError`` where it fails."""
    timeout = sock.gettimeout()
    sock.settimeout(0.0)
    while True:
        try:
            sock.do_handshake()
            break
        except ssl.SSLWantReadError:
            line.wait()
        except ssl.SSLWantWriteError:
            gevent.socket.wait_write(sock.fileno())
    sock.settimeout(timeout)
