"""The README's commands for more than one core, as they are written: clients of two generations,
that poll and that do not, chat whichever worker has them; by a program of the reader's, and by the
demo, which keeps people and history in variables."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from ..support.node import Client, Node, find_client
from ..support.pages import blocks
from ..support.processes import STARTS, Process, free_port, need_module, running
from ..support.redis import RedisServer
from .contract import PYTHON

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = blocks("../README.md")
SECTION = (ROOT / "README.md").read_text("utf-8").partition("## More than one core")[2]
SHOWN = re.findall(r"^```sh\n(.*?)\n```$", SECTION.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
COMMANDS = [each for each in SHOWN if "module:app" in each]
#: In a clone, and on each of several hosts.
DEMO, DEMO_OF_A_HOST = (each for each in SHOWN if "sockio demo" in each)
#: How a program is run that a virtual environment may have under another name, and what it says
#: when it listens.
PROGRAMS = {
    "sockio": (["-m", "sockio.cli"], r"serving on .* by \d workers"),
    "gunicorn": (["-m", "gunicorn"], r"Listening at"),
}
WAYS = [("4.8.4", "polling"), ("2.5.0", "websocket")]
#: So that it is not by chance that they meet.
OF_EACH = 4

#: What the README leaves to its reader.
PROGRAM = """
from flask import Flask, abort, request, session
from sockio import BaseNamespace

{namespace}
app = Flask(__name__)
app.secret_key = "the same in all"

@app.route("/as/<nickname>")
def log_in(nickname):
    session["nickname"] = nickname
    return ""

{view}
"""


def only(language: str, part: str) -> str:
    """The code of the one block with these words in it."""
    (found,) = [each.code for each in BLOCKS if each.language == language and part in each.code]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    need_module("flask", requirement=".[demo]")
    namespace, view = only("python", "class ChatNamespace"), only("python", "@app.route")
    program = PROGRAM.format(namespace=namespace, view=view)
    (tmp_path / "module.py").write_text(program, "utf-8")
    return tmp_path


def cookie_of(port: int, nickname: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=STARTS)
    try:
        connection.request("GET", f"/as/{nickname}")
        (cookie,) = connection.getresponse().headers.get_all("Set-Cookie", [])
    finally:
        connection.close()
    return cookie.partition(";")[0]


def test_the_commands_are_shown() -> None:
    assert [shlex.split(command)[0] for command in COMMANDS] == list(PROGRAMS)
    assert all("--workers 4" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.partition(" ")[0])
def test_two_generations_chat_across_four_workers(command: str, folder: Path, node: Node) -> None:
    port = free_port()
    program, *words = shlex.split(re.sub(r"\b8080\b", str(port), command))
    need_module(program, requirement="gunicorn[gevent]")
    start, said = PROGRAMS[program]
    for version, _way in WAYS:
        find_client(f"socket.io-client-{version}")
    with running([PYTHON, *start, *words], folder, XDG_RUNTIME_DIR=str(folder)) as process:
        process.find(said, STARTS)
        room: dict[str, Client] = {}
        for number in range(OF_EACH):
            for version, way in WAYS:
                name = f"{way}-{number}"
                headers = {"Cookie": cookie_of(port, name)}
                url = f"http://127.0.0.1:{port}/chat"
                room[name] = node.join(version, url, [way], extraHeaders=headers)
        for client in room.values():
            client.next("connect")
        for name, client in room.items():
            assert client.ask("user message", "hello") == [True]
            for other, listener in room.items():
                if other != name:
                    assert listener.next("user message") == [name, "hello"]
        assert "several processes" not in process.output


# ---- The demo


class Demo(NamedTuple):
    process: Process
    port: int

    def log_in(self, nickname: str) -> tuple[int, str]:
        """The status, and the cookie."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STARTS)
        try:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/login", urlencode({"nickname": nickname}), form)
            answer = connection.getresponse()
            (cookie,) = answer.headers.get_all("Set-Cookie") or ["none"]
            return answer.status, cookie.partition(";")[0]
        finally:
            connection.close()


class Person(NamedTuple):
    client: Client
    #: The process that has the client.
    worker: int
    #: What was answered when it entered the lobby.
    lobby: Any


@contextmanager
def demo(line: str, folder: Path, *more: str, **environ: str) -> Iterator[Demo]:
    need_module("flask", requirement=".[demo]")
    port = free_port()
    program, *words = shlex.split(line)
    start, said = PROGRAMS[Path(program).name]
    command = [PYTHON, *start, *words, "--port", str(port), *more]
    with running(command, folder, XDG_RUNTIME_DIR=str(folder), **environ) as process:
        process.find(said, STARTS)
        yield Demo(process, port)


def enter(node: Node, way: tuple[str, str], demo: Demo, nickname: str, cookie: str = "") -> Person:
    version, transport = way
    if not cookie:
        status, cookie = demo.log_in(nickname)
        assert status == 302
    options: dict[str, Any] = {"extraHeaders": {"Cookie": cookie}, "reconnection": False}
    client = node.join(version, f"http://127.0.0.1:{demo.port}/chat", [transport], **options)
    client.next("connect")
    (worker,) = client.next("worker")
    (lobby,) = client.ask("join room", "lobby")
    return Person(client, worker, lobby)


def enter_elsewhere(
    node: Node, way: tuple[str, str], demo: Demo, nickname: str, workers: set[int]
) -> Person:
    """Come until none of these workers has one."""
    cookie = demo.log_in(nickname)[1]
    while (person := enter(node, way, demo, nickname, cookie)).worker in workers:
        person.client.disconnect()
    return person


def say(talker: Person, text: str, *listeners: Person) -> None:
    (answer,) = talker.client.ask("user message", "lobby", text)
    assert set(answer) == {"id", "time"}
    for listener in listeners:
        (message,) = listener.client.next("user message")
        assert (message["text"], message["id"]) == (text, answer["id"])


POLLS, WEBSOCKET = ("2.5.0", "polling"), ("4.8.4", "websocket")


def test_three_lines_bring_up_four_workers_whose_people_chat(tmp_path: Path, node: Node) -> None:
    environment, install, serve = DEMO.splitlines()
    assert (environment, install) == (
        "python3 -m venv .venv",
        ".venv/bin/pip install --quiet '.[demo]'",
    )
    with demo(serve, tmp_path) as served:
        ada = enter(node, POLLS, served, "Ada")
        assert ada.lobby == {"room": "lobby", "people": ["Ada"], "history": []}
        bob = enter_elsewhere(node, WEBSOCKET, served, "bob", {ada.worker})
        assert bob.lobby["people"] == ["Ada", "bob"]
        ada.client.next("joined")
        say(ada, "by polls", bob)
        say(bob, "by a websocket", ada)
        # Each new connection may come to another worker.
        assert {served.log_in("ADA")[0] for _ in range(8)} == {409}

        # Who was with a worker that was killed is not there any more. Each of the others finds that
        # by itself, and then the nickname is free.
        os.kill(ada.worker, signal.SIGKILL)
        (left,) = bob.client.next("left")
        assert left == {"room": "lobby", "nickname": "Ada", "people": ["bob"]}
        while served.log_in("Ada")[0] == 409:
            pass
        # The worker that is there in its place has asked the others what was said.
        served.process.find(r"(?s)(\(pid \d+\) accepts.*){5}", STARTS)
        *others, _ = map(int, re.findall(r"pid (\d+)\) accepts", served.process.output))
        eve = enter_elsewhere(node, POLLS, served, "eve", set(others))
        assert [each["text"] for each in eve.lobby["history"]] == ["by polls", "by a websocket"]
        say(eve, "here again", bob)


def test_the_demo_of_several_hosts_is_one(tmp_path: Path, node: Node) -> None:
    need_module("redis", "hiredis", requirement="sockio-wsgi[redis]")
    secret, *words = shlex.split(DEMO_OF_A_HOST)
    assert secret == "SECRET_KEY=..."
    # The path of a Unix socket may have 107 bytes.
    short = TemporaryDirectory(prefix="redis")
    redis = RedisServer(Path(short.name))
    # Two of each are enough to be several.
    other = {"4": "2", "redis://redis.example.com": redis.url}
    line = shlex.join(other.get(each, each) for each in words)
    folders = [tmp_path / "one", tmp_path / "other"]
    for each in folders:
        each.mkdir()
    try:
        with (
            demo(line, folders[0], SECRET_KEY="shared") as here,
            demo(line, folders[1], SECRET_KEY="shared") as there,
        ):
            ada = enter(node, POLLS, here, "Ada")
            say(ada, "nobody is here yet")
            bob = enter(node, WEBSOCKET, there, "bob")
            ada.client.next("joined")
            # Of a host that has just begun Redis may not know yet: it asks again.
            while not bob.client.ask("join room", "lobby")[0]["history"]:
                pass
            say(ada, "from one host", bob)
            say(bob, "from the other", ada)
            eve = enter_elsewhere(node, WEBSOCKET, there, "eve", {bob.worker})
            expected = [
                ["Ada", "bob", "eve"],
                ["nobody is here yet", "from one host", "from the other"],
            ]
            while expected != [
                (lobby := eve.client.ask("join room", "lobby")[0])["people"],
                [each["text"] for each in lobby["history"]],
            ]:
                pass
            assert there.log_in("ada")[0] == 409
            ada.client.disconnect()
            while bob.client.next("left")[0]["nickname"] != "Ada":
                pass
    finally:
        redis.kill()
        short.cleanup()


def test_what_was_said_outlives_a_rolling_restart(tmp_path: Path, node: Node) -> None:
    """Also where nobody comes to a new worker before the last old one has ended."""
    with demo(DEMO.splitlines()[-1].replace("4", "2"), tmp_path) as served:
        ada = enter(node, WEBSOCKET, served, "Ada")
        say(ada, "before")
        ada.client.disconnect()
        served.process.send(signal.SIGHUP)
        served.process.find("each worker was replaced", STARTS)
        bob = enter(node, WEBSOCKET, served, "bob")
        assert bob.lobby["people"] == ["bob"]
        assert [each["text"] for each in bob.lobby["history"]] == ["before"]
