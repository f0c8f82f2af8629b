"""A websocket through what may be around the middleware: layers that keep an answer until it is
whole, or give nothing to write by."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.pywsgi import WSGIServer
from webob import Request

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.testing.server import eventually

from ..support.raw_http import Connection, handshake
from ..support.raw_websocket import RawWebSocket, upgrade_request
from ..support.servers import Served, not_ours
from ..support.tls import make_certificate
from .conftest import requests

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Echo(BaseNamespace):
    def recv_message(self, data: str) -> None:
        self.send(data)


def webob(inner: App) -> App:
    def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        response = Request(environ).get_response(inner)
        response.headers["X-Layer"] = "yes"
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    return layer


def paste(inner: App) -> App:
    errors: Any = pytest.importorskip("paste.exceptions.errormiddleware")
    layer: App = errors.ErrorMiddleware(inner, {}, debug=True)
    return layer


def whole(inner: App) -> App:
    """Reads the answer, and forgets to close it."""

    def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        told: list[Any] = []
        written: list[bytes] = []

        def start(*args: Any) -> Callable[[bytes], None]:
            told.append(args)
            return written.append

        parts = [*inner(environ, start)]
        start_response(*told[0])
        return written + parts

    return layer


def mute(inner: App) -> App:
    """Gives nothing to write by."""

    def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return inner(environ, lambda *args: start_response(*args) and None)

    return layer


def generating(inner: App) -> App:
    def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        yield from webob(inner)(environ, start_response)

    return layer


LAYERS = [pytest.param(each, id=each.__name__) for each in (webob, paste, whole, mute, generating)]


def converse(port: int) -> None:
    with RawWebSocket(port, handshake(port)) as websocket:
        assert websocket.hear() == "1::"
        websocket.say("3:::hello")
        assert websocket.hear() == "3:::hello"


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "given", [{}, {"namespaces": {"": BaseNamespace}}], ids=["view", "mapping"]
)
@pytest.mark.parametrize("without", [[], ["detach"]], ids=["detached", "in its request"])
def test_under_our_server(
    serve: Callable[..., Served],
    caplog: pytest.LogCaptureFixture,
    layer: Callable[[App], App],
    given: dict[str, Any],
    without: list[str],
) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Echo}, without=without)
    server = serve(layer(inner), **given)
    for _ in range(3):
        converse(server.port)
    eventually(lambda: not requests(server), "their requests are over")
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR and not given]


@pytest.mark.parametrize("layer", LAYERS)
def test_under_gevents_own_server(
    capfd: pytest.CaptureFixture[str], layer: Callable[[App], App]
) -> None:
    app = layer(SocketIOMiddleware(not_ours, {"": Echo}))
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    port = server.server_port
    assert port is not None
    try:
        for _ in range(3):
            converse(port)
    finally:
        server.stop()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("layer", LAYERS)
def test_with_tls(
    serve: Callable[..., Served], tmp_path: Path, layer: Callable[[App], App]
) -> None:
    certificate = make_certificate(tmp_path)
    inner = SocketIOMiddleware(not_ours, {"": Echo})
    server = serve(layer(inner), ssl_context=certificate.server_context())
    with Connection(server.port, certificate.client_context()) as connection:
        sid = connection.ask("GET", "/socket.io/1/").body.split(":")[0]
        connection.send(upgrade_request(f"/socket.io/1/websocket/{sid}", server.port))
        assert connection.answer().code == 101
        assert connection.read(5) == b"\x81\x031::"


def test_a_layer_that_passes_the_answer_on_adds_its_headers(serve: Callable[..., Served]) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Echo})

    def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: Any, *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("X-Layer", "yes")], *exc_info)

        return inner(environ, start)

    server = serve(layer)
    with RawWebSocket(server.port, handshake(server.port)) as websocket:
        assert websocket.upgrade.headers["x-layer"] == "yes"
        assert websocket.hear() == "1::"
