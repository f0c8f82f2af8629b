"""What this process publishes: numbered, and in a queue that is bounded and never waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ...runtime.interfaces import Runtime
from .address import Address, Connects
from .frames import HEADER, MAX_PAYLOAD, begin_word, check_size
from .line import NOTHING, Line, Uncounted
from .numbering import Numbering

__all__ = ["KEPT_FOR", "MAX_WAITING", "Publisher", "Sender", "SinglePublisher"]

#: Bytes of memory that may wait to be written. What does not fit is dropped.
MAX_WAITING = 16_000_000
#: Those that a publication takes beside its bytes while there is no connection.
AROUND = 160
#: Seconds that a publication may wait for a connection: nothing arrives long after it was said.
KEPT_FOR = 2.0


class Sender:
    """One connection, and what waits to be written to it."""

    def __init__(
        self,
        address: Connects | None,
        runtime: Runtime,
        *,
        opened: Callable[[], object],
        lost: Callable[[str], object],
        dropped: Callable[[int], object],
        refused: Callable[[str], object],
    ) -> None:
        """``dropped`` is told how many publications are not going to be sent, ``refused`` what the
        server said to one. Without an ``address`` all waits until somebody takes it elsewhere."""
        self._runtime = runtime
        self._on_opened = opened
        self._on_lost = lost
        self._dropped = dropped
        self._refused = refused
        #: While there is no connection: since when each waits, and for which channel.
        self._early: deque[tuple[float, str, bytes]] = deque()
        self._early_size = 0
        # How many the server has yet to answer.
        self._open = 0
        self.line = Line(address, runtime, self) if address is not None else None

    @property
    def is_open(self) -> bool:
        return self.line is not None and self.line.is_open

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        return self._early_size + (0 if self.line is None else self.line.waiting)

    @property
    def all_answered(self) -> bool:
        """Whether the server has had all that was published, as far as it was not dropped."""
        return self.is_open and not self._open

    def queue(self, channel: str, command: bytes) -> bool:
        """False where there is no room."""
        line = self.line
        if line is not None and line.is_open:
            if line.weight + len(command) > MAX_WAITING:
                return False
            self._open += 1
            line.send(command)
            return True
        self._drop_old()
        if self._early_size + len(command) + AROUND > MAX_WAITING:
            return False
        self._early.append((self._runtime.now(), channel, command))
        self._early_size += len(command) + AROUND
        return True

    def word(self, command: bytes) -> bool:
        """False where there is no connection or no room."""
        line = self.line
        if line is None or not line.is_open or line.weight + len(command) > MAX_WAITING:
            return False
        self._open += 1
        line.send(command)
        return True

    def take_early(self) -> list[tuple[float, str, bytes]]:
        """What waits for a connection; it is somebody else's from now on."""
        early, self._early = [*self._early], deque()
        self._early_size = 0
        return early

    def put_early(self, *early: tuple[float, str, bytes]) -> None:
        """What has waited elsewhere."""
        for since, channel, command in early:
            if self.is_open:
                self.queue(channel, command)
            else:
                self._early.append((since, channel, command))
                self._early_size += len(command) + AROUND

    def _drop_old(self) -> None:
        """What waits for too long; at least with each publication, so that it cannot fill up with
        what is not going to be sent."""
        early = self._early
        limit = self._runtime.now() - KEPT_FOR
        dropped = 0
        while early and early[0][0] < limit:
            self._early_size -= len(early.popleft()[2]) + AROUND
            dropped += 1
        if dropped:
            self._dropped(dropped)

    # ---- for the line

    def opened(self) -> None:
        self._drop_old()
        self.put_early(*self.take_early())
        self._on_opened()

    def replies(self, gets: Callable[[], Any]) -> None:
        # How many received each, and PONG.
        while (reply := gets()) is not NOTHING:
            if type(reply) is int:
                self._open -= 1
            elif isinstance(reply, Exception):
                self._open -= 1
                self._refused(str(reply))

    def lost(self, why: str, unsent: list[bytes]) -> None:
        self._open = 0
        dropped = sum(type(command) is not Uncounted for command in unsent)
        if dropped:
            self._dropped(dropped)
        self._on_lost(why)


class Publisher:
    """What is published, by one connection."""

    #: What publishes.
    verb = b"PUBLISH"

    def __init__(
        self,
        runtime: Runtime,
        publisher: bytes,
        *,
        dropped: Callable[[int], object],
        refused: Callable[[str], object],
    ) -> None:
        """``publisher`` is the name in the frames. ``dropped`` and ``refused`` are told as by a
        :class:`Sender`."""
        self._runtime = runtime
        self._numbering = Numbering(publisher, self.verb)
        # Of channels of which there may be any number: they would keep others from their turn.
        self._of_many = Numbering(publisher, self.verb)
        self._word = begin_word(publisher)
        self._tell_dropped = dropped
        self._refused = refused
        #: How many have been published, dropped ones not among them.
        self.published = 0

    # ---- by which connection

    def _sender_of(self, channel: str) -> Sender:
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        raise NotImplementedError

    def start(self) -> None:
        """Connect, soon."""
        raise NotImplementedError

    def close(self, patience: float) -> None:
        """As :meth:`.line.Line.close`."""
        raise NotImplementedError

    def counted(self, most: int) -> dict[str, tuple[int, int]]:
        """How far was counted, by channel; some of them each time."""
        return self._numbering.in_turn(most)

    # ---- what is published

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
        if not self._sender_of(channel).queue(channel, command):
            self._tell_dropped(1)
            return False
        self.published += 1
        return True

    def word(self, channel: str, payload: bytes) -> bool:
        """Queue what is not counted; false, and nothing done, where there is no connection or no
        room. Raises ``UsageError`` for what is too long."""
        check_size(payload)
        name = channel.encode("utf-8", "surrogatepass")
        command = Uncounted(
            b"*3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b%b\r\n"
            % (
                len(self.verb),
                self.verb,
                len(name),
                name,
                HEADER + len(payload),
                self._word,
                payload,
            )
        )
        return self._sender_of(channel).word(command)

    def _dropped(self, number: int) -> None:
        """So many were accepted, and are not going to be sent."""
        self.published -= number
        self._tell_dropped(number)


class SinglePublisher(Publisher):
    """All goes by one connection."""

    def __init__(
        self,
        address: Address,
        runtime: Runtime,
        publisher: bytes,
        *,
        opened: Callable[[], object],
        lost: Callable[[str], object],
        dropped: Callable[[int], object],
        refused: Callable[[str], object],
    ) -> None:
        super().__init__(runtime, publisher, dropped=dropped, refused=refused)
        self._sender = Sender(
            address, runtime, opened=opened, lost=lost, dropped=self._dropped, refused=refused
        )
        assert self._sender.line is not None
        self.line = self._sender.line

    def _sender_of(self, channel: str) -> Sender:
        return self._sender

    @property
    def waiting(self) -> int:
        return self._sender.waiting

    def start(self) -> None:
        self.line.start()

    def close(self, patience: float) -> None:
        self.line.close(patience)
