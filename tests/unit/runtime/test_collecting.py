"""Full collections are made when there is time for them, and when there has to be."""

from __future__ import annotations

import gc
import sys
import time
import weakref
from collections.abc import Callable, Iterator

import gevent
import pytest

from sockio.protocol import strict_json
from sockio.runtime import collecting
from sockio.runtime.collecting import REMAINS, ROUNDS, Collector
from sockio.runtime.remains import remains

ALWAYS, NEVER = -(10**9), 10**9


class Thing:
    """Anything that can be referred to weakly."""


class Knot:
    """Refers to itself: the collector alone frees it."""

    def __init__(self) -> None:
        self.me = self


def old_knot() -> weakref.ref[Knot]:
    """One that is garbage, and that younger collections look at no more."""
    knot = Knot()
    known = weakref.ref(knot)
    gc.collect(0)
    gc.collect(1)
    del knot
    return known


def younger_collections() -> None:
    for _ in range(ROUNDS):
        gc.collect(1)


def full_collections() -> int:
    return int(gc.get_stats()[2]["collections"])


def until(done: Callable[[], bool]) -> None:
    for _ in range(5000):
        if done():
            return
        gevent.sleep(0.001)
    raise AssertionError("it never came")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(collecting, "WHILE", 0.001)
    monkeypatch.setattr(collecting, "DUE", ALWAYS)
    monkeypatch.setattr(collecting, "AT_ONCE", NEVER)
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    made = Collector(gevent.get_hub().loop)
    assert made.start()
    yield made
    made.stop()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    if frozen:
        gc.freeze()


def test_it_waits_for_a_calm_moment(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "CALM", -1.0)
    monkeypatch.setattr(collecting, "QUIET", -1.0)
    knot, before = old_knot(), full_collections()
    younger_collections()
    timers = set()
    for _ in range(5):
        seen = collector._timer
        timers.add(seen)
        until(lambda: collector._timer is not seen)  # noqa: B023
    assert len(timers) == 5
    assert full_collections() == before
    assert knot() is not None
    monkeypatch.setattr(collecting, "CALM", 1e9)
    until(lambda: knot() is None)
    assert full_collections() == before + 1
    assert collector._timer is None


def test_it_does_not_wait_where_much_has_come(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "CALM", -1.0)
    monkeypatch.setattr(collecting, "QUIET", -1.0)
    monkeypatch.setattr(collecting, "AT_ONCE", ALWAYS)
    knot = old_knot()
    younger_collections()
    until(lambda: knot() is None)


def worked_for(collector: Collector, part: float) -> None:
    """Let it look, as if the process had worked for that part of the time."""
    collector._worked = time.process_time() - part * collecting.WHILE
    collector._look()


def test_what_was_walked_through_is_left_alone(collector: Collector) -> None:
    worked_for(collector, 0.0)
    frozen = gc.get_freeze_count()
    assert frozen
    kept = Knot()
    known = weakref.ref(kept)
    worked_for(collector, 0.0)
    assert gc.get_freeze_count() > frozen
    del kept
    worked_for(collector, 0.0)
    assert known() is not None


@pytest.mark.parametrize(
    ("number", "part"),
    [(REMAINS[0] + 1, 0.0), (REMAINS[1] + 1, 0.3), (REMAINS[2] + 1, 1.0)],
    ids=["in a quiet moment", "in a calm one", "at once"],
)
def test_many_that_have_ended_and_are_there_still(
    collector: Collector, number: int, part: float
) -> None:
    ended = [Knot() for _ in range(number)]
    worked_for(collector, part)
    collector._take()
    any(map(remains.add, ended[1:]))
    known = weakref.ref(ended.pop())
    ended.clear()
    last = Knot()
    for _ in range(3):
        worked_for(collector, part)
    # One fewer than have to be.
    assert known() is not None
    remains.add(last)
    for _ in range(2):
        # It may have ended a moment ago.
        assert known() is not None
        worked_for(collector, part)
    assert known() is None
    # They are not counted again: somebody keeps them.
    assert not len(remains)


@pytest.mark.parametrize(
    ("times", "part", "due"),
    [(1.3, 0.0, True), (1.3, 0.3, False), (2.1, 0.3, True), (2.1, 1.0, False), (4.1, 1.0, True)],
)
def test_much_memory_that_has_come_in_a_long_time(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, times: float, part: float, due: bool
) -> None:
    monkeypatch.setattr(collecting, "MORE", 0)
    knot = Knot()
    known = weakref.ref(knot)
    worked_for(collector, 0.0)
    del knot
    collector._all_kept = int(sys.getallocatedblocks() / times)
    worked_for(collector, part)
    assert known() is not None
    collector._all_at -= collecting.LONG
    worked_for(collector, part)
    assert (known() is None) is due


def test_who_is_freed_is_no_remains(collector: Collector) -> None:
    ended = Thing()
    remains.add(ended)
    assert len(remains) == 1
    del ended
    assert not len(remains)


def test_without_a_collector_nothing_is_kept() -> None:
    ended = Thing()
    remains.add(ended)
    assert not len(remains)


def test_a_large_text_is_noticed_when_it_was_read(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many lists it is: for Python's own rounds they come at once."""
    lists = f"[{','.join(['[]'] * 30_000)}]"
    monkeypatch.setattr(collecting, "AT_ONCE", 20_000)
    knot = old_knot()
    collector._kept = sys.getallocatedblocks()
    kept = strict_json.loads(lists)
    until(lambda: knot() is None)
    del kept
    collector.stop()
    collector._kept = 0
    strict_json.loads(lists)
    assert collector._now is None
    collector.start()


def test_it_is_not_due_where_nothing_has_come(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "DUE", NEVER)
    before = full_collections()
    younger_collections()
    assert collector._timer is None
    assert full_collections() == before


def test_another_thread_sets_no_timer(collector: Collector) -> None:
    gevent.get_hub().threadpool.apply(younger_collections)
    assert collector._timer is None


def test_python_begins_no_full_collection_and_young_objects_are_collected(
    collector: Collector,
) -> None:
    known = weakref.ref(Knot())
    before = full_collections()
    kept = [[] for _ in range(200_000)]  # type: ignore[var-annotated]
    assert known() is None
    assert full_collections() == before
    del kept


def test_who_has_set_the_collector_is_left_alone() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 5)
    try:
        assert not Collector(gevent.get_hub().loop).start()
        assert gc.get_threshold() == (700, 10, 5)
    finally:
        gc.set_threshold(*before)
