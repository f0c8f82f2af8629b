"""Sessions of clients since 1.0 and time, on a clock that the tests move.

Defaults throughout: ping interval 25 s, ping timeout 20 s, connect timeout 45 s.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio import BaseNamespace, Reason
from sockio.protocol.generations import EIO3, EIO4, Generation
from sockio.sessions.engine_socket import EngineSocket
from sockio.testing import ManualRuntime

from ...support.carriers import House, Poll, Stream
from ..conftest import MakeHouse

LATE = 0.1  # the wheel's granularity


class Told(BaseNamespace):
    pass


def admitted(house: House, generation: Generation) -> EngineSocket:
    socket = house.registry.create("10.0.0.1", generation)
    assert isinstance(socket, EngineSocket)
    socket.namespaces = house.middleware.namespaces or {}
    socket.environ = {"socketio": socket}
    socket.welcome("0{}")
    house.registry.admit(socket)
    house.runtime.settle()
    return socket


@pytest.fixture(params=["websocket", "polling", "nothing"])
def carry(request: pytest.FixtureRequest) -> Callable[[EngineSocket], None]:
    """What carries the session: heartbeats are the same for all."""

    def attach(socket: EngineSocket) -> None:
        if request.param == "websocket":
            socket.attach(Stream(socket))
        elif request.param == "polling":
            for _ in range(2):
                poll = Poll(socket)
                poll.name = "polling"
                socket.attach(poll)
                socket.runtime.settle()  # type: ignore[attr-defined]

    return attach


def ends_after(house: House, socket: EngineSocket, seconds: float, reason: str) -> None:
    house.runtime.advance(seconds - 0.01)
    assert socket.close_reason is None
    house.runtime.advance(0.01 + LATE)
    assert socket.close_reason == reason


def test_a_client_that_does_not_answer_a_ping_is_gone(
    house: MakeHouse, carry: Callable[[EngineSocket], None]
) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    carry(socket)
    socket.receive("40")
    home.runtime.settle()
    ends_after(home, socket, 45, Reason.PING_TIMEOUT)


def test_a_client_that_sends_no_ping_is_gone(
    house: MakeHouse, carry: Callable[[EngineSocket], None]
) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO3)
    carry(socket)
    ends_after(home, socket, 45, Reason.PING_TIMEOUT)


def test_the_server_pings_an_interval_after_the_opening_and_after_each_pong(
    house: MakeHouse,
) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    before = len(stream.packets)
    home.runtime.advance(24.9)
    assert stream.packets[before:] == []
    home.runtime.advance(0.1 + LATE)
    assert stream.packets[before:] == ["2"]
    home.runtime.advance(19)
    socket.receive("3")
    home.runtime.advance(24.9)
    assert stream.packets[before:] == ["2"]
    home.runtime.advance(0.1 + LATE)
    assert stream.packets[before:] == ["2", "2"]
    assert socket.heartbeats == 1
    stream.hangs_up()
    home.runtime.settle()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param('42["nobody"]', id="an event"),
        pytest.param("40/nowhere", id="a connect"),
        pytest.param("43123[]", id="an ack"),
        pytest.param('451-["nobody",{"_placeholder":true,"num":0}]', id="a part of a packet"),
    ],
)
def test_who_is_heard_while_its_answer_is_due_has_the_time_once_more(
    house: MakeHouse, sent: str
) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    home.runtime.advance(25 + LATE + 19)
    socket.receive(sent)
    home.runtime.settle()
    home.runtime.advance(20)
    assert socket.close_reason is None
    socket.receive("42" + '["nobody"]' if sent[:2] != "45" else b"\0")
    home.runtime.settle()
    home.runtime.advance(0.8)
    assert socket.close_reason is None
    home.runtime.advance(0.1 + 3 * LATE)
    assert socket.close_reason == Reason.PING_TIMEOUT


def test_what_was_heard_before_the_ping_buys_no_time(house: MakeHouse) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    socket.attach(Stream(socket))
    socket.receive("40")
    home.runtime.advance(24.9)
    socket.receive('42["nobody"]')
    home.runtime.settle()
    home.runtime.advance(20)
    assert socket.close_reason is None
    home.runtime.advance(0.1 + 2 * LATE)
    assert socket.close_reason == Reason.PING_TIMEOUT


def test_each_ping_has_its_own_time(house: MakeHouse) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    socket.attach(Stream(socket))
    socket.receive("40")
    home.runtime.settle()
    for _ in range(3):
        home.runtime.advance(25 + LATE + 1)
        socket.receive('42["nobody"]')
        home.runtime.settle()
        home.runtime.advance(38)
        assert socket.close_reason is None
        socket.receive("3")
    home.runtime.advance(25 + LATE + 19)
    assert socket.close_reason is None
    home.runtime.advance(1 + LATE)
    assert socket.close_reason == Reason.PING_TIMEOUT


@pytest.mark.parametrize("phase", [0.0, 0.03, 0.05, 0.07, 0.0999])
def test_the_timer_does_not_make_short_intervals_longer(house: MakeHouse, phase: float) -> None:
    home = house({"": Told}, ping_interval=0.3, ping_timeout=0.2)
    home.runtime.advance(phase)
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    for _ in range(100):
        home.runtime.advance(0.01)
        if stream.packets[-1] == "2" and stream.packets.count("2") > socket.heartbeats:
            socket.receive("3")
    assert stream.packets.count("2") == 3
    stream.hangs_up()
    home.runtime.settle()


def test_a_ping_is_answered_and_begins_the_time_anew(house: MakeHouse) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO3)
    stream = Stream(socket)
    socket.attach(stream)
    home.runtime.settle()
    home.runtime.advance(44)
    socket.receive("2")
    assert stream.packets[-1] == "3"
    ends_after(home, socket, 45, Reason.PING_TIMEOUT)


def test_a_ping_answers_the_poll_that_is_held(house: MakeHouse) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    socket.attach(Poll(socket))
    home.runtime.settle()
    socket.receive("40")
    home.runtime.settle()
    socket.attach(Poll(socket))
    home.runtime.settle()
    held = Poll(socket)
    socket.attach(held)
    home.runtime.settle()
    assert held.answer is None
    home.runtime.advance(25 + LATE)
    assert held.answer == ["2"]
    home.runtime.advance(20 + LATE)
    assert socket.close_reason == Reason.PING_TIMEOUT


@pytest.mark.parametrize("refused", [False, True], ids=["asked for nothing", "was refused"])
def test_a_client_that_joins_nothing_is_closed(house: MakeHouse, refused: bool) -> None:
    class No(BaseNamespace):
        def recv_connect(self) -> bool:
            return False

    home = house({"": No}, connect_timeout=10)
    socket = admitted(home, EIO4)
    socket.attach(Stream(socket))
    if refused:
        socket.receive("40")
        home.runtime.settle()
    ends_after(home, socket, 10, Reason.FORCED_CLOSE)
    home.runtime.advance(6)


def test_a_client_that_has_joined_may_leave_again(house: MakeHouse) -> None:
    home = house({"": Told}, connect_timeout=10)
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    socket.receive("41")
    home.runtime.settle()
    home.runtime.advance(20)
    assert socket.close_reason is None
    stream.hangs_up()
    home.runtime.settle()


def test_the_last_packets_wait_for_half_a_minute(house: MakeHouse) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO3)
    for _ in range(2):
        socket.attach(Poll(socket))
        home.runtime.settle()
    socket.disconnect()
    home.runtime.settle()
    home.runtime.advance(29.9)
    assert home.registry.get_socket(socket.sessid) is socket
    home.runtime.advance(0.1 + LATE)
    assert home.registry.get_socket(socket.sessid) is None


def test_a_request_ends_what_is_overdue_however_late_the_timer_is(
    house: MakeHouse, runtime: ManualRuntime
) -> None:
    home = house({"": Told})
    socket = admitted(home, EIO4)
    home.runtime.advance(45.01)
    assert home.registry.get_socket(socket.sessid) is None


@pytest.mark.parametrize("some", [0, 1])
def test_attachments_that_do_not_come_end_the_session(house: MakeHouse, some: int) -> None:
    """What has come of them is kept meanwhile."""
    home = house({"": Told}, close_timeout=27, ping_interval=100)
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    socket.receive('453-["x"]')
    for _ in range(some):
        home.runtime.advance(26)
        socket.receive(b"x")
    ends_after(home, socket, 27, Reason.FORCED_CLOSE)
    assert socket.bad_packets == 1


def test_attachments_that_have_come_leave_no_deadline(house: MakeHouse) -> None:
    home = house({"": Told}, close_timeout=27, ping_interval=100)
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    socket.receive('451-["x"]')
    socket.receive(b"x")
    home.runtime.advance(40)
    assert socket.close_reason is None
    stream.hangs_up()
    home.runtime.settle()
