"""One client's time in a namespace, as recovery knows it: who it is, and what is kept of it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from .outbox import Outgoing

__all__ = ["Key", "Moved", "Shared", "Stay"]

#: Whether it counts events, a pid, and the namespace that it is for: a client may say anything for
#: either.
Key = tuple[bool, str, str]


class Shared:
    """The data of a session that stays of one client have in common: its bytes count for the first
    of them."""

    __slots__ = ("session", "stays", "weight")

    def __init__(self, session: dict[str, Any], weight: int) -> None:
        self.session = session
        self.weight = weight
        self.stays: list[Stay] = []


class Stay:
    """One client's stay in one namespace, as recovery knows it."""

    __slots__ = (
        "address",
        "base",
        "has_offsets",
        "home",
        "lines",
        "lost_at",
        "marks",
        "missed",
        "names",
        "number",
        "pid",
        "queued",
        "recovered",
        "session",
        "shares",
        "since",
        "size",
        "told",
        "until",
    )

    def __init__(self, name: str, pid: str, number: int, *, has_offsets: bool) -> None:
        #: What it is called towards others: one name, but for a client of 0.9 that is coming back,
        #: which is called anew and may still be meant by the old one.
        self.names: tuple[str, ...] = (name,)
        self.pid = pid
        self.has_offsets = has_offsets
        #: The number of the last event that was not for it, whatever its rooms: with offsets, when
        #: it connected; without, when its connection was lost.
        self.number = number
        #: Whether it has come back; the last event that it has; and what it has missed.
        self.recovered = False
        self.since = number
        self.missed: list[Outgoing] = []
        # While it is away: where it was, and since when; its rooms, each with the last event before
        # it was joined; what waited for it; its session's data; until when that is kept, and how
        # many bytes it counts for.
        self.address = ""
        self.lost_at = 0.0
        self.marks: dict[Hashable, int] = {}
        self.queued: list[Outgoing] = []
        self.session: dict[str, Any] = {}
        self.until = 0.0
        self.size = 0
        self.shares: Shared | None = None
        # Of one that was brought from another worker: the session that it was in there, and the
        # offset that the client said, of the log there.
        self.home = ""
        self.told: object = None
        # Of one that another process has left: the number of the last event that was not left with
        # it, and those lines of what was that are its own.
        self.base = 0
        self.lines: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        return self.names[-1]

    def key_in(self, namespace: str) -> Key:
        return self.has_offsets, self.pid, namespace

    def is_meant(
        self, rooms: tuple[Hashable, ...] | None, skip: frozenset[Hashable], number: int
    ) -> bool:
        """Whether the client is one of those whom the event of that number is for."""
        marks, names = self.marks, self.names
        if skip and any(each in names or marks.get(each, number) < number for each in skip):
            return False
        if rooms is None:
            return True
        return any(each in names or marks.get(each, number) < number for each in rooms)


class Moved(NamedTuple):
    """A stay that goes on in another worker."""

    names: tuple[str, ...]
    rooms: list[Hashable]
    session: dict[str, Any]
    #: With offsets of the log where they were kept, where the client counts.
    missed: list[Outgoing]
