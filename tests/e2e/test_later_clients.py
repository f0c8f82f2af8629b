"""The clients since 1.0, the last of each line: over polling, a websocket, and from one to the
other, with the namespaces given in both forms.

What each says by itself (a reason, an error) is what the client's own documentation says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import sockio
from sockio import ConnectionRefused, Reason

from ..support.node import LATER, Client, Node
from ..support.proxy import Cable, cable_to
from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import Start
from .test_conversation import AWKWARD

pytestmark = pytest.mark.e2e

WAYS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}
BYTES = bytes(range(256))


class Chat(Recorded):
    def recv_connect(self) -> None:
        super().recv_connect()
        if self.auth.get("token") == "wrong":
            raise ConnectionRefused("members only", data={"ask": "ada", "mark": [1, None]})
        self.join("everybody")
        self.emit("welcome", self.auth)

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_say_back(self, event: str, *args: Any) -> None:
        self.emit(event, *args)

    def on_ask(self, question: str, *args: Any) -> Any:
        answer = self.call(question, *args)
        self.journal.add("returned", answer)
        return answer

    def on_not_at_once(self, packet: Any) -> Any:
        self.journal.add("tried", *packet["args"])
        return "now" if len(self.journal.all("tried")) > 1 else sockio.LATER

    def on_tell(self, *args: Any) -> None:
        self.journal.add("told", *args)

    def on_count(self, times: int) -> None:
        for number in range(times):
            self.emit("number", number)

    def on_enter(self, room: str) -> None:
        self.join(room)

    def on_to_room(self, room: str, *args: Any) -> None:
        self.emit_to_room(room, "heard", *args)

    def on_to_all(self, *args: Any) -> None:
        self.broadcast_event("heard", *args)

    def on_who(self) -> str:
        return self.id

    def on_throw_me_out_of_here(self) -> None:
        self.emit("last words")
        self.disconnect()

    def on_throw_me_out(self) -> None:
        self.emit("last words")
        self.socket.disconnect()

    def recv_message(self, data: Any) -> None:
        self.send(data)


@dataclass(frozen=True)
class Guest:
    """Makes clients of one release that connect in one way."""

    node: Node
    version: str
    way: str
    url: str

    @property
    def modern(self) -> bool:
        """Since 3.0: ``auth``, ``connect_error`` with data, an id per namespace."""
        return self.version >= "3"

    def connect(self, namespace: str = "/chat", *, url: str = "", **options: Any) -> Client:
        """Connect, without waiting for it."""
        transports = WAYS[self.way]
        return self.node.join(self.version, (url or self.url) + namespace, transports, **options)

    def enter(self, namespace: str = "/chat", **options: Any) -> Client:
        """Connect, and wait until it has gone over to the transport that it stays with."""
        client = self.connect(namespace, **options)
        client.next("connect")
        self.settle(client)
        return client

    def settle(self, client: Client) -> None:
        if self.way == "upgrade":
            assert client.next("upgrade") == ["websocket"]

    def credentials(self, **given: Any) -> dict[str, Any]:
        """How an application of that time tells who it is."""
        return {"auth": given} if self.modern else {"query": given}


@pytest.fixture
def server(start: Start) -> Served:
    return start({"": Recorded, "/chat": Chat, "/news": Chat}, msgpack=True)


@pytest.fixture(params=[*LATER, "4.8.4 msgpack"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guest(server: Served, node: Node, version: str, way: str) -> Guest:
    return Guest(node, version, way, server.url)


def left(journal: Transcript, namespace: str, reason: str) -> None:
    journal.next("disconnect", namespace, reason)


def test_they_converse(guest: Guest, server: Served, journal: Transcript) -> None:
    chat = guest.enter()
    assert chat.transport == ("polling" if guest.way == "polling" else "websocket")
    assert isinstance(chat.next("welcome")[0], dict)
    for case in AWKWARD:
        (text,) = case.values
        assert chat.ask("echo", text, {text: [text]}) == [text, {text: [text]}]
        chat.emit("say back", "heard", text, {text: [text]})
        assert chat.next("heard") == [text, {text: [text]}]
    for args in ([], [None], ["one"], [[1, 2]], [1, "two", {"three": [None, True, 0.5]}]):
        assert chat.ask("echo", *args) == args
    for args, returned in (([], None), (["one"], "one"), ([[1]], [1]), ([1, "two"], (1, "two"))):
        chat.answer("question", *args)
        chat.emit("ask", "question", "with", "arguments")
        assert journal.next("returned") == (returned,)
        assert chat.next("question") == ["with", "arguments"]
    chat.send("Grüße ☃")
    assert chat.next("message") == ["Grüße ☃"]
    assert len(server.registry) == 1
    assert chat.got("error") == chat.got("disconnect") == chat.got("connect_error") == []


def test_bytes_both_ways(guest: Guest) -> None:
    chat = guest.enter()
    for value in (BYTES, b"", [BYTES, {"deep": [b"\x00", "text"]}], {"a": b"\x04", "b": BYTES}):
        assert chat.ask("echo", value, "beside") == [value, "beside"]
        chat.emit("say back", "heard", "before", value)
        assert chat.next("heard") == ["before", value]
        chat.answer("question", value, 1)
        assert chat.ask("ask", "question", value) == [value, 1]
        assert chat.next("question") == [value]
    chat.send(BYTES)  # type: ignore[arg-type]
    assert chat.next("message") == [BYTES]


def test_much_at_once(guest: Guest, journal: Transcript) -> None:
    """From the first moment, in the middle of the upgrade: all of it, once, and in order."""
    chat = guest.connect()
    chat.emit_many("tell", 100)
    chat.emit("count", 100)
    chat.next("connect")
    chat.emit_many("tell", 100)
    guest.settle(chat)
    chat.emit("count", 100)
    large = "\u2603\U0001f388" * 40_000
    assert chat.ask("echo", large) == [large]
    assert chat.ask("echo", BYTES * 1000) == [BYTES * 1000]
    assert [number for (number,) in journal.all("told")] == [*range(100), *range(100)]
    assert [number for (number,) in chat.got("number")] == [*range(100), *range(100)]


def test_who_they_are(guest: Guest, journal: Transcript) -> None:
    chat = guest.enter(**guest.credentials(token="a b&ü", n="1"))
    (auth,) = chat.next("welcome")
    assert (auth["token"], auth["n"]) == ("a b&ü", "1")
    _, namespace = journal.next("connect", "/chat")
    if guest.modern:
        assert (namespace.auth, namespace.qs) == (auth, "")
        assert chat.ask("who") == [chat.sid] == [namespace.id]
    else:
        assert namespace.request.GET["token"] == "a b&ü"
    assert namespace.socket.sessid not in chat.ask("who")
    assert namespace.request.GET["EIO"] == ("4" if guest.modern else "3")


def test_who_is_refused(guest: Guest) -> None:
    told = {"ask": "ada", "mark": [1, None]}
    refused = guest.connect("/chat", **guest.credentials(token="wrong"))
    unknown = guest.node.join_too(refused, "/never-heard-of")
    if guest.modern:
        assert refused.next("connect_error") == ["members only", told]
        assert unknown.next("connect_error") == ["Invalid namespace", None]
    else:
        assert refused.next("error") == [told]
        assert unknown.next("error") == ["Invalid namespace"]
    # The connection goes on, and others are let in.
    right = {} if guest.modern else {"query": "token=right"}
    everything = guest.node.join_too(refused, "/news", **right)
    everything.next("connect")
    assert everything.ask("echo", 1) == [1]
    assert refused.got("connect") == refused.got("welcome") == unknown.got("connect") == []


def test_rooms_and_broadcasts(guest: Guest) -> None:
    clients = [guest.enter() for _ in range(3)]
    ada, bob, eve = clients
    for client in (ada, bob):
        client.emit("enter", "tea")
        assert client.ask("echo") == []
    ada.emit("to room", "tea", "for bob", BYTES)
    assert bob.next("heard") == ["for bob", BYTES]
    eve.emit("to room", "tea", "for two")
    assert ada.next("heard") == bob.next("heard") == ["for two"]
    eve.emit("to all", "for all ☃")
    for client in clients:
        assert client.next("heard") == ["for all ☃"]
        assert client.ask("echo") == []
    assert [len(client.got("heard")) for client in clients] == [2, 3, 1]


def test_namespaces_of_one_connection(guest: Guest, journal: Transcript) -> None:
    chat = guest.enter()
    news = guest.node.join_too(chat, "/news")
    news.next("connect")
    assert news.ask("echo", BYTES) == [BYTES]
    _, of_chat = journal.next("connect", "/chat")
    _, of_news = journal.next("connect", "/news")
    assert of_chat.socket is of_news.socket
    chat.leave()
    assert chat.next("disconnect") == ["io client disconnect"]
    left(journal, "/chat", Reason.NAMESPACE_CLIENT)
    assert news.ask("echo", 2) == [2]
    chat.rejoin()
    chat.next("connect")
    assert chat.ask("echo", 3) == [3]
    chat.emit("throw me out of here")
    assert chat.next("disconnect") == ["io server disconnect"]
    assert chat.got("last words") == [[]]
    left(journal, "/chat", Reason.NAMESPACE_SERVER)
    assert news.ask("echo", 4) == [4]
    assert news.got("disconnect") == []


def test_an_event_that_is_not_acknowledged_is_sent_again(
    server: Served, node: Node, way: str, journal: Transcript
) -> None:
    chat = Guest(node, LATER[-1], way, server.url).enter(retries=100, ackTimeout=100)
    assert chat.ask("not at once", "mine") == [None, "now"]
    assert len(journal.all("tried")) >= 2
    assert chat.ask("echo", "behind it") == [None, "behind it"]


def test_the_page_disconnects(guest: Guest, server: Served, journal: Transcript) -> None:
    chat = guest.enter()
    chat.leave()
    assert chat.next("disconnect") == ["io client disconnect"]
    left(journal, "/chat", Reason.NAMESPACE_CLIENT)
    eventually(lambda: not server.registry.sockets, "the session is forgotten")


def test_the_server_disconnects(guest: Guest, server: Served, journal: Transcript) -> None:
    chat = guest.enter(reconnection=True, reconnectionDelay=5)
    chat.emit("throw me out")
    assert chat.next("disconnect") == ["io server disconnect"]
    assert chat.got("last words") == [[]]
    left(journal, "/chat", Reason.SERVER)
    eventually(lambda: not server.registry.sockets, "the session is forgotten")
    assert chat.got("reconnect") == []


@pytest.fixture
def cable(server: Served) -> Iterator[Cable]:
    with cable_to(server.port) as cable:
        yield cable


def test_they_come_back_to_a_server_that_was_started_again(
    server: Served, cable: Cable, node: Node, version: str, way: str, journal: Transcript
) -> None:
    guest = Guest(node, version, way, cable.url)
    chat = guest.enter(reconnection=True, reconnectionDelay=5, reconnectionDelayMax=50)
    news = node.join_too(chat, "/news")
    news.next("connect")
    before = chat.ask("who")
    server.server.stop(timeout=0.1)
    assert chat.next("disconnect")[0] in ("transport close", "transport error")
    left(journal, "/chat", Reason.SHUTDOWN)
    chat.emit("tell", "written meanwhile")
    server.start()
    cable.lead_to(server.port)
    chat.next("reconnect")
    chat.next("connect")
    news.next("connect")
    assert journal.next("told") == ("written meanwhile",)
    assert news.ask("echo", BYTES) == [BYTES]
    assert chat.ask("who") != before
