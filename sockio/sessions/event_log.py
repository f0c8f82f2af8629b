"""The events that are kept for clients who come back: in order, each with its number.

Clients since 4.6 are told the number as the event's *offset*, with which they say later what they
have received. It begins with a word of this log's own, so that an offset of another process, or of
one before, is none of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from ..protocol.engine_codec import Attached
from .event_index import EventIndex
from .numbered import Numbered
from .outbox import Outgoing

__all__ = ["Entry", "EventLog", "Origin"]

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


class EventLog:
    """Those that are kept."""

    __slots__ = ("_boot", "_entries", "_index", "size")

    def __init__(self) -> None:
        self._boot = secrets.token_urlsafe(4)
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
        self._index.append(entry.namespace, entry.rooms)
        return self._entries.append(entry)

    def drop_oldest(self) -> Entry:
        entry = self._entries.drop_oldest()
        self._index.drop_oldest(entry.namespace, entry.rooms)
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
        self, number: int, namespace: str, rooms: Iterable[Hashable], most: int
    ) -> list[tuple[int, Entry]] | None:
        """Those behind that one, each with its number, that may be for a client in these rooms of a
        namespace. None where to find them would be more than ``most`` looks."""
        numbers = self._index.meant(namespace, rooms, number, most)
        if numbers is None:
            return None
        entries, base = self._entries.view
        found = [(each, entries[each - base]) for each in numbers]
        return [(number, entry) for number, entry in found if entry is not None]

    # ---- offsets

    def offset(self, number: int) -> str:
        return f"{self._boot}.{number:x}"

    def number_of(self, offset: object) -> int:
        """The number of an event that a client says it has; -1 for what is none of ours."""
        boot, _, digits = offset.rpartition(".") if isinstance(offset, str) else ("", "", "")
        if boot != self._boot or not 0 < len(digits) <= 16 or not digits.isalnum():
            return -1
        try:
            return int(digits, 16)
        except ValueError:
            return -1

    def renumbered(self, packet: Outgoing, number: int) -> Outgoing:
        """An event that another log has given an offset, with one of this log: it is the last
        argument, and has nothing in it that JSON escapes."""
        text = f'{packet.text[: packet.text.rindex(",")]},"{self.offset(number)}"]'
        if packet.attachments:
            text = Attached.of(text, packet.attachments)
        return Outgoing(text, packet.endpoint)
