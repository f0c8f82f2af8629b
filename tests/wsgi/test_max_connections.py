"""No more connections than ``max_connections``: idle ones make room."""

from __future__ import annotations

import socket
from collections.abc import Callable

from sockio import BaseNamespace

from ..support.servers import Served, not_ours

ASK = b"GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n"


def ask(connection: socket.socket) -> bytes:
    connection.sendall(ASK)
    return connection.recv(65536)


def test_idle_connections_make_room_oldest_first(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": BaseNamespace}, max_connections=2)

    def connect() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), 10)
        assert b"200 OK" in ask(connection)
        return connection

    connections = [connect() for _ in range(5)]
    for each in connections[:3]:
        assert each.recv(1) == b""
    assert b"200 OK" in ask(connections[-1])
    for each in connections:
        each.close()
