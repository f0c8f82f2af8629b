"""Rooms and broadcast: what every namespace class can do."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, overload

from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from .emitter import Emitter, check_room

__all__ = ["Member"]


class _RoomsOf:
    """The rooms this client is in, as a frozenset."""

    # No property: the ancestor's applications keep an attribute of their own by this name.

    def __repr__(self) -> str:
        return "the rooms of a client, as a frozenset"

    @overload
    def __get__(self, member: None, owner: Any = None) -> _RoomsOf: ...
    @overload
    def __get__(self, member: Member, owner: Any = None) -> frozenset[Hashable]: ...
    def __get__(self, member: Member | None, owner: Any = None) -> Any:
        if member is None:
            return self
        rooms: Rooms[Socket] = member.socket.server.rooms
        if not _is_there(member):
            return frozenset()
        return rooms.rooms_of(member.socket, member.ns_name)


_NOBODY: frozenset[str] = frozenset()


class Member:
    """One client among those of a namespace, and in rooms of it.

    A room exists while it has members. Rooms of two namespaces never meet, and a client leaves its
    rooms when it leaves the namespace, after ``recv_disconnect``.
    """

    socket: Socket
    ns_name: str
    _told: bool

    rooms = _RoomsOf()

    def join(self, room: Hashable) -> None:
        """Put this client into ``room``, any hashable value. Joining twice is joining once.

        Raises ``UsageError`` for what is none, and for another client's name (``namespace.id``);
        :class:`~sockio.EventRefused` where this client is in as many rooms as ``max_rooms`` says.
        """
        check_room(room)
        if not self.socket.runtime.here():
            self.socket.runtime.from_thread(self.join, room)
        elif not self._told and _is_there(self):
            self.socket.server.join(self.socket, self.ns_name, room)

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

    def broadcast_event(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to every member of the namespace, this client included. Never blocks."""
        _others(self, True).emit(event, *args, volatile=volatile)

    def broadcast_event_not_me(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to every member of the namespace but this client. Never blocks."""
        _others(self, False).emit(event, *args, volatile=volatile)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A mixin of the application's own that stands behind BaseNamespace means what it brings,
        # and was there before these were.
        for name in _NAMES:
            owner = next(each for each in cls.__mro__ if name in vars(each))
            if owner is Member:
                own = (each for each in cls.__mro__ if each is not Member and name in vars(each))
                if (meant := next(own, None)) is not None:
                    setattr(cls, name, vars(meant)[name])


_NAMES = ("rooms", "join", "leave", "emit_to_room", "broadcast_event", "broadcast_event_not_me")


def _others(
    member: Member, include_self: bool, rooms: tuple[Hashable, ...] | None = None
) -> Emitter:
    socket, name = member.socket, member.ns_name
    skip = _NOBODY if include_self else frozenset((socket.name_in(name),))
    return Emitter(socket.server, name, rooms, skip)


def _is_there(member: Member) -> bool:
    """Whether it is this instance that the client's rooms belong to, and not a successor."""
    return member.socket.get(member.ns_name) is member
