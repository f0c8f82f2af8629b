"""WebSocket framing: the Sans-I/O layer of the ``websockets`` library, narrowed to what is needed.

The library checks limits before it allocates, masks, fragments and close codes; what it leaves to
its callers is joining fragments and checking that text is UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from websockets.datastructures import Headers
from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from ..exceptions import RequestRefused
from ..sessions.complaints import debug_logger
from .connection import FAST
from .unreadable import TOO_LARGE

__all__ = [
    "LONGEST",
    "SWITCHING",
    "FrameReader",
    "binary_frame",
    "close_frame",
    "frame_head",
    "negotiate",
    "refuse_body",
    "text_frame",
]

#: Characters of a header that says what a request for a websocket asks for: it takes 2.5 us for
#: each word of the lists that two of them may be.
LONGEST = 1000
#: The status of the answer to a request for a websocket that opens one.
SWITCHING = "101 Switching Protocols"

# The library says at INFO and ERROR what is only a client's mistake here.
_quiet = debug_logger("sockio.websocket.frames")

_TEXT, _BINARY, _CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONT

#: The first byte of a text frame that is a whole message.
_WHOLE_TEXT = 0x80 | _TEXT
_CLOSE = 0x80 | Opcode.CLOSE

#: How clients say goodbye (the bytes of their close frames, without a mask), and the same from us.
_GOODBYES = {
    said: Frame(Opcode.CLOSE, said).serialize(mask=False)
    for said in (b"", b"\x03\xe8", b"\x03\xe9")  # no code, 1000, 1001
}

#: The largest second byte, without its mask bit, of all the other kinds of frames that there are:
#: text and binary in fragments, binary, their continuations and end; close, ping, pong.
_LARGEST = {0x01: 127, 0x02: 127, 0x82: 127, 0x00: 127, 0x80: 127, 0x88: 125, 0x89: 125, 0x8A: 125}

#: The same where a message may be compressed, which the first of its frames says.
_DEFLATED = {**_LARGEST, 0xC1: 127, 0xC2: 127, 0x41: 127, 0x42: 127}

#: The heads of text frames whose length fits the second byte, by that length.
_SHORT_HEADS = [Frame(_TEXT, bytes(size)).serialize(mask=False)[:2] for size in range(126)]

apply_mask: Callable[[Any, Any], bytes]
try:
    from websockets.speedups import apply_mask
except ImportError:  # built without a C compiler
    from websockets.utils import apply_mask


class _Protocol(ServerProtocol):
    def fail(self, code: int, reason: str = "") -> None:
        # Its words for a message that is too large count bytes. Clients get what the reference
        # sends them, which is the code alone; the log has the words.
        super().fail(code, "" if code == TOO_LARGE else reason)


def negotiate(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Check an upgrade request as RFC 6455 asks for: the headers of its ``101``. Raises
    ``RequestRefused``.

    The drafts 7 and 8, spoken by browsers of 2011, have the framing of the final version 13.
    """
    if FAST not in environ:
        _check_values(environ)
    accepted = _accept_plainly(environ)
    if accepted is not None:
        return accepted
    version = environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip()
    if version not in _VERSIONS:
        raise RequestRefused(
            "426 Upgrade Required",
            "This server speaks version 13 of the websocket protocol.",
            code="websocket-version",
            detail=f"the client asks for version {version[:20]!r}" if version else "it names none",
            headers=[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
        )
    # Protocols and extensions are not the library's to choose.
    headers = Headers({"Sec-WebSocket-Version": "13"})
    for name in ("Upgrade", "Connection", "Sec-WebSocket-Key"):
        value = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        if value is None:
            continue
        if len(value) > LONGEST:
            raise RequestRefused(
                "400 Bad Request",
                f"{name} of a request for a websocket may have {LONGEST} characters.",
                code="bad-upgrade",
            )
        headers[name] = value
    protocol = ServerProtocol(logger=_quiet)
    response = protocol.accept(Request(environ.get("PATH_INFO", "/"), headers))
    failure: BaseException | None = protocol.handshake_exc
    while failure is not None:
        # It is kept by what it knows: all who ask here would wait for the garbage collector.
        failure.__traceback__ = None
        failure = failure.__context__
    if response.status_code != 101:
        raise RequestRefused(
            f"{response.status_code} {response.reason_phrase}",
            bytes(response.body or b"").decode("utf-8", "replace").strip(),
            code="bad-upgrade",
        )
    return [(k, v) for k, v in response.headers.raw_items() if k.lower() != "date"]


def refuse_body(environ: Mapping[str, Any]) -> None:
    """Raise ``RequestRefused`` for a request with a body: it depends on who reads it whether that
    would be taken for frames."""
    if environ.get("CONTENT_LENGTH") not in _NO_BODY or "HTTP_TRANSFER_ENCODING" in environ:
        raise RequestRefused(
            "400 Bad Request",
            "A request for a websocket has no body.",
            code="bad-upgrade",
            close=True,
        )


#: A length that says there is no body.
_NO_BODY = (None, "", "0")
#: The versions of the protocol that are spoken.
_VERSIONS = ("7", "8", "13")
#: What a header may hold (RFC 9110, 5.5).
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: A key that is 16 bytes in base64, and how the clients of today write the other two headers.
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==", re.ASCII)
_PLAIN_CONNECTION = frozenset(("upgrade", "keep-alive, upgrade"))


def _check_values(environ: Mapping[str, Any]) -> None:
    """Raise ``RequestRefused`` for what no header may hold. The library would stumble over it."""
    for key, value in environ.items():
        if key.startswith("HTTP_") and not _VALUE.fullmatch(value):
            raise RequestRefused(
                "400 Bad Request",
                "a header of this request is malformed",
                code="bad-header",
                detail=f"the value of {key[5:].replace('_', '-')}",
            )


def _accept_plainly(environ: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """The same for a request of which nothing needs to be judged, in a fiftieth of the time that
    the library takes for it; None for any other."""
    get = environ.get
    key = get("HTTP_SEC_WEBSOCKET_KEY", "")
    if (
        get("HTTP_SEC_WEBSOCKET_VERSION") == "13"
        and get("HTTP_UPGRADE", "").lower() == "websocket"
        and get("HTTP_CONNECTION", "").lower() in _PLAIN_CONNECTION
        and _KEY.fullmatch(key)
    ):
        return _switched(key)
    return None


def _switched(key: str) -> list[tuple[str, str]]:
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ]


def text_frame(data: bytes) -> bytes:
    """One unmasked text frame, as a server sends it."""
    size = len(data)
    if size < 126:
        return _SHORT_HEADS[size] + data
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + data
    return Frame(_TEXT, data).serialize(mask=False)


def binary_frame(data: bytes) -> bytes:
    """One unmasked binary frame, as a server sends it."""
    return Frame(_BINARY, data).serialize(mask=False)


def frame_head(kind: Opcode, size: int) -> bytes:
    """What comes before the ``size`` bytes of an unmasked frame that is a whole message."""
    first = bytes([0x80 | kind])
    if size < 126:
        return first + bytes([size])
    if size < 65536:
        return first + b"\x7e" + size.to_bytes(2, "big")
    return first + b"\x7f" + size.to_bytes(8, "big")


def close_frame(code: int, reason: str = "") -> bytes:
    """One close frame."""
    return Frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()).serialize(mask=False)


def _answer(payload: bytes | bytearray, mask: bytes | bytearray) -> bytes | None:
    """The answer to a close frame that is like most; None for another."""
    return _GOODBYES.get(bytes(apply_mask(payload, mask)))


class FrameReader:
    """Bytes in, whole messages out.

    Answers to pings and to close frames, and the close frame that a protocol error earns, are left
    in :meth:`answers`. ``over`` becomes true when nothing more is to be read.

    Nearly every frame is a whole text message within the limit. Such a one is read here, in a
    seventh of the time that the library takes for it; the library gets all the others, and what is
    no frame, and decides what becomes of them. With ``short_way=False`` it gets everything.
    """

    __slots__ = (
        "_binary",
        "_extension",
        "_fragments",
        "_limit",
        "_needed",
        "_parts",
        "_protocol",
        "_rest",
        "_short_way",
        "over",
        "shortly",
    )

    def __init__(
        self,
        max_size: int,
        *,
        short_way: bool = True,
        binary: bool = False,
        extension: Extension | None = None,
    ) -> None:
        # What was agreed on with the client beside the protocol itself.
        self._extension = extension
        # Whether messages may be bytes.
        self._binary = binary
        # The kind of message whose fragments are arriving.
        self._fragments = _TEXT
        # Made when it is needed: it is larger than all else that an idle client takes.
        self._protocol: ServerProtocol | None = None
        # The fragments of a message that have arrived; in the end the answer to a goodbye.
        self._parts: bytearray | None = None
        self._limit = max_size
        self._short_way = short_way
        # A frame that has not arrived whole, and how many bytes it takes to go on with it.
        self._rest: bytearray | None = None
        self._needed = 0
        self.over = False
        #: How many messages were read the short way.
        self.shortly = 0

    def feed(self, data: bytes) -> list[str | bytes]:
        """The messages that ``data`` completes: texts, and bytes where they are wanted. Where they
        are not, as in 0.9, a binary message ends the connection."""
        messages: list[str | bytes] = []
        if not self._short_way:
            self._by_library(data, messages)
            return messages
        bunch: bytes | bytearray = data
        if self._rest is not None:
            self._rest += data
            if len(self._rest) < self._needed:
                return messages
            bunch, self._rest = self._rest, None
        largest = _LARGEST if self._extension is None else _DEFLATED
        position, end = 0, len(bunch)
        while not self.over:
            # RFC 6455, 5.2: two bytes, more for a longer payload's length, four of the mask.
            needed = position + 2
            if needed > end:
                break
            kind = bunch[position]
            size = bunch[position + 1] - 128
            if kind != _WHOLE_TEXT and not 0 <= size <= largest.get(kind, -1):
                # Without a mask, or of no known kind: an error, whatever comes next.
                return self._leave_to_library(bunch[position:], messages)
            if size < 126:
                payload = position + 6
            elif size == 126:
                payload = position + 8
                needed = position + 4
                if needed > end:
                    break
                size = bunch[position + 2] << 8 | bunch[position + 3]
            else:
                payload = position + 14
                needed = position + 10
                if needed > end:
                    break
                size = int.from_bytes(bunch[position + 2 : needed], "big")
            if not 0 <= size <= self._limit:
                return self._leave_to_library(bunch[position:], messages)
            needed = payload + size
            if needed > end:
                break
            if kind == _WHOLE_TEXT and self._parts is None:
                text = apply_mask(bunch[payload:needed], bunch[payload - 4 : payload])
                try:
                    messages.append(str(text, "utf-8"))
                except UnicodeDecodeError:
                    self._by_library(bytes(bunch[position:needed]), messages)
                self.shortly += 1
            elif (
                kind == _CLOSE
                and self._protocol is None
                and size <= 2
                and (answer := _answer(bunch[payload:needed], bunch[payload - 4 : payload]))
            ):
                # The library would be made for this alone.
                self._parts = bytearray(answer)
                self.over = True
            else:
                self._by_library(bytes(bunch[position:needed]), messages)
            position = needed
        else:
            return messages
        if position < end:
            self._rest = bytearray(bunch[position:])
            self._needed = needed - position
        return messages

    def _leave_to_library(
        self, rest: bytes | bytearray, messages: list[str | bytes]
    ) -> list[str | bytes]:
        """Have the library say what is wrong, now or when it has seen more."""
        self._short_way = False
        self._by_library(bytes(rest), messages)
        return messages

    def _by_library(self, data: bytes, messages: list[str | bytes]) -> None:
        protocol = self._protocol
        if protocol is None:
            # It counts fragments of one message together against max_size as they arrive.
            protocol = _Protocol(state=OPEN, max_size=self._limit, logger=_quiet)
            if self._extension is not None:
                protocol.extensions = [self._extension]
            self._protocol = protocol
        protocol.receive_data(data)
        for frame in protocol.events_received():
            if not isinstance(frame, Frame):
                continue
            opcode = frame.opcode
            kind = opcode
            if opcode is _BINARY and not self._binary:
                # 1003: a type of data that this endpoint cannot accept.
                protocol.fail(1003, "protocol 0.9 has text messages only")
                break
            if opcode is _TEXT or opcode is _BINARY:
                if not frame.fin:
                    self._parts, self._fragments = bytearray(frame.data), opcode
                    continue
                payload = frame.data
            elif opcode is _CONTINUATION and self._parts is not None:
                # Not a list, which would grow with each empty fragment too.
                self._parts += frame.data
                if not frame.fin:
                    continue
                payload, kind = self._parts, self._fragments
                self._parts = None
            else:
                continue
            if kind is _BINARY:
                messages.append(bytes(payload))
                continue
            try:
                messages.append(str(payload, "utf-8"))
            except UnicodeDecodeError:
                protocol.fail(1007, "invalid UTF-8")
                break
        if protocol.state is not OPEN:
            self.over = True

    def forget(self) -> None:
        """Nothing more will be read: drop what has arrived in part."""
        self._rest = self._parts = self._protocol = None

    def answers(self) -> bytes:
        """Control frames to send, in order; empty most of the time."""
        if self._protocol is not None:
            return b"".join(self._protocol.data_to_send())
        if not self.over or self._parts is None:
            return b""
        answer, self._parts = bytes(self._parts), None
        return answer

    @property
    def failed(self) -> bool:
        """Whether the connection ends because the client broke the protocol."""
        return self.failure != 0

    @property
    def failure(self) -> int:
        """The close code with which the connection ends because the client broke the protocol; 0
        when it did not."""
        protocol = self._protocol
        if protocol is None or protocol.state is State.OPEN or protocol.close_rcvd is not None:
            return 0
        return protocol.close_sent.code if protocol.close_sent is not None else 0
