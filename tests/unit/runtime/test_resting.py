"""Those who gave way go on in turn: of each client as many, however many it has."""

from __future__ import annotations

import gevent
import pytest

from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.runtime.resting import Resting


def test_the_tasks_of_one_client_have_one_place() -> None:
    resting: Resting[str] = Resting()
    for number in range(3):
        resting.append(f"many{number}", "many")
    resting.append("few", "few")
    resting.append("by itself", "")
    assert len(resting) == 5
    assert [resting.popleft() for _ in range(5)] == ["many0", "few", "by itself", "many1", "many2"]
    assert not resting
    with pytest.raises(KeyError):
        resting.popleft()


def test_who_comes_again_stands_behind_the_others() -> None:
    resting: Resting[str] = Resting()
    resting.append("a", "one")
    resting.append("b", "one")
    resting.append("c", "two")
    assert resting.popleft() == "a"
    resting.append("a", "one")
    assert [resting.popleft() for _ in range(3)] == ["c", "b", "a"]


def test_who_is_taken_out_leaves_nothing() -> None:
    resting: Resting[str] = Resting()
    resting.append("a", "one")
    resting.append("b", "one")
    resting.append("c", "")
    for task, whose in (("a", "one"), ("a", "one"), ("c", ""), ("d", "two"), ("b", "one")):
        resting.remove(task, whose)
    assert not resting
    assert not resting._queues


@pytest.mark.parametrize("told", [False, True], ids=["with each breath", "once"])
def test_hundreds_that_work_for_one_client_keep_no_other_waiting(told: bool) -> None:
    runtime = GeventRuntime()
    runtime.bind()
    order: list[str] = []

    def go_on(whose: str, times: int) -> None:
        if told:
            runtime.work_for(whose)
        for _ in range(times):
            runtime.breathe("" if told else whose)
            order.append(whose)

    many = [gevent.spawn(go_on, "192.0.2.1", 10) for _ in range(100)]
    gevent.sleep(0)
    few = gevent.spawn(go_on, "192.0.2.2", 10)
    gevent.joinall([few, *many])
    assert len(order) == 1010
    last = max(number for number, whose in enumerate(order) if whose == "192.0.2.2")
    assert last <= 40
