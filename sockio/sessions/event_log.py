"""The events that are kept for clients who come back: in order, each with its number.

Clients since 4.6 are told the number as the event's *offset*, with which they say later what they
have received. It begins with a word of this log's own, so that an offset of another process, or of
one before, is none of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..protocol.engine_codec import Attached
from .event_index import EventIndex
from .numbered import Numbered
from .outbox import Outgoing

__all__ = ["Earlier", "Entry", "EventLog", "Origin"]

#: Logs of others that are remembered: as many processes may have ended before who comes back.
MOST_EARLIER = 1000

#: Which process has said something first, and the how manieth that was of what it says.
Origin = tuple[str, int]


class Entry(NamedTuple):
    """One event, and whom it is for."""

    until: float
    namespace: str
    rooms: tuple[Hashable, ...] | None
    skip: frozenset[Hashable]
    #: With an offset, and without: each only where somebody may come back for it.
    modern: Outgoing | None
    old: Outgoing | None
    size: int
    #: None where nobody else has it.
    origin: Origin | None = None
    #: Of one that was brought from another log: what those are called who may get it, and have
    #: that among their ``lines``. All others had it here.
    line: object = None


class Earlier(NamedTuple):
    """A log of another process, whose events this one has, or had."""

    word: str
    #: The number of its last.
    last: int
    #: What has to be added to a number of it.
    shift: int
    #: The number here of the last that was not brought.
    base: int


class EventLog:
    """Those that are kept."""

    __slots__ = ("_earlier", "_entries", "_index", "size", "word")

    def __init__(self) -> None:
        self.word = secrets.token_urlsafe(4)
        # By their words.
        self._earlier: dict[str, Earlier] = {}
        self._entries: Numbered[Entry] = Numbered()
        self._index = EventIndex()
        #: Bytes kept.
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> Entry | None:
        return self._entries[self.first + 1] if self._entries else None

    @property
    def newest(self) -> Entry | None:
        return self._entries[self.number] if self._entries else None

    @property
    def number(self) -> int:
        """That of the last."""
        return self._entries.last

    def append(self, entry: Entry) -> int:
        """Keep one more, and give its number."""
        self.size += entry.size
        self._index.append(_place(entry.namespace, entry.line), entry.rooms)
        return self._entries.append(entry)

    def drop_oldest(self) -> Entry:
        entry = self._entries.drop_oldest()
        self._index.drop_oldest(_place(entry.namespace, entry.line), entry.rooms)
        self.size -= entry.size
        return entry

    def clear(self) -> None:
        self._entries.clear()
        self._index.clear()
        self.size = 0

    # ---- since when

    @property
    def first(self) -> int:
        """The number of the last that is not kept any more."""
        return self._entries.first

    def has_all_since(self, number: int) -> bool:
        return self.first <= number <= self.number

    def since(self, number: int) -> Iterator[tuple[int, Entry]]:
        """Those behind that one, each with its number."""
        return ((each, self._entries[each]) for each in range(number + 1, self.number + 1))

    def meant(
        self,
        number: int,
        namespace: str,
        rooms: Sequence[Hashable],
        most: int,
        lines: Iterable[object] = (),
    ) -> list[tuple[int, Entry]] | None:
        """Those behind that one, each with its number, that may be for a client in these rooms of a
        namespace, of what was not brought and of these ``lines``. None where to find them would be
        more than ``most`` looks."""
        numbers: list[int] = []
        for line in (None, *lines):
            found_there = self._index.meant(_place(namespace, line), rooms, number, most)
            if found_there is None:
                return None
            numbers += found_there
            most -= len(found_there)
        entries, base = self._entries.view
        found = [(each, entries[each - base]) for each in sorted(numbers)]
        return [(number, entry) for number, entry in found if entry is not None]

    # ---- offsets

    def offset(self, number: int) -> str:
        return f"{self.word}.{number:x}"

    def number_of(self, offset: object) -> int:
        """The number of an event that a client says it has; -1 for what is none of ours. One that
        is older than what was brought of its log has the number before that."""
        word, _, digits = offset.rpartition(".") if isinstance(offset, str) else ("", "", "")
        if not 0 < len(digits) <= 16 or not digits.isalnum():
            return -1
        try:
            number = int(digits, 16)
        except ValueError:
            return -1
        if word == self.word:
            return number
        earlier = self._earlier.get(word)
        if earlier is None or number > earlier.last:
            return -1
        return max(number + earlier.shift, earlier.base - 1)

    @property
    def earlier(self) -> list[Earlier]:
        """The logs of other processes whose offsets are understood, that of this one at the end."""
        return [*self._earlier.values(), Earlier(self.word, self.number, 0, 0)]

    def understand(self, earlier: Earlier) -> None:
        """Know the offsets of another log, of which events were brought."""
        self._earlier.pop(earlier.word, None)
        self._earlier[earlier.word] = earlier
        if len(self._earlier) > MOST_EARLIER:
            del self._earlier[next(iter(self._earlier))]

    def renumbered(self, packet: Outgoing, number: int) -> Outgoing:
        """An event that another log has given an offset, with one of this log: it is the last
        argument, and has nothing in it that JSON escapes."""
        text = f'{packet.text[: packet.text.rindex(",")]},"{self.offset(number)}"]'
        if packet.attachments:
            text = Attached.of(text, packet.attachments)
        return Outgoing(text, packet.endpoint)


def _place(namespace: str, line: object) -> Hashable:
    """What the index knows it by."""
    return namespace if line is None else (namespace, line)
