"""The owner's side: requests that have come to another worker, answered here."""

from __future__ import annotations

import _socket
import contextlib
import errno
import io
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from ...backplane.mesh.link import Frame, Link
from ...backplane.mesh.mesh import Mesh
from ...exceptions import PacketError, RequestRefused
from ...runtime.interfaces import Cancellable, Runtime, Signal
from ...sessions.outbox import Batch
from ...sessions.socket import Socket
from ...transports.answers import Answer
from ...transports.connection import FAST
from ...transports.polling import Poll
from ...transports.request import Request, WouldBlock
from ...transports.upgrades import Upgraded
from ..endpoint import Endpoint
from ..route import Route
from .frames import (
    ASK,
    BEGUN,
    CANCEL,
    ENDED,
    FATE,
    GIVEN,
    NEXT,
    NOBODY,
    NUMBER,
    PASS,
    PIECE,
    PING,
    PONG,
    head_of_answer,
    read_request,
)

__all__ = ["HAS_BATCH", "Owner"]

#: Seconds in which the connection of a websocket has to come.
PATIENCE = 10.0
#: What an answer's flag says: that it carries packets whose fate is to be told.
HAS_BATCH = b"\1"
#: Requests that may be open here at once, of all other workers.
MOST = 100_000

_Key = tuple[str, int]

log = logging.getLogger("sockio.http")


class Owner:
    """Answers what other workers ask, for the sessions of this one. ``endpoint_of`` gives whose
    a request is, by the middleware it came to, its path and its query."""

    def __init__(
        self,
        mesh: Mesh,
        runtime: Runtime,
        endpoint_of: Callable[[str, str, str], tuple[Endpoint, Route] | None],
    ) -> None:
        self.runtime = runtime
        self._endpoint_of = endpoint_of
        self._asked: dict[_Key, Asked] = {}
        #: Connections that others have passed on, and that are open.
        self.passed = 0
        for kind, taker in (
            (ASK, self._ask),
            (CANCEL, self._cancel),
            (FATE, self._fate),
            (NEXT, self._next),
            (PASS, self._passed),
            (PING, self._ping),
        ):
            mesh.take(kind, taker)
        mesh.on_leave.append(self._left)

    def _ask(self, link: Link, frame: Frame) -> None:
        (number,) = NUMBER.unpack_from(frame.payload)
        place, environ, body = read_request(frame.payload)
        before = self._asked.get((link.peer, number))
        if before is not None or len(self._asked) >= MOST:
            head = head_of_answer("503 Service Unavailable", ())
            link.send(GIVEN, NUMBER.pack(number) + b"\0" + head, first=True)
            return
        found = self._endpoint_of(place, environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        if found is None:
            # A middleware that has met no request in this process has no sessions.
            link.send(NOBODY, NUMBER.pack(number), first=True)
            return
        endpoint, route = found
        asked = Asked(self, endpoint, link, number, environ, body)
        self._asked[link.peer, number] = asked
        asked.begin(route)

    def forget(self, asked: Asked) -> None:
        if self._asked.pop((asked.link.peer, asked.number), None) is not None:
            asked.let_go()

    def _of(self, link: Link, frame: Frame) -> Asked | None:
        (number,) = NUMBER.unpack_from(frame.payload)
        return self._asked.get((link.peer, number))

    def _cancel(self, link: Link, frame: Frame) -> None:
        asked = self._of(link, frame)
        if asked is not None:
            asked.cancel()

    def _fate(self, link: Link, frame: Frame) -> None:
        asked = self._of(link, frame)
        if asked is not None:
            asked.settle(written=frame.payload[NUMBER.size :] == b"\1")

    def _next(self, link: Link, frame: Frame) -> None:
        asked = self._of(link, frame)
        if asked is not None:
            asked.go_on()

    def _passed(self, link: Link, frame: Frame) -> None:
        if frame.descriptor is None:
            asked = self._of(link, frame)
            if asked is not None:
                asked.lose_connection()
            return
        try:
            sock = Passed(self, frame.descriptor)
        except OSError as error:
            os.close(frame.descriptor)
            raise PacketError(f"what is no connection: {error}") from None
        try:
            asked = self._of(link, frame)
            taken = asked is not None and asked.open(sock, frame.payload[NUMBER.size :])
        except BaseException:
            sock.close()
            raise
        if not taken:
            sock.close()

    def _ping(self, link: Link, frame: Frame) -> None:
        link.send(PONG, b"", first=True)

    def _left(self, boot: str) -> None:
        """A worker has died, and with it the connections of its clients."""
        for asked in [each for key, each in self._asked.items() if key[0] == boot]:
            # What it had been given may have been written: nothing is sent twice.
            asked.cancel(written=True)


class Passed(_socket.socket):
    """A client's connection that another worker has passed on, counted while it is open. Raises
    ``OSError`` for what is no stream, which stays open."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Owner, descriptor: int) -> None:
        super().__init__(fileno=descriptor)
        self._owner: Owner | None = None
        try:
            self.setblocking(False)
            if self.type != _socket.SOCK_STREAM:
                raise OSError(errno.EPROTOTYPE, "it is no stream")
        except OSError:
            self.detach()
            raise
        self._owner = owner
        owner.passed += 1

    def close(self) -> None:
        self._count()
        super().close()

    def detach(self) -> int:
        self._count()
        return super().detach()

    def _count(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.passed -= 1


class Asked:
    """One request, from the asking to its end."""

    __slots__ = (
        "_batch",
        "_body",
        "_endpoint",
        "_environ",
        "_gone",
        "_owner",
        "_pieces",
        "_poll",
        "_signal",
        "_socket",
        "_turn",
        "_upgraded",
        "_woken",
        "link",
        "number",
    )

    def __init__(
        self,
        owner: Owner,
        endpoint: Endpoint,
        link: Link,
        number: int,
        environ: dict[str, Any],
        body: bytes,
    ) -> None:
        self._owner = owner
        self._endpoint = endpoint
        self.link = link
        self.number = number
        self._environ = environ
        self._body = body
        self._poll: Poll | None = None
        self._woken = False
        self._batch: Batch | None = None
        self._socket: Socket | None = None
        self._upgraded: Upgraded | None = None
        # An answer in pieces: whoever makes them, and waits until one has been written.
        self._pieces: Any = None
        self._signal: Signal | None = None
        # What is to be sent when the link has room for it.
        self._turn: Cancellable | None = None
        self._gone = False

    def let_go(self) -> None:
        """It is over: its megabyte is not to wait for the garbage collector."""
        self._environ.pop(FAST, None)
        self._environ, self._body = {}, b""

    def begin(self, route: Route) -> None:
        environ = self._environ
        request = Request(environ, self._body, may_block=False)
        if route.version != Route.ENGINE and self._comes_in_pieces(route):
            self._owner.runtime.run(self._in_task, route, request)
            return
        environ[FAST] = self
        limit = self._endpoint.settings.max_connections
        if limit and self._owner.passed >= limit and "HTTP_UPGRADE" in environ:
            self._owner.runtime.run(self._refuse, request)
            return
        try:
            answer = self._endpoint.respond(route, request, alone=True, here=True)
        except WouldBlock:
            self._owner.runtime.run(self._in_task, route, request)
            return
        self._give(answer, environ)

    def _refuse(self, request: Request) -> None:
        request.may_block = True
        refused = RequestRefused(
            "503 Service Unavailable",
            "The server is busy: try again.",
            code="too-many-connections",
            detail="as many websockets were passed on by other workers as max_connections says",
        )
        self._give(self._endpoint.refuse(request, refused), request.environ)

    def _comes_in_pieces(self, route: Route) -> bool:
        """Whether a task has to make the answer, piece by piece: for some clients until 0.9."""
        if "HTTP_UPGRADE" in self._environ:
            return False
        transport = self._endpoint.transport_of(route)
        return transport is not None and not transport.evented

    def _in_task(self, route: Route, request: Request) -> None:
        """Answer it where that may take a while: also when nobody waits any more, as what has come
        whole is handled."""
        if self._gone and request.method == "GET":
            return
        request.environ["wsgi.input"] = io.BytesIO(request.body or b"")
        request.may_block = True
        try:
            answer = self._endpoint.respond(route, request, alone=True, here=True)
            self._give(answer, request.environ)
        except BaseException:
            self._send(GIVEN, b"\0" + head_of_answer("500 Internal Server Error", ()))
            self._owner.forget(self)
            raise

    def _give(self, answer: Any, environ: dict[str, Any]) -> None:
        kind = type(answer)
        if kind is Answer:
            self._answer(answer)
        elif kind is Poll:
            answer.begin(self._wake)
            self._poll = answer
            if self._woken or self._gone:
                self.flush()
        elif kind is Upgraded:
            self._upgraded = answer
            runtime = self._owner.runtime
            # Whoever asked may find its client gone, or die.
            runtime.at(runtime.now() + PATIENCE, self._give_up)
            self._answer(answer.answer)
        else:
            self._stream(answer, environ)

    # ---- a whole answer

    def _answer(self, answer: Answer, batch: Batch | None = None) -> None:
        flag = HAS_BATCH if batch is not None else b"\0"
        # Without the length, which the other adds: there are few heads, and each is read once.
        head = head_of_answer(answer.head.status, (*answer.head.headers, *answer.more))
        sent = self._send(GIVEN, b"%b%b%b" % (flag, head, answer.body))
        if not sent and not self.link.closed:
            # Too much is said to all: whoever waits is not to wait for ever.
            self._send(ENDED, b"")
        if batch is None:
            if self._upgraded is None:
                self._owner.forget(self)
            return
        assert self._socket is not None
        if not sent:
            self._socket.restore(batch)
            self._owner.forget(self)
            return
        # As good as written: the client's next request may come by another worker, before this one
        # has said so. That it was not, is said.
        self._batch = batch
        self._socket.written(batch)

    def settle(self, *, written: bool) -> None:
        """The worker that was answered says what became of the packets in it."""
        batch, self._batch = self._batch, None
        if batch is not None and self._socket is not None and not written:
            self._socket.restore(batch)
        self._owner.forget(self)

    # ---- a poll

    def _wake(self) -> None:
        if self._woken:
            return
        self._woken = True
        if self._poll is not None:
            turn = self._owner.runtime.turn
            if turn.open:
                turn.at_end(self)
            else:
                self._owner.runtime.run(self.flush)

    def flush(self) -> None:
        """Answer the poll that there is a reason to answer: when there is room for a megabyte."""
        if self.link.roomy or self._gone or self.link.closed:
            self._conclude()
        elif self._turn is None:
            self._turn = self.link.when_roomy(self._conclude)

    def _conclude(self) -> None:
        self._forget_turn()
        poll, self._poll = self._poll, None
        if poll is None:
            return
        self._socket = poll.socket
        answer, batch = poll.conclude(gone=self._gone or self.link.closed)
        if self._gone:
            self._owner.forget(self)
        else:
            self._answer(answer, batch)

    # ---- an answer in pieces

    def _stream(self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> None:
        """Send what a WSGI application gives, piece by piece. Blocks."""
        told: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., Any]:
            told[:] = [status, headers]
            return lambda data: None

        self._signal = self._owner.runtime.signal()
        self._pieces = app
        pieces = app(environ, start_response)
        begun = False
        try:
            for piece in pieces:
                if not begun:
                    begun = True
                    self._send(BEGUN, head_of_answer(told[0], tuple(told[1])))
                if not piece:
                    continue
                if self._gone or not self._send_piece(piece):
                    break
                self._signal.wait()
                self._signal = self._owner.runtime.signal()
            if not begun:
                self._send(BEGUN, head_of_answer(told[0], tuple(told[1])))
        finally:
            self._forget_turn()
            self._send(ENDED, b"")
            self._owner.forget(self)
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _send_piece(self, piece: bytes) -> bool:
        """Send it, when there is room. False where it cannot be."""
        if self.link.closed or self.link.roomy:
            return self._send(PIECE, piece)

        def send() -> None:
            self._turn = None
            if not self._send(PIECE, piece):
                self.cancel()

        self._turn = self.link.when_roomy(send)
        return True

    def _forget_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()

    def go_on(self) -> None:
        """The last piece has been written."""
        if self._signal is not None:
            self._signal.set()

    # ---- a websocket

    def open(self, sock: _socket.socket, early: bytes) -> bool:
        """The connection of a websocket has come; false where none is expected."""
        upgraded, self._upgraded = self._upgraded, None
        self._owner.forget(self)
        if upgraded is None:
            return False
        upgraded.open(sock, early)
        return True

    def lose_connection(self) -> None:
        """It has come, and this process cannot have it."""
        self._give_up()
        self._endpoint.registry.complaints.say(
            log,
            logging.ERROR,
            "no-descriptors",
            "",
            "a websocket that another worker has passed on is closed: this process has as many "
            "descriptors as it may have. Allow for more (ulimit -n), or for fewer connections "
            "(max_connections) [no-descriptors]",
            quiet=True,
        )

    def _give_up(self) -> None:
        if self._upgraded is not None:
            self._upgraded = None
            self._owner.forget(self)

    # ---- the end

    def cancel(self, *, written: bool = False) -> None:
        """The client hung up, or the worker that has its connection died."""
        self._gone = True
        self._upgraded = None
        poll = self._poll
        if poll is not None:
            poll.hang_up()
            if self._turn is not None:
                self._conclude()
        elif self._pieces is not None:
            abort = getattr(self._pieces, "abort", None)
            if abort is not None:
                with contextlib.suppress(Exception):
                    abort()
            self.go_on()
        else:
            self.settle(written=written)

    def _send(self, kind: int, data: bytes) -> bool:
        return self.link.send(kind, NUMBER.pack(self.number) + data, first=True)
