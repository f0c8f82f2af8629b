"""The virtual socket and time: one deadline at any moment, on a clock that the tests move.

Defaults throughout: heartbeat interval 25 s, heartbeat timeout 60 s, close timeout 60 s, poll
duration 20 s (fact sheet, section 6, "Timers"). A deadline is met at most 0.1 s late.
"""

from __future__ import annotations

import pytest

from sockio import BaseNamespace, Reason
from sockio.sessions.lifetime import STREAM_LINGER
from sockio.sessions.states import State

from ...support.carriers import Client, House, Stream
from ..conftest import MakeHouse

LATE = 0.1  # the wheel's granularity


class Told(BaseNamespace):
    def recv_disconnect(self, reason: str) -> None:
        self.session.setdefault("told", []).append(reason)


class Slow(BaseNamespace):
    def on_wait(self) -> None:
        self.session["door"].wait()


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Told})


def lives(client: Client) -> bool:
    return client.house.registry.get_socket(client.socket.sessid) is client.socket


def ends_after(client: Client, seconds: float, reason: str) -> None:
    """Let time pass to just before, then to just after; the end came in between, for ``reason``."""
    client.house.runtime.advance(seconds - 0.01)
    assert client.socket.close_reason is None
    client.house.runtime.advance(0.01 + LATE)
    assert client.socket.close_reason == reason


# ---- handshaken, and never opened


def test_d38_a_session_that_nobody_opens_is_forgotten(home: House) -> None:
    client = Client(home)
    ends_after(client, 60, Reason.UNOPENED)
    assert client.state() is State.DISCONNECTED
    assert home.is_empty()


def test_d38_posting_to_it_does_not_keep_it(home: House) -> None:
    client = Client(home)
    home.runtime.advance(30)
    client.posts("3:::hello")
    ends_after(client, 30, Reason.UNOPENED)


# ---- polls


def test_an_idle_poll_ends_with_a_noop(home: House) -> None:
    client = Client(home)
    client.polls()
    poll = client.polls()
    home.runtime.advance(19.99)
    assert poll.answer is None
    home.runtime.advance(0.01 + LATE)
    assert poll.answer == ["8::"]


def test_the_close_timeout_starts_when_a_poll_has_ended(home: House) -> None:
    client = Client(home)
    client.polls()
    client.polls()
    home.runtime.advance(20 + LATE)  # the noop
    ends_after(client, 60 - LATE, Reason.CLOSE_TIMEOUT)
    assert client.socket.session["told"] == [Reason.CLOSE_TIMEOUT]
    assert home.is_empty()


def test_the_next_poll_stops_it(home: House) -> None:
    client = Client(home)
    for _ in range(10):
        client.polls()
        home.runtime.advance(59)
    assert lives(client)


def test_a_waiting_poll_never_lets_it_fire(home: House) -> None:
    client = Client(home)
    client.polls()
    home.runtime.advance(59)
    client.polls()
    home.runtime.advance(19)
    assert lives(client)


def test_a_post_does_not_stop_it(home: House) -> None:
    client = Client(home)
    client.polls()
    home.runtime.advance(59)
    client.posts("3:::still here")
    ends_after(client, 1, Reason.CLOSE_TIMEOUT)


def test_a_client_that_takes_long_to_read_its_answer_is_given_the_time(home: House) -> None:
    client = Client(home)
    client.polls()
    client[""].send("large")
    poll = client.polls("being written")
    home.runtime.advance(50)
    assert poll.batch is not None
    client.socket.written(poll.batch)
    ends_after(client, 60, Reason.CLOSE_TIMEOUT)


def test_a_poll_that_was_hung_up_starts_it(home: House) -> None:
    client = Client(home)
    client.polls()
    poll = client.polls()
    home.runtime.advance(10)
    poll.hangs_up()
    ends_after(client, 60, Reason.CLOSE_TIMEOUT)


def test_d36_polling_clients_get_no_heartbeats(home: House) -> None:
    client = Client(home)
    client.polls()
    home.runtime.advance(55)
    assert client.socket.outbox_size[0] == 0
    assert client.polls().answer is None


# ---- streams


def test_a_heartbeat_is_sent_an_interval_after_the_opening_and_after_each_answer(
    home: House,
) -> None:
    client = home.client()
    home.runtime.advance(24.99)
    assert client.hears() == []
    home.runtime.advance(0.01 + LATE)
    assert client.hears() == ["2::"]
    home.runtime.advance(10)
    client.sends("2::")
    home.runtime.advance(24.9)
    assert client.hears() == []
    home.runtime.advance(0.1 + LATE)
    assert client.hears() == ["2::"]


def test_no_second_heartbeat_is_sent_while_one_is_unanswered(home: House) -> None:
    client = home.client()
    home.runtime.advance(80)
    assert client.hears() == ["2::"]


def test_a_client_that_does_not_answer_is_gone(home: House) -> None:
    client = home.client()
    home.runtime.advance(25)
    ends_after(client, 60, Reason.HEARTBEAT_TIMEOUT)
    assert client.stream.story == ["abort"]  # a goodbye to a dead peer would keep the descriptor
    assert client.socket.session["told"] == [Reason.HEARTBEAT_TIMEOUT]
    assert home.is_empty()


def test_only_a_heartbeat_counts_as_an_answer(home: House) -> None:
    client = home.client()
    home.runtime.advance(25)
    for _ in range(5):
        home.runtime.advance(11)
        client.sends("3:::alive", "8::", "6:::1")
    ends_after(client, 5, Reason.HEARTBEAT_TIMEOUT)


def test_a_heartbeat_nobody_asked_for_changes_nothing(home: House) -> None:
    client = home.client()
    home.runtime.advance(20)
    client.sends("2::", "2::")
    home.runtime.advance(5 + LATE)
    assert client.hears() == ["2::"]
    assert client.socket.heartbeats == 2


def test_d43_a_slow_handler_delays_no_heartbeat(house: MakeHouse) -> None:
    home = house({"/s": Slow})
    client = home.client("/s")
    client.socket.session["door"] = home.door()
    client.sends('5::/s:{"name":"wait","args":[]}')
    for _ in range(4):
        home.runtime.advance(25 + LATE)
        assert client.hears() == ["2::"]
        client.sends("2::")
    assert lives(client)


def test_d36_nothing_is_sent_after_the_end(home: House) -> None:
    client = home.client()
    client.hangs_up()
    home.runtime.advance(300)
    assert client.hears() == []


def test_a_client_whose_reading_we_paused_is_not_blamed_for_its_silence(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=1)
    client = home.client("/s")
    door = client.socket.session["door"] = home.door()
    client.sends(*['5::/s:{"name":"wait","args":[]}'] * 2)
    assert client.stream.story[-1] == "pause"
    home.runtime.advance(25 + 60 + LATE)
    assert lives(client)
    door.set()
    home.runtime.settle()
    home.runtime.advance(60 + LATE)
    assert client.socket.close_reason == Reason.HEARTBEAT_TIMEOUT


def test_a_stream_that_takes_over_starts_with_a_new_interval(home: House) -> None:
    client = home.client()
    home.runtime.advance(25 + LATE)
    client.stream = Stream(client.socket)
    client.socket.attach(client.stream)
    home.runtime.advance(24.9)
    assert client.hears() == []
    home.runtime.advance(0.2)
    assert client.hears() == ["2::"]


def test_a_poll_that_takes_over_from_a_stream_has_no_heartbeats(home: House) -> None:
    client = home.client()
    home.runtime.advance(25 + LATE)
    poll = client.polls()
    home.runtime.advance(20 + LATE)
    assert poll.answer == ["8::"]
    ends_after(client, 60 - LATE, Reason.CLOSE_TIMEOUT)


# ---- the end takes a while


def test_a_stream_that_does_not_take_its_last_packets_is_cut(home: House) -> None:
    client = home.client()
    client.stream.stuck = True
    client.socket.disconnect()
    home.runtime.advance(STREAM_LINGER - 0.01)
    assert client.state() is State.DISCONNECTING
    assert lives(client)
    home.runtime.advance(0.01 + LATE)
    assert client.state() is State.DISCONNECTED
    assert client.stream.story == ["finish", "abort"]
    assert client.socket.dropped == 1
    assert home.is_empty()


def test_a_stream_that_takes_its_last_packets_slowly_is_not_cut(home: House) -> None:
    client = home.client()
    taken = 0
    client.stream.taken = lambda: taken
    client.stream.stuck = True
    client.socket.disconnect()
    for _ in range(10):
        home.runtime.advance(STREAM_LINGER - 0.5)
        taken += 1
        assert lives(client)
    home.runtime.advance(STREAM_LINGER + 1 + LATE)
    assert client.stream.story == ["finish", "abort"]


def test_nor_for_longer_than_the_close_timeout(home: House) -> None:
    client = home.client()
    taken = 0
    client.stream.taken = lambda: taken
    client.stream.stuck = True
    client.socket.disconnect()
    for _ in range(59):
        home.runtime.advance(1.0)
        taken += 1
    assert lives(client)
    home.runtime.advance(1.0 + LATE)
    assert client.stream.story == ["finish", "abort"]
    assert home.is_empty()


class Reading:
    """A client whose poll is being answered, and that reads the answer bit by bit."""

    def __init__(self, home: House) -> None:
        self.client = Client(home)
        self.client.polls()
        poll = self.client.polls("being written")
        self.client.socket[""].send("much")
        home.runtime.settle()
        #: How much of it was read so far.
        self.taken = 0
        assert poll.batch is not None
        self.batch = poll.batch
        self.batch.before, self.batch.taken = self.taken, lambda: self.taken


@pytest.mark.parametrize("ends", [False, True])
def test_who_reads_the_answer_to_a_poll_slowly_is_not_away(home: House, ends: bool) -> None:
    reading = Reading(home)
    client = reading.client
    if ends:
        client.socket.disconnect()
    for _ in range(5):
        home.runtime.advance(50.0)
        reading.taken += 1
        assert lives(client)
        assert client.socket.away_for(home.runtime.now()) <= 50.0
    home.runtime.advance(62.0)
    assert not lives(client)


def test_the_close_timeout_begins_when_the_answer_has_left(home: House) -> None:
    reading = Reading(home)
    client = reading.client
    home.runtime.advance(59.0)
    reading.taken += 1
    home.runtime.advance(10.0)
    reading.batch.taken = lambda: None
    client.socket.written(reading.batch)
    home.runtime.advance(59.99)
    assert lives(client)
    home.runtime.advance(0.01 + LATE)
    assert client.socket.close_reason == Reason.CLOSE_TIMEOUT


def test_d87_a_polling_client_has_the_close_timeout_to_fetch_its_last_packets(
    home: House,
) -> None:
    client = Client(home)
    client.polls()
    client.socket.disconnect()
    home.runtime.advance(59.99)
    assert lives(client)
    home.runtime.advance(0.01 + LATE)
    assert not lives(client)
    assert client.socket.close_reason == Reason.SERVER
    assert client.socket.dropped == 1


def test_d87_last_packets_whose_poll_died_wait_for_another(home: House) -> None:
    client = Client(home)
    client.polls()
    client.socket.disconnect()
    assert client.polls("write failed").answer == ["0::"]
    assert lives(client)
    assert client.polls().answer == ["0::"]
    assert not lives(client)


def test_last_packets_that_fill_several_answers_are_all_delivered(house: MakeHouse) -> None:
    home = house({"": Told}, max_payload=8)
    client = Client(home)
    client.polls()
    client[""].send("one")
    client[""].send("two")
    client.socket.disconnect()
    assert client.polls().answer == ["3:::one"]
    assert client.polls().answer == ["3:::two"]
    assert client.polls().answer == ["0::"]
    assert not lives(client)


def test_a_handler_may_take_its_time_to_say_goodbye(house: MakeHouse) -> None:
    """The session can be found no longer, and is in no index when the last hook has returned."""

    class Careful(BaseNamespace):
        def recv_disconnect(self) -> None:
            self.session["door"].wait()

    home = house({"": Careful})
    client = home.client()
    door = client.socket.session["door"] = home.door()
    client.hangs_up()
    home.runtime.advance(120)
    assert client.state() is State.DISCONNECTING
    assert not lives(client)
    assert not home.is_empty()
    door.set()
    home.runtime.settle()
    assert client.state() is State.DISCONNECTED
    assert home.is_empty()


# ---- deadlines in general


@pytest.mark.parametrize(
    "bring",
    [
        pytest.param(lambda home: Client(home), id="unopened"),
        pytest.param(lambda home: home.client(), id="a stream"),
        pytest.param(lambda home: opened_by_polls(home, 2), id="a waiting poll"),
        pytest.param(lambda home: opened_by_polls(home, 1), id="between two polls"),
    ],
)
def test_every_living_session_has_a_deadline(home: House, bring: object) -> None:
    assert callable(bring)
    client: Client = bring(home)
    assert client.socket.deadline() is not None
    for _ in range(12):
        home.runtime.advance(7)
        home.registry.check()
    home.runtime.advance(120)
    assert home.is_empty()


def opened_by_polls(home: House, count: int) -> Client:
    client = Client(home)
    for _ in range(count):
        client.polls()
    return client


def test_a_deadline_that_comes_early_does_nothing(home: House) -> None:
    client = home.client()
    before = client.socket.deadline()
    client.socket.handle_deadline(home.runtime.now())
    assert client.socket.deadline() == before
    assert client.hears() == []


def test_deadlines_are_checked_again_whenever_a_request_arrives(home: House) -> None:
    """So that no answer depends on how punctual the timer is."""
    client = Client(home)
    home.runtime.time += 61  # the clock went on, and the timer did not fire
    assert home.registry.get_socket(client.socket.sessid) is None
    assert client.socket.close_reason == Reason.UNOPENED


def test_a_poll_whose_time_is_over_is_ended_then_too(home: House) -> None:
    client = opened_by_polls(home, 1)
    poll = client.polls()
    home.runtime.time += 21
    assert home.registry.get_socket(client.socket.sessid) is client.socket
    home.runtime.settle()
    assert poll.answer == ["8::"]


def test_an_expired_ack_is_a_deadline_too(home: House) -> None:
    client = home.client()
    client[""].emit("question", callback=lambda: None, timeout=3)
    deadline = client.socket.deadline()
    assert deadline == home.runtime.now() + 3
    home.runtime.advance(3 + LATE)
    assert client.socket.deadline() == deadline - 3 + 25
