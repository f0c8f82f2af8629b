"""python-socketio's own client, which speaks Socket.IO 5: another implementation as the peer."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import ConnectionRefused, Reason

from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import Start

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::ResourceWarning")]

socketio: Any = pytest.importorskip("socketio", reason="needs python-socketio[client]")

WORDS = "Grüße ☃ \U0001f388"
BYTES = bytes(range(256))

WAYS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


class Chat(Recorded):
    def recv_connect(self) -> None:
        super().recv_connect()
        if self.auth.get("token") == "wrong":
            raise ConnectionRefused("members only", data={"ask": "ada"})
        self.join("tea")
        self.emit("welcome", self.auth)

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_ask(self, question: str) -> Any:
        return self.call(question, WORDS, BYTES)

    def on_say(self, *args: Any) -> None:
        self.emit_to_room("tea", "said", *args, include_self=True)

    def on_count(self, times: int) -> None:
        for number in range(times):
            self.emit("number", number)

    def on_throw_me_out(self) -> None:
        self.socket.disconnect()


@pytest.fixture(autouse=True)
def what_the_client_leaves_open() -> Iterator[None]:
    """Its connections are closed when the garbage collector finds them, which is complained of in
    whatever test that happens to be; here it is nobody's fault."""
    yield
    gc.collect()


@pytest.fixture
def server(start: Start) -> Served:
    return start({"": Recorded, "/chat": Chat})


class Peer:
    """One client, and what it has heard."""

    def __init__(self, url: str, way: str, auth: dict[str, Any]) -> None:
        self.heard = Transcript("python-socketio")
        self.client = socketio.Client(reconnection=False)
        self.client.on("*", self._event, namespace="/chat")
        for event in ("connect", "connect_error", "disconnect"):
            self.client.on(event, self._own(event), namespace="/chat")
        self.client.on("question", lambda *args: args, namespace="/chat")
        self.connect = functools.partial(
            self.client.connect,
            url,
            auth=auth,
            namespaces=["/chat"],
            transports=WAYS[way],
        )

    def _event(self, event: str, *args: Any) -> None:
        self.heard.add(event, *args)

    def _own(self, event: str) -> Callable[..., None]:
        return lambda *args: self.heard.add(event, *args)

    def ask(self, event: str, *args: Any) -> Any:
        return self.client.call(event, args, namespace="/chat", timeout=15)


Enter = Callable[..., Peer]


@pytest.fixture(params=WAYS)
def enter(server: Served, request: pytest.FixtureRequest) -> Iterator[Enter]:
    peers = []

    def enter(**auth: Any) -> Peer:
        peers.append(Peer(server.url, request.param, auth))
        peers[-1].connect()
        return peers[-1]

    yield enter
    for peer in peers:
        peer.client.disconnect()


def test_they_converse(enter: Enter) -> None:
    ada, bob = enter(token=WORDS), enter()
    assert ada.heard.next("welcome") == ({"token": WORDS},)
    assert ada.ask("echo", WORDS, None, [1, {"a": 0.5}]) == (WORDS, None, [1, {"a": 0.5}])
    assert ada.ask("echo", {"deep": [BYTES]}, b"") == ({"deep": [BYTES]}, b"")
    assert ada.ask("ask", "question") == (WORDS, BYTES)
    ada.client.emit("say", (WORDS, BYTES), namespace="/chat")
    for peer in (ada, bob):
        assert peer.heard.next("said") == (WORDS, BYTES)
    large = WORDS * 10_000
    assert bob.ask("echo", large) == large
    # It takes no more than 16 packets in one answer to a poll.
    bob.client.emit("count", 16, namespace="/chat")
    assert [bob.heard.next("number") for _ in range(16)] == [(number,) for number in range(16)]


def test_the_ends(enter: Enter, server: Served, journal: Transcript) -> None:
    ada, bob = enter(), enter()
    ada.client.emit("throw me out", namespace="/chat")
    ada.heard.next("disconnect")
    journal.next("disconnect", "/chat", Reason.SERVER)
    bob.client.disconnect()
    journal.next("disconnect", "/chat")
    eventually(lambda: not server.registry.sockets, "the sessions are forgotten")


def test_who_is_refused(enter: Enter) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        enter(token="wrong")
