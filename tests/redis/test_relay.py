"""Two workers of a host hear Redis for all of it: what that spares, and what it loses."""

from __future__ import annotations

import signal
from contextlib import ExitStack

from ..support.hosts import JOINED
from ..support.redis import RedisServer
from ..support.relays import Relayed
from ..support.transcript import eventually


def test_nothing_is_lost_nor_twice_whatever_becomes_of_the_relay(server: RedisServer) -> None:
    """It stands still and goes on; it is ended; the next is killed."""
    with ExitStack() as stack:
        host = Relayed(stack, server, 4)
        (channel,) = server.command("PUBSUB", "CHANNELS", "sockio:*:")
        far = 1

        def subscribed() -> int:
            count: int = server.command("PUBSUB", "NUMSUB", channel)[1] - far
            return count

        eventually(lambda: subscribed() == 2, "two are subscribed", JOINED)
        host.goes_on(host.wires)
        still = host.relay()
        host.worker(still).pause()
        host.goes_on([each for each in host.wires if each is not still])
        host.worker(still).go_on()
        host.goes_on(host.wires)
        for number in (signal.SIGTERM, signal.SIGKILL):
            host.settled()
            relay = host.relay()
            host.ends(relay)
            host.worker(relay).send(number)
            host.goes_on(host.wires)
        eventually(lambda: subscribed() == 2, "two are subscribed", JOINED)
        host.check()
