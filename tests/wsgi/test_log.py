"""What requests leave in the log: so many lines, none of them long, none of them forged."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from webob import Request

from sockio import BaseNamespace, SocketIOMiddleware, UsageError, socketio_manage
from sockio.testing import ManualRuntime
from sockio.testing.server import not_ours

FORGED = "\n2026-01-01 00:00:00 ERROR root: forged"


@pytest.fixture
def app(runtime: ManualRuntime, caplog: pytest.LogCaptureFixture) -> SocketIOMiddleware:
    caplog.set_level(logging.INFO)
    return SocketIOMiddleware(not_ours, {"": BaseNamespace}, runtime=runtime)


def ask(app: SocketIOMiddleware, path: str = "/socket.io/1/", **environ: Any) -> str:
    request = Request.blank(path)
    request.environ.update({"REMOTE_ADDR": "10.0.0.1", **environ})
    return request.get_response(app).status


def test_refusals_of_one_client_are_counted(
    app: SocketIOMiddleware, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2000):
        ask(app, f"/socket.io/1/pigeon{number}/sid")
    assert len(caplog.records) == 10
    runtime.advance(60)
    assert caplog.records[-1].getMessage() == (
        "1990 more lines of this kind [transport-not-offered] about 10.0.0.1 were left out in the "
        "last minute"
    )


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"REQUEST_METHOD": "G\x1b[2J\x1b[31mET" + FORGED}, id="the method"),
        pytest.param({"PATH_INFO": "/socket.io/1/a" + FORGED + "/\x1b[2J"}, id="the path"),
        pytest.param({"HTTP_ORIGIN": "http://evil\x1b[2J" + FORGED}, id="the origin"),
        pytest.param(
            {"HTTP_ORIGIN": "http://evil", "HTTP_HOST": "x\x1b[2J" + FORGED}, id="the host"
        ),
        pytest.param(
            {"HTTP_ORIGIN": "http://evil", "REMOTE_ADDR": "10.0.0.1\x1b" + FORGED}, id="the address"
        ),
        pytest.param(
            {
                "HTTP_ORIGIN": "http://evil",
                "HTTP_HOST": "h" * 65000,
                "HTTP_X_FORWARDED_HOST": "f" * 65000,
                "HTTP_X_FORWARDED_PROTO": "p" * 65000,
            },
            id="long headers",
        ),
        pytest.param({"PATH_INFO": "/socket.io/1/" + "p" * 65000 + "/sid"}, id="a long path"),
        pytest.param(
            {"REQUEST_METHOD": "M" * 65000, "PATH_INFO": "/socket.io/1/xhr-polling/sid"},
            id="a long method",
        ),
    ],
)
def test_a_request_forges_no_line_and_makes_none_long(
    app: SocketIOMiddleware, caplog: pytest.LogCaptureFixture, environ: dict[str, str]
) -> None:
    ask(app, **environ)
    for record in caplog.records:
        line = record.getMessage()
        assert line.isprintable()
        assert len(line) < 2000


def test_advice_survives_long_headers(
    app: SocketIOMiddleware, caplog: pytest.LogCaptureFixture
) -> None:
    ask(app, HTTP_ORIGIN="http://evil", HTTP_HOST="h" * 65000)
    assert "Set origins=[...] to allow it" in caplog.text


def test_a_handshake_flood_does_not_fill_the_log(
    app: SocketIOMiddleware, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(300):
        sid = Request.blank("/socket.io/1/").get_response(app).text.partition(":")[0]
        ask(app, f"/socket.io/1/xhr-polling/{sid}?disconnect=1")
        ask(app, f"/socket.io/1/websocket/{sid}")
    runtime.settle()
    assert len(caplog.records) <= 100 + 100 + 10


def test_a_view_that_fails_is_one_line_with_its_traceback(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    def view(environ: Any, start_response: Any) -> Any:
        raise LookupError("no such user")

    app = SocketIOMiddleware(view, runtime=runtime)
    for _ in range(100):
        assert ask(app) == "500 Internal Server Error"
    assert len(caplog.records) == 10
    assert caplog.text.count("Traceback") == 10
    assert caplog.records[0].levelno == logging.ERROR
    assert "[view-failed]" in caplog.records[0].getMessage()


def test_refusals_of_one_view_do_not_hide_its_failures(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    failing: list[type[Exception]] = []

    def view(environ: Any, start_response: Any) -> Any:
        for kind in failing:
            raise kind("what a client sent")
        start_response("403 Forbidden", [])
        return []

    app = SocketIOMiddleware(view, runtime=runtime)
    for _ in range(100):
        ask(app)
    failing.append(KeyError)
    for _ in range(100):
        ask(app)
    failing[:] = [ZeroDivisionError]
    ask(app)
    assert [record.levelname for record in caplog.records].count("WARNING") == 10
    assert caplog.text.count("KeyError('what") == 10
    assert "ZeroDivisionError" in caplog.text


def test_a_mistake_of_the_application_is_said_without_a_traceback(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    def view(environ: Any, start_response: Any) -> Any:
        raise UsageError("do it like this")

    ask(SocketIOMiddleware(view, runtime=runtime))
    assert "do it like this" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_authorize_raises_is_logged_once(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    def authorize(request: Any) -> bool:
        raise LookupError("the database is away")

    app = SocketIOMiddleware(not_ours, {"": BaseNamespace}, runtime=runtime, authorize=authorize)
    ask(app)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "Traceback" in caplog.text


def test_an_error_of_closing_the_views_answer_is_no_other_than_the_views(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Body:
        def __iter__(self) -> Any:
            raise LookupError("while it was read")

        def close(self) -> None:
            raise KeyError("while it was closed")

    def view(environ: Any, start_response: Any) -> Any:
        socketio_manage(environ, {"": BaseNamespace})
        start_response("200 OK", [])
        return Body()

    assert ask(SocketIOMiddleware(view, runtime=runtime)) == "500 Internal Server Error"
    assert "while it was read" in caplog.text
