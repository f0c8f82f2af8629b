"""Clients that send faster than anybody can handle it: they wait, and nobody else does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio.transports.framing import FrameReader

from ..support.raw_websocket import CONTINUATION, TEXT, RawWebSocket, frame, open_session
from ..support.servers import Served
from ..support.transcript import eventually

MAX_INBOX = 100
#: Frames that one read may bring beyond the limit: 16 kB of the smallest there are.
ONE_READ = 16384 // 6 + 1


def reading(websocket: RawWebSocket) -> gevent.Greenlet[..., Any]:
    """Read and forget what comes."""

    def read() -> None:
        while websocket.sock.recv(1 << 20):
            pass

    return gevent.spawn(read)


FLOODS = [
    pytest.param("", id="empty packets"),
    pytest.param("x", id="garbage"),
    pytest.param("3:::", id="messages"),
    pytest.param('5:::{"name":"no such event"}', id="events that nothing handles"),
    # Each is answered, which fills the outbox where a task of its own has to write.
    pytest.param("1::", id="connects", marks=pytest.mark.fast_path("detach")),
    pytest.param("1::/nowhere", id="connects to nowhere"),
    pytest.param("0::/nowhere", id="disconnects from nowhere"),
]


@pytest.mark.parametrize("packet", FLOODS)
def test_a_flood_waits_in_the_kernel_not_in_memory(
    start: Callable[..., Served], packet: str
) -> None:
    answered: list[str] = []
    server = start(max_inbox=MAX_INBOX, error_handler=lambda _, name, *rest: answered.append(name))
    flood = 20_000
    with open_session(server.port) as flooder, open_session(server.port, "/chat") as other:
        socket = server.registry.sockets[flooder.sid]
        dispatcher: Any = socket.dispatcher
        reader = reading(flooder)
        writer = gevent.spawn(flooder.send, frame(TEXT, packet) * flood)
        seen, worst = 0, 0
        while seen < flood:
            other.say('5:1+:/chat:{"name":"echo"}')
            assert other.hear() == "6::/chat:1"
            seen = socket.received + socket.bad_packets
            unanswered = socket.bad_packets - answered.count("invalid_packet")
            worst = max(worst, unanswered, len(dispatcher.inbox.items))
        assert worst <= MAX_INBOX + ONE_READ
        writer.join()
        eventually(lambda: not socket.busy, "the flood is over")
        assert socket.connected
        reader.kill()


def test_empty_fragments_take_no_memory() -> None:
    reader = FrameReader(1000)
    assert reader.feed(frame(TEXT, "3:::", fin=False)) == []
    fragments = frame(CONTINUATION, fin=False) * 1000
    reader.feed(fragments)
    tracemalloc.start()
    for _ in range(20):
        assert reader.feed(fragments) == []
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000
    assert reader.feed(frame(CONTINUATION, "done")) == ["3:::done"]
