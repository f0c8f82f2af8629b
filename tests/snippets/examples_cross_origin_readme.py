"""What ``run.py`` of the example has."""

from __future__ import annotations

from webob import Response

from sockio import BaseNamespace, SocketIOMiddleware

app = Response()


class DemoNamespace(BaseNamespace):
    pass
