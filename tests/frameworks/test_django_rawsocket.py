"""What a ``@websocket`` view talks through, without Django: floods, slow views, the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event

from sockio import BaseNamespace
from sockio.config import Settings

from ..support.raw_http import Connection
from ..support.raw_websocket import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    RawWebSocket,
    frame,
    open_session,
    upgrade_request,
)
from ..support.servers import Served
from ..support.transcript import PATIENCE, eventually

pytest.importorskip("django")

from sockio.integrations.django.rawsocket import (
    Door,
    WebSocket,
    WebSocketClosed,
    WebSocketDoor,
)
from sockio.transports import rawsocket
from sockio.transports.streams import CHUNK

# Its page is no page to who asks what is inside, and other tests have made middlewares.
pytestmark = pytest.mark.usefixtures("alone")

View = Callable[[WebSocket], object]


class Echo(BaseNamespace):
    def on_echo(self, *args: object) -> object:
        return args


class House:
    """A server whose only page is a websocket view."""

    def __init__(self, serve: Callable[..., Served]) -> None:
        self.view: View = lambda websocket: None
        self.closing = False
        #: What the last view returned or raised.
        self.done: AsyncResult[Any] = AsyncResult()
        door = WebSocketDoor(self.page, Settings(), lambda: self.closing)
        self.server = serve(door, {"": Echo})

    def page(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        door = Door.of(environ)
        if door is None:
            # A request like any other: a server asks once what is inside.
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        websocket = door.open()
        try:
            self.done.set(self.view(websocket))
        except Exception as error:
            self.done.set_exception(error)
        finally:
            websocket.close()
        return []

    def outcome(self) -> Any:
        """What the view returned; raises what it raised."""
        return self.done.get(timeout=PATIENCE)

    def open(self, view: View) -> RawWebSocket:
        self.view = view
        client = RawWebSocket.__new__(RawWebSocket)
        Connection.__init__(client, self.server.port)
        origin = {"Origin": f"http://127.0.0.1:{self.server.port}"}
        client.send(upgrade_request("/", self.server.port, origin))
        client.upgrade = client.answer()
        assert client.upgrade.code == 101
        return client


@pytest.fixture
def house(serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> House:
    # Those who flood do not answer a close frame either.
    monkeypatch.setattr(rawsocket, "CLOSE_WAIT", 0.1)
    return House(serve)


@pytest.fixture
def background() -> Iterator[Callable[..., None]]:
    """Run something beside the test, at most until its end."""
    running: list[gevent.Greenlet[..., Any]] = []

    def run(fn: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(OSError):  # its connection is closed under it
            fn(*args)

    yield lambda *job: running.append(gevent.spawn(run, *job))
    gevent.killall(running)


def for_ever(client: RawWebSocket, data: bytes) -> None:
    while True:
        client.send(data)


# ---- Floods


def iterate(websocket: WebSocket, count: Callable[[int], None]) -> None:
    for _ in websocket:
        count(1)


def receive(websocket: WebSocket, count: Callable[[int], None]) -> None:
    while not websocket.closed:
        count(websocket.receive() is not None)


def poll(websocket: WebSocket, count: Callable[[int], None]) -> None:
    while not websocket.closed:
        if websocket.has_messages():
            count(websocket.read() is not None)


def count_only(websocket: WebSocket, count: Callable[[int], None]) -> None:
    while not websocket.closed:
        for _ in range(websocket.count_messages()):
            count(websocket.read() is not None)


@pytest.mark.parametrize("loop", [iterate, receive, poll, count_only])
def test_a_flood_does_not_keep_the_others_waiting(
    house: House, background: Callable[..., None], loop: Callable[..., None]
) -> None:
    many = 100_000
    handled = [0]

    def count(number: int) -> None:
        handled[0] += number

    with (
        open_session(house.server.port) as bystander,
        house.open(lambda websocket: loop(websocket, count)) as flooder,
    ):
        background(flooder.send, frame(TEXT) * many)
        while not handled[0]:
            gevent.sleep(0.001)
        for _ in range(3):
            bystander.say('5:1+::{"name":"echo"}')
            assert bystander.hear() == "6:::1"
        assert handled[0] < many


def test_pings_without_an_end_are_answered_beside_others(
    house: House, background: Callable[..., None]
) -> None:
    many = 50_000
    with (
        open_session(house.server.port) as bystander,
        house.open(lambda websocket: websocket.receive()) as flooder,
    ):
        pongs = [0]

        def read() -> None:
            while data := flooder.sock.recv(1 << 20):
                pongs[0] += len(data) // 2

        background(read)
        background(flooder.send, frame(PING) * many)
        while not pongs[0]:
            gevent.sleep(0.001)
        bystander.say('5:1+::{"name":"echo"}')
        assert bystander.hear() == "6:::1"
        assert pongs[0] < many


def test_what_is_kept_for_a_slow_view_is_bounded(
    house: House, background: Callable[..., None]
) -> None:
    looked, go_on = Event(), Event()

    def slow(websocket: WebSocket) -> tuple[int, int]:
        for _ in range(100):
            count = websocket.count_messages()
            gevent.sleep(0.001)
        looked.set()
        go_on.wait()
        return count, sum(map(len, websocket._messages))

    with house.open(slow) as client:
        background(for_ever, client, frame(TEXT, "x" * 100) * 1000)
        assert looked.wait(PATIENCE)
        go_on.set()
        count, size = house.outcome()
        assert 0 < count <= CHUNK // 100
        assert size <= CHUNK


# ---- The end


def test_messages_that_came_with_the_close_frame_are_received(house: House) -> None:
    arrived = Event()

    def view(websocket: WebSocket) -> list[Any]:
        arrived.wait()
        got = []
        while not websocket.closed:
            got.append(websocket.receive())
        return got

    with house.open(view) as client:
        goodbye = frame(CLOSE, (1000).to_bytes(2, "big"))
        client.send(frame(TEXT, "one") + frame(TEXT, "two") + frame(BINARY, b"3") + goodbye)
        arrived.set()
        assert house.outcome() == ["one", "two", b"3"]
        assert client.closing() == 1000


def test_nothing_can_be_sent_to_a_peer_that_has_said_goodbye(house: House) -> None:
    def view(websocket: WebSocket) -> Any:
        first = websocket.receive()
        assert not websocket.closed
        with pytest.raises(WebSocketClosed):
            websocket.send(first)
        rest = [websocket.receive(), websocket.receive()]
        return first, rest, websocket.closed, websocket.close_code

    with house.open(view) as client:
        goodbye = frame(CLOSE, (4000).to_bytes(2, "big"))
        client.send(frame(TEXT, "one") + frame(TEXT, "two") + goodbye)
        assert house.outcome() == ("one", ["two", None], True, 4000)


def test_closing_is_over_in_time_and_keeps_nothing(
    house: House, background: Callable[..., None]
) -> None:
    """Also where the peer goes on sending and never answers."""

    def view(websocket: WebSocket) -> Any:
        websocket.receive()
        websocket.close(4001, "not you")
        return websocket.closed, sum(map(len, websocket._messages)), websocket._parts

    with open_session(house.server.port) as bystander, house.open(view) as client:
        background(for_ever, client, frame(BINARY, b"x" * 5000) * 20)
        bystander.say('5:1+::{"name":"echo"}')
        assert bystander.hear() == "6:::1"
        closed, kept, parts = house.outcome()
        assert closed
        assert kept <= CHUNK
        assert parts is None


@pytest.mark.parametrize("closes", [True, False], ids=["closing", "receiving"])
def test_little_is_taken_apart_in_one_go(
    house: House, background: Callable[..., None], monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    """Thousands of the smallest frames, also those that came with the request, and those that come
    when the view is done."""
    sizes: list[int] = []
    take = WebSocket._take

    def noting(self: WebSocket, data: bytes) -> None:
        sizes.append(len(data))
        take(self, data)

    monkeypatch.setattr(WebSocket, "_take", noting)
    flood = frame(BINARY) * 3000

    def view(websocket: WebSocket) -> object:
        return closes or [websocket.receive() for _ in range(3000)]

    house.view = view
    with Connection(house.server.port) as client:
        origin = {"Origin": f"http://127.0.0.1:{house.server.port}"}
        client.send(upgrade_request("/", house.server.port, origin) + flood)
        assert client.answer().code == 101
        background(for_ever, client, flood)
        assert house.outcome()
        eventually(lambda: len(sizes) > 1, "what came is taken apart")
    assert max(sizes) <= rawsocket.CHUNK < CHUNK


def test_a_view_that_waits_is_closed_with_its_application(house: House) -> None:
    with house.open(list) as client:
        client.say("last words")
        house.closing = True
        assert client.closing() == 1001
        assert house.outcome() == ["last words"]


def test_a_view_that_waits_is_closed_with_its_server(house: House) -> None:
    with house.open(list) as client:
        # As gunicorn does: no more connections, and those that are open may end by themselves.
        house.server.server.close()
        assert client.closing() == 1001
        assert house.outcome() == []


def test_a_peer_that_does_not_answer_the_end_is_cut(house: House) -> None:
    with house.open(list) as client:
        house.closing = True
        assert house.outcome() == []
        assert client.closing() == 1001
