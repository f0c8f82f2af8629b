"""Who is in which room of which namespace, indexed both ways.

A room is known by its namespace *and* its name, so rooms of two namespaces never meet, whatever
their names. Names are any hashable value. Finding the members of a room costs as much as the room
has members; leaving everything costs as much as the member had rooms. Every member of a namespace
is also in the namespace's room of all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

__all__ = ["EVERYBODY", "Rooms"]

M = TypeVar("M", bound=Hashable)


class _Everybody:
    def __repr__(self) -> str:
        return "EVERYBODY"


#: The room that every member of a namespace is in.
EVERYBODY = _Everybody()


class Rooms(Generic[M]):
    """Membership of ``M`` (sockets) in rooms."""

    __slots__ = ("_members", "_rooms", "expect", "mark", "watch", "watch_member", "watch_room")

    def __init__(self) -> None:
        # Dicts as ordered sets: members are served in the order in which they joined.
        self._members: dict[tuple[str, Hashable], dict[M, None]] = {}
        self._rooms: dict[tuple[M, str], dict[Hashable, int]] = {}
        #: What is noted of whoever joins a room from now on. Recovery lets it say what was the last
        #: event before that.
        self.mark = 0
        #: Told when the first member enters a namespace (true), and when the last has left it.
        self.watch: Callable[[str, bool], object] | None = None
        #: Told when the first member joins any other room of a namespace, and when the last has
        #: left it.
        self.watch_room: Callable[[str, Hashable, bool], object] | None = None
        #: Told of a room that somebody who is away may come back into.
        self.expect: Callable[[str, Hashable], object] | None = None
        #: Told of each member that enters a namespace, and that has left it.
        self.watch_member: Callable[[M, str, bool], object] | None = None

    def enter(self, member: M, namespace: str) -> None:
        """``member`` connected to ``namespace``."""
        is_first = (namespace, EVERYBODY) not in self._members
        self.join(member, namespace, EVERYBODY)
        if is_first and self.watch is not None:
            self.watch(namespace, True)
        if self.watch_member is not None:
            self.watch_member(member, namespace, True)

    def join(self, member: M, namespace: str, room: Hashable) -> None:
        """Put ``member`` into a room. Joining twice is joining once."""
        members = self._members.setdefault((namespace, room), {})
        if not members and self.watch_room is not None and room is not EVERYBODY:
            self.watch_room(namespace, room, True)
        members[member] = None
        self._rooms.setdefault((member, namespace), {}).setdefault(room, self.mark)

    def await_return(self, namespace: str, rooms: Iterable[Hashable]) -> None:
        """Somebody who is away may come back into these rooms of ``namespace``."""
        if self.watch is not None and (namespace, EVERYBODY) not in self._members:
            # As if it had been here until now.
            self.watch(namespace, True)
            self.watch(namespace, False)
        if self.expect is not None:
            for room in rooms:
                self.expect(namespace, room)

    def rejoin(self, member: M, namespace: str, marks: Mapping[Hashable, int]) -> None:
        """Put ``member`` into rooms that it has been in before, with what was noted then."""
        for room, mark in marks.items():
            self.join(member, namespace, room)
            self._rooms[member, namespace][room] = mark

    def leave(self, member: M, namespace: str, room: Hashable) -> None:
        """Take ``member`` out of a room; nothing happens if it is not in it."""
        self._drop(member, namespace, room)
        rooms = self._rooms.get((member, namespace))
        if rooms is not None:
            rooms.pop(room, None)
            if not rooms:
                del self._rooms[member, namespace]

    def leave_namespace(self, member: M, namespace: str) -> None:
        """Take ``member`` out of every room of ``namespace``, and out of it."""
        rooms = self._rooms.pop((member, namespace), None)
        if rooms is None:
            return
        for room in rooms:
            self._drop(member, namespace, room)
        if self.watch_member is not None:
            self.watch_member(member, namespace, False)

    def _drop(self, member: M, namespace: str, room: Hashable) -> None:
        members = self._members.get((namespace, room))
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[namespace, room]
                if room is EVERYBODY:
                    if self.watch is not None:
                        self.watch(namespace, False)
                elif self.watch_room is not None:
                    self.watch_room(namespace, room, False)

    def members(self, namespace: str, room: Hashable = EVERYBODY) -> list[M]:
        """A snapshot of the members of a room, in the order in which they joined."""
        return list(self._members.get((namespace, room), ()))

    def rooms_of(self, member: M, namespace: str) -> frozenset[Hashable]:
        """The rooms that ``member`` joined in ``namespace``."""
        return frozenset(self._rooms.get((member, namespace), ())) - {EVERYBODY}

    def marks_of(self, member: M, namespace: str) -> dict[Hashable, int]:
        """The same, each with the :attr:`mark` that there was when it was joined."""
        marks = dict(self._rooms.get((member, namespace), {}))
        marks.pop(EVERYBODY, None)
        return marks

    def check(self, alive: Iterable[M]) -> None:
        """Assert that both indexes agree and that only ``alive`` members are in them."""
        living = set(alive)
        for (namespace, room), members in self._members.items():
            assert members, f"empty room {room!r} of {namespace!r} is kept"
            for member in members:
                assert room in self._rooms[member, namespace], (member, namespace, room)
                assert member in living, f"{member!r} is dead and still in {room!r}"
        for (member, namespace), rooms in self._rooms.items():
            for room in rooms:
                assert member in self._members[namespace, room], (member, namespace, room)
