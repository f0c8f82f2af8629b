"""What is said about the server around the middleware: once, at the first handshake."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from webob import Request

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.http.surroundings import concerns

from ...support.servers import not_ours

GUNICORN = "gunicorn/27.0.1"


def said(missing: tuple[str, ...] = (), in_greenlet: bool = True, **environ: Any) -> str:
    environ = {key.replace("__", "."): value for key, value in environ.items()}
    return "\n".join(text for _, text in concerns(environ, missing, in_greenlet=in_greenlet))


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        pytest.param({}, "", id="nothing to say"),
        pytest.param(
            {"wsgi__multiprocess": True, "SERVER_SOFTWARE": GUNICORN},
            "gunicorn/27.0.1 runs several processes",
            id="d77 several processes",
        ),
        pytest.param(
            {"wsgi__multiprocess": True, "in_greenlet": False, "SERVER_SOFTWARE": "x/1"},
            "x/1 does not run requests as greenlets",
            id="threads",
        ),
        pytest.param({"in_greenlet": False}, "", id="a test without a server"),
        pytest.param(
            {"missing": ("websocket",), "SERVER_SOFTWARE": GUNICORN},
            "Run gunicorn with -k gevent_pywsgi",
            id="gunicorn without websockets",
        ),
        pytest.param(
            {"missing": ("websocket",), "uwsgi__version": b"2.0.31"},
            "uWSGI/2.0.31 cannot open websockets",
            id="uWSGI without its adapter",
        ),
        pytest.param(
            {"missing": ("websocket",), "SERVER_SOFTWARE": "waitress"},
            "sockio serve",
            id="another server",
        ),
        pytest.param(
            {"missing": ("websocket",), "SERVER_SOFTWARE": "gevent/25.9 Python/3.11"},
            "a layer in front has made another of it",
            id="the right server behind a layer",
        ),
        pytest.param(
            {"missing": ("flashsocket",), "SERVER_SOFTWARE": GUNICORN}, "", id="only flash missing"
        ),
    ],
)
def test_a_concern_names_the_server_and_the_fix(about: dict[str, Any], wanted: str) -> None:
    text = said(**about)
    assert wanted in text
    assert bool(text) == bool(wanted)


def test_processes_that_know_each_other_are_no_concern() -> None:
    environ = {"wsgi.multiprocess": True}
    assert list(concerns(environ, (), in_greenlet=True, joined=True)) == []


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    app = SocketIOMiddleware(not_ours, {"": BaseNamespace})
    with caplog.at_level(logging.WARNING, "sockio.server"):
        for _ in range(3):
            request = Request.blank("/socket.io/1/")
            request.environ["wsgi.multiprocess"] = True
            assert request.get_response(app).status_code == 200
    (record,) = [each for each in caplog.records if each.name == "sockio.server"]
    assert "SOCKIO_MESH=" in record.getMessage()
