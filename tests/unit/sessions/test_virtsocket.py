"""The virtual socket: its states, and what it sends and takes in."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sockio import BaseNamespace, Reason, UsageError
from sockio.virtsocket import State

from ...support.carriers import Client, House
from ..conftest import MakeHouse


class Quiet(BaseNamespace):
    """Says nothing by itself; its fate is written into the session."""

    def recv_connect(self) -> None:
        self.session.setdefault("told", [])

    def recv_disconnect(self, reason: str) -> None:
        self.session["told"].append((self.ns_name, reason))

    def recv_message(self, data: str) -> None: ...


# ---- states, row by row


def bring(house: House, state: State) -> Client:
    """A client whose socket is in ``state``; none of them has anything to say."""
    client = Client(house)
    if state is State.NEW:
        client.socket.close("made room")
        client.socket = house.registry.create("10.0.0.1")
    elif state is not State.CONNECTING:
        client.opens()
        client.hears()
    if state in (State.DISCONNECTING, State.DISCONNECTED):
        client.stream.stuck = True
        client.socket.disconnect()
    if state is State.DISCONNECTED:
        client.stream.reads_again()
    house.runtime.settle()
    assert client.state() is state
    return client


EVENTS: dict[str, Any] = {
    "admit": lambda client: client.house.registry.admit(client.socket),
    "open": lambda client: client.socket.attach(client.stream),
    "close": lambda client: client.socket.close(Reason.SERVER),
    "end": lambda client: client.stream.reads_again(),
}


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        pytest.param(State.NEW, "admit", State.CONNECTING, id="the handshake was answered"),
        pytest.param(State.NEW, "close", State.DISCONNECTED, id="ended before it was answered"),
        pytest.param(State.CONNECTING, "open", State.CONNECTED, id="the first transport came"),
        pytest.param(State.CONNECTING, "close", State.DISCONNECTED, id="ended before one came"),
        pytest.param(State.CONNECTED, "open", State.CONNECTED, id="another transport came"),
        pytest.param(State.CONNECTED, "close", State.DISCONNECTED, id="ended, and told at once"),
        pytest.param(State.DISCONNECTING, "close", State.DISCONNECTING, id="ended twice"),
        pytest.param(State.DISCONNECTING, "end", State.DISCONNECTED, id="the last packet left"),
        pytest.param(State.DISCONNECTED, "close", State.DISCONNECTED, id="ended again afterwards"),
        pytest.param(State.DISCONNECTED, "end", State.DISCONNECTED, id="nothing left to deliver"),
    ],
)
def test_the_table_of_states(house: MakeHouse, state: State, event: str, after: State) -> None:
    home = house({"": Quiet})
    client = bring(home, state)
    EVENTS[event](client)
    home.runtime.settle()
    assert client.state() is after
    assert client.socket.connected is (after is State.CONNECTED)
    home.registry.check()


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_a_socket_can_be_found_from_its_handshake_to_its_last_packet(
    house: MakeHouse, state: State
) -> None:
    home = house({"": Quiet})
    client = bring(home, state)
    found = home.registry.get_socket(client.socket.sessid)
    lives = state not in (State.NEW, State.DISCONNECTED)
    assert found is (client.socket if lives else None)
    assert len(home.registry) == int(lives)


# ---- the end


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda client: client.socket.close(Reason.CLIENT), id="close"),
        pytest.param(lambda client: client.socket.disconnect(silent=True), id="disconnect"),
        pytest.param(lambda client: client.socket.kill(), id="kill"),
        pytest.param(lambda client: client.stream.hangs_up(), id="the connection breaks"),
        pytest.param(lambda client: client.posts("0::"), id="the client's own goodbye"),
        pytest.param(lambda client: client.posts("0::/a", "0::/a"), id="leaving a namespace"),
        pytest.param(lambda client: client.socket.handle_deadline(10**9), id="a deadline"),
    ],
)
def test_d34_an_ended_session_cannot_end_again(house: MakeHouse, again: Any) -> None:
    client = house({"": Quiet, "/a": Quiet}).client("/a")
    client.socket.close(Reason.SHUTDOWN)
    again(client)
    client.hears()
    again(client)
    client.hears()
    assert client.socket.close_reason == Reason.SHUTDOWN
    assert client.socket.session["told"] == [("", Reason.SHUTDOWN), ("/a", Reason.SHUTDOWN)]


def test_d33_a_session_without_any_namespace_ends_like_any_other(house: MakeHouse) -> None:
    home = house({"/unused": Quiet})
    client = home.client()
    client.socket.disconnect()
    assert client.hears() == ["0::"]
    assert home.is_empty()


@pytest.mark.parametrize(
    ("end", "reason", "last_words", "carrier_is"),
    [
        pytest.param(
            lambda s: s.disconnect(),
            Reason.SERVER,
            ["3:::queued", "0::"],
            "finish",
            id="thrown out",
        ),
        pytest.param(
            lambda s: s.disconnect(silent=True),
            Reason.SERVER,
            ["3:::queued"],
            "finish",
            id="silently",
        ),
        pytest.param(
            lambda s: s.receive("0::"), Reason.CLIENT, ["3:::queued", "0::"], "finish", id="goodbye"
        ),
        pytest.param(
            lambda s: s.close(Reason.HEARTBEAT_TIMEOUT, say=False),
            Reason.HEARTBEAT_TIMEOUT,
            [],
            "abort",
            id="dead",
        ),
    ],
)
def test_what_a_client_still_hears(
    house: MakeHouse, end: Any, reason: str, last_words: list[str], carrier_is: str
) -> None:
    client = house({"": Quiet}).client()
    client.stream.stuck = True
    client[""].send("queued")
    end(client.socket)
    client.stream.reads_again()
    assert client.hears() == last_words
    assert client.stream.story == [carrier_is]
    assert client.socket.session["told"] == [("", reason)]


def test_d87_a_polling_client_that_is_thrown_out_hears_of_it_with_its_next_poll(
    house: MakeHouse,
) -> None:
    home = house({"": Quiet})
    client = Client(home)
    client.polls()
    client.socket[""].send("before")
    client.socket.disconnect()
    assert client.state() is State.DISCONNECTING
    home.runtime.advance(50)
    assert client.polls().answer == ["3:::before", "0::"]
    assert client.state() is State.DISCONNECTED


def test_tasks_of_a_session_end_with_it(house: MakeHouse) -> None:
    home = house({"": Quiet})
    client = home.client()
    door = home.door()
    job = client.socket.spawn(door.wait)
    home.runtime.settle()
    assert len(client.socket.jobs) == 1
    client.hangs_up()
    assert len(client.socket.jobs) == 0
    assert job.dead  # type: ignore[attr-defined]


def test_tasks_of_a_session_that_never_opened_end_with_it_too(house: MakeHouse) -> None:
    home = house()
    socket = home.handshake()
    door = home.door()
    job = socket.spawn(door.wait)
    home.runtime.settle()
    socket.close(Reason.UNOPENED)
    home.runtime.settle()
    assert job.dead  # type: ignore[attr-defined]


def test_the_log_has_one_line_for_the_opening_and_one_for_the_end(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    home = house({"": Quiet})
    with caplog.at_level(logging.INFO, "sockio.socket"):
        client = home.client()
        client.sends("3:::hello", "nonsense")
        home.runtime.advance(7.5)
        client.hangs_up()
    opened, bad, closed = caplog.text.splitlines()
    assert f"open {client.socket.sessid[:6]}… connected websocket 10.0.0.1" in opened
    assert "nonsense" in bad
    assert "transport close after 7.5 s, 1 in, 2 out, 1 bad, 0 dropped" in closed
    assert client.socket.sessid not in caplog.text  # it is the client's only credential


# ---- looking at it


def test_d40_connected_namespaces_are_found_by_name(house: MakeHouse) -> None:
    socket = house({"": Quiet, "/a": Quiet, "/b": Quiet}).client("/a").socket
    assert "/a" in socket
    assert "/b" not in socket
    assert 0 not in socket
    assert socket["/a"] is socket.get("/a")
    assert socket.get("/b") is None
    assert socket.get("/b", 7) == 7
    with pytest.raises(KeyError):
        socket["/b"]


def test_a_socket_counts_what_passes(house: MakeHouse) -> None:
    client = house({"": Quiet}).client()
    client.sends("3:::one", "2::", "garbage", '5::/nowhere:{"name":"x","args":[]}')
    client.socket.incr_hits()
    socket = client.socket
    assert (socket.received, socket.bad_packets, socket.heartbeats) == (3, 1, 1)
    assert (socket.dropped, socket.hits) == (1, 1)


# ---- sending


def test_a_packet_goes_straight_to_a_stream_that_takes_it(house: MakeHouse) -> None:
    client = house({"": Quiet}).client()
    assert client.socket.send_packet({"type": "message", "data": "hi"})
    assert client.stream.packets == ["3:::hi"]  # before anybody else could run
    assert client.socket.outbox_size == (0, 0)


def test_what_a_stream_does_not_take_waits_in_order(house: MakeHouse) -> None:
    client = house({"": Quiet}).client()
    client.stream.stuck = True
    client[""].send("one")
    client.stream.stuck = False
    client[""].send("two")  # must not overtake
    assert client.hears() == ["3:::one", "3:::two"]


@pytest.mark.parametrize("state", set(State) - {State.CONNECTED}, ids=lambda state: state.value)
def test_nothing_is_sent_to_a_session_that_is_not_open(house: MakeHouse, state: State) -> None:
    client = bring(house({"": Quiet}), state)
    waiting = client.socket.outbox_size
    assert not client.socket.send_packet({"type": "message", "data": "hi"})
    assert client.socket.outbox_size == waiting


@pytest.mark.parametrize(
    ("carrier", "arrives"),
    [
        pytest.param("stream", True, id="a stream takes it"),
        pytest.param("stuck stream", False, id="the stream is stuck"),
        pytest.param("waiting poll", True, id="a poll is waiting"),
        pytest.param("no poll", False, id="between two polls"),
    ],
)
def test_a_volatile_packet_goes_now_or_never(house: MakeHouse, carrier: str, arrives: bool) -> None:
    home = house({"": Quiet})
    client = Client(home)
    poll = None
    if "stream" in carrier:
        client.opens()
        client.hears()
        client.stream.stuck = carrier.startswith("stuck")
    else:
        client.polls()
        if carrier.startswith("waiting"):
            poll = client.polls()
    packet = {"type": "message", "data": "tick"}
    assert client.socket.send_packet(packet, volatile=True) is arrives
    client.stream.reads_again()
    home.runtime.settle()
    heard = client.hears() if poll is None else poll.answer
    assert heard == (["3:::tick"] if arrives else [])
    assert client.socket.outbox_size[0] == 0


def test_a_packet_that_cannot_be_written_is_the_callers_mistake(house: MakeHouse) -> None:
    client = house({"": Quiet}).client()
    with pytest.raises(UsageError):
        client.socket.send_packet({"type": "message", "data": 5})
    assert client.hears() == []


# ---- overflow


def test_d19_a_client_that_reads_too_slowly_is_closed(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    home = house({"": Quiet}, max_outbox=(3, 1000))
    client = home.client()
    client.stream.stuck = True
    sent = [client.socket.send_packet({"type": "message", "data": str(n)}) for n in range(5)]
    assert sent == [True, True, True, False, False]
    client.hears()
    assert client.stream.story == ["abort"]  # no goodbye: the client is to come back
    assert client.socket.session["told"] == [("", Reason.OVERFLOW)]
    assert client.socket.dropped == 1 + 3
    assert home.is_empty()
    assert "outbox full (3 packets, 15 bytes): closed." in caplog.text


def test_d19_or_packets_are_dropped_while_it_does(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"": Quiet}, max_outbox=(3, 1000), overflow="drop").client()
    client.stream.stuck = True
    sent = [client.socket.send_packet({"type": "message", "data": str(n)}) for n in range(6)]
    assert sent == [True, True, True, False, False, False]
    client.stream.reads_again()
    client[""].send("again")
    assert client.hears() == ["3:::0", "3:::1", "3:::2", "3:::again"]
    assert client.socket.dropped == 3
    assert caplog.text.count("outbox full") == 1


# ---- receiving


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("garbage", ["7::"], id="d10: no packet at all"),
        pytest.param("", ["7::"], id="d21: nothing"),
        pytest.param("9::", ["7::"], id="an unknown type"),
        pytest.param(b"3:::\xff", ["7::"], id="bytes that are no UTF-8"),
        pytest.param("5::/a:{", ["7::/a"], id="d12: an event that is no JSON"),
        pytest.param(
            '5::/a:{"name":"x","args":7}', ["7::/a"], id="d13: arguments that are no list"
        ),
        pytest.param(
            '5:3+:/a:{"args":[]}', [r'6::/a:3+[{"error":"invalid_packet",'], id="an ack is waiting"
        ),
        pytest.param("2", [], id="d11: a short heartbeat is one"),
        pytest.param("8::", [], id="a noop"),
        pytest.param("6:::99", [], id="d31: an ack nobody waits for"),
        pytest.param('6:::1+["a+b"]', [], id="d07: an ack with a plus sign"),
    ],
)
def test_whatever_a_client_sends_costs_nothing_but_itself(
    house: MakeHouse, text: str | bytes, answer: list[str]
) -> None:
    client = house({"": Quiet, "/a": Quiet}).client("/a")
    client.socket.receive(text)
    heard = client.hears()
    assert [each[: len(start)] for each, start in zip(heard, answer, strict=True)] == answer
    assert client.socket.connected
    assert client.sends("1::/a") == ["1::/a"]


def test_only_the_first_bad_packet_is_logged(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house().client()
    client.sends("bad one", "bad two", "bad three")
    assert client.socket.bad_packets == 3
    assert caplog.text.count("bad one") == 1
    assert "bad two" not in caplog.text


def test_d10_an_error_handler_that_fails_costs_nothing_either(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("error in the error handler")

    client = house({"": Quiet}, error_handler=broken).client()
    assert client.sends("garbage") == []
    assert "error in the error handler" in caplog.text
    assert client.sends("1::") == ["1::"]


@pytest.mark.parametrize("state", [State.NEW, State.DISCONNECTING, State.DISCONNECTED])
def test_nothing_is_taken_in_before_and_after(house: MakeHouse, state: State) -> None:
    client = bring(house({"": Quiet}), state)
    client.socket.receive("3:::hello")
    client.socket.receive("garbage")
    assert (client.socket.received, client.socket.bad_packets) == (0, 0)
