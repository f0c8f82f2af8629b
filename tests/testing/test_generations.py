"""The clients of ``sockio.testing`` of every generation, over every transport they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, BroadcastMixin, ConnectionRefused, RoomsMixin
from sockio.testing import (
    Client,
    ClientError,
    EventFailed,
    LiveServer,
    NothingCame,
    Refused,
    SessionOver,
)

from ..support.generations import Way, ways
from ..support.transcript import Transcript


class Chat(BaseNamespace, RoomsMixin, BroadcastMixin):
    journal: Transcript

    def recv_connect(self, auth: dict[str, Any]) -> None:
        self.journal.add("connect", self.ns_name, auth)
        self.join("all")

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", self.ns_name, reason)

    def recv_message(self, data: Any) -> None:
        self.send(data)

    def recv_json(self, data: Any) -> None:
        self.send(data, json=True)

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_all(self, text: str) -> None:
        self.emit_to_room("all", "said", text, include_self=True)

    def on_others(self, text: str) -> None:
        self.broadcast_event_not_me("said", text)

    def on_ask(self, *args: Any) -> None:
        self.emit("question", *args, callback=lambda *got: self.journal.add("answer", *got))

    def on_boom(self) -> None:
        raise KeyError("boom")

    def on_kick(self) -> None:
        self.disconnect()

    def on_end(self) -> None:
        self.socket.disconnect()


class Closed(BaseNamespace):
    def recv_connect(self) -> None:
        raise ConnectionRefused("closed today", {"until": 8})


@pytest.fixture
def journal() -> Transcript:
    return Transcript("server")


@pytest.fixture
def live(journal: Transcript, sockio_serve: Callable[..., LiveServer]) -> LiveServer:
    chat = type("Chat", (Chat,), {"journal": journal})
    return sockio_serve(namespaces={"": chat, "/chat": chat, "/closed": Closed})


Join = Callable[..., Client]


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


@pytest.fixture
def join(live: LiveServer, way: Way) -> Join:
    return lambda namespace="", **more: live.connect(namespace, **way, **more)


@pytest.mark.parametrize("namespace", ["", "/chat"])
def test_what_is_said_and_heard(join: Join, namespace: str) -> None:
    ada = join(namespace)
    assert ada.call("echo", "ü😀", {"a": [1.5, None]}) == ("ü😀", {"a": [1.5, None]})
    assert ada.call("echo") is None
    ada.send("hello")
    assert ada.expect_message() == "hello"
    ada.send({"x": [1]}, json=True)
    assert ada.expect_message() == {"x": [1]}
    ada.send("got it?", receipt=True)
    bob = join(namespace)
    ada.emit("all", "hi")
    assert ada.expect("said").args == bob.expect("said").args == ["hi"]
    bob.emit("others", "psst")
    assert ada.expect("said").args == ["psst"]
    assert bob.heard("said") == []


def test_the_server_asks(join: Join, journal: Transcript) -> None:
    ada = join("/chat")
    ada.emit("ask", 1)
    ada.expect("question", 1).ack("yes", 2)
    assert journal.next("answer") == ("yes", 2)
    ada.on("question", lambda number: number + 1)
    ada.emit("ask", 2)
    assert journal.next("answer") == (3,)


def test_errors(join: Join) -> None:
    ada = join()
    with pytest.raises(EventFailed) as failed:
        ada.call("boom")
    assert failed.value.code == "internal_error"
    with pytest.raises(EventFailed):
        ada.call("nothing_handles_this")
    assert ada.call("echo", 1) == 1


def test_a_refusal(join: Join, way: Way) -> None:
    ada = join()
    with pytest.raises(Refused) as refused:
        ada.of("/closed")
    told = {"0.9": ("unauthorized", None), "eio4": ("closed today", {"until": 8})}
    if way["generation"] in told:
        assert (refused.value.text, refused.value.data) == told[way["generation"]]
    assert ada.call("echo", 1) == 1
    with pytest.raises(Refused):
        ada.of("/nowhere")


def test_leaving(join: Join, journal: Transcript) -> None:
    ada = join("/chat")
    ada.disconnect()
    assert journal.next("disconnect", "/chat") == ("/chat", "client namespace disconnect")
    with pytest.raises(SessionOver):
        ada.emit("echo")


def test_being_thrown_out(join: Join, journal: Transcript) -> None:
    ada = join("/chat")
    ada.emit("kick")
    assert ada.expect_end() == "server disconnect"
    assert journal.next("disconnect", "/chat") == ("/chat", "server namespace disconnect")
    bob = join()
    bob.emit("end")
    assert bob.expect_end() == "server disconnect"


@pytest.mark.parametrize("namespace", ["", "/chat"])
def test_dropping_and_coming_back(
    join: Join, journal: Transcript, way: Way, namespace: str
) -> None:
    ada = join(namespace)
    ada.drop()
    if way["transport"] != "xhr-polling":
        assert journal.next("disconnect", namespace) == (namespace, "transport close")
    ada.reconnect()
    assert ada.call("echo", "again") == "again"


def test_nothing_comes(join: Join) -> None:
    ada = join()
    ada.emit("echo")
    with pytest.raises(NothingCame, match="the event never"):
        ada.expect("never", timeout=0.05)


@pytest.mark.parametrize("way", ways("eio4"))
def test_auth_names_and_bytes(live: LiveServer, journal: Transcript, way: Way) -> None:
    ada = live.connect(auth={"token": "x"}, **way)
    assert journal.next("connect", "") == ("", {"token": "x"})
    chat = ada.of("/chat", auth={"room": 7})
    assert journal.next("connect", "/chat") == ("/chat", {"room": 7})
    assert len({ada.id, chat.id, ada.sid}) == 3
    assert chat.call("echo", b"\x00\xff", [b""]) == (b"\x00\xff", [b""])


def test_a_query_of_2_x(live: LiveServer, journal: Transcript) -> None:
    ada = live.connect(generation="eio3")
    ada.of("/chat", "?token=x")
    assert journal.next("connect", "/chat") == ("/chat", {"token": "x"})


def test_what_there_is_not(live: LiveServer) -> None:
    with pytest.raises(ClientError, match=r"known: 0\.9, eio3, eio4"):
        live.connect(generation="eio5")
    with pytest.raises(ClientError, match="polling, websocket, upgrade"):
        live.connect(generation="eio4", transport="xhr-polling")
    ada = live.connect(generation="eio4", transport="polling")
    with pytest.raises(ClientError, match="drop"):
        ada.lose_response()
    with pytest.raises(ClientError, match="ends with its connection"):
        ada.reconnect(resume=True)
    with pytest.raises(Refused) as refused:
        live.connect(generation="eio4", transport="polling", headers={"Origin": "http://x.example"})
    assert refused.value.status == 403
