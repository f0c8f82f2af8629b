"""Two windows of the demo, served by four workers: whose worker is killed is back by itself."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.processes import STARTS, free_port, running
from .remote import CLIENT_JS, NEW_CLIENT_JS, Browser, Tab
from .test_flask_chat import sees, write

pytestmark = pytest.mark.browser

#: Keeps what the line above the messages has said.
WATCH = """() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.getElementById('banner-text').textContent))
        .observe(document.getElementById('banner-text'), { childList: true });
}"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "sockio.cli", "demo", "--workers", "4", "--port", str(port)]
    environ = {
        "SOCKIO_CLIENT_JS": str(NEW_CLIENT_JS),
        "SOCKIO_CLIENT_09_JS": str(CLIENT_JS),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    with running(command, tmp_path, **environ) as process:
        process.find("serving on .* by 4 workers", STARTS)
        yield f"http://127.0.0.1:{port}"


def worker_of(tab: Tab) -> int:
    """The process that the page says it is connected to."""
    tab.wait_for('#connection[data-state=online]:has-text("to worker")')
    text = tab.evaluate("document.getElementById('connection-text').textContent")
    return int(re.findall(r"\d+$", text)[0])


def enter(browser: Browser, url: str, nickname: str, page: str) -> Tab:
    tab = browser.open(f"{url}/login", visitor=nickname)
    tab.do("fill", "#nickname", nickname)
    tab.do("press", "#nickname", "Enter")
    tab.wait_for("#connection[data-state=online]")
    tab.do("goto", url + page)
    return tab


def test_who_loses_a_worker_is_back_with_another(browser: Browser, url: str) -> None:
    ada = enter(browser, url, "Ada", "/?transport=websocket")
    first = worker_of(ada)
    # A visitor with connections of his own, until one comes to another worker.
    for number in itertools.count():
        name = f"bob {number}"
        bob = enter(browser, url, name, "/0.9?transport=xhr-polling")
        if worker_of(bob) != first:
            break
        bob.leave()
    write(ada, "by a websocket")
    sees(bob, "Ada", "by a websocket")
    write(bob, "by polls")
    sees(ada, name, "by polls")

    for lost, who, other in [(ada, "Ada", bob), (bob, name, ada)]:
        lost.evaluate(WATCH)
        # The other one may be with the same worker by now: then both come back.
        killed = worker_of(lost)
        os.kill(killed, signal.SIGKILL)
        lost.wait_for('.system:has-text("The connection was lost, and is back")')
        assert worker_of(lost) != killed
        assert lost.evaluate("window.said") == [
            "Connection lost. Trying to reconnect; what you are writing stays here.",
            "",
        ]
        write(lost, f"back from {killed}")
        sees(other, who, f"back from {killed}")
    for tab in (ada, bob):
        tab.wait_for('#people-list:has-text("Ada")')
        tab.wait_for(f'#people-list:has-text("{name}")')
