"""The README's commands for more than one core, as they are written: clients of two generations,
that poll and that do not, chat whichever worker has them."""

from __future__ import annotations

import re
import shlex
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ..support.node import Client, Node, find_client
from ..support.pages import blocks
from ..support.processes import STARTS, free_port, need_module, running
from .contract import PYTHON

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = blocks("../README.md")
SECTION = (ROOT / "README.md").read_text("utf-8").partition("## More than one core")[2]
COMMANDS = re.findall(r"^```sh\n(.*)\n```$", SECTION.partition("\n## ")[0], re.MULTILINE)
#: How a program is run that a virtual environment may have under another name, and what it says
#: when it listens.
PROGRAMS = {
    "sockio": (["-m", "sockio.cli"], r"serving on .* by 4 workers"),
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
