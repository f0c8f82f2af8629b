"""The README's class, its view, its two ways to serve and its page, put together as it is written:
a newcomer's application, from an empty folder to two windows that chat."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from ..support.node import NODE_MODULES, find_client
from ..support.pages import blocks
from ..support.processes import STARTS, free_port, need_module, running
from .remote import Browser, Tab

pytestmark = pytest.mark.browser

CLIENT = "socket.io-client-4.8.4"
BLOCKS = blocks("../README.md")
SERVING = r"serving on (http://[\d.]+:\d+)"


def only(language: str, part: str) -> str:
    """The code of the one block with these words in it."""
    (found,) = [each.code for each in BLOCKS if each.language == language and part in each.code]
    return found


NAMESPACE = only("python", "class ChatNamespace")
VIEW = only("python", "@app.route")
PROGRAM = only("python", "monkey.patch_all")
HTML = only("html", "/socket.io/socket.io.js")
SCRIPT = only("js", "io('/chat')")
(COMMAND,) = [
    line for line in only("sh", "--reload").splitlines() if line.startswith("sockio serve")
]

#: What the README leaves to its reader: the pages of the application.
PAGES = """
from flask import Flask, abort, request, session
from sockio import BaseNamespace

{namespace}
app = Flask(__name__)
app.secret_key = "for the test"

@app.route("/as/<nickname>")
def log_in(nickname):
    session["nickname"] = nickname
    return PAGE

{view}
PAGE = {page!r}
"""
SHOWS = "(nickname, text) => { document.body.append(`${nickname}: ${text}; `) }"
IS_DELIVERED = "(delivered) => { document.body.append(`delivered: ${delivered}; `) }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    need_module("watchfiles", requirement=".[reload]")
    find_client(CLIENT)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "socket.io-client").symlink_to(NODE_MODULES / CLIENT)
    script = SCRIPT.replace("(nickname, text) => { ... }", SHOWS)
    script = script.replace("(delivered) => { ... }", IS_DELIVERED)
    assert "..." not in script, "the test knows what the page does in both places"
    page = f"<!doctype html><body>{HTML}<script>{script}</script></body>"
    program = PAGES.format(namespace=NAMESPACE, view=VIEW, page=page)
    (tmp_path / "module.py").write_text(program, "utf-8")
    return tmp_path


def reads(tab: Tab, text: str) -> None:
    tab.wait_for(f'body:has-text("{text}")')


def two_windows_chat(browser: Browser, url: str) -> None:
    ada = browser.open(f"{url}/as/ada", visitor="ada")
    reads(ada, "delivered: true;")
    bob = browser.open(f"{url}/as/bob", visitor="bob")
    reads(bob, "delivered: true;")
    # As the ancestor's: who sends to a room is not told again what it said.
    reads(ada, "delivered: true; bob: hello;")
    stranger = browser.open("about:blank", visitor="stranger")
    stranger.do("goto", f"{url}/socket.io/?EIO=4&transport=polling")
    reads(stranger, "Unauthorized")
    for tab in (ada, bob):
        assert tab.heard("page error") == []


def test_served_by_its_command(browser: Browser, folder: Path) -> None:
    program, *words = shlex.split(COMMAND)
    assert (program, words[-3:]) == ("sockio", ["--port", "8080", "--reload"])
    words[-2] = str(free_port())
    with running([sys.executable, "-m", "sockio.cli", *words], folder) as process:
        two_windows_chat(browser, process.find(SERVING, STARTS)[1])


def test_served_by_a_program_of_ones_own(browser: Browser, folder: Path) -> None:
    first, rest = PROGRAM.split("\n", 1)
    rest, changed = re.subn("port=8080", f"port={free_port()}", rest)
    assert changed == 1
    (folder / "program.py").write_text(f"{first}\nfrom module import app\n{rest}", "utf-8")
    with running([sys.executable, "program.py"], folder) as process:
        port = process.find(SERVING, STARTS)[1].rpartition(":")[2]
        two_windows_chat(browser, f"http://127.0.0.1:{port}")
