"""The examples without a framework: a chat, and a graph that lives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sockio.testing import Browser, Client, EventFailed

from ..support.node import NODE_MODULES, find_client
from .programs import EXAMPLES, running

CLIENT = "socket.io-client-4.8.4"


@contextmanager
def site(example: str, app: str, **environ: str) -> Iterator[Browser]:
    """A browser in front of an example, which is started as its README says."""
    assert f"sockio serve {app}\n" in (EXAMPLES / example / "README.md").read_text("utf-8")
    command = [sys.executable, "-m", "sockio.cli", "serve", app, "--port", "0"]
    with running(command, EXAMPLES / example, new_session=False, **environ) as program:
        browser = Browser(program.tells(r"serving on (http://\S+)"))
        yield browser
        browser.close()
        assert program.stop() == 0


@pytest.fixture(scope="module")
def chat() -> Iterator[Browser]:
    with site("wsgi_chat", "chat:application") as browser:
        yield browser


@pytest.fixture
def connect(chat: Browser) -> Callable[[], Client]:
    return lambda: chat.connect(generation="eio4", transport="websocket")


def test_people_meet_in_rooms(connect: Callable[[], Client]) -> None:
    ada, bob = connect(), connect()
    assert ada.call("enter", " ada ", "lobby") == "ada"
    assert ada.expect("here").args == [["ada"]]
    assert bob.call("enter", "bob", "lobby") == "bob"
    assert ada.expect("here").args == [["ada", "bob"]]
    assert ada.call("say", "hello") is True
    assert bob.expect("said").args == ["ada", "hello"]
    assert bob.call("enter", "bob", "garden") == "bob"
    assert ada.expect("here").args == [["ada"]]
    assert ada.call("say", "anybody?") is True
    bob.sync()
    assert bob.heard("said") == []
    bob.disconnect()
    ada.disconnect()


def test_what_is_refused_says_why(connect: Callable[[], Client]) -> None:
    ada, other = connect(), connect()
    with pytest.raises(EventFailed, match="Enter a room"):
        ada.call("say", "hello")
    assert ada.call("enter", "eve", "lobby") == "eve"
    refused: list[tuple[tuple[Any, ...], str]] = [
        (("enter", "eve", "lobby"), "here already"),
        (("enter", "", "lobby"), "1 to 30"),
        (("enter", 7, "lobby"), "1 to 30"),
        (("enter", "tom", "cellar"), "The rooms are"),
        (("enter", "tom", ["lobby"]), "The rooms are"),
    ]
    for call, message in refused:
        with pytest.raises(EventFailed, match=message):
            other.call(*call)
    with pytest.raises(EventFailed, match="1 to 500"):
        ada.call("say", "x" * 501)
    # A name is free again when its page has gone.
    ada.drop()
    for _ in range(100):
        try:
            assert other.call("enter", "eve", "lobby") == "eve"
            break
        except EventFailed:
            continue
    else:
        raise AssertionError("the name was never free")
    other.disconnect()


def test_the_pages_have_their_client(chat: Browser) -> None:
    page = chat.get("/")
    assert 'integrity="sha384-' in page.text
    assert "<option>kitchen</option>" in page.text
    assert chat.get("/elsewhere").status == 404
    find_client(CLIENT)
    script = str(NODE_MODULES / CLIENT / "dist" / "socket.io.js")
    for example, app in (("wsgi_chat", "chat:application"), ("live_graph", "graph:application")):
        with site(example, app, SOCKIO_CLIENT_JS=script) as browser:
            assert 'src="/socket.io/socket.io.js"' in browser.get("/").text
            assert "Socket.IO v4.8.4" in browser.get("/socket.io/socket.io.js").text


def test_the_graph_is_drawn_as_long_as_somebody_looks() -> None:
    with site("live_graph", "graph:application", SECONDS="0.01") as browser:
        window = browser.connect("/load", generation="eio4", transport="websocket")
        assert window.expect("so far").args == [[]]
        first = window.expect("load").args[0]
        assert isinstance(first, float)
        other = browser.connect("/load", generation="eio3", transport="polling")
        (so_far,) = other.expect("so far").args
        assert so_far
        other.expect("load")
