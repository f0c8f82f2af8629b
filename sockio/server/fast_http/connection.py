"""One connection that is answered from the event loop.

What it does at any time is one of these, and what arrives meanwhile waits::

    READING     for the next request, or the rest of one
    POLLING     a poll waits for packets; nobody waits with it
    BUSY        a request that may block is answered by a task
    WRITING     the peer does not read as fast as it is answered
    LEAVING     the last answer is written; what still comes is read away
    GONE        closed, handed over, or a websocket now

Requests of a connection are answered in their order, the next one when the answer to the one before
is written. Whatever is not plainly a request for us is handed over at the border between two
requests, before anything of it was answered.
"""

from __future__ import annotations

import contextlib
import enum
import io
import logging
import socket as stdlib_socket
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

from ...exceptions import RequestRefused
from ...http.endpoint import Endpoint
from ...http.forwarding.relay import Relay, RemoteUpgrade
from ...http.route import Route
from ...runtime.interfaces import Cancellable, Runtime
from ...sessions.outbox import Batch
from ...sessions.socket import Socket
from ...transports.answers import Answer, Head
from ...transports.body import ended_early, too_slow
from ...transports.connection import (
    FAST,
    GRACE,
    cut,
    has_unread,
    is_established,
    is_known_unread,
    taken_of,
)
from ...transports.polling import Poll
from ...transports.request import Request, WouldBlock
from ...transports.upgrades import Upgraded
from .. import heads
from ..access_log import RequestLog
from ..door import Door
from .reader import RequestReader, Strange

__all__ = ["FastConnection", "State"]

log = logging.getLogger("sockio.http")

#: Bytes read in one go, and answered before anybody else gets a turn.
CHUNK = 16384
#: Bytes of further requests that are kept while one is being answered.
AHEAD = 65536


class State(enum.Enum):
    """What a connection does. The table is in the module's docstring."""

    READING = "reading"
    POLLING = "polling"
    BUSY = "busy"
    WRITING = "writing"
    LEAVING = "leaving"
    GONE = "gone"


_READING, _POLLING, _BUSY = State.READING, State.POLLING, State.BUSY
_WRITING, _LEAVING, _GONE = State.WRITING, State.LEAVING, State.GONE

#: An error of the parser that names one of these is about the end of the request.
_FRAMING = ("Content-Length", "Transfer-Encoding")


#: As gevent.pywsgi says it.
_FAILED = Answer(
    Head.bare("500 Internal Server Error", [("Content-Type", "text/plain")]),
    b"Internal Server Error",
)


class Service(Protocol):
    """What a connection asks of its server: :class:`sockio.server.fast_http.service.Service`."""

    endpoint: Endpoint
    runtime: Runtime
    loop: Any
    door: Door
    access_log: RequestLog | None

    connections: set[FastConnection]
    answered: int
    handed_over: int
    upgraded: int
    stopping: bool
    make_environ: Callable[[], dict[str, Any]]

    @property
    def max_head(self) -> int: ...

    def route_of(self, reader: RequestReader, known: Route | None) -> Route | None: ...

    def account_of(self, address: Any) -> str: ...

    def wire(self, answer: Answer, closing: bool) -> bytes: ...

    def run(self, fn: Callable[..., object], *args: Any) -> object: ...

    def hand_over(self, sock: Any, address: Any, early: bytes, until: float) -> object: ...


class FastConnection:
    """A connection, from its accept to its end or until it is handed over."""

    __slots__ = (
        "_advancing",
        "_answering",
        "_asked",
        "_batch",
        "_begun",
        "_closing",
        "_due",
        "_ended",
        "_more",
        "_parked",
        "_path",
        "_paused",
        "_poll",
        "_reader",
        "_reading",
        "_request",
        "_route",
        "_service",
        "_sock",
        "_socket",
        "_tail",
        "_woken",
        "_writing",
        "address",
        "state",
        "wheel_slot",
    )

    def __init__(self, service: Service, sock: Any, address: Any) -> None:
        self._service = service
        #: The kernel's own socket, not blocking.
        self._sock = sock
        self.address = address
        self.state = _READING
        self._reader = RequestReader(self._make_environ, service.max_head)
        # The path of the last request, and what it asked for.
        self._path = ""
        self._asked: Route | None = None
        # The request whose body is being read.
        self._route: Route | None = None
        self._request: Request | None = None
        self._poll: Poll | Relay | None = None
        # There is a reason to answer the poll; nobody is about to look for one.
        self._woken = self._parked = False
        # What the kernel did not take yet, and the packets in it.
        self._tail: memoryview | None = None
        self._batch: Batch | None = None
        self._socket: Socket | None = None
        #: The peer has ended its side.
        self._ended = False
        #: This answer is the last one.
        self._closing = False
        self._advancing = False
        #: What the peer sends is left in the kernel.
        self._paused = False
        # There is more of what was read than a turn had time for.
        self._more = False
        self._writing: Cancellable | None = None
        # What is being answered and since when, for the access log alone.
        self._answering: tuple[dict[str, Any], float] | None = None
        # Something of the next request has arrived, or is waited for since the connecting.
        self._begun = True
        self.wheel_slot: int | None = None
        # When the client has to have done what is waited for.
        self._due = time.monotonic() + service.door.head_time
        service.door.expect(self)
        self._reading = service.runtime.watch_client(
            sock, self._readable, service.account_of(address)
        )
        self._reading.start()

    def _make_environ(self) -> dict[str, Any]:
        environ = self._service.make_environ()
        address = self.address
        if isinstance(address, tuple):
            environ["REMOTE_ADDR"] = str(address[0])
            environ["REMOTE_PORT"] = str(address[1])
        environ[FAST] = self
        return environ

    @property
    def sock(self) -> Any:
        """The kernel's own socket, for questions about the peer."""
        return self._sock

    # ---- reading

    def _readable(self) -> bool:
        if self._more:
            self._more = False
            if self._ended:
                self._reading.stop()
            if self.state is _READING:
                self._service.runtime.begin_turn()
                self._advance()
                return True
        try:
            data = self._sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        state = self.state
        if state is _LEAVING:
            if not data:
                self.close()
        elif not data:
            self._peer_ended()
        else:
            self._service.runtime.begin_turn()
            self._reader.feed(data)
            if state is _READING:
                self._advance()
                # Who waits for each answer sends no more.
                return len(data) == CHUNK or bool(self._reader.waiting)
            if len(self._reader.waiting) > AHEAD:
                self._pause()
        return len(data) == CHUNK

    def _peer_ended(self) -> None:
        self._ended = True
        self._reading.stop()
        state = self.state
        if state is _POLLING and self._poll is not None:
            self._poll.hang_up()
        elif state is _READING:
            request = self._request
            if request is not None:
                self._refuse(ended_early())
            else:
                self.close()

    def _advance(self) -> None:
        """Answer what has arrived, one request after the other, as far as that goes."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self.state is _READING and self._step():
                if self._reader.waiting and self._service.door.busy_for_long():
                    # Others first: there is more of this client's than a turn has time for.
                    self._more = True
                    self._reading.again()
                    break
        except Exception:
            self._failed()
        finally:
            self._advancing = False

    def _next(self) -> None:
        """An answer is written: go on to what has arrived meanwhile, when it is its turn."""
        if self.state is _READING and self._reader.waiting and not self._advancing:
            self._more = True
            self._reading.again()
        else:
            self._advance()

    def _failed(self) -> None:
        # In the event loop nobody else would see to it that the connection ends.
        self._complain("connection-failed", "a connection from %s failed", exc_info=True)
        self.close()

    def _complain(
        self, kind: str, message: str, *args: Any, exc_info: bool = False, quiet: bool = True
    ) -> None:
        """Log an error with the peer's address in it."""
        address = self.address
        host = str(address[0]) if isinstance(address, tuple) else ""
        self._service.door.complaints.say(
            log,
            logging.ERROR,
            kind,
            host,
            message,
            host or "?",
            *args,
            exc_info=exc_info,
            quiet=quiet,
        )

    def _step(self) -> bool:
        """Do one thing; whether there may be more."""
        reader, service = self._reader, self._service
        request, route = self._request, self._route
        if request is None or route is None:
            if not reader.waiting:
                if self._ended:
                    self.close()
                return False
            try:
                if not reader.head():
                    if self._ended:
                        self._peer_ended()
                    elif not self._begun:
                        self._begun = True
                        self._expect(time.monotonic() + service.door.head_time)
                    return False
            except Strange as strange:
                self._hand_over(strange)
                return False
            path: str = reader.environ["PATH_INFO"]
            # A client asks the same again and again.
            route = service.route_of(reader, self._asked if path == self._path else None)
            if route is None:
                self._hand_over()
                return False
            self._path, self._asked = path, route
            request = Request(reader.environ, may_block=False)
        try:
            body = reader.take()
        except Strange:
            self.close()
            return False
        if body is None:
            if self._request is None:
                self._judge(request, route)
            if self._ended and self.state is _READING:
                self._peer_ended()
            return False
        if self._request is not None:
            self._request = self._route = None
            self._expect(time.monotonic() + service.door.keep_alive)
        request.body = body
        self._answer(request, route)
        return True

    # ---- time

    def _expect(self, due: float) -> None:
        """What is waited for has to come by then, be it earlier than what was waited for before."""
        self._due = due
        self._service.door.expect(self)

    @property
    def idle(self) -> bool:
        """Nothing of a request has arrived."""
        return self.state is _READING and self._request is None and not self._reader.waiting

    @property
    def new(self) -> bool:
        """Nothing has ever arrived."""
        return self._begun and self.idle

    def deadline(self) -> float:
        return self._due

    def arrives(self) -> bool:
        return has_unread(self._sock)

    def overdue(self) -> None:
        """The time is over, if anything was waited for."""
        state = self.state
        if state is _READING:
            if self._request is not None:
                self._refuse(too_slow())
            else:
                self.close()
        elif state is _WRITING:
            self.cut()
        elif state is _LEAVING:
            self.close()
        elif state is not _GONE:
            # It is we who let it wait.
            self._expect(time.monotonic() + self._service.door.keep_alive)

    def give_up(self) -> None:
        self.close()

    # ---- bodies that do not come with their heads

    def _judge(self, request: Request, route: Route) -> None:
        """Wait for the body, or answer without it where nobody would look at it."""
        try:
            wanted = self._service.endpoint.judge(route, request)
        except WouldBlock:
            self.state = _BUSY
            self._service.run(self._judge_in_task, request, route)
            return
        self._judged(request, route, wanted)

    def _judge_in_task(self, request: Request, route: Route) -> None:
        request.may_block = True
        wanted = self._service.endpoint.judge(route, request)
        request.may_block = False
        if self.state is _BUSY:
            self.state = _READING
            self._judged(request, route, wanted)
            self._advance()

    def _judged(self, request: Request, route: Route, wanted: bool) -> None:
        if not wanted:
            self._answer(request, route, closing=True)
            return
        service = self._service
        self._request, self._route = request, route
        service.endpoint.expect_body(route, request)
        self._expect(time.monotonic() + service.door.patience)
        if self._paused:
            self._resume()

    # ---- answering

    def _answer(self, request: Request, route: Route, *, closing: bool = False) -> None:
        service = self._service
        service.answered += 1
        if service.access_log is not None:
            self._answering = request.environ, time.monotonic()
        connection = request.environ.get("HTTP_CONNECTION", "")
        self._closing = closing or connection.lower() == "close"
        try:
            answer = service.endpoint.respond(route, request)
        except WouldBlock:
            self.state = _BUSY
            service.run(self._answer_in_task, request, route)
            return
        self._give(answer, request)

    def _answer_in_task(self, request: Request, route: Route) -> None:
        request.may_block = True
        request.environ["wsgi.input"] = io.BytesIO(request.body or b"")
        try:
            answer = self._service.endpoint.respond(route, request)
        except BaseException as error:
            self._ended_by(error)
            raise
        self._give_later(answer, request)

    def _ended_by(self, error: BaseException) -> None:
        """What the application raised ends the task, or more; or the server stops, and ends it."""
        if self._service.stopping or self.state is not _BUSY:
            self.close()
            return
        # Written here and now: it may be the last thing that this process does.
        self._complain(
            "page-failed", "a request from %s failed: %r", error, exc_info=True, quiet=False
        )
        self._closing = True
        self._send(_FAILED)

    def _refuse(self, refused: RequestRefused) -> None:
        """The body will not come: nothing of the request is handled."""
        request = self._lose_body()
        assert request is not None
        self.state = _BUSY
        self._closing = refused.close = True
        self._service.run(self._refuse_in_task, request, refused)

    def _lose_body(self) -> Request | None:
        """Wait no longer for the body of a request; which it was, if it was one."""
        request, route = self._request, self._route
        self._request = self._route = None
        if request is not None and route is not None:
            self._service.endpoint.lose_body(route, request)
        return request

    def _refuse_in_task(self, request: Request, refused: RequestRefused) -> None:
        request.may_block = True
        self._give_later(self._service.endpoint.refuse(request, refused), request)

    def _give_later(self, answer: Any, request: Request) -> None:
        if self.state is _BUSY:
            self._give(answer, request)
            self._next()

    def _give(self, answer: Any, request: Request) -> None:
        kind = type(answer)
        if kind is Answer:
            self._send(answer)
        elif kind is Poll or kind is Relay:
            self.state = _POLLING
            self._poll = answer
            self._woken = self._parked = False
            answer.begin(self._wake)
            if self._woken or self._ended:
                self._conclude(answer)
            else:
                self._parked = True
        elif kind is Upgraded or kind is RemoteUpgrade:
            self._switch(answer)
        else:
            raise TypeError(f"{answer!r} cannot be given from the event loop")

    def _switch(self, upgraded: Upgraded | RemoteUpgrade) -> None:
        """Answer, and be a websocket from then on."""
        data = self._service.wire(upgraded.answer, False)
        try:
            # The first bytes on a connection that has read its request: there is room for them.
            written = self._sock.send(data) == len(data)
        except OSError:
            written = False
        if not written or self._ended:
            self.close()
            return
        if self._answering is not None:
            self._log(upgraded.answer, len(data))
        early = self._reader.rest()
        sock, service = self._sock, self._service
        self._let_go()
        service.upgraded += 1
        upgraded.open(sock, early)

    # ---- a poll that waits

    def _wake(self) -> None:
        if self._woken:
            return
        self._woken = True
        if self._parked:
            # At the end of this turn: what one handler sends leaves in one answer.
            turn = self._service.runtime.turn
            if turn.open:
                turn.at_end(self)
            else:
                self._service.loop.run_callback(self.flush)

    def flush(self) -> None:
        """Answer the poll that there is a reason to answer."""
        if self._poll is not None and self._woken and self._parked:
            try:
                self._conclude(self._poll)
            except Exception:
                self._failed()

    def _conclude(self, poll: Poll | Relay) -> None:
        if poll is not self._poll:
            return
        self._poll = None
        answer, batch = poll.conclude(gone=self._ended or not is_established(self._sock))
        if batch is not None:
            batch.unread = self._is_unread
            self._send(cast(Answer, answer), batch, poll.socket)
        elif self._ended:
            self.close()
        elif type(answer) is Answer:
            self._send(answer)
        else:
            # Another worker's session goes over to a websocket.
            self._switch(cast(RemoteUpgrade, answer))
        self._next()

    def _is_unread(self) -> bool:
        # Whoever asks again over the same connection has read the answer.
        return self.state is not _POLLING and is_known_unread(self._sock)

    # ---- writing

    def _send(
        self, answer: Answer, batch: Batch | None = None, socket: Socket | None = None
    ) -> None:
        service = self._service
        try:
            if service.door.last:
                self._closing = True
            data = service.wire(answer, self._closing)
        except ValueError as error:
            # A header that the application has made.
            self._complain(
                "answer-not-written", "an answer to %s could not be written: %s", str(error)
            )
            self._closing = True
            data = service.wire(_FAILED, True)
        if answer.closes:
            self._closing = True
        if self._answering is not None:
            self._log(answer, len(data))
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._write_failed(batch, socket)
            return
        if sent < len(data):
            self._tail = memoryview(data)[sent:]
            self._batch, self._socket = batch, socket
            self._write_on()
            return
        if batch is not None and socket is not None:
            socket.written(batch, at_once=True)
        self._sent()

    def _log(self, answer: Answer, size: int) -> None:
        """For whoever wants a line for each request."""
        access_log = self._service.access_log
        if self._answering is not None and access_log is not None:
            environ, began = self._answering
            self._answering = None
            seconds = time.monotonic() - began
            access_log.answered(environ, answer.head.status, size, seconds, answer.headers)

    def _write_on(self) -> None:
        """The kernel is full: go on when the peer has read, which it has to do in time."""
        self.state = _WRITING
        # Who does not read the answers is asked no further questions.
        self._pause()
        service = self._service
        if self._batch is not None:
            self._batch.abandon = self.cut
            self._batch.taken = self._taken
            self._batch.before = self._taken()
        self._writing = service.runtime.watch(self._sock, self._writable, write=True)
        self._expect(time.monotonic() + service.door.patience)

    def _taken(self) -> object:
        taken = taken_of(self._sock)
        return taken if self._tail is None else (len(self._tail), taken)

    def _writable(self) -> None:
        tail = self._tail
        if tail is None:
            return
        try:
            sent = self._sock.send(tail)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end_writing()
            batch, self._batch = self._batch, None
            self._write_failed(batch, self._socket)
            return
        if sent < len(tail):
            self._tail = tail[sent:]
            # Who goes on reading is not cut, however long it takes.
            self._due = time.monotonic() + self._service.door.patience
            return
        self._end_writing()
        batch, self._batch = self._batch, None
        if batch is not None and self._socket is not None:
            self._socket.written(batch)
        self._sent()
        self._service.door.expect(self)
        self._next()

    def _end_writing(self) -> None:
        self._tail = None
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()

    def _write_failed(self, batch: Batch | None, socket: Socket | None) -> None:
        if batch is not None and socket is not None:
            socket.restore(batch)
        self.close()

    def _sent(self) -> None:
        """The answer is in the kernel's hands: on to the next request, or away."""
        if self._closing or self._service.stopping:
            self._leave()
        else:
            self.state = _READING
            self._begun = False
            before, door = self._due, self._service.door
            self._due = time.monotonic() + door.keep_alive
            if self._due < before:
                # The door knows of the later one.
                door.expect(self)
            if self._paused:
                self._resume()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._reading.stop()

    def _resume(self) -> None:
        if self._paused and not self._ended:
            self._paused = False
            self._reading.start()

    # ---- the end

    def _hand_over(self, strange: Strange | None = None) -> None:
        """Let the WSGI server have the connection, with all that it has not seen."""
        if strange is not None and any(name in str(strange) for name in _FRAMING):
            # Where such a request ends depends on who reads it: nobody shall.
            bad = heads.malformed("its length, or its coding, can be read in several ways")
            address = self.address[0] if isinstance(self.address, tuple) else ""
            self._service.door.tell_refused(address, bad)
            with contextlib.suppress(OSError):
                self._sock.send(heads.answer(bad))
            self._leave()
            return
        sock, service = self._sock, self._service
        early = self._reader.rest()
        self._let_go()
        service.handed_over += 1
        service.hand_over(sock, self.address, early, self._due)

    def _leave(self) -> None:
        """Close so that the last answer is not lost: a reset would overtake it if something was
        still unread."""
        unread = b""
        if not self._ended:
            # OSError: nothing there, or nobody.
            with contextlib.suppress(OSError):
                unread = self._sock.recv(CHUNK)
        if not unread and not self._reader.unfinished:
            self.close()
            return
        self.state = _LEAVING
        with contextlib.suppress(OSError):
            self._sock.shutdown(stdlib_socket.SHUT_WR)
        self._resume()
        self._expect(time.monotonic() + GRACE)

    def stop(self) -> None:
        """The server stops: close when what is under way has been answered."""
        if self.state is _READING and self._request is None and not self.arrives():
            self.close()

    def cut(self) -> None:
        """Give the peer up: it does not read its answer."""
        self._end_writing()
        batch, self._batch = self._batch, None
        cut(self._sock)
        self._write_failed(batch, self._socket)

    def _let_go(self) -> None:
        self.state = _GONE
        self._reading.close()
        self._end_writing()
        self._lose_body()
        self._reader.close()
        self._service.connections.discard(self)
        self._service.door.forget(self)

    def close(self) -> None:
        """Close the connection. Twice is once."""
        if self.state is _GONE:
            return
        self._let_go()
        self._sock.close()
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.conclude(gone=True)
        batch, self._batch = self._batch, None
        if batch is not None and self._socket is not None:
            self._socket.restore(batch)
