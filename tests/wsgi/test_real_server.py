"""xhr-polling under gevent.pywsgi: what only real connections show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio.transports import connection

from ..support.echo import Echo, heard
from ..support.raw_http import Connection, get, handshake, post
from ..support.servers import Served
from ..support.transcript import eventually
from ..support.wsgi_client import packets_in

SAY = '5:::{"name":"say","args":["precious"]}'
SAID = SAY.replace("say", "said")


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    return serve(namespaces={"": Echo})


@pytest.fixture
def url(server: Served) -> str:
    """The polling URL of a session that is open."""
    path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
    assert get(server.port, path).body == "1::"
    return path


def messages(server: Served) -> list[str]:
    (socket,) = server.registry.sockets.values()
    return [what[2] for what in heard(socket) if what[1] == "message"]


def poll(server: Served, url: str) -> Connection:
    """A connection whose GET waits for its answer."""
    (socket,) = server.registry.sockets.values()
    hits = socket.hits
    waiting = Connection(server.port)
    waiting.request("GET", url)
    eventually(lambda: socket.hits > hits, "the poll has arrived")
    return waiting


# ---- Connections are kept


def test_everything_goes_over_one_kept_connection(server: Served, url: str) -> None:
    with Connection(server.port) as kept:
        for number in range(3):
            assert kept.ask("POST", url, SAY).body == "1"
            answer = kept.ask("GET", url)
            assert answer.body == SAID
            assert "connection" not in answer.headers, number


def test_d67_and_d68_a_client_that_wants_to_close_is_told_that_it_is_done(
    server: Served, url: str
) -> None:
    with Connection(server.port) as single:
        answer = single.ask("POST", url, SAY, {"Connection": "close"})
        assert (answer.code, answer.body) == (200, "1")
        assert answer.headers["connection"] == "close"
        assert single.at_end()


def test_a_request_sent_behind_a_waiting_poll_is_answered_behind_it(
    server: Served, url: str
) -> None:
    with Connection(server.port) as kept:
        kept.request("GET", url)
        kept.request("POST", url, "3:::behind the poll")
        post(server.port, url, SAY)
        assert kept.answer().body == SAID
        assert kept.answer().body == "1"
    eventually(lambda: messages(server) == ["behind the poll"], "it is handled")


# ---- Polls that die


@pytest.mark.parametrize("end", [Connection.close, Connection.reset], ids=["FIN", "RST"])
def test_d55_nothing_is_lost_with_a_poll_that_dies_while_it_waits(
    server: Served, url: str, end: Callable[[Connection], None]
) -> None:
    for _ in range(5):
        waiting = poll(server, url)
        end(waiting)
        post(server.port, url, SAY)
        assert packets_in(get(server.port, url).body) == [SAID]


def test_d55_a_poll_that_dies_as_it_is_answered_loses_nothing(server: Served, url: str) -> None:
    # No time for the event loop between the end of the connection and what is emitted.
    (socket,) = server.registry.sockets.values()
    waiting = poll(server, url)
    waiting.close()
    socket[""].emit("said", "precious")
    assert packets_in(get(server.port, url).body) == [SAID]


# ---- Bodies


def test_a_body_in_small_pieces_is_put_together(server: Served, url: str) -> None:
    body = "3:::☃💩".encode()
    with Connection(server.port) as slow:
        slow.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\n".encode())
        slow.send(f"Content-Length: {len(body)}\r\n\r\n".encode())
        for number in range(len(body)):
            slow.send(body[number : number + 1])
        assert slow.answer().body == "1"
    eventually(lambda: messages(server) == ["☃💩"], "it is handled")


def test_a_chunked_body_is_put_together(server: Served, url: str) -> None:
    with Connection(server.port) as chunked:
        chunked.send(
            f"POST {url} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            "4\r\n3:::\r\n5\r\nhello\r\n0\r\n\r\n".encode()
        )
        assert chunked.answer().body == "1"
    eventually(lambda: messages(server) == ["hello"], "it is handled")


@pytest.mark.parametrize("end", [Connection.close, Connection.reset], ids=["FIN", "RST"])
def test_a_body_that_breaks_off_is_handled_not_at_all(
    server: Served, url: str, end: Callable[[Connection], None]
) -> None:
    (socket,) = server.registry.sockets.values()
    hits = socket.hits
    broken = Connection(server.port)
    broken.send(f"POST {url} HTTP/1.1\r\nContent-Length: 100\r\n\r\n3:::broken".encode())
    eventually(lambda: socket.hits > hits, "the request has arrived")
    end(broken)
    post(server.port, url, "3:::whole")
    eventually(lambda: "whole" in messages(server), "the next one is handled")
    assert messages(server) == ["whole"]
    assert socket.connected


HEADS = [
    pytest.param("Content-Length: 100000000000\r\n", id="a length"),
    pytest.param("Content-Length: 100000000000\r\nExpect: 100-continue\r\n", id="asks first"),
]


@pytest.mark.parametrize("head", HEADS)
def test_a_body_that_is_too_large_is_refused_by_its_header_and_the_connection_ended(
    monkeypatch: pytest.MonkeyPatch, server: Served, url: str, head: str
) -> None:
    monkeypatch.setattr(connection, "GRACE", 0.05)
    with Connection(server.port) as greedy:
        greedy.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        answer = greedy.answer()
        assert answer.code == 413
        assert answer.headers["connection"] == "close"
        assert greedy.at_end()
    assert get(server.port, url + "?disconnect").code == 200


def test_a_body_that_never_ends_is_refused_in_time_and_the_connection_ended(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[..., Served]
) -> None:
    monkeypatch.setattr(connection, "GRACE", 0.05)
    server = serve(
        namespaces={"": Echo}, close_timeout=0.2, heartbeat_interval=0.1, polling_duration=0.1
    )
    path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
    with Connection(server.port) as endless:
        endless.send(f"POST {path} HTTP/1.1\r\nContent-Length: 100\r\n\r\n3:::".encode())
        answer = endless.answer()
        assert answer.code == 408
        assert endless.at_end()


# ---- Ends


def test_a_server_that_stops_answers_its_waiting_polls(server: Served, url: str) -> None:
    with poll(server, url) as waiting:
        server.stop()
        assert waiting.answer().code == 200
    assert len(server.registry) == 0
