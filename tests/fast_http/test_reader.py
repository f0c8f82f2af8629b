"""Requests out of bytes: httptools says what they mean, the reader where they end."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("httptools")

from sockio.server.fast_http.reader import MAX_HEAD, RequestReader, Strange

GET = b"GET /socket.io/1/xhr-polling/abc?t=1 HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST /socket.io/1/xhr-polling/abc HTTP/1.1\r\nContent-Length: 5\r\n\r\n3:::x"
EMPTY = b"POST /socket.io/1/xhr-polling/abc HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
UPGRADE = b"GET /w HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def new() -> RequestReader:
    return RequestReader(lambda: {"server": "x"})


def taken(reader: RequestReader) -> list[tuple[str, str, bytes]]:
    """Method, path and body of every request that is complete."""
    requests = []
    while (reader.waiting or reader.unfinished) and (reader.unfinished or reader.head()):
        environ = reader.environ
        body = reader.take()
        if body is None:
            break
        requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], body))
    return requests


PATH = "/socket.io/1/xhr-polling/abc"
STREAM = GET + POST + EMPTY + GET + POST
REQUESTS = [
    ("GET", PATH, b""),
    ("POST", PATH, b"3:::x"),
    ("POST", PATH, b""),
    ("GET", PATH, b""),
    ("POST", PATH, b"3:::x"),
]


def test_requests_that_arrive_in_one_piece() -> None:
    reader = new()
    reader.feed(STREAM)
    assert taken(reader) == REQUESTS
    assert not reader.waiting


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_requests_cut_anywhere(cut: int) -> None:
    reader = new()
    reader.feed(STREAM[:cut])
    requests = taken(reader)
    reader.feed(STREAM[cut:])
    assert requests + taken(reader) == REQUESTS


def test_requests_byte_by_byte() -> None:
    reader = new()
    requests = []
    for number in range(len(STREAM)):
        reader.feed(STREAM[number : number + 1])
        requests += taken(reader)
    assert requests == REQUESTS


def test_the_environ_of_a_request_is_its_own() -> None:
    reader = new()
    reader.feed(GET + POST)
    assert reader.head()
    first = reader.environ
    assert reader.take() == b""
    assert reader.head()
    assert first == {
        "server": "x",
        "REQUEST_METHOD": "GET",
        "PATH_INFO": PATH,
        "QUERY_STRING": "t=1",
        "HTTP_HOST": "a.example",
    }
    assert reader.environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_HOST" not in reader.environ


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        pytest.param("X-A:  b c \t", {"HTTP_X_A": "b c"}, id="space around a value"),
        pytest.param("x-a: \xe9", {"HTTP_X_A": "\xe9"}, id="latin-1"),
        pytest.param("X_A: b", {}, id="an underscore, which would pass for a dash"),
        pytest.param("X-A: 1\r\nx-a: 2", {"HTTP_X_A": "1,2"}, id="told twice"),
        pytest.param("Cookie: a\r\nCookie: b", {"HTTP_COOKIE": "a; b"}, id="two cookies"),
        pytest.param("Content-Type: a/b", {"CONTENT_TYPE": "a/b"}, id="the type"),
        pytest.param(f"{'x' * 100}: a", {f"HTTP_{'X' * 100}": "a"}, id="a long name"),
    ],
)
def test_headers_as_pywsgi_has_them(headers: str, found: dict[str, str]) -> None:
    reader = new()
    reader.feed(f"GET / HTTP/1.1\r\n{headers}\r\n\r\n".encode("latin-1"))
    assert reader.head()
    usual = {"server", "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"}
    assert {k: v for k, v in reader.environ.items() if k not in usual} == found


STRANGE = [
    pytest.param(b"\x16\x03\x01\x02", id="TLS"),
    pytest.param(b"hello\r\n\r\n", id="no request"),
    pytest.param(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", id="empty lines first"),
    pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="HTTP/1.0"),
    pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", id="bare line feeds"),
    pytest.param(b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", id="a folded header"),
    pytest.param(b"GET / HTTP/1.1\r\nA : b\r\n\r\n", id="space before the colon"),
    pytest.param(b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", id="a bare carriage return"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", id="2 CL"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", id="a length with a sign"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na", id="a list of lengths"),
    pytest.param(
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        id="length and chunks",
    ),
    pytest.param(b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD, id="endless headers"),
]


@pytest.mark.parametrize("data", STRANGE)
def test_what_is_not_plainly_right_is_left_whole(data: bytes) -> None:
    reader = new()
    reader.feed(data)
    with pytest.raises(Strange):
        reader.head()
    assert reader.rest() == data


@pytest.mark.parametrize("data", STRANGE)
def test_also_when_it_comes_byte_by_byte_behind_a_good_one(data: bytes) -> None:
    reader = new()
    reader.feed(POST)
    assert taken(reader) == [("POST", PATH, b"3:::x")]
    for fed in range(1, len(data) + 1):
        reader.feed(data[fed - 1 : fed])
        try:
            assert not reader.head()
        except Strange:
            assert reader.rest() == data[:fed]
            return
    raise AssertionError("it was taken")


def test_what_follows_an_upgrade_is_not_read_as_http() -> None:
    reader = new()
    reader.feed(UPGRADE + b"\x81\x85frames")
    assert reader.head()
    assert reader.upgrade
    assert reader.take() == b""
    assert reader.rest() == b"\x81\x85frames"


def test_after_a_refused_upgrade_http_goes_on() -> None:
    reader = new()
    reader.feed(UPGRADE + GET)
    assert reader.head()
    assert reader.take() == b""
    assert taken(reader) == [("GET", PATH, b"")]


def test_a_body_of_a_megabyte_in_pieces() -> None:
    reader = new()
    body = bytes(range(256)) * 4096
    data = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body + GET
    found: list[Any] = []
    for start in range(0, len(data), 16384):
        reader.feed(data[start : start + 16384])
        found += taken(reader)
    assert found == [("POST", "/x", body), ("GET", PATH, b"")]
