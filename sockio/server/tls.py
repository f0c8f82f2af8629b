"""TLS for a server, by the files that a command or an ini file names."""

from __future__ import annotations

import os
import ssl

from ..exceptions import SettingsError

__all__ = ["server_context"]


def server_context(certfile: str, keyfile: str = "") -> ssl.SSLContext:
    """What a server speaks TLS by: a chain of certificates and its key, both in PEM, in one file
    or in two.

    Raises ``SettingsError`` for what cannot be read, and for what is none.
    """
    if not certfile:
        raise SettingsError("keyfile needs certfile: the certificate that belongs to the key.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
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
