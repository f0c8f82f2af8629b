"""Who is in which room of which namespace, indexed both ways.

A room is known by its namespace *and* its name, so rooms of two namespaces never meet, whatever
their names. Names are any hashable value. Finding the members of a room costs as much as the room
has members; leaving everything costs as much as the member had rooms. Every member of a namespace
is also in the namespace's room of all.

Names of rooms may be what clients say, and there is a room for each: so a member may be in so many
rooms of all its namespaces together, which take so many bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from ..config.settings import ROOMS_BYTES
from ..exceptions import EventRefused
from .weights import weight_of

__all__ = ["EACH", "EVERYBODY", "Rooms"]

M = TypeVar("M", bound=Hashable)


class _Everybody:
    def __repr__(self) -> str:
        return "EVERYBODY"


#: The room that every member of a namespace is in.
EVERYBODY = _Everybody()


#: Bytes of memory that a room takes of which one is a member, with a name of :data:`SHORT` bytes.
EACH, SHORT = 500, 100


class _Long:
    """The names of rooms of one member that are longer than :data:`SHORT`."""

    __slots__ = ("sizes", "total")

    def __init__(self) -> None:
        #: By namespace and room: weighed once, for a name that is equal may weigh something else.
        self.sizes: dict[tuple[str, Hashable], int] = {}
        self.total = 0


class Rooms(Generic[M]):
    """Membership of ``M`` (sockets) in rooms: each in ``most`` of them, and bytes of memory."""

    __slots__ = (
        "_long",
        "_members",
        "_number",
        "_rooms",
        "expect",
        "mark",
        "most",
        "watch",
        "watch_member",
        "watch_room",
    )

    def __init__(self, most: tuple[int, int] = (10_000, ROOMS_BYTES)) -> None:
        self.most = most
        # How many each is in; and what long names they have, of those that have any.
        self._number: dict[M, int] = {}
        self._long: dict[M, _Long] = {}
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
        """Put ``member`` into a room. Joining twice is joining once.

        Raises ``EventRefused`` where it is in as many as it may be."""
        if room is not EVERYBODY and room not in self._rooms.get((member, namespace), ()):
            self._check(member, _beyond(room))
        self._put(member, namespace, room)

    def _check(self, member: M, more: int) -> None:
        rooms, size = self.most
        number = self._number.get(member, 0)
        if member in self._long:
            more += self._long[member].total
        if number < rooms and EACH * (number + 1) + more <= size:
            return
        raise EventRefused(
            "too_many_rooms",
            "No more rooms.",
            detail=f"a client may be in {rooms} rooms, which may take {size} bytes of memory "
            f"({EACH} each and what is long of their names): leave() some, or raise max_rooms",
        )

    def _put(self, member: M, namespace: str, room: Hashable) -> None:
        members = self._members.setdefault((namespace, room), {})
        if not members and self.watch_room is not None and room is not EVERYBODY:
            self.watch_room(namespace, room, True)
        members[member] = None
        rooms = self._rooms.setdefault((member, namespace), {})
        if room in rooms:
            return
        rooms[room] = self.mark
        if room is not EVERYBODY:
            self._number[member] = self._number.get(member, 0) + 1
            if more := _beyond(room):
                long = self._long.setdefault(member, _Long())
                long.sizes[namespace, room] = more
                long.total += more

    def _forget(self, member: M, namespace: str, rooms: Iterable[Hashable]) -> None:
        """``member`` is not in these rooms any more."""
        number, long = self._number.get(member, 0), self._long.get(member)
        for room in rooms:
            if room is not EVERYBODY:
                number -= 1
                if long is not None:
                    long.total -= long.sizes.pop((namespace, room), 0)
        if number:
            self._number[member] = number
        else:
            self._number.pop(member, None)
        if long is not None and not long.sizes:
            del self._long[member]

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
            # As many as they were.
            self._put(member, namespace, room)
            self._rooms[member, namespace][room] = mark

    def leave(self, member: M, namespace: str, room: Hashable) -> None:
        """Take ``member`` out of a room; nothing happens if it is not in it."""
        self._drop(member, namespace, room)
        rooms = self._rooms.get((member, namespace))
        if rooms is not None and room in rooms:
            del rooms[room]
            self._forget(member, namespace, (room,))
            if not rooms:
                del self._rooms[member, namespace]

    def leave_namespace(self, member: M, namespace: str) -> None:
        """Take ``member`` out of every room of ``namespace``, and out of it."""
        rooms = self._rooms.pop((member, namespace), None)
        if rooms is None:
            return
        for room in rooms:
            self._drop(member, namespace, room)
        self._forget(member, namespace, rooms)
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
        counted: dict[M, int] = {}
        for (member, _), rooms in self._rooms.items():
            if number := len(rooms.keys() - {EVERYBODY}):
                counted[member] = counted.get(member, 0) + number
        assert counted == self._number, "rooms are counted that nobody is in"
        for member, long in self._long.items():
            assert long.sizes, f"{member!r} has no long names, and they are kept"
            assert long.total == sum(long.sizes.values())
            for namespace, room in long.sizes:
                assert room in self._rooms[member, namespace]


def _beyond(room: Hashable) -> int:
    """Bytes of a name that do not count with its room."""
    size = sys.getsizeof(room) if type(room) in _PLAIN else weight_of(room)
    return size - SHORT if size > SHORT else 0


_PLAIN = frozenset((str, int))
