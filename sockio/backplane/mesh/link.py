"""One stream between two workers: frames both ways, joined per turn, and descriptors among them.

::

    frame    length of the payload (4 bytes, big-endian), kind (1 byte), payload

Driven by the event loop: no task waits for a link. There are two orders: of requests and answers,
which go first, and of all else. A frame that carries a descriptor is sent by a
call of its own; descriptors arrive in the order of such frames.
"""

from __future__ import annotations

import _socket
import array
import contextlib
import errno
import os
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ...exceptions import PacketError
from ...runtime.interfaces import Cancellable, Runtime

__all__ = ["CARRIES", "LARGEST", "MOST_WAITING", "ROOMY", "Frame", "Link"]

#: Bytes of one frame, and of what may wait for a worker that does not read.
LARGEST, MOST_WAITING = 64_000_000, 16_000_000
#: Bytes that may wait where whoever has more to send can let it wait (:meth:`Link.when_roomy`).
ROOMY = 65_536
#: Bytes of memory that a frame takes beside its own while it waits; or all of a turn, once joined.
AROUND = 128
#: Bytes of a frame up to which twice as much may wait: who says little is heard, though others say
#: a megabyte each.
LITTLE = 65_536
#: Bytes of a frame that says what becomes of another: it may wait behind any other.
SMALL = 16
#: Kinds from here on come with a descriptor.
CARRIES = 0x80
#: Bytes read in one go, and how often before what has come is looked at; seconds of taking apart
#: before others get a turn.
CHUNK, READS, SLICE = 65536, 4, 0.005
#: Descriptors that come with one read: each needs a call of its own to be sent.
_FDS = 8
_HEAD = struct.Struct(">IB")
_SPACE = _socket.CMSG_SPACE(_FDS * 4)
#: Descriptors whose frames have not come yet.
_MOST_FDS = 4 * _FDS
#: Seconds until a descriptor is sent again that the system did not take.
_AGAIN = 0.05
#: Seconds in which the last words are read of one that takes no more.
_LAST = 1.0
#: What a process that is started from here does not inherit; elsewhere it is closed by the starter.
_FLAGS: int = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)


class Frame(NamedTuple):
    """What came over a link."""

    kind: int
    payload: bytes
    #: Of a kind from :data:`CARRIES` on: whoever takes the frame closes it. None where this process
    #: has as many as it may have.
    descriptor: int | None = None


class _Turn:
    """Somebody's turn to send, when there is room."""

    __slots__ = ("go_on",)

    def __init__(self, go_on: Callable[[], object]) -> None:
        self.go_on: Callable[[], object] | None = go_on

    def cancel(self) -> None:
        # What it would have sent is let go at once.
        self.go_on = None


class _Lane:
    """What waits to be written, in its order; and how many bytes of memory that are."""

    __slots__ = ("said", "unsent", "waiting")

    def __init__(self) -> None:
        # What this turn has to say, heads and payloads; and what the kernel did not take, with its
        # descriptor.
        self.said: list[bytes] = []
        self.unsent: deque[tuple[Any, int | None]] = deque()
        self.waiting = 0

    def put(self) -> None:
        """Join what was said, but for what is large: behind that, the other lane is looked at."""
        said = self.said
        if not said:
            return
        if self.waiting <= LITTLE:
            self._put(b"".join(said), len(said) // 2)
        else:
            first = size = 0
            for end in range(2, len(said) + 1, 2):
                size += len(said[end - 1])
                if size > LITTLE or end == len(said):
                    self._put(b"".join(said[first:end]), (end - first) // 2)
                    first, size = end, 0
        said.clear()

    def _put(self, data: bytes, frames: int) -> None:
        self.unsent.append((data, None))
        self.waiting -= AROUND * (frames - 1)

    def measure(self) -> None:
        waiting = sum([len(data) for data, _ in self.unsent]) + sum(map(len, self.said))
        self.waiting = waiting + AROUND * (len(self.unsent) + len(self.said) // 2)


def _raise(error: Exception) -> None:
    raise error


class Link:
    """One end. ``on_frame(link, frame)`` and ``on_end(link, why)`` are called in the hub, and must
    not block; the second once."""

    def __init__(
        self,
        sock: _socket.socket,
        runtime: Runtime,
        on_frame: Callable[[Link, Frame], object],
        on_end: Callable[[Link, str], object],
    ) -> None:
        self._sock = sock
        self._runtime = runtime
        self._on_frame = on_frame
        self._on_end = on_end
        #: The boot id of the worker at the other end, when it has said so.
        self.peer = ""
        #: The process there; 0 where that is not known.
        self.pid = 0
        #: When something came from there.
        self.heard = runtime.now()
        self.closed = False
        #: Whether it was ended for what came from there.
        self.broken = False
        # How the other end has ended it, should it have: what it had said before comes first.
        self._ended = ""
        #: Whether it takes nothing any more, and only its last words are to be read.
        self.deaf = False
        self._data = bytearray()
        self._descriptors: deque[int | None] = deque()
        # What goes first, and all else; and which of them has been written in part.
        self._first, self._rest = _Lane(), _Lane()
        self._begun: _Lane | None = None
        self._called = False
        # Those who send when there is room: who has little goes first.
        self._short: deque[_Turn] = deque()
        self._long: deque[_Turn] = deque()
        self._letting = False
        self._writing: Cancellable | None = None
        self._reading: Cancellable | None = None
        self._later: Cancellable | None = None
        self._again: Cancellable | None = None
        self._last: Cancellable | None = None
        self._read()

    # ---- sending

    @property
    def waiting(self) -> int:
        """Bytes that wait for the other end to read."""
        return self._first.waiting + self._rest.waiting

    def send(
        self, kind: int, payload: bytes, descriptor: int | None = None, *, first: bool = False
    ) -> bool:
        """Send a frame, when this turn ends; with a ``descriptor``, which is closed then. False,
        and nothing done with either, where too much waits or the link has ended.

        Those that go ``first`` keep their order, and so do all others: however much is said to
        all, a client's request comes through, and the other way."""
        lane = self._first if first else self._rest
        size = len(payload)
        if size > LITTLE:
            most = MOST_WAITING
        else:
            most = 2 * MOST_WAITING if size > SMALL else MOST_WAITING + 2 * LARGEST
        if self.closed or self.deaf or lane.waiting > most or size > LARGEST:
            return False
        said, turn = lane.said, self._runtime.turn
        if not self._called:
            if not turn.open:
                # What is said between two turns leaves with the next, which begins for that.
                self._runtime.begin_turn()
            if turn.open:
                self._called = True
                turn.at_end(self)
        said.append(_HEAD.pack(size, kind))
        said.append(payload)
        lane.waiting += size + _HEAD.size + AROUND
        if descriptor is not None:
            frame = b"".join(said[-2:])
            del said[-2:]
            lane.put()
            lane.unsent.append((frame, descriptor))
        if not self._called:
            self.flush()
        return True

    @property
    def roomy(self) -> bool:
        """Whether there is room for what goes first and could also wait, such as a client's
        megabyte."""
        return self._first.waiting <= ROOMY and not (self._short or self._long)

    def when_roomy(self, go_on: Callable[[], object], *, short: bool = False) -> Cancellable:
        """Call ``go_on()`` in the hub as soon as there is room, for one after the other; for those
        first who say that they are ``short``. Only where it is not :attr:`roomy`; never where the
        link ends before, which whoever waits has to see by himself."""
        turn = _Turn(go_on)
        (self._short if short else self._long).append(turn)
        return turn

    def _let_go_on(self) -> None:
        if self._letting:
            return
        self._letting = True
        while self._first.waiting <= ROOMY and not self.closed:
            turns = self._short or self._long
            if not turns:
                break
            go_on = turns.popleft().go_on
            if go_on is not None:
                try:
                    go_on()
                except Exception as error:
                    # A fault of ours, which is said; the others do not wait for ever.
                    self._runtime.run(_raise, error)
        self._letting = False

    def flush(self) -> None:
        """Write what was collected, as far as the other end reads."""
        self._called = False
        self._first.put()
        self._rest.put()
        if self._writing is None and self._again is None and not self.closed:
            self._write()

    def _write_again(self) -> None:
        self._again = None
        self._write()

    def _write(self) -> None:
        try:
            while True:
                lane = self._begun or (self._first if self._first.unsent else self._rest)
                unsent = lane.unsent
                if not unsent:
                    break
                data, descriptor = unsent[0]
                if descriptor is None:
                    sent = self._sock.send(data)
                else:
                    rights = array.array("i", [descriptor])
                    control = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
                    sent = self._sock.sendmsg([data], control)
                    os.close(descriptor)
                if sent < len(data):
                    unsent[0] = (memoryview(data)[sent:], None)
                    self._begun = lane
                else:
                    unsent.popleft()
                    self._begun = None
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                self._go_deaf(str(error))
                return
            # More descriptors are under way than the system lets be; it says not when that is over.
            self._again = self._runtime.at(self._runtime.now() + _AGAIN, self._write_again)
        self._sent()

    def _go_deaf(self, why: str) -> None:
        """The other end has ended. What it said last may be in the kernel, and the end behind."""
        self.deaf = True
        self._forget_unsent()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        self._last = self._runtime.at(self._runtime.now() + _LAST, lambda: self.close(why))

    def _forget_unsent(self) -> None:
        for _, descriptor in (*self._first.unsent, *self._rest.unsent):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._first, self._rest, self._begun = _Lane(), _Lane(), None

    def _sent(self) -> None:
        first, rest = self._first, self._rest
        unsent = bool(first.unsent or rest.unsent)
        if unsent and self._writing is None and self._again is None:
            # The kernel's own socket has what is asked of it.
            sock: Any = self._sock
            self._writing = self._runtime.watch(sock, self._write, write=True)
        first.measure()
        rest.measure()
        if not unsent or self._again is not None:
            writing, self._writing = self._writing, None
            if writing is not None:
                writing.cancel()
        if self._short or self._long:
            self._let_go_on()

    # ---- receiving

    def _read(self) -> None:
        sock: Any = self._sock
        self._reading = self._runtime.watch(sock, self._readable)

    def _readable(self) -> None:
        before = len(self._data)
        for _ in range(READS):
            # Whoever says a megabyte is not to wait for as many turns as that has chunks.
            if self._receive() < CHUNK:
                break
        if self.closed:
            return
        if self._ended:
            self._stop_reading()
        if len(self._data) > before:
            self.heard = self._runtime.now()
            self._runtime.begin_turn()
            self._take()
        elif self._ended:
            self.close(self._ended)

    def _receive(self) -> int:
        """Read once; how many bytes have come."""
        try:
            data, control, flags, _ = self._sock.recvmsg(CHUNK, _SPACE, _FLAGS)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._ended = str(error)
            return 0
        for level, kind, rights in control:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                descriptors = array.array("i")
                descriptors.frombytes(rights[: len(rights) - len(rights) % 4])
                self._descriptors.extend(descriptors)
        if flags & _socket.MSG_CTRUNC and not control:
            # This process had no number left for it: the frame comes without.
            self._descriptors.append(None)
        if len(self._descriptors) > _MOST_FDS:
            self._break("descriptors without their frames")
            return 0
        if not data:
            self._ended = "it has ended"
            return 0
        self._data += data
        return len(data)

    def _take(self) -> None:
        """Hand on the frames that are complete, for a slice of time."""
        self._later = None
        data, at = self._data, 0
        ends = time.monotonic() + SLICE
        head = _HEAD.size
        try:
            while len(data) - at >= head and not self.closed:
                size, kind = _HEAD.unpack_from(data, at)
                if size > LARGEST:
                    raise PacketError(f"a frame of {size} bytes")
                end = at + head + size
                if len(data) < end:
                    break
                payload = bytes(data[at + head : end])
                at = end
                descriptor = None
                if kind >= CARRIES:
                    if not self._descriptors:
                        raise PacketError("a descriptor that did not come")
                    descriptor = self._descriptors.popleft()
                self._on_frame(self, Frame(kind, payload, descriptor))
                if time.monotonic() > ends:
                    break
        except PacketError as error:
            self._break(str(error))
            return
        finally:
            # Whatever happened: nothing is handed on twice.
            del data[:at]
        if self.closed:
            return
        if len(data) >= head and len(data) >= head + _HEAD.unpack_from(data)[0]:
            # Others first.
            self._stop_reading()
            self._later = self._runtime.at(self._runtime.now(), self._go_on)
        elif self._ended:
            self.close(self._ended)
        elif self._reading is None:
            self._read()

    def _go_on(self) -> None:
        if not self.closed:
            self._runtime.begin_turn()
            self._take()

    def _break(self, why: str) -> None:
        self.broken = True
        self.close(f"it sent {why}")

    def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()

    # ---- the end

    def close(self, why: str = "") -> None:
        """End it. Twice is once. What was not sent is lost."""
        if self.closed:
            return
        self.closed = True
        self._stop_reading()
        for watch in (self._writing, self._later, self._again, self._last):
            if watch is not None:
                watch.cancel()
        self._forget_unsent()
        for descriptor in self._descriptors:
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._descriptors.clear()
        self._short.clear()
        self._long.clear()
        self._data = bytearray()
        self._sock.close()
        self._on_end(self, why)
