"""The transports under servers that know nothing of gevent: plain WSGI has to be enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import gevent
import pytest
from werkzeug.serving import make_server as make_werkzeug

from sockio import BaseNamespace, SocketIOMiddleware

from ..support.raw_http import Connection, get, post
from ..support.raw_websocket import upgrade_request
from ..support.servers import not_ours
from ..support.transports import HTTP_CLIENTS, HTMLFile, JSONPPolling, XHRMultipart


class Echo(BaseNamespace):
    def recv_message(self, data: str) -> None:
        self.send(data)


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Standard error is not for every request."""


class Threaded(ThreadingMixIn, WSGIServer):
    """wsgiref's server, which is also strict: it asserts what PEP 3333 asks of an answer."""

    daemon_threads = True


def wsgiref_server(app: Any) -> Any:
    return make_server("127.0.0.1", 0, app, Threaded, Quiet)


def werkzeug_server(app: Any) -> Any:
    return make_werkzeug("127.0.0.1", 0, app, threaded=True)


@pytest.fixture(params=[wsgiref_server, werkzeug_server], ids=["wsgiref", "werkzeug"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    make: Callable[[Any], Any] = request.param
    transports = ["websocket", *HTTP_CLIENTS]
    middleware = SocketIOMiddleware(not_ours, {"": Echo}, transports=transports)
    server = make(middleware)
    serving = gevent.spawn(server.serve_forever, poll_interval=0.01)
    yield server.server_address[1]
    middleware.close()
    server.shutdown()
    server.server_close()
    serving.join()


def handshake(port: int) -> str:
    return get(port, "/socket.io/1/").body.split(":")[0]


def test_d69_websocket_is_not_offered_where_it_cannot_work(port: int) -> None:
    offered = get(port, "/socket.io/1/").body.split(":")[3]
    assert offered == "htmlfile,xhr-multipart,xhr-polling,jsonp-polling"


def test_d66_d69_and_an_upgrade_is_refused_with_a_reason(port: int) -> None:
    with Connection(port) as connection:
        path = f"/socket.io/1/websocket/{handshake(port)}"
        connection.send(upgrade_request(path, port))
        answer = connection.answer()
    assert answer.code == 501
    assert "gevent.pywsgi" in answer.body


@pytest.mark.parametrize(
    ("name", "wrapping"), [("xhr-polling", "{}"), ("jsonp-polling", 'io.j[0]("{}");')]
)
def test_d69_polls_are_answered(port: int, name: str, wrapping: str) -> None:
    path = f"/socket.io/1/{name}/{handshake(port)}"
    assert get(port, path).body == wrapping.format("1::")
    body = HTTP_CLIENTS[name].body_of("3:::hello")
    with Connection(port) as poll:
        poll.request("GET", path)
        assert post(port, path, body).body == "1"
        assert poll.answer().body == wrapping.format("3:::hello")


@pytest.mark.parametrize("client", [HTMLFile, XHRMultipart])
def test_d69_streams_flow(port: int, client: type[HTMLFile] | type[XHRMultipart]) -> None:
    path = f"/socket.io/1/{client.name}/{handshake(port)}"
    with Connection(port) as stream:
        stream.request("GET", path)
        stream.read_until(client.preamble)
        stream.read_until(b"1::")
        assert post(port, path, client.body_of("3:::hello")).code == 200
        stream.read_until(b"3:::hello")
        assert post(port, path, client.body_of("0::")).code == 200
        stream.read_until(b"0::")


def test_d69_a_waiting_poll_is_the_only_thing_that_waits(port: int) -> None:
    """A second client is served while the first one's poll is open."""
    path = f"/socket.io/1/{JSONPPolling.name}/{handshake(port)}"
    assert get(port, path).code == 200
    with Connection(port) as poll:
        poll.request("GET", path)
        other = f"/socket.io/1/xhr-polling/{handshake(port)}"
        assert get(port, other).body == "1::"
        assert get(port, path + "?disconnect").code == 200
        assert poll.answer().body == 'io.j[0]("0::");'
