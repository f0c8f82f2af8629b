"""An open websocket costs a descriptor and nothing else, and at its end it costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from sockio.sessions.reasons import Reason

from ..support.leaks import NOISE, descriptors, greenlets
from ..support.raw_http import get, handshake
from ..support.raw_websocket import RawWebSocket, open_session
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import requests

CLIENTS = 100


@pytest.mark.fast_path("detach")
def test_an_idle_client_occupies_no_greenlet_and_one_descriptor(server: Served) -> None:
    """The request that brought it has ended too."""
    with open_session(server.port, "/chat"):
        eventually(lambda: requests(server) == 0, "the first request has ended")
        greenlets_before, descriptors_before = greenlets(), descriptors()
        clients = [open_session(server.port, "/chat") for _ in range(CLIENTS)]
        eventually(lambda: requests(server) == 0, "every request has ended")
        eventually(lambda: greenlets() < greenlets_before + NOISE, "no greenlet is left")
        # One at the client's end, one at the server's.
        assert descriptors() <= descriptors_before + 2 * CLIENTS
        for client in clients:
            client.say("3:::still here")
            assert client.hear() == "3:::still here"
            client.close()
        eventually(lambda: descriptors() <= descriptors_before, "every descriptor is closed")
    eventually(lambda: not server.registry.sockets, "every session is forgotten")


@pytest.mark.fast_path("detach")
def test_a_busy_client_leaves_no_greenlet_behind(server: Served) -> None:
    with open_session(server.port, "/chat") as websocket:
        eventually(lambda: requests(server) == 0, "the request has ended")
        before = greenlets()
        for number in range(100):
            websocket.say(f'5:{number}+:/chat:{{"name":"echo"}}')
            assert websocket.hear() == f"6::/chat:{number}"
        eventually(lambda: greenlets() < before + NOISE, "no greenlet is left")


# ---- The ways to end


def client_says_goodbye(server: Served, websocket: RawWebSocket) -> None:
    websocket.say("0::")
    assert websocket.hear() == "0::"
    assert websocket.closing() == 1000


def client_closes(server: Served, websocket: RawWebSocket) -> None:
    websocket.send_close(1001)
    assert websocket.closing() == 1001


def client_hangs_up(server: Served, websocket: RawWebSocket) -> None:
    websocket.close()


def client_resets(server: Served, websocket: RawWebSocket) -> None:
    websocket.reset()


def client_asks_for_the_end(server: Served, websocket: RawWebSocket) -> None:
    assert get(server.port, f"/socket.io/1//{websocket.sid}/?disconnect=1").code == 200
    assert websocket.hear() == "0::"
    assert websocket.closing() == 1000


def client_breaks_the_rules(server: Served, websocket: RawWebSocket) -> None:
    websocket.send(b"\xff\xff")
    assert websocket.closing() == 1002


def server_kicks(server: Served, websocket: RawWebSocket) -> None:
    websocket.say('5:::{"name":"kick_me"}')
    assert websocket.hear() == "0::"
    assert websocket.closing() == 1000


def server_cuts(server: Served, websocket: RawWebSocket) -> None:
    server.registry.sockets[websocket.sid].close(Reason.OVERFLOW, say=False)
    assert websocket.at_end()


ENDINGS = [
    (client_says_goodbye, Reason.CLIENT),
    (client_closes, Reason.TRANSPORT_CLOSE),
    (client_hangs_up, Reason.TRANSPORT_CLOSE),
    (client_resets, Reason.TRANSPORT_CLOSE),
    (client_asks_for_the_end, Reason.CLIENT),
    (client_breaks_the_rules, Reason.TRANSPORT_ERROR),
    (server_kicks, Reason.SERVER),
    (server_cuts, Reason.OVERFLOW),
]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("end", "reason"), [pytest.param(*row, id=row[0].__name__) for row in ENDINGS]
)
def test_however_it_ends_nothing_is_left(
    server: Served,
    journal: Transcript,
    end: Callable[[Served, RawWebSocket], None],
    reason: str,
) -> None:
    """Also D-64 and D-65: the namespaces are told at once, each once, with the reason."""
    with open_session(server.port, "/chat") as websocket:  # whatever is made once is made now
        end(server, websocket)
        journal.next("disconnect", "/chat", reason)
    eventually(lambda: not server.registry.sockets, "the first session is forgotten")
    eventually(lambda: requests(server) == 0, "no request is left")
    before = descriptors()
    for _ in range(200):
        with open_session(server.port, "/chat") as websocket:
            end(server, websocket)
        journal.next("disconnect", "", reason)
        journal.next("disconnect", "/chat", reason)
    eventually(lambda: not server.registry.sockets, "every session is forgotten")
    eventually(lambda: descriptors() <= before, "every descriptor is closed")
    assert len(journal.all("disconnect")) == 2 * 201
    server.registry.check()


def fill(server: Served, websocket: RawWebSocket) -> None:
    """Send until the kernel's buffers are full and packets wait: the client does not read."""
    socket = server.registry.sockets[websocket.sid]
    while socket.outbox_size[0] == 0:
        socket[""].send("x" * 100_000)


def client_closes_unread(websocket: RawWebSocket) -> None:
    websocket.send_close(1000)


def client_breaks_the_rules_unread(websocket: RawWebSocket) -> None:
    websocket.send(b"\xff\xff")


def test_half_open_clients_are_cut_on_the_heartbeat_timeout(
    start: Callable[..., Served], journal: Transcript
) -> None:
    """The peer answers nothing at all, the end of the connection neither: its descriptor is closed
    at once, without waiting for a reply that never comes."""
    server = start(heartbeat_interval=0.1, heartbeat_timeout=0.2)
    before = descriptors()
    silent = [open_session(server.port) for _ in range(20)]
    for _ in silent:
        journal.next("disconnect", "", Reason.HEARTBEAT_TIMEOUT)
    # The clients' own are left; where a task reads, it has to go first.
    eventually(lambda: descriptors() <= before + len(silent), "the server's are closed")
    for websocket in silent:
        assert websocket.hear() == "2::"
        assert websocket.at_end()
        websocket.close()


def test_d66_a_second_websocket_takes_over_the_session(server: Served, journal: Transcript) -> None:
    before = descriptors()
    first = RawWebSocket(server.port, handshake(server.port))
    assert first.hear() == "1::"
    for number in range(100):
        second = RawWebSocket(server.port, first.sid)
        assert first.closing() == 1000
        first.close()
        second.say(f"3:::{number}")
        # The session goes on: no second 1::, and all of its messages go to the newer one.
        assert second.hear() == f"3:::{number}"
        first = second
    first.close()
    journal.next("disconnect", "", Reason.TRANSPORT_CLOSE)
    assert len(journal.all("connect")) == len(journal.all("disconnect")) == 1
    eventually(lambda: descriptors() <= before, "every descriptor is closed")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a peer gets to finish, for tests in which it never does."""
    monkeypatch.setattr("sockio.transports.websocket.CLOSE_WAIT", 0.1)


@pytest.mark.fast_path("detach")  # else nothing is in the kernel before the sender waits
@pytest.mark.usefixtures("impatient")
def test_a_replaced_websocket_that_does_not_read_is_closed_all_the_same(server: Served) -> None:
    before = descriptors()
    with open_session(server.port) as first:
        fill(server, first)
        with RawWebSocket(server.port, first.sid) as second:
            assert second.hear().startswith("3:::x")
            # The client's end of the first, and both of the second.
            eventually(lambda: descriptors() <= before + 3, "the server has closed the first")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("end", [client_closes_unread, client_breaks_the_rules_unread])
def test_a_client_that_ends_without_reading_is_closed_all_the_same(
    server: Served, end: Callable[[RawWebSocket], None]
) -> None:
    before = descriptors()
    with open_session(server.port) as websocket:
        fill(server, websocket)
        end(websocket)
        eventually(lambda: not server.registry.sockets, "the session is forgotten")
        eventually(lambda: descriptors() <= before + 1, "the server has closed it")


def test_the_server_stops(server: Served, journal: Transcript) -> None:
    before = descriptors()
    clients = [open_session(server.port, "/chat") for _ in range(20)]
    server.stop()
    for client in clients:
        assert client.closing() == 1001
        journal.next("disconnect", "/chat", Reason.SHUTDOWN)
        client.close()
    eventually(lambda: descriptors() < before, "every descriptor is closed, the listener too")


def test_stopping_does_not_wait_for_clients_that_do_not_answer(
    server: Served, journal: Transcript
) -> None:
    websocket = open_session(server.port)
    with gevent.Timeout(30):
        server.stop()
    journal.next("disconnect", "", Reason.SHUTDOWN)
    websocket.close()
