"""gevent's own server, without any help of SocketIOServer."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.pywsgi import WSGIServer

from sockio import SocketIOMiddleware
from sockio.transports.connection import connection_of

from ..support.raw_http import Connection
from ..support.servers import not_ours


@pytest.fixture
def start_plain(talk: dict[str, Any]) -> Iterator[Callable[[Any], int]]:
    """Serve an application by gevent.pywsgi as it is; gives the port."""
    servers: list[WSGIServer] = []

    def start(wrap: Callable[[Any], Any]) -> int:
        server = WSGIServer(("127.0.0.1", 0), wrap(SocketIOMiddleware(not_ours, talk)), log=None)
        server.start()
        servers.append(server)
        assert server.server_port is not None
        return server.server_port

    yield start
    for server in servers:
        server.stop(0.1)


def test_answers_leave_at_once(start_plain: Callable[[Any], int]) -> None:
    """pywsgi writes headers and body one after the other: 40 ms passed between them, each time."""
    at_once: list[int] = []

    def watching(app: Any) -> Any:
        def watched(environ: dict[str, Any], start_response: Any) -> Any:
            answer = app(environ, start_response)
            sock = connection_of(environ)
            at_once.append(sock.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY))
            return answer

        return watched

    with Connection(start_plain(watching)) as connection:
        sid = connection.ask("GET", "/socket.io/1/").body.partition(":")[0]
        path = f"/socket.io/1/xhr-polling/{sid}"
        assert connection.ask("GET", path).body == "1::"
        assert connection.ask("POST", path, "3:::hello").body == "1"
        assert connection.ask("GET", path).body == "3:::hello"
    assert all(at_once)


def test_connections_of_others_are_left_as_they_are(start_plain: Callable[[Any], int]) -> None:
    seen: list[int] = []

    def watching(app: Any) -> Any:
        def watched(environ: dict[str, Any], start_response: Any) -> Any:
            answer = app(environ, start_response)
            sock = connection_of(environ)
            seen.append(sock.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY))
            return answer

        return watched

    with Connection(start_plain(watching)) as connection:
        assert connection.ask("GET", "/something/else").code == 200
    assert seen == [0]
