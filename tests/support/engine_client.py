"""A client of Engine.IO inside the process, over polling, and a websocket one over a real wire.

Both have a codec of their own, so that server and test cannot share a mistake.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any

import gevent
from webob import Response

from sockio.sessions.engine_socket import EngineSocket

from .raw_http import Answer, Connection
from .raw_websocket import BINARY, TEXT, Frame, RawWebSocket, frame, upgrade_request
from .wsgi_client import Poll, PollingClient

__all__ = ["EngineClient", "EnginePoll", "EngineSession", "EngineWire", "body_of", "packets_of"]

RS = "\x1e"


def units(text: str) -> int:
    """As JavaScript counts characters."""
    return len(text.encode("utf-16-le")) // 2


def body_of(revision: int, *packets: str) -> str:
    """A payload of texts, as the JavaScript client writes it."""
    if revision == 4:
        return RS.join(packets)
    return "".join(f"{units(packet)}:{packet}" for packet in packets)


def packets_of(revision: int, body: bytes | str) -> list[str | bytes]:
    """The packets of a payload; binary ones as bytes."""
    text = body.decode() if isinstance(body, bytes) else body
    packets: list[str] = []
    if revision == 4:
        packets = text.split(RS)
    else:
        rest = text.encode("utf-16-le")
        while rest:
            digits, _, tail = rest.decode("utf-16-le").partition(":")
            size = 2 * int(digits)
            data = tail.encode("utf-16-le")
            packets.append(data[:size].decode("utf-16-le"))
            rest = data[size:]
    mark = "b" if revision == 4 else "b4"
    return [
        base64.b64decode(packet[len(mark) :]) if packet.startswith("b") else packet
        for packet in packets
    ]


class EnginePoll(Poll):
    """A GET that was sent, and that may still be waiting for its answer."""

    revision = 4

    @property
    def packets(self) -> list[Any]:
        assert self.answer.status_code == 200, (self.answer.status, self.answer.text)
        return packets_of(self.revision, self.answer.body)


class EngineClient(PollingClient):
    """One client of ``app`` that polls."""

    revision = 4
    extra = ""

    @property
    def socket(self) -> EngineSocket:
        socket = self.registry.get_socket(self.sid)
        assert isinstance(socket, EngineSocket), "the session has ended"
        return socket

    @property
    def lives(self) -> bool:
        return self.registry.get_socket(self.sid) is not None

    @property
    def url(self) -> str:
        return f"/?EIO={self.revision}&transport=polling{self.extra}&sid={self.sid}"

    def handshake(self, query: str = "", **headers: str) -> Response:
        url = f"/?EIO={self.revision}&transport=polling{self.extra}{query}"
        response = self.request(url, headers=headers)
        if response.status_code == 200 and "&j=" not in url:
            (packet, *_) = packets_of(self.revision, response.body)
            assert isinstance(packet, str)
            assert packet[0] == "0"
            self.told = json.loads(packet[1:])
            self.sid = self.told["sid"]
        self.runtime.settle()
        return response

    def open(self) -> EngineClient:
        """Handshake, and be in the global namespace."""
        assert self.handshake().status_code == 200
        if self.revision == 4:
            assert self.post("40").status_code == 200
        (answer,) = self.poll().packets
        assert answer.startswith("40")
        return self

    def poll(self, query: str = "", **headers: str) -> EnginePoll:
        request = self.blank(self.url + query, headers=headers)
        poll = EnginePoll(gevent.spawn(self._complete, request))
        poll.revision = self.revision
        self._polls.append(poll)
        self.runtime.settle()
        return poll

    def post(self, *packets: str, **headers: str) -> Response:
        return self.post_body(body_of(self.revision, *packets), **headers)


class EngineWire(RawWebSocket):
    """One websocket of Engine.IO, for a session (``sid``) or a new one."""

    def __init__(
        self,
        port: int,
        *,
        sid: str = "",
        revision: int = 4,
        query: str = "",
        headers: Mapping[str, str | None] = {},
        tls: ssl.SSLContext | None = None,
    ) -> None:
        Connection.__init__(self, port, tls)
        self.revision = revision
        self.sid = sid
        path = f"/socket.io/?EIO={revision}&transport=websocket{query}"
        self.send(upgrade_request(path + (f"&sid={sid}" if sid else ""), port, headers))
        self.upgrade: Answer = self.answer()
        assert self.upgrade.code == 101, self.upgrade
        self.told: dict[str, Any] = {}
        if not sid:
            opened = self.hear()
            assert opened[0] == "0"
            self.told = json.loads(opened[1:])
            self.sid = self.told["sid"]

    @classmethod
    def over(cls, connection: Connection, revision: int = 4) -> EngineWire:
        """One whose request was answered on ``connection`` already."""
        wire = cls.__new__(cls)
        wire.__dict__.update(connection.__dict__, revision=revision)
        return wire

    def say_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self.send(frame(BINARY, data if self.revision == 4 else b"\x04" + data))

    def hear_bytes(self) -> bytes:
        """The next message, which must be binary."""
        got: Frame = self.read_frame()
        assert got.opcode == BINARY, got
        if self.revision == 4:
            return got.payload
        assert got.payload[:1] == b"\x04"
        return got.payload[1:]

    def join(self, namespace: str = "") -> str:
        """Connect to a namespace; what the server answered."""
        name = f"{namespace}," if namespace else ""
        if self.revision == 4 or namespace:
            self.say(f"40{name}")
        answer = self.hear()
        assert answer.startswith(f"40{name}"), answer
        return answer

    def say(self, packet: str) -> None:
        self.send(frame(TEXT, packet))

    def hear_until(self, beginning: str) -> list[str]:
        """Wait for a packet that begins so; those that came before, but for pings."""
        heard = []
        while not (packet := self.hear()).startswith(beginning):
            if packet == "2":
                self.say("3")
            else:
                heard.append(packet)
        return heard


class EngineSession:
    """A session that polls, over one connection for GETs and one for POSTs, in one namespace."""

    def __init__(
        self,
        port: int,
        revision: int,
        *,
        query: str = "",
        namespace: str = "",
        join: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With ``join``, that packet is sent in place of the one that joins the namespace, and its
        answer left for the test."""
        self.port, self.revision, self.tls = port, revision, tls
        self.gets, self.posts = Connection(port, tls), Connection(port, tls)
        self.base = f"/socket.io/?EIO={revision}&transport=polling{query}"
        self.path = self.base
        (opened,) = self.get()
        self.told = json.loads(opened[1:])
        self.sid = self.told["sid"]
        self.path = f"{self.base}&sid={self.sid}"
        if revision == 3:
            assert self.get() == ["40"]
        if join:
            self.post(join)
        elif revision == 4 or namespace:
            name = f"40{namespace}," if namespace else "40"
            self.post(name)
            assert self.get()[0].startswith(name)

    def ask(self, method: str = "GET", body: str = "") -> Answer:
        connection = self.gets if method == "GET" else self.posts
        answer = connection.ask(method, self.path, body)
        if answer.headers.get("connection", "").lower() == "close":
            # Under some servers, and after some refusals.
            connection.close()
            if method == "GET":
                self.gets = Connection(self.port, self.tls)
            else:
                self.posts = Connection(self.port, self.tls)
        return answer

    def get(self) -> list[Any]:
        answer = self.ask()
        assert answer.code == 200, answer
        return packets_of(self.revision, answer.body)

    def post(self, *packets: str) -> Answer:
        return self.ask("POST", body_of(self.revision, *packets))

    def try_websocket(self) -> EngineWire:
        return EngineWire(self.port, sid=self.sid, revision=self.revision, tls=self.tls)

    def close(self) -> None:
        self.gets.close()
        self.posts.close()
