"""Several workers of one host under load: who comes and goes, who is killed, who stands still."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import gevent

from ..support.node import Program
from ..support.workers import Wire, Workers

#: Clients, and seconds of coming and going: an hour's worth of it.
CLIENTS = int(os.environ.get("SOCKIO_CLIENTS", "400"))
SECONDS = float(os.environ.get("SOCKIO_SECONDS", "120"))


class Crowd(Program):
    """Clients of all generations in one node process; see tests/js/churn.js."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__("churn.js", f"http://127.0.0.1:{port}", str(count))

    def account(self, word: str = "now") -> dict[str, Any]:
        found: dict[str, Any] = self.ask(word)
        return found

    def wait_for(self, count: int) -> dict[str, Any]:
        """Until so many are connected."""
        with gevent.Timeout(60):
            while (account := self.account("rest"))["connected"] < count:
                gevent.sleep(0.1)
        return account


def publish(wire: Wire, first: int, seconds: float) -> int:
    """Emit numbers for so long, eight a second; the next."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        wire.ask("count", first, first + 2)
        wire.heard.clear()
        first += 2
        gevent.sleep(0.25)
    return first


def test_an_hours_coming_and_going(workers: Workers) -> None:
    """Nothing is lost, twice or out of order to whoever was there; then one worker is killed, and
    that is true of the others' clients still."""
    some = workers.start(4, log_lines=1000)
    crowd = Crowd(workers.shared, CLIENTS)
    wires = [Wire(each) for each in some]
    try:
        tasks = [gevent.spawn(publish, each, 0, SECONDS) for each in wires]
        firsts = [task.get() for task in tasks]
        account = crowd.account()
        assert account["heard"] > 0
        assert account["wrong"] == account["lost"] == []
        assert account["cut"] == 0
        # One dies: its own are cut off, and come back to the others.
        some[3].send(signal.SIGKILL)
        tasks = [
            gevent.spawn(publish, each, first, SECONDS / 4)
            for each, first in zip(wires[:3], firsts[:3], strict=True)
        ]
        gevent.joinall(tasks, raise_error=True)
        account = crowd.wait_for(CLIENTS)
        assert account["wrong"] == account["lost"] == []
        assert account["cut"] < CLIENTS / 2
    finally:
        crowd.close()
        for each in wires:
            each.wire.close()


def test_one_that_stands_still_and_goes_on(workers: Workers) -> None:
    """What is for it waits; the others do not."""
    one, other, still = workers.start(3)
    here, there, asleep = Wire(one), Wire(other), Wire(still)
    still.pause()
    for number in range(200):
        here.ask("count", number, number + 1)
    assert [there.hear()[2] for _ in range(200)] == list(range(200))
    still.go_on()
    assert [asleep.hear()[2] for _ in range(200)] == list(range(200))
    for each in (here, there, asleep):
        each.wire.close()


def test_three_say_a_hundred_thousand(workers: Workers) -> None:
    """Numbered, at once; a client of each hears all, rising for each of them."""
    count, step = 33_334, 50
    some = workers.start(3)
    talkers = [Wire(each) for each in some]
    ears = [Wire(each) for each in some]

    def talk(talker: Wire) -> None:
        for first in range(0, count, step):
            talker.ask("count", first, min(count, first + step))
            talker.heard.clear()

    def listen(ear: Wire) -> None:
        following = {talker.pid: 0 for talker in talkers}
        while any(each < count for each in following.values()):
            name, pid, number = ear.hear()
            assert (name, number) == ("number", following[pid])
            following[pid] += 1

    tasks: list[Any] = [gevent.spawn(talk, each) for each in talkers]
    tasks += [gevent.spawn(listen, each) for each in ears]
    gevent.joinall(tasks, timeout=120, raise_error=True)
    assert all(each.successful() for each in tasks)
    for each in (*talkers, *ears):
        each.wire.close()
