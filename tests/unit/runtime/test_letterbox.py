"""What other native threads emit: bounded, in order, and beside everything else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.monkey
import pytest

from sockio.exceptions import UsageError
from sockio.runtime import letterbox
from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.runtime.letterbox import BYTES, CALLS, Letterbox

native_lock: Callable[[], Any] = gevent.monkey.get_original("_thread", "allocate_lock")
native_sleep: Callable[[float], None] = gevent.monkey.get_original("time", "sleep")


@pytest.fixture
def real() -> GeventRuntime:
    runtime = GeventRuntime()
    runtime.bind()
    return runtime


def in_another_thread(fn: Callable[..., object], *args: object) -> Any:
    return gevent.get_hub().threadpool.spawn(fn, *args)


@pytest.mark.parametrize(
    ("size", "most"),
    [pytest.param(0, CALLS, id="calls"), pytest.param(BYTES // 10, 10, id="bytes")],
)
def test_a_thread_waits_while_too_much_waits(real: GeventRuntime, size: int, most: int) -> None:
    put: list[int] = []
    done: list[int] = []
    many = 5 * most

    def emit() -> None:
        for number in range(many):
            real.from_thread(done.append, number, size=size)
            put.append(number)

    thread = in_another_thread(emit)
    while not put:
        gevent.sleep(0.001)
    # The event loop does nothing now, and the thread goes as far as it can.
    before = -1
    while before < len(put):
        before = len(put)
        native_sleep(0.05)
    assert len(put) - len(done) <= most
    thread.get(timeout=30)
    while len(done) < many:
        gevent.sleep(0.001)
    assert done == list(range(many))


def test_what_is_larger_than_the_limit_passes_alone(real: GeventRuntime) -> None:
    done: list[str] = []

    def emit() -> None:
        for name in ("a", "b", "c"):
            real.from_thread(done.append, name, size=2 * BYTES)

    in_another_thread(emit).get(timeout=30)
    real.breathe()
    real.breathe()
    assert done == ["a", "b", "c"]


def test_threads_that_never_stop_share_with_input(real: GeventRuntime) -> None:
    done = [0]
    stop: list[bool] = []
    here, there = socket.socketpair()
    heard: list[int] = []
    watch = real.watch(here, lambda: heard.append(len(here.recv(10))))

    def emit() -> None:
        while not stop:
            real.from_thread(count)

    def count() -> None:
        done[0] += 1

    threads = [in_another_thread(emit) for _ in range(3)]
    while not done[0]:
        gevent.sleep(0.001)
    for number in range(1, 4):
        there.send(b"x")
        while len(heard) < number:
            real.breathe()
    stop.append(True)
    for thread in threads:
        thread.get(timeout=30)
    watch.cancel()
    here.close()
    there.close()


def test_a_loop_that_waits_for_the_thread_is_no_deadlock(
    real: GeventRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letterbox, "PATIENCE", 0.2)
    over = native_lock()
    over.acquire()
    said: list[str] = []

    def emit() -> None:
        try:
            while True:
                real.from_thread(int)
        except UsageError as error:
            said.append(str(error))
        finally:
            over.release()

    thread = in_another_thread(emit)
    # Not by gevent: nothing else runs in this thread meanwhile.
    assert over.acquire(timeout=10)
    assert "waits for this very thread" in said[0]
    thread.get(timeout=30)


def test_a_loop_that_is_gone_is_said() -> None:
    gone = Letterbox(SimpleNamespace(loop=None, dead=False), GeventRuntime())
    with pytest.raises(UsageError, match="has ended"):
        gone.put(int, (), 0)


@pytest.mark.greenlets_may_die
def test_one_that_fails_does_not_strand_the_others(real: GeventRuntime) -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("in a call of another thread")

    def emit() -> None:
        real.from_thread(fail)
        real.from_thread(done.append, "next")

    in_another_thread(emit).get(timeout=30)
    while not done:
        gevent.sleep(0.001)
