"""Rooms and broadcast, for namespace classes.

::

    class ChatNamespace(BaseNamespace, RoomsMixin, BroadcastMixin): ...
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from .emitter import Emitter, check_room

__all__ = ["BroadcastMixin", "RoomsMixin"]


class _InNamespace:
    """What a mixin uses of the namespace class that it is mixed into."""

    socket: Socket
    ns_name: str
    _told: bool


_NOBODY: frozenset[str] = frozenset()


def _others(
    namespace: _InNamespace, include_self: bool, rooms: tuple[Hashable, ...] | None = None
) -> Emitter:
    socket, name = namespace.socket, namespace.ns_name
    skip = _NOBODY if include_self else frozenset((socket.name_in(name),))
    return Emitter(socket.server, name, rooms, skip)


def _is_there(namespace: _InNamespace) -> bool:
    """Whether it is this instance that the client's rooms belong to, and not a successor."""
    return namespace.socket.get(namespace.ns_name) is namespace


class RoomsMixin(_InNamespace):
    """Rooms of one namespace: a client joins and leaves, an event goes to the members.

    A room exists while it has members. Rooms of two namespaces never meet, and a client leaves its
    rooms when it leaves the namespace, after ``recv_disconnect``.
    """

    @property
    def rooms(self) -> frozenset[Hashable]:
        """The rooms this client is in."""
        rooms: Rooms[Socket] = self.socket.server.rooms
        return rooms.rooms_of(self.socket, self.ns_name) if _is_there(self) else frozenset()

    def join(self, room: Hashable) -> None:
        """Put this client into ``room``, any hashable value. Joining twice is joining once."""
        check_room(room)
        if not self.socket.runtime.here():
            self.socket.runtime.from_thread(self.join, room)
        elif not self._told and _is_there(self):
            self.socket.server.rooms.join(self.socket, self.ns_name, room)

    def leave(self, room: Hashable) -> None:
        """Take this client out of ``room``; nothing happens if it is not in it."""
        check_room(room)
        if not self.socket.runtime.here():
            self.socket.runtime.from_thread(self.leave, room)
        elif _is_there(self):
            self.socket.server.rooms.leave(self.socket, self.ns_name, room)

    def emit_to_room(
        self,
        room: Hashable,
        event: str,
        *args: Any,
        include_self: bool = False,
        volatile: bool = False,
    ) -> None:
        """Send an event to the members of ``room``, without this client unless ``include_self``.

        Never blocks. Encoded once. Raises ``UsageError`` when ``args`` are not JSON.
        """
        check_room(room)
        _others(self, include_self, (room,)).emit(event, *args, volatile=volatile)


class BroadcastMixin(_InNamespace):
    """Events to every client that is connected to this namespace."""

    def broadcast_event(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to every member of the namespace, this client included. Never blocks."""
        _others(self, True).emit(event, *args, volatile=volatile)

    def broadcast_event_not_me(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to every member of the namespace but this client. Never blocks."""
        _others(self, False).emit(event, *args, volatile=volatile)
