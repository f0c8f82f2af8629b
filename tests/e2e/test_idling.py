"""Connections on which nothing is said for many times the time-outs."""

from __future__ import annotations

import pytest

from ..support.node import Node
from ..support.recorded import Recorded
from ..support.transcript import Transcript, eventually
from .conftest import Start

pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("form", ["mapping"])]

#: In seconds. The client counts with what the handshake tells it, so its own timers are as tiny.
TINY = {
    "heartbeat_interval": 0.1,
    "heartbeat_timeout": 1.0,
    "polling_duration": 0.1,
    "close_timeout": 1.0,
}


class Chat(Recorded):
    def on_echo(self, value: object) -> object:
        return value


def test_heartbeats_keep_an_idle_websocket_open(
    start: Start, node: Node, journal: Transcript
) -> None:
    server = start({"/chat": Chat}, **TINY)
    client = node.connect(server.url + "/chat", "websocket")
    client.next("connect")
    socket = server.registry.sockets[client.sid]
    eventually(lambda: socket.heartbeats >= 8, "the client has answered 8 heartbeats")
    assert client.ask("echo", "still here") == ["still here"]
    assert client.got("disconnect") == journal.all("disconnect") == []


def test_empty_answers_keep_an_idle_poll_going(
    start: Start, node: Node, journal: Transcript
) -> None:
    server = start({"/chat": Chat}, **TINY)
    client = node.connect(server.url + "/chat", "xhr-polling")
    client.next("connect")
    socket = server.registry.sockets[client.sid]
    eventually(lambda: socket.hits >= 10, "the client has asked 10 times")
    assert client.ask("echo", "still here") == ["still here"]
    assert client.got("disconnect") == journal.all("disconnect") == []
