"""What a reader of the page on transports has."""

from __future__ import annotations

from webob import Response

from sockio.server import SocketIOServer

app = Response()
