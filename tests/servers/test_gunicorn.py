"""gunicorn with each worker that has gevent in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from sockio.server.tls_records import RECORDS

from ..support.node import Client, Node
from ..support.processes import need_module, running
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import open_session, upgrade_request
from ..support.tls import make_certificate
from ..support.tls_client import in_pieces
from ..support.transcript import eventually
from .contract import (
    FOLDER,
    PYTHON,
    EndingContract,
    PollingContract,
    Served,
    WebSocketContract,
    hear_each_other,
)

pytestmark = pytest.mark.e2e

OURS = "sockio.integrations.gunicorn_worker.GeventSocketIOWorker"


@contextmanager
def gunicorn(
    worker: str,
    *options: str,
    app: str = "chat:application",
    program: tuple[str, ...] = ("-m", "gunicorn"),
    **environ: str,
) -> Iterator[Served]:
    need_module("gunicorn", "packaging", requirement="gunicorn[gevent]")
    command = [PYTHON, *program, "-k", worker, "--bind", "127.0.0.1:0", "--graceful-timeout", "5"]
    with running([*command, *options, app], FOLDER, **environ) as process:
        port = int(process.find(r"Listening at: \w+://127\.0\.0\.1:(\d+)")[1])
        process.find("Booting worker")
        yield Served(process, port)
        # Without the seconds that a graceful end takes; those tests that are about it have had it.
        process.send(signal.SIGQUIT)


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


def test_whoever_is_gone_does_not_keep_a_worker_from_its_end() -> None:
    with gunicorn(OURS, "--graceful-timeout", "600") as server, Connection(server.port) as half:
        # To be told that it has ended, and never asks again.
        assert get(server.port, "/socket.io/?EIO=3&transport=polling").code == 200
        path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
        half.send(f"POST {path} HTTP/1.1\r\nHost: any\r\nContent-Length: 100\r\n\r\n5::".encode())
        server.process.send(signal.SIGTERM)
        assert server.process.wait() == 0


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


def test_d77_several_workers_that_do_not_know_each_other_are_complained_about_with_the_fix() -> (
    None
):
    with gunicorn("gevent_pywsgi", "--workers", "2") as server:
        handshake(server.port)
        server.process.find("runs several processes, .* SOCKIO_MESH")


@pytest.mark.parametrize("worker", [OURS, "gevent_pywsgi"])
def test_several_workers_are_one_server(worker: str, node: Node) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Ours find each other by themselves.
        environ: Any = {} if worker == OURS else {"SOCKIO_MESH": f"{folder}/m"}
        with gunicorn(worker, "--workers", "3", **environ) as server:
            hear_each_other(server, node)
            assert "runs several processes" not in server.process.output


def test_an_unwrapped_application_decides_in_its_view(node: Node) -> None:
    with gunicorn(OURS, app="view:application") as server:
        ada = node.connect(f"{server.url}/chat", "websocket")
        ada.next("connect")
        assert ada.ask("echo", 1) == [1]
        assert get(server.port, "/page").body == "|/page"


def test_a_kept_connection_is_given_up_after_keepalive() -> None:
    with gunicorn(OURS, "--keep-alive", "1") as server:
        for path in ("/page", "/socket.io/1/"):
            with Connection(server.port) as kept:
                assert kept.ask("GET", path).code == 200
                assert kept.ask("GET", path).code == 200
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


# ---- Both ways, from the event loop and through pywsgi

BOTH_WAYS = pytest.mark.parametrize("without", ["", "http"], ids=["fast", "slow"])
SCHEME = {"X-Forwarded-Proto": "https"}


def handshakes(port: int, headers: dict[str, str]) -> None:
    """One of each generation."""
    for query in ("1/?t=%20&a=b", "?EIO=4&transport=polling&a=b"):
        assert get(port, f"/socket.io/{query}", headers).code == 200


def environs(server: Served, many: int = 2) -> list[dict[str, Any]]:
    """What the view of environs.py has seen."""
    server.process.find(f"(?s)(environ: .*?){{{many}}}")
    return [json.loads(found) for found in re.findall(r"environ: (.*)", server.process.output)]


def test_a_view_sees_the_same_on_both_ways() -> None:
    seen = []
    headers = {"Cookie": "a=b", "X-Odd_Name": "1", "Accept": "*/*", **SCHEME}
    for without in ("", "http"):
        with gunicorn(OURS, app="environs:application", WITHOUT=without) as server:
            handshakes(server.port, headers)
            seen.append(environs(server))
    for short, long in zip(*seen, strict=True):
        assert short.pop("sockio.connection") == "there"
        assert short == long
        assert short["wsgi.url_scheme"] == "https"
        assert short["REMOTE_ADDR"] == "127.0.0.1"
        assert {"RAW_URI", "gunicorn.sock"} <= short.keys()


@BOTH_WAYS
def test_headers_that_disagree_about_the_scheme_are_refused(without: str) -> None:
    with gunicorn(OURS, app="environs:application", WITHOUT=without) as server:
        two = {**SCHEME, "X-Forwarded-Ssl": "off"}
        assert get(server.port, "/socket.io/1/", two).code == 400
        assert get(server.port, "/page", two).code == 400
        assert get(server.port, "/page", {**SCHEME, "X-Forwarded-Ssl": "on"}).code == 200


def test_tls_is_pywsgis(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    files = ("--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile))
    with gunicorn(OURS, *files, app="environs:application") as server:
        handshake(server.port, tls=certificate.client_context())
        (seen,) = environs(server, 1)
        with Connection(server.port) as connection:
            connection.send(in_pieces(b"\x01\x00\xff\xff" + bytes(RECORDS)))
            server.process.find("too-many-records")
    assert seen["wsgi.url_scheme"] == "https"
    assert "sockio.connection" not in seen


# Before another option: its own value need not be given.
PROXY = ("--proxy-protocol", "--keep-alive", "30")
HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n"


@BOTH_WAYS
def test_the_proxy_protocol_says_who_asks(without: str) -> None:
    with gunicorn(OURS, *PROXY, app="environs:application", WITHOUT=without) as server:
        with Connection(server.port) as connection:
            connection.send(HEADER[:5])
            # The rest comes late.
            handshakes(server.port, SCHEME)
            connection.send(HEADER[5:])
            for path in ("/socket.io/1/", "/page"):
                assert connection.ask("GET", path, headers=SCHEME).code == 200
        plain, _, behind = environs(server, 3)
    assert behind.pop("PROXY_PROTOCOL") == "TCP4"
    assert (behind.pop("PROXY_ADDR"), behind.pop("PROXY_PORT")) == ("192.0.2.8", "443")
    assert behind["REMOTE_ADDR"] == "192.0.2.7"
    assert behind.keys() == plain.keys()
    # Of the proxy, which is on this machine.
    assert behind["wsgi.url_scheme"] == "https"


def test_not_everybody_may_speak_the_proxy_protocol() -> None:
    with gunicorn(OURS, *PROXY, "--proxy-allow-from", "192.0.2.1") as server:
        for header in (HEADER, b"PROXY nonsense\r\n"):
            with Connection(server.port) as connection:
                connection.send(header)
                assert connection.answer().code == 400
                assert connection.at_end()
        assert get(server.port, "/page").code == 200


FORMAT = (
    "line: %(h)s %(m)s %(U)s %(q)s %(H)s %(s)s %(f)s %(a)s "
    "%({x-mark}i)s %({content-type}o)s %({RAW_URI}e)s"
)


@BOTH_WAYS
def test_the_access_log_is_gunicorns(without: str) -> None:
    log = ("--access-logfile", "-", "--access-logformat", FORMAT)
    with gunicorn(OURS, *log, app="environs:application", WITHOUT=without) as server:
        page = f"http://127.0.0.1:{server.port}/"
        marks = {"X-Mark": "m", "Referer": page, "User-Agent": "me"}
        sid = handshake(server.port, "?a=b")
        poll = f"/socket.io/1/xhr-polling/{sid}"
        assert get(server.port, poll, marks).code == 200
        assert post(server.port, poll, "1::/chat", marks).code == 200
        with open_session(server.port, "/chat"):
            pass
        assert get(server.port, "/socket.io/2/").code == 500
        assert get(server.port, "/page", marks).code == 200
        server.process.find("line: .* /page")
        lines = re.findall("line: (.*)", server.process.output)
    text, plain = "text/plain; charset=UTF-8", "text/plain"
    rest = f"HTTP/1.1 200 {page} me m {text} {poll}"
    websocket = next(line for line in lines if " 101 " in line)
    assert re.fullmatch(
        r"127\.0\.0\.1 GET (\S+/websocket/\S+)  HTTP/1\.1 101 - - - - \1", websocket
    )
    assert [line for line in lines if line is not websocket] == [
        f"127.0.0.1 GET /socket.io/1/ a=b HTTP/1.1 200 - - - {text} /socket.io/1/?a=b",
        f"127.0.0.1 GET {poll}  {rest}",
        f"127.0.0.1 POST {poll}  {rest}",
        f"127.0.0.1 GET /socket.io/1/  HTTP/1.1 200 - - - {text} /socket.io/1/",
        f"127.0.0.1 GET /socket.io/2/  HTTP/1.1 500 - - - {text} /socket.io/2/",
        f"127.0.0.1 GET /page  HTTP/1.1 200 {page} me m {plain} /page",
    ]


def test_hooks_for_each_request_are_called() -> None:
    with gunicorn(OURS, "--config", "gunicorn_hooks.py") as server:
        assert get(server.port, "/socket.io/1/?a=b", {"X-Mark": "m"}).code == 200
        server.process.says("pre: GET /socket.io/1/ a=b m")
        server.process.says("post: /socket.io/1/ 200 OK False")
        assert get(server.port, "/refused").code == 500
        server.process.says("post: /refused 500 Internal Server Error False")
        assert get(server.port, "/page").code == 200
        server.process.find("Exception in post_request hook")


# ---- How many


def test_worker_connections_bounds_polls_and_no_websockets() -> None:
    with gunicorn(OURS, "--worker-connections", "3", "--keep-alive", "30") as server:
        websockets = [open_session(server.port, "/chat") for _ in range(5)]
        polls = [f"/socket.io/1/xhr-polling/{handshake(server.port)}" for _ in range(3)]
        held = []
        for path in polls:
            assert get(server.port, path).body == "1::"
            held.append(Connection(server.port))
            held[-1].request("GET", path)
            # What is answered now was sent behind it: it is no idle connection any more.
            websockets[0].say("3::/chat:behind it")
            assert websockets[0].hear() == "3::/chat:behind it"
        with Connection(server.port) as late:
            late.request("GET", "/page")
            server.process.find("too-many-connections")
            held.pop().close()
            assert late.answer().code == 200
        for poll in held:
            poll.close()
        for websocket in websockets:
            websocket.say("3::/chat:still here")
            assert websocket.hear() == "3::/chat:still here"
            websocket.close()


@BOTH_WAYS
def test_max_requests_are_counted_on_both_ways(without: str) -> None:
    with gunicorn(OURS, "--max-requests", "8", app="environs:application", WITHOUT=without) as one:
        with Connection(one.port) as kept:
            assert kept.ask("GET", "/page").code == 200
            sid = kept.ask("GET", "/socket.io/1/").body.partition(":")[0]
            path = f"/socket.io/1/xhr-polling/{sid}"
            assert kept.ask("GET", path).body == "1::"
            for _ in range(4):
                assert kept.ask("POST", path, "2::").code == 200
            assert "Autorestarting" not in one.process.output
            assert kept.ask("POST", path, "2::").code == 200
            one.process.find("Autorestarting worker after current request")
        one.process.find("(?s)Booting worker.*Worker exiting.*Booting worker")
        handshake(one.port)


# ---- Generations of workers

STATUS = ("--access-logfile", "-", "--access-logformat", "status %(s)s %(r)s")


def everybody(node: Node, url: str) -> list[Client]:
    """Clients of each generation, who come back by themselves."""
    old: dict[str, Any] = {"reconnect": True, "reconnection_delay": 50}
    later: dict[str, Any] = {
        "reconnection": True,
        "reconnectionDelay": 50,
        "reconnectionDelayMax": 500,
    }
    chat = f"{url}/chat"
    clients = [node.connect(chat, each, **old) for each in ("websocket", "xhr-polling")]
    for client in clients:
        client.next("connect")
    return [
        *clients,
        node.arrive("2.5.0", chat, ["polling", "websocket"], **later),
        node.arrive("4.8.4", chat, ["polling"], **later),
        node.arrive("4.8.4", chat, ["websocket"], **later),
    ]


def all_come_back(
    server: Served, clients: list[Client], leaving: int, tell: Callable[[], object]
) -> None:
    """... when ``tell`` has been called and so many workers have left, while others ask for
    pages."""
    codes = []

    def go_on() -> None:
        while True:
            codes.append(get(server.port, "/page").code)
            gevent.sleep(0.1)

    left = server.process.output.count("Worker exiting") + leaving
    tell()
    others = gevent.spawn(go_on)
    for client in clients:
        client.next("disconnect")
        client.next("reconnect")
    server.process.find(f"(?s)(Worker exiting.*?){{{left}}}")
    # One of several may have taken in whom another had sent away, and gone then.
    eventually(lambda: all(each.is_there for each in clients), "everybody is back")
    others.kill()
    for client in clients:
        assert client.ask("echo", "again") == ["again"]
    # Pages not even a worker that goes refuses.
    assert set(codes) == {200}
    assert re.findall(r"status 5(?!03)\d\d .*", server.process.output) == []
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("workers", ["1", "2"])
def test_everybody_comes_back_after_a_reload(node: Node, workers: str) -> None:
    with gunicorn(OURS, "--workers", workers, *STATUS) as server:
        clients = everybody(node, server.url)
        all_come_back(server, clients, int(workers), lambda: server.process.send(signal.SIGHUP))


def test_everybody_comes_back_after_max_requests(node: Node) -> None:
    with gunicorn(OURS, "--max-requests", "100", *STATUS) as server:
        clients = everybody(node, server.url)
        for times in (1, 2):

            def use_up(times: int = times) -> None:
                while server.process.output.count("Autorestarting") < times:
                    assert get(server.port, "/page").code == 200

            all_come_back(server, clients, 1, use_up)


def test_everybody_comes_back_after_an_exchange_of_masters(node: Node) -> None:
    with gunicorn(OURS, *STATUS, program=("gunicorn_command.py",)) as server:
        clients = everybody(node, server.url)
        server.process.send(signal.SIGUSR2)
        new = server.process.find(r"(?s)Booting worker.*\[(\d+)\] \[INFO\] Starting gunicorn")[1]
        try:
            server.process.find("(?s)Booting worker.*Booting worker")
            all_come_back(server, clients, 1, lambda: server.process.send(signal.SIGTERM))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(new), signal.SIGTERM)
