"""What a reader of the page on servers has."""

from __future__ import annotations

from webob import Response

from sockio import BaseNamespace

app = Response()


class ChatNamespace(BaseNamespace):
    pass
