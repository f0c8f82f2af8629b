"""Handlers as methods of a class, of which there is one object for all clients."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...config.plain import check_plain
from ...exceptions import EventRefused
from .handling import ConnectionRefusedError
from .marked import check_marks, nobody

__all__ = ["Namespace"]


class Namespace:
    """Methods ``on_EVENT`` handle the events of a namespace: ``SocketIO.on_namespace(...)``."""

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace or "/"
        self.socketio: Any = None

    def _set_socketio(self, socketio: Any) -> None:
        self.socketio = socketio

    def _check(self) -> None:
        for name in dir(type(self)):
            if name.startswith("on_") or name in ("trigger_event", "error"):
                handler = inspect.getattr_static(self, name)
                check_plain(handler, f"{type(self).__name__}.{name}")
                event = name.removeprefix("on_") if name.startswith("on_") else None
                check_marks(handler, event, f"{type(self).__name__}.{name}")

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Call the handler of an event. May be overridden, to see them all."""
        handler = getattr(self, f"on_{event or ''}", None)
        if handler is None:
            return nobody(event, f"{type(self).__name__}.on_{event}")
        try:
            return self.socketio._call(handler, event, args, self)
        except (ConnectionRefusedError, EventRefused):
            raise
        except Exception as error:
            on_error: Callable[[Exception], Any] | None = getattr(self, "error", None)
            if on_error is None:
                raise
            answer = on_error(error)
            # What failed has not said that the client may come in.
            return False if event == "connect" else answer

    def emit(
        self,
        event: str,
        data: Any = None,
        room: Any = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
    ) -> None:
        """Send an event to everybody in the namespace, or to a room or a client."""
        self.socketio.emit(
            event,
            data,
            to=to or room,
            include_self=include_self,
            namespace=namespace or self.namespace,
            callback=callback,
        )

    def send(
        self,
        data: Any,
        room: Any = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
    ) -> None:
        """Send a message to everybody in the namespace, or to a room or a client."""
        self.emit("message", data, room, include_self, namespace, callback, to)

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everybody out of a room."""
        self.socketio.close_room(room, namespace=namespace or self.namespace)

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room."""
        self.socketio.server.enter_room(sid, room, namespace=namespace or self.namespace)

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room."""
        self.socketio.server.leave_room(sid, room, namespace=namespace or self.namespace)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms that a client is in; the first is its own."""
        found: list[Any] = self.socketio.server.rooms(sid, namespace=namespace or self.namespace)
        return found

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Disconnect a client from the namespace."""
        self.socketio.server.disconnect(sid, namespace=namespace or self.namespace)
