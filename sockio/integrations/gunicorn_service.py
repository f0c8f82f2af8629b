"""Connections of our gunicorn worker that are answered from the event loop. Needs ``httptools``."""

from __future__ import annotations

from typing import Any

from ..http.route import Route
from ..server.fast_http.reader import RequestReader
from ..server.fast_http.service import Service
from ..server.heads import BadHead
from ..transports.connection import FAST
from .gunicorn_requests import Requests

__all__ = ["GunicornService"]


class GunicornService(Service):
    """The connections of one listener."""

    def __init__(self, requests: Requests, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._requests = requests
        lines = self.access_log = requests.lines
        if lines is not None:
            lines.run = self.run

    def route_of(self, reader: RequestReader, known: Route | None = None) -> Route | None:
        route = super().route_of(reader, known)
        if route is None:
            return None
        # Requests.begin(), without a call: a poll comes through here.
        environ, requests = reader.environ, self._requests
        environ["RAW_URI"] = reader.target
        connection = environ[FAST]
        environ["gunicorn.sock"] = connection.sock
        for key in requests.scheme_keys:
            if key in environ:
                try:
                    requests.set_scheme(environ, connection.address)
                except BadHead:
                    # It is handed over, and refused there.
                    return None
                break
        if requests.sources is not None:
            requests.add_source(environ, connection.address)
        if requests.counts:
            requests.count()
        return route
