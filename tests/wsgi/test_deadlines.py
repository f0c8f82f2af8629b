"""Whatever a client lets the server wait for has an end, whoever reads its connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
import pytest

from ..support.echo import Echo
from ..support.raw_http import Connection, get
from ..support.servers import Served, not_ours
from ..support.transcript import eventually
from ..support.ways import WAYS, Way

#: So short that a test can wait for it.
SOON = 0.2
#: So long that whoever comes back after :data:`PAUSE` surely comes in time, on a busy machine too.
LATER, PAUSE = 0.6, 0.22
TIMES = {
    "head_timeout": SOON,
    "keep_alive": SOON,
    "close_timeout": 3600,
    "heartbeat_timeout": 3600,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, serve: Callable[..., Served], tmp_path: Path) -> Way:
    return Way(request.param, serve, tmp_path)


def nobody_is_left(server: Served) -> None:
    eventually(lambda: server.server.connections == 0, "no connection is open")


def test_who_connects_and_sends_nothing_is_hung_up_on(way: Way) -> None:
    server = way.serve(not_ours, {"": Echo}, **TIMES)
    with way.connect() as connection:
        assert connection.at_end()
    nobody_is_left(server)


def test_a_handshake_of_tls_that_does_not_end_is_given_up(way: Way) -> None:
    server = way.serve(not_ours, {"": Echo}, **TIMES)
    with Connection(server.port) as connection:
        # The beginning of a ClientHello, where that is what is spoken.
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00")
        while not connection.at_end():
            connection.read(1)
    nobody_is_left(server)


@pytest.mark.parametrize("path", ["/socket.io/1/", "/other"])
def test_a_head_that_does_not_come_to_its_end_is_given_up(way: Way, path: str) -> None:
    server = way.serve(not_ours, {"": Echo}, **TIMES)
    with way.connect() as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nX-A: ".encode())
        assert connection.at_end()
    nobody_is_left(server)


def test_a_head_that_trickles_gets_no_more_time(way: Way) -> None:
    server = way.serve(not_ours, {"": Echo}, **TIMES)
    with way.connect() as connection:
        connection.send(b"GET /other HTTP/1.1\r\nX-A: ")

        def trickle() -> None:
            while True:
                try:
                    connection.send(b"x")
                except OSError:
                    return
                gevent.sleep(SOON / 10)

        trickling = gevent.spawn(trickle)
        assert connection.at_end()
        trickling.join()
    nobody_is_left(server)


def test_an_idle_connection_is_closed_and_one_that_is_used_is_not(way: Way) -> None:
    server = way.serve(
        not_ours, {"": Echo}, **{**TIMES, "head_timeout": LATER, "keep_alive": LATER}
    )
    with way.connect() as connection:
        for path in ("/socket.io/1/", "/other", "/socket.io/"):
            gevent.sleep(PAUSE)
            assert connection.ask("GET", path).code == 200
        assert connection.at_end()
    nobody_is_left(server)


@pytest.mark.parametrize("path", ["/socket.io/1/", "/other"])
def test_an_idle_connection_is_closed_sooner_than_one_that_begins(way: Way, path: str) -> None:
    server = way.serve(not_ours, {"": Echo}, **{**TIMES, "head_timeout": 3600})
    with way.connect() as connection:
        assert connection.ask("GET", path).code == 200
        assert connection.at_end()
    nobody_is_left(server)


def test_a_poll_may_wait_for_longer_than_any_of_these(way: Way) -> None:
    times = {**TIMES, "heartbeat_interval": 1, "polling_duration": 1.5 * SOON}
    way.serve(not_ours, {"": Echo}, **times)
    with way.connect() as connection:
        sid = connection.ask("GET", "/socket.io/1/").body.split(":")[0]
        path = f"/socket.io/1/xhr-polling/{sid}"
        assert connection.ask("GET", path).body == "1::"
        assert connection.ask("GET", path).body == "8::"


def test_an_answer_may_take_longer_than_any_of_these(way: Way) -> None:
    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        gevent.sleep(1.5 * SOON)
        return not_ours(environ, start_response)

    way.serve(slow, {"": Echo}, **TIMES)
    with way.connect() as connection:
        assert connection.ask("GET", "/other").body == "app:/other"


#: A server whose patience with bodies and readers is short.
IMPATIENT = {
    "close_timeout": SOON,
    "polling_duration": SOON / 2,
    "heartbeat_interval": SOON / 2,
    "heartbeat_timeout": SOON,
}


def test_a_body_of_ours_that_does_not_come_is_answered_408(way: Way) -> None:
    server = way.serve(not_ours, {"": Echo}, **IMPATIENT)
    tls = way._tls
    sid = get(server.port, "/socket.io/1/", tls=tls).body.split(":")[0]
    path = f"/socket.io/1/xhr-polling/{sid}"
    with way.connect() as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nContent-Length: 10\r\n\r\n3:::".encode())
        answer = connection.answer()
        # The session may have ended meanwhile.
        assert answer.code in (200, 408)


def reads_all(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.mark.parametrize(
    "head", ["Content-Length: 10", "Transfer-Encoding: chunked"], ids=["a length", "chunks"]
)
def test_a_body_of_a_page_may_trickle_but_not_stop(
    way: Way, head: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server = way.serve(reads_all, {"": Echo}, **{**IMPATIENT, "close_timeout": LATER})
    with way.connect() as connection:
        connection.send(f"POST /other HTTP/1.1\r\n{head}\r\n\r\n".encode())
        for _ in range(4):
            gevent.sleep(PAUSE)
            connection.send(b"a" if "Length" in head else b"1\r\na\r\n")
        while not connection.at_end():
            connection.read(1)
    nobody_is_left(server)
    # It is the client's doing: no traceback.
    assert "Traceback" not in capfd.readouterr().err


def test_a_page_that_is_not_read_is_given_up(way: Way, capfd: pytest.CaptureFixture[str]) -> None:
    ended = gevent.event.Event()

    def endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended.set()

    server = way.serve(endless, {"": Echo}, **IMPATIENT)
    with Connection(server.port, way._tls) as connection:
        connection.request("GET", "/other")
        assert ended.wait(10)
    nobody_is_left(server)
    assert "Traceback" not in capfd.readouterr().err
