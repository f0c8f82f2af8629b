"""Links between workers: frames, descriptors, and what happens when the other end does not read."""

from __future__ import annotations

import _socket
import os
import struct
from collections.abc import Callable, Iterator

import gevent
import gevent.event
import pytest

from sockio.backplane.mesh import link as link_module
from sockio.backplane.mesh.link import CARRIES, Frame, Link
from sockio.runtime.gevent_runtime import GeventRuntime

PATIENCE = 10.0


class End:
    """One end, and what has come there."""

    def __init__(self, runtime: GeventRuntime, sock: _socket.socket) -> None:
        self.frames: list[Frame] = []
        self.why: list[str] = []
        self._changed = gevent.event.Event()
        sock.setblocking(False)
        self.sock = sock
        self.link = Link(sock, runtime, self._frame, self._end)

    def _frame(self, link: Link, frame: Frame) -> None:
        self.frames.append(frame)
        self._changed.set()

    def _end(self, link: Link, why: str) -> None:
        self.why.append(why)
        self._changed.set()

    def wait(self, condition: Callable[[], bool]) -> None:
        with gevent.Timeout(PATIENCE):
            while not condition():
                self._changed.wait()
                self._changed.clear()


@pytest.fixture
def gevent_runtime() -> GeventRuntime:
    runtime = GeventRuntime()
    runtime.bind()
    return runtime


@pytest.fixture
def ends(gevent_runtime: GeventRuntime) -> Iterator[tuple[End, End]]:
    pair = [End(gevent_runtime, each) for each in _socket.socketpair()]
    yield pair[0], pair[1]
    for each in pair:
        each.link.close()


def test_frames_come_in_their_order_and_joined(
    ends: tuple[End, End], gevent_runtime: GeventRuntime
) -> None:
    one, other = ends
    gevent_runtime.begin_turn()
    for number in range(100):
        assert one.link.send(number % 50, b"x" * number)
    other.wait(lambda: len(other.frames) == 100)
    assert other.frames == [Frame(number % 50, b"x" * number) for number in range(100)]
    # And the other way, without a turn.
    assert other.link.send(7, b"back")
    one.wait(lambda: one.frames == [Frame(7, b"back")])


def test_what_is_said_while_the_kernel_is_full_follows_by_itself(
    ends: tuple[End, End], gevent_runtime: GeventRuntime
) -> None:
    one, other = ends
    big = b"x" * 1_000_000
    gevent_runtime.begin_turn()
    assert one.link.send(1, big)
    one.link.flush()
    # Now it waits for room, in a turn that has not ended.
    assert one.link.send(2, b"behind")
    assert one.link.waiting
    other.wait(lambda: len(other.frames) == 2)
    assert other.frames == [Frame(1, big), Frame(2, b"behind")]
    one.wait(lambda: one.link.waiting == 0)


def test_what_can_wait_is_sent_when_there_is_room(ends: tuple[End, End]) -> None:
    one, other = ends
    assert one.link.roomy
    assert one.link.send(1, b"x" * 2_000_000, first=True)
    assert not one.link.roomy
    link = one.link
    link.when_roomy(lambda: link.send(2, b"l" * 1_000_000, first=True))
    link.when_roomy(lambda: link.send(3, b"behind that", first=True))
    given_up = link.when_roomy(lambda: link.send(4, b"no more", first=True))
    link.when_roomy(lambda: link.send(5, b"little", first=True), short=True)
    # What cannot wait does not.
    assert link.send(6, b"now", first=True)
    given_up.cancel()
    other.wait(lambda: len(other.frames) == 5)
    assert [frame.kind for frame in other.frames] == [1, 6, 5, 2, 3]
    assert link.roomy


def test_what_goes_first_waits_for_one_frame_at_most(
    ends: tuple[End, End], gevent_runtime: GeventRuntime
) -> None:
    one, other = ends
    gevent_runtime.begin_turn()
    for _ in range(10):
        assert one.link.send(1, b"x" * 500_000)
    one.link.flush()
    # Of these the kernel has a part.
    assert one.link.waiting > 4_000_000
    assert one.link.roomy
    assert one.link.send(2, b"request", first=True)
    assert one.link.send(3, b"the same", first=True)
    other.wait(lambda: len(other.frames) == 12)
    assert [frame.kind for frame in other.frames] == [1, 2, 3, *[1] * 9]


def test_who_says_little_is_heard_beside_who_says_much(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MOST_WAITING", 1_000_000)
    one, other = ends
    sent = 0
    while one.link.send(1, b"x" * 100_000):
        sent += 1
    assert one.link.send(2, b"little")
    # Nor are requests kept out.
    assert one.link.send(3, b"x" * 100_000, first=True)
    other.wait(lambda: len(other.frames) == sent + 2)


@pytest.mark.greenlets_may_die
def test_one_that_fails_keeps_no_other_waiting(
    ends: tuple[End, End], capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = ends
    assert one.link.send(1, b"x" * 2_000_000, first=True)

    def fail() -> None:
        raise ValueError("as it was told")

    one.link.when_roomy(fail)
    one.link.when_roomy(lambda: one.link.send(2, b"behind", first=True))
    other.wait(lambda: len(other.frames) == 2)
    assert "as it was told" in capsys.readouterr().err


def test_descriptors_come_with_their_frames(ends: tuple[End, End]) -> None:
    one, other = ends
    before = len(os.listdir("/proc/self/fd"))
    pipes = [os.pipe() for _ in range(20)]
    for number, (reader, writer) in enumerate(pipes):
        os.write(writer, b"%d" % number)
        os.close(writer)
        one.link.send(3, b"between")
        assert one.link.send(CARRIES + 1, b"%d" % number, reader)
    other.wait(lambda: len(other.frames) == 40)
    for frame in other.frames[1::2]:
        assert frame.descriptor is not None
        assert os.read(frame.descriptor, 10) == frame.payload
        os.close(frame.descriptor)
    # They were the other's alone. gevent closes descriptors when its loop has come round.
    with gevent.Timeout(PATIENCE):
        while len(os.listdir("/proc/self/fd")) != before:
            gevent.sleep(0)


def test_for_one_that_does_not_read_no_more_waits_than_may(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MOST_WAITING", 1_000_000)
    one, other = ends
    other.link.close()
    # A peer that lives, and stands still.
    still, peer = _socket.socketpair()
    one = End(GeventRuntime(), still)
    sent = 0
    while one.link.send(1, b"x" * 100_000):
        sent += 1
        assert sent < 100
    assert 1_000_000 < one.link.waiting <= 1_200_000
    assert not one.link.closed
    peer.close()
    one.wait(lambda: one.link.closed)
    assert one.link.waiting == 0
    assert not one.link.send(1, b"")


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">IB", 64_000_001, 1),
        struct.pack(">IB", 0, CARRIES),
        b"\xff" * 100,
    ],
    ids=["too large", "no descriptor", "garbage"],
)
def test_whoever_sends_garbage_is_cut_off(ends: tuple[End, End], data: bytes) -> None:
    one, other = ends
    one.sock.send(data)
    other.wait(lambda: other.link.closed)
    assert len(other.why) == 1
    assert other.why[0].startswith("it sent ")
    one.wait(lambda: one.link.closed)
    assert one.why == ["it has ended"]


def test_what_was_said_before_the_end_is_heard(ends: tuple[End, End]) -> None:
    """Also by one that has something to say itself, and notices the end by that."""
    one, other = ends
    for number in range(40):
        assert one.link.send(number, b"x" * 4000)
    one.link.flush()
    one.link.close()
    assert other.link.send(1, b"still there?")
    other.link.flush()
    assert not other.link.send(1, b"no")
    other.wait(lambda: bool(other.why))
    assert [each.kind for each in other.frames] == [*range(40)]


def test_one_that_takes_nothing_and_does_not_end(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "_LAST", 0.05)
    one, other = ends
    one.sock.shutdown(_socket.SHUT_RD)
    assert other.link.send(1, b"hello")
    other.wait(lambda: bool(other.why))
    assert other.link.closed
