"""What handlers call. Each takes the client and the namespace of the event that is handled, unless
they are given; outside of an event it has none, and Flask raises ``RuntimeError``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import current_app, request

__all__ = ["call", "close_room", "disconnect", "emit", "join_room", "leave_room", "rooms", "send"]


def _extension() -> Any:
    return current_app.extensions["socketio"]


def _here(sid: str | None = None, namespace: str | None = None) -> tuple[str, str]:
    this: Any = request
    return sid or this.sid, namespace or this.namespace


def emit(
    event: str,
    *args: Any,
    namespace: str | None = None,
    broadcast: bool = False,
    to: Any = None,
    room: Any = None,
    include_self: bool = True,
    skip_sid: Any = None,
    callback: Callable[..., Any] | None = None,
    ignore_queue: bool = False,
) -> None:
    """Send an event to the client of this event; with ``broadcast`` to everybody in its namespace,
    with ``to`` to rooms or clients. A tuple is several arguments."""
    sid, name = _here(namespace=namespace)
    whom = to or room
    if whom is None and not broadcast:
        whom = sid
    _extension().emit(
        event,
        *args,
        namespace=name,
        to=whom,
        include_self=include_self,
        skip_sid=skip_sid,
        callback=callback,
    )


def send(message: Any, json: bool = False, **options: Any) -> None:
    """Send the event ``message``, or with ``json`` the event ``json``, as :func:`emit` does."""
    emit("json" if json else "message", message, **options)


def call(
    event: str,
    *args: Any,
    namespace: str | None = None,
    to: Any = None,
    room: Any = None,
    timeout: float = 60,
    ignore_queue: bool = False,
) -> Any:
    """Send an event to one client and wait for its answer. Raises ``TimeoutError``."""
    sid, name = _here(namespace=namespace)
    return _extension().call(event, *args, namespace=name, to=to or room or sid, timeout=timeout)


def join_room(room: Any, sid: str | None = None, namespace: str | None = None) -> None:
    """Put a client into a room."""
    sid, namespace = _here(sid, namespace)
    _extension().server.enter_room(sid, room, namespace=namespace)


def leave_room(room: Any, sid: str | None = None, namespace: str | None = None) -> None:
    """Take a client out of a room."""
    sid, namespace = _here(sid, namespace)
    _extension().server.leave_room(sid, room, namespace=namespace)


def close_room(room: Any, namespace: str | None = None) -> None:
    """Take everybody out of a room."""
    _, namespace = _here(namespace=namespace)
    _extension().server.close_room(room, namespace=namespace)


def rooms(sid: str | None = None, namespace: str | None = None) -> list[Any]:
    """The rooms that a client is in; the first is its own."""
    sid, namespace = _here(sid, namespace)
    found: list[Any] = _extension().server.rooms(sid, namespace=namespace)
    return found


def disconnect(sid: str | None = None, namespace: str | None = None, silent: bool = False) -> None:
    """Disconnect a client from a namespace."""
    sid, namespace = _here(sid, namespace)
    _extension().server.disconnect(sid, namespace=namespace)
