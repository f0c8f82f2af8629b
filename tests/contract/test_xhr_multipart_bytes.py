"""xhr-multipart to the byte: parts of an answer that never ends (fact sheet, section 7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.raw_http import Connection, get, post
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from ..support.transports import CLIENTS, Client, StreamingClient

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def client(server: Served) -> Iterator[StreamingClient]:
    with CLIENTS["xhr-multipart"](server) as client:
        assert isinstance(client, StreamingClient)
        yield client


def part(text: str) -> bytes:
    return f"Content-Type: text/plain\n\n{text}\n--socketio\n".encode()


def test_d50_the_answer_begins_like_this(client: StreamingClient, server: Served) -> None:
    with Connection(server.port) as connection:
        connection.request("GET", client.path, headers={"Origin": server.url})
        head = connection.read_until(b"\r\n\r\n").decode().split("\r\n")[:-2]
        assert head[0] == "HTTP/1.1 200 OK"
        headers = dict(line.split(": ", 1) for line in head[1:] if not line.startswith("Date"))
        assert {name.lower(): value for name, value in headers.items()} == {
            "content-type": 'multipart/x-mixed-replace;boundary="socketio"',
            "transfer-encoding": "chunked",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "x-accel-buffering": "no",
            "access-control-allow-origin": server.url,
            "access-control-allow-credentials": "true",
            "vary": "Origin",
        }
        wire = b"b\r\n--socketio\n\r\n" + f"{len(part('1::')):x}\r\n".encode()
        wire += part("1::") + b"\r\n"
        assert connection.read(len(wire)) == wire


@pytest.mark.parametrize("text", ["plain", "a\nb", "ñ☃💩", "</script>\u2028", '"\\'])
def test_d50_each_packet_is_a_part_as_it_is(client: StreamingClient, text: str) -> None:
    client.open()
    client.socket[""].send(text)
    assert client.chunk() == part(f"3:::{text}")


def test_d50_what_was_queued_before_comes_as_one_payload(
    server: Served, client: StreamingClient
) -> None:
    with CLIENTS["xhr-polling"](server, client.sid).open() as poller:
        poller.send("3:::one", "3:::💩")
        eventually(lambda: poller.socket.outbox_size[0] == 2, "both wait")
        client.listen()
        assert client.chunk() == part("\ufffd7\ufffd3:::one\ufffd6\ufffd3:::💩")


def test_d50_an_unknown_session_is_told_so_in_a_part(server: Served) -> None:
    answer = get(server.port, "/socket.io/1/xhr-multipart/unknown")
    assert answer.code == 200
    assert answer.body.encode() == b"--socketio\n" + part("7:::1+0")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("data=3:::plain", "plain", id="unescaped"),
        pytest.param("data=3%3A%3A%3Aa+b%2Bc", "a b+c", id="plus and space"),
        pytest.param("data=3:::%E2%98%83%F0%9F%92%A9", "☃💩", id="UTF-8"),
        pytest.param("x=1&data=3:::a%26b%0A", "a&b\n", id="other fields"),
    ],
)
def test_d50_posts_are_forms_and_answered_ok(
    client: Client, server: Served, journal: Transcript, body: str, text: str
) -> None:
    client.open()
    answer = post(server.port, client.path, body, FORM)
    assert (answer.code, answer.body, answer.headers["content-length"]) == (200, "ok", "2")
    assert journal.next("message") == (text,)


@pytest.mark.parametrize(
    "body", ["", "3:::x", "d=3:::x", b"data=3:::\xff", "data=3:::%FF", "a=1&" * 1000]
)
def test_a_form_that_cannot_be_read_is_refused_and_harms_nobody(
    client: Client,
    server: Served,
    journal: Transcript,
    caplog: pytest.LogCaptureFixture,
    body: str | bytes,
) -> None:
    client.open()
    answer = post(server.port, client.path, body, FORM)
    assert answer.code == 400
    assert answer.body.startswith("bad payload: ")
    assert caplog.text.count("refused") == 1
    client.send("3:::unharmed")
    assert journal.next("message") == ("unharmed",)


def test_http_1_0_is_refused(server: Served, client: Client) -> None:
    with Connection(server.port) as connection:
        connection.send(f"GET {client.path} HTTP/1.0\r\n\r\n".encode())
        assert connection.answer().code == 505
