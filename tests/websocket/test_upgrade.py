"""From an HTTP request to an open websocket, or to a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from webob import Request

from sockio import SocketIOMiddleware

from ..support.raw_http import Answer, Connection, handshake
from ..support.raw_websocket import (
    KEY,
    TEXT,
    RawWebSocket,
    accept_for,
    frame,
    open_session,
    upgrade_request,
)
from ..support.servers import Served, not_ours


def ask(port: int, request: bytes) -> tuple[Answer, Connection]:
    connection = Connection(port)
    connection.send(request)
    return connection.answer(), connection


def path_of(sid: str) -> str:
    return f"/socket.io/1/websocket/{sid}"


def test_the_answer_has_what_the_protocol_asks_for_and_no_more(server: Served) -> None:
    with RawWebSocket(server.port, handshake(server.port)) as websocket:
        status, headers, _ = websocket.upgrade
    assert status == "HTTP/1.1 101 Switching Protocols"
    assert headers.pop("date", None) is not None  # pywsgi's own
    assert {name: value.lower() for name, value in headers.items()} == {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-accept": accept_for(KEY).lower(),
    }
    assert websocket.upgrade.headers["sec-websocket-accept"] == accept_for(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-WebSocket-Version": "13"}, id="version 13"),
        pytest.param({"Sec-WebSocket-Version": "8"}, id="version 8"),
        pytest.param({"Sec-WebSocket-Version": "7"}, id="version 7"),
        pytest.param({"Connection": "keep-alive, Upgrade"}, id="Firefox"),
        pytest.param({"Upgrade": "WebSocket", "Connection": "upgrade"}, id="other capitals"),
        pytest.param(
            {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
            id="extensions are declined",
        ),
        pytest.param({"Sec-WebSocket-Protocol": "chat"}, id="subprotocols are declined"),
    ],
)
def test_what_browsers_send_opens_a_websocket(server: Served, headers: dict[str, str]) -> None:
    sid = handshake(server.port)
    with RawWebSocket(server.port, sid, headers=headers) as websocket:
        assert websocket.hear() == "1::"
        websocket.say("3:::hello")
        assert websocket.hear() == "3:::hello"
    assert not any(name in websocket.upgrade.headers for name in DECLINED)


DECLINED = ("sec-websocket-extensions", "sec-websocket-protocol")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-WebSocket-Key": None}, id="no key"),
        pytest.param({"Sec-WebSocket-Key": "too short"}, id="a key that is none"),
        pytest.param({"Sec-WebSocket-Version": None}, id="no version"),
        pytest.param({"Sec-WebSocket-Version": "12"}, id="a version that never was"),
        pytest.param({"Upgrade": None}, id="Upgrade removed by a proxy"),
        pytest.param({"Connection": "close"}, id="Connection changed by a proxy"),
        pytest.param({"Upgrade": "h2c"}, id="another protocol"),
    ],
)
def test_d66_what_is_no_upgrade_is_refused_with_a_reason(
    server: Served, headers: dict[str, str | None]
) -> None:
    sid = handshake(server.port)
    answer, connection = ask(server.port, upgrade_request(path_of(sid), server.port, headers))
    with connection:
        assert 400 <= answer.code < 500
        assert answer.headers["content-type"].startswith("text/plain")
        assert len(answer.body) > 10
    # It has cost the session nothing.
    with RawWebSocket(server.port, sid) as websocket:
        assert websocket.hear() == "1::"


def test_only_get_opens_a_websocket(server: Served) -> None:
    sid = handshake(server.port)
    request = upgrade_request(path_of(sid), server.port, method="PUT")
    answer, connection = ask(server.port, request)
    with connection:
        assert answer.code == 405


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("http://evil.example", id="another site"),
        pytest.param("null", id="a page without an origin"),
        pytest.param("https://127.0.0.1", id="another scheme and port"),
    ],
)
def test_d60_a_foreign_origin_is_refused_before_the_upgrade(server: Served, origin: str) -> None:
    sid = handshake(server.port)
    request = upgrade_request(path_of(sid), server.port, {"Origin": origin})
    answer, connection = ask(server.port, request)
    with connection:
        assert (answer.code, answer.body) == (403, "handshake bad origin")


def test_the_own_origin_and_allowed_ones_open_a_websocket(start: Callable[..., Served]) -> None:
    server = start(origins=["https://friend.example"])
    for origin in (server.url, "https://friend.example"):
        sid = handshake(server.port)
        with RawWebSocket(server.port, sid, headers={"Origin": origin}) as websocket:
            assert websocket.hear() == "1::"


def test_d72_an_unknown_session_is_told_to_handshake_anew(server: Served) -> None:
    with RawWebSocket(server.port, "no-such-session") as websocket:
        assert websocket.hear() == "7:::1+0"
        assert websocket.closing() == 1000


def test_frames_in_one_segment_with_the_request_are_not_lost(server: Served) -> None:
    sid = handshake(server.port)
    early = frame(TEXT, "1::/chat") + frame(TEXT, '5:1+:/chat:{"name":"echo","args":["early"]}')
    with RawWebSocket(server.port, sid, behind=early) as websocket:
        heard = [websocket.hear() for _ in range(3)]
    assert heard == ["1::", "1::/chat", '6::/chat:1+["early"]']


def test_half_a_frame_in_one_segment_with_the_request_is_not_lost(server: Served) -> None:
    sid = handshake(server.port)
    early = frame(TEXT, "3:::early")
    with RawWebSocket(server.port, sid, behind=early[:4]) as websocket:
        assert websocket.hear() == "1::"
        websocket.send(early[4:])
        assert websocket.hear() == "3:::early"


def test_frames_right_behind_the_answer_are_not_lost(server: Served) -> None:
    """They fall anywhere into the change of hands from the server to the watcher."""
    for number in range(50):
        with RawWebSocket(server.port, handshake(server.port)) as websocket:
            websocket.say(f"3:::{number}")
            websocket.say("3:::again")
            heard = [websocket.hear() for _ in range(3)]
            assert heard == ["1::", f"3:::{number}", "3:::again"]


def test_the_connection_of_a_polling_client_can_be_upgraded(server: Served) -> None:
    """A kept connection: handshake, a poll, and then the websocket on the same."""
    with Connection(server.port) as kept:
        sid = kept.ask("GET", "/socket.io/1/").body.split(":")[0]
        assert kept.ask("GET", f"/socket.io/1/xhr-polling/{sid}").body == "1::"
        kept.send(upgrade_request(path_of(sid), server.port))
        assert kept.answer().code == 101
        echo = b"3:::same connection"
        kept.send(frame(TEXT, echo))
        assert kept.read(2 + len(echo))[2:] == echo


def test_a_server_that_cannot_open_websockets_says_which_can() -> None:
    middleware = SocketIOMiddleware(not_ours, {})
    line = Request.blank("/socket.io/1/").get_response(middleware).text
    request = Request.blank(
        path_of(line.split(":")[0]),
        headers={
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        },
    )
    answer: Any = request.get_response(middleware)
    assert answer.status_code == 501
    assert "gevent.pywsgi" in answer.text
    middleware.close()


def test_the_log_says_how_to_let_websockets_through(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    sid = handshake(server.port)
    request = upgrade_request(path_of(sid), server.port, {"Upgrade": None, "Connection": "close"})
    _, connection = ask(server.port, request)
    connection.close()
    assert "proxy" in caplog.text
    assert sid not in caplog.text


def test_a_short_visit(server: Served) -> None:
    """The whole conversation of a short visit, in the protocol's own words."""
    with open_session(server.port, "/chat") as websocket:
        websocket.say('5:1+:/chat:{"name":"echo","args":["a+b","\u2603"]}')
        assert websocket.hear() == '6::/chat:1+["a+b","\u2603"]'
        websocket.say("0::")
        assert websocket.hear() == "0::"
        assert websocket.closing() == 1000
