"""uWSGI with its gevent loop, and what of it the adapter needs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.integrations.uwsgi_websocket import with_websockets

from ..support.node import Node
from ..support.processes import free_port, running
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import open_session, upgrade_request
from ..support.servers import not_ours
from .contract import (
    FOLDER,
    EndingContract,
    PollingContract,
    Served,
    WebSocketContract,
    hear_each_other,
)

pytestmark = pytest.mark.e2e

GEVENT = ("--gevent", "100", "--gevent-monkey-patch")


def find_uwsgi() -> str:
    """The program beside this Python; skips where it is not installed. pip has to compile it, so
    only ``nox -s servers`` insists on it."""
    path = Path(sys.executable).with_name("uwsgi")
    found = str(path) if path.is_file() else shutil.which("uwsgi")
    if found is None:
        missing = "needs uWSGI: pip install uwsgi"
        if "SOCKIO_UWSGI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@contextmanager
def uwsgi(
    *options: str, front: tuple[str, ...] = ("--http-socket",), app: str = "uwsgi_site:application"
) -> Iterator[Served]:
    port = free_port()
    command = [find_uwsgi(), front[0], f"127.0.0.1:{port}", *front[1:], "--master", "--die-on-term"]
    command += ["--need-app", "--module", app, *options]
    if sys.prefix != sys.base_prefix:
        command += ["--virtualenv", sys.prefix]
    with running(command, FOLDER) as process:
        process.find("spawned uWSGI worker 1")
        if front[0] == "--http":
            process.find("spawned uWSGI http 1")
        # Not before can it be told to end.
        assert get(port, "/ready").code == 200
        yield Served(process, port)


class TestHTTPSocket(WebSocketContract):
    # They are in a buffer of uWSGI's that only its own receiving reads, or in the router's.
    keeps_early_frames = False

    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return uwsgi(*GEVENT)

    def test_a_websocket_occupies_no_core(self, server: Served) -> None:
        sockets = [open_session(server.port, "/chat") for _ in range(120)]
        try:
            for each in sockets:
                each.say("3::/chat:hello")
            assert {each.hear() for each in sockets} == {"3::/chat:hello"}
        finally:
            for each in sockets:
                each.close()


class TestRouter(WebSocketContract):
    """uWSGI's own HTTP router in front of the worker, as its documentation has it."""

    keeps_early_frames = False

    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return uwsgi(*GEVENT, front=("--http", "--http-websockets"))


class TestEnding(EndingContract):
    @pytest.fixture
    def doomed(self) -> Iterator[Served]:
        with uwsgi(*GEVENT) as server:
            yield server


@pytest.mark.parametrize(
    "front", [("--http-socket",), ("--http", "--http-websockets")], ids=["worker", "router"]
)
def test_polls_whose_clients_hung_up_occupy_no_core(front: tuple[str, ...]) -> None:
    """Each would for as long as a poll waits, and nobody else would be answered."""
    with uwsgi("--gevent", "5", "--gevent-monkey-patch", front=front) as server:
        for _ in range(12):
            path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
            assert get(server.port, path).body == "1::"
            with Connection(server.port) as poll:
                poll.request("GET", path)
                # It waits, and its session is heard all the same.
                assert post(server.port, path, "2::").body == "1"
        assert get(server.port, "/ready").code == 200


def test_contract_the_connection_is_lent_while_a_poll_waits(
    make_module: Callable[..., Module],
) -> None:
    module = make_module(gevent=b"100", http_socket=b":8080")
    app = with_websockets(site(), module)
    sid = ask(app, environ_of("/socket.io/1/")).partition(":")[0]
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert ask(app, environ_of(path)) == "1::"
    poll = gevent.spawn(ask, app, environ_of(path))
    gevent.sleep(0)
    assert not poll.ready()
    server, client = module.ends
    client.close()
    assert poll.get(timeout=10) == "8::"
    # It is the server's still.
    assert server.fileno() >= 0
    os.fstat(server.fileno())
    module.atexit()  # type: ignore[attr-defined]


def test_a_reload_tells_the_clients() -> None:
    with uwsgi(*GEVENT, "--lazy-apps") as server:
        with open_session(server.port, "/chat") as websocket, Connection(server.port) as poll:
            path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
            assert get(server.port, path).body == "1::"
            poll.request("GET", path)
            websocket.say("3::/chat:both are there")
            assert websocket.hear() == "3::/chat:both are there"
            server.process.send(signal.SIGHUP)
            assert websocket.closing() == 1001
            # The last: uWSGI had not handed it to the worker yet.
            assert poll.answer().body in ("8::", "0::", "7:::1+0")
        server.told("server shutting down")
        with open_session(server.port, "/chat") as websocket:
            websocket.say("3::/chat:again")
            assert websocket.hear() == "3::/chat:again"


def test_the_end_of_the_router_cuts_and_the_namespaces_are_told() -> None:
    """uWSGI ends it before it tells the workers."""
    with uwsgi(*GEVENT, front=("--http", "--http-websockets")) as server:
        with open_session(server.port, "/chat"):
            server.process.stop()
        server.process.find("disconnect: /chat (server shutting down|transport close)")


class TestWithoutTheAdapter(PollingContract):
    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        close = ("--add-header", "Connection: close")
        return uwsgi(*GEVENT, *close, app="chat:application")

    def test_clients_poll_and_the_log_says_why(self, server: Served) -> None:
        offered = get(server.port, "/socket.io/1/").body.split(":")[3]
        assert offered == "htmlfile,xhr-polling,jsonp-polling"
        server.process.find("uWSGI/2.* cannot open websockets .*with_websockets")

    def test_an_upgrade_is_refused_with_a_reason(self, server: Served) -> None:
        with Connection(server.port) as connection:
            path = f"/socket.io/1/websocket/{handshake(server.port)}"
            connection.send(upgrade_request(path, server.port))
            assert connection.answer().code == 501


def test_without_gevent_it_is_said_at_start() -> None:
    with uwsgi("--no-orphans") as server:
        server.process.find("uWSGI runs without its gevent loop: .* Start it with --gevent 1000")
        # The worker waits for a connection and does not listen to signals.
        server.process.kill()


def test_several_processes_are_one_server(node: Node) -> None:
    with uwsgi(*GEVENT, "--processes", "3") as server:
        hear_each_other(server, node)
        assert "runs several processes" not in server.process.output


# ---- the contract between uWSGI's module and the adapter, without uWSGI


class Module:
    """What the adapter uses of the module ``uwsgi``: names and meanings as uWSGI documents them."""

    def __init__(self, **options: bytes | bool) -> None:
        self.opt = {name.replace("_", "-"): value for name, value in options.items()}
        self.numproc = 1
        self.ends = socket.socketpair()
        self.handshakes: list[tuple[str, str]] = []

    def close(self) -> None:
        for end in self.ends:
            end.close()

    def worker_id(self) -> int:
        return 1

    def websocket_handshake(self, key: str = "", origin: str = "", proto: str = "") -> None:
        self.handshakes.append((key, origin))
        self.ends[0].sendall(b"HTTP/1.1 101 Web Socket Protocol Handshake\r\n\r\n")

    def connection_fd(self) -> int:
        return self.ends[0].fileno()


def environ_of(path: str, **more: str) -> dict[str, Any]:
    from webob import Request

    environ: dict[str, Any] = Request.blank(path).environ
    return {**environ, **more}


def ask(app: Any, environ: dict[str, Any]) -> str:
    said: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        said.append(status)
        return said.append

    return b"".join(app(environ, start_response)).decode()


def site() -> SocketIOMiddleware:
    return SocketIOMiddleware(not_ours, {"": BaseNamespace})


@pytest.fixture
def make_module() -> Iterator[Callable[..., Module]]:
    modules: list[Module] = []

    def make(**options: bytes) -> Module:
        modules.append(Module(**options))
        return modules[-1]

    yield make
    for module in modules:
        module.close()


def test_contract_the_connection_outlives_the_request(make_module: Callable[..., Module]) -> None:
    module = make_module(gevent=b"100", http_socket=b":8080")
    app = with_websockets(site(), module)
    sid = ask(app, environ_of("/socket.io/1/")).partition(":")[0]
    upgrade = {
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
        "HTTP_ORIGIN": "http://localhost",
    }
    assert ask(app, environ_of(f"/socket.io/1/websocket/{sid}", **upgrade)) == ""
    assert module.handshakes == [("dGhlIHNhbXBsZSBub25jZQ==", "http://localhost")]
    server, client = module.ends
    server.close()  # as uWSGI does when the request is over
    client.settimeout(10)
    received = b""
    while not received.endswith(b"\x81\x031::"):
        received += client.recv(100)
    module.atexit()  # type: ignore[attr-defined]
    assert client.recv(100) == b"\x88\x02\x03\xe9"


@pytest.mark.parametrize(
    ("options", "environ", "offered"),
    [
        pytest.param({"gevent": b"9"}, {}, True, id="gevent"),
        pytest.param({}, {}, False, id="no gevent"),
        pytest.param({"gevent": b"9", "https_socket": b":1"}, {}, False, id="TLS in the worker"),
        pytest.param({"gevent": b"9", "http11_socket": b":1"}, {}, False, id="kept connections"),
        pytest.param(
            {"gevent": b"9", "https_socket": b":1"}, {"UWSGI_ROUTER": "http"}, True, id="router"
        ),
    ],
)
def test_contract_websocket_is_offered_where_it_works(
    make_module: Callable[..., Module],
    options: dict[str, bytes],
    environ: dict[str, str],
    offered: bool,
) -> None:
    app = with_websockets(site(), make_module(**options))
    assert ("websocket" in ask(app, environ_of("/socket.io/1/", **environ))) is offered


def test_contract_outside_uwsgi_nothing_changes() -> None:
    app = site()
    assert with_websockets(app) is app
