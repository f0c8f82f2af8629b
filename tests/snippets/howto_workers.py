"""What a reader of the page on workers has."""

from __future__ import annotations

from webob import Response

from sockio import BaseNamespace, SocketIOMiddleware

pages = Response()
cache: dict[str, list[str]] = {}


class Chat(BaseNamespace):
    pass


middleware = SocketIOMiddleware(pages, {"/chat": Chat})
