"""What one client has sent and nobody has handled yet: in what order, and how much it may be.

Packets wait as the texts that they came as: the objects that JSON stands for take up to thirty
times its bytes. Only a few short ones may have been read already. What else has its place among
them (a namespace that is to be told of its end) is an item of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..protocol.engine_codec import Bundle
from ..protocol.packet import Packet
from ..protocol.strict_json import LARGE

__all__ = [
    "EARLY",
    "ITEM",
    "OPENING",
    "OVERDUE",
    "Farewell",
    "Inbox",
    "Item",
    "Receipted",
    "Waited",
]

#: Bytes that a client may send ahead of its first transport.
EARLY = 65_536
#: Bytes of memory that a packet takes beside its text; and one more object around that.
ITEM, AROUND = 72, 64


class Receipted:
    """A packet whose automatic ack went out when it came in."""

    __slots__ = ("text", "weight")

    def __init__(self, text: str | bytes | Bundle) -> None:
        self.text = text
        self.weight = len(text) + ITEM + AROUND


class Waited:
    """A packet that has waited for the connect of its namespace: it was counted when it came."""

    __slots__ = ("text", "weight")

    def __init__(self, text: str | bytes | Bundle) -> None:
        self.text = text
        self.weight = len(text) + ITEM + AROUND


class Farewell:
    """One namespace that is to be told of its end, in its place among the packets."""

    __slots__ = ("namespace", "reason", "since")

    def __init__(self, namespace: Any, reason: str, since: float) -> None:
        self.namespace = namespace
        self.reason = reason
        self.since = since


class _Opening:
    """The global namespace is to be connected, which nobody has to ask for."""

    __slots__ = ()


class _Overdue:
    """Packets have waited long enough for a connect. In the inbox, for it may stand there."""

    __slots__ = ()


OPENING = _Opening()
OVERDUE = _Overdue()

Item = Packet | str | bytes | Bundle | Receipted | Waited | Farewell | _Opening | _Overdue


class Inbox:
    """Bounded in packets and in bytes; who brings more has to look at :attr:`full` first.

    ``max_inbox`` is packets and bytes of memory.
    """

    __slots__ = ("_answered", "_answers", "_bounds", "crowded", "items", "size")

    def __init__(self, max_inbox: tuple[int, int]) -> None:
        self._bounds = max_inbox
        #: What came in, in order. To be looked at and taken from.
        # A list: it is short, and an empty deque would be a large part of an idle client.
        self.items: list[Item] = []
        #: Bytes of memory of the texts in it. Who takes a text subtracts it, and :data:`ITEM`, or
        #: the ``weight`` of what it is in.
        self.size = 0
        #: Whether somebody was told that it is full, and waits for room.
        self.crowded = False
        # Acks whose callbacks run, and the bytes of what they were given.
        self._answers = self._answered = 0

    # ---- what goes in

    def has_goodbye(self, endpoint: str, text: str | bytes | Bundle) -> bool:
        """Whether another goodbye to a namespace waits, written as ``text`` is: that one is meant
        for the namespace that is there now, and ``text`` for one that comes behind it."""
        if not isinstance(text, str):
            return text in self.items
        beginning = text.rstrip(",:")
        for item in self.items:
            if isinstance(item, str):
                found = item.startswith(beginning)
            else:
                found = (
                    isinstance(item, dict)
                    and item["type"] == "disconnect"
                    and item["endpoint"] == endpoint
                )
            if found:
                return True
        return False

    def put(self, text: str | bytes | Bundle) -> None:
        """Let a packet wait."""
        if isinstance(text, str) and not text.isascii():
            text = _in_bytes(text)
        self.size += len(text) + ITEM
        self.items.append(text)

    def put_receipted(self, text: str | bytes | Bundle) -> None:
        """Let a packet wait whose automatic ack has gone out."""
        text = _in_bytes(text)
        item = Receipted(text)
        self.size += item.weight
        self.items.append(item)

    def put_first(self, texts: Iterable[str | bytes | Bundle]) -> None:
        """Packets whose namespace has been connected are next."""
        waited = [Waited(text) for text in texts]
        self.items[:0] = waited
        self.size += sum([each.weight for each in waited])

    def forget(self) -> int:
        """Drop what waits to be handled; who waits to be told of an end is still told. Returns how
        many packets are dropped."""
        if not self.items:
            return 0
        kept: list[Item] = [item for item in self.items if isinstance(item, Farewell)]
        dropped = sum(
            1
            for item in self.items
            if isinstance(item, (dict, str, bytes, Bundle, Receipted, Waited))
        )
        self.items[:] = kept
        self.size = 0
        return dropped

    @property
    def large_next(self) -> bool:
        """Whether the next packet takes long to read."""
        item = self.items[0]
        text = item.text if isinstance(item, (Receipted, Waited)) else item
        return isinstance(text, (str, bytes, Bundle)) and len(text) >= LARGE

    # ---- how much it is

    def begin_answer(self, size: int) -> None:
        """An ack with ``size`` bytes of arguments came in: its callback is about to run."""
        self._answers += 1
        self._answered += size

    def end_answer(self, size: int) -> None:
        """The callback has returned."""
        self._answers -= 1
        self._answered -= size

    @property
    def full(self) -> bool:
        """Whether as much waits as may. Who is told so waits for :meth:`makes_room`."""
        # Asked with every read.
        most, largest = self._bounds
        if not self._answers:
            if len(self.items) < most and self.size < largest:
                return False
            self.crowded = True
            return True
        packets, size = self._load()
        if packets >= most or size >= largest:
            self.crowded = True
            return True
        return False

    def takes_early(self, size: int) -> bool:
        """Whether ``size`` bytes more may wait for the session to open."""
        if self.size + size <= EARLY:
            return True
        self.crowded = True
        return False

    def makes_room(self) -> bool:
        """Whether somebody waits for room, and half of what was too much is done: nobody waits any
        more then."""
        if not self.crowded:
            return False
        packets, size = self._load()
        if packets > self._bounds[0] // 2 or size > self._bounds[1] // 2:
            return False
        self.crowded = False
        return True

    def _load(self) -> tuple[int, int]:
        """How much is not done, in packets and in bytes: what waits, and the acks whose callbacks
        run. One callback may run, and one handler, whatever it was given."""
        packets, size = len(self.items), self.size
        if self._answers > 1:
            return packets + self._answers - 1, size + self._answered
        return packets, size


def _in_bytes(text: str | bytes | Bundle) -> str | bytes | Bundle:
    """The text as it is kept: a str may take four bytes for each of its characters."""
    if not isinstance(text, str) or text.isascii():
        return text
    # A lone surrogate is found to be no UTF-8 when it is its turn.
    return text.encode("utf-8", "surrogatepass")
