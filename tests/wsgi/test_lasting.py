"""What a session keeps of its handshake: bounded in bytes, whatever the client put into it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, socketio_manage
from sockio.http.lasting import EACH, KEPT, READ, shed
from sockio.http.parsed import PART

from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]


def bytes_in(environ: dict[str, Any]) -> int:
    return sum(len(k) + len(v) + EACH for k, v in environ.items() if isinstance(v, str))


def flood() -> dict[str, str]:
    return {f"HTTP_X_{number}": "a" * 60_000 for number in range(90)}


def test_large_headers_are_not_kept(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    client = connect()
    client.environ.update(
        flood(), HTTP_COOKIE="c" * 8000, HTTP_AUTHORIZATION="Bearer " + "t" * 2000
    )
    client.environ["HTTP_USER_AGENT"] = "Mozilla/5.0"
    with caplog.at_level(logging.WARNING, "sockio.handshake"):
        client.open()
    for environ in (client.socket.environ, client.socket.request.environ):
        assert bytes_in(environ) <= KEPT
        assert environ["HTTP_COOKIE"] == "c" * 8000
        assert environ["HTTP_AUTHORIZATION"] == "Bearer " + "t" * 2000
        assert environ["HTTP_USER_AGENT"] == "Mozilla/5.0"
        assert environ["wsgi.url_scheme"] == "http"
    (line,) = caplog.messages
    assert "HTTP_X_0" in line
    assert len(line) < 1000


def test_what_is_usual_is_kept_whole(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    client = connect()
    client.environ.update(HTTP_COOKIE="c" * 8000, HTTP_ACCEPT_LANGUAGE="en", HTTP_X_A="x" * 4000)
    client.open()
    assert client.socket.environ["HTTP_COOKIE"] == "c" * 8000
    assert client.socket.environ["HTTP_ACCEPT_LANGUAGE"] == "en"
    assert client.socket.environ["HTTP_X_A"] == "x" * 4000
    assert caplog.messages == []


@pytest.mark.parametrize(
    "name", ["QUERY_STRING", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_HOST", "RAW_URI"]
)
def test_nothing_is_kept_at_any_size(connect: Connect, name: str) -> None:
    client = connect()
    client.environ[name] = "a=" + "x" * 60_000
    assert client.handshake().status_code == 200
    (socket,) = client.registry.sockets.values()
    assert bytes_in(socket.environ) <= KEPT
    assert name not in socket.environ


def test_many_small_headers_are_bounded_too() -> None:
    environ: dict[str, Any] = {f"HTTP_X_{number}": "" for number in range(10_000)}
    environ["HTTP_COOKIE"] = "c"
    shed(environ)
    assert bytes_in(environ) <= KEPT
    assert environ["HTTP_COOKIE"] == "c"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HTTP_COOKIE", ";".join(["a="] * (READ // PART + 1))),
        ("HTTP_COOKIE", " ".join(["a="] * (READ // PART + 1))),
        ("QUERY_STRING", "&".join(["a"] * (READ // PART + 1))),
        ("HTTP_ACCEPT_LANGUAGE", "," * (READ // PART + 1)),
        ("HTTP_COOKIE", "%F0%9F%98%80" + "a" * (READ // 4)),
    ],
)
def test_what_would_be_large_when_it_is_read_is_not_kept(
    connect: Connect, caplog: pytest.LogCaptureFixture, name: str, text: str
) -> None:
    client = connect()
    client.environ[name] = text
    with caplog.at_level(logging.WARNING, "sockio.handshake"):
        client.open()
    assert len(text) < KEPT
    assert name not in client.socket.environ
    assert client.socket.environ["REQUEST_METHOD"] == "GET"
    (line,) = caplog.messages
    assert line.endswith(f"not kept: {name}")


def test_a_long_query_is_read_with_each_look(connect: Connect) -> None:
    client = connect()
    client.environ["QUERY_STRING"] = "room=7&room=8&t=1"
    client.open()
    chat = client.socket[""]
    assert chat.query == {"room": "7"}
    assert chat.query is chat.query
    other = connect()
    other.environ["QUERY_STRING"] = "&".join(f"field{number}={number}" for number in range(100))
    other.open()
    chat = other.socket[""]
    assert len(chat.query) == 100
    assert "query" not in vars(chat)
    # An application may keep something else by that name.
    chat.query = "mine"
    assert chat.query == "mine"


def test_no_body_is_announced_where_none_is(connect: Connect) -> None:
    client = connect()
    client.environ["CONTENT_LENGTH"] = "5"
    client.open()
    assert client.socket.request.body == b""


def test_whoever_decides_sees_all_of_it(connect: Connect) -> None:
    seen = []

    def authorize(request: Any) -> bool:
        seen.append(len(request.headers["X-1"]))
        return True

    client = connect(authorize=authorize)
    client.environ.update(flood())
    assert client.handshake().status_code == 200
    assert seen == [60_000]


def test_the_request_of_a_view_is_bounded_too(connect: Connect) -> None:
    class Theirs:
        def __init__(self, environ: dict[str, Any]) -> None:
            self.environ = dict(environ)

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        request = Theirs(environ)
        assert len(request.environ["HTTP_X_1"]) == 60_000
        return socketio_manage(environ, {"": BaseNamespace}, request)(environ, start_response)

    client = connect(view=view)
    client.environ.update(flood())
    assert client.handshake().status_code == 200
    (socket,) = client.registry.sockets.values()
    assert bytes_in(socket.environ) <= KEPT
    assert bytes_in(socket.request.environ) <= KEPT
