"""The ways into a server of ours: who reads a connection's requests, and what is below it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .raw_http import Connection
from .servers import Served
from .tls import make_certificate

__all__ = ["WAYS", "Way"]

#: From the event loop; handed over after a page; gevent.pywsgi alone; the same with TLS.
WAYS = ("loop", "handed over", "pywsgi", "tls")

PAGE = b"GET /before HTTP/1.1\r\nHost: x\r\n\r\n"


class Way:
    """One of the :data:`WAYS`: ``start`` is the fixture ``serve``, ``folder`` for a certificate."""

    def __init__(self, name: str, start: Callable[..., Served], folder: Path) -> None:
        self.name = name
        self._start = start
        self._folder = folder
        self._tls: ssl.SSLContext | None = None
        self.server: Served

    def serve(self, *args: Any, **options: Any) -> Served:
        if self.name == "tls":
            certificate = make_certificate(self._folder)
            self._tls = certificate.client_context()
            options["ssl_context"] = certificate.server_context()
        elif self.name == "pywsgi":
            options["without"] = ["http"]
        self.server = self._start(*args, **options)
        return self.server

    def connect(self) -> Connection:
        """A connection that the server reads in this way."""
        connection = Connection(self.server.port, self._tls)
        if self.name == "handed over":
            connection.send(PAGE)
            assert connection.answer().code == 200
        return connection
