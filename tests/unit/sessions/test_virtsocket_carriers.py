"""The virtual socket and its carriers: who takes over, and what becomes of what was on its way."""

from __future__ import annotations

import pytest

from sockio import BaseNamespace, Reason
from sockio.virtsocket import State

from ...support.carriers import Client, House, Poll, Stream
from ..conftest import MakeHouse


class Told(BaseNamespace):
    def recv_disconnect(self, reason: str) -> None:
        self.session.setdefault("told", []).append(reason)

    def recv_message(self, data: str) -> None: ...


class Slow(BaseNamespace):
    """Handles its events when the door in the session is open."""

    def on_wait(self) -> None:
        self.session["door"].wait()


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Told})


def opened_by_poll(home: House) -> Client:
    client = Client(home)
    assert client.polls().answer == ["1::"]
    return client


# ---- opening


def test_d57_the_first_poll_is_answered_by_the_connect_packet_and_nothing_else(
    house: MakeHouse,
) -> None:
    class Greeting(BaseNamespace):
        def recv_connect(self) -> None:
            self.send("hello")

    client = Client(house({"": Greeting}))
    assert client.polls().answer == ["1::"]
    assert client.polls().answer == ["3:::hello"]


def test_d57_only_a_carrier_opens_the_session_and_only_the_first(home: House) -> None:
    client = Client(home)
    client.posts("3:::early")
    assert client.state() is State.CONNECTING
    assert client.polls().answer == ["1::"]
    waiting = client.polls()
    assert waiting.answer is None
    client.opens()
    assert client.hears() == []


def test_the_socket_knows_its_transport(home: House) -> None:
    client = Client(home)
    assert client.socket.transport == ""
    client.polls()
    assert client.socket.transport == "xhr-polling"
    client.opens()
    assert client.socket.transport == "websocket"


# ---- polls


def test_packets_between_two_polls_go_out_with_the_next_one_in_order(home: House) -> None:
    client = opened_by_poll(home)
    for text in "abc":
        client[""].send(text)
    assert client.polls().answer == ["3:::a", "3:::b", "3:::c"]


def test_a_waiting_poll_is_answered_with_all_that_was_sent_in_one_go(home: House) -> None:
    client = opened_by_poll(home)
    poll = client.polls()
    assert poll.answer is None
    client[""].send("a")
    client[""].send("b")
    home.runtime.settle()
    assert poll.answer == ["3:::a", "3:::b"]


def test_an_answer_is_no_larger_than_max_payload(house: MakeHouse) -> None:
    client = opened_by_poll(house({"": Told}, max_payload=12))
    for text in ("one", "two", "three"):
        client[""].send(text)
    assert client.polls().answer == ["3:::one"]
    assert client.polls().answer == ["3:::two"]
    assert client.polls().answer == ["3:::three"]
    assert client.polls().answer is None


def test_d56_the_newest_poll_wins_and_the_older_gets_a_noop(home: House) -> None:
    client = opened_by_poll(home)
    older, newer = client.polls(), client.polls()
    assert (older.answer, newer.answer) == (["8::"], None)
    client[""].send("x")
    home.runtime.settle()
    assert newer.answer == ["3:::x"]


def test_d56_a_replaced_poll_takes_nothing_with_it(home: House) -> None:
    client = opened_by_poll(home)
    older = client.polls()
    client[""].send("x")  # wakes the older poll, whose task has not run yet
    newer = Poll(client.socket)
    client.socket.attach(newer)
    home.runtime.settle()
    assert (older.answer, newer.answer) == (["8::"], ["3:::x"])


@pytest.mark.parametrize(
    ("fate", "again"),
    [
        pytest.param("read", [], id="read"),
        pytest.param("write failed", ["3:::a", "3:::b"], id="the write failed"),
        pytest.param("unread", ["3:::a", "3:::b"], id="known to be unread"),
        pytest.param("being written", ["3:::a", "3:::b"], id="never completely written"),
    ],
)
def test_d55_what_a_dead_poll_carried_goes_first_with_the_next_one(
    home: House, fate: str, again: list[str]
) -> None:
    client = opened_by_poll(home)
    client[""].send("a")
    client[""].send("b")
    assert client.polls(fate).answer == ["3:::a", "3:::b"]  # type: ignore[arg-type]
    client[""].send("c")
    assert client.polls().answer == [*again, "3:::c"]


def test_d55_a_failure_that_shows_when_the_next_poll_has_the_packets_doubles_none(
    home: House,
) -> None:
    client = opened_by_poll(home)
    client[""].send("a")
    failing = client.polls("being written")
    assert client.polls().answer == ["3:::a"]
    assert failing.batch is not None
    client.socket.restore(failing.batch)
    assert client.polls().answer is None


def test_d55_a_poll_whose_client_is_gone_takes_nothing(home: House) -> None:
    client = opened_by_poll(home)
    poll = client.polls()
    poll.hangs_up()
    client[""].send("a")
    home.runtime.settle()
    assert poll.answer is None
    assert client.socket.connected
    assert client.polls().answer == ["3:::a"]


def test_d87_a_poll_that_dies_with_the_goodbye_leaves_it_to_the_next_one(home: House) -> None:
    client = opened_by_poll(home)
    poll = client.polls()
    client.socket.disconnect()
    poll.hangs_up()  # seen before its task could answer
    home.runtime.settle()
    assert client.polls().answer == ["0::"]


def test_a_client_that_says_goodbye_and_hangs_up_on_the_answer_is_gone(home: House) -> None:
    """As the page's client does: its goodbye is posted, and the poll aborted at once."""
    client = opened_by_poll(home)
    client.polls("write failed")
    client.posts("0::")
    home.runtime.settle()
    assert client.state() is State.DISCONNECTED


def test_a_replaced_poll_that_is_lost_later_changes_nothing(home: House) -> None:
    client = opened_by_poll(home)
    older, newer = client.polls(), client.polls()
    older.hangs_up()
    client[""].send("a")
    home.runtime.settle()
    assert newer.answer == ["3:::a"]


# ---- one transport takes over from another


def test_a_stream_takes_over_from_a_poll(home: House) -> None:
    client = opened_by_poll(home)
    poll = client.polls()
    client.opens()
    assert client.hears() == []
    assert poll.answer == ["8::"]
    client[""].send("a")
    assert client.hears() == ["3:::a"]


def test_what_was_queued_is_flushed_to_the_stream_without_a_second_connect_packet(
    home: House,
) -> None:
    client = opened_by_poll(home)
    client[""].send("a")
    client.socket.attach(client.stream)
    assert client.hears() == ["3:::a"]


def test_what_a_failed_poll_carried_is_flushed_to_the_stream_first(home: House) -> None:
    client = opened_by_poll(home)
    client[""].send("a")
    client.polls("being written")
    client[""].send("b")
    client.socket.attach(client.stream)
    assert client.hears() == ["3:::a", "3:::b"]


def test_d66_the_newest_stream_wins_and_the_older_ends(home: House) -> None:
    client = home.client()
    older, client.stream = client.stream, Stream(client.socket)
    client.socket.attach(client.stream)
    assert older.story == ["replaced"]
    client[""].send("a")
    assert (older.packets, client.hears()) == ([], ["3:::a"])
    older.hangs_up()
    assert older.socket.take(older, 100) == []
    assert client.socket.connected


def test_what_a_stuck_stream_left_is_taken_over(home: House) -> None:
    client = home.client()
    client.stream.stuck = True
    client[""].send("a")
    client.stream = Stream(client.socket)
    client.socket.attach(client.stream)
    assert client.hears() == ["3:::a"]


def test_posts_are_taken_whatever_carries_the_other_way(home: House) -> None:
    client = home.client()
    client.posts("1::")
    assert client.hears() == ["1::"]


# ---- the end of a carrier


@pytest.mark.parametrize("reason", [Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR])
def test_d64_the_end_of_a_stream_is_the_end_of_the_session_at_once(
    home: House, reason: str
) -> None:
    client = home.client()
    client.stream.hangs_up(reason)
    assert home.registry.get_socket(client.socket.sessid) is None  # before anybody else could run
    home.runtime.settle()
    assert client.socket.session["told"] == [reason]
    assert home.is_empty()


def test_the_end_of_a_poll_is_not_the_end_of_the_session(home: House) -> None:
    client = opened_by_poll(home)
    client.polls().hangs_up()
    assert client.socket.connected
    assert "told" not in client.socket.session


@pytest.mark.parametrize(
    "state", [State.DISCONNECTING, State.DISCONNECTED], ids=lambda state: state.value
)
def test_a_carrier_that_comes_when_all_is_over_is_sent_away(home: House, state: State) -> None:
    """An upgrade takes a moment, in which the session may end."""
    client = home.client()
    client.stream.stuck = state is State.DISCONNECTING
    client.socket.disconnect()
    home.runtime.settle()
    assert client.state() is state
    late = Stream(client.socket)
    client.socket.attach(late)
    home.runtime.settle()
    assert late.story == ["finish"]
    assert late.packets == (["0::"] if state is State.DISCONNECTING else [])
    assert client.state() is State.DISCONNECTED
    assert home.is_empty()


def test_a_poll_that_comes_when_all_is_over_is_answered(home: House) -> None:
    client = opened_by_poll(home)
    client.socket.close(Reason.CLIENT)
    assert client.polls().answer == ["8::"]


# ---- a client that sends faster than its events are handled


def test_a_stream_is_paused_and_goes_on_when_half_is_done(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=4)
    client = home.client("/s")
    door = client.socket.session["door"] = home.door()
    wait = '5::/s:{"name":"wait","args":[]}'
    client.sends(wait)
    client.sends(wait, wait, wait)  # one is being handled, three wait
    assert client.stream.story == []
    client.sends(wait)
    assert client.stream.story == ["pause"]
    client.sends(wait)
    assert client.stream.story == ["pause"]
    door.set()
    client.hears()
    assert client.stream.story == ["pause", "resume"]


def test_a_stream_that_takes_over_is_not_paused_for_the_one_before(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=2)
    client = home.client("/s")
    client.socket.session["door"] = home.door()
    client.sends(*['5::/s:{"name":"wait","args":[]}'] * 3)
    assert client.stream.story == ["pause"]
    client.stream = Stream(client.socket)
    client.socket.attach(client.stream)
    client.sends("2::")
    assert client.stream.story == ["pause"]  # for what it brings itself


def test_a_request_that_brings_events_waits_for_room(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=2)
    client = home.client("/s")
    door = client.socket.session["door"] = home.door()
    assert client.socket.wait_for_room(60)
    client.sends(*['5::/s:{"name":"wait","args":[]}'] * 3)
    waits = [home.runtime.spawn(client.socket.wait_for_room, 60) for _ in range(2)]
    home.runtime.settle()
    assert not any(wait.ready() for wait in waits)
    door.set()
    home.runtime.settle()
    assert [wait.value for wait in waits] == [True, True]


def test_a_request_does_not_wait_for_ever(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=1)
    client = home.client("/s")
    client.socket.session["door"] = home.door()
    client.sends(*['5::/s:{"name":"wait","args":[]}'] * 2)
    assert not client.socket.wait_for_room(0.001)


def test_a_request_does_not_wait_for_a_session_that_has_ended(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=1)
    client = home.client("/s")
    client.socket.session["door"] = home.door()
    client.sends(*['5::/s:{"name":"wait","args":[]}'] * 2)
    wait = home.runtime.spawn(client.socket.wait_for_room, 60)
    home.runtime.settle()
    client.socket.disconnect()
    home.runtime.advance(1)
    assert wait.ready()
