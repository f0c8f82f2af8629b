"""How many may do something at a time, and who waits for that, and for how long."""

from __future__ import annotations

import gevent
import pytest

from sockio.backplane import returns
from sockio.backplane.places import Places
from sockio.testing import ManualRuntime


def test_the_next_ones_wait_in_order_and_not_for_ever(runtime: ManualRuntime) -> None:
    places = Places(runtime, returns.AT_ONCE)
    assert all(places.take(returns.QUEUED) for _ in range(returns.AT_ONCE))
    came: list[int] = []

    def comes(number: int, seconds: float) -> bool:
        has_place = places.take(seconds)
        came.append(number)
        return has_place

    waiting = [gevent.spawn(comes, *each) for each in ((0, 60), (1, 0.01), (2, 60))]
    assert waiting[1].get() is False
    places.leave()
    assert waiting[0].get() is True
    places.leave()
    assert waiting[2].get() is True
    assert came == [1, 0, 2]
    # Nobody waits any more: what is given back is free.
    places.leave()
    assert places.take(0)


def test_whoever_takes_for_ever_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Giving:
        def is_giving(self, worker: str) -> bool:
            asked.append(worker)
            return True

    one = object.__new__(returns.Returns)
    monkeypatch.setattr(one, "_handover", Giving(), raising=False)
    assert one._wait_for("aaaa", returns.WAITS) == 0
    assert asked == ["aaaa"] * returns.WAITS
