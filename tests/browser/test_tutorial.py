"""docs/tutorial.md from an empty folder to two windows that chat, as it is written: each file and
each command of the page, in its order. What would install something is done already."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..support.node import NODE_MODULES, find_client
from ..support.pages import Block, blocks
from ..support.processes import STARTS, Process, free_port, need_module, running
from .remote import Browser, Tab

pytestmark = pytest.mark.browser

CLIENT = "socket.io-client-4.8.4"
BLOCKS = blocks("tutorial.md")
INSTALL, SERVE = (block.code.splitlines() for block in BLOCKS if block.language == "sh")
(SHOWN,) = (block.code.splitlines() for block in BLOCKS if block.language == "text")
FILES = [block for block in BLOCKS if block.name]
#: The files of the chat that lets everybody in; what follows them in the page is the login's.
FIRST, LOGIN = FILES[:3], FILES[3:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands that install lead to."""
    need_module("watchfiles", requirement=".[reload]")
    assert INSTALL == [
        "mkdir chat",
        "cd chat",
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        "pip install '../sockio[reload]' Flask",
        "npm install --prefix . socket.io-client@4",
    ]
    folder = tmp_path / "chat"
    (folder / "node_modules").mkdir(parents=True)
    find_client(CLIENT)
    (folder / "node_modules" / "socket.io-client").symlink_to(NODE_MODULES / CLIENT)
    return folder


def write(folder: Path, files: list[Block]) -> None:
    for file in files:
        (folder / file.name).write_text(file.code, "utf-8")


@contextmanager
def served(folder: Path) -> Iterator[tuple[Process, str]]:
    """The page's command, on a port that is free."""
    (command,) = SERVE
    program, *words = shlex.split(command)
    assert program == "sockio"
    port = str(free_port())
    with running([sys.executable, "-m", "sockio.cli", *words, "--port", port], folder) as process:
        yield process, process.find(r"serving on (http://127\.0\.0\.1:\d+)", STARTS)[1]


def says(tab: Tab, text: str) -> None:
    tab.do("fill", "#text", text)
    tab.do("press", "#text", "Enter")


def sees(tab: Tab, line: str) -> None:
    tab.wait_for(f'#log li:text-is("{line}")')


def nothing_is_wrong(*tabs: Tab) -> None:
    for tab in tabs:
        assert tab.heard("page error") == []
        problems = [text for kind, text in tab.heard("console") if kind in ("error", "warning")]
        assert [text for text in problems if "favicon" not in text and "404" not in text] == []


def test_two_windows_chat(browser: Browser, folder: Path) -> None:
    assert [file.name for file in FIRST] == ["chat.py", "app.py", "page.html"]
    write(folder, FIRST)
    with served(folder) as (_, url):
        one = browser.open(f"{url}/")
        sees(one, "guest 1 is here")
        other = browser.open(f"{url}/")
        sees(one, "guest 2 is here")
        says(one, "hello")
        sees(one, "guest 1: hello")
        sees(other, "guest 1: hello")
        assert one.evaluate("() => document.querySelector('#log').innerText").split("\n") == SHOWN
        nothing_is_wrong(one, other)
        other.leave()
        sees(one, "guest 2 has left")


def test_who_is_not_let_in_reads_what_the_server_answered(browser: Browser, folder: Path) -> None:
    write(folder, FIRST)
    file = folder / "app.py"
    gate = "ChatNamespace}, authorize=lambda request: False)"
    file.write_text(file.read_text("utf-8").replace("ChatNamespace})", gate), "utf-8")
    with served(folder) as (_, url):
        tab = browser.open(f"{url}/")
        sees(tab, 'Not let in: {\\"code\\":4,\\"message\\":\\"handshake unauthorized\\"}')


def test_the_login(browser: Browser, folder: Path) -> None:
    assert [file.name for file in LOGIN] == ["app.py", "login.html", "chat.py"]
    write(folder, [*FIRST, *LOGIN])
    with served(folder) as (_, url):
        ada, bob = (browser.open(f"{url}/", visitor=name) for name in ("ada", "bob"))
        status = ada.evaluate(
            "() => fetch('/socket.io/?EIO=4&transport=polling').then((answer) => answer.status)"
        )
        assert status == 401
        for tab, name in ((ada, "ada"), (bob, "bob")):
            tab.do("fill", "input", name)
            tab.do("press", "input", "Enter")
            sees(tab, f"{name} is here")
        sees(ada, "bob is here")
        says(ada, "hello")
        sees(bob, "ada: hello")
        bob.leave()
        sees(ada, "bob has left")


def test_a_page_that_was_opened_as_a_file(browser: Browser, folder: Path) -> None:
    """As the table there says; all its other rows are in tests/e2e/test_first_hour.py."""
    write(folder, FIRST)
    tab = browser.open("about:blank")
    tab.do("goto", (folder / "page.html").as_uri())
    assert any("io is not defined" in str(error) for error in tab.heard("page error"))
