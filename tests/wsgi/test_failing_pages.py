"""A page that raises, whatever it raises: a 500, and a line as often as the log has room for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
import pytest

from ..support.processes import running
from ..support.raw_http import Connection
from ..support.servers import Served, not_ours
from ..support.transcript import eventually
from ..support.ways import WAYS, Way


class Own(BaseException):
    pass


def raising(error: Callable[[], BaseException], *, late: bool = False) -> Callable[..., Any]:
    def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/before":
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        if not late:
            raise error()
        return failing(start_response)

    def failing(start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        raise error()
        yield b""

    return page


ERRORS = [
    pytest.param(lambda: RuntimeError("no database"), id="Exception"),
    pytest.param(lambda: gevent.Timeout(5), id="Timeout"),
    pytest.param(lambda: SystemError("of some extension"), id="SystemError"),
    pytest.param(lambda: Own("of a page's own"), id="BaseException"),
    pytest.param(gevent.GreenletExit, id="GreenletExit"),
    pytest.param(lambda: ConnectionRefusedError(111, "no database"), id="OSError"),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", WAYS)
def test_a_page_that_raises(
    serve: Callable[..., Served],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    error: Callable[[], BaseException],
    late: bool,
    name: str,
) -> None:
    way = Way(name, serve, tmp_path)
    way.serve(raising(error, late=late), log_lines=2)
    for _ in range(5):
        with way.connect() as connection:
            connection.send(b"GET /a%0Ab HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.answer().code == 500
    eventually(lambda: caplog.text.count("ERROR") >= 2, "it is logged")
    lines = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(lines) == 2
    assert lines[0].getMessage().startswith(f"GET /a%0Ab from 127.0.0.1 failed: {error()!r}"[:40])
    assert lines[0].exc_info
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("error", [gevent.GreenletExit, lambda: gevent.Timeout(5)])
def test_a_question_at_the_handshake_that_raises(
    serve: Callable[..., Served],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: Callable[[], BaseException],
    name: str,
) -> None:
    def authorize(request: Any) -> bool:
        raise error()

    way = Way(name, serve, tmp_path)
    way.serve(not_ours, {}, authorize=authorize, log_lines=2)
    for _ in range(5):
        with way.connect() as connection:
            connection.send(b"GET /socket.io/1/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.answer().code == 500
    eventually(lambda: caplog.text.count("ERROR") >= 2, "it is logged")
    lines = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(lines) == 2
    assert not way.server.server.sockets


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()"])
@pytest.mark.parametrize("path", ["/page", "/socket.io/1/"])
def test_what_ends_the_process_says_so(tmp_path: Path, error: str, path: str) -> None:
    (tmp_path / "site_of_ours.py").write_text(
        "from gevent import monkey; monkey.patch_all()\n"
        "from sockio.server import serve\n"
        f"def page(environ, start_response):\n    raise {error}\n"
        "serve(page, '127.0.0.1', 0)\n"
    )
    with running([sys.executable, "site_of_ours.py"], tmp_path) as process:
        port = int(process.find(r"serving on http://127\.0\.0\.1:(\d+)", 30)[1])
        with Connection(port) as connection:
            connection.request("GET", path)
            process.find(rf"from 127\.0\.0\.1 failed: {error[:-3]}")
