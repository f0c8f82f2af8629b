"""gunicorn with each worker that has gevent in it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from ..support.node import Node
from ..support.processes import need_module, running
from ..support.raw_http import Connection, get, handshake
from ..support.raw_websocket import open_session, upgrade_request
from .contract import (
    FOLDER,
    PYTHON,
    EndingContract,
    PollingContract,
    Served,
    WebSocketContract,
)

pytestmark = pytest.mark.e2e

OURS = "sockio.integrations.gunicorn_worker.GeventSocketIOWorker"


@contextmanager
def gunicorn(worker: str, *options: str, app: str = "chat:application") -> Iterator[Served]:
    need_module("gunicorn", "packaging", requirement="gunicorn[gevent]")
    command = [PYTHON, "-m", "gunicorn", "-k", worker, "--bind", "127.0.0.1:0"]
    with running([*command, "--graceful-timeout", "5", *options, app], FOLDER) as process:
        port = int(process.find(r"Listening at: \w+://127\.0\.0\.1:(\d+)")[1])
        process.find("Booting worker")
        yield Served(process, port)


class TestOurs(WebSocketContract):
    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return gunicorn(OURS)


class TestOursEnding(EndingContract):
    @pytest.fixture(params=["chat:application", "chat:wrapped_again"])
    def doomed(self, request: pytest.FixtureRequest) -> Iterator[Served]:
        with gunicorn(OURS, "--keep-alive", "30", app=request.param) as server:
            yield server

    def test_gs15_a_reload_moves_clients_to_the_new_worker(self, doomed: Served) -> None:
        with open_session(doomed.port, "/chat") as websocket:
            doomed.process.send(signal.SIGHUP)
            assert websocket.closing() == 1001
        doomed.told("server shutting down")
        with open_session(doomed.port, "/chat") as websocket:
            websocket.say("3::/chat:again")
            assert websocket.hear() == "3::/chat:again"


class TestPywsgi(WebSocketContract):
    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return gunicorn("gevent_pywsgi")


class TestGeventWebSocket(WebSocketContract):
    asks_first = False

    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return gunicorn("geventwebsocket.gunicorn.workers.GeventWebSocketWorker")


class TestPlainGevent(PollingContract):
    """gunicorn's own HTTP under gevent, which has no way to upgrade."""

    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return gunicorn("gevent")

    def test_websocket_is_not_offered_and_the_log_says_why_once(self, server: Served) -> None:
        offered = {get(server.port, "/socket.io/1/").body.split(":")[3] for _ in range(2)}
        assert offered == {"htmlfile,xhr-polling,jsonp-polling"}
        server.process.find("cannot open websockets .* Run gunicorn with -k gevent_pywsgi")
        assert server.process.output.count("cannot open websockets for a WSGI application") == 1

    def test_an_upgrade_is_refused_with_a_reason(self, server: Served) -> None:
        with Connection(server.port) as connection:
            path = f"/socket.io/1/websocket/{handshake(server.port)}"
            connection.send(upgrade_request(path, server.port))
            assert connection.answer().code == 501


def test_threads_are_said_to_be_no_place_for_clients() -> None:
    with gunicorn("gthread", "--threads", "4") as server:
        handshake(server.port)
        server.process.find("does not run requests as greenlets.*sockio serve")


@pytest.mark.parametrize("worker", [OURS, "gevent_pywsgi"])
def test_d77_several_workers_are_complained_about_once_with_the_fix(worker: str) -> None:
    with gunicorn(worker, "--workers", "2") as server:
        handshake(server.port)
        server.process.find("runs several processes, .* SOCKIO_MESH")
        if worker == OURS:
            assert server.process.output.count("runs several processes") == 1


def test_an_unwrapped_application_decides_in_its_view(node: Node) -> None:
    with gunicorn(OURS, app="view:application") as server:
        ada = node.connect(f"{server.url}/chat", "websocket")
        ada.next("connect")
        assert ada.ask("echo", 1) == [1]
        assert get(server.port, "/page").body == "|/page"


def test_a_kept_connection_is_given_up_after_keepalive() -> None:
    with gunicorn(OURS, "--keep-alive", "1") as server, Connection(server.port) as kept:
        assert kept.ask("GET", "/page").code == 200
        assert kept.ask("GET", "/page").code == 200
        assert kept.at_end()


def test_silent_connections_do_not_keep_others_out() -> None:
    """As many as there are places: the oldest of them leave theirs."""
    with gunicorn(OURS, "--worker-connections", "5") as server:
        silent = [Connection(server.port) for _ in range(10)]
        for _ in range(3):
            assert get(server.port, "/page").code == 200
        for each in silent:
            each.close()


def test_heads_are_limited_and_strict() -> None:
    with gunicorn(OURS, "--access-logfile", "-") as server:
        for data, code in (
            (b"GET /page HTTP/1.1\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n", 431),
            (b"GET /page HTTP/1.1\r\nfoo\r\n\r\n", 400),
            (b"POST /page HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ):
            with Connection(server.port) as connection:
                connection.send(data)
                assert connection.answer().code == code
                assert connection.at_end()
        assert get(server.port, "/page").code == 200
        assert "Traceback" not in server.process.output


def test_who_asks_within_the_grace_gets_what_waits() -> None:
    with gunicorn(OURS) as server:
        path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
        with Connection(server.port) as kept:
            assert kept.ask("GET", path).body == "1::"
            # Its echo waits for the next poll.
            assert kept.ask("POST", path, "1::/chat").body == "1"
            server.process.send(signal.SIGTERM)
            server.process.find("Handling signal: term")
            assert "1::/chat" in get(server.port, path).packets
