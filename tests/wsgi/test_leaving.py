"""A server whose successor, in another process, accepts from the same listener."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest

from sockio.server import SocketIOServer, server

from ..support.raw_http import Connection, get
from ..support.servers import not_ours
from ..support.transcript import eventually

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture(params=[(), ("http",)], ids=["fast", "pywsgi"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[SocketIOServer, SocketIOServer, int]]:
    """Two servers of one listener, and its port; the second one has not begun."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    options = {"namespaces": {}, "without": request.param, "max_connections": 2}
    first = SocketIOServer(listener.dup(), not_ours, **options)
    second = SocketIOServer(listener.dup(), not_ours, **options)
    first.start()
    yield first, second, port
    for each in first, second:
        each.stop()
    listener.close()


Pair = tuple[SocketIOServer, SocketIOServer, int]


def test_whoever_comes_then_is_the_successors(pair: Pair) -> None:
    first, second, port = pair
    with Connection(port) as early:
        assert early.ask("GET", HANDSHAKE).code == 200
        second.start()
        first.leave()
        assert early.at_end()
    assert get(port, HANDSHAKE).code == 200
    assert (len(first.sockets), len(second.sockets)) == (0, 1)


def test_whoever_has_connected_is_still_served(pair: Pair) -> None:
    first, second, port = pair
    with Connection(port) as quiet:
        eventually(lambda: first.connections == 1, "it is accepted")
        second.start()
        leaving = gevent.spawn(first.leave)
        gevent.sleep(0)
        # The successor's.
        assert get(port, HANDSHAKE).code == 200
        assert not leaving.ready()
        assert quiet.ask("GET", HANDSHAKE).code == 200
        leaving.get()
        assert len(second.sockets) == 1


@pytest.mark.parametrize("path", [HANDSHAKE, "/"])
def test_each_answer_is_the_last_on_its_connection_and_says_so(pair: Pair, path: str) -> None:
    first, _, port = pair
    with Connection(port) as kept, Connection(port) as quiet:
        assert "connection" not in kept.ask("GET", path).headers
        eventually(lambda: first.connections == 2, "both are accepted")
        leaving = gevent.spawn(first.leave)
        gevent.sleep(0)
        assert kept.ask("GET", path).headers["connection"] == "close"
        assert kept.at_end()
        assert quiet.ask("GET", path).headers["connection"] == "close"
        leaving.get()


@pytest.mark.parametrize("path", ["/socket.io/socket.io.js", "/"])
def test_what_the_kernel_has_got_is_answered(pair: Pair, path: str) -> None:
    first, _, port = pair
    with Connection(port) as kept:
        kept.ask("GET", path)
        kept.request("GET", path)
        # The loop has had no time to read it.
        first.stop()
        assert kept.answer().headers["connection"] == "close"


def test_a_newcomer_who_says_nothing_is_not_waited_for_long(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, port = pair
    monkeypatch.setattr(server, "FIRST_WORDS", 0.05)
    with Connection(port) as quiet:
        eventually(lambda: first.connections == 1, "it is accepted")
        first.leave()
        assert quiet.at_end()


def test_who_has_been_silent_for_long_is_no_newcomer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, port = pair
    with Connection(port) as quiet:
        eventually(lambda: first.connections == 1, "it is accepted")
        assert first.door.has_newcomers(60)
        gevent.sleep(0.01)
        monkeypatch.setattr(server, "FIRST_WORDS", 0.01)
        assert not first.door.has_newcomers(0.01)
        first.leave()
        assert quiet.at_end()


def has_idle(server: SocketIOServer) -> bool:
    return any(each.idle for each in server.door._wheel.entries())


def test_one_that_waits_for_a_place_is_served_without(pair: Pair) -> None:
    first, _, port = pair
    with Connection(port) as one, Connection(port) as two:
        # Requests that are under way: their places cannot be taken.
        for each in one, two:
            each.send(b"GET /")
        eventually(lambda: first.connections == 2 and not has_idle(first), "they have begun")
        with Connection(port) as three:
            eventually(lambda: first._next is not None, "it is accepted")
            leaving = gevent.spawn(first.leave)
            gevent.sleep(0)
            assert three.ask("GET", HANDSHAKE).code == 200
            leaving.get()


@pytest.mark.fast_path("http")
def test_a_request_that_was_read_is_answered() -> None:
    """It was read as one for the WSGI server, whose task has not begun when the server ends."""
    running = SocketIOServer(("127.0.0.1", 0), not_ours)
    running.start()
    assert running.server_port
    with Connection(running.server_port) as page:
        eventually(lambda: running.connections == 1, "it is accepted")
        assert running.fast is not None
        handed_over = running.fast._hand_over

        def hand_over(*args: object) -> None:
            handed_over(*args)  # type: ignore[arg-type]
            running.hang_up_idle()

        running.fast._hand_over = hand_over
        assert page.ask("GET", "/").code != 503
    running.stop()
