"""A cluster whose nodes are killed and stopped, and whose slots move, under load."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from sockio.backplane.redis.topology import slot_of

from ..redis.conftest import SHARES, Listen
from ..support.redis import RedisServer
from ..support.transcript import eventually
from .test_redis import NOTICED, Load, Peers, peers

__all__ = ["peers"]

Cluster = Callable[..., list[RedisServer]]
#: The slot of what :class:`Load` publishes, and whose it is at first.
SLOT = slot_of(b"load")
OWNER = next(number for number, (first, last) in enumerate(SHARES) if first <= SLOT <= last)


def url_of(nodes: list[RedisServer]) -> str:
    return "cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in nodes)


def check(load: Load, *some: object) -> None:
    """Each publication was heard once, in order, or is known to be missing."""
    load.stop()

    def settled(peer: object) -> bool:
        # What it says goes by another channel, and perhaps node.
        report = peer.report(load.ear)  # type: ignore[attr-defined]
        assert report.again == report.disorder == 0, report
        assert report.heard + report.missing <= load.published, report
        return bool(report.heard + report.missing == load.published)

    for peer in some:
        eventually(lambda peer=peer: settled(peer), "all is accounted for", NOTICED)  # type: ignore[misc]


def test_a_slot_that_moves_again_and_again(cluster: Cluster, listen: Listen, peers: Peers) -> None:
    nodes = cluster()
    one, two = peers(url_of(nodes)), peers(url_of(nodes))
    ada = listen(url_of(nodes)).stands()
    load = Load(ada, one, two)
    load.goes_on(50)
    for turn in range(30):
        giver, taker = nodes[(OWNER + turn) % 3], nodes[(OWNER + turn + 1) % 3]
        new = taker.command("CLUSTER", "MYID")
        for node in (taker, giver, *(each for each in nodes if each not in (taker, giver))):
            node.command("CLUSTER", "SETSLOT", SLOT, "NODE", new)
        load.goes_on(50)
    eventually(
        lambda: nodes[OWNER].command("PUBSUB", "SHARDNUMSUB", "load")[1] == 2, "both are there"
    )
    load.goes_on(50)
    check(load, one, two)
    assert ada.said("redis_deaf") == []


@pytest.mark.parametrize("seconds", [0, 3, 20])
def test_a_master_that_a_replica_takes_over(
    seconds: int, cluster: Cluster, listen: Listen, peers: Peers
) -> None:
    """Killed, or stopped for so long: then it comes back when it is master no more."""
    nodes = cluster("cluster-node-timeout 1000", replicas=1, of=OWNER)
    one, two = peers(url_of(nodes)), peers(url_of(nodes))
    ada = listen(url_of(nodes)).stands()
    load = Load(ada, one, two)
    load.goes_on(50)
    if seconds:
        nodes[OWNER].freeze()
        gevent.sleep(seconds)
        load.goes_on(50)
        nodes[OWNER].thaw()
    else:
        nodes[OWNER].kill()

    def all_hear() -> bool:
        """By the new one, or by the old one that has become its replica."""
        there = nodes if seconds else [each for each in nodes if each is not nodes[OWNER]]
        numbers = [int(each.command("PUBSUB", "SHARDNUMSUB", "load")[1]) for each in there]
        return sum(numbers) == 2

    eventually(lambda: b"master" in nodes[3].command("ROLE"), "the replica is master", NOTICED)
    eventually(all_hear, "both are subscribed", NOTICED)
    load.goes_on(300)
    check(load, one, two)
