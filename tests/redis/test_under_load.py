"""Redis and workers, killed and stopped while all talk: the short of what tests/failures has."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import gevent

from ..support.hosts import JOINED, Account, hosts
from ..support.redis import RedisServer
from ..support.transcript import eventually
from ..support.workers import Wire


def test_nothing_comes_twice_and_what_is_lost_is_known(server: RedisServer) -> None:
    with hosts(server.url, None, None) as (one, other), ExitStack() as stack:
        account = Account([one, other])
        some = [*one.workers, *other.workers]
        talkers = [host.client(stack, worker) for host in (one, other) for worker in host.workers]

        def talk(wire: Wire) -> None:
            try:
                while not over:
                    account.say(wire, count=2)
                    wire.heard.clear()
                    gevent.sleep(0.01)
            except (EOFError, OSError):
                assert wire is talkers[-1], "the one that is killed"

        def goes_on(number: int = 40) -> None:
            """Until all have said so many more who can: nobody is blocked."""
            until = {pid: said + number for pid, said in account.said.items() if pid not in still}
            eventually(
                lambda: all(account.said[pid] >= said for pid, said in until.items()), "they talk"
            )

        over, still = False, set[int]()
        tasks = [gevent.spawn(talk, each) for each in talkers]
        eventually(lambda: len(account.said) == len(talkers), "all talk")
        goes_on()

        server.kill()
        goes_on()
        server.start()
        for worker in some:
            worker.find("connected again after", JOINED)
        goes_on()

        server.freeze()
        goes_on()
        server.thaw()
        goes_on()

        some[1].pause()
        still.add(some[1].pid)
        goes_on()
        some[1].go_on()
        still.clear()
        goes_on()

        some[-1].send(signal.SIGKILL)
        still.add(some[-1].pid)
        goes_on()
        over = True
        gevent.joinall(tasks, raise_error=True)
        # What is under way comes: Redis hands out in order, so behind the last of each.
        living = [*one.wires, other.wires[0]]
        last = {wire.pid: account.said[wire.pid] for wire in living}
        for wire in living:
            account.say(wire, count=1)

        def all_is_there() -> bool:
            account.read(*living)
            return all(
                account.heard[wire][pid][-1:] == [number]
                for wire in living
                for pid, number in last.items()
            )

        eventually(all_is_there, "the last ones are there", JOINED)
        account.check(lost=True, dead=some[-1:])
        for worker in some:
            assert "Traceback" not in worker.output
