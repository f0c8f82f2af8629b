"""The body of a POST: whole or nothing, bounded in size and in time."""

from __future__ import annotations

import gc
import io
import logging
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import pytest
from webob import Response

from sockio import BaseNamespace
from sockio.transports.taking_in import PACKETS_PER_TURN

from ..support.bodies import ByteByByte, Endless, ImpatientRuntime, Reset, Stream, Untouchable
from ..support.echo import heard
from ..support.raw_http import get, handshake, post
from ..support.servers import Served
from ..support.transcript import eventually
from ..support.wsgi_client import Poll, PollingClient, frame

Connect = Callable[..., PollingClient]


def messages(client: PollingClient) -> list[Any]:
    """What the client's POSTs said, as its namespace heard it."""
    return [what[2] for what in heard(client.socket) if what[1] == "message"]


def send(
    client: PollingClient, stream: io.BytesIO, length: object = None, **environ: Any
) -> Response:
    """POST a body that is read from ``stream``; without ``length`` it is chunked."""
    request = client.blank(client.url, "POST", **environ)
    request.environ["wsgi.input"] = stream
    if length is None:
        del request.environ["CONTENT_LENGTH"]
        request.environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        request.environ["CONTENT_LENGTH"] = str(length)
    # Not through the validator, which stops at what some of these requests say.
    response = request.get_response(client.app)
    client.runtime.settle()
    return response


@pytest.fixture
def client(connect: Connect) -> PollingClient:
    client = connect(max_payload=1000).open()
    client.environ["SERVER_SOFTWARE"] = (
        "gevent/26.9 Python/3.13"  # which does not say that it closes
    )
    return client


def is_unharmed(client: PollingClient) -> bool:
    """Whether the session goes on as if nothing had been, and nothing of the body was handled."""
    before = messages(client)
    client.post("3:::still here")
    return before == [] and messages(client) == ["still here"] and client.poll().waiting


# ---- Bodies as they should be

BODIES = [
    pytest.param(b"3:::hello", ["hello"], id="a packet"),
    pytest.param(frame("3:::a", "3:::b").encode(), ["a", "b"], id="a payload"),
    pytest.param("\ufffd5\ufffd3:::a".encode(), ["a"], id="a framed single packet"),
    pytest.param(b"3:::one\ntwo\r\nthree\n", ["one\ntwo\r\nthree\n"], id="line ends"),
    pytest.param(
        frame("3:::one\n", "3:::\ntwo").encode(), ["one\n", "\ntwo"], id="line ends in a payload"
    ),
    pytest.param("3:::ñ☃💩".encode(), ["ñ☃💩"], id="characters of all widths"),
    pytest.param("3:::in \ufffd it".encode(), ["in \ufffd it"], id="a mark inside a packet"),
    pytest.param(b"3::", [""], id="an empty message"),
    pytest.param(b"", [], id="an empty body"),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
@pytest.mark.parametrize("stream", [Stream, ByteByByte], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_d53_a_body_is_read_whole(
    client: PollingClient,
    body: bytes,
    expected: list[str],
    stream: type[Stream],
    chunked: bool,
) -> None:
    response = send(client, stream(body), None if chunked else len(body))
    assert (response.status, response.text) == ("200 OK", "1")
    assert messages(client) == expected


def test_what_follows_the_body_belongs_to_the_next_request(client: PollingClient) -> None:
    stream = Stream(b"3:::helloPOST /next HTTP/1.1")
    assert send(client, stream, len(b"3:::hello")).text == "1"
    assert messages(client) == ["hello"]
    assert stream.take(4) == b"POST"


def test_without_a_length_there_is_no_body(client: PollingClient) -> None:
    # The environ of a request with neither header: reading would wait for the next request.
    request = client.blank(client.url, "POST")
    del request.environ["CONTENT_LENGTH"]
    request.environ["wsgi.input"] = Untouchable()
    assert request.get_response(client.app).text == "1"


# ---- Too large


def test_a_body_as_large_as_the_limit_is_taken(client: PollingClient) -> None:
    text = "x" * 996
    assert client.post(f"3:::{text}").text == "1"
    assert messages(client) == [text]


@pytest.mark.parametrize("length", [1001, 100_000_000_000, 10**17])
@pytest.mark.parametrize("known", [True, False], ids=["known session", "unknown session"])
def test_a_declared_length_over_the_limit_is_refused_unread(
    client: PollingClient, length: int, known: bool
) -> None:
    sid = client.sid
    if not known:
        client.sid = "x" * 20
    response = send(client, Untouchable(), length)
    assert response.status_code == 413
    assert "1000 bytes" in response.text
    assert response.headers["Connection"] == "close", "nobody reads the rest of it"
    client.sid = sid
    assert is_unharmed(client)


def test_other_servers_say_themselves_that_they_close(client: PollingClient) -> None:
    client.environ["SERVER_SOFTWARE"] = "waitress"  # which fails over an application that says it
    response = send(client, Untouchable(), 1001)
    assert response.status_code == 413
    assert "Connection" not in response.headers


def test_a_chunked_body_over_the_limit_is_read_to_the_limit_and_refused(
    client: PollingClient,
) -> None:
    stream = Stream(b"3:::" + b"x" * 1_000_000)
    response = send(client, stream)
    assert response.status_code == 413
    assert response.headers["Connection"] == "close"
    assert stream.asked == 1001
    assert is_unharmed(client)


# ---- Cut short

CUT = [
    pytest.param(b"3:::hel", id="inside a packet"),
    pytest.param(frame("3:::a", "3:::b").encode(), id="between two packets"),
    pytest.param("3:::☃".encode()[:-1], id="inside a character"),
    pytest.param(b"", id="before it began"),
]


@pytest.mark.parametrize("body", CUT)
@pytest.mark.parametrize("stream", [Stream, ByteByByte, Reset], ids=["EOF", "bytes", "reset"])
def test_a_truncated_body_is_handled_not_at_all(
    client: PollingClient, body: bytes, stream: type[Stream]
) -> None:
    response = send(client, stream(body), len(body) + 5)
    assert response.status_code == 400
    assert response.headers["Connection"] == "close"
    assert is_unharmed(client)


# ---- Not in time


@pytest.fixture
def runtime() -> ImpatientRuntime:
    return ImpatientRuntime()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_that_never_ends_is_given_up_after_the_close_timeout(
    connect: Connect, runtime: ImpatientRuntime, chunked: bool
) -> None:
    client = connect(close_timeout=30)
    client.environ["SERVER_SOFTWARE"] = "gevent/26.9 Python/3.13"
    client.open()
    keeping = client.poll()
    poster = gevent.spawn(send, client, Endless(b"3:::hel"), None if chunked else 100)
    runtime.advance(19)
    client.poll()  # the session is alive meanwhile
    runtime.advance(10.9)
    assert not poster.ready()
    runtime.advance(0.2)
    response = poster.get(timeout=30)
    assert response.status_code == 408
    assert response.headers["Connection"] == "close"
    assert keeping.packets == ["8::"]
    assert is_unharmed(client)


# ---- What is no body

GARBAGE = [
    pytest.param(b"\xff", id="no UTF-8"),
    pytest.param("3:::☃".encode()[:-1], id="half a character"),
    pytest.param(frame("3:::a").encode() + b"\xed\xa0\xbd", id="half a surrogate pair"),
    pytest.param("\ufffd-4\ufffd".encode(), id="a negative length"),
    pytest.param("\ufffd\ufffd3:::a".encode(), id="no length"),
    pytest.param("\ufffd5".encode(), id="only a length"),
    pytest.param("\ufffd".encode(), id="only a mark"),
    pytest.param("\ufffd1e1\ufffd3:::a".encode(), id="a length with an exponent"),
    pytest.param("\ufffd٥\ufffd3:::a".encode(), id="a length in Arabic digits"),
    pytest.param("\ufffd99999999999\ufffd3:::a".encode(), id="a length of eleven digits"),
    pytest.param("\ufffd6\ufffd3:::a".encode(), id="a length past the end"),
    pytest.param("\ufffd4\ufffd3:::a".encode(), id="a length before the end"),
    pytest.param("\ufffd5\ufffd3:::a3:::b".encode(), id="something left over"),
    pytest.param("\ufffd5\ufffd3:::💩".encode(), id="a length that cuts a surrogate pair"),
]


@pytest.mark.parametrize("body", GARBAGE)
@pytest.mark.parametrize("behind", [b"", "\ufffd5\ufffd3:::a".encode()], ids=["alone", "behind"])
def test_d51_and_d54_what_cannot_be_taken_apart_is_refused_whole(
    client: PollingClient, body: bytes, behind: bytes
) -> None:
    response = client.post_body(behind + body)
    assert response.status_code == 400
    assert response.text.startswith("bad payload: ")
    assert is_unharmed(client)


def test_more_packets_than_allowed_in_one_body_are_refused(connect: Connect) -> None:
    client = connect(max_packets=10)
    client.open()
    assert client.post(*["3:::x"] * 10).status_code == 200
    refused = client.post(*["3:::y"] * 11)
    assert (refused.status_code, "more than 10 packets" in refused.text) == (400, True)
    assert messages(client) == ["x"] * 10


LENGTHS = ["abc", "-1", "+9", "1e3", "0x10", "9 9", "9" * 30, "\u00b2"]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_content_length_that_is_no_number_is_refused_unread(
    client: PollingClient, length: str
) -> None:
    response = send(client, Untouchable(), length)
    assert (response.status_code, response.text) == (400, "bad Content-Length")
    assert response.headers["Connection"] == "close"
    assert is_unharmed(client)


BAD_PACKETS = [
    pytest.param("garbage", id="no packet"),
    pytest.param("9::", id="no such type"),
    pytest.param('5:::{"name":', id="broken JSON"),
    pytest.param("5:::" + "[" * 400, id="deep JSON"),
    pytest.param('5:::{"name":"say","args":NaN}', id="NaN"),
]


@pytest.mark.parametrize("packet", BAD_PACKETS)
def test_a_bad_packet_in_a_good_payload_costs_nothing_but_itself(
    client: PollingClient, packet: str
) -> None:
    assert client.post("3:::before", packet, "3:::behind").text == "1"
    assert messages(client) == ["before", "behind"]
    assert client.socket.bad_packets == 1
    assert client.poll().packets == ["7::"]


# ---- More than the handlers can take


class Slow(BaseNamespace):
    """Handles one message each time it is told to."""

    def recv_connect(self) -> None:
        self.session["may go on"] = gevent.event.Event()

    def recv_message(self, data: str) -> None:
        self.session["may go on"].wait()
        self.session.setdefault("heard", []).append(("", "message", data))


def flood(client: PollingClient) -> None:
    """One message that is being handled, and as many waiting as may."""
    for number in range(4):
        assert client.post(f"3:::{number}").text == "1"


def test_a_post_waits_while_the_handlers_are_busy(connect: Connect) -> None:
    client = connect({"": Slow}, max_inbox=3)
    client.open()
    flood(client)
    post = Poll(gevent.spawn(client.post, "3:::4"))
    client.runtime.settle()
    assert post.waiting
    client.socket.session["may go on"].set()
    client.runtime.settle()
    assert post.answer.text == "1"
    assert messages(client) == ["0", "1", "2", "3", "4"]


def test_many_packets_in_one_body_let_others_in(connect: Connect) -> None:
    client = connect({"": Slow})
    client.open()
    seen = []

    def look() -> None:
        seen.append(len(client.socket.dispatcher.inbox.items))  # type: ignore[attr-defined]
        if len(seen) < 50:
            client.runtime.run(look)

    client.socket.session["may go on"].set()
    client.runtime.run(look)
    many = 3 * PACKETS_PER_TURN
    assert client.post(*["3:::x"] * many).text == "1"
    assert 0 < max(seen) <= PACKETS_PER_TURN + 1
    client.runtime.settle()
    assert len(messages(client)) == many


def test_a_post_that_waited_for_the_close_timeout_is_refused_and_nothing_of_it_handled(
    connect: Connect,
) -> None:
    client = connect(
        {"": Slow}, max_inbox=3, close_timeout=0.1, heartbeat_interval=0.05, polling_duration=0.05
    )
    client.open()
    flood(client)
    assert client.post("3:::4").status_code == 503
    client.socket.session["may go on"].set()
    client.runtime.settle()
    assert messages(client) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
def test_p1_a_body_that_makes_no_sense_leaves_nothing_for_the_garbage_collector(
    serve: Callable[..., Served], without: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can make thousands: the garbage collector would stop everything to free them."""
    caplog.set_level(logging.CRITICAL, "sockio")
    server = serve(namespaces={"": BaseNamespace}, without=without)
    sid = handshake(server.port)
    path = f"/socket.io/1/xhr-polling/{sid}"
    known = weakref.ref(server.registry.sockets[sid])
    assert get(server.port, path).body == "1::"
    gc.disable()
    try:
        assert post(server.port, path, "\ufffd9\ufffdx").code == 400
        assert get(server.port, f"{path}?disconnect").code == 200
        eventually(lambda: known() is None, "it is freed")
    finally:
        gc.enable()
