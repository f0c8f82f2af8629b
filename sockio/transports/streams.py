"""Byte connections that a websocket runs over: one interface, two ways of waiting.

* :class:`WatchedStream`: the event loop watches the descriptor, and no task waits for it. For plain
  TCP, which can be read and written without blocking.
* :class:`BlockingStream`: the request's own task reads, and a task that exists only while there is
  something to write writes. For TLS, where a read or a write cannot be tried without blocking.

Neither lets two writers in: what is being written is finished before anything else is taken.
"""

from __future__ import annotations

import contextlib
import socket as stdlib_socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..runtime.interfaces import Cancellable, Runtime
from ..runtime.pace import Pace
from ..runtime.rota import Watch
from ..runtime.turnstile import Turnstile
from ..sessions.patience import Patience
from .connection import cut, taken_of

__all__ = [
    "CHUNK",
    "LEAST",
    "PART",
    "BlockingStream",
    "CutUnlessRead",
    "Stream",
    "WatchedStream",
    "hand_on",
    "send_in_parts",
]

#: Bytes read in one go, and taken apart before anybody else gets a turn.
CHUNK = 16384
#: The least of them. A chunk of the smallest frames takes thirty times as long as one of a large
#: message, so the next is smaller where one took longer than :data:`LONG` seconds, down to this.
LEAST = 1024
LONG = 0.002
#: The most of them while others wait: what they will be made of is not known before.
SHARED = 4096
#: Bytes that a cooperative socket is given in one go.
PART = 65536

#: Nothing could be written, or read, without waiting.
WOULD_WAIT = (BlockingIOError, InterruptedError)

OnData = Callable[[bytes], None]
OnEnd = Callable[[], None]


class Stream(Protocol):
    """What a websocket needs of its connection. No method blocks."""

    def start(self, on_data: OnData, on_end: OnEnd) -> None:
        """Begin to read. ``on_end`` is called once, when the peer has closed or reset."""
        ...

    def unread(self, data: bytes) -> None:
        """Have ``data`` read before all else: it arrived before the stream began. May be as much as
        a server reads ahead, so it is taken apart as if it came by the connection."""
        ...

    def read_little(self) -> None:
        """Never read more than :data:`LEAST` bytes in one go: they stand for many more."""
        ...

    @property
    def send(self) -> Callable[[bytes | memoryview], int]:
        """Write now what can be written now: the number of bytes. Raises ``OSError``, one of
        :data:`WOULD_WAIT` among them when it is none."""
        ...

    def call_when_writable(self, callback: Callable[[], None] | None) -> None:
        """Call back whenever more can be written, until told None."""
        ...

    def taken(self) -> object:
        """What changes whenever the peer has taken more of what was written."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def end_writing(self) -> None:
        """Tell the peer that nothing more will come (FIN), and go on reading."""
        ...

    def close(self) -> None:
        """Close the connection. Twice is once; no callback is called any more."""
        ...


class WatchedStream:
    """A non-blocking socket watched by the event loop."""

    __slots__ = (
        "_address",
        "_chunk",
        "_early",
        "_most",
        "_on_data",
        "_on_end",
        "_others",
        "_reading",
        "_recv",
        "_runtime",
        "_sock",
        "_writing",
        "on_closed",
        "send",
    )

    def __init__(self, sock: Any, runtime: Runtime, address: str = "") -> None:
        """``address`` is the client's, which shares the loop's time with others of the same."""
        self._sock = sock
        self._address = address
        # The kernel's, with nothing in between.
        self._recv: Callable[[int], bytes] = sock.recv
        self.send: Callable[[bytes | memoryview], int] = sock.send
        self._runtime = runtime
        self._chunk = self._most = CHUNK
        self._early = b""
        self._on_data: OnData | None = None
        self._on_end: OnEnd | None = None
        # From the start to the end, whether it is paused meanwhile or not: it knows how much of the
        # loop's time this client had.
        self._reading: Watch | None = None
        self._others: Sequence[object] = ()
        self._writing: Cancellable | None = None
        #: Called when the stream has been closed: for a request that is parked until then.
        self.on_closed: Callable[[], object] | None = None

    def start(self, on_data: OnData, on_end: OnEnd) -> None:
        self._on_data, self._on_end = on_data, on_end
        reading = self._reading = self._runtime.watch_client(
            self._sock, self._readable, self._address
        )
        self._others = reading.others
        self.resume()

    def read_little(self) -> None:
        self._chunk = self._most = LEAST

    def unread(self, data: bytes) -> None:
        self._early = data
        if self._reading is not None and not self._reading.stopped:
            self._reading.again()

    def _readable(self) -> bool:
        # One read per turn: what is left makes the descriptor readable again, after the others had
        # theirs.
        if self._early:
            self._read_early()
            return True
        chunk = self._chunk
        if self._others and chunk > SHARED:
            chunk = SHARED
        try:
            data = self._recv(chunk)
        except WOULD_WAIT:
            return False
        except OSError:
            data = b""
        if data and self._on_data is not None:
            self._runtime.begin_turn()
            if len(data) < LEAST:
                self._on_data(data)
            else:
                self._chunk = hand_on(self._runtime, self._on_data, data, self._chunk, self._most)
        elif not data:
            self.pause()
            if self._on_end is not None:
                self._on_end()
        return len(data) == chunk

    def _read_early(self) -> None:
        data, self._early = self._early[: self._chunk], self._early[self._chunk :]
        # Before it is handed on, for that may pause it.
        self.resume()
        if self._on_data is not None:
            self._runtime.begin_turn()
            self._chunk = hand_on(self._runtime, self._on_data, data, self._chunk, self._most)

    def call_when_writable(self, callback: Callable[[], None] | None) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()
        if callback is not None:
            self._writing = self._runtime.watch(self._sock, callback, write=True)

    def taken(self) -> object:
        return taken_of(self._sock)

    def pause(self) -> None:
        if self._reading is not None:
            self._reading.stop()

    def resume(self) -> None:
        reading = self._reading
        if reading is None:
            return
        if self._early:
            reading.again()
        else:
            reading.start()

    def end_writing(self) -> None:
        self._sock.shutdown(stdlib_socket.SHUT_WR)

    def close(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()
        self.call_when_writable(None)
        self._on_data = self._on_end = None
        self._early = b""
        self._sock.close()
        closed, self.on_closed = self.on_closed, None
        if closed is not None:
            closed()


class CutUnlessRead:
    """Calls ``cut()`` when nothing has been taken for so many ``seconds``, and when those of
    :data:`~sockio.sessions.patience.LONGEST` are over; ``taken()`` changes when something is.
    """

    __slots__ = ("_cut", "_patience", "_runtime", "_taken", "_timer")

    def __init__(
        self,
        runtime: Runtime,
        seconds: float,
        taken: Callable[[], object],
        cut: Callable[[], object],
    ) -> None:
        self._runtime = runtime
        self._taken = taken
        self._cut = cut
        now, so_far = runtime.now(), taken()
        self._patience = Patience(now, seconds, so_far)
        self._timer = runtime.at(now + self._patience.left(now, so_far), self._look)

    def _look(self) -> None:
        now = self._runtime.now()
        left = self._patience.left(now, self._taken())
        if left:
            self._timer = self._runtime.at(now + left, self._look)
        else:
            self._cut()

    def cancel(self) -> None:
        """It is not to be cut any more."""
        self._timer.cancel()


def hand_on(runtime: Runtime, on_data: OnData, data: bytes, chunk: int, most: int = CHUNK) -> int:
    """Hand ``data`` on; returns how many bytes to read the next time, when it was ``chunk``: never
    more than ``most``."""
    began = runtime.now()
    on_data(data)
    took = runtime.now() - began
    if took > LONG:
        return max(LEAST, chunk // 2)
    return most if 16 * took < LONG else chunk


def send_in_parts(data: bytes, pace: Pace, send: Callable[[memoryview], object]) -> None:
    """Write all of it to a cooperative socket, each part by ``send()``. Blocks until the kernel
    took it, and now and then for others to have their turn: a peer that reads fast enough would
    keep them from it."""
    view = memoryview(data)
    for begin in range(0, len(view), PART):
        pace.keep()
        send(view[begin : begin + PART])


class BlockingStream:
    """A cooperative socket, read by the task that calls :meth:`run`."""

    __slots__ = (
        "_address",
        "_busy",
        "_closed",
        "_early",
        "_ending",
        "_go_on",
        "_most",
        "_on_data",
        "_on_end",
        "_on_writable",
        "_paused",
        "_runtime",
        "_sock",
    )

    def __init__(self, sock: Any, runtime: Runtime, address: str = "") -> None:
        """``address`` is the client's, which shares the loop's time with others of the same."""
        self._sock = sock
        self._runtime = runtime
        self._address = address
        self._on_data: OnData | None = None
        self._on_end: OnEnd | None = None
        self._on_writable: Callable[[], None] | None = None
        self._early = b""
        self._most = CHUNK
        self._busy = False
        self._closed = False
        self._ending = False
        self._paused = False
        self._go_on = runtime.signal()

    def start(self, on_data: OnData, on_end: OnEnd) -> None:
        self._on_data, self._on_end = on_data, on_end

    def read_little(self) -> None:
        self._most = LEAST

    def unread(self, data: bytes) -> None:
        self._early = data

    def run(self) -> None:
        """Read until the connection ends. Blocks the request's task for as long as that takes."""
        turnstile = Turnstile(self._runtime, self._sock, self._address)
        try:
            self._read_all(turnstile)
        finally:
            turnstile.close()
        if self._on_end is not None:
            self._on_end()

    def _read_all(self, turnstile: Turnstile) -> None:
        pace = Pace(self._runtime, turnstile.give_way)
        chunk = self._most
        while not self._closed:
            # A flood of the smallest frames comes faster than it is taken apart.
            pace.keep()
            if self._paused:
                self._go_on.wait()
                continue
            data: bytes | None = self._early[:chunk]
            self._early = self._early[chunk:]
            if not data:
                data = self._read(chunk)
                if data is None:
                    turnstile.wait()
                    continue
            if not data:
                break
            # Read without waiting for a turn, though others may.
            pace.give_way()
            if self._on_data is not None:
                chunk = hand_on(self._runtime, self._on_data, data, chunk, self._most)

    def _read(self, size: int) -> bytes | None:
        """What has arrived, b"" at the end; None where nothing has."""
        sock = self._sock
        timeout = sock.gettimeout()
        # For this call: nobody else comes in between.
        sock.settimeout(0.0)
        try:
            return self._receive(size)
        except (*WOULD_WAIT, ssl.SSLWantReadError):
            return None
        except ssl.SSLWantWriteError:
            # It has to say something of its own first.
            pass
        finally:
            sock.settimeout(timeout)
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        try:
            data: bytes = self._sock.recv(size)
            return data
        except (*WOULD_WAIT, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except (OSError, ValueError):  # ValueError: the TLS layer has been shut down
            return b""

    def send(self, data: bytes | memoryview) -> int:
        if self._closed:
            raise ConnectionError("the stream is closed")
        if self._busy:
            return 0
        self._busy = True
        self._runtime.run(self._write, bytes(data))
        return len(data)

    def _write(self, data: bytes) -> None:
        try:
            if not self._closed:
                if len(data) <= PART:
                    self._sock.sendall(data)
                else:
                    send_in_parts(data, Pace(self._runtime), self._sock.sendall)
        except (OSError, ValueError, AttributeError):
            # Not only OSError: the TLS layer has been shut down, or is gone.
            self._wake_reader()
            return
        finally:
            self._busy = False
        if self._ending:
            with contextlib.suppress(OSError):
                self._say_end()
        if self._on_writable is not None:
            self._on_writable()

    def call_when_writable(self, callback: Callable[[], None] | None) -> None:
        self._on_writable = callback
        if callback is not None and not self._busy:
            self._runtime.run(self._writable)

    def _writable(self) -> None:
        if not self._busy and self._on_writable is not None:
            self._on_writable()

    def taken(self) -> object:
        return taken_of(self._sock)

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._go_on = self._runtime.signal()

    def resume(self) -> None:
        self._paused = False
        self._go_on.set()

    def _wake_reader(self) -> None:
        # Closing would not wake a task that waits in recv; shutting down does. Below the TLS layer,
        # which would be gone under a task that writes.
        cut(self._sock)

    def end_writing(self) -> None:
        self._ending = True
        if not self._busy:
            self._say_end()

    def _say_end(self) -> None:
        # Below the TLS layer: its own shutdown ends reading as well, under the task that reads.
        getattr(self._sock, "_sock", self._sock).shutdown(stdlib_socket.SHUT_WR)

    def close(self) -> None:
        self._closed = True
        self._on_data = self._on_end = self._on_writable = None
        self._go_on.set()
        self._wake_reader()
