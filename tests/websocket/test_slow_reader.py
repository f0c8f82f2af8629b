"""Clients that read slowly or never: what they cost, what they lose, and what the others notice."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import gevent
import pytest

from sockio.sessions.reasons import Reason
from sockio.transports.framing import close_frame
from sockio.virtsocket import Socket

from ..support.raw_websocket import PING, PONG, TEXT, RawWebSocket, frame, open_session
from ..support.servers import Served
from ..support.slowly import reads_slowly
from ..support.transcript import Transcript, eventually

KILO = "x" * 1000


def socket_of(server: Served, websocket: RawWebSocket) -> Socket:
    socket: Socket = server.registry.sockets[websocket.sid]
    return socket


def send_until(socket: Socket, condition: Callable[[], object]) -> int:
    """Send numbered messages of a kilobyte until ``condition``; gives how many were sent."""
    number = 0
    while not condition():
        if not socket.connected or not socket[""].send(f"{number:08}{KILO}"):
            break
        number += 1
    return number


@pytest.fixture
def memory() -> Iterator[Callable[[], int]]:
    """Bytes that Python holds now in addition to what it held at the beginning."""
    gc.collect()
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.alone
def test_who_never_reads_is_closed_at_the_limit(
    start: Callable[..., Served], journal: Transcript, memory: Callable[[], int]
) -> None:
    server = start(max_outbox=(1_000_000, 2_000_000))
    with open_session(server.port) as idle, open_session(server.port) as other:
        socket = socket_of(server, idle)
        send_until(socket, lambda: not socket.connected)
        assert socket.close_reason == Reason.OVERFLOW
        assert memory() < 3_000_000
        journal.next("disconnect", "", Reason.OVERFLOW)
        # Nothing has happened to anybody else.
        other.say("3:::still here")
        assert other.hear() == "3:::still here"
        assert other.sid in server.registry.sockets
        eventually(lambda: memory() < 1_000_000, "its memory is given back")


@pytest.mark.fast_path("detach")  # else nothing is in the kernel before the sender waits
def test_who_never_reads_loses_messages_where_that_is_the_setting(
    start: Callable[..., Served],
) -> None:
    """Whole messages, the newest; what was taken arrives in order."""
    server = start(max_outbox=(1_000_000, 1_000_000), overflow="drop")
    with open_session(server.port) as idle:
        socket = socket_of(server, idle)
        taken = send_until(socket, lambda: socket.dropped)
        assert taken > 1000
        assert socket.connected
        for number in range(taken):
            assert idle.hear() == f"3:::{number:08}{KILO}"
        eventually(lambda: socket.outbox_size == (0, 0), "nothing waits any more")
        assert socket[""].send("room again")
        assert idle.hear() == "3:::room again"


def test_who_reads_late_gets_everything_in_order(
    start: Callable[..., Served],
) -> None:
    server = start(max_outbox=(1_000_000, 10_000_000))
    with open_session(server.port) as late:
        socket = socket_of(server, late)
        sent = send_until(socket, lambda: socket.outbox_size[0] >= 3000)
        for number in range(sent):
            assert late.hear() == f"3:::{number:08}{KILO}"
        assert socket.connected


def test_the_last_message_arrives_before_a_kick(server: Served) -> None:
    with open_session(server.port) as late:
        socket = socket_of(server, late)
        sent = send_until(socket, lambda: socket.outbox_size[0] >= 100)
        socket[""].send("last words")
        socket.disconnect()
        heard = [late.hear() for _ in range(sent + 2)]
        assert heard[-2:] == ["3:::last words", "0::"]
        assert late.closing() == 1000


#: More than the kernels on both sides hold.
MUCH = 12_000_000


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes nothing is given up soon."""
    monkeypatch.setattr("sockio.sessions.lifetime.STREAM_LINGER", 0.3)
    monkeypatch.setattr("sockio.transports.websocket.CLOSE_WAIT", 0.3)
    monkeypatch.setattr("sockio.sessions.patience.STEP", 0.01)


@pytest.mark.usefixtures("hurried")
def test_who_reads_slowly_to_the_end_is_not_cut(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_session(server.port) as slow:
        socket = socket_of(server, slow)
        socket[""].send("x" * MUCH)
        socket.disconnect()
        last = reads_slowly(slow, MUCH, monkeypatch)
        assert b"0::" in last
        assert last.endswith(close_frame(1000))


@pytest.mark.usefixtures("hurried")
def test_who_reads_slowly_what_was_left_when_it_came_anew_is_not_cut(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_session(server.port) as slow:
        socket_of(server, slow)[""].send("x" * MUCH)
        with RawWebSocket(server.port, slow.sid):
            assert reads_slowly(slow, MUCH, monkeypatch).endswith(close_frame(1000))


def test_the_others_are_not_kept_waiting(server: Served) -> None:
    """A broadcast to a hundred that do not read reaches the one that does, each time, in order."""
    idle = [open_session(server.port, "/chat") for _ in range(100)]
    with open_session(server.port, "/chat") as reader:
        for number in range(200):
            server.middleware.of("/chat").emit("news", number, KILO * 10)
            assert reader.hear().startswith(f'5::/chat:{{"name":"news","args":[{number},')
    for websocket in idle:
        websocket.close()


@pytest.mark.alone
def test_a_broadcast_is_encoded_once_for_all(
    start: Callable[..., Served], memory: Callable[[], int]
) -> None:
    """A hundred idle clients share what waits for them."""
    server = start(max_outbox=(1_000_000, 4_000_000))
    idle = [open_session(server.port, "/chat") for _ in range(20)]
    sockets = [socket_of(server, websocket) for websocket in idle]
    text = "x" * 1_000_000
    before = memory()
    while not all(socket.outbox_size[0] for socket in sockets):
        server.middleware.of("/chat").emit("news", text)
    waiting = sum(socket.outbox_size[1] for socket in sockets)
    assert waiting > 20_000_000
    assert memory() - before < waiting / 3
    for websocket in idle:
        websocket.close()
    eventually(lambda: not server.registry.sockets, "they are forgotten")


@pytest.mark.alone
def test_pings_of_a_client_that_never_reads_do_not_pile_up(
    server: Served, journal: Transcript, memory: Callable[[], int]
) -> None:
    with open_session(server.port) as rude:
        socket = socket_of(server, rude)
        send_until(socket, lambda: socket.outbox_size[0])
        before = memory()
        pings = b"".join(frame(PING, f"{number:0125}") for number in range(1000))
        for _ in range(30):
            rude.send(pings)
        rude.send(frame(PING, "latest") + frame(TEXT, "3:::hello"))
        journal.next("message", "hello")
        assert memory() - before < 1_000_000
        # Nothing is broken: the answer to the latest ping is among what it reads at last.
        got = rude.read_frame()
        pongs = []
        while got.payload != b"3:::hello":
            if got.opcode == PONG:
                pongs.append(got.payload)
            got = rude.read_frame()
        assert pongs[-1] == b"latest"


@pytest.mark.alone
def test_events_of_a_client_whose_handlers_are_slow_wait_in_the_kernel(
    start: Callable[..., Served], memory: Callable[[], int]
) -> None:
    """It is not read from any more until there is room; nothing is lost or taken out of order."""
    server = start(max_inbox=10)
    with open_session(server.port) as eager, open_session(server.port) as other:
        socket = socket_of(server, eager)
        numbers: list[str] = []
        go_on = gevent.event.Event()

        def slowly(data: str) -> None:
            go_on.wait()
            numbers.append(data[:8])

        socket[""].recv_message = slowly
        before = memory()

        def write() -> None:
            for number in range(20_000):
                eager.say(f"3:::{number:08}{KILO}")

        writer = gevent.spawn(write)
        eventually(lambda: socket.busy, "its events pile up")
        for number in range(200):  # whatever could happen meanwhile does
            other.say(f"3:::{number}")
            assert other.hear() == f"3:::{number}"
        assert not writer.dead
        assert memory() - before < 5_000_000
        go_on.set()
        writer.join()
        eventually(lambda: len(numbers) == 20_000, "all are handled")
        assert numbers == [f"{number:08}" for number in range(20_000)]
