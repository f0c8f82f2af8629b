"""What this process publishes: numbered, and in a queue that is bounded and never waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ...runtime.interfaces import Runtime
from .address import Address
from .frames import HEADER, MAX_PAYLOAD, begin_word, check_size
from .line import NOTHING, Line, Uncounted
from .numbering import Numbering

__all__ = ["KEPT_FOR", "MAX_WAITING", "Publisher"]

#: Bytes that may wait to be written. What does not fit is dropped.
MAX_WAITING = 16_000_000
#: Seconds that a publication may wait for a connection: nothing arrives long after it was said.
KEPT_FOR = 2.0

_END = b"\r\n"


class Publisher:
    """One connection, and what waits to be written to it."""

    def __init__(
        self,
        address: Address,
        runtime: Runtime,
        publisher: bytes,
        *,
        opened: Callable[[], None],
        lost: Callable[[str], None],
        dropped: Callable[[int], None],
        refused: Callable[[str], None],
    ) -> None:
        """``publisher`` is the name in the frames. ``dropped`` is told how many publications are
        not going to be sent, ``refused`` what the server said to one."""
        self._runtime = runtime
        self._numbering = Numbering(publisher, b"PUBLISH")
        # Of channels of which there may be any number: they would keep others from their turn.
        self._of_many = Numbering(publisher, b"PUBLISH")
        self._word = begin_word(publisher)
        self._on_opened = opened
        self._on_lost = lost
        self._dropped = dropped
        self._refused = refused
        #: While there is no connection: since when each waits.
        self._early: deque[tuple[float, bytes]] = deque()
        self._early_size = 0
        #: How many have been published, dropped ones not among them.
        self.published = 0
        self.line = Line(address, runtime, self)

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        return self.line.waiting + self._early_size

    def publish(self, channel: str, payload: bytes, many: bool) -> bool:
        """Queue it; false where it was dropped. Raises ``UsageError`` for what is too long."""
        size = len(payload)
        if size > MAX_PAYLOAD:
            check_size(payload)
        numbering = self._of_many if many else self._numbering
        counter = numbering.young.get(channel) or numbering.of(channel)
        # Also of what is dropped: receivers are to know.
        counter.number = number = counter.number + 1
        command = b"%b%d\r\n%b%b%b\r\n" % (
            counter.command,
            HEADER + size,
            counter.frame,
            number.to_bytes(8, "big"),
            payload,
        )
        line = self.line
        if line.waiting + self._early_size + len(command) > MAX_WAITING:
            self._dropped(1)
            return False
        if line.is_open:
            line.send(command)
        else:
            self._drop_old()
            self._early.append((self._runtime.now(), command))
            self._early_size += len(command)
        self.published += 1
        return True

    def word(self, channel: str, payload: bytes) -> bool:
        """Queue what is not counted; false, and nothing done, where there is no connection or no
        room. Raises ``UsageError`` for what is too long."""
        check_size(payload)
        name = channel.encode("utf-8", "surrogatepass")
        command = Uncounted(
            b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b%b\r\n"
            % (len(name), name, HEADER + len(payload), self._word, payload)
        )
        if not self.line.is_open or self.line.waiting + len(command) > MAX_WAITING:
            return False
        self.line.send(command)
        return True

    def counted(self, most: int) -> dict[str, tuple[int, int]]:
        return self._numbering.in_turn(most)

    def _drop_old(self) -> None:
        """What waits for too long; at least with each publication, so that it cannot fill up with
        what is not going to be sent."""
        early = self._early
        limit = self._runtime.now() - KEPT_FOR
        dropped = 0
        while early and early[0][0] < limit:
            self._early_size -= len(early.popleft()[1])
            dropped += 1
        if dropped:
            self.published -= dropped
            self._dropped(dropped)

    # ---- for the line

    def opened(self) -> None:
        self._drop_old()
        early, self._early = self._early, deque()
        self._early_size = 0
        for _, command in early:
            self.line.send(command)
        self._on_opened()

    def replies(self, gets: Callable[[], Any]) -> None:
        # How many received each, and PONG.
        while (reply := gets()) is not NOTHING:
            if isinstance(reply, Exception):
                self._refused(str(reply))

    def lost(self, why: str, unsent: list[bytes]) -> None:
        dropped = sum(type(command) is not Uncounted for command in unsent)
        if dropped:
            self.published -= dropped
            self._dropped(dropped)
        self._on_lost(why)
