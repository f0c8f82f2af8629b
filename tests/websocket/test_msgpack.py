"""Clients with socket.io-msgpack-parser beside others, on the wire.

The real one is in ``tests/e2e/test_later_clients.py``; what packets are, in
``tests/unit/protocol/test_msgpack_codec.py``.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from webob import Request

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, UsageError, socketio_manage
from sockio.protocol import msgpack_codec
from sockio.testing.server import eventually

from ..support.engine_client import EngineSession, EngineWire
from ..support.raw_websocket import CLOSE
from ..support.servers import Served, not_ours

msgpack = pytest.importorskip("msgpack")


class Talk(BaseNamespace, BroadcastMixin):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_all(self, *args: Any) -> None:
        self.broadcast_event("said", *args)

    def on_when(self) -> date:
        return date(2026, 11, 30)

    def on_ask(self) -> None:
        self.emit("question", callback=lambda *answer: self.emit("answered", *answer))


class Packing(EngineWire):
    """One that packs."""

    def tell(self, **fields: Any) -> None:
        self.say_bytes(msgpack.packb({"nsp": "/", **fields}))

    def told_next(self) -> Any:
        return msgpack.unpackb(self.hear_bytes())

    def enter(self) -> Packing:
        self.tell(type=0)
        assert self.told_next()["type"] == 0
        return self


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    return serve(namespaces={"": Talk}, msgpack=True)


def test_a_room_of_both(server: Served) -> None:
    with Packing(server.port) as packing, EngineWire(server.port) as plain:
        packing.enter()
        plain.join()
        packing.tell(type=2, data=["all", "hi", b"\0\1"])
        assert packing.told_next() == {"nsp": "/", "type": 2, "data": ["said", "hi", b"\0\1"]}
        assert plain.hear() == '451-["said","hi",{"_placeholder":true,"num":0}]'
        assert plain.hear_bytes() == b"\0\1"
        plain.say('42["all","back"]')
        assert packing.told_next()["data"] == ["said", "back"]
        assert plain.hear() == '42["said","back"]'


def test_acks_both_ways(server: Served) -> None:
    with Packing(server.port) as client:
        client.enter()
        client.tell(type=2, id=1, data=["echo", {"bytes": b"\1"}])
        assert client.told_next() == {"nsp": "/", "type": 3, "id": 1, "data": [{"bytes": b"\1"}]}
        client.tell(type=2, data=["ask"])
        question = client.told_next()
        assert question["data"] == ["question"]
        client.tell(type=3, id=question["id"], data=[42])
        assert client.told_next()["data"] == ["answered", 42]


def test_a_disconnect_overtakes_nothing_and_is_heard(server: Served) -> None:
    with Packing(server.port) as client:
        client.enter()
        client.tell(type=2, id=1, data=["echo"])
        client.tell(type=1)
        assert client.told_next()["type"] == 3
        (socket,) = server.registry.sockets.values()
        eventually(lambda: not socket.active_ns, "it has left")
        client.enter()


def test_polling_carries_it_in_base64(server: Served) -> None:
    def said(**fields: Any) -> str:
        return "b" + base64.b64encode(msgpack.packb({"nsp": "/", **fields})).decode()

    class Polls(EngineSession):
        def heard(self) -> list[Any]:
            return [msgpack.unpackb(packet) for packet in self.get()]

    session = Polls(server.port, 4, join=said(type=0))
    try:
        assert session.heard()[0]["type"] == 0
        assert session.post(said(type=2, id=0, data=["echo", 1]), said(type=2, id=1, data=["echo"]))
        assert [each["data"] for each in session.heard()] == [[1], []]
    finally:
        session.close()


@pytest.mark.parametrize(
    "packet",
    [
        '42["echo"]',
        "41",
        msgpack.packb({"type": 4, "nsp": "/", "data": {"message": "mine"}}),
        msgpack.packb({"type": 3, "nsp": "/", "data": []}),
        msgpack.packb({"type": 9, "nsp": "/"}),
        msgpack.packb({"type": 2, "nsp": "/", "data": [b"no name"]}),
        b"",
        b"\xc1",
    ],
)
def test_what_is_no_packet_ends_the_session(
    server: Served, packet: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with Packing(server.port) as client:
        client.enter()
        if isinstance(packet, str):
            client.say(packet)
        else:
            client.say_bytes(packet)
        assert client.read_frame().opcode == CLOSE
    eventually(lambda: not len(server.registry), "the session has ended")
    eventually(lambda: "further bad packets are only counted" in caplog.text, "a line")


def test_who_began_with_a_text_sends_no_packed_packet(server: Served) -> None:
    with Packing(server.port) as client:
        client.join()
        client.tell(type=2, data=["echo"])
        assert client.read_frame().opcode == CLOSE


def test_where_it_is_off_the_log_says_how_to_serve_it(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(namespaces={"": Talk})
    with caplog.at_level(logging.WARNING), Packing(server.port) as client:
        client.tell(type=0)
        assert client.read_frame().opcode == CLOSE
        eventually(lambda: "set msgpack=True" in caplog.text, "a hint")


def test_clients_before_3_0_are_told_their_namespace_in_text(server: Served) -> None:
    with Packing(server.port, revision=3) as client:
        assert client.hear() == "40"
        client.tell(type=2, data=["echo"])
        assert client.read_frame().opcode == CLOSE


def test_json_of_a_views_own(serve: Callable[..., Served]) -> None:
    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if not environ["PATH_INFO"].startswith("/socket.io/"):
            return not_ours(environ, start_response)

        def dumps(value: Any) -> str:
            return json.dumps(value, default=str)

        return socketio_manage(environ, {"": Talk}, Request(environ), json_dumps=dumps)

    server = serve(view, msgpack=True)
    with Packing(server.port) as client:
        client.tell(type=0)
        client.hear_bytes()
        client.tell(type=2, id=0, data=["when"])
        assert client.told_next()["data"] == ["2026-11-30"]


def test_nothing_is_kept_for_them_by_recovery(serve: Callable[..., Served]) -> None:
    server = serve(namespaces={"": Talk}, msgpack=True, recovery=60)
    with Packing(server.port) as client:
        client.tell(type=0)
        answer = client.told_next()
        assert set(answer["data"]) == {"sid"}
        client.tell(type=2, data=["all", "plain"])
        assert client.told_next()["data"] == ["said", "plain"]


def test_it_needs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgpack_codec, "available", False)
    with pytest.raises(UsageError, match="pip install msgpack"):
        SocketIOMiddleware(not_ours, {"": Talk}, msgpack=True)
    # Where no client could pack, nothing is needed.
    SocketIOMiddleware(not_ours, {"": Talk}, msgpack=True, generations=("0.9",))
