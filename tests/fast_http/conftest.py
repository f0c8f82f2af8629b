"""Servers with and without the short way for requests, side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import gevent.socket
import pytest

from sockio import BaseNamespace

from ..support.servers import Served, not_ours
from ..support.transcript import PATIENCE

pytest.importorskip("httptools")


class Echo(BaseNamespace):
    def recv_message(self, data: str) -> None:
        self.send(data)

    def on_twice(self, text: str) -> None:
        self.send(text)
        self.send(text)


@pytest.fixture(autouse=True)
def on_the_fast_path_only(request: pytest.FixtureRequest) -> None:
    without: str = request.config.getoption("--without")
    if "http" in without:
        pytest.skip("is about the fast path 'http', which is left out")


@pytest.fixture
def fast(serve: Callable[..., Served]) -> Served:
    """A server that answers from its event loop."""
    return serve(not_ours, {"": Echo})


@pytest.fixture
def slow(serve: Callable[..., Served]) -> Served:
    """The same without: gevent.pywsgi serves all of it."""
    return serve(not_ours, {"": Echo}, without=["http"])


def counted(server: Served) -> tuple[int, int, int]:
    """Requests answered from the event loop, connections handed over, websockets begun."""
    service = server.server.fast
    assert service is not None
    return service.answered, service.handed_over, service.upgraded


class Raw:
    """Bytes in, bytes out: a connection to one server."""

    def __init__(self, port: int) -> None:
        self.sock: Any = gevent.socket.create_connection(("127.0.0.1", port))
        self.sock.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until_quiet(self, answers: int) -> bytes:
        """What came until so many answers are complete, or the connection ended (marked)."""
        received = b""
        while complete(received) < answers:
            data = self.sock.recv(65536)
            if not data:
                return received + b"<end>"
            received += data
        return received

    def to_the_end(self) -> bytes:
        received = b""
        while data := self.sock.recv(65536):
            received += data
        return received

    def close(self) -> None:
        self.sock.close()


def complete(received: bytes) -> int:
    """How many whole answers there are in it."""
    count = 0
    while True:
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            return count
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return count
        count += 1
        received = rest[size:]


def normal(received: bytes) -> bytes:
    """Without what differs by nature: the date, the session id."""
    received = re.sub(rb"Date: [^\r]+", b"Date: now", received)
    return re.sub(rb"[\w-]{20}(?=:60:60:)", b"SID", received)
