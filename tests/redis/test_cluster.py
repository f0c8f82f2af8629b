"""A cluster in which each channel belongs to one node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sockio import Emitter
from sockio.backplane.channels import room_channel
from sockio.backplane.redis.topology import slot_of

from ..support.redis import Ear, RedisServer
from ..support.transcript import eventually
from ..support.workers import Wire, Workers
from .conftest import SHARES, Listen, known_to_each_other

Cluster = Callable[..., list[RedisServer]]


def url_of(*nodes: RedisServer) -> str:
    return "cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in nodes)


def channel_at(number: int, word: str = "channel") -> str:
    """One that belongs to the master of that number."""
    first, last = SHARES[number]
    names = (f"{word} {each}" for each in range(1_000))
    return next(name for name in names if first <= slot_of(name.encode()) <= last)


def subscribed(node: RedisServer, *channels: str) -> list[int]:
    found: list[Any] = node.command("PUBSUB", "SHARDNUMSUB", *channels)
    return [each for each in found if isinstance(each, int)]


def calls(node: RedisServer, name: str) -> int:
    stats = node.command("INFO", "commandstats")
    return int(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


@pytest.mark.parametrize(
    ("channel", "slot"),
    [("123456789", 0x31C3), ("{user1000}.following", 3443), ("a{user1000}b{c}", 3443),
     ("foo{}{bar}", 8363), ("foo{bar", 13219), ("", 0)],
)  # fmt: skip
def test_the_slot_of_a_channel(channel: str, slot: int, packages: None) -> None:
    from redis.crc import key_slot

    assert slot_of(channel.encode()) == key_slot(channel.encode())
    if slot in (0x31C3, 0):
        assert slot_of(channel.encode()) == slot


def test_a_publication_is_at_one_node_alone(cluster: Cluster, listen: Listen) -> None:
    nodes = cluster()
    channels = [channel_at(number) for number in range(3)]
    bob = listen(url_of(*nodes), *channels).stands()
    ada = listen(url_of(nodes[1])).stands()
    for node, channel in zip(nodes, channels, strict=True):
        assert subscribed(node, channel) == [1]
        ada.link.publish(channel, b"x")
        bob.heard.next("message", channel, b"x")
        assert calls(node, "spublish") == 1
        assert calls(node, "publish") == 0
    told = []
    ada.link.subscribe(*channels, then=lambda: told.append("all"))
    ada.link.subscribe(then=lambda: told.append("none"))
    eventually(lambda: told == ["none", "all"], "all are confirmed")
    bob.link.unsubscribe(channels[0])
    eventually(lambda: subscribed(nodes[0], channels[0]) == [1], "it is unsubscribed")
    words: list[bytes] = []
    ada.link.listen(channel_at(2, "words"), lambda name, word: words.append(word))
    ada.link.overhear("over*", lambda *heard: words.append(heard[1]))
    ada.link.subscribe("behind", then=lambda: told.append("behind"))
    eventually(lambda: told[2:] == ["behind"], "it is there")
    bob.link.word(channel_at(2, "words"), b"hello")
    eventually(lambda: words == [b"hello"], "the word has come")
    # What other programs publish is passed on by all.
    eventually(lambda: any(node.command("PUBSUB", "NUMPAT") for node in nodes), "it listens")
    for node in nodes:
        node.command("PUBLISH", "overheard", "x")
    eventually(lambda: words == [b"hello", b"x", b"x", b"x"], "it was overheard")
    assert bob.link.numbers.channels == 2
    assert bob.link.numbers.published == 0
    assert ada.link.numbers.published == 3


def test_before_redis_7_any_node_will_do(cluster: Cluster, listen: Listen) -> None:
    nodes = cluster('rename-command SPUBLISH ""')
    channels = [channel_at(number) for number in range(3)]
    bob = listen(url_of(nodes[0]), *channels)
    ada = listen(url_of(nodes[1]))
    # Before it is known what they are.
    ada.link.publish(channels[0], b"1")
    ada.link.publish(channels[1], b"1")
    bob.stands()
    ada.stands()
    (line,) = ada.said("redis_plain")
    assert "copied to all nodes" in line
    # Who is subscribed later misses the first.
    for number, channel in enumerate(channels, 2):
        ada.link.publish(channel, b"%d" % number)
        bob.heard.next("message", channel, b"%d" % number)
    assert sum(calls(node, "publish") for node in nodes) == 5
    assert bob.said("redis_late") == []
    assert bob.heard.all("gap") == []


def gives(fn: Callable[[], object], value: object) -> bool:
    return fn() == value


class Talk:
    """What one says to others on some channels, each with a number, however it gets there."""

    def __init__(self, ada: Ear, bob: Ear, *channels: str) -> None:
        self.ada, self.bob = ada, bob
        self.channels = channels
        self.said = dict.fromkeys(channels, 0)

    def say(self) -> None:
        for channel in self.channels:
            self.said[channel] += 1
            self.ada.link.publish(channel, b"%d" % self.said[channel])

    def heard(self, channel: str) -> list[int]:
        return [int(each) for name, each in self.bob.heard.all("message") if name == channel]

    def comes(self, channel: str) -> bool:
        """Say something, and whether something said lately has come."""
        before = self.said[channel]
        self.say()
        return before > 0 and self.heard(channel)[-1:] >= [before]

    def account(self) -> None:
        """Each came once, in order, or is known to be missing."""
        for channel in self.channels:
            numbers = self.heard(channel)
            assert numbers == sorted(set(numbers))
        came = sum(len(self.heard(channel)) for channel in self.channels)
        missing = sum(number for _, number in self.bob.heard.all("gap"))
        assert came + missing == sum(self.said.values())


def begin(ada: Ear, bob: Ear) -> Talk:
    talk = Talk(ada, bob, *[channel_at(number) for number in range(3)])
    talk.say()
    for channel in talk.channels:
        bob.heard.next("message", channel, b"1")
    return talk


def test_a_slot_that_moves_while_it_is_used(cluster: Cluster, listen: Listen) -> None:
    nodes = cluster()
    bob = listen(url_of(nodes[0]), *[channel_at(number) for number in range(3)]).stands()
    ada = listen(url_of(nodes[1])).stands()
    talk = begin(ada, bob)
    moved = talk.channels[0]
    slot = slot_of(moved.encode())
    for giver, taker in ((nodes[0], nodes[2]), (nodes[2], nodes[1]), (nodes[1], nodes[0])):
        new = taker.command("CLUSTER", "MYID")
        # As redis-cli does: who takes it first.
        for node in (taker, giver, *(each for each in nodes if each not in (taker, giver))):
            talk.say()
            node.command("CLUSTER", "SETSLOT", slot, "NODE", new)
            talk.say()
        is_there = partial(subscribed, taker, moved)
        eventually(partial(gives, is_there, [1]), "it is subscribed there")
        eventually(lambda: talk.comes(moved), "what is said comes again")
        assert subscribed(giver, moved) == [0]
    talk.say()
    for channel in talk.channels:
        bob.heard.next("message", channel, b"%d" % talk.said[channel])
    talk.account()
    # The others were not touched by it.
    for channel in talk.channels[1:]:
        assert len(talk.heard(channel)) == talk.said[channel]
    assert ada.link.numbers.published + ada.link.numbers.dropped == sum(talk.said.values())
    assert bob.said("redis_late") == []


def test_a_master_that_is_killed_and_a_replica_that_takes_over(
    cluster: Cluster, listen: Listen
) -> None:
    nodes = cluster("cluster-node-timeout 500", replicas=1)
    bob = listen(url_of(nodes[2]), *[channel_at(number) for number in range(3)]).stands()
    ada = listen(url_of(nodes[2])).stands()
    talk = begin(ada, bob)
    gone = talk.channels[2]
    nodes[2].kill()
    bob.heard.next("state", False)
    (error,) = bob.said("redis_deaf")
    assert f"at 127.0.0.1:{nodes[2].port}" in error
    assert "Of what belongs to that node" in error
    # The others go on, whatever becomes of that one.
    talk.say()
    for channel in talk.channels[:2]:
        bob.heard.next("message", channel, b"2")
    eventually(lambda: subscribed(nodes[3], gone) == [1], "it is subscribed there", timeout=60)
    bob.stands()
    eventually(lambda: talk.comes(gone), "what is said comes again")
    talk.say()
    for channel in talk.channels:
        bob.heard.next("message", channel, b"%d" % talk.said[channel])
    talk.account()
    for channel in talk.channels[:2]:
        assert len(talk.heard(channel)) == talk.said[channel]
    assert bob.link.deaf is ada.link.deaf is None
    assert len(bob.said("redis_back")) == len(bob.said("redis_deaf")) == 1
    assert bob.said("redis_late") == []


def test_a_loss_that_is_told_by_way_of_another_node(cluster: Cluster, listen: Listen) -> None:
    """A sign of life may overtake what was published before it: nothing is missing then."""
    nodes = cluster()
    channels = [channel_at(number) for number in range(3)]
    bob = listen(url_of(nodes[0]), *channels).stands()
    ada = listen(url_of(nodes[0])).stands()
    link: Any = ada.link
    for channel in channels:
        link.publish(channel, b"first")
        bob.heard.next("message", channel)
    eventually(lambda: len(link.counted(10)) == 3, "all were answered")
    nodes[1].freeze()
    link.publish(channels[1], b"late")
    link.publish(channels[2], b"lost")
    bob.heard.next("message", channels[2])
    link._publisher._numbering.young[channels[2]].number += 3
    # What the node has not had is not told of.
    assert channels[1] not in link.counted(10)
    told = {channel: (each.series, each.number) for channel, each in
            link._publisher._numbering.young.items()}  # fmt: skip
    bob.link.reached(link.name, told)
    bob.link.reached(link.name, told)
    assert bob.heard.next("gap") == (link.name, 3)
    nodes[1].thaw()
    bob.heard.next("message", channels[1], b"late")
    # Not before its own node has said all.
    eventually(lambda: len(link.counted(10)) == 3, "all were answered")
    bob.link.reached(link.name, link.counted(10))
    link.publish(channels[1], b"next")
    bob.heard.next("message", channels[1], b"next")
    assert bob.heard.all("gap") == [(link.name, 3)]
    assert bob.said("redis_late") == []


def test_a_node_that_nobody_replaces(cluster: Cluster, listen: Listen) -> None:
    nodes = cluster()
    bob = listen(url_of(nodes[0]), *[channel_at(number) for number in range(3)]).stands()
    ada = listen(url_of(nodes[0])).stands()
    talk = begin(ada, bob)
    nodes[2].kill()
    bob.heard.next("state", False)
    talk.say()
    for channel in talk.channels[:2]:
        bob.heard.next("message", channel, b"2")
    # Of another node it is said, too.
    nodes[1].kill()
    eventually(lambda: len(bob.said("redis_deaf")) == 2, "it is said of both")
    nodes[1].start()
    eventually(lambda: talk.comes(talk.channels[1]), "what is said there comes again")
    # Whoever comes now is told, too.
    eve = listen(url_of(nodes[0]), *talk.channels)
    eve.heard.next("said", "redis_deaf")
    nodes[2].start()
    for ear in (ada, bob, eve):
        ear.stands()
    eventually(lambda: talk.comes(talk.channels[2]), "what is said comes again")
    talk.say()
    for channel in talk.channels:
        bob.heard.next("message", channel, b"%d" % talk.said[channel])
        eve.heard.next("message", channel, b"%d" % talk.said[channel])
    talk.account()
    assert len(ada.said("redis_deaf")) == len(bob.said("redis_deaf")) == 2
    for ear in (ada, bob):
        assert len(ear.said("redis_back")) == ear.link.numbers.outages == 1


def test_a_slot_that_nobody_has(cluster: Cluster, listen: Listen) -> None:
    nodes = cluster()
    bob = listen(url_of(nodes[0]), *[channel_at(number) for number in range(3)]).stands()
    ada = listen(url_of(nodes[1])).stands()
    talk = begin(ada, bob)
    slot = slot_of(talk.channels[0].encode())
    for node in nodes:
        node.command("CLUSTER", "DELSLOTS", slot)
    bob.heard.next("state", False)
    assert "no node of the cluster has the slots" in bob.said("redis_deaf")[0]
    talk.say()
    for channel in talk.channels[1:]:
        bob.heard.next("message", channel, b"2")
    nodes[2].command("CLUSTER", "ADDSLOTS", slot)
    bob.stands()
    assert subscribed(nodes[2], talk.channels[0]) == [1]
    eventually(lambda: talk.comes(talk.channels[0]), "what is said comes again")
    talk.say()
    for channel in talk.channels:
        bob.heard.next("message", channel, b"%d" % talk.said[channel])
    talk.account()


def test_hosts_that_a_cluster_joins(cluster: Cluster, hosts: Callable[[], Workers]) -> None:
    nodes = cluster()
    options = {"backplane": url_of(nodes[1]), "backplane_rooms": True}
    (first,), (second,) = [hosts().start(1, **options) for _ in range(2)]
    known_to_each_other([first], [second])
    here, there = Wire(first), Wire(second)
    rooms = [
        next(
            name
            for name in (f"room {each}" for each in range(1_000))
            if first <= slot_of(room_channel("socket.io", "", name).encode()) <= last
        )
        for first, last in SHARES
    ]
    for node, room in zip(nodes, rooms, strict=True):
        there.ask("enter", room)
        is_there = partial(subscribed, node, room_channel("socket.io", "", room))
        eventually(partial(gives, is_there, [1]), "it is subscribed")
        here.ask("tell", room, "by its node")
        assert there.hear() == ["told", "by its node"]
    here.ask("say", "everybody")
    here.ask("tell", there.name, "you alone")
    # Their channels are at two nodes: there is no order between them.
    assert sorted([there.hear(), there.hear()]) == [["said", "everybody"], ["told", "you alone"]]
    missing = ["other hosts, in the first second"]
    while missing:
        found, missing = here.ask("fetch", "lobby")
    assert sorted(each[0] for each in found) == sorted([here.name, there.name])
    # By those that have no loop, also while slots move.
    emitter = Emitter(url_of(nodes[2]), backplane_rooms=True)
    for room in rooms:
        emitter.to(room).emit("told", "from outside")
        assert there.hear() == ["told", "from outside"]
    channel = room_channel("socket.io", "", rooms[0])
    for node in (nodes[1], nodes[0], nodes[2]):
        new = nodes[1].command("CLUSTER", "MYID")
        node.command("CLUSTER", "SETSLOT", slot_of(channel.encode()), "NODE", new)
    eventually(partial(gives, partial(subscribed, nodes[1], channel), [1]), "it is subscribed")
    emitter.to(rooms[0]).emit("told", "where it is now")
    assert there.hear() == ["told", "where it is now"]
    nodes[1].kill()
    with pytest.raises(OSError, match=r"closed|refused|reset"):
        emitter.to(rooms[0]).emit("told", "nobody")
    emitter.to(rooms[2]).emit("told", "by another")
    assert there.hear() == ["told", "by another"]
    emitter.close()
    for wire in (here, there):
        wire.wire.close()
    for node in (nodes[0], nodes[2]):
        assert calls(node, "publish") == 0
