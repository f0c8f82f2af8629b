"""The client's end of every transport: packets as text in, packets as text out.

HTTP is the standard library's and websocket frames are those of ``websockets``; only what the
0.9 transports put around packets is taken apart here (fact sheet, section 7).
"""

from __future__ import annotations

import json
import logging
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any, ClassVar
from urllib.parse import quote_plus, urlsplit

import gevent.lock
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from ..protocol.payload import decode_payload, encode_payload
from .errors import ClientError, Refused
from .http import CooperativeConnection, dial, hang_up, reset

__all__ = ["CODE", "WIRES", "HTTPWire", "WebSocket", "Wire", "refusal_of"]

_quiet = logging.getLogger("sockio.testing.frames")
_quiet.setLevel(logging.CRITICAL)

#: The header that names a refusal.
CODE = "X-Sockio-Refusal"

Headers = Callable[[], dict[str, str]]


def refusal_of(what: str, status: int, text: str, code: str | None) -> Refused:
    """The error for an answer that says no.

    Clients since 1.0 are told ``{"code": 4, "message": "handshake unauthorized"}``, those of 0.9
    the words alone.
    """
    shown = f" [{code}]" if code else ""
    message = f"{what} was refused: {status} {text[:300]!r}{shown}"
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict) and told.keys() == {"code", "message"}:
        text = str(told["message"])
    return Refused(message, status, text, code or "")


class Wire(ABC):
    """One transport's connections for one session.

    ``url`` is where the site is, ``path`` the transport's own below it; ``headers`` gives what to
    send along. ``timeout`` is for everything but waiting for packets, which has none.
    """

    name: ClassVar[str]
    #: Whether packets come in answers, one after the other, rather than over one that stays.
    polling: ClassVar[bool] = False
    #: What the handshake's URL asks for, and how its answer reads.
    handshake_query: ClassVar[str] = ""

    def __init__(self, url: str, path: str, headers: Headers, timeout: float) -> None:
        self.url = url
        self.path = path
        self.headers = headers
        self.timeout = timeout

    @classmethod
    def read_handshake(cls, text: str) -> str:
        """The handshake line in the body of the answer to a handshake."""
        return text

    @abstractmethod
    def open(self) -> None:
        """Open the way from the server, where it stays open."""

    @abstractmethod
    def receive(self) -> list[str]:
        """Wait for packets, for as long as it takes. Raises ``EOFError`` when none will come."""

    @abstractmethod
    def send(self, packets: list[str]) -> None:
        """Send packets; returns when the server has taken them. Not for two tasks at a time."""

    @abstractmethod
    def cut(self, *, rst: bool) -> None:
        """End every connection without a goodbye. Nobody may be receiving."""


class HTTPWire(Wire):
    """Packets to the server by POST, over a connection of their own."""

    post_type: ClassVar[str] = "text/plain;charset=UTF-8"
    posted: ClassVar[str] = "1"

    def __init__(self, url: str, path: str, headers: Headers, timeout: float) -> None:
        super().__init__(url, path, headers, timeout)
        self._up = CooperativeConnection(url, timeout)
        # A poll is answered when there is news, however late.
        self._down = CooperativeConnection(url, None)
        self._answer: HTTPResponse | None = None

    def body_of(self, payload: str) -> str:
        """The body of a POST that carries a payload."""
        return payload

    def unwrap(self, text: str) -> str:
        """The payload in what a GET was answered."""
        return text

    def get(self, query: str) -> HTTPResponse:
        """Send the GET that packets are waited for with, and wait for the head of its answer."""
        try:
            self._down.request("GET", self.path + query, headers=self.headers())
            self._answer = answer = self._down.getresponse()
        except (HTTPException, OSError) as error:
            raise EOFError(str(error)) from error
        if answer.status != 200:
            text = answer.read().decode(errors="replace")
            raise refusal_of(f"GET {self.name}", answer.status, text, answer.headers.get(CODE))
        return answer

    def send(self, packets: list[str]) -> None:
        self.post(self.body_of(encode_payload(packets)).encode())

    def post(self, body: bytes) -> None:
        """Send a body, and see that the server has taken it."""
        headers = {**self.headers(), "Content-Type": self.post_type}
        self._up.request("POST", self.path, body, headers)
        answer = self._up.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status != 200:
            raise refusal_of(f"POST {self.name}", answer.status, text, answer.headers.get(CODE))
        if text != self.posted:
            raise ClientError(f"POST {self.name} was answered {text[:300]!r}, not {self.posted!r}")

    def cut(self, *, rst: bool) -> None:
        for connection in (self._down, self._up):
            if rst and connection.sock is not None:
                reset(connection.sock)
            connection.close()
        if self._answer is not None:
            # It keeps the connection open on its own account.
            self._answer.close()
            self._answer = None


class PollingWire(HTTPWire):
    """A GET after the other."""

    polling = True
    query: ClassVar[str] = ""

    def open(self) -> None:
        """There is nothing to open: each poll is a request."""

    def receive(self) -> list[str]:
        answer = self.get(self.query)
        try:
            text = answer.read().decode()
        except (HTTPException, OSError) as error:
            raise EOFError(str(error)) from error
        return decode_payload(self.unwrap(text))

    def lose_connection(self) -> None:
        """Forget the connection that an answer came over, as if it had died."""
        self._down.close()


class XHRPolling(PollingWire):
    name = "xhr-polling"


class JSONPPolling(PollingWire):
    name = "jsonp-polling"
    query = "?i=0"
    handshake_query = "jsonp=0"
    post_type = "application/x-www-form-urlencoded"

    def __init__(self, url: str, path: str, headers: Headers, timeout: float) -> None:
        def without_origin() -> dict[str, str]:
            # Script elements and forms tell where they come from, but in another header.
            sent = headers()
            sent.setdefault("Referer", sent.pop("Origin", url) + "/")
            return sent

        super().__init__(url, path, without_origin, timeout)

    @classmethod
    def read_handshake(cls, text: str) -> str:
        error = re.fullmatch(r'io\.j\[0\]\(new Error\((".*")\)\);', text, re.DOTALL)
        if error is not None:
            raise refusal_of("the handshake", 200, json.loads(error.group(1)), None)
        return cls._argument(text)

    @staticmethod
    def _argument(script: str) -> str:
        call = re.fullmatch(r"io\.j\[0\]\((.*)\);", script, re.DOTALL)
        argument = json.loads(call.group(1)) if call is not None else None
        if not isinstance(argument, str):
            raise ClientError(f"no call of the JSONP callback: {script[:300]!r}")
        return argument

    def body_of(self, payload: str) -> str:
        return "d=" + quote_plus(json.dumps(payload))

    def unwrap(self, text: str) -> str:
        return self._argument(text)


class StreamingWire(HTTPWire):
    """One GET whose answer goes on."""

    #: The beginning of the answer, and what is around each payload in it.
    head: ClassVar[re.Pattern[str]]
    part: ClassVar[re.Pattern[str]]

    def __init__(self, url: str, path: str, headers: Headers, timeout: float) -> None:
        super().__init__(url, path, headers, timeout)
        self._bytes = b""
        self._text = ""
        self._begun = False

    def open(self) -> None:
        self.get("")

    def receive(self) -> list[str]:
        """Chunks mean nothing: proxies may cut and join them."""
        while True:
            if not self._begun and (head := self.head.match(self._text)):
                self._begun = True
                self._text = self._text[head.end() :]
            if self._begun and (part := self.part.match(self._text)):
                self._text = self._text[part.end() :]
                return decode_payload(self.unwrap(part.group(1)))
            self._read()

    def _read(self) -> None:
        answer = self._answer
        try:
            data = answer.read1() if answer is not None else b""
        except (HTTPException, OSError, ValueError) as error:
            raise EOFError(str(error)) from error
        if not data:
            raise EOFError("the stream has ended")
        self._bytes += data
        try:
            self._text += self._bytes.decode()
            self._bytes = b""
        except UnicodeDecodeError:
            pass  # a character was cut: the rest of it is on its way


class HTMLFile(StreamingWire):
    name = "htmlfile"
    head = re.compile(r"<html><body><script>.*?</script> *", re.DOTALL)
    part = re.compile(r"<script>_\((.*?)\);</script>", re.DOTALL)

    def unwrap(self, text: str) -> str:
        payload = json.loads(text)
        if not isinstance(payload, str):
            raise ClientError(f"no string in the script: {text[:300]!r}")
        return payload


class XHRMultipart(StreamingWire):
    name = "xhr-multipart"
    post_type = "application/x-www-form-urlencoded"
    posted = "ok"
    head = re.compile(r"--socketio\r?\n")
    part = re.compile(
        r"Content-Type: text/plain\r?\n\r?\n(.*?)\r?\n--socketio(?:\r?\n|--)", re.DOTALL
    )

    def body_of(self, payload: str) -> str:
        return "data=" + quote_plus(payload)


class WebSocket(Wire):
    """One text frame per packet."""

    name = "websocket"

    def __init__(self, url: str, path: str, headers: Headers, timeout: float) -> None:
        super().__init__(url, path, headers, timeout)
        self._sock: Any = None
        self._sending = gevent.lock.RLock()
        self._packets: deque[Any] = deque()
        self._parts: list[bytes] = []
        #: What the answer to the upgrade has to be remembered: lines of ``Set-Cookie``.
        self.cookies: list[str] = []
        scheme = "wss" if urlsplit(url).scheme == "https" else "ws"
        address = f"{scheme}://{urlsplit(url).netloc}{path}"
        self._protocol = ClientProtocol(parse_uri(address), max_size=None, logger=_quiet)

    def open(self) -> None:
        self._sock = dial(self.url, self.timeout)
        try:
            self._upgrade()
        except BaseException:
            # Nobody cuts what was never open.
            hang_up(self._sock)
            raise
        self._sock.settimeout(None)

    def _upgrade(self) -> None:
        protocol = self._protocol
        request = protocol.connect()
        for name, value in self.headers().items():
            request.headers[name] = value
        protocol.send_request(request)
        self._flush()
        try:
            while not (events := protocol.events_received()) and protocol.handshake_exc is None:
                self._feed()
        except EOFError:
            if protocol.handshake_exc is None:
                raise
            events = []
        answer = events[0] if events else None
        told = getattr(protocol.handshake_exc, "response", answer)
        if isinstance(told, Response):
            self.cookies = told.headers.get_all("Set-Cookie")
        if protocol.handshake_exc is not None or not isinstance(answer, Response):
            raise self._refused(answer)
        self._take(events[1:])

    def _refused(self, answer: Any) -> ClientError:
        error = self._protocol.handshake_exc
        answer = getattr(error, "response", answer)
        if not isinstance(answer, Response):
            return ClientError(f"the upgrade to websocket failed: {error}")
        text = bytes(answer.body or b"").decode(errors="replace")
        code = answer.headers.get(CODE)
        if answer.status_code == 101:
            return ClientError(f"the upgrade to websocket was answered wrongly: {error}")
        return refusal_of("the upgrade to websocket", answer.status_code, text, code)

    def receive(self) -> list[str]:
        while not self._packets:
            self._feed()
            self._take(self._protocol.events_received())
        packets = list(self._packets)
        self._packets.clear()
        return packets

    def _feed(self) -> None:
        """Wait for bytes, and give the protocol what came."""
        try:
            data = self._sock.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise EOFError(str(error)) from error
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        # Pongs, and the answer to a close frame.
        self._flush()
        if not data:
            raise EOFError("the connection was closed")

    def _take(self, events: Any) -> None:
        for frame in events:
            if not isinstance(frame, Frame):
                continue
            if frame.opcode in (Opcode.TEXT, Opcode.CONT):
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    self._packets.append(b"".join(self._parts).decode())
                    self._parts.clear()
            elif frame.opcode is Opcode.CLOSE and not self._packets:
                raise EOFError("the server closed the websocket")

    def _flush(self) -> None:
        with self._sending:
            for data in self._protocol.data_to_send():
                try:
                    if data:
                        self._sock.sendall(data)
                except OSError as error:
                    raise EOFError(str(error)) from error

    def send(self, packets: list[str]) -> None:
        with self._sending:
            for packet in packets:
                self._protocol.send_text(packet.encode())
            self._flush()

    def cut(self, *, rst: bool) -> None:
        if rst:
            reset(self._sock)
        else:
            hang_up(self._sock)


class FlashSocket(WebSocket):
    name = "flashsocket"


#: Every wire by the name of its transport, in the server's order.
WIRES: Mapping[str, type[Wire]] = {
    each.name: each
    for each in (WebSocket, FlashSocket, HTMLFile, XHRMultipart, XHRPolling, JSONPPolling)
}
