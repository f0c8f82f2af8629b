"""A worker that ends leaves its clients to another one, where what a third one says is under way to
each."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from sockio.backplane import handover as module

from ..conftest import MakeHouse
from .test_returns import Chat, Client, Worker, over


@pytest.fixture
def make(house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "ARRIVED", 5.0)
    monkeypatch.setattr(module, "STEP", 5.0)

    def make(*boots: str, **settings: Any) -> list[Worker]:
        options: dict[str, Any] = {"recovery": 120, "max_outbox": (500, 100_000), **settings}
        made = [Worker(house({"": Chat}, **options), boot) for boot in boots]
        for each in made:
            each.others = [other for other in made if other is not each]
        return made

    return make


@pytest.fixture
def three(make: Any) -> list[Worker]:
    """The one that ends, its heir, and one that talks."""
    made: list[Worker] = make("aaaa", "bbbb", "cccc")
    return made


def ends(worker: Worker) -> gevent.Greenlet[..., bool]:
    """The worker is told to end."""

    def end() -> bool:
        done = worker.handover.give(20.0)
        worker.home.registry.close_all()
        return done

    ending = gevent.spawn(end)
    worker.home.runtime.settle()
    return ending


def is_gone(worker: Worker) -> None:
    for each in worker.others:
        each.others.remove(worker)


def hears_all(*workers: Worker) -> None:
    for each in workers:
        each.hears(len(each.under_way))


def test_who_is_connected_finds_all_at_the_heir(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1)
    hears_all(first, second)
    assert ada.read() == [1]
    ending = ends(first)
    assert ending.get() is True
    # While nobody has her.
    talker.says(2)
    first.says(3)
    hears_all(second)
    ada.come(second)
    assert ada.read() == [2, 3]
    assert ada.recovered
    talker.says(4)
    hears_all(second)
    assert ada.read() == [4]
    over(ada)


def test_what_one_of_both_has_not_heard(three: list[Worker]) -> None:
    first, second, talker = three
    ada, bob = Client(first), Client(second)
    talker.says(1, 2, 3, 4)
    second.hears(1)
    ending = ends(first)
    # It waits until it has heard the one that the heir has.
    assert not ending.ready()
    assert ada.read() == []
    first.hears(1)
    ending.join(0.01)
    assert ending.get() is True
    assert ada.read() == [1]
    first.hears(1)
    second.hears(1)
    ada.come(second)
    second.hears(2)
    assert ada.read() == [2, 3, 4]
    assert bob.read() == [1, 2, 3, 4]
    assert ada.recovered
    over(ada)
    over(bob)


def test_the_heir_waits_for_what_was_heard(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1, 2)
    first.hears(2)
    ending = ends(first)
    assert not ending.ready()
    # She was told to go, and is back before it is known who has her.
    assert ada.read() == [1, 2]
    ada.come(talker)
    assert ada.read() == []
    second.says(3)
    first.hears()
    second.hears()
    assert not ending.ready()
    second.hears()
    ending.join(0.01)
    assert ending.get() is True
    # Of the third the heir says that it has said nothing else.
    hears_all(talker)
    assert ada.read() == [3]
    assert ada.recovered
    over(ada)


def test_who_comes_to_the_heir_before_it_has_all(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1)
    first.hears()
    ending = ends(first)
    ada.come(second)
    talker.says(2)
    second.hears(2)
    ending.join(0.01)
    assert ending.get() is True
    # She has not read the first one: it was in the kernel.
    assert ada.read() == [1, 2] or ada.numbers
    assert ada.recovered
    over(ada)
