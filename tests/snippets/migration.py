"""What somebody has who comes from gevent-socketio."""

from __future__ import annotations

from webob import Response

pages = Response()
