"""What waits for a client, and what is on its way.

An outbox is bounded in packets and in bytes: in bytes of memory, which are more than go over the
wire; so of what waits nothing is kept but its text. A carrier that answers once (a poll) *takes* a
batch; the batch still belongs to the outbox until it is confirmed, and goes back to the front when
its carrier is known to have failed. A carrier that streams takes packets for good.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from ..protocol.engine_codec import Attached

__all__ = ["ENTRY", "Batch", "Outbox", "Outgoing"]

#: Bytes that a packet takes beside its text and its attachments, wherever it is kept: its object,
#: its place in a list, and what the allocator rounds up.
ENTRY = 144
# The same of the tuple of its attachments.
_TUPLE = 56
# Which part of its weight a packet's compressed form may be to be kept with it.
_SMALL = 6

# Not the codec's error handler, which is called for each: half a second for a megabyte of them.
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")


class Outgoing:
    """One encoded packet, shared by everybody it goes to.

    Its text can always be encoded to UTF-8: a lone surrogate (from JSON's ``"\\ud800"``) is
    repaired when it is made, once, with U+FFFD, and can never stop a writer.
    """

    __slots__ = (
        "alone",
        "attachments",
        "deflated",
        "endpoint",
        "frame",
        "size",
        "text",
        "volatile",
        "weight",
    )

    def __init__(
        self, text: str, endpoint: str = "", *, volatile: bool = False, alone: bool = False
    ) -> None:
        if text.isascii():
            # Known to it, whatever its length.
            self.size = len(text)
        else:
            try:
                self.size = len(text.encode())
            except UnicodeEncodeError:
                text = _repaired(text)
                self.size = len(text.encode())
        self.text = text
        #: Bytes of all of it, as it goes over the wire; and of memory, once it is kept anywhere.
        self.weight = 0
        #: Bytes that have to follow the text at once, each as a message of its own.
        self.attachments: tuple[bytes, ...] = ()
        if type(text) is Attached:
            self.attachments = text.attachments
            self.size += sum(map(len, text.attachments))
        self.endpoint = endpoint
        #: Dropped instead of queued when no carrier takes it at once.
        self.volatile = volatile
        #: Travels in a batch of its own (the first poll is answered by ``1::`` and nothing else).
        self.alone = alone
        #: The same in compressed frames, made by the first websocket that writes those.
        self.deflated: Outgoing | None = None
        #: The websocket frame, made by the first websocket that writes this packet.
        self.frame: bytes | None = None

    @property
    def data(self) -> bytes:
        """The text in UTF-8, made anew."""
        return self.text.encode()

    def weigh(self) -> int:
        """What :attr:`weight` is from now on: bytes of memory that it takes while it waits."""
        # An object tells the width of its characters, too: one emoji makes all of them four bytes.
        weight = ENTRY + sys.getsizeof(self.text)
        if self.attachments:
            weight += _TUPLE + sum([8 + sys.getsizeof(each) for each in self.attachments])
        self.weight = weight
        return weight

    def slim(self) -> None:
        """Keep no form that can be made again from the text: for who has written it to some and
        keeps it for others. Not so the compressed one, where it is small beside the text, for it
        takes long to make."""
        self.frame = None
        deflated = self.deflated
        if deflated is not None and _SMALL * (ENTRY + len(deflated.frame or b"")) > self.weight:
            self.deflated = None


def _repaired(text: str) -> str:
    whole = str(text)
    if _PAIR.search(whole):
        whole = whole.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    whole = _LONE.sub("\ufffd", whole)
    return Attached.of(whole, text.attachments) if isinstance(text, Attached) else whole


class Batch:
    """Packets that one carrier took in one go, until it is known what became of them."""

    __slots__ = ("abandon", "before", "packets", "taken", "unread", "weight", "written")

    def __init__(self, packets: list[Outgoing]) -> None:
        self.packets = packets
        #: Bytes of memory of all of them.
        self.weight = sum([packet.weight for packet in packets])
        #: The server wrote the whole answer without an error.
        self.written = False
        #: Asked when the client's next request arrives: is it *known* that the client never read
        #: the written answer?
        self.unread: Callable[[], bool] = _not_known
        #: Called when it is given up half written: ends whatever still writes the answer.
        self.abandon: Callable[[], object] | None = None
        #: What changes whenever the client has taken more of the answer, where that is known, and
        #: is None when it has all; and what it gave when the writing began.
        self.taken: Callable[[], object] | None = None
        self.before: object = None

    def texts(self) -> list[str]:
        return [packet.text for packet in self.packets]


class Outbox:
    """A bounded queue of :class:`Outgoing` in order, with at most one batch in flight."""

    __slots__ = (
        "_excused",
        "_extra",
        "_flight",
        "_large",
        "_max_bytes",
        "_max_packets",
        "_size",
        "closed",
        "waiting",
    )

    def __init__(self, max_packets: int, max_bytes: int) -> None:
        #: What is not under way, in order. To be looked at only.
        # A list: an empty deque would be the largest part of an idle client.
        self.waiting: list[Outgoing] = []
        self._size = 0
        # Bytes of the packets in it that do not count: of those that are larger than the limit, of
        # the one that was let in behind others, and of the first, so many, which are excused.
        self._large = 0
        self._extra: Outgoing | None = None
        self._excused = 0
        self._flight: Batch | None = None
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        #: The last word has been said. Who puts packets in looks at it.
        self.closed = False

    def __len__(self) -> int:
        return len(self.waiting)

    @property
    def size(self) -> int:
        """Bytes of memory held, the batch in flight included."""
        return self._size

    @property
    def flight(self) -> Batch | None:
        """What is under way."""
        return self._flight

    @property
    def half_written(self) -> bool:
        """Whether an answer is still being written."""
        return self._flight is not None and not self._flight.written

    def put(self, packet: Outgoing) -> bool:
        """Queue ``packet``; False, and nothing queued, when that would pass a limit.

        A single packet passes into an empty outbox, however large it is and whatever is under way:
        the limit bounds what piles up, not what may be said. So a packet that is larger than the
        limit does not count against what comes behind it, and an answer that was written, or is
        larger than the limit, does not either.
        """
        size = packet.weight or packet.weigh()
        if (
            self.waiting
            # The common case first: nothing is under way, and there is room.
            and (
                self._flight is not None
                or len(self.waiting) >= self._max_packets
                or self._size + size > self._max_bytes
            )
            and not self._has_room_for(size)
        ):
            return False
        # As force() does it, which would be another call for each packet.
        self.waiting.append(packet)
        self._size += size
        if size > self._max_bytes:
            self._large += size
        return True

    def put_large(self, packet: Outgoing) -> bool:
        """Queue one large packet, of more than half the limit, behind others, where a carrier is
        about to take them; False when it is not large, and when another such waits already."""
        size = packet.weight or packet.weigh()
        if self._large or 2 * size <= self._max_bytes:
            return False
        self.force(packet)
        if size <= self._max_bytes:
            self._extra = packet
            self._large = size
        return True

    def _has_room_for(self, size: int) -> bool:
        held = self._size - self._large
        count = len(self.waiting) - self._excused
        flight = self._flight
        if flight is not None:
            if flight.written or flight.weight > self._max_bytes:
                held -= flight.weight
            if not flight.written:
                count += len(flight.packets)
        return count < self._max_packets and held + size <= self._max_bytes

    def force(self, packet: Outgoing) -> None:
        """Queue ``packet`` beyond the limits: for the one packet that ends a session, and for what
        was held within limits of its own."""
        size = packet.weight or packet.weigh()
        self.waiting.append(packet)
        self._size += size
        if size > self._max_bytes:
            self._large += size

    def excuse(self) -> None:
        """Let nothing that waits now count against what comes behind it."""
        self._excused = len(self.waiting)
        self._large = self._large_in(self.waiting)
        self._extra = None

    def take(self, max_bytes: int) -> list[Outgoing]:
        """Remove and return the next packets for good: at least one if there is any, and no more
        than ``max_bytes`` on the wire in all unless the first alone is larger."""
        count = taken = weight = 0
        for packet in self.waiting:
            size = packet.size
            if count and (taken + size > max_bytes or packet.alone):
                break
            count += 1
            taken += size
            weight += packet.weight
            if packet.alone:
                break
        packets = self.waiting[:count]
        del self.waiting[:count]
        self._size -= weight
        if self._large:
            self._large -= self._large_in(packets)
            self._excused = max(0, self._excused - count)
            if self._extra in packets:
                self._extra = None
        return packets

    def _large_in(self, packets: list[Outgoing]) -> int:
        limit, extra = self._max_bytes, self._extra
        excused = sum([each.weight for each in packets[: self._excused]])
        others = [each for each in packets[self._excused :] if each.weight > limit or each is extra]
        return excused + sum([each.weight for each in others])

    def take_batch(self, max_bytes: int) -> Batch:
        """Like :meth:`take`, but the packets stay accounted for until the batch is settled."""
        self.settle()
        batch = Batch(self.take(max_bytes))
        if batch.packets:
            self._flight = batch
            self._size += batch.weight
        return batch

    def restore(self, batch: Batch) -> None:
        """The carrier of ``batch`` failed: its packets go first again. Once; later calls do
        nothing, so a failure reported twice cannot double a message."""
        if self._flight is batch:
            self._flight = None
            self.waiting[:0] = batch.packets
            if self._excused:
                # They were before those.
                self._excused += len(batch.packets)
            self._large += self._large_in(batch.packets)

    def settle(self) -> None:
        """The client asked again: decide what became of the batch in flight.

        An answer that was never completely written, or is known to be unread, goes back to the
        front; any other counts as delivered. Without such evidence nothing is sent twice, because
        protocol 0.9 has no packet ids and its clients cannot drop doubles.
        """
        batch = self._flight
        if batch is None:
            return
        if not batch.written or batch.unread():
            self.restore(batch)
            _abandon(batch)
        else:
            self._flight = None
            self._size -= batch.weight

    def clear(self) -> int:
        """Forget everything; returns how many packets were still waiting."""
        dropped = len(self.waiting)
        self.waiting.clear()
        batch, self._flight = self._flight, None
        self._size = self._large = self._excused = 0
        self._extra = None
        if batch is not None:
            _abandon(batch)
        return dropped


def _abandon(batch: Batch) -> None:
    if not batch.written and batch.abandon is not None:
        batch.abandon()


def _not_known() -> bool:
    return False
