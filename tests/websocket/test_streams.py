"""Byte streams by themselves: what arrived before a stream began is read like everything else."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent import socket

from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.transports.streams import CHUNK, PART, BlockingStream, WatchedStream

from ..support.transcript import eventually

EARLY = bytes(range(256)) * 250


@pytest.fixture(params=[WatchedStream, BlockingStream])
def stream_and_peer(request: pytest.FixtureRequest) -> Any:
    ours: Any
    ours, theirs = socket.socketpair()
    with ours, theirs:
        runtime = GeventRuntime()
        runtime.bind()
        if request.param is WatchedStream:
            ours.setblocking(False)
            yield WatchedStream(ours._sock, runtime), theirs, lambda stream: None
        else:
            yield BlockingStream(ours, runtime), theirs, lambda stream: gevent.spawn(stream.run)


def test_what_came_early_is_read_in_parts_and_first(stream_and_peer: Any) -> None:
    stream, peer, run = stream_and_peer
    read: list[bytes] = []
    ended: list[bool] = []
    stream.start(read.append, lambda: ended.append(True))
    peer.sendall(b"later")
    stream.unread(EARLY)
    run(stream)
    assert len(b"".join(read)) <= CHUNK
    eventually(lambda: b"".join(read) == EARLY + b"later", "all was read")
    assert max(map(len, read)) <= CHUNK
    peer.close()
    eventually(lambda: ended, "the end was told")


def test_nothing_of_it_is_read_while_the_reader_pauses(stream_and_peer: Any) -> None:
    stream, _, run = stream_and_peer
    read: list[bytes] = []

    def reading(data: bytes) -> None:
        read.append(data)
        stream.pause()

    stream.start(reading, lambda: None)
    stream.unread(EARLY)
    run(stream)
    for part in range(1, 4):
        eventually(lambda: len(read) >= part, "a part was read")  # noqa: B023
        gevent.sleep(0.01)
        assert len(read) == part
        stream.resume()
    eventually(lambda: len(read) == 4, "the rest was read")
    assert b"".join(read) == EARLY
    stream.close()


def test_much_is_written_in_parts_and_others_have_their_turn_between_them() -> None:
    """To a cooperative socket, which does not wait while its peer reads fast enough."""
    ours, theirs = socket.socketpair()

    class Breathing(GeventRuntime):
        turns = 0
        share = 0.0

        def breathe(self, whose: str = "") -> None:
            self.turns += 1
            super().breathe(whose)

    runtime = Breathing()
    runtime.bind()
    with ours, theirs:
        stream, data, got = BlockingStream(ours, runtime), bytes(20 * PART), bytearray()
        assert stream.send(data) == len(data)
        while len(got) < len(data):
            got += theirs.recv(1 << 20)
        assert runtime.turns >= 19
        assert got == data
