"""When the nodes of a cluster are asked what has become of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sockio.backplane.redis import shards
from sockio.backplane.redis.shards import AT_LEAST, LONGEST, QUIET, SOON, Shards
from sockio.backplane.redis.topology import Place, Topology
from sockio.testing import ManualRuntime

TOPOLOGY = Topology([None], [("a", 1), ("b", 2)], healthy=True, shards=True)


class Cluster:
    """Its answers are a test's own: an exception is one, too."""

    def __init__(self, runtime: ManualRuntime) -> None:
        self.runtime = runtime
        self.answer: Topology | Exception = TOPOLOGY
        #: When it was asked, and who was known.
        self.asked: list[tuple[float, set[Place]]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.told: list[Any] = []
        #: Whether what it says is new.
        self.new = False
        self.shards = Shards(self, runtime, changed=self._changed, failed=self.told.append)  # type: ignore[arg-type]

    def _changed(self, topology: Topology) -> bool:
        self.told.append(topology)
        return self.new

    def topology(self, known: Iterable[Place]) -> Topology:
        self.asked.append((self.runtime.now(), set(known)))
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def times(self) -> list[float]:
        return [when for when, _ in self.asked]


@pytest.fixture
def cluster(runtime: ManualRuntime, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(shards, "aside", lambda fn, *args: fn(*args))
    # As long as it is on average.
    middle = "sockio.backplane.redis.shards.random.uniform"
    monkeypatch.setattr(middle, lambda low, high: (low + high) / 2)
    made = Cluster(runtime)
    made.shards.start()
    runtime.settle()
    return made


def test_it_is_asked_at_once_and_then_once_a_minute(cluster: Cluster) -> None:
    assert cluster.told == [TOPOLOGY]
    assert cluster.asked[0][1] == set()
    start = cluster.times()[0]
    cluster.runtime.advance(AT_LEAST)
    cluster.runtime.advance(AT_LEAST)
    assert cluster.times() == pytest.approx([start, start + AT_LEAST, start + 2 * AT_LEAST])
    assert cluster.asked[1][1] == {("a", 1), ("b", 2)}
    cluster.shards.close()
    cluster.shards.look_again()
    cluster.runtime.advance(10 * AT_LEAST)
    assert len(cluster.asked) == 3


def test_many_reasons_are_one_and_it_is_asked_less_and_less_often(cluster: Cluster) -> None:
    gaps: list[float] = []
    for _ in range(7):
        before = cluster.runtime.now()
        for _ in range(100):
            cluster.shards.look_again()
        cluster.runtime.advance(LONGEST)
        assert len(cluster.asked) == len(gaps) + 2
        gaps.append(cluster.times()[-1] - before)
    assert len(cluster.asked) == 8
    assert gaps == sorted(gaps)
    assert gaps[0] == pytest.approx(2 * SOON)
    assert gaps[-1] == pytest.approx(LONGEST)
    # Whatever is new may be followed by more.
    cluster.new = True
    for _ in range(2):
        cluster.shards.look_again()
        before = cluster.runtime.now()
        cluster.runtime.advance(LONGEST)
    assert cluster.times()[-1] == pytest.approx(before + SOON)
    cluster.new = False
    cluster.runtime.advance(QUIET)
    cluster.shards.look_again()
    before = cluster.runtime.now()
    cluster.runtime.advance(LONGEST)
    assert cluster.times()[-1] == pytest.approx(before + SOON)


def test_a_reason_that_comes_while_it_is_asked_counts(cluster: Cluster) -> None:
    def once() -> None:
        cluster.meanwhile = lambda: None
        cluster.shards.look_again()

    cluster.meanwhile = once
    cluster.shards.look_again()
    cluster.runtime.advance(2 * LONGEST)
    assert len(cluster.asked) == 3


def test_while_nobody_answers_it_is_tried_again(cluster: Cluster) -> None:
    cluster.answer = ConnectionError("refused")
    cluster.shards.look_again()
    cluster.runtime.advance(10 * LONGEST)
    assert len(cluster.asked) >= 10
    assert {*cluster.told[1:]} == {"ConnectionError: refused"}
    # Who was known is asked still.
    assert cluster.asked[-1][1] == {("a", 1), ("b", 2)}
    cluster.answer = TOPOLOGY
    cluster.runtime.advance(LONGEST)
    assert cluster.told[-1] == TOPOLOGY
    count = len(cluster.asked)
    cluster.runtime.advance(AT_LEAST / 2)
    assert len(cluster.asked) == count
