"""Engine.IO without Socket.IO (``bare=True``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace

from ..support.engine_client import EngineClient, EngineWire
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
