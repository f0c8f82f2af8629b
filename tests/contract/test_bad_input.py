"""What a broken or hostile client sends, over every transport that takes it: refused in the
protocol's words, logged once, and nobody else notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..support.raw_http import Connection, get
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from ..support.transports import CLIENTS, HTTP_CLIENTS, Client, HTTPClient, PollingClient
from ..support.wsgi_client import frame

Connect = Callable[..., Client]


@pytest.fixture
def poster(server: Served, http_transport: str) -> Iterator[HTTPClient]:
    """A client that sends by POST, its session open."""
    with HTTP_CLIENTS[http_transport](server).open() as client:
        yield client


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


def is_unharmed(client: Client, journal: Transcript) -> bool:
    """Whether the session goes on, and nothing was handled in between."""
    client.send("3:::unharmed")
    journal.next("message", "unharmed")
    return client.hear() == "3:::unharmed" and len(journal.all("message")) == 1


# ---- Bodies


def head(client: HTTPClient, length: str) -> bytes:
    lines = [
        f"POST {client.path} HTTP/1.1",
        f"Host: 127.0.0.1:{client.server.port}",
        f"Referer: http://127.0.0.1:{client.server.port}/",
        f"Content-Type: {client.post_type}",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_d53_d54_a_connection_that_dies_inside_a_body_leaves_nothing(
    poster: HTTPClient, journal: Transcript
) -> None:
    body = poster.body_of(frame("3:::one", "3:::💩\n")).encode()
    for cut in range(len(body)):
        hits = poster.socket.hits
        connection = Connection(poster.server.port)
        connection.send(head(poster, str(len(body))) + body[:cut])
        eventually(lambda: poster.socket.hits > hits, "the POST has arrived")  # noqa: B023
        connection.close()
    assert is_unharmed(poster, journal)


def test_d53_a_body_in_pieces_is_put_together_before_it_is_decoded(
    poster: HTTPClient, journal: Transcript
) -> None:
    body = poster.body_of("3:::ñ☃💩\nx").encode()
    for cut in range(1, len(body), 3):
        with Connection(poster.server.port) as connection:
            connection.send(head(poster, str(len(body))) + body[:cut])
            connection.send(body[cut:])
            assert connection.answer().body == poster.posted
        assert journal.next("message") == ("ñ☃💩\nx",)


def test_d53_a_chunked_body_is_a_body(poster: HTTPClient, journal: Transcript) -> None:
    body = poster.body_of("3:::ñ☃\n💩").encode()
    head = f"POST {poster.path} HTTP/1.1\r\nHost: x\r\nReferer: http://x/\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    with Connection(poster.server.port) as connection:
        connection.send(head.encode())
        for number in range(len(body)):
            connection.send(b"1\r\n" + body[number : number + 1] + b"\r\n")
        connection.send(b"0\r\n\r\n")
        assert connection.answer().body == poster.posted
    assert journal.next("message") == ("ñ☃\n💩",)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("\ufffd-4\ufffd", id="a negative length"),
        pytest.param("\ufffd99\ufffd3:::x", id="a length beyond the end"),
        pytest.param("\ufffd3\ufffd3:::x", id="a length before the end"),
        pytest.param("\ufffdx\ufffd3:::x", id="a length that is no number"),
        pytest.param("\ufffd5\ufffd3:::💩", id="a length that cuts a character"),
        pytest.param("\ufffd", id="the mark alone"),
        pytest.param("\ufffd5\ufffd3:::x\ufffd", id="the mark at the end"),
        pytest.param("\ufffd" + "9" * 10_000 + "\ufffd", id="a length without end"),
    ],
)
def test_d51_d54_a_payload_that_cannot_be_taken_apart_is_refused_whole(
    poster: HTTPClient, journal: Transcript, payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = poster.post(poster.body_of(payload))
    assert answer.code == 400
    assert answer.body.startswith("bad payload: ")
    assert len(warnings(caplog)) == 1
    assert poster.sid not in caplog.text
    assert is_unharmed(poster, journal)


@pytest.mark.parametrize("transport", [*CLIENTS])
@pytest.mark.parametrize(
    "packet", ["9:::x", "x", "::::", "5:::{", "5:::[]", "4:::NaN", "\x00", "6:::x+[", "1:::::"]
)
def test_d10_what_is_no_packet_costs_nothing_but_itself(
    server: Served,
    connect: Connect,
    journal: Transcript,
    packet: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = connect(server).open()
    for _ in range(3):
        client.send(packet)
    client.send("3:::unharmed")
    journal.next("message", "unharmed")
    while (heard := client.hear()) != "3:::unharmed":
        assert heard.startswith("7::") or heard == "1::"
    assert len(warnings(caplog)) <= 1, "the others are only counted"


@pytest.mark.parametrize("length", ["2001", "100000000000", "999999999999999999"])
def test_a_body_over_the_limit_is_refused_unread(
    start: Callable[..., Served],
    http_transport: str,
    journal: Transcript,
    length: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with HTTP_CLIENTS[http_transport](start(max_payload=2000)).open() as client:
        with Connection(client.server.port) as connection:
            connection.send(head(client, length))
            answer = connection.answer()
            assert answer.code == 413
            assert "2000 bytes" in answer.body
            assert answer.headers["connection"] == "close"
        assert len(warnings(caplog)) == 1
        assert is_unharmed(client, journal)


def test_a_body_that_never_ends_is_given_up(
    start: Callable[..., Served],
    http_transport: str,
    journal: Transcript,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start(
        close_timeout=0.3, polling_duration=0.1, heartbeat_interval=0.2, heartbeat_timeout=0.5
    )
    # The session itself is kept by a websocket; it is the POST that has the transport in turn.
    with CLIENTS["websocket"](server).open() as client:
        poster = HTTP_CLIENTS[http_transport](server, client.sid)
        with Connection(server.port) as connection:
            connection.send(head(poster, "100") + b"3:::")
            answer = connection.answer()
            assert (answer.code, answer.headers["connection"]) == (408, "close")
            assert connection.at_end()
        assert len(warnings(caplog)) == 1
        assert journal.all("message") == []


def test_too_many_packets_in_one_body_are_refused_whole(
    start: Callable[..., Served], http_transport: str, journal: Transcript
) -> None:
    with HTTP_CLIENTS[http_transport](start(max_packets=10)).open() as client:
        assert client.post(client.body_of(frame(*["3:::x"] * 11))).code == 400
        assert is_unharmed(client, journal)


# ---- Requests


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "BREW"])
def test_d57_d65_other_methods_are_refused_and_open_nothing(
    server: Served, journal: Transcript, transport: str, method: str
) -> None:
    client = CLIENTS[transport](server)
    with Connection(server.port) as connection:
        connection.request(method, client.path)
        head = connection.read_until(b"\r\n\r\n").decode()
    assert head.startswith("HTTP/1.1 405")
    assert "\r\nAllow: GET" in head
    assert journal.entries == []
    assert client.open().socket.connected
    client.close()


def test_d58_a_preflight_of_any_transport_is_answered_and_opens_nothing(
    server: Served, journal: Transcript, http_transport: str
) -> None:
    with HTTP_CLIENTS[http_transport](server) as client:
        asking = {"Origin": server.url, "Access-Control-Request-Method": "POST"}
        with Connection(server.port) as connection:
            answer = connection.ask("OPTIONS", client.path, headers=asking)
        assert (answer.code, answer.body) == (204, "")
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert journal.entries == []
        client.open()


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_d56_a_hundred_polls_of_one_session(server: Served, transport: str) -> None:
    """All are answered, and what is said goes to the newest alone."""
    with CLIENTS[transport](server).open() as client:
        polls = [CLIENTS[transport](server, client.sid).listen() for _ in range(100)]
        client.socket[""].send("once")
        assert [poll.hear() for poll in polls] == ["8::"] * 99 + ["3:::once"]
        for poll in polls:
            poll.close()
        assert client.socket.outbox_size[0] == 0


@pytest.mark.parametrize("transport", ["htmlfile", "xhr-multipart", "websocket", "flashsocket"])
def test_d66_fifty_streams_of_one_session(server: Served, connect: Connect) -> None:
    """The newest carries on, and no other is left open."""
    streams = [connect(server).open()]
    for _ in range(49):
        streams.append(connect(server, streams[0].sid).listen())
        assert streams[-2].ended()
    streams[-1].send("3:::once")
    assert streams[-1].hear() == "3:::once"


def test_d68_one_answer_to_each_of_many_requests_on_one_connection(
    server: Served, http_transport: str
) -> None:
    """Nothing is left on the wire between them, and nothing closes it."""
    with HTTP_CLIENTS[http_transport](server).open() as client, Connection(server.port) as kept:
        for number in range(5):
            body = client.body_of(f"3:::{number}")
            good = kept.ask("POST", client.path, body, {"Content-Type": client.post_type})
            assert (good.code, good.headers["cache-control"]) == (200, "no-store")
            bad = kept.ask("POST", client.path, client.body_of("\ufffd"))
            assert (bad.code, bad.headers["cache-control"]) == (400, "no-store")
            assert "connection" not in good.headers
            assert client.hear() == f"3:::{number}"


def test_d71_an_image_on_a_foreign_page_ends_no_session(
    server: Served, connect: Connect, transport: str
) -> None:
    client = connect(server).open()
    for headers in ({"Referer": "http://evil.example/"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in (client.path, f"/socket.io/1//{client.sid}/"):
            assert get(server.port, path + "?disconnect", headers).code == 403
    for query in ("?disconnected", "?x=disconnect", "?t=1&no=disconnect=1"):
        if isinstance(client, PollingClient):
            client.socket[""].send(query)
            answer = get(server.port, client.path + query)
            assert query in answer.body
    client.send("3:::still here")
    assert client.hear() == "3:::still here"


@pytest.mark.parametrize("sid", ["__proto__", "%00", "..%2f", "%F0%9F%92%A9", "%FF", "a" * 2000])
def test_d72_any_session_id_that_is_none_gets_the_protocols_answer(
    server: Served, connect: Connect, sid: str
) -> None:
    client = connect(server, sid).listen()
    assert client.hear() == "7:::1+0"
    assert client.ended()


def test_d72_what_is_posted_to_no_session_is_answered_as_ever(
    server: Served, http_transport: str
) -> None:
    with HTTP_CLIENTS[http_transport](server, "unknown") as client:
        assert client.post(b"\xff anything").body == client.posted


# ---- Scripts


SCRIPTS = [
    "</script><script>alert(1)</script>",
    '");alert(1);//',
    "');alert(1);//",
    "\u2028alert(1)//",
    '\\");alert(1);//',
    "<!--<script>",
    "]]>",
    "\n</SCRIPT\n>",
]


@pytest.mark.parametrize("text", SCRIPTS)
@pytest.mark.parametrize("transport", ["jsonp-polling", "htmlfile"])
def test_d62_d63_another_users_text_stays_text(server: Served, connect: Connect, text: str) -> None:
    """The client takes the script apart by its fixed beginning and end, and what is between has to
    be one JSON string. Nothing in it may mean anything to the HTML around."""
    client = connect(server).open()
    client.socket[""].send(text)
    assert isinstance(client, HTTPClient)
    client.keep_listening()
    assert client.down is not None
    wire = client.down.read_until(b'");')
    said = wire.rpartition(b'("')[2].lower()
    assert b"</script" not in said
    assert b"<!--" not in said
    assert "\u2028".encode() not in said
    assert b"\n" not in said


@pytest.mark.parametrize("transport", ["jsonp-polling", "htmlfile"])
@pytest.mark.parametrize("text", SCRIPTS)
def test_d62_d63_and_reads_as_it_was_written(server: Served, connect: Connect, text: str) -> None:
    client = connect(server).open()
    client.socket[""].emit("said", text)
    client.socket[""].send(text)
    client.hear()
    assert client.hear() == f"3:::{text}"


@pytest.mark.parametrize("transport", [*CLIENTS])
def test_half_a_character_from_json_becomes_a_replacement(server: Served, connect: Connect) -> None:
    client = connect(server).open()
    client.send(r'5:1+::{"name":"echo","args":["\ud800"]}', "3:::behind")
    assert [client.hear(), client.hear()] == ['6:::1+["\ufffd"]', "3:::behind"]
