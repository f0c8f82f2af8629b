"""Two workers of a host hear Redis for all of it: what that spares, and what it loses."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from ..support.hosts import JOINED
from ..support.redis import RedisServer
from ..support.relays import Relayed
from ..support.transcript import eventually
from ..support.workers import Workers


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


@pytest.mark.parametrize(
    ("more", "why"),
    [
        pytest.param(
            {"backplane": "cluster://localhost:1"}, "the nodes of a cluster", id="cluster"
        ),
        pytest.param({"backplane_rooms": True, "recovery": [9, 1000]}, "no number", id="no number"),
    ],
)
def test_where_it_has_no_effect_that_is_said(
    server: RedisServer, hosts: Callable[[], Workers], more: dict[str, Any], why: str
) -> None:
    options = {"backplane": server.url, "backplane_relay": True, **more}
    (worker,) = hosts().start(1, **options)
    worker.find(rf"WARNING.* backplane_relay .*{why}.* What to do: .*\[setting-without-effect\]")
    assert worker.output.count("[setting-without-effect]") == 1
