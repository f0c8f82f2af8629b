"""One connection to the server, driven from the loop: made again whenever it is lost."""

from __future__ import annotations

import _socket
import contextlib
import random
from collections.abc import Callable
from typing import Any, Protocol

from ...runtime.blocking import aside
from ...runtime.interfaces import Cancellable, Runtime
from .address import Connects, is_tls
from .library import reader

__all__ = ["NOTHING", "PING", "Line", "Source", "Uncounted", "User"]

#: Seconds between two looks for a sign of life, and so what the server has for giving one: whoever
#: is silent is given up within twice as many.
PATIENCE = 5.0
#: Seconds until the first attempt to connect again, and what they grow to.
FIRST, LONGEST = 0.1, 2.0
#: Bytes read at once, and bytes written at once.
READ, WRITTEN = 65_536, 262_144
# Bytes of memory that a command takes beside its own.
_AROUND = 48


class Uncounted(bytes):
    """A command that nobody misses when it is not sent."""


PING = Uncounted(b"*1\r\n$4\r\nPING\r\n")

#: What ``gets()`` returns where no whole reply is left.
NOTHING: Any = object()

# Of TLS, too: its errors of this kind are named, and no subclasses.
_NOT_NOW = {"BlockingIOError", "InterruptedError", "SSLWantReadError", "SSLWantWriteError"}


class User(Protocol):
    """Whom a line works for. No method may block: all but :meth:`opened` are called in the hub."""

    def opened(self) -> None:
        """There is a new connection."""
        ...

    def replies(self, gets: Callable[[], Any]) -> None:
        """Take replies by ``gets()``, until there is :data:`NOTHING`."""
        ...

    def lost(self, why: str, unsent: list[bytes]) -> None:
        """The connection is gone, or could not be made; ``unsent`` was not written, or only in
        part. The line connects again by itself."""
        ...


class Source(Protocol):
    """What a user is served by: a :class:`Line`, or whatever has the replies of one."""

    @property
    def is_open(self) -> bool: ...

    def start(self) -> None:
        """Connect, soon. Once."""
        ...

    def send(self, command: bytes) -> None:
        """Have a packed command carried out. Only while it is open."""
        ...

    def lose(self, why: str) -> None:
        """What came makes no sense: begin anew."""
        ...

    def close(self) -> None:
        """For good. Does not block."""
        ...


class Line:
    """Everything here is for the sockets' thread."""

    def __init__(self, address: Connects, runtime: Runtime, user: User) -> None:
        self._address = address
        self._runtime = runtime
        self._user = user
        self._sock: Any = None
        self._reader: Any = None
        self._watch: Cancellable | None = None
        self._room: Cancellable | None = None
        self._timer: Cancellable | None = None
        #: What waits to be written, command by command.
        self._out: list[bytes] = []
        self._scheduled = False
        self._alive = True
        self._failures = 0
        # How often what came made no sense, since it last made sense for a while.
        self._nonsense = 0
        self._begun = False
        self._closed = False
        #: Bytes that wait to be written.
        self.waiting = 0

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    @property
    def weight(self) -> int:
        """Bytes of memory of what waits to be written."""
        return self.waiting + _AROUND * len(self._out)

    def start(self) -> None:
        """Connect, soon. Once."""
        if not self._begun:
            self._begun = True
            self._runtime.run(self._connect)

    def close(self, patience: float = 0.0) -> None:
        """Write what fits, and hang up for good.

        Without ``patience`` it does not block. Who hangs up while the server still answers is not
        read to the end: so many seconds are given to it to read all, at the end of a process.
        """
        self._closed = True
        self.flush()
        if patience and self._sock is not None and not is_tls(self._sock):
            with contextlib.suppress(OSError):
                self._part(self._sock, patience)
        self._hang_up()

    def _part(self, sock: Any, patience: float) -> None:
        """Blocks."""
        sock.settimeout(patience)
        sock.sendall(b"".join(self._out))
        sock.shutdown(_socket.SHUT_WR)
        while sock.recv(READ):
            pass

    # ---- connecting

    def _connect(self) -> None:
        """Blocks."""
        if self._closed:
            return
        try:
            sock = aside(self._address.connect)
        except Exception as error:  # redis-py's, ssl's, the resolver's
            if not self._closed:
                self._lost(f"{type(error).__name__}: {error}")
            return
        if self._closed:
            sock.close()
            return
        self._sock = sock
        self._reader = reader(NOTHING)
        self._failures = self._nonsense
        self._alive = True
        self._watch = self._runtime.watch(sock, self._readable)
        self._next_beat()
        self._user.opened()

    def lose(self, why: str) -> None:
        """Give the connection up, and make another."""
        if self._sock is not None:
            # A server that refuses something is not asked ten times a second.
            self._nonsense += 1
            self._lost(why)

    def _lost(self, why: str) -> None:
        unsent = self._hang_up()
        if self._closed:
            return
        self._failures += 1
        most = min(LONGEST, FIRST * 2**self._failures)
        delay = random.uniform(FIRST, most)
        self._timer = self._runtime.at(self._runtime.now() + delay, self._connect)
        self._user.lost(why, unsent)

    def _hang_up(self) -> list[bytes]:
        for each in (self._watch, self._room, self._timer):
            if each is not None:
                each.cancel()
        self._watch = self._room = self._timer = None
        sock, self._sock = self._sock, None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
        self._reader = None
        unsent, self._out = self._out, []
        self.waiting = 0
        return unsent

    # ---- signs of life

    def _next_beat(self) -> None:
        self._timer = self._runtime.at(self._runtime.now() + PATIENCE, self._beat)

    def _beat(self) -> None:
        if self._sock is None:
            return
        if not self._alive:
            self._lost(f"it gave no answer to a PING within {PATIENCE:g} seconds")
            return
        self._alive = False
        self._nonsense = 0
        self.send(PING)
        self._next_beat()

    # ---- reading

    def _readable(self) -> None:
        if self._sock is None:
            return
        try:
            data = self._sock.recv(READ)
        except OSError as error:
            if type(error).__name__ not in _NOT_NOW:
                self._lost(f"{type(error).__name__}: {error}")
            return
        if not data:
            self._lost("the server closed the connection")
            return
        self._alive = True
        replies = self._reader
        try:
            replies.feed(data)
            self._user.replies(replies.gets)
        except ValueError as error:
            self.lose(f"what came is no reply of Redis: {error}")
            return
        sock = self._sock
        if sock is not None and is_tls(sock) and sock.pending():
            # Deciphered already: the kernel has nothing to say of it.
            self._runtime.run(self._readable)

    # ---- writing

    def send(self, command: bytes) -> None:
        """Have a packed command written at the end of the present turn, or soon."""
        self._out.append(command)
        self.waiting += len(command)
        if not self._scheduled:
            self._scheduled = True
            turn = self._runtime.turn
            if turn.open:
                turn.at_end(self)
            else:
                self._runtime.run(self.flush)

    def flush(self) -> None:
        """Write what waits, as far as the kernel takes it; the rest when it takes more."""
        self._scheduled = False
        if self._room is None:
            self._write()

    def _write(self) -> None:
        sock, out = self._sock, self._out
        if sock is None:
            return
        while out:
            if self.waiting <= WRITTEN:
                data = out[0] if len(out) == 1 else b"".join(out)
            else:
                data = _first(out)
            try:
                sent = sock.send(data)
            except OSError as error:
                if type(error).__name__ not in _NOT_NOW:
                    self._lost(f"{type(error).__name__}: {error}")
                    return
                sent = 0
            self.waiting -= sent
            if not self.waiting:
                out.clear()
            elif sent:
                _drop(out, sent)
            if sent < len(data):
                if self._room is None:
                    self._room = self._runtime.watch(sock, self._write, write=True)
                return
        if self._room is not None:
            self._room.cancel()
            self._room = None


def _first(out: list[bytes]) -> bytes:
    """As many commands as are written at once."""
    size = 0
    for number, each in enumerate(out):
        size += len(each)
        if size >= WRITTEN:
            return b"".join(out[: number + 1])
    return b"".join(out)


def _drop(out: list[bytes], sent: int) -> None:
    """Take so many bytes from the beginning."""
    number = 0
    while sent and sent >= len(out[number]):
        sent -= len(out[number])
        number += 1
    del out[:number]
    if sent:
        out[0] = out[0][sent:]
