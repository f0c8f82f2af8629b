"""The client's end of Engine.IO: a session of a later generation, and its two wires.

What is put around packets is taken apart by :mod:`sockio.protocol`; requests and frames are those
of the standard library and of ``websockets``, as in :mod:`sockio.testing.wires`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any, ClassVar

import gevent
from websockets.frames import Frame, Opcode

from ..exceptions import PacketError
from ..protocol.engine_handshake import EngineHandshake, decode_engine_handshake
from ..protocol.engine_limits import PayloadLimits
from ..protocol.engine_packet import EnginePacket
from ..protocol.generations import EIO3, EIO4, Generation, Side
from ..protocol.packet import Packet
from ..protocol.socketio_packet import PacketLimits
from .client import Client, Session, Visitor, in_browser_json
from .errors import ClientError, NothingCame, Refused, SessionOver
from .http import CooperativeConnection
from .wires import CODE, HTTPWire, WebSocket, refusal_of

__all__ = ["GENERATIONS", "EngineSession"]

#: By the names that the setting ``generations`` has for them.
GENERATIONS: Mapping[str, Generation] = {"eio3": EIO3, "eio4": EIO4}
#: How a session is carried: ``upgrade`` begins by polling and goes over to a websocket.
TRANSPORTS = ("polling", "websocket", "upgrade")

_WIDE = PayloadLimits(max_bytes=100_000_000, max_packets=1_000_000)
_MANY = PacketLimits(max_attachments=1000, max_bytes=100_000_000)


class EngineSession(Session):
    """What the namespaces of one session share, in a generation since 1.0."""

    def __init__(
        self,
        visitor: Visitor,
        transport: str,
        generation: str,
        query: str,
        headers: Mapping[str, str],
        timeout: float,
    ) -> None:
        if transport not in TRANSPORTS:
            raise ClientError(
                f"there is no transport {transport!r} in generation {generation!r}; known: "
                + ", ".join(TRANSPORTS)
            )
        super().__init__(visitor, transport, query, headers, timeout)
        self.generation = GENERATIONS[generation]
        self._encode = self.generation.encoder(in_browser_json, max_attachments=1000)
        self._feed = self.generation.feeds(limits=_MANY)()
        self._ended: str | None = None
        self._pinger: gevent.Greenlet[..., None] | None = None

    # ---- opening

    @property
    def over(self) -> bool:
        return self._ended is not None

    def ends_with(self, namespace: str) -> bool:
        return False

    @property
    def opens_global(self) -> bool:
        rules = self.generation.global_namespace
        return rules is not None and not rules.asked_for

    def open(self, client: Client, *, join: bool) -> None:
        self.clients.setdefault("", client)
        self._shake_hands()
        self._start()
        if self.opens_global:
            self._wait_until_open()
        elif join:
            client._connect()

    def _path(self, transport: str) -> str:
        path = f"/{self.visitor.resource}/?EIO={self.generation.engine}&transport={transport}"
        return path + (f"&{self.query}" if self.query else "")

    @property
    def path(self) -> str:
        transport = "polling" if self.transport == "polling" else "websocket"
        return f"{self._path(transport)}&sid={self.handshake.sid}"

    def _shake_hands(self) -> None:
        self._ended = None
        self._feed = self.generation.feeds(limits=_MANY)()
        if self.transport == "websocket":
            self._open_websocket(self._path("websocket"))
            (opened, *rest) = self._wire.receive()
            self._wire.put_back(rest)
            self._told(opened)
            return
        connection = CooperativeConnection(self.visitor.url, self.timeout)
        try:
            connection.request("GET", self._path("polling"), headers=self._sent_headers())
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        self.visitor.remember(answer.headers.get_all("Set-Cookie", []))
        if answer.status != 200:
            raise refusal_of("the handshake", answer.status, text, answer.headers.get(CODE))
        packets, error = self.generation.read_payload(text, _WIDE)
        if error is not None or len(packets) != 1:
            raise ClientError(f"the handshake was answered {text[:300]!r}: {error}")
        self._told(packets[0])

    def _told(self, opened: EnginePacket) -> None:
        kind, data = opened
        try:
            if kind != "open" or not isinstance(data, str):
                raise PacketError(f"a packet {kind!r}")
            self.handshake: EngineHandshake = decode_engine_handshake(f"0{data}")
        except PacketError as error:
            raise ClientError(f"the session was opened by {data!r}: {error}") from error

    def _open_websocket(self, path: str) -> None:
        wire = EngineWebSocketWire(
            self.visitor.url, path, self._sent_headers, self.timeout, self.generation
        )
        late = NothingCame(f"the websocket did not open within {self.timeout:g} s")
        try:
            with gevent.Timeout(self.timeout, late):
                wire.open()
        finally:
            self.visitor.remember(wire.cookies)
        self._wire = wire

    def _start(self) -> None:
        self._failure = None
        if self.transport == "polling":
            self._wire = EnginePollingWire(
                self.visitor.url, self.path, self._sent_headers, self.timeout, self.generation
            )
        elif self.transport == "upgrade":
            self._open_websocket(self.path)
            self._wire.send(["2probe"])
            answer = self._wire.receive()
            if answer != [("pong", "probe")]:
                raise ClientError(f"a probe was answered {answer!r}")
            self._wire.send(["5"])
        self._reader = gevent.spawn(self._read, self._wire)
        if self.generation.heartbeat.starts is Side.CLIENT:
            self._pinger = gevent.spawn(self._ping, self.handshake.ping_interval)

    def _ping(self, seconds: float) -> None:
        with suppress(SessionOver):
            while True:
                gevent.sleep(seconds)
                self.write(["2"])

    # ---- reading

    def _take(self, item: Any) -> None:
        kind, data = item
        if kind == "ping":
            if self.generation.heartbeat.starts is Side.SERVER:
                self.write(["3"])
        elif kind == "close":
            self.finish("server disconnect")
        elif kind == "message":
            packet = self._feed(data)
            if packet is not None:
                self._hear(packet)

    def _hear(self, packet: Packet) -> None:
        kind, endpoint = packet["type"], packet["endpoint"]
        client = self.clients.get(endpoint)
        if kind == "connect" and client is not None:
            told: Any = packet.get("data") or {}
            client.id = told.get("sid", "")
            pid = told.get("pid")
            client.recovered = pid is not None and pid == client._pid
            client._pid = pid
            client._confirmed += 1
        elif kind == "error" and client is not None:
            client._refused = packet
        elif kind == "disconnect" and client is not None:
            client.end = "server disconnect"
        else:
            if client is not None and client._pid and kind == "event" and "id" not in packet:
                # The offset, which JavaScript's listeners do not look at.
                args = packet["args"]
                if args and isinstance(args[-1], str):
                    client._offset = args.pop()
            super()._hear(packet)

    # ---- writing

    def connect_packet(self, client: Client) -> dict[str, Any]:
        packet: dict[str, Any] = {"type": "connect", "endpoint": client.namespace}
        packet["qs"] = client._qs
        if client._auth is not None:
            packet["data"] = client._auth
        if client._pid:
            known = {"pid": client._pid, "offset": client._offset}
            said = {name: value for name, value in known.items() if value is not None}
            packet["data"] = {**said, **(client._auth or {})}
        return packet

    def refused(self, client: Client) -> Refused:
        packet: Any = client._refused
        message = packet.get("message", "")
        refused = Refused(f"the server refused {client.namespace or '/'}: {message}", None, message)
        refused.data = packet.get("data")
        return refused

    def send(self, packet: Mapping[str, Any]) -> None:
        self.write(self.generation.packets(self._encode(packet)))

    def write(self, texts: list[Any]) -> None:
        if self._ended is not None:
            raise SessionOver(f"the session can send nothing any more: {self._ended}")
        super().write(texts)

    def sync(self, client: Client, timeout: float | None) -> None:
        # A namespace that there is not is refused in its turn, and no handler notices.
        nowhere = Client.within(self, "/.sync")
        self.clients["/.sync"] = nowhere
        try:
            self.send(self.connect_packet(nowhere))
            self.wait(
                lambda: nowhere._refused is not None or nowhere._confirmed > 0,
                "the server to catch up",
                client,
                timeout,
            )
        finally:
            del self.clients["/.sync"]

    # ---- the end

    def finish(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
        super().finish(reason)

    def drop(self, *, rst: bool) -> None:
        if self._pinger is not None and self._pinger is not gevent.getcurrent():
            self._pinger.kill()
        self._pinger = None
        super().drop(rst=rst)

    def lose_response(self) -> Any:
        raise ClientError("a lost answer ends a session of this generation: drop() it")

    def reconnect(self, resume: bool) -> None:
        if resume:
            raise ClientError(
                "a session of this generation ends with its connection; reconnect() makes a new one"
            )
        # Not the global namespace, if the page never asked for it.
        asked_for_root = self.clients[""]._confirmed
        came_back = self._come_back()
        self._shake_hands()
        self._start()
        if self.opens_global:
            self._wait_until_open()
        for client in came_back:
            if client._confirmed if client.namespace else asked_for_root and not self.opens_global:
                client._connect()


class EnginePollingWire(HTTPWire):
    """GETs, one after the other, and POSTs."""

    name = "polling"
    polling = True
    posted: ClassVar[str] = "ok"

    def __init__(self, *args: Any) -> None:
        *usual, self._generation = args
        super().__init__(*usual)

    def open(self) -> None:
        """There is nothing to open: each poll is a request."""

    def receive(self) -> list[Any]:
        answer = self.get("")
        try:
            body = answer.read()
        except (HTTPException, OSError) as error:
            raise EOFError(str(error)) from error
        if answer.headers.get("Content-Type") == "application/octet-stream":
            packets, bad = self._generation.read_binary_payload(body, _WIDE)
        else:
            packets, bad = self._generation.read_payload(body, _WIDE)
        if bad is not None:
            raise bad
        return list(packets)

    def send(self, packets: list[Any]) -> None:
        payload = self._generation.payload(packets, False)
        self.post(payload.encode("utf-8", "surrogatepass"))

    def lose_connection(self) -> None:
        """Forget the connection that an answer came over."""
        self._down.close()


class EngineWebSocketWire(WebSocket):
    """One frame per packet."""

    def __init__(self, *args: Any) -> None:
        *usual, self._generation = args
        super().__init__(*usual)
        self._binary = False

    def _take(self, events: Any) -> None:
        for frame in events:
            if not isinstance(frame, Frame):
                continue
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if frame.opcode is not Opcode.CONT:
                    self._binary = frame.opcode is Opcode.BINARY
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    data = b"".join(self._parts)
                    self._parts.clear()
                    whole: str | bytes = data if self._binary else data.decode()
                    self._packets.append(self._generation.read_frame(whole))
            elif frame.opcode is Opcode.CLOSE and not self._packets:
                raise EOFError("the server closed the websocket")

    def put_back(self, packets: list[Any]) -> None:
        """Have these received first."""
        self._packets.extendleft(reversed(packets))

    def send(self, packets: list[Any]) -> None:
        with self._sending:
            for packet in packets:
                frame = self._generation.frame(packet, False)
                if isinstance(frame, str):
                    self._protocol.send_text(frame.encode("utf-8", "surrogatepass"))
                else:
                    self._protocol.send_binary(frame)
            self._flush()
