"""What becomes of a link whose server is killed, stopped, or does not want it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from sockio.backplane.redis import publisher
from sockio.backplane.redis.frames import MAX_PAYLOAD
from sockio.backplane.redis.line import LONGEST, PATIENCE
from sockio.backplane.redis.publisher import KEPT_FOR, MAX_WAITING
from sockio.testing import ManualRuntime

from ..support.redis import Ear, RedisServer
from ..support.transcript import eventually
from .conftest import Listen


@pytest.fixture
def numbered() -> Iterator[bytes]:
    """Payloads that differ."""
    return (b"%d" % number for number in itertools.count(1))


def account_for(published: int, ear: Ear) -> None:
    """Each that was published arrived once, in order, or is known to be missing."""
    numbers = [int(payload) for payload in ear.payloads]
    assert numbers == sorted(set(numbers))
    missing = sum(number for _, number in ear.heard.all("gap"))
    assert len(numbers) + missing == published
    assert ear.link.numbers.missing == missing


def test_a_subscriber_that_is_cut_off_comes_back_and_knows_what_it_missed(
    server: RedisServer, listen: Listen, numbered: Iterator[bytes]
) -> None:
    bob = listen(server.url, "x", "y").stands()
    ada = listen(server.url).stands()
    ada.link.publish("x", next(numbered))
    bob.heard.next("message", "x", b"1")
    assert server.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    for _ in range(3):
        ada.link.publish("x", next(numbered))
    bob.heard.next("state", False)
    assert bob.link.deaf is not None
    bob.stands()
    assert bob.link.deaf is None
    ada.link.publish("x", next(numbered))
    bob.heard.next("message", "x", b"5")
    account_for(5, bob)
    assert bob.heard.all("gap") == [(ada.link.name, 3)]
    (error,), (back,) = bob.said("redis_deaf"), bob.said("redis_back")
    assert error.startswith("ERROR ")
    assert "no connection to subscribe" in error
    assert back.startswith("WARNING ")
    assert "0 publications" in back
    assert bob.link.numbers.outages == 1


def test_a_publisher_that_is_cut_off_comes_back(
    server: RedisServer, listen: Listen, numbered: Iterator[bytes]
) -> None:
    bob = listen(server.url, "x").stands()
    ada = listen(server.url, "y").stands()
    ada.link.publish("x", next(numbered))
    bob.heard.next("message", "x", b"1")
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    ada.heard.next("state", False)
    ada.link.publish("x", next(numbered))  # waits for the connection
    ada.stands()
    bob.heard.next("message", "x", b"2")
    account_for(2, bob)
    assert "no connection to publish" in ada.said("redis_deaf")[0]


def test_a_server_that_is_killed_and_started_again(
    server: RedisServer, listen: Listen, numbered: Iterator[bytes]
) -> None:
    bob = listen(server.url, *[f"room {number}" for number in range(600)], "x").stands()
    ada = listen(server.url).stands()
    ada.link.publish("x", next(numbered))
    bob.heard.next("message", "x", b"1")
    server.kill()
    for ear in (ada, bob):
        ear.heard.next("state", False)
    server.start()
    for ear in (ada, bob):
        ear.stands()
        assert len(ear.said("redis_deaf")) == 1
        assert len(ear.said("redis_back")) == 1
    ada.link.publish("x", next(numbered))
    bob.heard.next("message", "x", b"2")
    account_for(2, bob)


def test_a_server_that_is_not_there_at_first(server: RedisServer, listen: Listen) -> None:
    server.kill()
    bob = listen(server.url, "x")
    bob.heard.next("said", "redis_deaf")
    server.start()
    bob.stands()
    bob.heard.next("said", "redis_back")


def test_a_password_that_is_wrong_for_a_while(server: RedisServer, listen: Listen) -> None:
    bob = listen(server.url, "x").stands()
    server.command("CONFIG", "SET", "requirepass", "another")
    with_password = f"unix://:another@{server.path}"
    for kind in ("pubsub", "normal"):
        server.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes", url=with_password)
    bob.heard.next("said", "redis_deaf")

    def refused() -> int:
        log = server.command("INFO", "errorstats", url=with_password)
        return int(log.get("errorstat_NOAUTH", {"count": 0})["count"])

    eventually(lambda: refused() > 2, "it has tried several times")
    server.command("CONFIG", "SET", "requirepass", "", url=with_password)
    bob.stands()
    assert len(bob.said("redis_deaf")) == 1
    assert len(bob.said("redis_back")) == 1
    listen(server.url).stands().link.publish("x", b"heard")
    bob.heard.next("message", "x", b"heard")


def test_a_user_who_may_not(server: RedisServer, listen: Listen) -> None:
    """Each user of Redis may have channels; what is refused is tried again, and allowed later."""
    server.command("ACL", "SETUSER", "bob", "on", ">pw", "resetchannels", "&mine", "+@all")
    bob = listen(f"unix://bob:pw@{server.path}", "mine", "theirs")
    _, text = bob.heard.next("said", "redis_deaf")
    assert "No permissions" in text or "no permissions" in text.lower()
    bob.link.publish("theirs", b"x")
    bob.heard.next("said", "redis_refused")
    server.command("ACL", "SETUSER", "bob", "&theirs")
    bob.stands()
    listen(server.url).stands().link.publish("theirs", b"heard")
    bob.heard.next("message", "theirs", b"heard")
    assert len(bob.said("redis_deaf")) == 1


def test_a_pause_loses_nothing(
    server: RedisServer, listen: Listen, numbered: Iterator[bytes]
) -> None:
    bob = listen(server.url, "x").stands()
    ada = listen(server.url).stands()
    server.command("CLIENT", "PAUSE", 200)
    for _ in range(100):
        ada.link.publish("x", next(numbered))
        gevent.sleep(0)
    bob.heard.next("message", "x", b"100")
    assert len(bob.payloads) == 100
    account_for(100, bob)
    assert ada.link.numbers.outages == bob.link.numbers.outages == 0


def test_a_server_that_stops_for_a_while_gets_what_fits(
    server: RedisServer, listen: Listen
) -> None:
    """The newest are dropped, counted and said; nothing arrives twice, and nobody waits."""
    bob = listen(server.url, "x").stands()
    ada = listen(server.url).stands()
    server.freeze()
    taken = 0
    while ada.link.publish("x", b"%d " % (taken + 1) + bytes(900_000)):
        taken += 1
        gevent.sleep(0)
        assert ada.link.numbers.waiting <= MAX_WAITING
        assert taken < 100
    assert ada.link.publish("x", b"small") is True
    assert not ada.link.publish("x", bytes(MAX_PAYLOAD))
    assert ada.link.numbers.dropped == 2
    (text,) = ada.said("redis_dropped")
    assert "the queue is full" in text
    server.thaw()
    bob.heard.next("message", "x", b"small")
    assert len(bob.payloads) == taken + 1
    ada.link.publish("x", b"last")
    bob.heard.next("message", "x", b"last")
    assert bob.heard.all("gap") == [(ada.link.name, 1)] * 2
    assert ada.link.numbers.outages == 0


def test_a_server_that_gives_no_sign_of_life_is_given_up(
    server: RedisServer, listen: Listen, runtime: ManualRuntime
) -> None:
    """On both connections: each asks, and each waits for the answer."""

    def clients() -> set[bytes]:
        listed: bytes = server.command("CLIENT", "LIST")
        return {line.split()[0] for line in listed.splitlines() if b"name=ours" in line}

    def pings() -> int:
        stats = server.command("INFO", "commandstats")
        return int(stats.get("cmdstat_ping", {"calls": 0})["calls"])

    bob = listen(f"{server.url}?client_name=ours", "x", runtime=runtime).stands()
    before = clients()
    assert len(before) == 2
    link: Any = bob.link
    lines: list[Any] = [link._publisher.line, link._subscriber.line]
    for turn in range(3):
        runtime.advance(PATIENCE)
        eventually(lambda: all(line._alive for line in lines), "each has answered")
        assert pings() == 2 * (turn + 1)
    server.freeze()
    runtime.advance(PATIENCE)
    assert bob.heard.all("state") == [(True,)]
    runtime.advance(PATIENCE)
    bob.heard.next("state", False)
    assert "no answer to a PING within 5 seconds" in bob.said("redis_deaf")[0]
    runtime.advance(LONGEST)
    server.thaw()
    bob.stands()
    assert len(clients()) == 2
    assert not clients() & before


def test_what_waits_for_too_long_is_dropped_and_said_once_a_minute(
    server: RedisServer, listen: Listen, runtime: ManualRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MAX_WAITING", 1000)
    bob = listen(server.url, "x").stands()
    ada = listen(server.url, runtime=runtime).stands()
    server.kill()
    ada.heard.next("state", False)
    for _ in range(3):
        assert ada.link.publish("x", b"old")
    assert ada.link.publish("x", bytes(1000)) is False
    eventually(lambda: ada.said("redis_dropped"), "it was said")
    assert "1 publications were dropped (there is no connection)" in ada.said("redis_dropped")[0]
    runtime.advance(KEPT_FOR + 0.1)
    assert ada.link.publish("x", b"new")
    assert ada.link.numbers.dropped == 4
    assert len(ada.said("redis_dropped")) == 1
    runtime.advance(60)
    assert len(ada.said("redis_dropped")) == 2
    assert "3 publications were dropped (in the last minute)" in ada.said("redis_dropped")[1]
    assert ada.link.publish("x", b"newest")
    runtime.advance(60)
    assert len(ada.said("redis_dropped")) == 3
    runtime.advance(200)
    assert len(ada.said("redis_dropped")) == 3
    server.start()
    bob.heard.next("state", False)
    bob.stands()

    def is_back() -> bool:
        runtime.advance(LONGEST)
        return ada.link.deaf is None

    eventually(is_back, "it is back")
    ada.link.publish("x", b"heard")
    bob.heard.next("message", "x", b"heard")
    assert bob.payloads == [b"heard"], "nothing arrives long after it was said"
    assert ada.link.numbers.dropped == 6
