"""The same over TLS, where a connection can only be read and written by a greenlet that waits."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from sockio.runtime.turnstile import Turnstile
from sockio.server.tls import shake_hands
from sockio.sessions.reasons import Reason
from sockio.transports.framing import close_frame

from ..support.endings import EACH_END
from ..support.engine_client import EngineSession, EngineWire
from ..support.leaks import descriptors
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import (
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    open_session,
)
from ..support.servers import Served
from ..support.slowly import reads_slowly
from ..support.tls import Certificate
from ..support.transcript import PATIENCE, Transcript, eventually
from .conftest import requests

SNOW = "\u2603" * 100_000


@pytest.fixture
def tls(certificate: Certificate) -> ssl.SSLContext:
    return certificate.client_context()


@pytest.fixture
def secure(start: Callable[..., Served], certificate: Certificate) -> Callable[..., Served]:
    """Start a server that speaks TLS."""
    return lambda **settings: start(ssl_context=certificate.server_context(), **settings)


@pytest.fixture
def server(secure: Callable[..., Served]) -> Served:
    return secure()


# ---- Many who come at once


def greeting() -> bytes:
    """What a client says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    return said.read()


def test_who_is_in_is_not_behind_those_who_shake_hands(
    server: Served, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    def as_if_slow(sock: Any, line: Turnstile) -> None:
        begun.append(sock)
        ends = time.thread_time() + 0.001
        while time.thread_time() < ends:
            pass
        shake_hands(sock, line)

    monkeypatch.setattr("sockio.server.server.shake_hands", as_if_slow)
    hello, many = greeting(), 150
    with contextlib.ExitStack() as stack:
        websocket = stack.enter_context(open_session(server.port, "/chat", tls=tls))
        page = stack.enter_context(Connection(server.port, tls=tls))
        page.request("GET", "/")
        assert page.answer().code == 200
        before = requests(server)
        begun.clear()
        comers = [
            stack.enter_context(gevent.socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(many)
        ]
        eventually(lambda: requests(server) == before + many, "all have connected")
        for comer in comers:
            comer.sendall(hello)
        page.request("GET", "/")
        websocket.say('5:1+:/chat:{"name":"echo","args":[1]}')
        assert websocket.hear() == "6::/chat:1+[1]"
        assert page.answer().code == 200
        assert len(begun) < many
        eventually(lambda: len(begun) == many, "they have had their turns")


# ---- Websockets


@pytest.mark.parametrize("handler", [WSGIHandler, WebSocketHandler])
def test_a_conversation(
    secure: Callable[..., Served], tls: ssl.SSLContext, handler: type[WSGIHandler]
) -> None:
    server = secure(handler_class=handler)
    with open_session(server.port, "/chat", tls=tls) as websocket:
        websocket.say('5:1+:/chat:{"name":"echo","args":["a+b","\u2603"]}')
        assert websocket.hear() == '6::/chat:1+["a+b","\u2603"]'
        websocket.send(frame(TEXT, b"3:::\xe2", fin=False) + frame(CONTINUATION, b"\x98\x83"))
        assert websocket.hear() == "3:::\u2603"
        websocket.send(frame(PING, "p"))
        assert websocket.read_frame() == (PONG, b"p", True, 0)
        websocket.say("0::")
        assert websocket.hear() == "0::"
        assert websocket.closing() == 1000
    eventually(lambda: requests(server) == 0, "the request has ended")


@pytest.mark.parametrize("revision", [3, 4])
@pytest.mark.parametrize("handler", [WSGIHandler, WebSocketHandler])
def test_clients_since_1_0(
    secure: Callable[..., Served],
    tls: ssl.SSLContext,
    handler: type[WSGIHandler],
    revision: int,
) -> None:
    server = secure(handler_class=handler)
    with EngineWire(server.port, revision=revision, tls=tls) as wire:
        wire.join()
        wire.say(f'421["size","{SNOW}"]')
        assert wire.hear() == "431[100000]"
        wire.say('452-1["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]')
        wire.say_bytes(b"one")
        wire.say_bytes(b"two")
        wire.hear()
        assert [wire.hear_bytes(), wire.hear_bytes()] == [b"two", b"one"]
        wire.send_close()
    session = EngineSession(server.port, revision, tls=tls)
    held = gevent.spawn(session.get)
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        assert held.get(timeout=PATIENCE) == ["6"]
        wire.say("5")
        wire.say('421["echo","\u2603"]')
        # To a client of 1.x, which reads its polls as it reads this, in ASCII.
        assert json.loads(wire.hear()[3:]) == ["\u2603"]
        wire.send_close()
    session.close()
    eventually(lambda: requests(server) == 0, "the requests have ended")


def test_large_messages_both_ways(server: Served, tls: ssl.SSLContext) -> None:
    with open_session(server.port, tls=tls) as websocket:
        for _ in range(3):
            websocket.say(f"3:::{SNOW}")
            websocket.say("3:::small")
            assert websocket.hear() == f"3:::{SNOW}"
            assert websocket.hear() == "3:::small"


def test_frames_in_one_segment_with_the_request_are_not_lost(
    server: Served, tls: ssl.SSLContext
) -> None:
    """The TLS layer has decrypted them already, so no descriptor becomes readable for them."""
    for _ in range(20):
        sid = handshake(server.port, tls=tls)
        early = frame(TEXT, "3:::one") + frame(TEXT, "3:::two")
        with RawWebSocket(server.port, sid, behind=early, tls=tls) as websocket:
            websocket.say("3:::three")
            heard = [websocket.hear() for _ in range(4)]
        assert heard == ["1::", "3:::one", "3:::two", "3:::three"]


def test_an_origin_must_have_the_scheme_too(server: Served, tls: ssl.SSLContext) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(server.port, tls=tls)}"
    origin = f"https://127.0.0.1:{server.port}"
    assert get(server.port, path, {"Origin": origin}, tls=tls).body == "1::"
    plain = origin.replace("https", "http")
    assert get(server.port, path, {"Origin": plain}, tls=tls).code == 403


@pytest.mark.usefixtures("patient")
@EACH_END
def test_however_it_ends_nothing_is_left(
    server: Served,
    tls: ssl.SSLContext,
    journal: Transcript,
    end: Callable[[RawWebSocket], None],
    reason: str,
) -> None:
    before = descriptors()
    for _ in range(10):
        with open_session(server.port, tls=tls) as websocket:
            end(websocket)
            journal.next("disconnect", "", reason)
    eventually(lambda: not server.registry.sockets, "every session is forgotten")
    eventually(lambda: requests(server) == 0, "every request has ended")
    eventually(lambda: descriptors() <= before, "every descriptor is closed")


def test_half_open_clients_are_cut_on_the_heartbeat_timeout(
    secure: Callable[..., Served], tls: ssl.SSLContext, journal: Transcript
) -> None:
    server = secure(heartbeat_interval=0.1, heartbeat_timeout=0.2)
    with open_session(server.port, tls=tls) as silent:
        journal.next("disconnect", "", Reason.HEARTBEAT_TIMEOUT)
        eventually(lambda: requests(server) == 0, "the request has ended")
        assert silent.hear() == "2::"


def test_who_never_reads_is_closed_at_the_limit(
    secure: Callable[..., Served], tls: ssl.SSLContext, journal: Transcript
) -> None:
    server = secure(max_outbox=(1_000_000, 1_000_000))
    with open_session(server.port, tls=tls) as idle, open_session(server.port, tls=tls) as other:
        socket = server.registry.sockets[idle.sid]
        while socket.connected:
            for _ in range(100):
                socket[""].send("x" * 1000)
            # One greenlet writes for each client, and needs its turn.
            other.say("3:::still here")
            assert other.hear() == "3:::still here"
        journal.next("disconnect", "", Reason.OVERFLOW)
        eventually(lambda: requests(server) == 1, "only the other's request is left")


def test_who_reads_slowly_to_the_end_is_not_cut(
    server: Served, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockio.sessions.lifetime.STREAM_LINGER", 0.3)
    monkeypatch.setattr("sockio.sessions.patience.STEP", 0.01)
    with open_session(server.port, tls=tls) as slow:
        socket = server.registry.sockets[slow.sid]
        socket[""].send("x" * 12_000_000)
        socket.disconnect()
        last = reads_slowly(slow, 12_000_000, monkeypatch)
        assert last.endswith(close_frame(1000))


def test_the_server_stops(server: Served, tls: ssl.SSLContext, journal: Transcript) -> None:
    with open_session(server.port, tls=tls) as websocket:
        server.stop()
        journal.next("disconnect", "", Reason.SHUTDOWN)
        assert websocket.closing() == 1001


# ---- Polling


def test_a_polled_conversation(server: Served, tls: ssl.SSLContext) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(server.port, tls=tls)}"
    with Connection(server.port, tls) as kept:
        assert kept.ask("GET", path).body == "1::"
        kept.request("GET", path)
        assert post(server.port, path, f"3:::{SNOW}", tls=tls).body == "1"
        assert kept.answer().body == f"3:::{SNOW}"


@pytest.mark.greenlets_may_die  # pywsgi reports each TLS connection that is gone when it writes
def test_d55_a_poll_whose_client_hung_up_loses_nothing(server: Served, tls: ssl.SSLContext) -> None:
    """TLS says goodbye before the connection ends, which must not be taken for a request."""
    sid = handshake(server.port, tls=tls)
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert get(server.port, path, tls=tls).body == "1::"
    socket = server.registry.sockets[sid]
    for number in range(10):
        waiting = Connection(server.port, tls)
        assert waiting.ask("GET", "/").body == "app:/"  # nothing is left unread at its end
        waiting.request("GET", path)
        eventually(lambda: socket.hits == 2 * number + 2, "the poll has arrived")  # noqa: B023
        with pytest.raises(ssl.SSLWantReadError):
            waiting.sock._sslobj.shutdown()  # says goodbye, and would wait for the answer
        waiting.close()
        socket[""].send(f"precious {number}")
        assert get(server.port, path, tls=tls).body == f"3:::precious {number}"
