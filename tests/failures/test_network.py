"""Hosts whose network is slow, silent, or parted from the Redis server: each in a namespace of its
own, with a road between them that is cut without a word. Skipped where none may be made."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from ..support.network import Network, Place, network
from ..support.redis import RedisServer
from ..support.transcript import eventually
from ..support.workers import Wire, Worker, Workers

#: Seconds within which silence has to be noticed, on a machine that has much to do.
NOTICED = 30.0


class Host(NamedTuple):
    place: Place
    workers: list[Worker]
    #: A client of each worker.
    wires: list[Wire]


class Hosts(NamedTuple):
    network: Network
    redis: Place
    one: Host
    other: Host

    @property
    def wires(self) -> list[Wire]:
        return [*self.one.wires, *self.other.wires]


@pytest.fixture
def hosts(start_redis: Callable[..., RedisServer]) -> Iterator[Hosts]:
    """Two with two workers each, and one with a Redis server."""
    with network(3) as roads, ExitStack() as stack:
        place = roads.places[0]
        server = start_redis("bind 0.0.0.0", "protected-mode no", prefix=place.prefix)
        made = []
        for there in roads.places[1:]:
            workers = Workers(there.prefix)
            stack.callback(workers.close)
            some = workers.start(2, backplane=f"redis://{place.address}:{server.port}")
            with there.inside():
                wires = [Wire(worker) for worker in some]
            for wire in wires:
                stack.callback(wire.wire.close)
            made.append(Host(there, some, wires))
        found = Hosts(roads, place, *made)
        reached(found)
        yield found


def hears(wire: Wire, other: Wire) -> bool:
    """Whether what the one is told by another worker comes."""
    other.ask("tell", wire.name, "ready?")
    wire.ask("who")
    return ["told", "ready?"] in wire.events()


def reached(hosts: Hosts) -> None:
    """Wait until everybody hears everybody; forget what was said before."""
    for wire in hosts.wires:
        for other in hosts.wires:
            if other is not wire:
                eventually(lambda w=wire, o=other: hears(w, o), "it is heard", NOTICED)  # type: ignore[misc]
    for wire in hosts.wires:
        wire.hear_rest()


def gaps(worker: Worker) -> int:
    return sum(map(int, re.findall(r"told of a gap: (\d+)", worker.output)))


class Account:
    """What the clients have heard: numbers of each worker that emits them."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.said: dict[int, int] = defaultdict(int)
        self.heard: dict[Wire, dict[int, list[int]]] = {
            wire: defaultdict(list) for wire in hosts.wires
        }
        self._gaps = {worker: gaps(worker) for host in hosts[2:] for worker in host.workers}

    def say(self, *talkers: Wire, count: int = 10) -> None:
        """Nobody waits for the network: each has its answer at once."""
        for talker in talkers:
            first = self.said[talker.pid]
            self.said[talker.pid] += count
            talker.ask("count", first, first + count)

    def read(self) -> None:
        for wire, heard in self.heard.items():
            wire.ask("who")
            for name, *values in wire.events():
                if name == "number":
                    heard[values[0]].append(values[1])

    def check(self, *, lost: bool) -> None:
        """Each came once and in order; what did not come from elsewhere is known."""
        for host in (self.hosts.one, self.hosts.other):
            beside = {wire.pid for wire in host.wires}
            for wire, worker in zip(host.wires, host.workers, strict=True):
                missing = 0
                for pid, said in self.said.items():
                    numbers = self.heard[wire][pid]
                    assert numbers == sorted(set(numbers))
                    if pid in beside:
                        assert numbers == list(range(said))
                    missing += said - len(numbers)
                assert lost or missing == 0
                # What this process was told: emissions of others, "ready?" among them.
                assert gaps(worker) - self._gaps[worker] >= missing

    def all_came(self) -> bool:
        self.read()
        return all(
            len(numbers[pid]) == said
            for numbers in self.heard.values()
            for pid, said in self.said.items()
        )


def test_a_long_way_delays_and_loses_nothing(hosts: Hosts) -> None:
    """200 ms in each direction."""
    hosts.network.delay(0.2)
    account = Account(hosts)
    for _ in range(50):
        account.say(*hosts.wires)
    eventually(account.all_came, "all is there", NOTICED)
    account.check(lost=False)
    for host in (hosts.one, hosts.other):
        for worker in host.workers:
            assert "there is no connection to" not in worker.output


@pytest.mark.parametrize("back", [True, False], ids=["both ways", "one way"])
def test_silence_is_noticed_and_the_hosts_go_on_parted(hosts: Hosts, back: bool) -> None:
    """One host's packets to or from Redis are dropped. Its workers notice, nobody waits, each host
    goes on by itself, and is joined again when the road is mended."""
    account = Account(hosts)
    account.say(*hosts.wires)
    eventually(account.all_came, "all is there", NOTICED)
    hosts.network.cut(hosts.redis, hosts.other.place, back=back)
    account.say(*hosts.wires)
    for worker in hosts.other.workers:
        worker.find(r"no answer to a PING", NOTICED)
    account.say(*hosts.wires)
    for worker in hosts.one.workers:
        assert "PING" not in worker.output
    hosts.network.mend()
    account.read()
    for host in (hosts.one, hosts.other):
        for wire in host.wires:
            for other in hosts.wires:
                if other not in host.wires:
                    heard = account.heard[wire][other.pid]
                    before = len(heard)

                    def more() -> bool:
                        account.say(other, count=1)  # noqa: B023
                        account.read()
                        return len(account.heard[wire][other.pid]) > before  # noqa: B023

                    eventually(more, "they are joined", NOTICED)
    account.read()
    account.check(lost=True)
    for worker in hosts.other.workers:
        worker.find("connected again after")
