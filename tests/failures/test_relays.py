"""Two workers of a host hear Redis for all of it: they fail again and again, and both at once."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import gevent

from ..support.redis import RedisServer
from ..support.relays import Relayed


def test_they_stand_still_and_die_one_after_the_other(server: RedisServer) -> None:
    with ExitStack() as stack:
        host = Relayed(stack, server, 6, rooms=True)
        for _ in range(2):
            host.settled()
            still = host.relay()
            host.worker(still).pause()
            host.goes_on([each for each in host.wires if each is not still])
            gevent.sleep(5)
            host.worker(still).go_on()
            host.goes_on(host.wires)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            host.settled()
            relay = host.relay()
            host.ends(relay)
            host.worker(relay).send(number)
            host.goes_on(host.wires)
        host.check()


def test_both_die_at_once(server: RedisServer) -> None:
    """What is lost then is known."""
    with ExitStack() as stack:
        host = Relayed(stack, server, 5)
        for _ in range(2):
            host.settled()
            both = [each for each in host.wires if host.relay_of(each) is each]
            for relay in both:
                host.worker(relay).send(signal.SIGKILL)
            for relay in both:
                host.ends(relay)
            host.goes_on(host.wires)
        host.check(lost=True)


def test_cut_off_again_and_again(server: RedisServer) -> None:
    with ExitStack() as stack:
        host = Relayed(stack, server, 4)
        for _ in range(10):
            server.command("CLIENT", "KILL", "TYPE", "pubsub")
            host.goes_on(host.wires)
        host.check(lost=True)
