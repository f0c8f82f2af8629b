"""Clients that stop reading, and that stay connected: nothing of theirs is kept for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio.sessions.reasons import Reason

from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from ..support.transports import Client, HTTPClient

Connect = Callable[..., Client]

#: More than the kernels on both sides hold for a reader that does not read.
MUCH = 12_000_000

STREAMS = ["websocket", "flashsocket", "htmlfile", "xhr-multipart"]

QUICK = {
    "heartbeat_interval": 0.1,
    "heartbeat_timeout": 0.3,
    "polling_duration": 0.1,
    "close_timeout": 0.5,
    "max_payload": 20_000_000,
}


def requests(server: Served) -> int:
    """How many requests are under way, or connections kept for the next one."""
    pool = server.server.pool
    assert pool is not None
    return len(pool)


@pytest.mark.parametrize("transport", STREAMS)
def test_a_stream_that_is_not_read_ends_by_its_heartbeat(
    start: Callable[..., Served], connect: Connect, journal: Transcript
) -> None:
    server = start(**QUICK)
    client = connect(server).open()
    client.socket[""].send("x" * MUCH)
    journal.next("disconnect", "", Reason.HEARTBEAT_TIMEOUT)
    assert len(server.registry) == 0
    # The session is over, and so is what wrote for it.
    idle = 1 if hasattr(client, "post") else 0
    eventually(lambda: requests(server) <= idle, "the request has ended")


@pytest.mark.parametrize("transport", STREAMS)
def test_d66_a_stream_that_is_not_read_does_not_outlive_its_successor(
    server: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockio.transports.websocket.CLOSE_WAIT", 0.1)
    monkeypatch.setattr("sockio.transports.streaming.CLOSE_WAIT", 0.1)
    older = connect(server).open()
    older.socket[""].send("x" * MUCH)
    newer = connect(server, older.sid).listen()
    detached = newer.name.endswith("socket") and "detach" not in server.middleware.settings.without
    alone = 0 if detached else 1
    eventually(lambda: requests(server) == alone, "the older one has been cut")
    newer.socket[""].send("for the newest")
    assert newer.hear() == "3:::for the newest"


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_an_answer_that_is_not_read_does_not_outlive_its_session(
    start: Callable[..., Served], connect: Connect, journal: Transcript
) -> None:
    server = start(**QUICK)
    client = connect(server).open().keep_listening()
    client.socket[""].send("x" * MUCH)
    journal.next("disconnect", "", Reason.CLOSE_TIMEOUT)
    eventually(lambda: requests(server) == 0, "the request has ended")


@pytest.mark.parametrize("transport", ["htmlfile", "xhr-multipart"])
def test_a_stream_that_was_read_to_its_end_leaves_its_connection_in_peace(
    start: Callable[..., Served], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockio.transports.streaming.CLOSE_WAIT", 0.05)
    server = start(polling_duration=0.2)
    older = connect(server).open()
    newer = connect(server, older.sid).listen()
    assert older.ended()
    # The next request on it waits longer than the older stream would have been given.
    with connect(server, None, "xhr-polling").open() as other:
        assert isinstance(older, HTTPClient)
        assert older.down is not None
        assert older.down.ask("GET", other.path).body == "8::"
    newer.send("3:::still here")
    assert newer.hear() == "3:::still here"
