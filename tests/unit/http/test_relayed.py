"""A websocket that one worker carries to another, because it alone has the keys of its TLS."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent import socket

from sockio.http.forwarding.relay import CHUNK, _move
from sockio.runtime.gevent_runtime import GeventRuntime

MUCH = bytes(range(256)) * 4096


class Breathing(GeventRuntime):
    """Counts the turns that others are given."""

    share = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def breathe(self, whose: str = "") -> None:
        self.turns += 1
        super().breathe(whose)


@pytest.fixture
def pairs() -> Any:
    pairs = socket.socketpair(), socket.socketpair()
    yield pairs
    for each in (*pairs[0], *pairs[1]):
        each.close()


def test_who_sends_as_fast_as_it_is_carried_keeps_nobody_waiting(pairs: Any) -> None:
    (client, source), (target, owner) = pairs
    runtime = Breathing()
    runtime.bind()
    moving = gevent.spawn(_move, source, target, runtime)
    sending = gevent.spawn(client.sendall, MUCH)
    got = bytearray()
    while len(got) < len(MUCH):
        got += owner.recv(1 << 20)
    assert got == MUCH
    assert runtime.turns >= len(MUCH) // CHUNK - 1
    sending.get()
    client.close()
    moving.get()
    assert owner.recv(1) == b""
