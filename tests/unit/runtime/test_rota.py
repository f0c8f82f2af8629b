"""Who floods does not keep the others waiting: counted on a clock that moves with the work."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from sockio.runtime import rota as rotas
from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.runtime.jobs import ROOM, Jobs
from sockio.runtime.rota import GRAIN, SLICE, Rota, rota_of
from sockio.runtime.workers import ENOUGH

WORK = 0.001


class House:
    """A rota, whose time is what the clients in it cost."""

    def __init__(self, address: str = "") -> None:
        #: Of all clients that say nothing else.
        self.address = address
        self.loop: Any = gevent.get_hub().loop
        self.time = 0.0
        self.rota = Rota(self.loop, lambda: self.time)
        #: Who was served, and in which pass of the loop.
        self.served: list[tuple[str, int]] = []
        self.clients: list[Client] = []

    def names(self) -> list[str]:
        return [name for name, _ in self.served]

    def until(self, done: Callable[[], object]) -> None:
        for _ in range(5000):
            if done():
                return
            # Not zero, for which the loop does not look for input.
            gevent.sleep(0.000001)
        raise AssertionError("it never came")


class Client:
    """Who sends bytes: each of them is read by itself, and costs ``work`` seconds."""

    def __init__(
        self,
        house: House,
        name: str,
        sent: int,
        work: float = WORK,
        *,
        address: str | None = None,
    ) -> None:
        self.house, self.name, self.work = house, name, work
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        address = house.address if address is None else address
        self.watch = house.rota.watch(self.here.fileno(), self._readable, address)
        house.clients.append(self)
        self.send(sent)
        self.watch.start()

    def send(self, number: int) -> None:
        self.there.send(bytes(number))

    def _readable(self) -> bool:
        self.here.recv(1)
        self.house.time += self.work
        self.house.served.append((self.name, self.house.loop.iteration))
        try:
            return bool(self.here.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.watch.close()
        self.here.close()
        self.there.close()


@pytest.fixture(params=["", "192.0.2.1"], ids=["addresses of their own", "one address"])
def home(request: pytest.FixtureRequest) -> Iterator[House]:
    made = House(request.param)
    yield made
    for client in made.clients:
        client.close()


def test_one_slice_of_work_is_done_between_two_looks_for_input(home: House) -> None:
    for number in range(30):
        Client(home, str(number), 10)
    home.until(lambda: len(home.served) == 300)
    passes = [number for _, number in home.served]
    # What came with a look, and what waited: a slice for each.
    assert max(passes.count(each) for each in passes) <= 2 * SLICE / WORK + 1


def test_a_quiet_one_is_next_however_many_flood(home: House) -> None:
    for number in range(50):
        Client(home, str(number), 100)
    quiet = Client(home, "quiet", 0, WORK / 10)
    home.until(lambda: len(home.served) > 100)
    for _ in range(5):
        before, asked = len(home.served), home.loop.iteration
        quiet.send(1)
        home.until(lambda: "quiet" in home.names()[before:])  # noqa: B023
        at = home.names().index("quiet", before)
        assert home.served[at][1] <= asked + 2
        assert at - before <= 3 * SLICE / WORK


def test_what_nobody_knows_yet_to_flood_keeps_only_its_own_address_waiting(home: House) -> None:
    home.address = "192.0.2.1"
    for number in range(100):
        Client(home, str(number), 10)
    quiet = Client(home, "quiet", 0, WORK / 10, address="192.0.2.2")
    home.until(lambda: len(home.served) >= 5)
    before = len(home.served)
    quiet.send(1)
    home.until(lambda: "quiet" in home.names())
    # The others are not through with their first turns by far.
    assert home.names().index("quiet") - before <= 3 * SLICE / WORK
    assert len(set(home.names())) < 50


def test_many_connections_of_one_address_have_no_more_than_few_of_another(home: House) -> None:
    for number in range(40):
        Client(home, f"many{number}", 50, address="192.0.2.1")
    for number in range(8):
        Client(home, f"few{number}", 100, address="192.0.2.2")
    home.until(lambda: len(home.served) >= 400)
    names = home.names()[:400]
    assert 180 <= sum(name.startswith("few") for name in names) <= 220
    # They share their half.
    counts = [names.count(f"many{number}") for number in range(40)]
    assert max(counts) - min(counts) <= 2


def test_an_address_of_which_nobody_is_left_is_forgotten(home: House) -> None:
    client = Client(home, "client", 3, address="192.0.2.2")
    client.watch.again()
    home.until(lambda: len(home.served) == 3)
    assert "192.0.2.2" in home.rota._accounts
    client.close()
    home.clients.remove(client)
    del client
    home.until(lambda: "192.0.2.2" not in home.rota._accounts)


def test_those_who_flood_have_turns(home: House) -> None:
    for number in range(20):
        Client(home, str(number), 50)
    home.until(lambda: len(home.served) >= 400)
    counts = [home.names()[:400].count(str(number)) for number in range(20)]
    assert max(counts) - min(counts) <= 2


def test_who_takes_long_has_fewer_turns(home: House) -> None:
    for number in range(10):
        Client(home, "long", 100, 4 * WORK)
        Client(home, f"short{number}", 100)
    home.until(lambda: len(home.served) >= 500)
    long = home.names()[100:500].count("long")
    assert 50 <= long <= 110


def test_nobody_waits_while_there_is_time_for_all(home: House) -> None:
    one = Client(home, "one", 0, WORK / 100)
    two = Client(home, "two", 0, WORK / 100)
    for _ in range(10):
        before = len(home.served)
        one.send(1)
        two.send(1)
        home.until(lambda: len(home.served) == before + 2)  # noqa: B023
        assert not home.rota.waiting
        assert len({number for _, number in home.served[before:]}) == 1


def test_who_has_stopped_has_no_turn_and_who_failed_has_another(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotas, "SLICE", 0.0)
    failing = Client(home, "failing", 3)
    stopping = Client(home, "stopping", 3)
    closing = Client(home, "closing", 3)
    for each in home.clients:
        each.watch.again()
    stopping.watch.stop()
    closing.watch.close()
    readable = failing._readable

    def fail() -> bool:
        readable()
        raise ValueError("it does not matter")

    failing.watch._on_readable = fail
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *args: None)
    home.until(lambda: home.names().count("failing") == 3)
    assert set(home.names()) == {"failing"}
    stopping.watch.start()
    home.until(lambda: home.names().count("stopping") == 3)
    assert closing.watch._rota.waiting == []


def test_input_waits_while_many_tasks_have_not_begun(home: House) -> None:
    client = Client(home, "client", 5, 0.0)
    jobs = Jobs()
    jobs.extend([None] * (jobs.room + 1))
    home.rota.enlist(home, jobs)
    home.until(lambda: len(home.served) == 5)
    # One with each look: who was served goes behind another look.
    assert len({number for _, number in home.served}) == 5
    client.send(1)


def test_a_runtime_counts_its_tasks_that_have_not_begun() -> None:
    runtime = GeventRuntime()
    runtime.bind()
    rota = rota_of(gevent.get_hub())
    begun: list[int] = []
    for number in range(ENOUGH):
        runtime.run(begun.append, number)
    jobs = rota.queues[-1]
    assert len(jobs) == ENOUGH
    while len(begun) < ENOUGH:
        gevent.sleep(0)
    assert not jobs
    assert jobs.room >= ROOM


class Passes:
    """A loop of which only the passes and the clock are there."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.iteration = 1
        self._looked = 0.0

    def timer(self, seconds: float) -> None:
        return None

    def look(self) -> None:
        self.iteration += 1
        self._looked = self.house.time

    def now(self) -> float:
        return self._looked

    def update_now(self) -> None:
        self._looked = self.house.time


def passing() -> tuple[House, Rota, Passes]:
    house = House()
    loop = Passes(house)
    return house, Rota(loop, lambda: house.time), loop


def test_of_each_pass_there_is_a_slice() -> None:
    house, rota, loop = passing()
    loop.look()
    assert rota.goes_on(house.time)
    assert rota.until == pytest.approx(house.time + SLICE)
    house.time += SLICE
    assert not rota.goes_on(house.time)
    loop.look()
    assert rota.goes_on(house.time)


def test_what_a_pass_has_had_within_the_time_of_an_earlier_one_counts() -> None:
    house, rota, loop = passing()
    assert rota.goes_on(house.time)
    house.time += 0.75 * SLICE
    # Until here nobody had to ask, and in this pass nobody has to for the rest of it either.
    loop.look()
    house.time += 0.5 * SLICE
    assert house.time > rota.until
    assert rota.goes_on(house.time)
    assert rota.until == pytest.approx(house.time + 0.5 * SLICE)
    house.time += SLICE
    loop.look()
    house.time += 2 * SLICE
    assert not rota.goes_on(house.time)


def test_input_waits_while_too_many_tasks_have_not_begun() -> None:
    house, rota, loop = passing()
    jobs = Jobs()
    rota.enlist(house, jobs)
    assert rota.goes_on(house.time)
    jobs.extend(range(jobs.room + 1))
    rota.crowd()
    assert house.time >= rota.until
    loop.look()
    assert not rota.goes_on(house.time)
    assert not rota.full()
    assert rota.full()
    jobs.clear()
    loop.look()
    assert rota.goes_on(house.time)


def test_servers_of_one_loop_share_a_rota() -> None:
    one, two = GeventRuntime(), GeventRuntime()
    one.bind()
    two.bind()
    hub = gevent.get_hub()
    assert rota_of(hub) is rota_of(hub)
    assert GRAIN < SLICE
