"""A WebSocket client by hand: well-behaved by default, and as broken as a test wants it.

It has a codec of its own, so that server and test cannot share a mistake.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from .raw_http import Answer, Connection, handshake

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "RawWebSocket",
    "accept_for",
    "frame",
    "open_own",
    "open_own_before",
    "open_session",
    "upgrade_request",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def accept_for(key: str) -> str:
    """What a server answers to a key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
    return base64.b64encode(digest.digest()).decode()


def upgrade_request(
    path: str, port: int, headers: Mapping[str, str | None] = {}, method: str = "GET"
) -> bytes:
    """An upgrade request. ``headers`` replace the usual ones; None leaves one out."""
    usual: dict[str, str | None] = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    lines = [f"{name}: {value}" for name, value in {**usual, **headers}.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


class Frame(NamedTuple):
    """One frame from the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int:
        """The close code; 1005 when there is none."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005


def frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = True,
    declared: int | None = None,
) -> bytes:
    """One frame as a client sends it. ``declared`` is the length that its header claims."""
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data) if declared is None else declared
    head = bytes([fin << 7 | rsv << 4 | opcode])
    masked = mask << 7
    if size < 126:
        head += bytes([masked | size])
    elif size < 65536:
        head += bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([masked | 127]) + size.to_bytes(8, "big")
    if not mask:
        return head + data
    key = os.urandom(4)
    size = len(data)
    keys = (key * (size // 4 + 1))[:size]
    masked_data = int.from_bytes(data, "big") ^ int.from_bytes(keys, "big")
    return head + key + masked_data.to_bytes(size, "big")


class RawWebSocket(Connection):
    """One websocket. The upgrade is done when it is made."""

    def __init__(
        self,
        port: int,
        sid: str,
        *,
        behind: bytes = b"",
        headers: Mapping[str, str | None] = {},
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port, tls)
        self.sid = sid
        path = f"/socket.io/1/websocket/{sid}"
        #: What the client sends in one segment with its request comes ``behind`` it.
        self.send(upgrade_request(path, port, headers) + behind)
        self.upgrade: Answer = self.answer()
        assert self.upgrade.code == 101, self.upgrade

    # ---- writing

    def say(self, packet: str) -> None:
        """Send one packet."""
        self.send(frame(TEXT, packet))

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        self.send(frame(CLOSE, code.to_bytes(2, "big") + reason.encode()))

    # ---- reading

    def read_frame(self) -> Frame:
        """The next frame, whatever it is. Raises ``EOFError`` at the end of the connection."""
        first, second = self.read(2)
        assert not second & 0x80, "a server must not mask"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self.read(2), "big")
        elif size == 127:
            size = int.from_bytes(self.read(8), "big")
        return Frame(first & 0xF, self.read(size), bool(first & 0x80), first >> 4 & 0x7)

    def hear(self) -> str:
        """The next packet, which must come in one text frame."""
        got = self.read_frame()
        assert got.opcode == TEXT, got
        assert got.fin
        return got.payload.decode()

    def closing(self) -> int:
        """The code of the close frame that must come next, behind which the server ends."""
        got = self.read_frame()
        assert got.opcode == CLOSE, got
        assert self.at_end()
        return got.code


def open_session(port: int, *namespaces: str, tls: ssl.SSLContext | None = None) -> RawWebSocket:
    """Handshake, upgrade, and connect to namespaces: ready to talk."""
    websocket = RawWebSocket(port, handshake(port, tls=tls), tls=tls)
    assert websocket.hear() == "1::"
    for name in namespaces:
        websocket.say(f"1::{name}")
        assert websocket.hear() == f"1::{name}"
    return websocket


def open_own(connection: Connection, path: str = "/own", **headers: str | None) -> RawWebSocket:
    """Make a websocket of a connection that is none of Socket.IO's. ``headers`` replace the usual
    ones; what the answer was is in ``upgrade``."""
    return open_own_before(b"", connection, path, headers)


def open_own_before(
    behind: bytes,
    connection: Connection,
    path: str = "/own",
    headers: Mapping[str, str | None] = {},
) -> RawWebSocket:
    """The same, with what is sent together with the request ``behind`` it."""
    client = RawWebSocket.__new__(RawWebSocket)
    client.__dict__.update(connection.__dict__)
    port = connection.sock.getpeername()[1]
    usual = {"Origin": f"{connection.scheme}://127.0.0.1:{port}"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client.send(upgrade_request(path, port, {**usual, **named}) + behind)
    client.upgrade = client.answer()
    return client
