"""Full collections are made when there is time for them, and when there has to be."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import gevent
import pytest

from sockio.runtime import collecting
from sockio.runtime.collecting import ROUNDS, Collector

ALWAYS, NEVER = -(10**9), 10**9


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
    monkeypatch.setattr(collecting, "DUE_PART", 0.0)
    monkeypatch.setattr(collecting, "AT_ONCE", NEVER)
    before = gc.get_threshold()
    made = Collector(gevent.get_hub().loop)
    # It shall have grown, whatever the tests before have left behind.
    made._kept -= NEVER // 2
    assert made.start()
    yield made
    made.stop()
    assert gc.get_threshold() == before


def test_it_waits_for_a_calm_moment(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "CALM", -1.0)
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
    monkeypatch.setattr(collecting, "AT_ONCE", ALWAYS)
    knot = old_knot()
    younger_collections()
    until(lambda: knot() is None)


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
