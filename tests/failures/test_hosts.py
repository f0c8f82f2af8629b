"""What hosts that are joined by Redis know of each other, when something dies or stands still."""

from __future__ import annotations

import signal
from collections.abc import Callable

import gevent

from ..redis.conftest import known_to_each_other
from ..support.redis import RedisServer
from ..support.workers import Wire, Workers


def test_who_is_killed_is_missing_then_gone(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    first, second = (host.start(1, backplane=server.url)[0] for host in (hosts(), hosts()))
    names = known_to_each_other([first], [second])
    wire = Wire(first)
    second.send(signal.SIGKILL)
    assert wire.ask("fetch", "lobby")[1] == [names[second]]
    first.find(f"process {names[second]} of another host is gone: it gave no sign of life")
    assert wire.ask("fetch", "lobby")[1] == []
    wire.wire.close()


def test_who_stands_still_is_gone_and_back(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    first, second = (host.start(1, backplane=server.url)[0] for host in (hosts(), hosts()))
    names = known_to_each_other([first], [second])
    here, there = Wire(first), Wire(second)
    second.pause()
    first.find(f"process {names[second]} of another host is gone: it gave no sign of life")
    assert here.ask("fetch", "lobby")[1] == []
    second.go_on()
    while len(here.ask("fetch", "lobby")[0]) < 2:
        gevent.sleep(0.1)
    # It was itself that stood still, and not the others.
    assert len(there.ask("fetch", "lobby")[0]) == 2
    assert "no sign of life" not in second.output
    for wire in (here, there):
        wire.wire.close()


def test_while_redis_stands_still_nobody_is_taken_for_dead(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    workers = [host.start(1, backplane=server.url)[0] for host in (hosts(), hosts())]
    known_to_each_other([workers[0]], [workers[1]])
    here, there = (Wire(worker) for worker in workers)
    server.freeze()
    while "other hosts" not in here.ask("fetch", "lobby")[1]:
        pass
    gevent.sleep(7)
    assert "other hosts" in here.ask("fetch", "lobby")[1]
    server.thaw()
    found, missing = here.ask("fetch", "lobby")
    while missing:
        found, missing = here.ask("fetch", "lobby")
    assert {each[0] for each in found} == {here.name, there.name}
    for worker, wire in zip(workers, (here, there), strict=True):
        assert "no sign of life" not in worker.output
        wire.wire.close()
