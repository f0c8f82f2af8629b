"""WebSocket framing: the Sans-I/O layer of the ``websockets`` library, narrowed to what is needed.

The library checks limits before it allocates, masks, fragments and close codes; what it leaves to
its callers is joining fragments and checking that text is UTF-8.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, State
from websockets.server import ServerProtocol

__all__ = ["FrameReader", "Upgrade", "close_frame", "negotiate", "text_frame"]

# Its own loggers would say at INFO and ERROR what is only a client's mistake here.
_quiet = logging.getLogger("sockio.websocket.frames")

_TEXT, _BINARY, _CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


class Upgrade:
    """The answer to an upgrade request: 101 and headers, or a refusal."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def accepted(self) -> bool:
        return self.status.startswith("101")


def negotiate(environ: Mapping[str, Any]) -> Upgrade:
    """Check an upgrade request as RFC 6455 asks for, and compute its answer.

    The drafts 7 and 8, spoken by browsers of 2011, have the framing of the final version 13.
    """
    headers = Headers()
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-")] = value
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() in ("7", "8"):
        del headers["Sec-WebSocket-Version"]
        headers["Sec-WebSocket-Version"] = "13"
    protocol = ServerProtocol(logger=_quiet)
    response = protocol.accept(Request(environ.get("PATH_INFO", "/"), headers))
    left_to_the_server = {"date", "connection", "content-length"}
    if response.status_code == 101:
        left_to_the_server.remove("connection")
    return Upgrade(
        f"{response.status_code} {response.reason_phrase}",
        [(k, v) for k, v in response.headers.raw_items() if k.lower() not in left_to_the_server],
        bytes(response.body or b""),
    )


def text_frame(data: bytes) -> bytes:
    """One unmasked text frame, as a server sends it."""
    return Frame(_TEXT, data).serialize(mask=False)


def close_frame(code: int, reason: str = "") -> bytes:
    """One close frame."""
    return Frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()).serialize(mask=False)


class FrameReader:
    """Bytes in, whole text messages out.

    Answers to pings and to close frames, and the close frame that a protocol error earns, are left
    in :meth:`answers`. ``over`` becomes true when nothing more is to be read.
    """

    __slots__ = ("_limit", "_parts", "_protocol", "over")

    def __init__(self, max_size: int) -> None:
        # The library counts fragments of one message together against max_size as they arrive.
        self._protocol = ServerProtocol(state=OPEN, max_size=max_size, logger=_quiet)
        self._parts: bytearray | None = None
        self.over = False

    def feed(self, data: bytes) -> list[str]:
        """The messages that ``data`` completes. Binary messages are given up on: 0.9 has none."""
        protocol = self._protocol
        protocol.receive_data(data)
        messages: list[str] = []
        for frame in protocol.events_received():
            if not isinstance(frame, Frame):
                continue
            opcode = frame.opcode
            if opcode is _TEXT and frame.fin:
                payload = frame.data
            elif opcode is _TEXT:
                self._parts = bytearray(frame.data)
                continue
            elif opcode is _CONTINUATION and self._parts is not None:
                # Not a list, which would grow with each empty fragment too.
                self._parts += frame.data
                if not frame.fin:
                    continue
                payload = self._parts
                self._parts = None
            elif opcode is _BINARY:
                # 1003: a type of data that this endpoint cannot accept.
                protocol.fail(1003, "protocol 0.9 has text messages only")
                break
            else:
                continue
            try:
                messages.append(str(payload, "utf-8"))
            except UnicodeDecodeError:
                protocol.fail(1007, "invalid UTF-8")
                break
        if protocol.state is not OPEN:
            self.over = True
        return messages

    def answers(self) -> bytes:
        """Control frames to send, in order; empty most of the time."""
        return b"".join(self._protocol.data_to_send())

    @property
    def failed(self) -> bool:
        """Whether the connection ends because the client broke the protocol."""
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        return sent is not None and received is None and self._protocol.state is not State.OPEN
