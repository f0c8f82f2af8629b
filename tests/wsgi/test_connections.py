"""Many connections, greedy ones, broken ones: the others are served, and the log stays short."""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import socket
import ssl
import struct
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
import gevent.monkey
import gevent.ssl
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from sockio import SocketIOMiddleware
from sockio.runtime.rota import rota_of

from ..support.echo import Echo
from ..support.raw_http import Connection, get, handshake
from ..support.raw_websocket import open_session
from ..support.servers import Served, not_ours
from ..support.tls import make_certificate
from ..support.transcript import eventually
from ..support.ways import WAYS, Way

UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, serve: Callable[..., Served], tmp_path: Path) -> Way:
    return Way(request.param, serve, tmp_path)


# ---- turns


@pytest.mark.parametrize("path", ["/page", "/socket.io/1/"])
def test_who_pipelines_without_end_does_not_keep_others_waiting(way: Way, path: str) -> None:
    """A cooperative socket does not switch while there is something to read."""
    served = Event()
    count = 0

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal count
        count += 1
        if environ["PATH_INFO"] == "/last":
            served.set()
        return not_ours(environ, start_response)

    server = way.serve(app, {"": Echo}, max_unopened=100_000)
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with way.connect() as greedy:

        def read() -> None:
            while greedy.sock.recv(1 << 20):
                pass

        reading = gevent.spawn(read)
        writing = gevent.spawn(greedy.send, request * 2000 + last)
        eventually(lambda: count or len(server.registry.sockets), "it has begun")
        assert get(server.port, "/other", tls=way._tls).code == 200
        assert not served.is_set()
        assert served.wait(60)
        reading.join()
        writing.join()


# ---- places


def test_the_oldest_idle_connections_make_room_for_new_ones(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    server = way.serve(not_ours, {"": Echo}, max_connections=5)
    idle = [way.connect() for _ in range(5)]
    # Whoever has a request under way is not idle.
    for number in range(3):
        assert get(server.port, f"/{number}", tls=way._tls).code == 200
    assert idle[0].at_end()
    assert server.server.connections <= 5
    for each in idle:
        each.close()


def test_nobody_is_accepted_while_all_places_are_used(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    may_end = Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/wait":
            may_end.wait()
        return not_ours(environ, start_response)

    server = way.serve(app, {"": Echo}, max_connections=3)
    busy = [way.connect() for _ in range(3)]
    for each in busy:
        each.request("GET", "/wait")
    with gevent.Timeout(20):
        eventually(lambda: len(server.server.pool or ()) == 3, "all are served")
        late = gevent.spawn(get, server.port, "/late", tls=way._tls)
        eventually(lambda: "too-many-connections" in caplog.text, "it is said")
        may_end.set()
        assert late.get().code == 200
    assert [each.answer().code for each in busy] == [200] * 3
    for each in busy:
        each.close()


@pytest.mark.fast_path("detach")
@pytest.mark.parametrize("without", [[], ["http"]])
def test_websockets_are_counted_until_they_close(
    serve: Callable[..., Served], without: list[str]
) -> None:
    server = serve(not_ours, {"": Echo}, without=without, keep_alive=0.1)
    with open_session(server.port), open_session(server.port):
        eventually(lambda: server.server.connections == 2, "two are open")
    eventually(lambda: server.server.connections == 0, "none is open")


def test_without_descriptors_idle_ones_are_closed_and_accepting_goes_on(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    server = way.serve(not_ours, {"": Echo})
    idle = way.connect()
    eventually(lambda: server.server.connections == 1, "it is there")
    inner: Any = server.server
    listener = inner.socket
    failures = 3

    class Exhausted:
        """The listening socket of a process that has no descriptor left, for three times."""

        def __getattr__(self, name: str) -> Any:
            return getattr(listener, name)

        def _accept(self) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return listener._accept()

    inner.socket = Exhausted()
    try:
        assert get(server.port, "/other", tls=way._tls).code == 200
    finally:
        inner.socket = listener
    assert failures == 0
    assert idle.at_end()
    idle.close()
    assert "no-descriptors" in caplog.text


# ---- TLS


@pytest.fixture
def secured(serve: Callable[..., Served], tmp_path: Path) -> tuple[Served, Any]:
    certificate = make_certificate(tmp_path)
    server = serve(not_ours, {"": Echo}, ssl_context=certificate.server_context())
    return server, certificate.client_context()


def of_debug(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(
        text in each.getMessage() and each.levelno == logging.DEBUG for each in caplog.records
    )


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x02\x01\x00", b""])
def test_what_is_no_tls_is_one_line_at_debug(
    secured: tuple[Served, Any],
    data: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server, tls = secured
    with caplog.at_level(logging.DEBUG, "sockio"):
        with Connection(server.port) as connection:
            connection.send(data)
            connection.sock.shutdown(socket.SHUT_WR)
            while not connection.at_end():
                connection.read(1)
        eventually(lambda: of_debug(caplog, "no TLS with 127.0.0.1") == 1, "it is said")
        assert get(server.port, "/other", tls=tls).code == 200
    # Sessions of tests before it may end meanwhile.
    said = [each for each in caplog.records if each.name == "sockio.http"]
    assert not [each for each in said if each.levelno > logging.DEBUG]
    assert capfd.readouterr().err == ""


def connect_at_once(port: int, *said: bytes) -> list[Any]:
    """Connections on which that was said, made before the server had a turn."""
    made = []
    for data in said:
        # The kernel's own way of connecting: gevent's would let the server go on.
        sock = gevent.monkey.get_original("socket", "socket")()
        sock.connect(("127.0.0.1", port))
        sock.sendall(data)
        made.append(sock)
    return made


def test_who_resets_before_tls_began_is_one_line_at_debug(
    secured: tuple[Served, Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server, tls = secured
    with caplog.at_level(logging.DEBUG, "sockio"):
        for sock in connect_at_once(server.port, b"", b"\x16\x03", b"GET / HTTP/1.1\r\n"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        eventually(lambda: of_debug(caplog, "no TLS with 127.0.0.1") == 3, "they are said")
        assert get(server.port, "/other", tls=tls).code == 200
    # Sessions of tests before it may end meanwhile.
    said = [each for each in caplog.records if each.name == "sockio.http"]
    assert not [each for each in said if each.levelno > logging.DEBUG]
    assert capfd.readouterr().err == ""


def test_handshakes_of_tls_that_come_at_once_take_turns(
    secured: tuple[Served, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tls = secured
    # No time at all: each that is not the first of its turn waits for the next.
    monkeypatch.setattr("sockio.runtime.rota.SLICE", 0.0)
    monkeypatch.setattr("sockio.runtime.workers.SLICE", 0.0)
    rota_of(gevent.get_hub()).until = 0.0
    loop = gevent.get_hub().loop
    turns: list[int] = []
    monkeypatch.setattr(server.server, "handle", lambda *_: None)
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    started = gevent.ssl.SSLSocket.do_handshake

    def noting(sock: Any) -> None:
        turns.append(loop.iteration)
        started(sock)

    monkeypatch.setattr(gevent.ssl.SSLSocket, "do_handshake", noting)
    made = connect_at_once(server.port, *[hello.read()] * 12)
    eventually(lambda: len(turns) == 12, "all have been begun")
    for sock in made:
        sock.close()
    assert max(turns.count(each) for each in turns) <= 2


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_who_goes_while_it_is_written_to_is_no_traceback(
    way: Way, reset: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = Event()

    def endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended.set()

    way.serve(endless, {"": Echo})
    with Connection(way.server.port, way._tls) as connection:
        connection.request("GET", "/other")
        connection.read(1000)
        connection.reset() if reset else connection.close()
        assert ended.wait(20)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_of_who_goes_while_it_is_written_to_nothing_is_left(
    serve: Callable[..., Served], reset: bool
) -> None:
    """Nor is anything left to the garbage collector, as what has its own traceback would be."""
    handlers: list[weakref.ref[Any]] = []

    def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        handlers.append(weakref.ref(start_response.__self__))
        start_response("200 OK", [])
        return [bytes(100_000)] * 100

    server = serve(page, {"": Echo})
    gc.collect()
    gc.disable()
    try:
        with Connection(server.port) as connection:
            connection.request("GET", "/other")
            connection.read(1000)
            connection.reset() if reset else connection.close()
        eventually(lambda: handlers and not any(each() for each in handlers), "it is gone")
    finally:
        gc.enable()


def test_a_websocket_that_goes_while_it_is_written_to_over_tls(
    secured: tuple[Served, Any], caplog: pytest.LogCaptureFixture
) -> None:
    server, tls = secured
    for _ in range(3):
        with open_session(server.port, tls=tls) as websocket:
            eventually(lambda: len(server.registry.sockets) == 1, "it is open")
            (session,) = server.registry.sockets.values()
            for _ in range(500):
                session[""].send("x" * 4000)
            gevent.sleep(0)
            websocket.close()
        eventually(lambda: not server.registry.sockets, "it is over")
    assert "Traceback" not in caplog.text


# ---- odd headers of an upgrade


@pytest.mark.parametrize(
    "line", [b"Cookie: secret=a\x01b", b"X-A: secret\r\n b", b"X-A: secret\0", b"X-A: secret\x7f"]
)
def test_an_upgrade_with_an_odd_header_is_refused(
    way: Way, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = way.serve(not_ours, {"": Echo})
    path = f"/socket.io/1/websocket/{handshake(server.port, tls=way._tls)}"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with way.connect() as connection:
        connection.send(f"GET {path} HTTP/1.1\r\n{UPGRADE}{key}".encode() + line + b"\r\n\r\n")
        assert connection.answer().code == 400
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


# ---- gevent.pywsgi without a handler of ours


@pytest.fixture
def plain() -> Iterable[int]:
    """The port of gevent's own server with the middleware."""
    app = SocketIOMiddleware(not_ours, {"": Echo})
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    assert server.server_port is not None
    yield server.server_port
    app.close()
    server.stop()


def test_an_upgrade_with_an_odd_header_under_plain_pywsgi(
    plain: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/socket.io/1/websocket/{handshake(plain)}"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with Connection(plain) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\n{UPGRADE}{key}Cookie: secret\x01\r\n\r\n".encode())
        answer = connection.answer()
        assert (answer.code, answer.headers["x-sockio-refusal"]) == (400, "bad-header")
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


def test_connection_upgrade_and_no_upgrade_under_plain_pywsgi(plain: int) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(plain)}"
    headers = {"Connection": "Upgrade"}
    assert get(plain, path, headers).body == "1::"
    say = '5:::{"name":"say","args":["x"]}'
    with Connection(plain) as connection:
        answer = connection.ask("POST", path, say, headers)
        # The server would wait for as many bytes again.
        assert (answer.body, answer.headers["connection"]) == ("1", "close")
    assert get(plain, path, headers).body == say.replace("say", "said")
