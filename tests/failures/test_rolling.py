"""Servers that replace their workers while clients of all kinds talk, and more come: everybody is
back within the pause that it makes, no request is answered 5xx but 503, and under ``sockio serve``
no connection is reset."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from ..servers.contract import FOLDER, PYTHON, Served
from ..servers.test_gunicorn import OURS, gunicorn
from ..servers.test_uwsgi import GEVENT, uwsgi
from ..support.node import Client, Node, SharedNode
from ..support.processes import STARTS, running
from ..support.raw_http import Answer, Connection
from ..support.transcript import eventually

#: Seconds that everybody may take to be back: several pauses, on a machine that has much to do.
PATIENCE = 60.0
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
def node(shared_node: SharedNode) -> Iterator[Node]:
    yield from shared_node.use()


class Load:
    """Requests without an end, over kept connections and new ones: pages, sessions that poll."""

    def __init__(self, port: int, tasks: int = 6) -> None:
        self.port = port
        #: How often each status came, and each error: of a connection that is kept, "kept" first.
        self.seen: Counter[int | str] = Counter()
        self._over = False
        # On the connection of each task.
        self._answers = [0] * tasks
        self._tasks = [gevent.spawn(self._run, number) for number in range(tasks)]

    def _run(self, number: int) -> None:
        while not self._over:
            self._answers[number] = 0
            try:
                with Connection(self.port) as connection:
                    if number % 2:
                        self._poll(connection, number)
                    else:
                        self._look(connection, number)
            except (EOFError, OSError) as error:
                # Whoever keeps a connection may have sent when it was given up: that is not sure.
                kept = "kept " if self._answers[number] else ""
                self.seen[kept + type(error).__name__] += 1

    def _look(self, connection: Connection, task: int) -> None:
        for _ in range(10):
            answer = connection.ask("GET", "/page")
            self._saw(task, answer)
            if self._over or answer.headers.get("connection", "").lower() == "close":
                return
            gevent.sleep(0.01)

    def _poll(self, connection: Connection, task: int) -> None:
        """As a client: with a connection for each, where the server keeps none."""
        path, bodies = (
            HANDSHAKE,
            itertools.chain(["", "40/chat,"], itertools.repeat('42/chat,1["echo",1]')),
        )
        for body in itertools.islice(bodies, 12):
            method = "POST" if body else "GET"
            answer = connection.ask(method, path, body)
            self._saw(task, answer)
            if answer.code != 200:
                return
            if not body:
                sid = re.search(r'"sid":"([^"]+)"', answer.body)
                assert sid
                path = f"{HANDSHAKE}&sid={sid[1]}"
            if self._over or answer.headers.get("connection", "").lower() == "close":
                return
            gevent.sleep(0.005)

    def _saw(self, task: int, answer: Answer) -> None:
        self._answers[task] += 1
        self.seen[answer.code] += 1

    def goes_on(self, number: int) -> None:
        until = self.seen[200] + number
        eventually(lambda: self.seen[200] >= until, "more is served", PATIENCE)

    def stop(self) -> None:
        self._over = True
        gevent.joinall(self._tasks, PATIENCE, raise_error=True)


def everybody(node: Node, url: str, times: int) -> list[Client]:
    """Clients of all generations, who come back by themselves within half a second."""
    old: dict[str, Any] = {
        "reconnect": True,
        "reconnection_delay": 50,
        "reconnection_limit": 500,
        "max_reconnection_attempts": 1000,
    }
    later: dict[str, Any] = {"reconnectionDelay": 50, "reconnectionDelayMax": 500}
    later["reconnection"] = True
    chat = f"{url}/chat"
    found = []
    for _ in range(times):
        for way in ("websocket", "xhr-polling"):
            found.append(node.connect(chat, way, **old))
            found[-1].next("connect")
        for version in ("1.7.4", "2.5.0", "3.1.3", "4.8.4"):
            for ways in (["polling"], ["websocket"], ["polling", "websocket"]):
                found.append(node.arrive(version, chat, ways, **later))
    return found


def back(clients: list[Client]) -> None:
    """Wait until everybody is connected."""
    eventually(lambda: all(map(is_back, clients)), "everybody is back", PATIENCE)


def is_back(client: Client) -> bool:
    # One of 0.9 that is told that its session is unknown before it has opened it keeps its goodbye
    # for the next one: it says that as soon as it is back, and stays away.
    return client.is_there or client.got("disconnect")[-1:] == [["booted"]]


def served(clients: list[Client]) -> None:
    for client in clients:
        if client.is_there:
            assert client.ask("echo", "again") == ["again"]


@contextmanager
def loaded(
    server: Served, node: Node, *, resets: bool, times: int = 3
) -> Iterator[tuple[Load, list[Client]]]:
    """Clients and requests; at the end all are there, and have seen nothing that they may not."""
    clients = everybody(node, server.url, times)
    load = Load(server.port)
    try:
        load.goes_on(100)
        yield load, clients
        load.goes_on(100)
    finally:
        load.stop()
    back(clients)
    codes = {each for each in load.seen if isinstance(each, int)}
    # 400: a session whose worker has ended is unknown.
    assert codes <= {200, 400, 503}, load.seen
    if not resets:
        assert all(isinstance(each, int) or each.startswith("kept ") for each in load.seen), (
            load.seen
        )
    assert "Traceback" not in server.process.output


def rolled(server: Served, pattern: str, times: int) -> None:
    """Wait until something was said so many times."""
    said = server.process.said
    said.wait(
        lambda: len(re.findall(pattern, server.process.output)) >= times or None, pattern, PATIENCE
    )


# ---- sockio serve


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    shutil.copy(FOLDER / "chat.py", folder)
    command = [PYTHON, "-m", "sockio.cli", "serve", "chat:application", "--port", "0"]
    command += ["--workers", "3", "--graceful-timeout", "1"]
    with running(command, folder, XDG_RUNTIME_DIR=str(folder)) as process:
        port = int(process.find(r"serving on https?://[^ ]*:(\d+) by", STARTS)[1])
        yield Served(process, port)


def pids(server: Served) -> dict[str, int]:
    said = re.findall(r"worker (\d+) \(pid (\d+)\) accepts", server.process.output)
    return {number: int(pid) for number, pid in said}


def test_serve_hup(tmp_path: Path, node: Node) -> None:
    with serving(tmp_path) as server, loaded(server, node, resets=False) as (load, clients):
        for times in (1, 2):
            server.process.send(signal.SIGHUP)
            rolled(server, r"\[rolled\]", times)
            load.goes_on(50)
            back(clients)
            served(clients)


def test_serve_term_one_by_one(tmp_path: Path, node: Node) -> None:
    with serving(tmp_path) as server, loaded(server, node, resets=False) as (load, clients):
        for times, pid in enumerate([*pids(server).values()], 4):
            os.kill(pid, signal.SIGTERM)
            rolled(server, r"\[worker-up\]", times)
            load.goes_on(50)
            back(clients)
            served(clients)


# ---- gunicorn


def gunicorn_of_three(*options: str, **more: Any) -> Any:
    return gunicorn(OURS, "--workers", "3", "--graceful-timeout", "2", *options, **more)


def test_gunicorn_hup(node: Node) -> None:
    with gunicorn_of_three() as server, loaded(server, node, resets=True) as (load, clients):
        server.process.send(signal.SIGHUP)
        rolled(server, "Worker exiting", 3)
        load.goes_on(50)
        back(clients)
        served(clients)


def test_gunicorn_term_one_by_one(node: Node) -> None:
    with gunicorn_of_three() as server, loaded(server, node, resets=True) as (load, clients):
        said = server.process.output
        workers = re.findall(r"Booting worker with pid: (\d+)", said)
        for times, pid in enumerate(workers, 1):
            os.kill(int(pid), signal.SIGTERM)
            rolled(server, "Worker exiting", times)
            rolled(server, "Booting worker", 3 + times)
            load.goes_on(50)
            back(clients)
            served(clients)


def test_gunicorn_max_requests(node: Node) -> None:
    with (
        gunicorn_of_three("--max-requests", "100", "--max-requests-jitter", "50") as server,
        # Whoever comes back counts, too: with many, that alone would use up the next worker.
        loaded(server, node, resets=True, times=1),
    ):
        rolled(server, "Worker exiting", 5)


def test_gunicorn_usr2(node: Node) -> None:
    with (
        gunicorn_of_three(program=("gunicorn_command.py",)) as server,
        ExitStack() as stack,
        loaded(server, node, resets=True) as (load, clients),
    ):
        server.process.send(signal.SIGUSR2)
        said = r"(?s)Booting worker.*\[(\d+)\] \[INFO\] Starting gunicorn"
        stack.callback(os.kill, int(server.process.find(said)[1]), signal.SIGQUIT)
        rolled(server, "Booting worker", 6)
        load.goes_on(50)
        server.process.send(signal.SIGTERM)
        rolled(server, "Shutting down: Master", 1)
        load.goes_on(50)
        back(clients)
        served(clients)


# ---- uWSGI


def test_uwsgi_reload(node: Node) -> None:
    with (
        uwsgi(*GEVENT, "--processes", "3", "--lazy-apps") as server,
        loaded(server, node, resets=True) as (load, clients),
    ):
        server.process.send(signal.SIGHUP)
        rolled(server, "spawned uWSGI worker", 6)
        load.goes_on(50)
        back(clients)
        served(clients)
