"""The real clients lose their connection and find again what they had missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from sockio.sessions.reasons import Reason

from ..support.node import Client, Node
from ..support.proxy import Cable, cable_to
from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import Start

pytestmark = pytest.mark.e2e

TOKEN = "b8d0b4c6f2a94e1d8c77"


class Chat(Recorded):
    def recv_connect(self) -> None:
        self.journal.add("connect", self.ns_name, self.recovered, self.session.get("name"))
        if not self.recovered:
            self.join("lobby")

    def on_call_me(self, name: str) -> str:
        self.session["name"] = name
        return self.id

    def on_count(self, times: int) -> None:
        for number in range(times):
            self.emit("news", number)


@pytest.fixture
def server(start: Start) -> Served:
    return start({"": Recorded, "/chat": Chat, "/news": Chat}, recovery=60)


@pytest.fixture
def cable(server: Served) -> Iterator[Cable]:
    with cable_to(server.port) as cable:
        yield cable


Join = Callable[[Node, str], Client]


def join_0_9(node: Node, url: str, transport: str, **options: Any) -> Client:
    return node.connect(
        f"{url}/chat?recovery={TOKEN}", transport, reconnect=True, reconnection_delay=5, **options
    )


def join_4_8(node: Node, url: str, transport: str) -> Client:
    kind = "websocket" if transport == "websocket" else "polling"
    return node.join("4.8.4", f"{url}/chat", [kind], reconnection=True, reconnectionDelay=5)


@pytest.fixture(params=[join_0_9, join_4_8], ids=["0.9.17", "4.8.4"])
def join(request: pytest.FixtureRequest) -> Any:
    return request.param


def cut(cable: Cable, server: Served) -> None:
    """Cut it while a poll is held: between two polls nobody would notice."""
    eventually(
        lambda: all(
            each._carrier is not None or not each.connected
            for each in server.registry.sockets.values()
        ),
        "a poll is held",
    )
    cable.cut()


def test_the_connection_is_cut(
    join: Any,
    cable: Cable,
    node: Node,
    server: Served,
    transport: str,
    journal: Transcript,
) -> None:
    chat = join(node, cable.url, transport)
    chat.next("connect")
    journal.next("connect", "/chat", False, None)
    (name,) = chat.ask("call me", "ada")
    emitter = server.middleware.of("/chat")
    for round_ in range(3):
        emitter.to("lobby").emit("news", f"live {round_}")
        assert chat.next("news")[0] == f"live {round_}"
        cut(cable, server)
        chat.next("disconnect")
        if transport == "websocket":
            journal.next("disconnect", "/chat", Reason.TRANSPORT_CLOSE)
        emitter.to("lobby").emit("news", f"missed {round_}")
        emitter.socket(name).emit("news", f"for her {round_}")
        emitter.skip("lobby").emit("news", "not for her")
        chat.next("connect")
        journal.next("connect", "/chat", True, "ada")
        assert chat.next("news")[0] == f"missed {round_}"
        assert chat.next("news")[0] == f"for her {round_}"
        (name,) = chat.ask("call me", "ada")
    assert len(chat.got("news")) == 9
    # Handlers are told of each end and of each return once.
    for _ in range(3 if transport == "xhr-polling" else 0):
        journal.next("disconnect", "/chat")
    told = [each[0] for each in journal.entries if each[1:2] == ("/chat",)]
    assert sorted(told) == ["connect"] * 4 + ["disconnect"] * 3


def test_a_client_of_0_9_loses_and_doubles_nothing_while_it_polls(
    cable: Cable, node: Node, server: Served, journal: Transcript
) -> None:
    chat = join_0_9(node, cable.url, "xhr-polling")
    chat.next("connect")
    heard = 0
    for number in range(60):
        server.middleware.of("/chat").to("lobby").emit("news", number)
        if number % 20 == 10:
            # What is under way when the cable is cut may be lost in it.
            while heard <= number:
                assert chat.next("news") == [heard]
                heard += 1
            cut(cable, server)
            chat.next("disconnect")
        gevent.sleep(0)
    for number in range(heard, 60):
        assert chat.next("news") == [number]
    assert len(chat.got("news")) == 60


def test_namespaces_of_one_connection(
    cable: Cable, node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    chat = join_0_9(node, cable.url, transport)
    chat.next("connect")
    news = node.open(chat, "/news")
    news.next("connect")
    chat.ask("call me", "ada")
    cut(cable, server)
    chat.next("disconnect")
    if transport == "websocket":
        journal.next("disconnect", "/chat", Reason.TRANSPORT_CLOSE)
    server.middleware.of("/news").emit("news", "of /news")
    server.middleware.of("/chat").emit("news", "of /chat")
    assert news.next("news") == ["of /news"]
    assert chat.next("news") == ["of /chat"]
    for name in ("/chat", "/news"):
        journal.next("connect", name, True, "ada")


def test_the_page_is_open_twice(
    node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    """The second has the state, and the first stays out."""
    first = join_0_9(node, server.url, transport)
    first.next("connect")
    first.ask("call me", "ada")
    second = join_0_9(node, server.url, transport)
    second.next("connect")
    assert first.next("disconnect") == ["booted"]
    journal.next("connect", "/chat", True, "ada")
    assert second.ask("call me", "bob") == [second.sid]
    server.middleware.of("/chat").emit("news", 1)
    assert second.next("news") == [1]
    assert first.got("news") == []
    assert first.got("reconnecting") == []


def test_the_option_query_of_the_client_says_it_too(
    cable: Cable, node: Node, server: Served, journal: Transcript
) -> None:
    chat = node.connect(
        f"{cable.url}/chat",
        "websocket",
        query=f"recovery={TOKEN}&page=7",
        reconnect=True,
        reconnection_delay=5,
    )
    chat.next("connect")
    journal.next("connect", "/chat", False)
    cut(cable, server)
    chat.next("reconnect")
    journal.next("connect", "/chat", True)
