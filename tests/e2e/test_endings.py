"""How a connection ends, as both sides see it: once, with the right reason."""

from __future__ import annotations

import pytest

from sockio.sessions.reasons import Reason

from ..support.node import Client, Node
from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import Start

pytestmark = pytest.mark.e2e


class Chat(Recorded):
    def on_kick_me(self) -> None:
        self.emit("last words")
        self.socket.disconnect()

    def on_throw_me_out_of_here(self) -> None:
        self.disconnect()

    def on_echo(self, value: object) -> object:
        return value


@pytest.fixture
def server(start: Start) -> Served:
    return start({"": Recorded, "/chat": Chat})


def enter(node: Node, server: Served, transport: str) -> Client:
    client = node.connect(server.url + "/chat", transport, reconnect=True, reconnection_delay=5)
    client.next("connect")
    return client


def all_told(journal: Transcript, server: Served, reason: str) -> None:
    """Both namespaces are told of the end, each once, and nothing is left of the session."""
    journal.next("disconnect", "", reason)
    journal.next("disconnect", "/chat", reason)
    eventually(lambda: not server.registry.sockets, "the session is forgotten")
    assert len(journal.all("disconnect")) == 2
    server.registry.check()


def test_the_page_disconnects(
    node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    client = enter(node, server, transport)
    client.disconnect()
    assert client.next("disconnect") == ["booted"]
    all_told(journal, server, Reason.CLIENT)
    assert client.got("reconnecting") == []


def test_the_server_disconnects(
    node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    """Also D-87: what was sent just before still arrives, and the client stays away."""
    client = enter(node, server, transport)
    client.emit("kick me")
    assert client.next("last words") == []
    assert client.next("disconnect") == ["booted"]
    all_told(journal, server, Reason.SERVER)
    assert client.got("reconnecting") == []


def test_the_page_leaves_a_namespace(
    node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    client = enter(node, server, transport)
    everything = node.open(client, "")
    client.leave()
    journal.next("disconnect", "/chat", Reason.NAMESPACE_CLIENT)
    assert everything.send_and_wait("the connection goes on") == []
    assert len(journal.all("disconnect")) == 1


def test_the_server_ends_a_namespace(
    node: Node, server: Served, transport: str, journal: Transcript
) -> None:
    client = enter(node, server, transport)
    everything = node.open(client, "")
    client.emit("throw me out of here")
    client.next("disconnect")
    journal.next("disconnect", "/chat", Reason.NAMESPACE_SERVER)
    assert everything.send_and_wait("the connection goes on") == []
    assert client.got("reconnecting") == []


def test_d64_a_crashed_browser_is_noticed_at_once_on_a_websocket(
    doomed_node: Node, server: Served, journal: Transcript
) -> None:
    """At once: the settings would give it minutes."""
    enter(doomed_node, server, "websocket")
    doomed_node.kill()
    all_told(journal, server, Reason.TRANSPORT_CLOSE)


@pytest.mark.parametrize("form", ["mapping"])
def test_a_crashed_browser_is_noticed_by_its_silence_when_polling(
    doomed_node: Node, start: Start, journal: Transcript
) -> None:
    server = start(
        {"": Recorded, "/chat": Chat},
        close_timeout=1,
        polling_duration=0.5,
        heartbeat_interval=0.5,
        heartbeat_timeout=1,
    )
    enter(doomed_node, server, "xhr-polling")
    doomed_node.kill()
    all_told(journal, server, Reason.CLOSE_TIMEOUT)


def test_the_server_stops(node: Node, server: Served, transport: str, journal: Transcript) -> None:
    """The client is not told to stay away: it looks for the next server."""
    client = enter(node, server, transport)
    server.stop()
    all_told(journal, server, Reason.SHUTDOWN)
    client.next("disconnect")
    client.next("reconnecting")


class Full(Recorded):
    """Lets nobody stay, and says why."""

    def recv_connect(self) -> None:
        super().recv_connect()
        self.emit("sorry", "we are full")
        self.disconnect()


@pytest.mark.parametrize("namespace", ["", "/chat"])
def test_the_server_says_why_it_lets_nobody_stay(
    node: Node, start: Start, transport: str, journal: Transcript, namespace: str
) -> None:
    server = start({namespace: Full})
    client = node.connect(server.url + namespace, transport, reconnect=True, reconnection_delay=5)
    client.next("connect")
    assert client.next("sorry") == ["we are full"]
    client.next("disconnect")
    assert client.got("reconnecting") == []
    (_, reason) = journal.next("disconnect", namespace)
    assert reason == (Reason.NAMESPACE_SERVER if namespace else Reason.SERVER)
