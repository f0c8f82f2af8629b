"""Under gevent-websocket's handler, which upgrades before any application is asked: its connection
is used, its codec is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from geventwebsocket.handler import WebSocketHandler

from sockio.sessions.reasons import Reason

from ..support.endings import EACH_END
from ..support.leaks import NOISE, greenlets
from ..support.raw_http import Connection, get, handshake
from ..support.raw_websocket import (
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    open_session,
    upgrade_request,
)
from ..support.servers import Served, not_ours
from ..support.transcript import Transcript, eventually
from .conftest import requests


def chat_of_their_own(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The wrapped application, with a websocket of its own at /theirs."""
    websocket = environ.get("wsgi.websocket")
    if environ["PATH_INFO"] == "/theirs" and websocket is not None:
        websocket.send("you said " + websocket.receive())
        return []
    return not_ours(environ, start_response)


@pytest.fixture
def server(start: Callable[..., Served]) -> Served:
    return start(chat_of_their_own, handler_class=WebSocketHandler, max_payload=100_000)


def test_the_same_conversation(server: Served) -> None:
    with open_session(server.port, "/chat") as websocket:
        websocket.say('5:1+:/chat:{"name":"echo","args":["a+b","\u2603"]}')
        assert websocket.hear() == '6::/chat:1+["a+b","\u2603"]'
        websocket.send(frame(TEXT, b"3:::\xe2", fin=False) + frame(CONTINUATION, b"\x98\x83"))
        assert websocket.hear() == "3:::\u2603"
        websocket.send(frame(PING, "p"))
        assert websocket.read_frame() == (PONG, b"p", True, 0)
        websocket.say("3:::" + "x" * 70_000)
        assert websocket.hear() == "3:::" + "x" * 70_000
        websocket.say("0::")
        assert websocket.hear() == "0::"
        assert websocket.closing() == 1000


def test_frames_in_one_segment_with_the_request_are_not_lost(server: Served) -> None:
    for _ in range(20):
        early = frame(TEXT, "3:::one") + frame(TEXT, "3:::two")
        with RawWebSocket(server.port, handshake(server.port), behind=early) as websocket:
            websocket.say("3:::three")
            heard = [websocket.hear() for _ in range(4)]
        assert heard == ["1::", "3:::one", "3:::two", "3:::three"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param(frame(TEXT, "3:::x", mask=False), 1002, id="unmasked"),
        pytest.param(frame(TEXT, b"3:::\xff"), 1007, id="bad UTF-8"),
        pytest.param(frame(TEXT, declared=2**33), 1009, id="8 GB, from the header alone"),
    ],
)
def test_its_codec_is_not_used(server: Served, wrong: bytes, code: int) -> None:
    """It would take the first and the last of these, and name no code for the second."""
    with open_session(server.port) as websocket:
        websocket.send(wrong)
        assert websocket.closing() == code


def test_the_close_frame_is_not_doubled(server: Served) -> None:
    """``closing`` sees that nothing comes behind the first."""
    with open_session(server.port) as websocket:
        websocket.send_close(4000, "bye")
        got = websocket.read_frame()
        assert (got.code, got.payload[2:]) == (4000, b"bye")
        assert websocket.at_end()
    with open_session(server.port) as websocket:
        websocket.say('5:::{"name":"kick_me","args":["last words"]}')
        assert [websocket.hear(), websocket.hear()] == ["3:::last words", "0::"]
        assert websocket.closing() == 1000


def test_a_foreign_origin_is_closed_without_a_word(server: Served, journal: Transcript) -> None:
    """The upgrade has been granted before anybody could say no."""
    sid = handshake(server.port)
    headers = {"Origin": "http://evil.example"}
    with RawWebSocket(server.port, sid, headers=headers) as websocket:
        websocket.say("3:::let me in")
        assert websocket.read_frame().opcode == 8
        assert websocket.at_end()
    assert journal.all("connect") == []


def test_an_unknown_session_is_told_to_handshake_anew(server: Served) -> None:
    with RawWebSocket(server.port, "no-such-session") as websocket:
        assert websocket.hear() == "7:::1+0"
        assert websocket.closing() == 1000


def test_other_paths_keep_their_websockets(server: Served) -> None:
    with Connection(server.port) as connection:
        connection.send(upgrade_request("/theirs", server.port))
        assert connection.answer().code == 101
        connection.send(frame(TEXT, "hello"))
        assert connection.read(2 + 14)[2:] == b"you said hello"
    assert get(server.port, "/elsewhere").body == "app:/elsewhere"


@pytest.mark.usefixtures("patient")
@EACH_END
def test_the_request_ends_with_the_connection(
    server: Served, journal: Transcript, end: Callable[[RawWebSocket], None], reason: str
) -> None:
    """It has to wait until then, which costs a greenlet for each client."""
    websockets = [open_session(server.port) for _ in range(10)]
    assert requests(server) >= 10
    for websocket in websockets:
        end(websocket)
        journal.next("disconnect", "", reason)
        websocket.close()
    eventually(lambda: requests(server) == 0, "every request has ended")
    eventually(lambda: not server.registry.sockets, "every session is forgotten")


def test_half_open_clients_are_cut_on_the_heartbeat_timeout(
    start: Callable[..., Served], journal: Transcript
) -> None:
    server = start(handler_class=WebSocketHandler, heartbeat_interval=0.1, heartbeat_timeout=0.2)
    with open_session(server.port) as silent:
        journal.next("disconnect", "", Reason.HEARTBEAT_TIMEOUT)
        eventually(lambda: requests(server) == 0, "the request has ended")
        assert silent.hear() == "2::"
        assert silent.at_end()


def test_nothing_is_left(server: Served, journal: Transcript) -> None:
    def visit() -> None:
        with open_session(server.port, "/chat") as websocket:
            websocket.say("3:::hello")
            websocket.hear()
        journal.next("disconnect", "/chat")

    visit()
    eventually(lambda: requests(server) == 0, "the first request has ended")
    before = greenlets()
    for _ in range(100):
        visit()
    eventually(lambda: requests(server) == 0, "every request has ended")
    eventually(lambda: greenlets() < before + NOISE, "no greenlet is left")
