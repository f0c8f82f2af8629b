"""Hosts whose network is slow, silent, or parted from the Redis server: each in a namespace of its
own, with a road between them that is cut without a word. Skipped where none may be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from ..support.hosts import JOINED, Account, Host, hosts
from ..support.network import Network, Place, network
from ..support.redis import RedisServer
from ..support.transcript import eventually
from ..support.workers import Wire

#: Seconds within which silence has to be noticed, on a machine that has much to do: it takes ten.
NOTICED = 30.0


class Land(NamedTuple):
    network: Network
    redis: Place
    one: Host
    other: Host

    @property
    def wires(self) -> list[Wire]:
        return [*self.one.wires, *self.other.wires]


@pytest.fixture
def land(start_redis: Callable[..., RedisServer]) -> Iterator[Land]:
    """Two hosts with two workers each, and one with a Redis server."""
    with network(3) as roads:
        place, *others = roads.places
        server = start_redis("bind 0.0.0.0", "protected-mode no", prefix=place.prefix)
        with hosts(f"redis://{place.address}:{server.port}", *others) as (one, other):
            yield Land(roads, place, one, other)


def test_a_long_way_delays_and_loses_nothing(land: Land) -> None:
    """200 ms in each direction."""
    land.network.delay(0.2)
    account = Account([land.one, land.other])
    for _ in range(50):
        account.say(*land.wires)
    eventually(account.all_came, "all is there", JOINED)
    account.check(lost=False)
    for worker in (*land.one.workers, *land.other.workers):
        assert "there is no connection to" not in worker.output


@pytest.mark.parametrize("back", [True, False], ids=["both ways", "one way"])
def test_silence_is_noticed_and_the_hosts_go_on_parted(land: Land, back: bool) -> None:
    """One host's packets from Redis, or to it as well, are dropped. Its workers notice, nobody
    waits, each host goes on by itself, and is joined again when the road is mended."""
    account = Account([land.one, land.other])
    account.say(*land.wires)
    eventually(account.all_came, "all is there", JOINED)
    assert land.other.place is not None
    land.network.cut(land.redis, land.other.place, back=back)
    account.say(*land.wires)
    for worker in land.other.workers:
        worker.find("no answer to a PING", NOTICED)
    account.say(*land.wires)
    for worker in land.one.workers:
        assert "PING" not in worker.output
    land.network.mend()
    account.read()
    for host, elsewhere in ((land.one, land.other), (land.other, land.one)):
        for wire in host.wires:
            for other in elsewhere.wires:
                joined(account, wire, other)
    account.check(lost=True)
    for worker in land.other.workers:
        worker.find("connected again after")


def joined(account: Account, wire: Wire, other: Wire) -> None:
    """Wait until the one hears what another host's says."""
    heard = account.heard[wire][other.pid]
    before = len(heard)

    def more() -> bool:
        account.say(other, count=1)
        account.read()
        return len(heard) > before

    eventually(more, "they are joined", JOINED)
