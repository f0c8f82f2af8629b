"""Who works for long gives way, and then input is looked for: not only whoever was ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event

from sockio.runtime import workers
from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.runtime.pace import Pace
from sockio.runtime.workers import HEAVY, LONG, SLICE


class Input:
    """Bytes that arrive, and whoever waits for them in the event loop."""

    def __init__(self, runtime: GeventRuntime, heard: Callable[[], object]) -> None:
        self.here, self.there = socket.socketpair()
        self._heard = heard
        self.watcher = runtime.watch(self.here, self._readable)

    def _readable(self) -> None:
        self.here.recv(100)
        self._heard()

    def close(self) -> None:
        self.watcher.cancel()
        self.here.close()
        self.there.close()


@pytest.fixture
def real() -> GeventRuntime:
    runtime = GeventRuntime()
    runtime.bind()
    return runtime


@pytest.fixture
def order() -> list[str]:
    return []


@pytest.fixture
def incoming(real: GeventRuntime, order: list[str]) -> Iterator[Input]:
    made = Input(real, lambda: order.append("input"))
    yield made
    made.close()


def work(seconds: float) -> None:
    """Use the processor for so long, however much others use it meanwhile."""
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


def test_input_is_looked_for_with_each_breath(
    real: GeventRuntime, incoming: Input, order: list[str]
) -> None:
    for number in range(3):
        incoming.there.send(b"x")
        real.breathe()
        order.append(str(number))
    assert order == ["input", "0", "input", "1", "input", "2"]


def test_what_input_sets_off_goes_before_those_who_gave_way(
    real: GeventRuntime, order: list[str]
) -> None:
    incoming = Input(real, lambda: real.run(order.append, "answer"))
    others = [gevent.spawn(breathe_often, real, order) for _ in range(20)]
    gevent.sleep(0)
    order.clear()
    incoming.there.send(b"x")
    real.breathe()
    # One of the others may have been on its way.
    assert order.index("answer") <= 1
    gevent.joinall(others)
    incoming.close()


def breathe_often(runtime: GeventRuntime, order: list[str]) -> None:
    for _ in range(20):
        order.append("other")
        runtime.breathe()


def test_who_is_answered_after_a_long_piece_of_work_may_ask_again_before_the_next(
    real: GeventRuntime, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a busy machine.
    monkeypatch.setattr(workers, "PART", 100.0)
    monkeypatch.setattr(workers, "PAUSE", 0.5)

    line = Input(real, lambda: real.run(answer))
    done = Event()

    def answer() -> None:
        order.append("answer")
        if order.count("answer") < 3:
            line.there.send(b"x")

    def long() -> None:
        line.there.send(b"x")
        work(2 * LONG)
        real.breathe()
        order.append("more")
        done.set()

    real.run(long)
    assert done.wait(30)
    assert order == ["answer", "answer", "answer", "more"]
    line.close()


def test_those_who_gave_way_take_turns_and_share_a_slice(
    real: GeventRuntime, order: list[str]
) -> None:
    def loop(name: str) -> None:
        ends = real.now() + real.share
        for _ in range(30):
            work(SLICE / 10)
            order.append(name)
            if real.now() > ends:
                real.breathe()
                ends = real.now() + real.share

    incoming = Input(real, lambda: order.append("input"))
    done = Event()
    for number in range(20):
        real.run(loop, str(number))
    real.run(done.set)
    # However many they are, input is looked for before each of them had a slice.
    gevent.spawn(incoming.there.send, b"x")
    assert done.wait(30)
    while real._workers is not None and real._workers.behind:
        real.breathe()
    assert order.count("input") == 1
    assert order.index("input") <= 25
    assert len(order) == 601
    # In the first third of the time all of them have had something.
    assert set(order[:200]) >= {str(number) for number in range(20)}
    incoming.close()


def test_jobs_that_beget_jobs_let_input_in(
    real: GeventRuntime, incoming: Input, order: list[str]
) -> None:
    done = Event()

    def job(number: int) -> None:
        work(HEAVY / 4)
        order.append(str(number))
        if number < 40:
            real.run(job, number + 1)
        else:
            done.set()

    incoming.there.send(b"x")
    real.run(job, 0)
    assert done.wait(30)
    assert order.index("input") <= 5


def test_a_task_that_is_killed_while_it_breathes_leaves_nothing(real: GeventRuntime) -> None:
    task = gevent.spawn(real.breathe)
    gevent.sleep(0)
    task.kill()
    assert task.dead
    assert real._workers is not None
    assert not real._workers._resting
    real.breathe()
    assert not real._workers.behind


def test_another_thread_may_breathe(real: GeventRuntime) -> None:
    gevent.get_hub().threadpool.apply(real.breathe)


def test_one_may_breathe_before_the_first_request() -> None:
    GeventRuntime().breathe()


def test_a_loop_that_never_waits_keeps_its_pace(
    real: GeventRuntime, incoming: Input, order: list[str]
) -> None:
    pace = Pace(real)
    incoming.there.send(b"x")
    for number in range(10):
        pace.keep()
        work(SLICE / 2)
        order.append(str(number))
    assert order.index("input") <= 3


class Collecting:
    """Who joins what is written in one turn, and counts how often it leaves."""

    def __init__(self, runtime: GeventRuntime) -> None:
        self.turn = runtime.turn
        self.left: list[int] = []
        self._collected = 0

    def write(self) -> None:
        if not self.turn.open:
            self.left.append(1)
            return
        if not self._collected:
            self.turn.at_end(self)
        self._collected += 1

    def flush(self) -> None:
        self.left.append(self._collected)
        self._collected = 0


def test_what_is_written_by_those_who_gave_way_is_joined_too(real: GeventRuntime) -> None:
    """A worker that is asked for more before it is done never comes to the end of its job: written
    one by one, four broadcasts cost four times as much, and nothing would ever end that."""
    collecting, done = Collecting(real), Event()

    def writes() -> None:
        for _ in range(4):
            collecting.write()

    def job() -> None:
        writes()
        real.breathe()
        writes()
        real.breathe()
        writes()
        done.set()

    real.begin_turn()
    real.run(job)
    assert done.wait(5)
    # The end of the turn in which it was done comes behind it.
    real.breathe()
    assert collecting.left == [4, 4, 4]


def test_without_joining_each_leaves_by_itself() -> None:
    runtime = GeventRuntime(without=("join",))
    runtime.bind()
    collecting, done = Collecting(runtime), Event()

    def job() -> None:
        runtime.breathe()
        collecting.write()
        collecting.write()
        done.set()

    runtime.run(job)
    assert done.wait(5)
    assert collecting.left == [1, 1]
