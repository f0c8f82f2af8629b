"""Websockets without Socket.IO: what a ``@websocket`` view talks through.

The upgrade happens inside of the view, so that middleware, login and decorators decide before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...config.settings import Settings
from ...exceptions import WebSocketClosed
from ...http.rawsocket import DOOR, Door, Terms, asks_for_websocket
from ...transports.rawsocket import WebSocket
from .outside import complain

__all__ = ["Door", "WebSocket", "WebSocketClosed", "WebSocketDoor", "asks_for_websocket"]


class WebSocketDoor:
    """WSGI middleware: lets the views behind it open websockets, those of a server's own as well.

    ``closing`` tells, when it is asked, that the application is being closed."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        settings: Settings,
        closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app = app
        self._terms = Terms(settings, complain, closing)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if not asks_for_websocket(environ):
            return self.app(environ, start_response)
        door = Door.of(environ)
        if door is not None:
            door.terms = self._terms
            return self.app(environ, start_response)
        door = environ[DOOR] = Door(environ, start_response, self._terms)
        return door.pass_through(self.app)
