"""One process, one port, as Tornado does it for Django: pages of a WSGI application and sockets
side by side, started by one command, each session in the log."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sockio import BaseNamespace
from sockio.testing import Browser, LiveServer, ManualRuntime

from ..examples.programs import Program, running

SITE = """
from sockio import BaseNamespace, SocketIOMiddleware

def pages(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page of the framework"]

class Echo(BaseNamespace):
    def recv_connect(self):
        self.emit("opened")

    def recv_message(self, text):
        self.send(text)

    def recv_disconnect(self, reason):
        print("closed:", reason)

app = SocketIOMiddleware(pages, {"/hello": Echo})
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    (tmp_path / "site_of_mine.py").write_text(SITE)
    command = [sys.executable, "-m", "sockio.cli", "serve", "site_of_mine:app", "--port", "0"]
    with running(command, tmp_path) as program:
        yield program


def test_td01_td02_pages_and_sockets_share_a_process_and_a_port(program: Program) -> None:
    with Browser(program.tells(r"serving on (http://[\d.:]+)")) as browser:
        assert browser.get("/any/page").text == "a page of the framework"
        client = browser.connect("/hello")
        client.expect("opened")
        client.send("hello")
        assert client.expect_message() == "hello"
        client.disconnect()
        program.tells(r"closed: (client namespace disconnect)")
    assert program.stop() == 0


def test_td03_the_log_says_of_each_session_how_long_it_was_over_what_and_how_much(
    program: Program,
) -> None:
    with Browser(program.tells(r"serving on (http://[\d.:]+)")) as browser:
        client = browser.connect("/hello", transport="xhr-polling")
        client.send("hello")
        assert client.expect_message() == "hello"
        client.of("").disconnect()
        opened = program.tells(
            r"(INFO +sockio\.socket: open \S+… connected xhr-polling 127\.0\.0\.1)"
        )
        closed = program.tells(r"(INFO +sockio\.socket: close .*)")
    assert opened
    assert re.search(
        r"disconnected xhr-polling 127\.0\.0\.1: client disconnect after \d+\.\d s, 3 in, 4 out, "
        r"0 bad, 0 dropped$",
        closed,
    ), closed


def test_td03_the_time_is_that_of_the_session(
    sockio_serve: Callable[..., LiveServer],
    sockio_clock: ManualRuntime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sockio.socket")
    server = sockio_serve(namespaces={"": BaseNamespace}, runtime=sockio_clock)
    client = server.connect()
    sockio_clock.advance(12)
    client.drop()
    # Its own line: a server of an earlier test may be ending still.
    line = f"close {client.handshake.sid[:6]}"
    server.wait_until(lambda: line in caplog.text, "the session is in the log")
    assert "transport close after 12.0 s" in caplog.text


def test_td06_events_find_their_methods(sockio_serve: Callable[..., LiveServer]) -> None:
    class Sums(BaseNamespace):
        def on_add(self, one: int, other: int) -> int:
            return one + other

    assert sockio_serve(namespaces={"/sums": Sums}).connect("/sums").call("add", 1, 2) == 3
