"""What the polling transports share: a GET that waits for packets, and a POST that brings some.

Kin differ in how a body is wrapped and in their headers only.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

from webob import Request, Response

from ..exceptions import PacketError, RequestRefused
from ..interfaces import Runtime
from ..origins import cors_headers, preflight_headers
from ..outbox import Batch, Outgoing
from ..virtsocket import Socket
from .base import Transport
from .body import read_body
from .connection import bytes_unread_by_peer, connection_of, is_gone

__all__ = ["PollingTransport"]

#: Packets of one body that are taken in before other clients get a turn.
PACKETS_PER_TURN = 250


class PollingTransport(Transport):
    """Long polling. Subclasses say how packets are wrapped in bodies."""

    #: Whether pages of other origins read the answers (and so need CORS headers).
    cors: ClassVar[bool] = True
    poll_headers: ClassVar[tuple[tuple[str, str], ...]] = ()
    post_headers: ClassVar[tuple[tuple[str, str], ...]] = ()

    def wrap(self, text: str, request: Request) -> bytes:
        """The body of the answer to a poll."""
        return text.encode()

    def unwrap(self, body: bytes, request: Request) -> str:
        """The payload in the body of a POST. Raises ``PacketError``."""
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise PacketError(f"the body is not UTF-8 (at byte {error.start})") from None

    def respond(self, request: Request, socket: Socket | None) -> Response:
        if request.method == "GET":
            return self._poll(request, socket)
        if request.method == "POST":
            return self._post(request, socket)
        if request.method == "OPTIONS":
            response = Response(status="204 No Content", content_type=None)
            response.headerlist.extend(self._cors(request) + preflight_headers(request.environ))
            return response
        raise RequestRefused(
            "405 Method Not Allowed", "Use GET to poll and POST to send.", detail=request.method
        )

    # ---- GET

    def _poll(self, request: Request, socket: Socket | None) -> Response:
        if socket is None:
            return self._answer(request, self.wrap(self.unknown_session, request))
        connection = connection_of(request.environ)
        poll = Poll(self.name, self.runtime)
        watch = _watch_for_hangup(self.runtime, connection, poll)
        try:
            socket.attach(poll)
            poll.wait()
        finally:
            if watch is not None:
                watch.cancel()
        if poll.hung_up or is_gone(connection):
            # Nobody is there to read an answer: the packets wait for the next poll.
            socket.lost(poll, "")
            return self._answer(request, self.wrap(self.noop, request))
        batch = socket.take_batch(poll)
        if batch is None or not batch.packets:
            return self._answer(request, self.wrap(self.noop, request))
        if connection is not None:
            batch.unread = _evidence(connection)
        body = self.wrap(self.codec.dialect.encode_payload(batch.texts()), request)
        response = self._answer(request, body)
        response.app_iter = BatchBody(body, batch, socket)
        response.content_length = len(body)
        return response

    # ---- POST

    def _post(self, request: Request, socket: Socket | None) -> Response:
        body = read_body(request.environ, self.settings, self.runtime)
        if socket is not None:
            try:
                packets = self.codec.dialect.decode_payload(
                    self.unwrap(body, request), self.settings.max_packets
                )
            except PacketError as error:
                # Whole or nothing: of a body that cannot be trusted no packet counts.
                raise RequestRefused("400 Bad Request", f"bad payload: {error}") from None
            if not socket.wait_for_room(self.settings.close_timeout):
                raise RequestRefused(
                    "503 Service Unavailable",
                    "too many events are waiting to be handled",
                    detail="the handlers of this client are slower than it sends; see max_inbox",
                )
            for number, packet in enumerate(packets, 1):
                socket.receive(packet)
                if number % PACKETS_PER_TURN == 0:
                    self.runtime.breathe()
        response = self._answer(request, b"1")
        response.headerlist.extend(self.post_headers)
        if self.cors and request.environ.get("HTTP_ORIGIN"):
            response.headers["X-XSS-Protection"] = "0"
        return response

    # ---- answers

    def _cors(self, request: Request) -> list[tuple[str, str]]:
        return cors_headers(request.environ) if self.cors else []

    def _answer(self, request: Request, body: bytes) -> Response:
        response = Response(body=body, content_type="text/plain", charset="UTF-8")
        response.headerlist.extend(self._cors(request))
        if request.method == "GET":
            response.headerlist.extend(self.poll_headers)
        return response


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

    def __init__(self, body: bytes, batch: Batch, socket: Socket) -> None:
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


def _evidence(connection: Any) -> Any:
    """Whether the answer is known to be unread when the client asks again.

    Data that the peer's kernel never acknowledged, while the client already sends its next request
    (over another connection: a request over the same one would have acknowledged it).
    """
    reference = weakref.ref(connection)

    def unread() -> bool:
        known = reference()
        return known is not None and bytes_unread_by_peer(known) > 0

    return unread


def _watch_for_hangup(runtime: Runtime, connection: Any, poll: Poll) -> Any:
    """Wake ``poll`` as soon as its client hangs up; None where the server hides the connection."""
    if connection is None or connection.fileno() < 0:
        return None

    def readable() -> None:
        watch.cancel()
        # Readable without being gone: the client sent its next request early. It is not read here.
        if is_gone(connection):
            poll.hang_up()

    watch = runtime.watch(connection, readable)
    return watch
