"""What is emitted to many from outside of any turn does not stop everybody while it is written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import gevent
import pytest

from sockio.runtime import turn
from sockio.transports.websocket import LARGE

from ..support.raw_http import Connection, handshake
from ..support.raw_websocket import RawWebSocket, open_session
from ..support.servers import Served
from ..support.transcript import eventually

TEXT = "x" * 100_000
READERS = 20


@pytest.fixture
def readers(server: Served) -> Iterator[list[RawWebSocket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(open_session(server.port)) for _ in range(READERS)]


def waiting(server: Served) -> int:
    """How many clients have something that leaves at a turn's end."""
    return len(server.middleware.runtime.turn._writers)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many were waiting at each end of a turn. A slice is over when it has begun."""
    counts: list[int] = []
    end = turn.Turn.end

    def counted(self: turn.Turn) -> bool:
        if self._writers:
            counts.append(len(self._writers))
        return end(self)

    monkeypatch.setattr(turn, "SLICE", -1.0)
    monkeypatch.setattr(turn.Turn, "end", counted)
    return counts


def emit_here(server: Served, *texts: str) -> None:
    for text in texts:
        server.middleware.of("").send(text)


def emit_elsewhere(server: Served, *texts: str) -> None:
    gevent.get_hub().threadpool.apply(emit_here, (server, *texts))


@pytest.mark.fast_path("join")
@pytest.mark.parametrize("emit", [emit_here, emit_elsewhere])
def test_it_is_written_in_slices(
    server: Served, readers: list[RawWebSocket], ends: list[int], emit: Callable[..., None]
) -> None:
    emit(server, TEXT)
    for reader in readers:
        assert reader.hear() == "3:::" + TEXT
    assert ends[: READERS // turn.FEW] == list(range(READERS, 0, -turn.FEW))


@pytest.mark.fast_path("join")
@pytest.mark.fast_path("http")
def test_polls_are_answered_in_slices(server: Served, ends: list[int]) -> None:
    with contextlib.ExitStack() as stack:
        polls = []
        for _ in range(READERS):
            path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
            poll = stack.enter_context(Connection(server.port))
            assert poll.ask("GET", path).body == "1::"
            poll.request("GET", path)
            polls.append(poll)
        sockets = server.registry.sockets.values()
        eventually(lambda: all(socket._carrier for socket in sockets), "all polls wait")
        ends.clear()
        emit_here(server, TEXT)
        for poll in polls:
            assert poll.answer().body == "3:::" + TEXT
        assert ends[: READERS // turn.FEW] == list(range(READERS, 0, -turn.FEW))


def test_the_order_stays(server: Served, readers: list[RawWebSocket]) -> None:
    texts = [f"{number}" + "x" * size for number in range(4) for size in (10, LARGE, 0, 200_000)]
    emit_here(server, *texts)
    for reader in readers:
        assert [reader.hear() for _ in texts] == ["3:::" + text for text in texts]


@pytest.mark.fast_path("detach")
def test_large_ones_are_not_copied_for_each(server: Served, readers: list[RawWebSocket]) -> None:
    emit_here(server, TEXT, TEXT)
    carriers = [socket._carrier for socket in server.registry.sockets.values()]
    kept = {id(carrier._collected) for carrier in carriers}  # type: ignore[union-attr]
    assert len(kept) == 1
    for reader in readers:
        assert reader.hear() == reader.hear() == "3:::" + TEXT


def test_what_is_little_leaves_at_once(server: Served, readers: list[RawWebSocket]) -> None:
    emit_here(server, "little")
    assert not waiting(server)
    assert readers[0].hear() == "3:::little"
