"""Streams over HTTP: a GET whose answer never ends, one chunk per packet."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from ..exceptions import RequestRefused
from ..runtime.pace import Pace
from ..sessions.outbox import Outgoing
from ..sessions.reasons import Reason
from ..sessions.socket import Socket
from .answers import Answer
from .base import WSGIApplication
from .connection import Watched, connection_of, cut, taken_of
from .http import HTTPTransport
from .request import Request
from .streams import CutUnlessRead

__all__ = ["StreamingTransport"]

#: Bytes of queued packets taken at once.
TAKE = 65536
#: Seconds in which a client whose stream was replaced can read what was being written to it.
CLOSE_WAIT = 2.0


class StreamingTransport(HTTPTransport):
    """Subclasses say how the stream begins and how a packet becomes a chunk."""

    @abstractmethod
    def preamble(self) -> bytes:
        """The first chunk of every stream."""

    @abstractmethod
    def chunk(self, text: str) -> bytes:
        """The chunk that carries one packet (or, at the beginning, one payload)."""

    def get(self, request: Request, socket: Socket | None) -> WSGIApplication:
        if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            # Without chunks the end of the answer could not be told from a broken connection.
            raise RequestRefused(
                "505 HTTP Version Not Supported",
                f"{self.name} needs HTTP/1.1; use xhr-polling or jsonp-polling.",
                code="needs-http-1.1",
            )
        if socket is None:
            told = self.preamble() + self.chunk(self.unknown_session)
            return self.unknown(self.answer(request, told))
        return Stream(self, socket, self.answer(request, b""), request.environ)


class Stream:
    """One open stream: a carrier, the WSGI application that answers with it, and the iterable that
    the server writes from.

    The server asks for the next chunk when it has written the one before, in the request's task,
    which waits here while there is nothing to send.
    """

    streaming = True

    def __init__(
        self,
        transport: StreamingTransport,
        socket: Socket,
        answer: Answer,
        environ: Mapping[str, Any],
    ) -> None:
        self.name = transport.name
        self._answer = answer
        self._transport = transport
        self._socket = socket
        self._environ = environ
        self._connection = connection_of(environ)
        self._runtime = transport.runtime
        self._signal = self._runtime.signal()
        self._gone = False
        self._finishing = False
        #: Everything was written, and the request's task waits for more.
        self.waits = False
        self._cut: CutUnlessRead | None = None
        self._chunks = self._generate()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        # Without a length, and a proxy must not wait for the end of it.
        headers = [each for each in self._answer.headers() if each[0] != "Content-Length"]
        start_response(self._answer.head.status, [*headers, ("X-Accel-Buffering", "no")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """The server is done with the answer: it came to its end, or a write failed."""
        if self._cut is not None:
            # The connection may have its next request already.
            self._cut.cancel()
        self._chunks.close()
        self._socket.lost(self, Reason.TRANSPORT_CLOSE)

    def _generate(self) -> Generator[bytes, None, None]:
        # Whoever writes what is given here does not wait while the client reads fast enough.
        pace = Pace(self._transport.runtime)
        yield self._transport.preamble()
        self._socket.attach(self)
        first = True
        while True:
            packets = self._socket.take(self, TAKE)
            if first and len(packets) > 1:
                # What was buffered before the stream opened comes as one payload (fact sheet).
                texts = [packet.text for packet in packets]
                yield self._transport.chunk(self._transport.codec.dialect.encode_payload(texts))
            else:
                for packet in packets:
                    pace.keep()
                    yield self._transport.chunk(packet.text)
            first = False
            if packets:
                continue
            if self._finishing or self._gone:
                return
            self._wait()

    def _wait(self) -> None:
        """Block the request's task until there is something to do."""
        watched = Watched(self._runtime, self._environ, self._connection, self._hung_up)
        gone = False
        self.waits = True
        try:
            self._signal.wait()
        finally:
            self.waits = False
            gone = watched.end()
        self._signal = self._runtime.signal()
        if not self._gone and gone:
            self._hung_up()
        if self._gone:
            self._socket.lost(self, Reason.TRANSPORT_CLOSE)

    def _hung_up(self) -> None:
        self._gone = True
        self._signal.set()

    # ---- what the socket calls

    def write(self, packet: Outgoing) -> bool:
        return False

    def ready(self) -> None:
        self._signal.set()

    def taken(self) -> object:
        """What changes whenever the client has taken more of what was written."""
        return taken_of(self._connection)

    def idle(self) -> None:
        """A stream has no poll duration."""

    def finish(self) -> None:
        self._finishing = True
        self._signal.set()

    def replaced(self) -> None:
        self.finish()
        # The session goes on without this connection, so its deadlines are not ours: a peer that
        # does not read what is left would keep it, and its task, for ever.
        self._cut = CutUnlessRead(self._runtime, CLOSE_WAIT, self.taken, self.abort)

    def abort(self) -> None:
        self._gone = True
        self._signal.set()
        # The request's task may be stuck in a write that the peer does not read.
        cut(self._connection)

    def pause(self) -> None:
        """Packets come by POST, which waits by itself."""

    def resume(self) -> None:
        """Packets come by POST, which waits by itself."""
