"""One client per transport, by hand over real connections, all with the same few words.

::

    client = CLIENTS["htmlfile"](server).open()
    client.send("3:::one", "3:::two")
    assert client.hear() == "3:::one"

Each takes its transport's wrapping apart by rules of its own, so that server and test cannot share
a mistake.
"""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import ClassVar, TypeVar
from urllib.parse import quote_plus

from sockio.virtsocket import Socket

from .raw_http import Answer, Connection, decode_payload, handshake
from .raw_websocket import CLOSE, RawWebSocket, upgrade_request
from .servers import Served
from .transcript import eventually
from .wsgi_client import frame as payload

__all__ = [
    "CLIENTS",
    "HTTP_CLIENTS",
    "Client",
    "FlashSocket",
    "HTMLFile",
    "HTTPClient",
    "JSONPPolling",
    "PollingClient",
    "StreamingClient",
    "WebSocket",
    "XHRMultipart",
    "XHRPolling",
]

C = TypeVar("C", bound="Client")


class Client(ABC):
    """One client; with ``sid`` it goes on with a session that there is already."""

    name: ClassVar[str]
    #: Whether the way to the client stays open, instead of ending with each answer.
    streaming: ClassVar[bool] = True

    def __init__(
        self, server: Served, sid: str | None = None, headers: Mapping[str, str] = {}
    ) -> None:
        self.server = server
        self.sid = handshake(server.port) if sid is None else sid
        self.headers = headers
        self._heard: deque[str] = deque()

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> str:
        return f"/socket.io/1/{self.name}/{self.sid}"

    @property
    def socket(self) -> Socket:
        """The server's side."""
        socket = self.server.registry.get_socket(self.sid)
        assert socket is not None, "the session has ended"
        return socket

    def open(self: C) -> C:
        """Open the session."""
        self.listen()
        assert self.hear() == "1::"
        return self

    @abstractmethod
    def listen(self: C) -> C:
        """Open the way to the client: one poll, or the stream."""

    def keep_listening(self: C) -> C:
        """See to it that the way to the client is open: a stream's is, a poll has to be sent."""
        return self if self.streaming else self.listen()

    @abstractmethod
    def hear(self) -> str:
        """The next packet, whatever it is. Sends a poll where it needs one."""

    @abstractmethod
    def send(self, *packets: str) -> None:
        """Send packets to the server."""

    @abstractmethod
    def ended(self) -> bool:
        """Wait for the server to end the way to the client; whether nothing came before that."""

    @abstractmethod
    def drop(self) -> None:
        """Hang up without a goodbye."""

    def close(self) -> None:
        """Close every connection."""
        self.drop()


class HTTPClient(Client):
    """Packets to the server by POST, over a connection of their own."""

    post_type: ClassVar[str] = "text/plain;charset=UTF-8"
    posted: ClassVar[str] = "1"

    def __init__(
        self, server: Served, sid: str | None = None, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(server, sid, headers)
        self.down: Connection | None = None
        self._up: Connection | None = None

    @classmethod
    def body_of(cls, text: str) -> str:
        """The body of a POST that carries a payload."""
        return text

    def post(self, body: str | bytes) -> Answer:
        """POST any body and wait for the answer."""
        if self._up is None:
            self._up = Connection(self.server.port)
        headers = {"Content-Type": self.post_type, **self.headers}
        return self._up.ask("POST", self.path, body, headers)

    def send(self, *packets: str) -> None:
        answer = self.post(self.body_of(payload(*packets)))
        assert (answer.code, answer.body) == (200, self.posted), answer

    def drop(self) -> None:
        if self.down is not None:
            self.down.close()
            self.down = None

    def close(self) -> None:
        super().close()
        if self._up is not None:
            self._up.close()
            self._up = None


class PollingClient(HTTPClient):
    """One GET after the other, over a kept connection."""

    streaming = False
    query: ClassVar[str] = "?t=1"

    def __init__(
        self, server: Served, sid: str | None = None, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(server, sid, headers)
        self.waiting = False

    def unwrap(self, body: str) -> str:
        return body

    def listen(self: C) -> C:
        assert isinstance(self, PollingClient)
        if self.down is None:
            self.down = Connection(self.server.port)
        socket = self.server.registry.get_socket(self.sid)
        hits = socket.hits if socket is not None else 0
        self.down.request("GET", self.path + self.query, headers=self.headers)
        self.waiting = True
        if socket is not None:
            eventually(lambda: socket.hits > hits, "the poll has arrived")
        return self

    def hear(self) -> str:
        while not self._heard:
            if not self.waiting:
                self.listen()
            assert self.down is not None
            answer = self.down.answer()
            self.waiting = False
            assert answer.code == 200, answer
            self._heard += decode_payload(self.unwrap(answer.body))
        return self._heard.popleft()

    def ended(self) -> bool:
        # A poll is over with its answer: that the session is, says the next one.
        return self.hear() == "7:::1+0"

    def drop(self) -> None:
        super().drop()
        self.waiting = False


class XHRPolling(PollingClient):
    name = "xhr-polling"


class JSONPPolling(PollingClient):
    name = "jsonp-polling"
    post_type = "application/x-www-form-urlencoded"
    query = "?t=1&i=7"

    @classmethod
    def body_of(cls, text: str) -> str:
        return "d=" + quote_plus(json.dumps(text))

    def unwrap(self, body: str) -> str:
        head, tail = "io.j[7](", ");"
        assert body.startswith(head), body
        assert body.endswith(tail), body
        text = json.loads(body[len(head) : -len(tail)])
        assert isinstance(text, str)
        return text


class StreamingClient(HTTPClient):
    """One GET whose answer goes on: chunks, read one by one."""

    preamble: ClassVar[bytes]

    @abstractmethod
    def unwrap(self, chunk: bytes) -> str:
        """The payload in a chunk."""

    def listen(self: C) -> C:
        assert isinstance(self, StreamingClient)
        self.down = Connection(self.server.port)
        self.down.request("GET", self.path, headers=self.headers)
        head = self.down.read_until(b"\r\n\r\n").decode("latin-1").lower()
        assert head.startswith("http/1.1 200"), head
        if "content-length" in head:
            # The answer to an unknown session is whole.
            body = self.down.read(int(head.split("content-length:")[1].split("\r\n")[0]))
            assert body.startswith(self.preamble)
            self._heard.append(self.unwrap(body[len(self.preamble) :]))
            self.down.close()
        else:
            assert self.chunk() == self.preamble
        return self

    def chunk(self) -> bytes:
        """The next chunk as it is; empty at the end of the answer."""
        assert self.down is not None
        size = int(self.down.read_until(b"\r\n"), 16)
        data = self.down.read(size)
        assert self.down.read(2) == b"\r\n"
        return data

    def hear(self) -> str:
        if not self._heard:
            self._heard += decode_payload(self.unwrap(self.chunk()))
        return self._heard.popleft()

    def ended(self) -> bool:
        if self._heard:
            return False
        assert self.down is not None
        if self.down.sock.fileno() < 0:
            return True
        try:
            return self.chunk() == b""
        except (EOFError, ConnectionResetError):
            return True


class HTMLFile(StreamingClient):
    name = "htmlfile"
    preamble = (
        b"<html><body><script>var _ = function (msg) { parent.s._(msg, document); };</script>"
        + 173 * b" "
    )

    def unwrap(self, chunk: bytes) -> str:
        head, tail = b"<script>_(", b");</script>"
        assert chunk.startswith(head), chunk
        assert chunk.endswith(tail), chunk
        text = json.loads(chunk[len(head) : -len(tail)])
        assert isinstance(text, str)
        return text


class XHRMultipart(StreamingClient):
    name = "xhr-multipart"
    preamble = b"--socketio\n"
    post_type = "application/x-www-form-urlencoded"
    posted = "ok"

    @classmethod
    def body_of(cls, text: str) -> str:
        return "data=" + quote_plus(text)

    def unwrap(self, chunk: bytes) -> str:
        head, tail = b"Content-Type: text/plain\n\n", b"\n--socketio\n"
        assert chunk.startswith(head), chunk
        assert chunk.endswith(tail), chunk
        return chunk[len(head) : -len(tail)].decode()


class _Wire(RawWebSocket):
    """A websocket under any transport's URL."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str]) -> None:
        Connection.__init__(self, port)
        self.send(upgrade_request(path, port, headers))
        self.upgrade = self.answer()
        assert self.upgrade.code == 101, self.upgrade


class WebSocket(Client):
    name = "websocket"
    wire: _Wire

    def listen(self: C) -> C:
        assert isinstance(self, WebSocket)
        self.wire = _Wire(self.server.port, self.path, self.headers)
        return self

    def hear(self) -> str:
        return self.wire.hear()

    def send(self, *packets: str) -> None:
        for packet in packets:
            self.wire.say(packet)

    def ended(self) -> bool:
        # A polite end says so first; one that was cut does not.
        with contextlib.suppress(EOFError, ConnectionResetError):
            if self.wire.read_frame().opcode != CLOSE:
                return False
            return self.wire.at_end()
        return True

    def drop(self) -> None:
        if hasattr(self, "wire"):
            self.wire.close()


class FlashSocket(WebSocket):
    name = "flashsocket"


#: Every client by the name of its transport.
CLIENTS: Mapping[str, type[Client]] = {
    each.name: each
    for each in (WebSocket, FlashSocket, HTMLFile, XHRMultipart, XHRPolling, JSONPPolling)
}

#: Those that send by POST.
HTTP_CLIENTS: Mapping[str, type[HTTPClient]] = {
    name: each for name, each in CLIENTS.items() if issubclass(each, HTTPClient)
}
