"""The example with bare websockets, started by the line in its README."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from ..support.raw_http import Connection, get
from ..support.raw_websocket import BINARY, RawWebSocket, frame, open_own
from .programs import EXAMPLES, command_of, running


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = command_of("websocket", "python examples/websocket/run.py")
    with running(command, EXAMPLES.parent, PORT="0") as program:
        yield int(program.tells(r"serving on http://127\.0\.0\.1:(\d+)"))
        assert program.stop() == 0


def visit(port: int, path: str) -> RawWebSocket:
    client = open_own(Connection(port), path)
    assert client.upgrade.code == 101
    return client


def heard(client: RawWebSocket) -> tuple[str, int]:
    said = json.loads(client.hear())
    return said["text"], said["there"]


def test_everybody_hears_what_anybody_says(port: int) -> None:
    with visit(port, "/chat") as ada:
        assert heard(ada) == ("somebody came", 1)
        with visit(port, "/chat") as bob:
            assert heard(bob) == heard(ada) == ("somebody came", 2)
            bob.say("Grüße ☃")
            assert heard(bob) == heard(ada) == ("Grüße ☃", 2)
        assert heard(ada) == ("somebody left", 1)


def test_what_comes_goes_back(port: int) -> None:
    with visit(port, "/echo") as client:
        client.say("hello")
        assert client.hear() == "hello"
        client.send(frame(BINARY, b"\0\xff"))
        assert client.read_frame()[:2] == (BINARY, b"\0\xff")


def test_a_tick_and_an_answer(port: int) -> None:
    with visit(port, "/ping") as client:
        client.say("hello")
        assert client.hear() == "pong hello"
        assert client.hear().startswith("tick ")


def test_the_page_knows_the_addresses_and_others_are_no_websockets(port: int) -> None:
    page = get(port, "/")
    assert page.code == 200
    assert re.findall(r'<section id="(\w+)"', page.body) == ["chat", "echo", "ping"]
    assert get(port, "/echo").code == 400
    with Connection(port) as connection:
        assert open_own(connection, "/nowhere").upgrade.code == 404
