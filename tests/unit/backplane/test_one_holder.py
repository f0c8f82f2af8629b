"""A client's token that comes to two workers at once: one session stays, whatever crosses what."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from sockio.backplane import returns as module
from sockio.http.workers import _executor, _teller
from sockio.sessions.holders import CLAIM, Holders

from ...support.carriers import Client
from ..conftest import MakeHouse
from .test_returns import Chat, Worker

TOKEN = "a_token_that_a_page_made"


@pytest.fixture
def workers(house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    monkeypatch.setattr(module, "ARRIVED", 5.0)
    made = [Worker(house({"": Chat}, recovery=120), boot) for boot in ("aaaa", "bbbb", "cccc")]
    for each in made:
        each.others = [other for other in made if other is not each]
        registry, backplane = each.home.registry, each.backplane
        assert registry.recovery is not None
        registry.recovery.on_take_over = _teller(backplane, "host")
        backplane.execute = _executor(registry, "host")
    return made


def tells(worker: Worker, *, seconds: float, word: str) -> None:
    """What a worker's claims are made of, from now on."""
    recovery = worker.home.registry.recovery
    assert recovery is not None
    recovery._holders.clock = lambda: seconds
    recovery._holders.word = word


def opens(worker: Worker) -> Client:
    client = Client(worker.home, token=TOKEN)
    client.socket.attach(client.stream)
    return client


def here(*clients: Client) -> list[bool]:
    return [client.socket.connected for client in clients]


def over(workers: list[Worker], *clients: Client) -> None:
    for client in clients:
        client.socket.close("over")
    for worker in workers:
        worker.home.runtime.settle()
        worker.home.runtime.advance(200)


@pytest.mark.parametrize("words", [("x" * 8, "y" * 8), ("y" * 8, "x" * 8)])
@pytest.mark.parametrize("times", [(10, 10), (10, 11), (11, 10)])
@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_one_of_two_that_open_at_once_stays(
    workers: list[Worker],
    words: tuple[str, str],
    times: tuple[float, float],
    order: tuple[int, ...],
) -> None:
    for worker, word, seconds in zip(workers, words, times, strict=False):
        tells(worker, seconds=seconds, word=word)
    clients = opens(workers[0]), opens(workers[1])
    assert here(*clients) == [True, True]
    for number in order:
        while workers[number].under_way:
            workers[number].hears()
    later = [*zip(times, words, strict=True)]
    assert here(*clients) == [later[0] > later[1], later[1] > later[0]]
    over(workers, *clients)


@pytest.mark.parametrize("seed", range(25))
def test_one_of_many_stays_that_look_for_what_they_had(workers: list[Worker], seed: int) -> None:
    """Each asks the others for it, who have somebody by that token, too; and what they say crosses
    in any order."""
    dice = random.Random(seed)
    words = [f"{each:08}" for each in dice.sample(range(9), 3)]
    for worker, word in zip(workers, words, strict=True):
        tells(worker, seconds=dice.choice([1.0, 1.001]), word=word)
    clients = [opens(worker) for worker in workers]
    steps: list[Callable[[], object]] = []
    for worker in workers:
        steps += [lambda worker=worker: worker.under_way and worker.hears()] * 2  # type: ignore[misc]
        steps.append(worker.home.runtime.settle)
    dice.shuffle(steps)
    for step in steps:
        step()
    for worker in workers:
        while worker.under_way:
            worker.hears()
    assert sum(here(*clients)) == 1
    over(workers, *clients)


def test_who_comes_later_takes_the_place_whatever_the_clocks_say(workers: list[Worker]) -> None:
    first, second, third = workers
    tells(first, seconds=1_000_000, word="z" * 8)
    tells(second, seconds=5, word="a" * 8)
    ada = opens(first)
    for worker in (second, third):
        worker.hears(len(worker.under_way))
    again = opens(second)
    first.hears()
    assert here(ada, again) == [False, True]
    over(workers, ada, again)


def test_one_without_a_claim_is_later_than_all() -> None:
    holders = Holders()

    class Session:
        def close(self, reason: str, *, say: bool = True) -> None: ...

    assert holders.put("token", Session()) is None
    assert len(holders.claim_of("token")) == CLAIM
    for claim in ("", "no number" + "x" * 11):
        assert holders.yields("token", claim)
    assert not holders.yields("token", "0" * CLAIM)
    assert holders.yields("token", "f" * CLAIM)
