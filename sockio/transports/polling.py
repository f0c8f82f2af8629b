"""Long polling: a GET that waits until there are packets, and is answered with all of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from ..runtime.interfaces import Runtime
from ..sessions.outbox import Batch, Outgoing
from ..sessions.socket import Socket
from .answers import Answer, Header
from .base import WSGIApplication
from .connection import Watched, connection_of, cut, is_known_unread, taken_of
from .http import HTTPTransport
from .request import Request

__all__ = ["BatchBody", "Poll", "PollingTransport"]


class PollingTransport(HTTPTransport):
    """Subclasses say how packets are wrapped in the answer."""

    evented = True

    def wrap(self, text: str, request: Request) -> bytes:
        """The body of the answer to a poll."""
        return text.encode()

    def get(self, request: Request, socket: Socket | None) -> WSGIApplication:
        if socket is None:
            return self.unknown(self.say(request, self.unknown_session))
        return Poll(self, request, socket)

    def say(self, request: Request, text: str) -> Answer:
        """An answer that carries this packet or payload."""
        return self.answer(request, self.wrap(text, request))

    def nothing(self, request: Request, socket: Socket) -> Answer:
        return self.say(request, self.noop)

    def carry(self, request: Request, socket: Socket, batch: Batch) -> Answer:
        return self.say(request, self.codec.dialect.encode_payload(batch.texts()))


class Answers(Protocol):
    """The transport of a poll, of any generation: it says how packets are wrapped."""

    @property
    def runtime(self) -> Runtime: ...

    @property
    def name(self) -> str: ...

    def nothing(self, request: Request, socket: Any) -> Answer:
        """The answer to a poll for which there is nothing."""
        ...

    def carry(self, request: Request, socket: Any, batch: Batch) -> Answer:
        """The answer that carries a batch, which is not empty."""
        ...


class Poll:
    """A waiting GET: a carrier for one answer, and the WSGI application that gives it.

    Who waits for the reason to answer differs: a task of the request's own (the WSGI application),
    or nobody, where the server calls :meth:`begin` and :meth:`conclude` from its event loop.
    """

    streaming = False
    waits = True

    __slots__ = ("_more", "_request", "_socket", "_transport", "_wake", "hung_up", "name")

    def __init__(
        self,
        transport: Answers,
        request: Request,
        socket: Socket,
        more: Sequence[Header] = (),
    ) -> None:
        self.name = transport.name
        self._transport = transport
        self._request = request
        self._socket = socket
        # Headers of the answer, beside its own.
        self._more = more
        self._wake: Callable[[], object]
        #: The client hung up while it waited.
        self.hung_up = False

    def begin(self, wake: Callable[[], object]) -> None:
        """Take over the session. ``wake`` is called when there is a reason to answer: at once,
        maybe, and maybe again. It must not block."""
        self._wake = wake
        self._socket.attach(self)

    def conclude(self, *, gone: bool) -> tuple[Answer, Batch | None]:
        """The answer, with the batch in it, if any. Then the poll is over.

        With ``gone`` there is nobody to read it. What becomes of the batch has to be told to the
        socket (``socket.written``, ``socket.restore``).
        """
        transport, request, socket = self._transport, self._request, self._socket
        if gone or self.hung_up:
            # The packets wait for the next poll.
            socket.lost(self, "")
            return transport.nothing(request, socket), None
        batch = socket.take_batch(self)
        if batch is None or not batch.packets:
            answer, batch = transport.nothing(request, socket), None
        else:
            answer = transport.carry(request, socket, batch)
        if self._more:
            answer.more = [*answer.more, *self._more]
        return answer, batch

    @property
    def socket(self) -> Socket:
        return self._socket

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        runtime = self._transport.runtime
        connection = connection_of(environ)
        signal = runtime.signal()
        watched = Watched(runtime, environ, connection, self.hang_up)
        gone = False
        try:
            self.begin(signal.set)
            signal.wait()
        finally:
            gone = watched.end()
        answer, batch = self.conclude(gone=gone)
        if batch is None:
            return answer(environ, start_response)
        if connection is not None:
            know_fate(batch, connection)
        start_response(answer.head.status, answer.headers())
        return BatchBody(answer.body, batch, self._socket)

    # ---- what the socket calls

    def write(self, packet: Outgoing) -> bool:
        # Never one at a time: by the time it is answered there may be more for the same answer.
        return False

    def ready(self) -> None:
        self._wake()

    idle = replaced = finish = abort = ready

    def hang_up(self) -> None:
        self.hung_up = True
        self._wake()

    def pause(self) -> None:
        """A poll reads nothing."""

    def resume(self) -> None:
        """A poll reads nothing."""


class Told(Protocol):
    """Whoever is told what became of a batch: its socket."""

    def written(self, batch: Batch) -> None: ...

    def restore(self, batch: Batch) -> None: ...


class BatchBody:
    """The body of an answer, which tells the socket what became of it.

    A server asks for the next chunk when it has written the one before, and closes the iterable in
    any case; so a body that is closed before its end was reached was not written.
    """

    def __init__(self, body: bytes, batch: Batch, socket: Told) -> None:
        self._body: bytes | None = body
        self._batch = batch
        self._socket = socket

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        body, self._body = self._body, None
        if body is not None:
            return body
        if not self._batch.written:
            self._socket.written(self._batch)
        raise StopIteration

    def close(self) -> None:
        if not self._batch.written:
            self._socket.restore(self._batch)


def know_fate(batch: Batch, connection: Any) -> None:
    """Let ``batch`` tell from its connection whether it was read, and end that connection with it.

    Known to be unread is an answer when the client asks again over another connection: a request
    over the same one would have acknowledged it.
    """
    reference = weakref.ref(connection)

    def unread() -> bool:
        known = reference()
        return known is not None and is_known_unread(known)

    def abandon() -> None:
        # Who has not read it by then is given up, and must not keep the request's task.
        known = reference()
        if known is not None:
            cut(known)

    def taken() -> object:
        return taken_of(reference())

    batch.unread = unread
    batch.abandon = abandon
    batch.taken = taken
    batch.before = taken()
