"""The setting ``recovery`` where a worker is told to end: its clients go on at the others."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from ..support.workers import Wire, Worker, Workers
from .test_recovery import TOKEN, Client, OldClient, said


def end(worker: Worker) -> None:
    worker.send(signal.SIGTERM)
    worker.wait()


Met = TypeVar("Met", Client, OldClient, Wire)


class Road:
    """Those who are met, and whose connections are closed at the end."""

    def __init__(self) -> None:
        self.stack = ExitStack()

    def ada(self, worker: Worker) -> Client:
        return self._met(Client(worker))

    def bob(self, token: str, worker: Worker) -> OldClient:
        return self._met(OldClient(token).come(worker))

    def talker(self, worker: Worker) -> Wire:
        return self._met(Wire(worker))

    def _met(self, client: Met) -> Met:
        self.stack.callback(lambda: client.wire.close())
        return client

    def goes_on(self, client: Client, worker: Worker) -> None:
        """Its worker has ended, or is about to."""
        client.wire.close()
        client.come(worker)
        assert client.recovered


@pytest.fixture
def road() -> Iterator[Road]:
    road = Road()
    with road.stack:
        yield road


@pytest.fixture
def three(workers: Workers) -> list[Worker]:
    return workers.start(3, recovery=60, grace=4)


def test_they_find_all_that_they_had(three: list[Worker], road: Road) -> None:
    first, second, third = three
    ada, eve, talker = road.ada(first), road.ada(first), road.talker(second)
    bob = road.bob(TOKEN % 3, first)
    for each in (ada, eve, bob):
        each.ask("enter", "cave")
        each.ask("remember", "user", [each is ada, b"\0\xff".hex(), {"a": None}])
    name = ada.name
    # One of them is away already.
    eve.go()
    first.find("disconnected websocket.*transport close")
    talker.ask("tell", "cave", "before")
    assert ada.hear() == ["told", "before"]
    assert bob.hear() == said("before")
    end(first)
    talker.ask("tell", "cave", "meanwhile")
    talker.ask("tell", name, "to you")
    for client, worker in ((ada, second), (eve, third)):
        road.goes_on(client, worker)
        assert client.ask("recall") == [
            True,
            {"user": [client is ada, "00ff", {"a": None}]},
            ["cave", "lobby"],
        ]
    assert ada.name == name
    assert ada.heard() == [["told", "meanwhile"], ["told", "to you"]]
    assert eve.heard() == [["told", "before"], ["told", "meanwhile"]]
    bob.go().come(third)
    assert bob.hear() == said("meanwhile")
    assert bob.ask("recall")[0] is True
    talker.ask("tell", "cave", "after")
    assert ada.hear() == eve.hear() == ["told", "after"]
    assert bob.hear() == said("after")


def test_all_is_heard_once_and_in_order_while_each_is_replaced(
    workers: Workers, road: Road
) -> None:
    chance = random.Random(7)
    alive: list[Worker] = workers.start(3, recovery=60, grace=4)
    clients = [road.ada(each) for each in alive for _ in range(3)]
    heard: list[dict[int, list[int]]] = [{} for _ in clients]
    wanted: dict[int, int] = {}
    for _ in range(3):
        # One more, and one less.
        alive += workers.start(1, recovery=60, grace=4)
        talkers = [road.talker(each) for each in alive]
        for talker in talkers:
            first = wanted.get(talker.pid, 0)
            wanted[talker.pid] = first + 40
            for number in range(first, first + 40, 4):
                talker.wire.say(f'42["count",{number},{number + 4}]')
        leaving = alive.pop(0)
        # Not before it has said its own.
        talkers[0].ask("who")
        leaving.send(signal.SIGTERM)
        for client, told in zip(clients, heard, strict=True):
            hear(client, told)
            road.goes_on(client, chance.choice(alive))
        leaving.wait()
    for client, told in zip(clients, heard, strict=True):
        hear(client, told)
        while {pid: len(numbers) for pid, numbers in told.items()} != wanted:
            client.events.append(client.hear())
            hear(client, told)
        client.ask("recall")
        assert client.heard() == []
        assert {pid: list(range(count)) for pid, count in wanted.items()} == told


def hear(client: Client, told: dict[int, list[int]]) -> None:
    for _, pid, number in client.heard():
        told.setdefault(pid, []).append(number)


def test_an_heir_that_stands_still(three: list[Worker], road: Road) -> None:
    """The next one is asked."""
    ordered = sorted(three, key=lambda each: road.talker(each).name)
    first, heir, other = ordered
    ada, talker = road.ada(first), road.talker(other)
    ada.ask("enter", "cave")
    heir.pause()
    first.send(signal.SIGTERM)
    first.wait()
    talker.ask("tell", "cave", "meanwhile")
    road.goes_on(ada, other)
    assert ada.heard() == [["told", "meanwhile"]]
    heir.go_on()
    # It has nothing of her that is older than what she has now.
    road.goes_on(ada, heir)
    assert ada.heard() == []


def test_the_last_one_leaves_nothing(workers: Workers, road: Road) -> None:
    (first,) = workers.start(1, recovery=60, grace=4)
    ada = road.ada(first)
    end(first)
    (second,) = workers.start(1, recovery=60)
    ada.wire.close()
    assert not ada.come(second).recovered


def test_all_of_them_end_at_once(three: list[Worker], road: Road) -> None:
    for each in three:
        road.ada(each)
    for each in three:
        each.send(signal.SIGTERM)
    for each in three:
        each.wait()
        assert "Traceback" not in each.output
