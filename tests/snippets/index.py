"""What a reader of the front page has."""

from __future__ import annotations

from webob import Response

pages = Response()
