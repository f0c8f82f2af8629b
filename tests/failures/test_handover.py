"""Servers of several workers that are replaced, with the setting ``recovery``: nobody misses
anything, nor hears it twice."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from sockio import Emitter

from ..servers.contract import FOLDER, PYTHON, Served
from ..servers.test_gunicorn import OURS, gunicorn
from ..support.node import Client, Node, SharedNode
from ..support.processes import STARTS, running
from ..support.raw_http import Connection
from ..support.redis import RedisServer
from ..support.transcript import eventually
from .test_rolling import back, rolled

SITE = FOLDER / "handover_site.py"
#: Seconds between two numbers.
PAUSE = 0.005


@pytest.fixture
def node(shared_node: SharedNode) -> Iterator[Node]:
    yield from shared_node.use()


class Talker:
    """Has numbers said by whichever worker there is, one after the other."""

    def __init__(self, port: int) -> None:
        #: The numbers that each worker has said, for sure.
        self.said: dict[int, list[int]] = defaultdict(list)
        #: Those of which that is not known.
        self.unsure: set[int] = set()
        self._port = port
        self._over = False
        self._numbers = itertools.count()
        self._task = gevent.spawn(self._run)

    def _run(self) -> None:
        while not self._over:
            number = next(self._numbers)
            try:
                with Connection(self._port) as connection:
                    answer = connection.ask("GET", f"/say/{number}")
                if answer.code == 200:
                    self.said[int(answer.body)].append(number)
            except (EOFError, OSError):
                self.unsure.add(number)
            gevent.sleep(PAUSE)

    @property
    def count(self) -> int:
        return sum(map(len, self.said.values()))

    def goes_on(self, number: int) -> None:
        until = self.count + number
        eventually(lambda: self.count >= until, "more is said", 60)

    def stop(self) -> None:
        self._over = True
        self._task.get()


def everybody(node: Node, url: str) -> list[Client]:
    """Those who may come back, and do so at once."""
    soon: dict[str, Any] = {"reconnectionDelay": 10, "reconnectionDelayMax": 100}
    old: dict[str, Any] = {
        "reconnect": True,
        "reconnection_delay": 20,
        "reconnection_limit": 200,
        "max_reconnection_attempts": 1000,
    }
    found = []
    for ways in (["websocket"], ["polling"], ["polling", "websocket"]):
        found.append(node.arrive("4.8.4", f"{url}/chat", ways, reconnection=True, **soon))
    token = "the-token-of-one-of-0.9"
    found.append(node.connect(f"{url}/chat?recovery={token}", "xhr-polling", **old))
    found[-1].next("connect")
    return found


def heard_by(client: Client) -> list[tuple[int, int]]:
    # Clients since 4.6 are handed the offset as well.
    return [(args[0], args[1]) for args in client.got("number")]


@contextmanager
def nothing_is_missed(server: Served, node: Node) -> Iterator[Talker]:
    clients = everybody(node, server.url)
    talker = Talker(server.port)
    try:
        talker.goes_on(50)
        yield talker
        talker.goes_on(50)
    finally:
        talker.stop()
    back(clients)
    said = sorted(number for numbers in talker.said.values() for number in numbers)

    def all_have_heard(last: int) -> bool:
        return all(last in [number for _, number in heard_by(each)] for each in clients)

    eventually(lambda: all_have_heard(said[-1]), "the last is heard", 20)
    for client in clients:
        numbers = [number for _, number in heard_by(client)]
        missing = set(said).difference(numbers)
        assert not missing, (client.name, client.got("disconnect"), sorted(missing))
        assert len(set(numbers)) == len(numbers), client.name
        assert set(numbers) <= {*said, *talker.unsure}
        for pid in talker.said:
            by_one = [number for one, number in heard_by(client) if one == pid]
            assert by_one == sorted(by_one)
    output = server.process.output
    assert output.count("began anew") == len(clients)
    assert "Traceback" not in output
    assert "[recovery" not in output


@contextmanager
def serving(folder: Path, **environ: str) -> Iterator[Served]:
    shutil.copy(SITE, folder)
    command = [PYTHON, "-m", "sockio.cli", "serve", "handover_site:application", "--port", "0"]
    command += ["--workers", "3", "--graceful-timeout", "2"]
    with running(command, folder, XDG_RUNTIME_DIR=str(folder), **environ) as process:
        port = int(process.find(r"serving on https?://[^ ]*:(\d+) by", STARTS)[1])
        yield Served(process, port)


def test_serve_hup(tmp_path: Path, node: Node) -> None:
    with serving(tmp_path) as server, nothing_is_missed(server, node) as talker:
        for times in (1, 2):
            server.process.send(signal.SIGHUP)
            rolled(server, r"\[rolled\]", times)
            talker.goes_on(20)


def test_serve_hup_while_other_hosts_talk(tmp_path: Path, node: Node, server: RedisServer) -> None:
    """Somebody who is none of the workers says everything, by Redis, in a namespace in which a new
    worker hears nobody before it has a client there."""
    emitter = Emitter(server.url)
    said = 0
    over = False

    def talk() -> None:
        nonlocal said
        while not over:
            emitter.of("/chat").to("lobby").emit("number", 0, said)
            said += 1
            gevent.sleep(PAUSE)

    with serving(tmp_path, BACKPLANE=server.url) as site:
        clients = everybody(node, site.url)
        site.process.find(r"(began anew[\s\S]*){4}")
        task = gevent.spawn(talk)
        for times in (1, 2):
            site.process.send(signal.SIGHUP)
            rolled(site, r"\[rolled\]", times)
        back(clients)
        over = True
        task.get()
        last = said - 1
        eventually(lambda: all((0, last) in heard_by(each) for each in clients), "the last", 20)
        for client in clients:
            # Once, and in order.
            assert [number for _, number in heard_by(client)] == list(range(said)), client.name
        output = site.process.output
        assert output.count("began anew") == len(clients)
        assert "[recovery" not in output
    emitter.close()


def test_serve_term(tmp_path: Path, node: Node) -> None:
    with serving(tmp_path) as server, nothing_is_missed(server, node) as talker:
        said = re.findall(r"worker (\d+) \(pid (\d+)\) accepts", server.process.output)
        for times, (_, pid) in enumerate(said, 4):
            os.kill(int(pid), signal.SIGTERM)
            rolled(server, r"\[worker-up\]", times)
            talker.goes_on(20)


def test_serve_heirs_are_killed(tmp_path: Path, node: Node) -> None:
    """In the moment in which one is told to end and leaves what it has; those who were there lose
    what they had, and nobody else."""
    with serving(tmp_path) as server:
        said = re.findall(r"worker \d+ \(pid (\d+)\) accepts", server.process.output)
        clients = everybody(node, server.url)
        talker = Talker(server.port)
        talker.goes_on(20)
        here = {int(client.ask("recall")[0][0]): client for client in clients[:3]}
        first = next(iter(here))
        heirs = [int(pid) for pid in said if int(pid) != first]
        os.kill(first, signal.SIGTERM)
        os.kill(heirs[0], signal.SIGKILL)
        talker.goes_on(20)
        talker.stop()
        back(clients)
        mine = [number for _, number in heard_by(here[first])]
        assert len(set(mine)) == len(mine)
        assert "Traceback" not in server.process.output


# ---- gunicorn


def gunicorn_of_three(*options: str, **more: Any) -> Any:
    return gunicorn(OURS, "--workers", "3", *options, app="handover_site:application", **more)


def test_gunicorn_hup(node: Node) -> None:
    # For half of that the old ones wait for the new ones.
    with (
        gunicorn_of_three("--graceful-timeout", "30") as server,
        nothing_is_missed(server, node) as talker,
    ):
        for times in (1, 2):
            server.process.send(signal.SIGHUP)
            rolled(server, "Worker exiting", 3 * times)
            talker.goes_on(20)


def test_gunicorn_term(node: Node) -> None:
    with gunicorn_of_three() as server, nothing_is_missed(server, node) as talker:
        workers = re.findall(r"Booting worker with pid: (\d+)", server.process.output)
        for times, pid in enumerate(workers, 1):
            os.kill(int(pid), signal.SIGTERM)
            rolled(server, "Worker exiting", times)
            rolled(server, "Booting worker", 3 + times)
            talker.goes_on(20)


def test_gunicorn_max_requests(node: Node) -> None:
    with (
        gunicorn_of_three("--max-requests", "100", "--max-requests-jitter", "50") as server,
        nothing_is_missed(server, node),
    ):
        rolled(server, "Worker exiting", 5)


def test_gunicorn_usr2(node: Node) -> None:
    program = ("gunicorn_command.py",)
    with (
        gunicorn_of_three(program=program) as server,
        ExitStack() as stack,
        nothing_is_missed(server, node) as talker,
    ):
        server.process.send(signal.SIGUSR2)
        said = r"(?s)Booting worker.*\[(\d+)\] \[INFO\] Starting gunicorn"
        stack.callback(os.kill, int(server.process.find(said)[1]), signal.SIGQUIT)
        rolled(server, "Booting worker", 6)
        talker.goes_on(50)
        server.process.send(signal.SIGTERM)
        rolled(server, "Shutting down: Master", 1)
        talker.goes_on(50)
