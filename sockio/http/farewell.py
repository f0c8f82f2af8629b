"""The end of the server, for websockets of the application's own: each is closed with 1001."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..runtime.blocking import pause, start

__all__ = ["Farewell"]

#: Seconds between two looks whether the server is ending, while there are websockets.
LOOK = 0.25


class Closable(Protocol):
    def close(self, code: int = ..., reason: str = ...) -> None:
        """Say so to the peer, and wait a moment for its answer."""
        ...

    def hang_up(self) -> None:
        """End the connection under whoever waits for its peer."""
        ...


class Farewell:
    """The open websockets of one application, and what tells that they have to end.

    Servers tell sessions, which are ours, that they stop; requests, which these are, are waited
    for, and then killed. gunicorn's master kills the whole process.
    """

    def __init__(self, closing: Callable[[], bool]) -> None:
        self._closing = closing
        self._open: dict[Closable, Any] = {}
        self._watching = False

    def add(self, websocket: Closable, server: Any) -> None:
        """Close ``websocket`` when the application is closed, or ``server`` stops, if it shows."""
        self._open[websocket] = server
        if not self._watching:
            self._watching = True
            start(self._watch)

    def remove(self, websocket: Closable) -> None:
        self._open.pop(websocket, None)

    def say(self) -> None:
        """Close all of them, beside the caller."""
        while self._open:
            websocket, _ = self._open.popitem()
            start(_end, websocket)

    def _watch(self) -> None:
        while self._open:
            pause(LOOK)
            closing = self._closing()
            for websocket, server in list(self._open.items()):
                if closing or not getattr(server, "started", True):
                    self.remove(websocket)
                    start(_end, websocket)
        self._watching = False


def _end(websocket: Closable) -> None:
    websocket.close(1001)
    websocket.hang_up()
