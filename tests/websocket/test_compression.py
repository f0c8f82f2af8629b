"""permessage-deflate, for clients since 1.0 that agree to it."""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from sockio import BaseNamespace, BroadcastMixin
from sockio.config.settings import Settings
from sockio.namespaces.dispatch import Dispatcher
from sockio.runtime.rota import SLICE
from sockio.testing.server import eventually
from sockio.transports.deflate import deflated_frame
from sockio.transports.engine_websocket import LARGEST
from sockio.transports.streams import LEAST

from ..support.engine_client import EngineSession, EngineWire
from ..support.raw_websocket import BINARY, CONTINUATION, TEXT, frame
from ..support.servers import Served

OFFER = "permessage-deflate; client_max_window_bits"
RSV1 = 4


class Talk(BaseNamespace, BroadcastMixin):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_all(self, *args: Any) -> None:
        self.broadcast_event("said", *args)


@pytest.fixture(params=["fast path", "pywsgi"])
def server(serve: Callable[..., Served], request: pytest.FixtureRequest) -> Served:
    without = "http" if request.param == "pywsgi" else ""
    return serve(namespaces={"": Talk}, compression=150, max_payload=10_000, without=without)


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=-15).decompress(data + b"\x00\x00\xff\xff")


class Wire(EngineWire):
    """One that agrees."""

    def __init__(self, port: int, offer: str = OFFER, **more: Any) -> None:
        super().__init__(port, headers={"Sec-WebSocket-Extensions": offer}, **more)

    @property
    def agreed(self) -> str:
        return str(self.upgrade.headers.get("sec-websocket-extensions", ""))

    def say_deflated(self, packet: str) -> None:
        self.send(frame(TEXT, deflated(packet.encode()), rsv=RSV1))

    def hear_deflated(self) -> str:
        got = self.read_frame()
        assert (got.opcode, got.rsv) == (TEXT, RSV1)
        return inflated(got.payload).decode()


def test_messages_from_the_threshold_on_are_compressed(server: Served) -> None:
    with Wire(server.port) as wire:
        assert wire.agreed == (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        )
        wire.join()
        long = "x" * 200
        for _ in range(3):
            wire.say(f'421["echo","{long}"]')
            assert wire.hear_deflated() == f'431["{long}"]'
            wire.say('421["echo","short"]')
            assert wire.hear() == '431["short"]'
            wire.say_deflated(f'421["echo","{long}"]')
            assert wire.hear_deflated() == f'431["{long}"]'
            wire.say_deflated('421["echo"]')
            assert wire.hear() == "431[]"


@pytest.mark.fast_path("detach")
def test_what_has_piled_up_is_compressed_in_turns(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a message that would take too long is not compressed at all."""
    count, passes = 20, []
    loop: Any = gevent.get_hub().loop

    class Pours(BaseNamespace):
        def on_pour(self) -> None:
            self.emit("first", "x" * (15 * LARGEST))

        def on_more(self) -> None:
            for number in range(count):
                self.emit("more", number, "x" * 100_000)

    def as_if_slow(data: bytes, *, binary: bool) -> bytes:
        passes.append(loop.iteration)
        ends = time.monotonic() + 1.2 * SLICE
        while time.monotonic() < ends:
            pass
        return deflated_frame(data, binary=binary)

    server = serve(namespaces={"": Pours}, compression=150)
    with Wire(server.port) as wire:
        # Otherwise the kernel might have room for the first one.
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        wire.join()
        monkeypatch.setattr("sockio.transports.engine_websocket.deflated_frame", as_if_slow)
        wire.say('42["pour"]')
        client: Any
        (client,) = server.middleware.registry.sockets.values()
        eventually(lambda: not client._carrier.writes, "the kernel has no more room")
        wire.say('42["more"]')
        eventually(lambda: client.outbox_size[0] == count, "all wait")
        assert not passes
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_048_576)
        assert len(wire.hear()) > 15 * LARGEST
        for number in range(count):
            assert wire.hear_deflated().startswith(f'42["more",{number},"x')
    assert len(passes) == count == len(set(passes))


def test_in_fragments_and_with_bytes(server: Served) -> None:
    with Wire(server.port) as wire:
        wire.join()
        whole = deflated(b'421["echo","' + b"y" * 50 + b'"]')
        wire.send(frame(TEXT, whole[:5], fin=False, rsv=RSV1))
        wire.send(frame(CONTINUATION, whole[5:]))
        assert wire.hear() == '431["' + "y" * 50 + '"]'
        wire.say('451-1["echo",{"_placeholder":true,"num":0}]')
        wire.send(frame(BINARY, deflated(bytes(500)), rsv=RSV1))
        header = wire.hear_deflated()
        assert header == '461-1[{"_placeholder":true,"num":0}]'
        got = wire.read_frame()
        assert (got.opcode, got.rsv) == (BINARY, RSV1)
        assert inflated(got.payload) == bytes(500)


def test_a_broadcast_reaches_who_agrees_and_who_does_not(server: Served) -> None:
    text = "z" * 300
    with Wire(server.port) as one, Wire(server.port) as two, EngineWire(server.port) as plain:
        for wire in (one, two, plain):
            wire.join()
        one.say(f'42["all","{text}"]')
        said = f'42["said","{text}"]'
        assert one.hear_deflated() == two.hear_deflated() == plain.hear() == said


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=abc",
        "permessage-deflate; unknown",
        "x-webkit-deflate-frame",
        "permessage-deflate;;",
        pytest.param("x," * 500 + OFFER, id="long"),
        "",
    ],
)
def test_what_is_not_agreed_on(server: Served, offer: str) -> None:
    with Wire(server.port, offer) as wire:
        assert wire.agreed == ""
        wire.join()
        text = "x" * 200
        wire.say(f'421["echo","{text}"]')
        assert wire.hear() == f'431["{text}"]'


def test_the_first_offer_that_can_be_met(server: Served) -> None:
    offers = "permessage-deflate; server_max_window_bits=9, permessage-deflate"
    with Wire(server.port, offers) as wire:
        assert wire.agreed.startswith("permessage-deflate; server_no_context_takeover")


def test_a_message_that_is_too_large_when_it_is_unpacked(server: Served) -> None:
    with Wire(server.port) as wire:
        wire.join()
        bomb = deflated(b"4" + bytes(50_000_000))
        assert len(bomb) > 10_000
        wire.say_deflated("4" + "x" * 20_000)
        assert wire.closing() == 1009


@pytest.mark.parametrize("without", ["", "detach"], ids=["watched", "in a task"])
def test_what_is_small_on_the_wire_does_not_fill_the_inbox_at_once(
    serve: Callable[..., Served], without: str
) -> None:
    door = Event()

    class Slow(BaseNamespace):
        def on_wait(self, text: str, number: int) -> int:
            door.wait()
            return number

    server = serve(
        namespaces={"": Slow},
        compression=150,
        max_payload=10_000,
        max_inbox=(1000, 10_000),
        without=without,
    )
    with Wire(server.port) as wire:
        wire.join()
        (socket,) = server.middleware.registry.sockets.values()
        text = "x" * 9_900
        frames = [
            frame(TEXT, deflated(f'42{number}["wait","{text}",{number}]'.encode()), rsv=RSV1)
            for number in range(100, 400)
        ]
        wire.send(b"".join(frames))
        eventually(lambda: socket.paused, "nothing more is read")
        assert isinstance(socket.dispatcher, Dispatcher)
        of_one_read = LEAST // min(map(len, frames)) + 1
        assert socket.dispatcher.inbox.size <= 10_000 * (1 + of_one_read)
        door.set()
        for number in range(100, 400):
            assert wire.hear() == f"43{number}[{number}]"


def test_what_was_not_agreed_on_breaks_the_protocol(serve: Callable[..., Served]) -> None:
    server = serve(namespaces={"": Talk})
    with Wire(server.port) as wire:
        assert wire.agreed == ""
        wire.join()
        wire.say_deflated('421["echo"]')
        assert wire.closing() == 1002


def test_what_cannot_be_unpacked(server: Served) -> None:
    with Wire(server.port) as wire:
        wire.join()
        wire.send(frame(TEXT, b"\xff\xff\xff\xff", rsv=RSV1))
        assert wire.closing() == 1002


def test_it_goes_with_the_upgrade_from_polling(server: Served) -> None:

    session = EngineSession(server.port, 4)
    with Wire(server.port, sid=session.sid) as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        wire.say("5")
        text = "x" * 200
        wire.say_deflated(f'421["echo","{text}"]')
        assert wire.hear_deflated() == f'431["{text}"]'
    session.gets.close()
    session.posts.close()


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [(True, 1024), (False, None), (None, None), ("yes", 1024), ("no", None), ("", None), ("5", 5)],
)
def test_how_it_is_set(given: Any, bytes_: int | None) -> None:
    assert Settings.make(compression=given).compression == bytes_
