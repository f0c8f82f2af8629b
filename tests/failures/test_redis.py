"""What a link loses when its server, or another subscriber, is ill-treated under load: what is
lost is known, nothing comes twice or out of order, and who publishes never waits."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest

from ..redis.conftest import Listen
from ..support.processes import Process
from ..support.redis import Ear, RedisServer
from ..support.transcript import eventually

PEER = Path(__file__).with_name("redis_peer.py")
#: Seconds that a link may take to notice, to connect and to subscribe.
NOTICED = 30.0


class Report(NamedTuple):
    heard: int
    missing: int
    again: int
    disorder: int


class Peer:
    """A listener in a process of its own."""

    _numbers = itertools.count(1)

    def __init__(self, process: Process) -> None:
        self.process = process
        self.process.says("stands")

    def report(self, ear: Ear) -> Report:
        """What it has heard, by the link of ``ear``: behind all that this one has published."""
        for _ in range(10):
            name = f"report-{next(self._numbers)}"
            ear.link.publish("control", name.encode())
            pattern = rf"{name} heard (\d+) missing (\d+) again (\d+) disorder (\d+)"
            try:
                found = self.process.find(pattern, 2.0)
            except AssertionError:
                continue  # lost
            return Report(*map(int, found.groups()))
        raise AssertionError(f"it does not hear what is published\n{self.process.output}")


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Callable[[str], Peer]]:
    with ExitStack() as stack:

        def start(url: str) -> Peer:
            command = [sys.executable, "-W", "ignore", str(PEER), url]
            process = Process(command, tmp_path)
            stack.callback(process.kill)
            return Peer(process)

        yield start


class Load:
    """Publishes numbers in a task, a few hundred a second, for as long as the block lasts."""

    def __init__(self, ear: Ear, *peers: Peer, size: int = 200) -> None:
        """Each of ``peers`` has heard something of it then: of whom nothing was heard before,
        nothing is known to be missing."""
        self.ear = ear
        self.published = 0
        self._padding = bytes(size)
        self.one()
        for peer in peers:
            assert peer.report(ear) == Report(1, 0, 0, 0)
        self._task = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            self.one()
            gevent.sleep(0.003)

    def one(self) -> None:
        self.published += 1
        name = self.ear.link.name
        self.ear.link.publish("load", f"{name} {self.published} ".encode() + self._padding)

    def goes_on(self, number: int) -> None:
        """Wait until so many more were published: who is blocked never gets there."""
        until = self.published + number
        eventually(lambda: self.published >= until, "it goes on", NOTICED)

    def stop(self) -> None:
        self._task.kill()
        # Whose number shows what is missing of those before.
        self.one()


def check(load: Load, *peers: Peer, lost: bool | None = None) -> None:
    """Each publication was heard once, in order, or is known to be missing; for ``lost``, whether
    any are."""
    load.stop()
    for peer in peers:
        report = peer.report(load.ear)
        assert report.heard + report.missing == load.published
        assert report.again == report.disorder == 0
        assert lost is None or (report.missing > 0) is lost


Peers = Callable[[str], Peer]


@pytest.mark.parametrize("seconds", [1, 60])
def test_killed_and_back(seconds: int, server: RedisServer, listen: Listen, peers: Peers) -> None:
    one, two = peers(server.url), peers(server.url)
    ada = listen(server.url).stands()
    load = Load(ada, one, two)
    load.goes_on(100)
    server.kill()
    gevent.sleep(seconds)
    load.goes_on(100)
    server.start()
    ada.stands()
    for peer in (one, two):
        peer.process.says("deaf")
        peer.process.says("stands")
    load.goes_on(100)
    check(load, one, two, lost=True)
    assert len(ada.said("redis_deaf")) == 1
    assert len(ada.said("redis_back")) == 1


def test_killed_again_and_again(server: RedisServer, listen: Listen, peers: Peers) -> None:
    peer = peers(server.url)
    ada = listen(server.url).stands()
    load = Load(ada, peer)
    for _ in range(5):
        server.kill()
        server.start()
        ada.stands()
        peer.process.says("stands")
        load.goes_on(50)
    check(load, peer)


@pytest.mark.parametrize("seconds", [3, 12])
def test_stopped(seconds: int, server: RedisServer, listen: Listen, peers: Peers) -> None:
    """For less time than it may be silent, and for more."""
    peer = peers(server.url)
    ada = listen(server.url).stands()
    load = Load(ada, peer)
    load.goes_on(100)
    server.freeze()
    gevent.sleep(seconds)
    load.goes_on(100)
    server.thaw()
    if seconds > 10:
        ada.stands()
        peer.process.says("stands")
    load.goes_on(100)
    check(load, peer, lost=None if seconds > 10 else False)
    assert ada.link.numbers.outages == (1 if seconds > 10 else 0)


def test_stopped_for_good(server: RedisServer, listen: Listen) -> None:
    ada = listen(server.url).stands()
    load = Load(ada)
    server.freeze()
    ada.heard.next("state", False, timeout=NOTICED)
    load.goes_on(1000)
    assert ada.link.deaf is not None
    assert len(ada.said("redis_deaf")) == 1
    assert ada.link.numbers.dropped > 0
    load.stop()


def test_subscribers_are_cut_off_again_and_again(
    server: RedisServer, listen: Listen, peers: Peers
) -> None:
    one, two = peers(server.url), peers(server.url)
    load = Load(listen(server.url).stands(), one, two)
    for _ in range(10):
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        for peer in (one, two):
            peer.process.says("deaf")
            peer.process.says("stands")
        load.goes_on(20)
    check(load, one, two, lost=True)


@pytest.mark.parametrize("what", ["ALL", "WRITE"])
def test_paused(what: str, server: RedisServer, listen: Listen, peers: Peers) -> None:
    peer = peers(server.url)
    ada = listen(server.url).stands()
    load = Load(ada, peer)
    load.goes_on(50)
    server.command("CLIENT", "PAUSE", 3000, what)
    load.goes_on(1000)
    check(load, peer, lost=False)
    assert ada.link.numbers.outages == 0


def test_a_subscriber_that_does_not_read(server: RedisServer, listen: Listen, peers: Peers) -> None:
    """The server cuts it off at 32 MB. The others lose nothing, and it knows how much it lost."""
    fast, slow = peers(server.url), peers(server.url)
    ada = listen(server.url).stands()
    load = Load(ada, fast, slow, size=100_000)
    load.goes_on(10)
    slow.process.send(signal.SIGSTOP)

    def cut_off() -> bool:
        load.one()
        clients: bytes = server.command("CLIENT", "LIST")
        return clients.count(b" sub=2 ") == 1

    eventually(cut_off, "it is cut off", NOTICED)
    load.goes_on(10)
    slow.process.send(signal.SIGCONT)
    slow.process.says("deaf")
    slow.process.says("stands")
    load.goes_on(10)
    check(load, fast, lost=False)
    report = slow.report(ada)
    assert report.missing > 0
    assert report.heard + report.missing == load.published
    assert report.again == report.disorder == 0


def test_a_publication_that_cuts_everybody_off(
    server: RedisServer, listen: Listen, peers: Peers
) -> None:
    """34 MB by somebody who is not a link: the server cuts off all who subscribe, and they come
    back."""
    one, two = peers(server.url), peers(server.url)
    load = Load(listen(server.url).stands(), one, two)
    load.goes_on(10)
    server.command("PUBLISH", "load", bytes(34_000_000))
    for peer in (one, two):
        peer.process.says("deaf")
        peer.process.says("stands")
    load.goes_on(50)
    check(load, one, two)


def test_another_server_takes_over(
    start_redis: Callable[..., RedisServer], listen: Listen, peers: Peers
) -> None:
    """Sentinel says which: one that has never heard of anybody who subscribes."""
    master = start_redis()
    replica = start_redis(f"replicaof 127.0.0.1 {master.port}")
    sentinel = start_redis(
        f"sentinel monitor mymaster 127.0.0.1 {master.port} 1",
        "sentinel down-after-milliseconds mymaster 500",
        "sentinel failover-timeout mymaster 5000",
        sentinel=True,
    )
    eventually(
        lambda: sentinel.command("INFO", "sentinel")["master0"]["slaves"] == 1,
        "it knows both",
        NOTICED,
    )
    url = f"sentinel://127.0.0.1:{sentinel.port}/mymaster"
    peer = peers(url)
    ada = listen(url).stands()
    load = Load(ada, peer)
    load.goes_on(50)
    master.kill()
    ada.heard.next("state", True, timeout=60)
    eventually(
        lambda: replica.command("PUBSUB", "NUMSUB", "load")[1] == 1, "all are there", NOTICED
    )
    load.goes_on(50)
    check(load, peer, lost=True)


def test_three_publish_a_hundred_thousand(
    server: RedisServer, listen: Listen, peers: Peers
) -> None:
    peer = peers(server.url)
    ears = [listen(server.url).stands() for _ in range(3)]
    padding = bytes(100)
    for number in range(1, 33_334):
        for ear in ears:
            message = f"{ear.link.name} {number} ".encode() + padding
            assert ear.link.publish("load", message), "the queue is full"
        if number % 50 == 0:
            gevent.sleep(0)
    for ear in ears:
        eventually(lambda ear=ear: ear.link.numbers.waiting == 0, "it is sent")  # type: ignore[misc]
    reports = [peer.report(ear) for ear in ears]
    assert reports[-1] == Report(99_999, 0, 0, 0)
