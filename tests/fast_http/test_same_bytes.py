"""Every answer is the same, to the byte, whether the event loop gives it or gevent.pywsgi."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from ..support.raw_http import handshake
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served
from .conftest import Raw, complete, counted, normal

ORIGIN = "Origin: http://a.example\r\n"
STRANGER = "Origin: http://stranger.example\r\n"
CLOSE = "Connection: close\r\n"
PREFLIGHT = ORIGIN + "Access-Control-Request-Method: POST\r\n"

PATHS = [
    "/socket.io/",
    "/socket.io/1",
    "/socket.io/1/",
    "/socket.io/1/?jsonp=3",
    "/socket.io/1/?jsonp=alert",
    "/socket.io/2/",
    "/socket.io/1/nothing/abc",
    "/socket.io/1/xhr-polling/unknown",
    "/socket.io/1/jsonp-polling/unknown?i=2",
    "/socket.io/1/htmlfile/unknown",
    "/socket.io/1/websocket/unknown",
    "/socket.io/1//unknown/?disconnect=1",
    "/socket.io/socket.io.js",
    "/socket.io/1/%78hr-polling/unknown",
    "/socket.iox",
    "/another?a=b",
    "http://a.example/socket.io/1/",
]

HEADERS = [
    pytest.param("", id="plain"),
    pytest.param(ORIGIN, id="origin"),
    pytest.param(STRANGER, id="stranger"),
    pytest.param("Referer: http://stranger.example/x\r\n", id="referer"),
    pytest.param(CLOSE, id="close"),
    pytest.param(ORIGIN + CLOSE, id="origin and close"),
    pytest.param("Connection: keep-alive, close\r\n", id="in two minds"),
    pytest.param("Expect: 100-continue\r\n", id="expects"),
    pytest.param(PREFLIGHT, id="preflight"),
]


def answered(server: Served, data: bytes, answers: int = 1) -> bytes:
    raw = Raw(server.port)
    raw.send(data)
    try:
        return normal(raw.until_quiet(answers))
    finally:
        raw.close()


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_without_a_session(fast: Served, slow: Served, method: str, headers: str) -> None:
    body = "3:::x" if method == "POST" else ""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    for path in PATHS:
        top = f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n{headers}{length}"
        data = f"{top}\r\n{body}".encode()
        # No body is read here, so nobody is told to continue.
        assert answered(fast, data) == answered(slow, data), path


BODIES = [
    pytest.param("3:::hello ☃", id="one packet"),
    pytest.param("\ufffd5\ufffd3:::a\ufffd5\ufffd3:::b", id="two packets"),
    pytest.param("", id="none"),
    pytest.param("\ufffdx", id="no payload"),
    pytest.param("nonsense", id="no packet"),
    pytest.param("2::", id="a heartbeat"),
]


@pytest.mark.parametrize("headers", ["", ORIGIN, CLOSE], ids=["plain", "origin", "close"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile"])
def test_a_conversation(
    fast: Served, slow: Served, transport: str, body: str, headers: str
) -> None:
    """Poll, POST, poll; over one connection if it is kept."""
    said = {}
    for server in (fast, slow):
        sid = handshake(server.port)
        path = f"/socket.io/1/{transport}/{sid}?t=1&i=4"
        top = f"{path} HTTP/1.1\r\nHost: a.example\r\n{headers}"
        data = body.encode()
        if transport == "jsonp-polling":
            data = urlencode({"d": json.dumps(body)}).encode()
            top += "Referer: http://a.example/\r\n"
        post = f"POST {top}Content-Length: {len(data)}\r\n\r\n".encode() + data
        get = f"GET {top.replace(transport, 'xhr-polling')}\r\n".encode()
        requests = [get, post] if "3:::" not in body else [get, post, get]
        said[server] = [answered(server, each) for each in requests]
    assert said[fast] == said[slow]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="as they are"),
        pytest.param({"Connection": "keep-alive, Upgrade"}, id="Firefox"),
        pytest.param({"Upgrade": "WebSocket"}, id="another case"),
        pytest.param({"Sec-WebSocket-Version": "8"}, id="a draft"),
        pytest.param({"Sec-WebSocket-Version": "12"}, id="a version that is none"),
        pytest.param({"Sec-WebSocket-Key": "short"}, id="a bad key"),
        pytest.param({"Sec-WebSocket-Key": None}, id="no key"),
        pytest.param({"Upgrade": "h2c"}, id="another protocol"),
        pytest.param({"Connection": "close"}, id="not asked for"),
        pytest.param({"Origin": "http://stranger.example"}, id="a stranger"),
    ],
)
def test_an_upgrade(fast: Served, slow: Served, headers: dict[str, Any]) -> None:
    said = {}
    for server in (fast, slow):
        path = f"/socket.io/1/websocket/{handshake(server.port)}"
        said[server] = answered(server, upgrade_request(path, 80, headers))
    expected = said[slow].partition(b"\r\n\r\n")
    assert said[fast].partition(b"\r\n\r\n") == expected or (
        # The first frame may have come with the answer, or not.
        expected[0].startswith(b"HTTP/1.1 101")
        and said[fast].partition(b"\r\n\r\n")[0] == expected[0]
    )


GARBLED = [
    pytest.param(b"GET /socket.io/1/ HTTP/1.0\r\n\r\n", id="HTTP/1.0"),
    pytest.param(b"GET /socket.io/1/\r\n\r\n", id="HTTP/0.9"),
    pytest.param(b"GET /socket.io/1/ HTTP/2.0\r\n\r\n", id="HTTP/2.0"),
    pytest.param(b"BREW /socket.io/1/ HTTP/1.1\r\n\r\n", id="a method of its own"),
    pytest.param(b"hello, world\r\n\r\n", id="no request"),
    pytest.param(b"GET /socket.io/1/ HTTP/1.1\nHost: a\n\n", id="bare line feeds"),
    pytest.param(b"GET /socket.io/1/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", id="a folded header"),
    pytest.param(b"GET /socket.io/1/ HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="no length"),
    pytest.param(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", id="a long request line"),
    pytest.param(
        b"GET /socket.io/1/ HTTP/1.1\r\nCookie: " + b"x" * 30000 + b"\r\n\r\n", id="long headers"
    ),
    pytest.param(
        b"POST /socket.io/1/xhr-polling/x HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        id="a large body",
    ),
    pytest.param(
        b"POST /socket.io/1/xhr-polling/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\n3:::x\r\n0\r\n\r\n",
        id="a body in chunks",
    ),
]


@pytest.mark.parametrize("data", GARBLED)
def test_what_is_odd(fast: Served, slow: Served, data: bytes) -> None:
    expected = answered(slow, data)
    assert answered(fast, data) == expected


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param("Content-Length: 5\r\nContent-Length: 5", id="a length twice"),
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked", id="a length and chunks"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 5", id="chunks and a length"),
        pytest.param("Content-Length: 5, 5", id="a list of lengths"),
    ],
)
@pytest.mark.parametrize("path", ["/socket.io/1/xhr-polling/x", "/other"])
def test_a_request_whose_end_is_a_matter_of_taste_is_the_last(
    fast: Served, path: str, lengths: str
) -> None:
    """Here the two differ: pywsgi answers the request that may be smuggled behind it."""
    smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"
    raw = Raw(fast.port)
    raw.send(f"POST {path} HTTP/1.1\r\n{lengths}\r\n\r\n0\r\n\r\n".encode() + smuggled)
    received = raw.to_the_end()
    raw.close()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert complete(received) == 1
    assert counted(fast)[:2] == (0, 0)
