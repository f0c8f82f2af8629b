"""What a process leaves when it ends: the events that it has kept, and the clients that are away.

Another process keeps all of that beside its own, where each client finds it as if it had been lost
there. The events go behind its own ones, under numbers of its own log, whose offsets are told from
then on; those of the log that was left are understood. They are a *line*: for those who were left
with them, since all others have had them here. What both have heard is kept once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import NamedTuple

from .away import Away
from .event_log import Earlier, Entry, EventLog, Origin
from .stay import Stay

__all__ = ["SHARED", "Estate", "Heirloom", "leave", "twins"]

#: Bytes that an event takes beside the same one that is kept already, or that is for nobody.
SHARED = 200


class Heirloom(NamedTuple):
    """A client that is away. Its numbers count from the first event of the estate."""

    namespace: str
    stay: Stay
    #: Bytes that it counts for.
    size: int


class Estate(NamedTuple):
    """All of it. Times are of the clock of whoever has it, and so are the lines: the first is that
    of the log itself."""

    lines: list[object]
    earlier: list[Earlier]
    #: Where it is left, those are among them that are for nobody in it: :meth:`is_for_any`.
    entries: list[Entry]
    #: Each as it is when it is asked for.
    heirlooms: Iterator[Heirloom]
    #: The rooms, and names, of those in it, by namespace.
    wanted: Mapping[str, set[Hashable]] = {}

    def is_for_any(self, entry: Entry) -> bool:
        """Whether an event may be for one of them."""
        rooms = self.wanted.get(entry.namespace)
        if rooms is None or (entry.rooms is not None and rooms.isdisjoint(entry.rooms)):
            return False
        return entry.line in self.lines


def leave(log: EventLog, away: Away, dropped_at: float, grace: float, kept: float) -> Estate:
    """What there is now, of which nothing is changed. An event was sent ``kept`` seconds before it
    is not kept any more; ``dropped_at`` and ``grace`` are those of
    :class:`~.recovery.Recovery`."""
    stays = [(key, stay) for key in away if (stay := away.get(key)) is not None]
    # What is older everybody has received.
    needed = min([stay.lost_at for _, stay in stays], default=0.0) - grace
    entries = [entry for _, entry in log.since(log.first)]
    behind = 0
    while behind < len(entries) and entries[behind].until - kept <= needed:
        dropped_at = max(dropped_at, entries[behind].until - kept)
        behind += 1
    first = log.first + behind
    lines: dict[object, None] = {None: None}
    wanted: dict[str, set[Hashable]] = {}
    for key, stay in stays:
        lines.update(dict.fromkeys(stay.lines))
        rooms = wanted.setdefault(key[2], set())
        rooms.update(stay.names)
        rooms.update(stay.marks)
    del entries[:behind]

    def heirlooms() -> Iterator[Heirloom]:
        for key, stay in stays:
            if away.get(key) is stay:
                quiet = stay.has_offsets and dropped_at <= stay.lost_at - grace
                yield Heirloom(key[2], _left(stay, first, quiet=quiet), stay.size)

    earlier = [
        Earlier(each.word, each.last, each.shift - first, max(each.base - first, 0))
        for each in log.earlier
    ]
    return Estate(list(lines), earlier, entries, heirlooms(), wanted)


def _left(stay: Stay, first: int, *, quiet: bool) -> Stay:
    copy = Stay(stay.name, stay.pid, stay.number, has_offsets=stay.has_offsets)
    for name in ("names", "address", "lost_at", "queued", "session", "until", "home", "lines"):
        setattr(copy, name, getattr(stay, name))
    copy.told = stay.told
    base = max(stay.base, first)
    number = max(stay.number, first) if quiet else stay.number
    copy.base = base - first
    # Before it: only by an offset can it say what it has.
    copy.number = max(number, base - 1) - first
    copy.marks = {room: max(mark - first, -1) for room, mark in stay.marks.items()}
    return copy


def twins(log: EventLog) -> Mapping[Origin, Entry]:
    """The events that others may have kept as well."""
    return {
        entry.origin: entry
        for _, entry in log.since(log.first)
        if entry.line is None and entry.origin is not None
    }
