"""A session does not belong to a transport: any may begin it, any may go on with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..support.raw_http import Answer, Connection, handshake
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from ..support.transports import CLIENTS, HTTP_CLIENTS, Client

Connect = Callable[..., Client]


@pytest.mark.parametrize("next_one", [*CLIENTS])
def test_any_transport_goes_on_where_another_was(
    server: Served, connect: Connect, journal: Transcript, next_one: str
) -> None:
    first = connect(server).open()
    first.send("1::/chat")
    assert first.hear() == "1::/chat"
    queued = []
    if not first.streaming:
        # Between two polls: what is said now waits for whichever way to the client opens next.
        queued = [f"3:::{number}" for number in range(5)]
        first.send(*queued)
        eventually(lambda: first.socket.outbox_size[0] == 5, "they wait")
    second = connect(server, first.sid, next_one).listen()
    if first.streaming:
        assert first.ended()
    assert [second.hear() for _ in queued] == queued
    second.send("3:::a", "3::/chat:b")
    assert [second.hear(), second.hear()] == ["3:::a", "3::/chat:b"]
    assert second.socket.transport == next_one
    assert sorted(journal.all("connect")) == [("",), ("/chat",)]
    assert journal.all("disconnect") == []


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
@pytest.mark.parametrize("next_one", [*CLIENTS])
def test_d56_a_waiting_poll_is_sent_home_by_any_transport(
    server: Served, connect: Connect, next_one: str
) -> None:
    first = connect(server).open().keep_listening()
    second = connect(server, first.sid, next_one).listen()
    assert first.hear() == "8::"
    second.socket[""].send("for the newest")
    assert second.hear() == "3:::for the newest"


def test_packets_are_posted_to_any_transport_whatever_carries_the_other_direction(
    server: Served, connect: Connect, http_transport: str
) -> None:
    client = connect(server).open()
    poster = HTTP_CLIENTS[http_transport](server, client.sid)
    with poster:
        poster.send("3:::one", "3:::“two”")
        assert [client.hear(), client.hear()] == ["3:::one", "3:::“two”"]
        client.keep_listening()
        poster.send("0::")
    assert client.hear() == "0::"
    assert client.ended()


def test_d57_what_is_posted_before_anything_was_opened_waits(
    server: Served, connect: Connect, http_transport: str, journal: Transcript
) -> None:
    """Posts open nothing, whatever their URL; the first way to the client hears the connect."""
    client = connect(server)
    with HTTP_CLIENTS[http_transport](server, client.sid) as poster:
        poster.send("3:::early", "3:::bird")
    assert journal.entries == []
    client.listen()
    assert [client.hear() for _ in range(3)] == ["1::", "3:::early", "3:::bird"]


# ---- Which transports there are


@pytest.fixture
def others(start: Callable[..., Served], transport: str) -> Served:
    """A server that offers all but the transport in turn."""
    return start(transports=[name for name in CLIENTS if name != transport])


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "upgrade"])
def test_d59_a_transport_that_is_not_offered_is_not_served(
    others: Served, transport: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    sid = handshake(others.port)
    answer = ask(others, method, f"/socket.io/1/{transport}/{sid}")
    assert (answer.code, answer.body) == (400, "7:::0")
    assert len([r for r in caplog.records if "refused" in r.message]) == 1
    assert repr(transport) in caplog.text
    assert sid not in caplog.text


def test_d59_the_handshake_lists_what_is_offered_and_no_more(
    others: Served, transport: str
) -> None:
    with Connection(others.port) as connection:
        line = connection.ask("GET", "/socket.io/1/").body
    offered = line.split(":")[3].split(",")
    assert offered == [name for name in CLIENTS if name != transport]


def test_d50_what_no_client_would_choose_is_offered_only_when_it_is_named(
    start: Callable[..., Served],
) -> None:
    with Connection(start(transports=None).port) as connection:
        line = connection.ask("GET", "/socket.io/1/").body
    assert line.split(":")[3] == "websocket,htmlfile,xhr-polling,jsonp-polling"


# ---- Whose pages may ask

METHODS = ["GET", "POST", "OPTIONS", "upgrade", "disconnect"]


def ask(server: Served, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
    """One request of any kind."""
    headers = headers or {}
    with Connection(server.port) as connection:
        if method == "upgrade":
            connection.send(upgrade_request(path, server.port, headers))
            return connection.answer()
        if method == "disconnect":
            return connection.ask("GET", path + "?disconnect", headers=headers)
        if method == "OPTIONS":
            headers = {"Access-Control-Request-Method": "POST", **headers}
        return connection.ask(method, path, "3:::evil" if method == "POST" else "", headers)


FOREIGN = [
    pytest.param({"Origin": "http://evil.example"}, id="Origin"),
    pytest.param({"Origin": "null"}, id="no origin"),
    pytest.param({"Referer": "http://evil.example/page"}, id="Referer"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="Sec-Fetch-Site"),
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", METHODS)
def test_d60_a_foreign_page_is_refused_whatever_it_asks(
    server: Served,
    connect: Connect,
    journal: Transcript,
    method: str,
    headers: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = connect(server).open()
    answer = ask(server, method, client.path, headers)
    assert (answer.code, answer.body) == (403, "handshake bad origin")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert caplog.text.count("refused") == 1
    client.send("3:::unharmed")
    assert client.hear() == "3:::unharmed"
    assert journal.all("message") == [("unharmed",)]


@pytest.mark.parametrize("listed", [["https://friend.example"], "*"], ids=["listed", "everybody"])
def test_d60_a_page_that_is_listed_talks(
    start: Callable[..., Served], transport: str, listed: object
) -> None:
    server = start(origins=listed)
    headers = {"Origin": "https://friend.example"}
    sid = handshake(server.port)
    with CLIENTS[transport](server, sid, headers) as client:
        client.open()
        client.send("3:::hello")
        assert client.hear() == "3:::hello"


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_d60_whoever_may_is_named_and_never_called_everybody(
    start: Callable[..., Served], http_transport: str, method: str
) -> None:
    server = start(origins="*")
    path = f"/socket.io/1/{http_transport}/{handshake(server.port)}"
    answer = ask(server, method, path, {"Origin": "https://friend.example"})
    assert answer.code in (200, 204, 400)
    if http_transport in ("htmlfile", "jsonp-polling"):
        # Frames, scripts and forms need none.
        assert "access-control-allow-credentials" not in answer.headers or answer.code == 400
    else:
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
