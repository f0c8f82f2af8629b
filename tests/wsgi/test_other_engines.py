"""Clients of Socket.IO 1.0 and later: told in their own words that they are not understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import socketio_manage

from ..support.echo import Echo
from ..support.raw_http import Connection
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]

TOLD = '{"code":5,"message":"Unsupported protocol version"}'


def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    start_response("200 OK", [])
    return socketio_manage(environ, {"": Echo})


@pytest.mark.parametrize("form", [{}, {"view": view}], ids=["mapping", "view"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    ("query", "generation"),
    [
        pytest.param("EIO=4&transport=polling&t=abc", "3.x or 4.x", id="4"),
        pytest.param("t=abc&EIO=3&transport=polling&sid=abc", "1.x or 2.x", id="3"),
        pytest.param("EIO=2&transport=polling", "1.x", id="2"),
        pytest.param("EIO=5", "another generation", id="5"),
        pytest.param("EIO=", "another generation", id="none"),
    ],
)
def test_it_is_told_and_the_log_says_who_it_is(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    form: dict[str, Any],
    method: str,
    query: str,
    generation: str,
) -> None:
    client = connect(**form)
    response = client.request(f"/?{query}", method)
    assert (response.status_code, response.text) == (400, TOLD)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Sockio-Refusal"] == "other-engine"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert generation in record.getMessage()
    assert "0.9.17" in record.getMessage()
    assert len(client.registry) == 0


def test_the_log_is_not_filled(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """Such a client asks again every few seconds, for ever."""
    client = connect(log_lines=3)
    for _ in range(20):
        assert client.request("/?EIO=4&transport=polling").status_code == 400
    assert len(caplog.records) == 3


def test_browsers_show_it_to_pages_that_may_ask(connect: Connect) -> None:
    client = connect(origins=["https://a.example"])
    friend = client.request("/?EIO=4", headers={"Origin": "https://a.example"})
    assert friend.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert friend.headers["Access-Control-Allow-Credentials"] == "true"
    stranger = client.request("/?EIO=4", headers={"Origin": "https://b.example"})
    assert (stranger.status_code, stranger.text) == (400, TOLD)
    assert "Access-Control-Allow-Origin" not in stranger.headers
    asking = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert client.request("/?EIO=4", "OPTIONS", headers=asking).status_code == 204
    asking["Origin"] = "https://b.example"
    assert client.request("/?EIO=4", "OPTIONS", headers=asking).status_code == 400


def test_also_without_the_slash(connect: Connect) -> None:
    client = connect()
    assert client.request("?EIO=4&transport=polling").text == TOLD
    assert client.request("?x=1").text == "app:/socket.io"


def test_our_own_clients_may_have_such_a_field(connect: Connect) -> None:
    assert connect().handshake("?EIO=4").status_code == 200
    assert connect().request("/?x=EIO").text == "Welcome to socket.io."


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
@pytest.mark.parametrize("path", ["/socket.io/", "/socket.io"])
def test_over_real_connections(serve: Callable[..., Served], without: str, path: str) -> None:
    server = serve(namespaces={"": Echo}, without=without)
    query = "?EIO=4&transport=websocket"
    with Connection(server.port) as connection:
        for method in ("GET", "POST", "OPTIONS"):
            assert connection.ask(method, path + query).body == TOLD
    with Connection(server.port) as connection:
        connection.send(upgrade_request(path + query, server.port))
        answer = connection.answer()
        assert (answer.code, answer.body) == (400, TOLD)
