"""What holds under every server: the application of chat.py, the real JavaScript client, and the
server as its users start it, in a process of its own."""

from __future__ import annotations

import itertools
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, NamedTuple

import gevent
import pytest

from ..support.engine_client import EngineSession, EngineWire
from ..support.generations import LATER_WAYS
from ..support.node import Node
from ..support.processes import Process
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import (
    CLOSE,
    TEXT,
    RawWebSocket,
    frame,
    open_own,
    open_session,
    upgrade_request,
)
from ..support.transcript import PATIENCE

__all__ = [
    "FOLDER",
    "PYTHON",
    "EndingContract",
    "PollingContract",
    "Served",
    "ServerContract",
    "WebSocketContract",
    "hear_each_other",
]

FOLDER = Path(__file__).parent
PYTHON = sys.executable

BOTH_REVISIONS = pytest.mark.parametrize("revision", [3, 4])

#: Of the real clients since 1.0, the last of each protocol; the e2e suite has them all.
LATER_RELEASES = ("2.5.0", "4.8.4")
RELEASES = pytest.mark.parametrize("version", LATER_RELEASES)

BYTES = bytes(range(256))
SNOWMAN = "Grüße ☃ 🎈"


class Served(NamedTuple):
    """A server that is ready."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def told(self, reason: str) -> None:
        """Wait until the namespace has heard how a client ended."""
        self.process.says(f"disconnect: /chat {reason}")


class ServerContract:
    """What every server can do."""

    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        """Start the server; it is one for all tests of the class."""
        raise NotImplementedError

    def test_the_real_client_converses_by_polling(self, server: Served, node: Node) -> None:
        converse(server, node, "xhr-polling")

    def test_polling_by_hand(self, server: Served) -> None:
        path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
        assert get(server.port, path).body == "1::"
        assert post(server.port, path, "1::/chat").body == "1"
        assert get(server.port, path).body == "1::/chat"
        assert post(server.port, path, "3::/chat:\u2603").body == "1"
        assert get(server.port, path).body == "3::/chat:\u2603"
        assert get(server.port, f"{path}?disconnect").code == 200
        server.told("client disconnect")

    @BOTH_REVISIONS
    def test_clients_since_1_0_poll(self, server: Served, revision: int) -> None:
        session = EngineSession(server.port, revision, query="&b64=1", namespace="/chat")
        mark = "b" if revision == 4 else "b4"
        session.post(f'42/chat,7["echo","{SNOWMAN}"]')
        (answer,) = session.get()
        assert answer.startswith("43/chat,7[")
        session.post('451-/chat,8["echo",{"_placeholder":true,"num":0}]', f"{mark}AAH/")
        text = '461-/chat,8[{"_placeholder":true,"num":0}]'
        assert session.get() == [text, b"\x00\x01\xff"]
        session.post("1")
        server.told("transport close")
        assert session.ask().code == 400
        session.close()

    @RELEASES
    def test_the_real_later_clients_converse_by_polling(
        self, server: Served, node: Node, version: str
    ) -> None:
        converse_later(server, node, version, "polling")

    def test_requests_that_share_a_connection(self, server: Served) -> None:
        """Or are told that they cannot."""
        path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
        with Connection(server.port) as kept:
            answer = kept.ask("GET", path)
            if answer.headers.get("connection", "").lower() == "close":
                assert kept.at_end()
            else:
                assert kept.ask("POST", path, "0::").body == "1"

    def test_other_paths_are_the_applications(self, server: Served) -> None:
        assert get(server.port, "/page").body == "|/page"

    def test_no_tracebacks(self, server: Served) -> None:
        """Behind the others, to which the same process has answered."""
        assert "Traceback" not in server.process.output


class PollingContract(ServerContract):
    """And where none can be opened."""

    @RELEASES
    def test_later_clients_that_would_go_over_stay_with_polling(
        self, server: Served, node: Node, version: str
    ) -> None:
        ada = node.join(version, f"{server.url}/chat", ["polling", "websocket"])
        ada.next("connect")
        assert ada.ask("carried_by") == ["polling"]
        assert ada.ask("echo", SNOWMAN, BYTES) == [SNOWMAN, BYTES]
        assert ada.got("upgrade") == ada.got("disconnect") == []
        bob = node.join(version, f"{server.url}/chat", ["websocket"])
        bob.next("connect_error")


class WebSocketContract(ServerContract):
    """And where websockets can be opened."""

    #: Whether the server hands on what a client sent without waiting for its upgrade.
    keeps_early_frames: ClassVar[bool] = True
    #: Whether the application is asked before an upgrade is answered.
    asks_first: ClassVar[bool] = True

    def test_websocket_is_offered_first(self, server: Served) -> None:
        offered = get(server.port, "/socket.io/1/").body.split(":")[3]
        assert offered.split(",")[0] == "websocket"

    def test_nothing_is_said_against_this_server(self, server: Served) -> None:
        said = server.process.output
        for complaint in ("as greenlets", "several processes", "cannot open", "not patched"):
            assert complaint not in said

    def test_the_real_client_converses_by_websocket(self, server: Served, node: Node) -> None:
        converse(server, node, "websocket")

    @RELEASES
    @pytest.mark.parametrize("way", ["websocket", "upgrade"])
    def test_the_real_later_clients_converse_by_websocket(
        self, server: Served, node: Node, version: str, way: str
    ) -> None:
        converse_later(server, node, version, way)

    def test_rooms_have_clients_of_every_kind(self, server: Served, node: Node) -> None:
        people = {}
        for transport in ("websocket", "xhr-polling"):
            people[transport] = node.connect(f"{server.url}/chat", transport)
            people[transport].next("connect")
        for version, way in itertools.product(LATER_RELEASES, LATER_WAYS):
            url = f"{server.url}/chat"
            people[f"{version} {way}"] = node.arrive(version, url, LATER_WAYS[way])
        for client in people.values():
            client.ask("enter", "lobby")
        for name, client in people.items():
            assert client.ask("say", "lobby", f"{SNOWMAN} {name}") == [True]
        for name, client in people.items():
            others = [f"{SNOWMAN} {other}" for other in people if other != name]
            assert [client.next("said") for _ in others] == [[text] for text in others]

    @BOTH_REVISIONS
    def test_clients_since_1_0_by_websocket(self, server: Served, revision: int) -> None:
        with EngineWire(server.port, revision=revision) as wire:
            if revision == 3:
                assert wire.hear() == "40"
            wire.say("40/chat,")
            assert wire.hear().startswith("40/chat,")
            wire.say(f'42/chat,7["echo","{"x" * 100_000}"]')
            assert wire.hear() == f'43/chat,7["{"x" * 100_000}"]'
            wire.say('451-/chat,8["echo",{"_placeholder":true,"num":0}]')
            wire.say_bytes(b"\x00\x01\xff")
            assert wire.hear() == '461-/chat,8[{"_placeholder":true,"num":0}]'
            assert wire.hear_bytes() == b"\x00\x01\xff"
            wire.say("42{}")
            assert wire.closing() == 1000
        server.told("forced close")

    @BOTH_REVISIONS
    def test_clients_since_1_0_go_over_to_a_websocket(self, server: Served, revision: int) -> None:
        session = EngineSession(server.port, revision, namespace="/chat")
        assert session.told["upgrades"] == ["websocket"]
        held = gevent.spawn(session.get)
        with session.try_websocket() as wire:
            wire.say("2probe")
            assert wire.hear() == "3probe"
            assert held.get(timeout=PATIENCE) == ["6"]
            wire.say("5")
            wire.say('42/chat,8["carried_by"]')
            assert wire.hear() == '43/chat,8["websocket"]'
            wire.reset()
        server.told("transport close")
        assert session.ask().code == 400
        session.close()

    @BOTH_REVISIONS
    def test_a_websocket_tried_in_vain(self, server: Served, revision: int) -> None:
        session = EngineSession(server.port, revision, namespace="/chat")
        with session.try_websocket() as wire:
            wire.say("what?")
            assert wire.closing() == 1000
        session.post('42/chat,8["carried_by"]')
        assert session.get() == ['43/chat,8["polling"]']
        session.post("1")
        server.told("transport close")
        session.close()

    def test_a_websocket_that_is_closed(self, server: Served) -> None:
        with open_session(server.port, "/chat") as websocket:
            websocket.say("3::/chat:" + "x" * 200_000)
            assert websocket.hear() == "3::/chat:" + "x" * 200_000
            websocket.say("0::")
            while websocket.hear() != "0::":
                pass
            assert websocket.closing() == 1000
        server.told("client disconnect")

    def test_ws_a_websocket_that_is_cut_is_noticed_at_once(self, server: Served) -> None:
        open_session(server.port, "/chat").reset()
        server.told("transport close")

    def test_frames_in_one_segment_with_the_request(self, server: Served) -> None:
        if not self.keeps_early_frames:
            pytest.skip("RFC 6455, 4.1: the client MUST wait")
        early = frame(TEXT, "1::/chat") + frame(TEXT, "3::/chat:early")
        with RawWebSocket(server.port, handshake(server.port), behind=early) as websocket:
            assert [websocket.hear() for _ in range(3)] == ["1::", "1::/chat", "3::/chat:early"]

    def test_a_version_that_is_not_spoken(self, server: Served) -> None:
        if not self.asks_first:
            pytest.skip("the server refuses it in its own way")
        path = f"/socket.io/1/websocket/{handshake(server.port)}"
        with Connection(server.port) as connection:
            connection.send(upgrade_request(path, server.port, {"Sec-WebSocket-Version": "99"}))
            answer = connection.answer()
        assert (answer.code, answer.headers["x-sockio-refusal"]) == (426, "websocket-version")
        assert answer.headers["sec-websocket-version"] == "13"

    def test_an_unknown_session(self, server: Served) -> None:
        with RawWebSocket(server.port, "nobody") as websocket:
            assert websocket.hear() == "7:::1+0"
            assert websocket.closing() == 1000

    def test_the_application_has_websockets_of_its_own(self, server: Served) -> None:
        with Connection(server.port) as connection:
            own = open_own(connection)
            for text in (SNOWMAN, "x" * 100_000):
                own.say(text)
                assert own.hear() == text
            own.send_close(1000)
            if self.asks_first:
                assert own.closing() == 1000
            else:
                # The server's own object: its close frames carry no code, and come twice.
                assert own.read_frame().opcode == CLOSE
        if self.asks_first:
            with Connection(server.port) as connection:
                assert open_own(connection, "/page").upgrade.body == "|/page"
            with Connection(server.port) as connection:
                foreign = open_own(connection, Origin="http://evil.example").upgrade
                code = foreign.headers["x-sockio-refusal"]
                assert (foreign.code, code) == (403, "origin-not-allowed")


class EndingContract:
    """And what is promised when it is told to end. Subclasses need a fixture ``doomed``."""

    def test_ws08_the_end_of_the_server_is_told_to_everybody(self, doomed: Served) -> None:
        websocket = open_session(doomed.port, "/chat")
        poll = f"/socket.io/1/xhr-polling/{handshake(doomed.port)}"
        assert get(doomed.port, poll).body == "1::"
        assert post(doomed.port, poll, "1::/chat").body == "1"
        assert get(doomed.port, poll).body == "1::/chat"
        with Connection(doomed.port) as waiting, websocket:
            waiting.request("GET", poll)
            # Its answer may be under way when the end begins.
            websocket.say('5:1+:/chat:{"name":"echo","args":["last words"]}')
            assert websocket.hear() == '6::/chat:1+["last words"]'
            assert doomed.process.stop() == 0
            assert websocket.closing() == 1001
            # The last: the request had not been taken from its queue yet.
            assert waiting.answer().body in ("8::", "0::", "7:::1+0")
        doomed.told("server shutting down")
        doomed.told("server shutting down")
        assert "Traceback" not in doomed.process.output

    def test_so_is_it_to_the_applications_own_websockets(self, doomed: Served) -> None:
        with Connection(doomed.port) as connection:
            own = open_own(connection)
            own.say("last words")
            assert own.hear() == "last words"
            assert doomed.process.stop() == 0
            assert own.read_frame().code == 1001

    @BOTH_REVISIONS
    def test_clients_since_1_0_are_told(self, doomed: Served, revision: int) -> None:
        session = EngineSession(doomed.port, revision, namespace="/chat")
        with EngineWire(doomed.port, revision=revision) as wire:
            if revision == 3:
                assert wire.hear() == "40"
            wire.say("40/chat,")
            assert wire.hear().startswith("40/chat,")
            session.gets.request("GET", session.path)
            wire.say('42/chat,1["echo"]')
            assert wire.hear() == "43/chat,1[]"
            assert doomed.process.stop() == 0
            assert wire.closing() == 1001
            answer = session.gets.answer()
            # The last: the request had not been taken from its queue yet.
            assert answer.body in ("1", "1:1") or answer.code == 400
        doomed.told("server shutting down")
        doomed.told("server shutting down")
        assert "Traceback" not in doomed.process.output
        session.close()

    def test_the_real_client_is_told_too(self, doomed: Served, node: Node) -> None:
        clients = [
            node.connect(f"{doomed.url}/chat", transport)
            for transport in ("websocket", "xhr-polling")
        ]
        for client in clients:
            client.next("connect")
        clients += [
            node.arrive(version, f"{doomed.url}/chat", transports)
            for version in LATER_RELEASES
            for transports in LATER_WAYS.values()
        ]
        doomed.process.stop()
        for client in clients:
            client.next("disconnect")


def converse(server: Served, node: Node, transport: str) -> None:
    """One client, from its handshake to its goodbye."""
    ada = node.connect(f"{server.url}/chat", transport)
    ada.next("connect")
    assert ada.transport == transport
    assert ada.ask("echo", SNOWMAN, {"deep": [1, None]}) == [SNOWMAN, {"deep": [1, None]}]
    assert ada.ask("carried_by") == [transport]
    assert ada.ask("size", "x" * 100_000) == [100_000]
    ada.send("plain")
    assert ada.next("message") == ["plain"]
    for number in range(20):
        ada.emit("say", "nowhere", number)
    assert ada.ask("echo", "behind them all") == ["behind them all"]
    ada.disconnect()
    server.told("client disconnect")


def converse_later(server: Served, node: Node, version: str, way: str) -> None:
    """The same with a client since 1.0, and with bytes."""
    ada = node.arrive(version, f"{server.url}/chat", LATER_WAYS[way])
    assert ada.ask("echo", SNOWMAN, {"deep": [1, BYTES]}) == [SNOWMAN, {"deep": [1, BYTES]}]
    assert ada.ask("carried_by") == ["polling" if way == "polling" else "websocket"]
    assert ada.ask("size", "x" * 100_000) == [100_000]
    ada.send("plain")
    assert ada.next("message") == ["plain"]
    for number in range(20):
        ada.emit("say", "nowhere", number)
    assert ada.ask("echo", "behind them all") == ["behind them all"]
    ada.leave()
    server.told("client namespace disconnect")
    ada.disconnect()


def hear_each_other(server: Served, node: Node) -> None:
    """Several processes behind one port: clients of every kind, each of whose connections reaches
    any of them, are in one room."""
    url = server.url + "/chat"
    room = {f"0.9 {way}": node.connect(url, way) for way in ("xhr-polling", "websocket")}
    for version in LATER_RELEASES:
        for ways in (["polling"], ["websocket"], ["polling", "websocket"]):
            room[f"{version} {'+'.join(ways)}"] = node.join(version, url, ways)
    for client in room.values():
        client.next("connect")
        client.ask("enter", "tea")
    for name, client in room.items():
        assert client.ask("say", "tea", name) == [True]
        for other, listener in room.items():
            if other != name:
                assert listener.next("said") == [name]
