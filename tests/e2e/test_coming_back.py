"""Connections that are lost, and clients that come back by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sockio.sessions.reasons import Reason

from ..support.node import Client, Node
from ..support.proxy import Cable, cable_to
from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript
from .conftest import Start

pytestmark = pytest.mark.e2e


class Chat(Recorded):
    def on_who(self) -> str:
        return self.socket.sessid

    def on_write(self, number: int) -> None:
        self.journal.add("written", self.ns_name, number)


@pytest.fixture
def server(start: Start) -> Served:
    return start({"": Recorded, "/chat": Chat, "/news": Chat})


@pytest.fixture
def cable(server: Served) -> Iterator[Cable]:
    """Asked for before ``node``, whose clients then leave while it is still there."""
    with cable_to(server.port) as cable:
        yield cable


def enter(node: Node, url: str, transport: str) -> tuple[Client, Client]:
    chat = node.connect(url + "/chat", transport, reconnect=True, reconnection_delay=5)
    chat.next("connect")
    news = node.open(chat, "/news")
    news.next("connect")
    return chat, news


def came_back(chat: Client, news: Client, journal: Transcript, sid_before: str) -> None:
    """Under a new session id, in all its namespaces, and able to talk."""
    chat.next("reconnect")
    chat.next("connect")
    news.next("connect")
    assert chat.sid != sid_before
    assert chat.ask("who") == news.ask("who") == [chat.sid]
    names = [name for name, namespace in journal.all("connect")]
    assert sorted(names) == ["", "", "/chat", "/chat", "/news", "/news"]


def test_the_connection_is_cut(
    cable: Cable, node: Node, transport: str, journal: Transcript
) -> None:
    chat, news = enter(node, cable.url, transport)
    sid = chat.sid
    cable.cut()
    assert chat.next("disconnect") != ["booted"]
    assert news.next("disconnect") != ["booted"]
    came_back(chat, news, journal, sid)


def test_the_session_is_gone_while_the_client_lives(
    node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    """A polling client learns of it by the answer 7:::1+0 to its next poll."""
    chat, news = enter(node, server.url, transport)
    sid = chat.sid
    server.registry.sockets[sid].close(Reason.OVERFLOW, say=False)
    chat.next("disconnect")
    came_back(chat, news, journal, sid)
    for name in ("", "/chat", "/news"):
        journal.next("disconnect", name, Reason.OVERFLOW)


def test_another_server_takes_over_the_address(
    server: Served,
    cable: Cable,
    node: Node,
    start: Start,
    transport: str,
    journal: Transcript,
) -> None:
    """A restart: the new process knows nothing of the old one's sessions."""
    chat, news = enter(node, cable.url, transport)
    sid = chat.sid
    successor = start({"": Recorded, "/chat": Chat, "/news": Chat})
    cable.lead_to(successor.port)
    server.stop()
    chat.next("disconnect")
    came_back(chat, news, journal, sid)
    assert chat.sid in successor.registry.sockets
    # The old server answers a kept connection once more, and closes it.
    assert len(chat.got("reconnecting")) < 6


def test_what_the_page_said_meanwhile_is_handled(
    cable: Cable, node: Node, transport: str, journal: Transcript
) -> None:
    """The client sends what it kept before it asks for its namespaces again."""
    chat = node.connect(cable.url + "/chat", transport, reconnect=True, reconnection_delay=200)
    chat.next("connect")
    news = node.open(chat, "/news")
    news.next("connect")
    cable.cut()
    chat.next("disconnect")
    for number in range(3):
        chat.emit("write", number)
        news.emit("write", number)
    assert chat.ask("who") == [chat.sid]
    for number in range(3):
        journal.next("written", "/chat", number)
        journal.next("written", "/news", number)
    assert [name for name, _ in journal.all("connect")].count("/chat") == 2
