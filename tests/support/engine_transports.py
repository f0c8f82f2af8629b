"""Clients since 1.0 with the same few words as those of :mod:`.transports`, so that one suite runs
over all of them.

The suite writes packets as 0.9 has them on the wire. Here each is put into the words of its own
generation and back, by rules of its own, so that server and test cannot share a mistake::

    3::/chat:hello                   42/chat,["message","hello"]
    5:1+::{"name":"a","args":[1]}    421["a",1]
    6::/chat:1+[true]                43/chat,1[true]
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import ClassVar, TypeVar
from urllib.parse import quote_plus

import gevent

from .engine_client import EngineWire, body_of, packets_of
from .raw_http import Answer, Connection
from .raw_websocket import CLOSE
from .servers import Served
from .transcript import PATIENCE, eventually
from .transports import CLIENTS, Client

__all__ = ["ENGINE_CLIENTS", "EVERY_CLIENT", "EngineClient"]

C = TypeVar("C", bound="EngineClient")


def to_engine(revision: int, packet: str) -> str:
    """A packet of 0.9 in the words of the clients since 1.0."""
    kind, number, rest = packet.split(":", 2)
    endpoint, _, data = rest.partition(":")
    place = f"{endpoint}," if endpoint else ""
    number = number.rstrip("+")
    if kind == "0":
        return f"41{place}" if endpoint else "1"
    if kind == "1":
        return f"40{place}" if revision == 4 or not data else f"40{endpoint}{data},"
    if kind == "2":
        return "3" if revision == 4 else "2"
    if kind == "3":
        return f"42{place}{number}{written(['message', data])}"
    if kind == "5":
        event = json.loads(data)
        return f"42{place}{number}{written([event['name'], *event.get('args', [])])}"
    assert kind == "6", packet
    number, _, args = data.partition("+")
    return f"43{place}{number}{args or '[]'}"


_SIO = re.compile(r"4([0-4])(?:(/[^,]*),)?(\d*)(.*)", re.DOTALL)


def from_engine(packet: str) -> str:
    """A packet of Engine.IO as 0.9 would have had it."""
    if packet in ENGINE_WORDS:
        return ENGINE_WORDS[packet]
    found = _SIO.fullmatch(packet)
    assert found, packet
    kind, endpoint, number, data = found.groups(default="")
    if kind == "0":
        return f"1::{endpoint}"
    if kind == "1":
        return f"0::{endpoint}"
    if kind == "4":
        return f"7::{endpoint}:2"
    if kind == "3":
        return f"6::{endpoint}:{number}" + (f"+{data}" if data != "[]" else "")
    name, *args = json.loads(data)
    if name == "message" and not number and len(args) == 1:
        return f"3::{endpoint}:{args[0]}" if args[0] else f"3::{endpoint}"
    event = {"name": name, **({"args": args} if args else {})}
    return f"5:{number}{'+' if number else ''}:{endpoint}:{written(event)}"


#: Of the session itself.
ENGINE_WORDS = {"1": "0::", "2": "2::", "3": "2::", "6": "8::"}


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class EngineClient(Client):
    """One client since 1.0; the way to it stays open, or is a poll after the other."""

    revision: ClassVar[int]

    def __init__(
        self, server: Served, sid: str | None = None, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(server, "", headers)
        self.down: Connection | None = None
        self.up = Connection(server.port)
        self.sid = self.shake_hands() if sid is None else sid

    def shake_hands(self) -> str:
        answer = self.up.ask("GET", self.path, headers=self.headers)
        assert answer.code == 200, answer
        (opened, *_) = packets_of(self.revision, self.unwrap(answer.body))
        assert isinstance(opened, str)
        sid: str = json.loads(opened[1:])["sid"]
        return sid

    @property
    def path(self) -> str:
        sid = f"&sid={self.sid}" if self.sid else ""
        return f"/socket.io/?EIO={self.revision}&transport=polling{sid}"

    def open(self: C) -> C:
        if self.revision == 4:
            self.ready()
            self.send("1::")
        else:
            self.listen()
        assert self.hear() == "1::"
        return self

    def ready(self) -> None:
        """See to it that packets can be sent."""

    def unwrap(self, body: str) -> str:
        """The payload in the answer to a poll."""
        return body

    def post(self, body: str) -> Answer:
        """POST a payload and wait for the answer."""
        return self.up.ask("POST", self.path, body, {"Content-Type": "text/plain", **self.headers})

    def close(self) -> None:
        self.drop()
        self.up.close()


class Polling(EngineClient):
    name = "polling"
    streaming = False
    waiting = False

    def listen(self: C) -> C:
        assert isinstance(self, Polling)
        if self.down is None:
            self.down = Connection(self.server.port)
        socket = self.server.registry.get_socket(self.sid)
        hits = socket.hits if socket is not None else 0
        self.down.request("GET", self.path, headers=self.headers)
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
            packets = packets_of(self.revision, self.unwrap(answer.body))
            self._heard += map(from_engine, map(str, packets))
        return self._heard.popleft()

    def send(self, *packets: str) -> None:
        answer = self.post(body_of(self.revision, *(to_engine(self.revision, p) for p in packets)))
        assert (answer.code, answer.body) == (200, "ok"), answer

    def ended(self) -> bool:
        # A poll is over with its answer: that the session is, says the next one.
        if not self.waiting:
            self.listen()
        assert self.down is not None
        self.waiting = False
        return self.down.answer().code == 400

    def drop(self) -> None:
        if self.down is not None:
            self.down.close()
            self.down = None
        self.waiting = False


class JSONPPolling(Polling):
    """By script elements and forms, as clients until 2.x do where they have to."""

    def __init__(
        self, server: Served, sid: str | None = None, headers: Mapping[str, str] = {}
    ) -> None:
        # Without it nobody would know whose script it is.
        super().__init__(server, sid, {"Referer": f"http://127.0.0.1:{server.port}/", **headers})

    @property
    def path(self) -> str:
        return f"{super().path}&j=7"

    def unwrap(self, body: str) -> str:
        head, tail = "___eio[7](", ");"
        assert body.startswith(head), body
        assert body.endswith(tail), body
        text = json.loads(body[len(head) : -len(tail)])
        assert isinstance(text, str)
        return text

    def post(self, body: str) -> Answer:
        # A form would make a newline of a backslash and an n (client 2.x, polling-jsonp.js).
        form = "d=" + quote_plus(body.replace("\\n", "\\\\n"))
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self.headers}
        return self.up.ask("POST", self.path, form, headers)


class WebSocket(EngineClient):
    """From its first request on."""

    name = "websocket"
    wire: EngineWire

    def shake_hands(self) -> str:
        self.wire = EngineWire(self.server.port, revision=self.revision, headers=dict(self.headers))
        return self.wire.sid

    def listen(self: C) -> C:
        """It is open from the beginning."""
        return self

    def hear(self) -> str:
        return from_engine(self.wire.hear())

    def send(self, *packets: str) -> None:
        for packet in packets:
            self.wire.say(to_engine(self.revision, packet))

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
        if self.down is not None:
            self.down.close()


class Upgraded(WebSocket):
    """By polling first, and then over to a websocket."""

    name = "websocket"

    def shake_hands(self) -> str:
        sid = EngineClient.shake_hands(self)
        self.sid = sid
        self.wire = EngineWire(
            self.server.port, sid=sid, revision=self.revision, headers=dict(self.headers)
        )
        self.down = Connection(self.server.port)
        held = gevent.spawn(self.down.ask, "GET", self.path, headers=self.headers)
        self.wire.say("2probe")
        assert self.wire.hear() == "3probe"
        packets = packets_of(self.revision, held.get(timeout=PATIENCE).body)
        # Until 2.x the global namespace opens with the session, and its packet may be in the poll.
        self._heard += [from_engine(str(packet)) for packet in packets if packet != "6"]
        self.wire.say("5")
        eventually(lambda: self.socket.transport == "websocket", "it has gone over")
        return sid

    def hear(self) -> str:
        return self._heard.popleft() if self._heard else super().hear()


def _of_each_revision() -> dict[str, type[EngineClient]]:
    clients: dict[str, type[EngineClient]] = {}
    for revision in (3, 4):
        for way, kind in (
            ("polling", Polling),
            ("jsonp", JSONPPolling),
            ("websocket", WebSocket),
            ("upgrade", Upgraded),
        ):
            name = f"eio{revision} {way}"
            clients[name] = type(kind.__name__, (kind,), {"revision": revision})
    return clients


#: Every client by its generation and how it is carried.
ENGINE_CLIENTS: Mapping[str, type[EngineClient]] = _of_each_revision()

#: And those of 0.9 by the names of their transports.
EVERY_CLIENT: Mapping[str, type[Client]] = {**CLIENTS, **ENGINE_CLIENTS}
