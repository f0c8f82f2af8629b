"""The end of a server: requests under way, and connections that are kept open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.server import SocketIOServer

from ..support.engine_client import EngineWire
from ..support.raw_http import Connection, get, handshake
from ..support.servers import Served, not_ours
from ..support.transcript import eventually
from ..support.ways import WAYS, Way


def test_stop_waits_for_requests(serve: Callable[..., Served]) -> None:
    began, may_end, ended = Event(), Event(), []

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        began.set()
        may_end.wait()
        ended.append(True)
        return not_ours(environ, start_response)

    server = serve(slow, {})
    with Connection(server.port) as connection:
        connection.request("GET", "/")
        assert began.wait(10)
        gevent.spawn_later(0.1, may_end.set)
        server.server.stop(timeout=1)
        assert ended


def test_a_stopped_server_serves_nobody(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {})
    with Connection(server.port) as kept:
        assert kept.ask("GET", "/").code == 200
        server.stop()
        assert kept.at_end()


# ---- clients that come for what waits for them


class Told(BaseNamespace):
    """A client that polls: what it is sent waits for its next poll."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, serve: Callable[..., Served], tmp_path: Path) -> Way:
    return Way(request.param, serve, tmp_path)


def between_two_polls(way: Way) -> tuple[str, Connection]:
    """The path of a session for which a packet waits, and the connection that it was opened on."""
    connection = way.connect()
    sid = connection.ask("GET", "/socket.io/1/").body.split(":")[0]
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert connection.ask("GET", path).body == "1::"
    (socket,) = way.server.registry.sockets.values()
    socket[""].send("last words")
    return path, connection


@pytest.mark.parametrize("over", ["the same connection", "a new connection"])
def test_who_asks_within_the_grace_gets_what_waits(way: Way, over: str) -> None:
    server = way.serve(not_ours, {"": Told})
    path, kept = between_two_polls(way)
    # Far longer than a test may take: it ends because nobody is left who has to be waited for.
    stopping = gevent.spawn(server.server.stop, 3600)
    eventually(lambda: server.registry._closing, "it stops")
    if over == "a new connection":
        kept.close()
        kept = Connection(server.port, way._tls)
    assert kept.ask("GET", path).packets == ["3:::last words"]
    stopping.join()
    kept.close()


def test_within_the_grace_handshakes_are_refused_and_pages_are_served(way: Way) -> None:
    server = way.serve(not_ours, {"": Told})
    path, kept = between_two_polls(way)
    stopping = gevent.spawn(server.server.stop, 3600)
    eventually(lambda: server.registry._closing, "it stops")
    answer = get(server.port, "/socket.io/1/", tls=way._tls)
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (503, "shutting-down")
    assert get(server.port, "/other", tls=way._tls).body == "app:/other"
    assert kept.ask("GET", path).packets == ["3:::last words"]
    stopping.join()
    kept.close()


def test_who_does_not_come_is_not_waited_for_without_end(way: Way) -> None:
    server = way.serve(not_ours, {"": Told})
    _, kept = between_two_polls(way)
    server.server.stop(timeout=0.2)
    assert kept.at_end()
    kept.close()


def test_idle_connections_do_not_delay_the_end(way: Way) -> None:
    server = way.serve(not_ours, {"": Told})
    idle = [way.connect() for _ in range(3)]
    assert idle[0].ask("GET", "/socket.io/1/").code == 200
    assert idle[1].ask("GET", "/other").code == 200
    eventually(lambda: server.server.connections == 3, "all are there")
    server.server.stop(timeout=3600)
    for each in idle:
        assert each.at_end()
        each.close()


def test_to_stop_twice_is_to_stop_once(way: Way) -> None:
    server = way.serve(not_ours, {"": Told})
    path, kept = between_two_polls(way)
    stopping = [gevent.spawn(server.server.stop, 3600) for _ in range(2)]
    eventually(lambda: server.registry._closing, "it stops")
    assert kept.ask("GET", path).packets == ["3:::last words"]
    for each in stopping:
        each.join()
    kept.close()


def test_who_is_not_done_is_waited_for_once(serve: Callable[..., Served]) -> None:
    """serve_forever() stops the server once more when somebody has stopped it."""
    may_end = Event()
    began = Event()

    class Slow(BaseNamespace):
        def recv_disconnect(self) -> None:
            began.set()
            may_end.wait()

    live = serve(not_ours, {"": Slow})
    serving = gevent.spawn(live.server.serve_forever)
    client = live.connect()
    live.server.stop(timeout=0.01)
    assert began.is_set()
    # Would wait until the namespace has been told.
    live.server.stop(timeout=3600)
    serving.join()
    may_end.set()
    client.close()


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
def test_a_server_that_was_stopped_starts_and_stops_again(
    serve: Callable[..., Served], without: str
) -> None:
    live = serve(not_ours, {"": Told}, without=without)
    server = live.server
    for _ in range(2):
        live.connect(transport="xhr-polling").sync()
        server.stop(timeout=10)
        assert not server.started
        live.start()
        assert server.started


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("seen", [True, False], ids=["the middleware", "a layer around it"])
def test_an_application_has_one_server_after_another(seen: bool) -> None:
    """And the second is not taken for the first, which had ended."""
    inner = SocketIOMiddleware(not_ours, {"": Told})
    app = inner if seen else lambda environ, start_response: inner(environ, start_response)
    for times in (1, 2):
        server = SocketIOServer(("127.0.0.1", 0), app)
        for _ in range(times):
            server.start()
            port = server.server_port
            assert port is not None
            assert handshake(port)
            with EngineWire(port) as wire:
                assert wire.told["sid"]
                server.stop(timeout=10)
                assert wire.closing() == 1001
