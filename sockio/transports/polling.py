"""Long polling: a GET that waits until there are packets, and is answered with all of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from webob import Request, Response

from ..interfaces import Cancellable, Runtime
from ..outbox import Batch, Outgoing
from ..virtsocket import Socket
from .connection import connection_of, cut, is_gone, is_known_unread, watch_for_hangup
from .http import HTTPTransport

__all__ = ["PollingTransport"]


class PollingTransport(HTTPTransport):
    """Subclasses say how packets are wrapped in the answer."""

    def wrap(self, text: str, request: Request) -> bytes:
        """The body of the answer to a poll."""
        return text.encode()

    def get(self, request: Request, socket: Socket | None) -> Response:
        if socket is None:
            return self._say(request, self.unknown_session)
        connection = connection_of(request.environ)
        poll = Poll(self.name, self.runtime)
        watch = watch_for_hangup(self.runtime, connection, poll.hang_up)
        try:
            socket.attach(poll)
            poll.wait()
        finally:
            if watch is not None:
                watch.cancel()
        if poll.hung_up or is_gone(connection):
            # Nobody is there to read an answer: the packets wait for the next poll.
            socket.lost(poll, "")
            return self._say(request, self.noop)
        batch = socket.take_batch(poll)
        if batch is None or not batch.packets:
            return self._say(request, self.noop)
        if connection is not None:
            batch.unread = _evidence(connection)
        body = self.wrap(self.codec.dialect.encode_payload(batch.texts()), request)
        response = self.answer(request, body)
        response.app_iter = BatchBody(body, batch, socket, connection)
        response.content_length = len(body)
        return response

    def _say(self, request: Request, text: str) -> Response:
        return self.answer(request, self.wrap(text, request))


class Poll:
    """A waiting GET: a carrier for one answer."""

    streaming = False

    __slots__ = ("_signal", "hung_up", "name")

    def __init__(self, name: str, runtime: Runtime) -> None:
        self.name = name
        #: The client hung up while it waited.
        self.hung_up = False
        self._signal = runtime.signal()

    def wait(self) -> None:
        """Block the request's task until there is a reason to answer."""
        self._signal.wait()

    def write(self, packet: Outgoing) -> bool:
        # Never one at a time: by the time the task wakes there may be more for the same answer.
        return False

    def ready(self) -> None:
        self._signal.set()

    idle = replaced = finish = abort = ready

    def hang_up(self) -> None:
        self.hung_up = True
        self._signal.set()

    def pause(self) -> None:
        """A poll reads nothing."""

    def resume(self) -> None:
        """A poll reads nothing."""


class BatchBody:
    """The body of an answer, which tells the socket what became of it.

    A server asks for the next chunk when it has written the one before, and closes the iterable in
    any case; so a body that is closed before its end was reached was not written.
    """

    def __init__(self, body: bytes, batch: Batch, socket: Socket, connection: Any) -> None:
        self._body: bytes | None = body
        self._batch = batch
        self._socket = socket
        self._connection = connection
        self._cut: Cancellable | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        body, self._body = self._body, None
        if body is not None:
            # Who has not read it by then is given up, and must not keep the request's task.
            runtime, timeout = self._socket.runtime, self._socket.config.close_timeout
            self._cut = runtime.at(runtime.now() + timeout, lambda: cut(self._connection))
            return body
        if not self._batch.written:
            self._socket.written(self._batch)
        raise StopIteration

    def close(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
        if not self._batch.written:
            self._socket.restore(self._batch)


def _evidence(connection: Any) -> Callable[[], bool]:
    """Whether the answer is known to be unread when the client asks again, over another connection:
    a request over the same one would have acknowledged it."""
    reference = weakref.ref(connection)

    def unread() -> bool:
        known = reference()
        return known is not None and is_known_unread(known)

    return unread
