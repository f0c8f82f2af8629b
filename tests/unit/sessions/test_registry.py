"""The registry: who is here, since when, until when, and that both indexes are true."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Any

import pytest
from webob import Request

from sockio import BaseNamespace, Reason, RoomsMixin, socketio_manage
from sockio.exceptions import RequestRefused
from sockio.middleware import SocketIOMiddleware
from sockio.testing import ManualRuntime
from sockio.virtsocket import State

from ...support.carriers import Client, House
from ...support.servers import not_ours
from ..conftest import MakeHouse


class Told(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        self.join("lobby")

    def recv_disconnect(self, reason: str) -> None:
        self.session.setdefault("told", []).append(reason)


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Told})


# ---- session ids


def test_d18_a_session_id_is_long_random_and_fits_a_handshake_line_and_a_path(home: House) -> None:
    ids = {home.registry.create("").sessid for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{20}", each) for each in ids)


def test_d18_an_id_that_is_taken_is_not_given_out_again(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = home.handshake().sessid
    drawn = iter([taken, taken, "a" * 20])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: next(drawn))
    assert home.registry.create("").sessid == "a" * 20


# ---- nobody


def test_nobody_leaves_no_timer_behind(home: House) -> None:
    """One that was stopped is free to go, and one that goes on keeps its deadlines."""
    for _ in range(2):
        for socket in (home.handshake(), home.handshake()):
            assert home.runtime.timers == 1
            socket.close(Reason.CLIENT)
        assert home.runtime.timers == 0
    late = home.handshake()
    home.runtime.advance(61)
    assert late.close_reason == Reason.UNOPENED
    assert home.runtime.timers == 0


# ---- finding


def test_d38_a_session_is_in_no_index_before_its_handshake_succeeded(home: House) -> None:
    socket = home.registry.create("10.0.0.1")
    assert home.registry.get_socket(socket.sessid) is None
    assert home.is_empty()
    home.registry.admit(socket)
    assert home.registry.get_socket(socket.sessid) is socket
    assert home.registry.sockets == {socket.sessid: socket}


@pytest.mark.parametrize("sessid", ["", "nobody", "__proto__", "é", "a" * 10_000])
def test_an_unknown_id_finds_nobody(home: House, sessid: str) -> None:
    home.client()
    assert home.registry.get_socket(sessid) is None


def test_gs10_the_sockets_are_a_snapshot(home: House) -> None:
    clients = [home.client() for _ in range(3)]
    for socket in home.registry.sockets.values():
        socket.disconnect()
    assert [client.hears() for client in clients] == [["0::"]] * 3
    assert home.registry.sockets == {}


# ---- sessions that nobody opens


def test_d38_an_address_may_have_so_many_sessions_that_it_never_opened(house: MakeHouse) -> None:
    home = house({"": Told}, max_unopened=2)
    first, second, third = (home.handshake("10.0.0.1") for _ in range(3))
    neighbour = home.handshake("10.0.0.2")
    assert first.close_reason == Reason.EVICTED
    assert list(home.registry.sockets.values()) == [second, third, neighbour]


def test_d38_views_that_decide_at_the_same_time_do_not_pass_the_limit_together(
    house: MakeHouse,
) -> None:
    home = house({"": Told}, max_unopened=2)
    sockets = [home.registry.create("10.0.0.1") for _ in range(3)]
    for socket in sockets:
        home.registry.admit(socket)
    assert list(home.registry.sockets.values()) == sockets[1:]


def test_d38_a_thousand_handshakes_leave_nothing(home: House) -> None:
    for number in range(1000):
        home.handshake(f"10.0.{number % 7}.1")
    assert len(home.registry) == 1000
    home.runtime.advance(61)
    assert home.is_empty()
    assert home.runtime.timers == 0


# ---- deadlines


def test_d35_one_timer_serves_all_sessions(home: House) -> None:
    for seconds in range(50):
        home.client()
        home.handshake()
        home.runtime.advance(seconds / 50)
    assert home.runtime.timers == 1


def test_each_deadline_is_met_in_its_turn(home: House) -> None:
    sockets = []
    for _ in range(5):
        sockets.append(home.handshake())
        home.runtime.advance(10)
    for left in (4, 3, 2, 1, 0):
        home.runtime.advance(10.5 if left == 4 else 10)
        assert [socket.state for socket in sockets].count(State.CONNECTING) == left


def test_many_deadlines_at_once_are_met_in_turns(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        home.handshake()
    # There is time for two between two looks for input.
    times = itertools.cycle((False, True))
    asked: list[bool] = []

    def busy_for_long() -> bool:
        asked.append(next(times))
        return asked[-1]

    monkeypatch.setattr(home.runtime, "busy_for_long", busy_for_long)
    home.runtime.advance(61)
    assert not home.registry.sockets
    assert asked.count(True) >= 2
    home.registry.check()


def test_trouble_with_one_deadline_does_not_keep_others_from_being_met(
    home: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("cannot be answered")

    bad, good = Client(home), Client(home)
    for client in (bad, good):
        client.polls()
    poll = bad.polls()
    monkeypatch.setattr(poll, "idle", broken)
    other = good.polls()
    home.runtime.advance(20.1)
    assert "its deadline could not be handled" in caplog.text
    assert other.answer == ["8::"]
    poll.hangs_up()


# ---- the end of all


def test_m54_ending_all_sessions_tells_all_and_refuses_new_ones(home: House) -> None:
    stream, waiting, between, unopened = home.client(), Client(home), Client(home), Client(home)
    waiting.polls()
    poll = waiting.polls()
    between.polls()
    between[""].send("fetched or not")
    home.registry.close_all()
    home.runtime.settle()
    assert stream.stream.story == ["finish"]
    assert stream.hears() == []  # no goodbye: that would tell the client not to come back
    assert poll.answer == ["8::"]
    told = [client.socket.session.get("told") for client in (stream, waiting, between, unopened)]
    assert told == [[Reason.SHUTDOWN]] * 3 + [None]
    # Something waits for the one between two polls, who may still come for it.
    assert list(home.registry.sockets.values()) == [between.socket]
    home.runtime.advance(60)
    assert home.is_empty()
    with pytest.raises(RequestRefused, match="503"):
        home.registry.check_room_for("10.0.0.1")


def test_d79_what_is_queued_is_still_delivered(home: House) -> None:
    client = home.client()
    client.stream.stuck = True
    client[""].send("last words")
    home.registry.close_all()
    client.stream.reads_again()
    assert client.hears() == ["3:::last words"]


def test_one_can_wait_until_all_have_ended(home: House) -> None:
    client = home.client()
    client.stream.stuck = True
    home.registry.close_all()
    waiting: Any = home.runtime.spawn(home.registry.wait_until_empty, 60)
    home.runtime.settle()
    assert not waiting.ready()
    client.stream.reads_again()
    home.runtime.settle()
    assert waiting.value is True


def test_but_not_for_ever(home: House) -> None:
    home.client()
    assert home.registry.wait_until_empty(0.001) is False


def test_where_there_is_nobody_one_does_not_wait(home: House) -> None:
    assert home.registry.wait_until_empty(60) is True


def test_m54_a_handshake_whose_view_outlasts_the_end_is_refused(home: House) -> None:
    socket = home.registry.create("10.0.0.1")
    home.registry.close_all()
    with pytest.raises(RequestRefused, match="503"):
        home.registry.admit(socket)
    assert home.is_empty()


# ---- refused handshakes


def refusing(answer: str, jobs: list[Any]) -> Any:
    """A view that starts a task for a client that it then refuses."""

    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        jobs.append(environ["socketio"].spawn(environ["socketio"].runtime.signal().wait))
        socketio_manage(environ, {"": Told})
        start_response(answer, [("Content-Length", "0")])
        return []

    return view


@pytest.mark.parametrize("answer", ["403 Forbidden", "500 Internal Server Error", "302 Found"])
def test_d01_a_refused_handshake_leaves_no_session_and_no_task(
    runtime: ManualRuntime, answer: str
) -> None:
    jobs: list[Any] = []
    middleware = SocketIOMiddleware(refusing(answer, jobs), runtime=runtime)
    response = Request.blank("/socket.io/1/").get_response(middleware)
    assert response.status_code in (403, 500)
    runtime.settle()
    assert len(middleware.registry) == 0
    assert [job.dead for job in jobs] == [True]


# ---- the check


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            lambda registry, socket: registry._sockets.update(other=socket), id="under another id"
        ),
        pytest.param(
            lambda registry, socket: setattr(socket, "_delivered", True), id="over, and still found"
        ),
        pytest.param(lambda registry, socket: setattr(socket, "_alarm", None), id="no deadline"),
        pytest.param(
            lambda registry, socket: registry._everybody.remove(socket), id="there and not counted"
        ),
        pytest.param(
            lambda registry, socket: registry._ending.update({socket: None}),
            id="ending and not ended",
        ),
        pytest.param(
            lambda registry, socket: registry._sockets.clear(), id="in a room and not there"
        ),
    ],
)
def test_check_finds_what_is_wrong(runtime: ManualRuntime, damage: Any) -> None:
    home = House(runtime, {"": Told})
    client = home.client()
    home.registry.check()
    damage(home.registry, client.socket)
    with pytest.raises(AssertionError):
        home.registry.check()


def test_session_ids_begin_with_the_prefix_of_the_settings(runtime: ManualRuntime) -> None:
    middleware = SocketIOMiddleware(not_ours, {}, runtime=runtime, sid_prefix="a.")
    sessid = middleware.registry.create("10.0.0.1").sessid
    assert sessid.startswith("a.")
    assert len(sessid) == 2 + 20
