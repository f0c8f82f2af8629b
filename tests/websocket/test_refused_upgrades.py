"""Requests for a websocket that cannot be met: a code, a line of the log, and what to ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from gevent.pywsgi import WSGIServer

from sockio import BaseNamespace, SocketIOMiddleware

from ..support.raw_http import Answer, Connection, handshake
from ..support.raw_websocket import RawWebSocket, upgrade_request
from ..support.servers import Served, not_ours
from ..support.transcript import eventually
from ..support.ways import WAYS, Way

Headers = dict[str, str | None]

#: What differs from a request that is met, and the answer: its status and code.
REFUSED: list[tuple[Headers, int, str]] = [
    ({"Sec-WebSocket-Version": "12"}, 426, "websocket-version"),
    ({"Sec-WebSocket-Version": "14"}, 426, "websocket-version"),
    ({"Sec-WebSocket-Version": "13, 8"}, 426, "websocket-version"),
    ({"Sec-WebSocket-Version": "x" * 300}, 426, "websocket-version"),
    ({"Sec-WebSocket-Version": None}, 426, "websocket-version"),
    ({"Sec-WebSocket-Key": None}, 400, "bad-upgrade"),
    ({"Sec-WebSocket-Key": "short"}, 400, "bad-upgrade"),
    ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==, x"}, 400, "bad-upgrade"),
    ({"Connection": "Upgrade" + ",a" * 500}, 400, "bad-upgrade"),
    ({"Content-Length": "5"}, 400, "bad-upgrade"),
    ({"Transfer-Encoding": "chunked"}, 400, "bad-upgrade"),
    ({"Upgrade": None}, 400, "no-upgrade"),
    ({"Upgrade": "h2c"}, 400, "no-upgrade"),
    ({"Connection": "keep-alive"}, 400, "no-upgrade"),
]
CASES = [
    pytest.param(*row, id=" ".join(f"{k}: {(v or 'none')[:30]}" for k, v in row[0].items()))
    for row in REFUSED
]
BODY = b"5\r\nhello\r\n0\r\n\r\n"


def ask(connection: Connection, port: int, sid: str, headers: Headers) -> Answer:
    body = b"hello" if "Content-Length" in headers else b""
    if "Transfer-Encoding" in headers:
        body = BODY
    connection.send(upgrade_request(f"/socket.io/1/websocket/{sid}", port, headers) + body)
    return connection.answer()


def check(answer: Answer, status: int, code: str) -> None:
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (status, code)
    assert answer.headers["content-type"].startswith("text/plain")
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"] == "websocket"


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("headers", "status", "code"), CASES)
def test_it_is_refused_by_code_and_the_log_says_so(
    serve: Callable[..., Served],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    headers: Headers,
    status: int,
    code: str,
) -> None:
    way = Way(name, serve, tmp_path)
    port = way.serve(not_ours, {"": BaseNamespace}, log_lines=2).port
    with way.connect() as first:
        sid = first.ask("GET", "/socket.io/1/").body.split(":")[0]
    for _ in range(4):
        with way.connect() as connection:
            check(ask(connection, port, sid, headers), status, code)
    # What is refused from the loop is logged by a task, for a log handler may block.
    eventually(lambda: caplog.text.count(f"[{code}]") >= 2, "it is logged")
    lines = [r.getMessage() for r in caplog.records if f"[{code}]" in r.getMessage()]
    assert len(lines) == 2
    assert max(map(len, lines)) < 700
    assert sid not in caplog.text
    assert all(r.levelno < logging.ERROR for r in caplog.records)


@pytest.mark.parametrize(("headers", "status", "code"), CASES)
def test_under_gevents_own_server(headers: Headers, status: int, code: str) -> None:
    server = WSGIServer(
        ("127.0.0.1", 0), SocketIOMiddleware(not_ours, {"": BaseNamespace}), log=None
    )
    server.start()
    port = server.server_port
    assert port is not None
    try:
        with Connection(port) as connection:
            answer = ask(connection, port, handshake(port), headers)
        check(answer, status, code)
    finally:
        server.stop()


def test_a_length_of_nothing_is_no_body(server: Served) -> None:
    sid = handshake(server.port)
    with RawWebSocket(server.port, sid, headers={"Content-Length": "0"}) as websocket:
        assert websocket.hear() == "1::"


def test_the_connection_goes_on_behind_a_refusal(server: Served) -> None:
    """With the version that the answer asks for."""
    sid = handshake(server.port)
    with Connection(server.port) as connection:
        for _ in range(2):
            assert ask(connection, server.port, sid, {"Sec-WebSocket-Version": "12"}).code == 426
        assert ask(connection, server.port, sid, {}).code == 101
