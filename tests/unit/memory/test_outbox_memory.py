"""An outbox of so many bytes takes no more of memory, whatever waits in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sockio import BaseNamespace
from sockio.protocol.generations import EIO4
from sockio.sessions.engine_socket import EngineSocket
from sockio.sessions.socket import Socket
from sockio.transports.engine_websocket import DeflatingCarrier, EngineWebSocket
from sockio.transports.websocket import WebSocket, WebSocketCarrier

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted
from .measuring import BINARY, FACTOR, SHAPES, measuring

LIMIT = 300_000

#: Of one each: to compress takes long while memory is traced.
COMPRESSED = ("latin", "one emoji", "large", "large bytes")

every_shape = pytest.mark.parametrize("shape", [*SHAPES, *BINARY])


class Reads:
    """A connection whose peer takes all that it is sent."""

    def start(self, on_data: object, on_end: object) -> None: ...
    def send(self, data: bytes) -> int:
        return len(data)

    def call_when_writable(self, callback: object) -> None: ...
    def taken(self) -> object:
        return None

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...
    def end_writing(self) -> None: ...


def joins(home: House, socket: Socket) -> None:
    if isinstance(socket, EngineSocket):
        socket.receive("40")
    home.runtime.settle()
    assert "" in socket.active_ns


def fill(send: Callable[[int], bool]) -> int:
    """Send until no more fits; how many did."""
    number = 0
    while send(number):
        number += 1
        assert number < 10_000
    return number


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": BaseNamespace}, max_outbox=(1_000_000, LIMIT), overflow="drop")


@every_shape
def test_a_client_that_does_not_read(home: House, shape: str) -> None:
    values = {**SHAPES, **BINARY}[shape]
    socket = admitted(home, EIO4) if shape in BINARY else home.handshake()
    stream = Stream(socket)
    socket.attach(stream)
    joins(home, socket)
    stream.stuck = True
    space: Any = socket[""]
    with measuring() as grown:

        def send(number: int) -> bool:
            space.emit("event", *values(number))
            return not socket.dropped

        fill(send)
        assert grown.bytes <= LIMIT * FACTOR
        assert socket.outbox_size[1] <= LIMIT < socket.outbox_size[1] + 25_000
        # Nor is it so careful that little fits.
        assert grown.bytes >= LIMIT * 0.5
    stream.hangs_up()


@pytest.mark.parametrize(
    ("shape", "compressed"),
    [
        *[pytest.param(shape, False, id=shape) for shape in [*SHAPES, *BINARY]],
        *[pytest.param(shape, True, id=f"{shape}, compressed") for shape in COMPRESSED],
    ],
)
def test_beside_one_that_reads_the_same(home: House, shape: str, compressed: bool) -> None:
    """What was made for who has read it is not kept with what waits for the other."""
    values = {**SHAPES, **BINARY}[shape]
    slow, quick = admitted(home, EIO4), admitted(home, EIO4)
    stream = Stream(slow)
    slow.attach(stream)
    transport = EngineWebSocket(home.registry.settings, home.runtime, EIO4)
    kind = WebSocketCarrier
    if compressed:
        transport.settings = replace(home.registry.settings, compression=1)
        kind = DeflatingCarrier
    quick.attach(kind(transport, Reads(), quick))  # type: ignore[arg-type]
    joins(home, slow)
    joins(home, quick)
    stream.stuck = True
    room = home.middleware.of("")
    with measuring() as grown:

        def send(number: int) -> bool:
            room.emit("event", *values(number))
            return not slow.dropped

        fill(send)
        assert quick.outbox_size == (0, 0)
        assert grown.bytes <= LIMIT * FACTOR
    stream.hangs_up()
    quick.close("over")


def test_what_waits_while_others_are_let_in(house: MakeHouse) -> None:
    """Frames that were made for those at the gate before it."""
    home = house({"": BaseNamespace}, max_outbox=(1_000_000, LIMIT), overflow="drop")
    one, other = home.handshake(), home.handshake()
    transport = WebSocket(home.registry.settings, home.runtime, home.registry.codec)
    slow = Stream(other)
    other.attach(slow)
    one.attach(WebSocketCarrier(transport, Reads(), one))  # type: ignore[arg-type]
    home.runtime.settle()
    slow.stuck = True
    one.hold("")
    with measuring() as grown:

        def send(number: int) -> bool:
            home.middleware.of("").emit("event", os.urandom(200).hex())
            return not other.dropped

        fill(send)
        one.release("", None, deliver=True)
        assert grown.bytes <= LIMIT * FACTOR
    slow.hangs_up()
    one.close("over")
