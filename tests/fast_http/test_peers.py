"""Peers that are slow, greedy or gone, and a server that stops."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio.runtime.rota import rota_of
from sockio.server.fast_http.connection import State
from sockio.transports import connection as connections

from ..support.raw_http import Connection, handshake
from ..support.servers import Served, not_ours
from ..support.transcript import eventually
from .conftest import Echo, Raw, counted

#: Times so short that a test can wait for their end.
SHORT = {
    "close_timeout": 0.3,
    "polling_duration": 0.2,
    "heartbeat_interval": 0.1,
    "heartbeat_timeout": 0.3,
}


def open_connections(server: Served) -> int:
    assert server.server.fast is not None
    return len(server.server.fast.connections)


def session(server: Served) -> str:
    """The path of a new session that is open."""
    path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
    with Connection(server.port) as connection:
        assert connection.ask("GET", path).body == "1::"
    return path


@pytest.fixture
def short(serve: Callable[..., Served]) -> Served:
    return serve(not_ours, {"": Echo}, **SHORT)


# ---- Slow ones


def test_a_head_that_trickles_is_given_up(short: Served) -> None:
    raw = Raw(short.port)
    raw.send(b"GET /socket.io/1/ HT")
    assert raw.to_the_end() == b""
    raw.close()
    assert counted(short)[:2] == (0, 0)


def test_a_head_that_goes_on_trickling_gets_no_more_time(short: Served) -> None:
    raw = Raw(short.port)

    def trickle() -> None:
        while True:
            raw.send(b"x")
            gevent.sleep(0.02)

    raw.send(b"GET /socket.io/1/ HTTP/1.1\r\nX: ")
    trickling = gevent.spawn(trickle)
    try:
        assert raw.sock.recv(100) in (b"",)
    except ConnectionResetError:
        pass
    finally:
        trickling.kill()
        raw.close()


def test_a_body_that_trickles_is_answered_408(short: Served) -> None:
    path = session(short)
    with Connection(short.port) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nContent-Length: 10\r\n\r\n3:::".encode())
        answer = connection.answer()
        assert (answer.code, answer.headers["connection"]) == (408, "close")
        assert connection.at_end()


def test_half_a_body_is_answered_400(fast: Served) -> None:
    path = session(fast)
    with Connection(fast.port) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nContent-Length: 10\r\n\r\n3:::".encode())
        connection.sock.shutdown(stdlib_socket.SHUT_WR)
        answer = connection.answer()
        assert (answer.code, answer.headers["connection"]) == (400, "close")
        assert connection.at_end()


def test_a_kept_connection_may_be_idle_for_long(short: Served) -> None:
    with Connection(short.port) as kept:
        assert kept.ask("GET", "/socket.io/").code == 200
        gevent.sleep(3 * SHORT["close_timeout"])
        assert kept.ask("GET", "/socket.io/").code == 200


def test_a_reader_that_takes_its_time_gets_all(fast: Served) -> None:
    path = session(fast)
    (socket,) = fast.registry.sockets.values()
    text = "x" * 12_000_000
    with Connection(fast.port) as connection:
        for number in range(2):
            connection.request("GET", path)
            eventually(lambda: socket.hits == 2 + number, "it waits")  # noqa: B023
            socket[""].send(f"{number}{text}")
            gevent.sleep(0)
            assert fast.server.fast is not None
            (ours,) = fast.server.fast.connections
            eventually(lambda: ours.state is State.WRITING, "the kernel is full")  # noqa: B023
            assert connection.answer().body == f"3:::{number}{text}"
    assert counted(fast)[1] == 0


def test_a_reader_that_goes_on_has_its_time_anew(fast: Served) -> None:
    path = session(fast)
    (socket,) = fast.registry.sockets.values()
    text = "x" * 24_000_000
    with Connection(fast.port) as connection:
        connection.request("GET", path)
        eventually(lambda: socket.hits == 2, "it waits")
        socket[""].send(text)
        assert fast.server.fast is not None
        (ours,) = fast.server.fast.connections
        eventually(lambda: ours.state is State.WRITING, "the kernel is full")
        first = ours.deadline()
        while ours.deadline() == first:
            connection._receive()
        assert ours.state is State.WRITING
        assert ours.deadline() > first
        assert connection.answer().body == f"3:::{text}"


def test_a_reader_that_takes_no_more_is_cut_and_loses_nothing(
    serve: Callable[..., Served],
) -> None:
    server = serve(not_ours, {"": Echo}, max_outbox=(100, 100_000_000), max_payload=50_000_000)
    path = session(server)
    (socket,) = server.registry.sockets.values()
    text = "x" * 10_000_000
    with Connection(server.port) as stuck, Connection(server.port) as other:
        stuck.request("GET", path)
        eventually(lambda: socket.hits == 2, "the poll has arrived")
        socket[""].send(text)
        stuck.read(1000)
        # It asks again elsewhere: the answer it never read goes there, and nobody waits with it.
        assert len(other.ask("GET", path).body) == len(f"3:::{text}")
        broken_off(stuck)


def broken_off(connection: Connection) -> None:
    """Read to the end, which comes before that of the answer."""
    with pytest.raises((EOFError, ConnectionResetError)) as broken:
        connection.read(20_000_000)
    # The message has all that was read in it.
    broken.value.args = ()


def test_who_reads_no_answers_is_asked_no_more(short: Served) -> None:
    """And given up: requests without end must not fill the memory with their answers."""
    raw = Raw(short.port)
    welcome = b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    broken = False
    while not broken:
        try:
            raw.send(welcome)
        except OSError:
            broken = True
    raw.close()
    eventually(lambda: open_connections(short) == 0, "it is closed")


# ---- Bodies that nobody would look at


def announce(path: str, **headers: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: 900000\r\n\r\n".encode()


@pytest.mark.parametrize("origins", [None, lambda origin, environ: origin is None])
def test_a_body_of_a_stranger_is_refused_from_its_head(
    serve: Callable[..., Served], origins: Any
) -> None:
    server = serve(not_ours, {"": Echo}, origins=origins)
    path = session(server)
    for data, code in (
        (announce("/socket.io/1/xhr-polling/unknown"), 200),
        (announce(path, Origin="http://stranger.example"), 403),
        (announce(path.replace("xhr-polling", "carrier-pigeon")), 400),
        (announce("/socket.io/1/websocket/unknown"), 405),
    ):
        with Connection(server.port) as connection:
            # The head alone, and some of the body.
            connection.send(data + bytes(1000))
            answer = connection.answer()
            assert (answer.code, answer.headers["connection"]) == (code, "close")
            assert connection.sock.recv(1) == b""
    assert server.server.fast is not None
    eventually(lambda: open_connections(server) == 0, "they are closed")


@pytest.mark.parametrize("origins", [None, lambda origin, environ: True])
def test_a_body_in_pieces_is_waited_for_where_it_is_wanted(
    serve: Callable[..., Served], origins: Any
) -> None:
    server = serve(not_ours, {"": Echo}, origins=origins)
    path = session(server)
    with Connection(server.port) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n3:".encode())
        gevent.sleep(0.01)
        connection.send(b"::he")
        gevent.sleep(0.01)
        connection.send(b"ya")
        assert connection.answer().body == "1"
        assert connection.ask("GET", path).body == "3:::heya"


# ---- Gone ones


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_who_hangs_up_on_a_poll_is_noticed_at_once(fast: Served, reset: bool) -> None:
    path = session(fast)
    (socket,) = fast.registry.sockets.values()
    poll = Connection(fast.port)
    poll.request("GET", path)
    eventually(lambda: socket.hits == 2, "the poll has arrived")
    poll.reset() if reset else poll.close()
    eventually(lambda: open_connections(fast) == 0, "the connection is closed")
    socket[""].send("precious")
    with Connection(fast.port) as connection:
        assert connection.ask("GET", path).body == "3:::precious"


def test_who_hangs_up_with_requests_behind_a_poll_is_noticed_too(fast: Served) -> None:
    path = session(fast)
    (socket,) = fast.registry.sockets.values()
    poll = Connection(fast.port)
    poll.request("GET", path)
    eventually(lambda: socket.hits == 2, "the poll has arrived")
    poll.request("POST", path, "3:::never handled")
    poll.close()
    eventually(lambda: open_connections(fast) == 0, "the connection is closed")
    socket[""].send("precious")
    with Connection(fast.port) as connection:
        assert connection.ask("GET", path).body == "3:::precious"


def test_the_last_request_before_the_end_is_answered(fast: Served) -> None:
    path = session(fast)
    with Connection(fast.port) as connection:
        connection.request("POST", path, "3:::last")
        connection.sock.shutdown(stdlib_socket.SHUT_WR)
        assert connection.answer().body == "1"
        assert connection.at_end()
    with Connection(fast.port) as connection:
        assert connection.ask("GET", path).body == "3:::last"


def test_nobody_is_left_in_the_books(fast: Served) -> None:
    for number in range(50):
        raw = Raw(fast.port)
        raw.send(b"GET /socket.io/ HTTP/1.1\r\n\r\n"[: number % 30])
        raw.close()
    eventually(lambda: open_connections(fast) == 0, "all are closed")


# ---- The end of the server


def test_idle_connections_do_not_delay_the_end(fast: Served) -> None:
    kept = [Connection(fast.port) for _ in range(3)]
    assert kept[0].ask("GET", "/socket.io/").code == 200
    kept[1].send(b"GET /socket.io/ HT")
    eventually(lambda: open_connections(fast) == 3, "all are there")
    # Far longer than a test may take.
    fast.server.stop(timeout=3600)
    for each in kept:
        assert each.at_end()
        each.close()


def test_a_poll_is_answered_before_the_end(fast: Served) -> None:
    path = session(fast)
    with Connection(fast.port) as connection:
        connection.request("GET", path)
        eventually(lambda: counted(fast)[0] == 3, "the poll has arrived")
        (socket,) = fast.registry.sockets.values()
        socket[""].send("last words")
        fast.server.stop(timeout=3600)
        assert connection.answer().packets == ["3:::last words"]
        assert connection.at_end()


def test_a_request_under_way_is_waited_for(serve: Callable[..., Served]) -> None:
    began, may_end = gevent.event.Event(), gevent.event.Event()

    def authorize(request: Any) -> bool:
        began.set()
        may_end.wait()
        return True

    server = serve(not_ours, {"": Echo}, authorize=authorize)
    with Connection(server.port) as connection:
        connection.request("GET", "/socket.io/1/")
        assert began.wait(10)
        gevent.spawn_later(0.05, may_end.set)
        server.server.stop(timeout=3600)
        # Admitted no more: the server is going.
        assert connection.answer().code == 503
        assert connection.at_end()


def test_what_does_not_end_is_cut(serve: Callable[..., Served]) -> None:
    began = gevent.event.Event()

    def authorize(request: Any) -> bool:
        began.set()
        gevent.event.Event().wait()
        return True

    server = serve(not_ours, {"": Echo}, authorize=authorize)
    with Connection(server.port) as connection:
        connection.request("GET", "/socket.io/1/")
        assert began.wait(10)
        server.server.stop(timeout=0.05)
        assert connection.at_end()
    assert open_connections(server) == 0


def test_a_refused_body_is_read_away_for_a_while(
    monkeypatch: pytest.MonkeyPatch, short: Served
) -> None:
    """Closed at once, the connection would be reset under the answer."""
    monkeypatch.setattr("sockio.server.fast_http.connection.GRACE", 0.1)
    assert connections.GRACE > 0.1
    path = session(short)
    with Connection(short.port) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nContent-Length: 100000\r\n\r\n".encode())
        eventually(lambda: b"408" in connection.sock.recv(12, stdlib_socket.MSG_PEEK), "refused")
        connection.send(b"x" * 50000)
        assert connection.answer().code == 408
        assert connection.at_end()
    eventually(lambda: open_connections(short) == 0, "it is closed")


# ---- Many at once


def test_bodies_that_end_at_once_are_answered_in_turns(
    fast: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may be a megabyte that takes a while: the loop looks for input in between."""
    service = fast.server.fast
    assert service is not None
    body = b"8::" + bytes(2000)
    raws = [Raw(fast.port) for _ in range(6)]
    for raw in raws:
        head = f"POST {session(fast)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.send(head.encode() + body[:-1])
    eventually(
        lambda: sum(each._request is not None for each in service.connections) == 6,
        "all of them wait for the rest",
    )
    loop = gevent.get_hub().loop
    turns: list[int] = []
    respond = service.endpoint.respond

    def noting(*args: Any) -> Any:
        turns.append(loop.iteration)
        return respond(*args)

    monkeypatch.setattr(service.endpoint, "respond", noting)
    # No time at all: whoever is not the first of a turn waits for the next.
    monkeypatch.setattr("sockio.runtime.rota.SLICE", 0.0)
    rota_of(gevent.get_hub()).until = 0.0
    for raw in raws:
        raw.sock._sock.send(body[-1:])
    for raw in raws:
        assert b"200 OK" in raw.until_quiet(1)
        raw.close()
    assert len(turns) == len(set(turns)) == 6
