"""While some clients flood, another is served: told by what was handled when, not by a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import pytest

from sockio import BaseNamespace

from ..support.raw_websocket import TEXT, RawWebSocket, frame, open_session
from ..support.servers import Served, not_ours


class Labour(BaseNamespace):
    """Handlers that need the processor."""

    handled = 0

    def on_work(self, milliseconds: float) -> None:
        ends = time.perf_counter() + milliseconds / 1000
        while time.perf_counter() < ends:
            pass
        Labour.handled += 1

    def on_echo(self, *args: object) -> object:
        return args


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    Labour.handled = 0
    return serve(not_ours, {"": Labour})


def send_in_background(websocket: RawWebSocket, data: bytes) -> None:
    gevent.spawn(websocket.send, data)


def echo(websocket: RawWebSocket) -> None:
    websocket.say('5:1+::{"name":"echo"}')
    assert websocket.hear() == "6:::1"


@pytest.mark.parametrize(
    ("clients", "milliseconds", "events"),
    [
        pytest.param(1, 3, 100, id="one client, events of 3 ms"),
        pytest.param(20, 1, 20, id="twenty clients, events of 1 ms"),
    ],
)
def test_events_that_need_the_processor(
    server: Served, clients: int, milliseconds: float, events: int
) -> None:
    flood = frame(TEXT, f'5:::{{"name":"work","args":[{milliseconds}]}}') * events
    with open_session(server.port) as bystander:
        flooders = [open_session(server.port) for _ in range(clients)]
        for each in flooders:
            send_in_background(each, flood)
        while not Labour.handled:
            gevent.sleep(0.001)
        seen = Labour.handled
        for _ in range(3):
            echo(bystander)
            # Not all of the flood, nor a slice of each client, was handled before it.
            assert Labour.handled - seen < 60
            seen = Labour.handled
        assert seen < clients * events
        for each in flooders:
            each.close()
