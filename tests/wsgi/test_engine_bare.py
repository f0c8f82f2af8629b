"""Engine.IO without Socket.IO (``bare=True``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace
from sockio.testing import ManualRuntime

from ..support.engine_client import EngineClient, EngineWire
from ..support.raw_http import Connection
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served

Open = Callable[..., EngineClient]


class Echo(BaseNamespace):
    def recv_connect(self) -> None:
        self.send("welcome")

    def recv_message(self, data: Any) -> None:
        self.send(data)


def test_messages_come_as_they_were_sent_and_are_answered_in_kind(engine: Open) -> None:
    client = engine({"": Echo}, bare=True)
    client.handshake()
    mark = "b" if client.revision == 4 else "b4"
    assert client.poll().packets == ["4welcome"]
    client.post("4hello", "4", f"{mark}AQID", '42["looks like an event"]')
    expected = ["4hello", "4", b"\x01\x02\x03", '42["looks like an event"]']
    assert client.poll().packets == expected
    assert client.lives


@pytest.mark.parametrize("revision", [3, 4])
def test_over_a_websocket(serve: Callable[..., Served], revision: int) -> None:
    server = serve(namespaces={"": Echo}, bare=True)
    with EngineWire(server.port, revision=revision) as wire:
        assert wire.hear() == "4welcome"
        wire.say("4ü")
        assert wire.hear() == "4ü"
        wire.say_bytes(b"\x00\xff")
        assert wire.hear_bytes() == b"\x00\xff"


def test_who_awaits_the_websocket_first_is_in_time_for_the_open_packet(
    serve: Callable[..., Served], runtime: ManualRuntime
) -> None:
    server = serve(namespaces={"": Echo}, bare=True, runtime=runtime)
    with Connection(server.port) as wire:
        wire.send(upgrade_request("/socket.io/?EIO=3&transport=websocket", server.port))
        assert wire.answer().code == 101
        assert wire.read(0) == b""  # nothing came with it
        assert runtime.timers
        runtime.advance(0.01)
        assert wire.read(3)[2:] == b"0"
