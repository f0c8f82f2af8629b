"""A request of another worker's session, as the worker sees it that got it.

It is the WSGI application that answers the request, and for a server that answers from its event
loop what a :class:`~sockio.transports.polling.Poll` is: something that waits.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from ...runtime.interfaces import Cancellable, Runtime, Signal
from ...runtime.pace import Pace
from ...sessions.outbox import Batch
from ...transports.answers import Answer, Head
from ...transports.base import WSGIApplication
from ...transports.body import leave_unread
from ...transports.connection import (
    Watched,
    answer_at_once,
    connection_of,
    handed_out,
    read_early,
    take_over,
    upgradable,
    with_tls,
)
from ...transports.polling import BatchBody
from ...transports.request import Request
from ..endpoint import Endpoint
from ..route import Route

__all__ = ["Relay", "RemoteUpgrade"]

#: Bytes that are moved in one go between a client and its owner, where TLS ends in this process.
CHUNK = 16384
#: Seconds in which the client has to take one of those.
STALLED = 30.0
#: For nobody.
_GONE = Head("503 Service Unavailable", "text/plain; charset=UTF-8")


class Asker(Protocol):
    """Whoever asks the owner: :class:`sockio.http.forwarding.asker.Asker`."""

    runtime: Runtime

    def ask(self, relay: Relay) -> None: ...

    def cancel(self, relay: Relay) -> None: ...

    def tell_fate(self, relay: Relay, *, written: bool) -> None: ...

    def ask_for_next(self, relay: Relay) -> None: ...


class Relay:
    """One request that waits for its owner's answer."""

    __slots__ = (
        "_asker",
        "_batch",
        "_ended",
        "_outcome",
        "_pieces",
        "_signal",
        "_wake",
        "boot",
        "endpoint",
        "head",
        "number",
        "request",
        "route",
        "turn",
    )

    def __init__(
        self,
        asker: Asker,
        boot: str,
        number: int,
        request: Request,
        endpoint: Endpoint,
        route: Route,
    ) -> None:
        self._asker = asker
        self.boot = boot
        self.number = number
        self.request = request
        #: Who answers it where the owner is dead, and by what.
        self.endpoint = endpoint
        self.route = route
        #: While it waits until it may be asked.
        self.turn: Cancellable | None = None
        #: Status and headers of an answer that comes in pieces.
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self._pieces: list[bytes] = []
        self._ended = False
        self._outcome: WSGIApplication | None = None
        self._batch: Batch | None = None
        self._wake: Callable[[], object] = _nobody
        self._signal: Signal | None = None

    # ---- as a poll

    def begin(self, wake: Callable[[], object]) -> None:
        """Ask. ``wake`` is called when there is an answer: at once, maybe."""
        self._wake = wake
        self._asker.ask(self)

    def conclude(self, *, gone: bool) -> tuple[WSGIApplication, Batch | None]:
        """The answer, and the packets in it whose fate is told to :attr:`socket`. With ``gone``
        there is nobody to read it."""
        outcome, batch = self._outcome, self._batch
        if gone or outcome is None:
            self._asker.cancel(self)
            if batch is not None:
                self.restore(batch)
            return outcome if type(outcome) is Answer else Answer(_GONE), None
        return outcome, batch

    def hang_up(self) -> None:
        """The client is gone."""
        self._asker.cancel(self)
        self._wake()

    @property
    def socket(self) -> Any:
        """Whoever is told what became of the packets: as a socket is."""
        return self

    def written(self, batch: Batch, *, at_once: bool = False) -> None:
        self._tell_fate(batch, written=True)

    def restore(self, batch: Batch) -> None:
        self._tell_fate(batch, written=False)

    def _tell_fate(self, batch: Batch, *, written: bool) -> None:
        if self._batch is batch:
            self._batch = None
            batch.written = written
            self._asker.tell_fate(self, written=written)

    # ---- what the owner says

    def give(self, outcome: WSGIApplication, *, has_batch: bool = False) -> None:
        """The answer is here."""
        self._outcome = outcome
        if has_batch:
            self._batch = Batch([])
        self._wake()

    def begin_pieces(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.head = (status, headers)
        self._wake()

    def add_piece(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    # ---- as a WSGI application

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        runtime = self._asker.runtime
        self._signal = runtime.signal()
        connection = connection_of(environ)
        # The watch is over before the server reads on.
        watched = Watched(runtime, environ, connection, self.hang_up)
        gone = False
        try:
            self.begin(self._woken)
            self._signal.wait()
        finally:
            gone = watched.end()
        if self.head is not None:
            start_response(*self.head)
            return self._body(runtime, environ, connection)
        outcome, batch = self.conclude(gone=gone)
        if type(outcome) is Answer and leave_unread(self.request, runtime) and not outcome.closes:
            outcome.more = [*outcome.more, ("Connection", "close")]
        if batch is None or type(outcome) is not Answer:
            return outcome(environ, start_response)
        start_response(outcome.head.status, outcome.headers())
        return BatchBody(outcome.body, batch, self)

    def _woken(self) -> None:
        assert self._signal is not None
        self._signal.set()

    def _body(self, runtime: Runtime, environ: dict[str, Any], connection: Any) -> Iterator[bytes]:
        first = True
        try:
            while True:
                while self._pieces:
                    if not first:
                        self._asker.ask_for_next(self)
                    first = False
                    yield self._pieces.pop(0)
                if self._ended:
                    return
                if not first:
                    self._asker.ask_for_next(self)
                    first = True
                if self._is_gone_after(runtime, environ, connection):
                    return
        finally:
            if not self._ended:
                self._asker.cancel(self)

    def _is_gone_after(self, runtime: Runtime, environ: dict[str, Any], connection: Any) -> bool:
        """Wait for more; whether the client has gone meanwhile."""
        self._signal = runtime.signal()
        watched = Watched(runtime, environ, connection, self._woken)
        gone = False
        try:
            if not (self._pieces or self._ended):
                self._signal.wait()
        finally:
            gone = watched.end()
        return gone


class RemoteUpgrade:
    """The answer to a request that becomes a websocket of another worker's: ``answer``, and then
    :meth:`open`, as of :class:`~sockio.transports.upgrades.Upgraded`."""

    __slots__ = ("_pass_on", "_runtime", "answer")

    def __init__(
        self, answer: Answer, runtime: Runtime, pass_on: Callable[[int, bytes], bool]
    ) -> None:
        self.answer = answer
        self._runtime = runtime
        # Takes the descriptor, if it says so.
        self._pass_on = pass_on

    def open(self, sock: Any, early: bytes) -> None:
        """Let the owner have the connection."""
        descriptor = sock.detach()
        if not self._pass_on(descriptor, early):
            os.close(descriptor)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status, headers = self.answer.head.status, list(self.answer.headers())
        take = handed_out(environ)
        if take is not None:
            self.open(take(headers), b"")
            return []
        native = upgradable(environ)
        assert native is not None, "asked for before"
        reader, sock = native
        answer_at_once(start_response, status, headers, reader)
        if with_tls(sock):
            self._relay(sock, read_early(reader, sock))
            reader.close()
        else:
            self.open(*take_over(reader, sock))
        return []

    def _relay(self, sock: Any, early: bytes) -> None:
        """Go between, for as long as the websocket lasts: only this process has its keys."""
        ours, theirs = stdlib_socket.socketpair()
        descriptor = theirs.detach()
        if not self._pass_on(descriptor, early):
            os.close(descriptor)
            ours.close()
            return
        # Whoever reads nothing would hold this, and its task, for longer than its owner wants it.
        sock.settimeout(STALLED)
        other = self._runtime.spawn(_move, ours, sock, self._runtime)
        try:
            _move(sock, ours, self._runtime)
        finally:
            other.kill(block=False)
            ours.close()


def _read(source: Any) -> bytes:
    """What comes next. The time limit is for writing: who says nothing may go on."""
    while True:
        try:
            data: bytes = source.recv(CHUNK)
        except TimeoutError:
            continue
        return data


def _move(source: Any, target: Any, runtime: Runtime) -> None:
    """Write to one connection what comes from another, until either ends, or takes nothing for as
    long as its time limit says. Blocks."""
    # Neither waits while the client sends, or the owner reads, as fast as this goes.
    pace = Pace(runtime)
    try:
        while data := _read(source):
            target.sendall(data)
            pace.keep()
    except (OSError, ValueError, AttributeError):
        # The last is what gevent's TLS raises where the other task has ended it meanwhile.
        pass
    finally:
        for each in (source, target):
            try:
                getattr(each, "_sock", each).shutdown(stdlib_socket.SHUT_RDWR)
            except (OSError, ValueError):
                continue


def _nobody() -> None:
    """Nobody waits."""
