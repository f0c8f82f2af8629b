"""What a reader of the page on testing has."""

from __future__ import annotations

from sockio.testing import LiveServer

from .chat import app

server = LiveServer(app)
