"""While some clients flood, another is served: told by what was handled when, not by a clock."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from geventwebsocket.handler import WebSocketHandler

from sockio import BaseNamespace
from sockio.transports import streams

from ..support.raw_http import Connection, handshake
from ..support.raw_websocket import PING, TEXT, RawWebSocket, frame, open_session
from ..support.servers import Served, not_ours
from ..support.threads import read_away
from ..support.tls import make_certificate
from ..support.transcript import eventually


class Labour(BaseNamespace):
    """Handlers that need the processor."""

    handled = 0

    def on_work(self, milliseconds: float) -> None:
        ends = time.perf_counter() + milliseconds / 1000
        while time.perf_counter() < ends:
            pass
        Labour.handled += 1

    def on_echo(self, *args: object) -> object:
        return args


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    Labour.handled = 0
    return serve(not_ours, {"": Labour})


Background = Callable[..., None]


@pytest.fixture
def background() -> Iterator[Background]:
    """Run something beside the test, at most until its end."""
    running: list[gevent.Greenlet[..., Any]] = []

    def run(fn: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(OSError, ValueError):  # its connection is closed under it
            fn(*args)

    yield lambda *job: running.append(gevent.spawn(run, *job))
    gevent.killall(running)


def echo(websocket: RawWebSocket) -> None:
    websocket.say('5:1+::{"name":"echo"}')
    assert websocket.hear() == "6:::1"


@pytest.mark.parametrize(
    ("clients", "milliseconds", "events"),
    [
        pytest.param(1, 3, 100, id="one client, events of 3 ms"),
        pytest.param(20, 1, 20, id="twenty clients, events of 1 ms"),
    ],
)
def test_events_that_need_the_processor(
    server: Served, background: Background, clients: int, milliseconds: float, events: int
) -> None:
    flood = frame(TEXT, f'5:::{{"name":"work","args":[{milliseconds}]}}') * events
    with open_session(server.port) as bystander:
        flooders = [open_session(server.port) for _ in range(clients)]
        for each in flooders:
            background(each.send, flood)
        while not Labour.handled:
            gevent.sleep(0.001)
        seen = Labour.handled
        for _ in range(3):
            echo(bystander)
            # Not all of the flood, nor a slice of each client, was handled before it.
            assert Labour.handled - seen < 60
            seen = Labour.handled
        assert seen < clients * events
        for each in flooders:
            each.close()


FRAMES = [
    pytest.param(frame(TEXT, "8::"), id="noops"),
    pytest.param(frame(PING), id="pings"),
    pytest.param(frame(TEXT, "x"), id="garbage"),
]
#: What has to be read of a flood before somebody else is looked at, in the worst case.
PART = 12 * streams.CHUNK


@pytest.fixture(params=["plain", "without detach", "TLS", "gevent-websocket"])
def any_server(
    request: pytest.FixtureRequest,
    serve: Callable[..., Served],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Served:
    """Every way in which the bytes of a websocket are read."""
    if request.param == "without detach":
        return serve(not_ours, {"": Labour}, without=["detach"])
    if request.param == "gevent-websocket":
        return serve(not_ours, {"": Labour}, handler_class=WebSocketHandler)
    if request.param == "TLS":
        certificate = make_certificate(tmp_path_factory.mktemp("tls"))
        served = serve(not_ours, {"": Labour}, ssl_context=certificate.server_context())
        monkeypatch.setattr(served, "tls", certificate.client_context(), raising=False)
        return served
    return serve(not_ours, {"": Labour})


@pytest.mark.parametrize("flood", FRAMES)
def test_frames_that_need_no_handler(
    any_server: Served, background: Background, flood: bytes
) -> None:
    tls = getattr(any_server, "tls", None)
    with (
        open_session(any_server.port, tls=tls) as bystander,
        open_session(any_server.port, tls=tls) as flooder,
    ):
        background(read_on, flooder)
        read: list[int] = []
        watch_reading(any_server, flooder, read)
        many = 900_000 // len(flood)
        background(flooder.send, flood * many)
        while not read:
            gevent.sleep(0)
        for _ in range(3):
            seen = len(read)
            echo(bystander)
            assert sum(read[seen:]) <= PART
        assert sum(read) < len(flood) * many


def read_on(websocket: RawWebSocket) -> None:
    while websocket.sock.recv(1 << 20):
        pass


def watch_reading(server: Served, websocket: RawWebSocket, read: list[int]) -> None:
    """Note how many bytes are handed to the websocket's carrier with each read."""
    stream = server.registry.sockets[websocket.sid]._carrier._stream  # type: ignore[union-attr]
    on_data = stream._on_data

    def noting(data: bytes) -> None:
        read.append(len(data))
        on_data(data)

    stream._on_data = noting


def test_a_long_page_that_is_read_as_fast_as_it_is_made(serve: Callable[..., Served]) -> None:
    many, made = 20_000, [0]

    def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/long":
            for _ in range(many):
                made[0] += 1
                yield bytes(1000)

    server = serve(page, {"": Labour})
    with open_session(server.port) as bystander, Connection(server.port) as reader:
        drain = gevent.get_hub().threadpool.spawn(read_away, reader.sock.fileno())
        reader.request("GET", "/long")
        echo(bystander)
        assert made[0] < many
        reader.sock.shutdown(2)
        drain.get()


def test_a_body_in_the_smallest_chunks(server: Served, background: Background) -> None:
    many = 60_000
    answers: list[int] = []
    with open_session(server.port) as bystander, Connection(server.port) as poster:
        sid = handshake(server.port)
        poster.request("GET", f"/socket.io/1/xhr-polling/{sid}")
        assert poster.answer().code == 200

        def post() -> None:
            head = f"POST /socket.io/1/xhr-polling/{sid} HTTP/1.1\r\nHost: x\r\n"
            poster.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
            poster.send(b"4\r\n3:::\r\n" + b"1\r\nx\r\n" * many + b"0\r\n\r\n")
            answers.append(poster.answer().code)

        background(post)
        for _ in range(3):
            echo(bystander)
        assert not answers
        eventually(lambda: answers == [200], "the post is answered")
