"""HTTP for clients that live in the server's own thread: the standard library's, over gevent's
sockets, whether or not anything is monkey-patched."""

from __future__ import annotations

import contextlib
import socket as stdlib_socket
import struct
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import gevent.socket
import gevent.ssl

__all__ = ["CooperativeConnection", "dial", "hang_up", "reset"]


def dial(url: str, timeout: float | None) -> Any:
    """A connection to the server of ``url``, encrypted where its scheme says so."""
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    host = parts.hostname or ""
    sock = gevent.socket.create_connection((host, parts.port or (443 if secure else 80)), timeout)
    try:
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        if secure:
            context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
            context.load_default_certs()
            return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    return sock


def hang_up(sock: Any) -> None:
    """Close politely (FIN). Wakes whoever reads from it."""
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(stdlib_socket.SHUT_RDWR)
        sock.close()


def reset(sock: Any) -> None:
    """Hang up as a crashed client does (RST)."""
    if sock is not None:
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, linger)
        sock.close()


class CooperativeConnection(HTTPConnection):
    """One kept connection to the server of ``url``."""

    def __init__(self, url: str, timeout: float | None) -> None:
        self._url = url
        parts = urlsplit(url)
        if parts.scheme == "https":
            self.default_port = 443
        super().__init__(parts.netloc.rpartition("@")[2], timeout=timeout)

    def connect(self) -> None:
        self.sock = dial(self._url, self.timeout)
