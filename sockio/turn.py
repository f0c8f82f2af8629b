"""One turn of the event loop, in which what goes out is collected to leave joined.

A turn opens when the first bytes of a loop's pass are read, and ends when what they set off has run
as far as it can without waiting. Whoever writes in between may put its packets together and send
them once, at the turn's end: four broadcasts that arrived in one read cost each of their receivers
one system call instead of four, and nothing leaves later than it would have been noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .outbox import Outgoing

__all__ = ["Sequence", "Turn", "Writer"]


class Sequence:
    """Packets that leave one after the other, shared by everybody who gets the same ones.

    A sequence is its beginning and one packet more. It remembers the sequence that continued it
    last, so that the thousandth receiver of the same broadcasts makes nothing new, and the bytes
    are joined once.
    """

    __slots__ = ("_before", "_frame", "joined", "next", "next_packet", "size")

    def __init__(self, before: Sequence | None = None, frame: bytes = b"") -> None:
        self._before = before
        self._frame = frame
        #: All its bytes, once :meth:`join` was called.
        self.joined: bytes | None = None
        #: The packet that continued this sequence last, and the sequence with it.
        self.next_packet: Outgoing | None = None
        self.next: Sequence = self
        self.size: int = len(frame) if before is None else before.size + len(frame)

    def then(self, packet: Outgoing, frame: bytes) -> Sequence:
        """This sequence with one more packet at its end, of which ``frame`` are the bytes."""
        if self.next_packet is not packet:
            self.next_packet = packet
            self.next = Sequence(self, frame)
        return self.next

    def join(self) -> bytes:
        """All its bytes."""
        frames: list[bytes] = []
        each: Sequence | None = self
        while each is not None:
            frames.append(each._frame)
            each = each._before
        frames.reverse()
        self.joined = joined = b"".join(frames)
        return joined


class Writer(Protocol):
    """Who collects."""

    def flush(self) -> None:
        """Write what was collected. Must not block or raise."""
        ...


class Turn:
    """Whether a turn is open, and who collected something in it."""

    __slots__ = ("_writers", "at_end", "nothing", "open")

    def __init__(self) -> None:
        self.open = False
        #: The sequence without packets, which all others of this turn continue.
        self.nothing = Sequence()
        self._writers: list[Writer] = []
        #: Have ``writer.flush()`` called when the turn ends.
        self.at_end: Callable[[Writer], None] = self._writers.append

    def end(self) -> None:
        """Close the turn, and do what waited for it."""
        self.open = False
        writers = self._writers
        if writers:
            # One that is called may have others write, who do so at once: the turn is over.
            for writer in writers:
                writer.flush()
            writers.clear()
            # Not kept: it would hold every packet of the turn.
            self.nothing = Sequence()
