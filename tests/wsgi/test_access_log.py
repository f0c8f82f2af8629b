"""A line for each request, whoever answers it: the event loop, or gevent.pywsgi."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.server import SocketIOServer
from sockio.server.access_log import without_sids
from sockio.testing.server import eventually

from ..support.engine_client import EngineSession, EngineWire
from ..support.raw_http import Connection, get
from ..support.servers import Served, not_ours

LINE = re.compile(
    r'(\S+) - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*)" (\d{3}|-) (\d+|-) \d+\.\d{3}'
)


class Chat(BaseNamespace):
    def on_echo(self, text: str) -> str:
        return text


@pytest.fixture(params=["", "http"], ids=["fast path", "pywsgi"])
def server(serve: Callable[..., Served], request: pytest.FixtureRequest) -> Served:
    return serve(
        not_ours,
        {"": Chat},
        access_log=True,
        without=request.param,
        trusted_proxies=["127.0.0.1"],
    )


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[int], list[tuple[str, ...]]]:
    """The lines so far, as soon as there are that many: who, what, status, bytes."""
    caplog.set_level(logging.INFO, "sockio.access")

    def found(count: int) -> list[tuple[str, ...]]:
        def said() -> list[str]:
            return [each.getMessage() for each in caplog.records if each.name == "sockio.access"]

        eventually(lambda: len(said()) >= count, f"{count} lines")
        matches = [LINE.fullmatch(line) for line in said()]
        assert all(matches), said()
        return [match.groups() for match in matches if match is not None]

    return found


Lines = Callable[[int], list[tuple[str, ...]]]


def test_a_page(server: Served, lines: Lines) -> None:
    answer = get(server.port, "/page?x=1")
    ((who, what, status, size),) = lines(1)
    assert (who, what, status) == ("127.0.0.1", "GET /page?x=1 HTTP/1.1", "200")
    assert int(size) > len(answer.body)


def test_polls_have_their_line_when_they_are_answered_and_no_session_id(
    server: Served, lines: Lines
) -> None:
    session = EngineSession(server.port, 4)
    try:
        sid = session.sid
        session.post('421["echo","hi"]')
        assert session.get() == ['431["hi"]']
    finally:
        session.close()
    found = [(what, status) for _, what, status, _ in lines(5)]
    assert found[0] == ("GET /socket.io/?EIO=4&transport=polling HTTP/1.1", "200")
    cut = f"/socket.io/?EIO=4&transport=polling&sid={sid[:6]}… HTTP/1.1"
    assert sorted(found[1:]) == sorted([("POST " + cut, "200"), ("GET " + cut, "200")] * 2)


def test_a_websocket(server: Served, lines: Lines) -> None:
    with EngineWire(server.port) as wire:
        wire.join()
    assert [line[1:3] for line in lines(1)] == [
        ("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", "101")
    ]


def test_refusals_and_what_is_no_request(server: Served, lines: Lines) -> None:
    get(server.port, "/socket.io/1/pigeon/0123456789012345")
    with Connection(server.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost x\r\n\r\n")
        assert connection.answer().code == 400
    found = lines(2)
    assert found[0][1:3] == ("GET /socket.io/1/pigeon/012345… HTTP/1.1", "400")
    assert found[1][2] == "400"


def test_the_client_behind_a_trusted_proxy(server: Served, lines: Lines) -> None:
    get(server.port, "/socket.io/1/", headers={"X-Forwarded-For": "203.0.113.7"})
    assert lines(1)[0][0] == "203.0.113.7"


def test_one_line_whatever_is_asked(server: Served, lines: Lines) -> None:
    with Connection(server.port) as connection:
        asked = b'/socket.io/1/?"%0a\x1b[2J' + b"x" * 3000
        connection.send(b"GET " + asked + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.answer()
    ((_, what, _, _),) = lines(1)
    assert what.isprintable()
    assert len(what) < 600


def test_a_middleware_that_is_found_inside(serve: Callable[..., Served], lines: Lines) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Chat}, trusted_proxies=["127.0.0.1"])

    def around(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return inner(environ, start_response)

    server = serve(around, access_log=True)
    for _ in range(2):
        get(server.port, "/socket.io/1/", headers={"X-Forwarded-For": "203.0.113.7"})
    assert lines(2)[1][0] == "203.0.113.7"


@pytest.mark.fast_path("http")
def test_there_is_none_by_default_and_the_fast_path_stays(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = serve(not_ours, {"": Chat})
    get(server.port, "/socket.io/1/")
    assert not [record for record in caplog.records if record.name == "sockio.access"]
    logged = SocketIOServer(("127.0.0.1", 0), not_ours, {"": Chat}, access_log=True)
    logged.start()
    try:
        assert logged.fast is not None
    finally:
        logged.stop()


@pytest.mark.parametrize(
    ("line", "cut"),
    [
        (
            "/socket.io/1/xhr-polling/abcdefghijklmnopqrst?t=1",
            "/socket.io/1/xhr-polling/abcdef…?t=1",
        ),
        # A prefix may have what no id has.
        ("/?EIO=4&sid=a~b.abcdefghijklmnopqrst", "/?EIO=4&sid=a~b.abcdef…"),
        # Those of one worker begin alike.
        (f"/?EIO=4&sid=work{'abcdefg' * 4}", "/?EIO=4&sid=workabcdef…"),
        (f"/socket.io/1/x/a~b.work{'abcdefg' * 4}?t=1", "/socket.io/1/x/a~b.workabcdef…?t=1"),
        (f"/socket.io/1/x/{'abcdefg' * 20}?t=1", "/socket.io/1/x/abcdef…?t=1"),
        ("/?EIO=4&sid=abcdefghijklmnopqrst&t=1", "/?EIO=4&sid=abcdef…&t=1"),
        ("/socket.io/1/?recovery=abcdefghijklmnopqrst", "/socket.io/1/?recovery=abcdef…"),
        (
            "/socket.io/1/?a=b&recovery=a+b/c%2Fd!e(f)=g:h&t=1",
            "/socket.io/1/?a=b&recovery=a+b/c%…&t=1",
        ),
        ("/socket.io/1/?recovery=abcdef HTTP/1.1", "/socket.io/1/?recovery=abcdef HTTP/1.1"),
        ("/shop/1/x", "/shop/1/x"),
    ],
)
def test_what_lets_in_whoever_knows_it_is_cut(line: str, cut: str) -> None:
    assert without_sids(line) == cut
