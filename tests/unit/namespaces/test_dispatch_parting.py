"""A gate that says something and throws the client out: what was said arrives, behind the
confirmation that it needs to be heard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from sockio import BaseNamespace, BroadcastMixin, Reason
from sockio.virtsocket import State

from ...support.carriers import Client
from ..conftest import MakeHouse

Act = Callable[[Any], Any]


class Gate(BaseNamespace, BroadcastMixin):
    """Does what its class was given to do."""

    act: ClassVar[Act]

    def recv_connect(self) -> Any:
        return self.act()

    def recv_disconnect(self, reason: str) -> None:
        self.session.setdefault("told", []).append((self.ns_name, reason))


class Quiet(Gate):
    def recv_connect(self) -> None: ...


def gate(act: Act) -> type[Gate]:
    return type("Acting", (Gate,), {"act": act})


def full(self: Gate) -> None:
    self.emit("sorry", "we are full")
    self.disconnect()


def full_for_all(self: Gate) -> None:
    self.emit("sorry", "we are full")
    self.socket.disconnect()


def broadcast_and_end(self: Gate) -> None:
    self.broadcast_event("sorry", "we are full")
    self.socket.disconnect()
    self.emit("too late")


def refuse(self: Gate) -> bool:
    self.emit("sorry", "we are full")
    self.emit("again")
    return False


def end_and_refuse(self: Gate) -> bool:
    full_for_all(self)
    return False


def end_in_silence(self: Gate) -> None:
    self.emit("sorry", "we are full")
    self.disconnect(silent=True)


def sorry(endpoint: str = "") -> str:
    return f'5::{endpoint}:{{"name":"sorry","args":["we are full"]}}'


@pytest.mark.parametrize(
    ("act", "heard"),
    [
        pytest.param(full, ["1::", sorry(), "0::"], id="self.disconnect()"),
        pytest.param(full_for_all, ["1::", sorry(), "0::"], id="self.socket.disconnect()"),
        pytest.param(broadcast_and_end, ["1::", sorry(), "0::"], id="a broadcast"),
        pytest.param(end_in_silence, ["1::", sorry()], id="silent"),
        pytest.param(refuse, ["7:::2", "0::"], id="refused: nothing was connected"),
        pytest.param(end_and_refuse, ["7:::2", "0::"], id="disconnected and refused"),
    ],
)
@pytest.mark.parametrize("carrier", ["stream", "poll"])
def test_the_global_namespace(
    house: MakeHouse, act: Act, heard: list[str], carrier: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(house({"": gate(act)}))
    if carrier == "stream":
        client.opens()
        assert client.hears() == heard
        assert client.stream.story[-1] == "finish"
    else:
        got: list[str] = []
        while client.socket.findable and len(got) < len(heard):
            got += client.polls().answer or []
        assert got == heard
    assert client.state() is State.DISCONNECTED
    let_in = [("", Reason.SERVER)] if heard[0] == "1::" else []
    assert client.socket.session.get("told", []) == let_in
    assert client.house.is_empty()


@pytest.mark.parametrize(
    ("act", "heard"),
    [
        pytest.param(full, ["1::/a", sorry("/a"), "0::/a"], id="self.disconnect()"),
        pytest.param(full_for_all, ["1::/a", sorry("/a"), "0::"], id="self.socket.disconnect()"),
        pytest.param(end_in_silence, ["1::/a", sorry("/a")], id="silent"),
        pytest.param(refuse, ["7::/a:2"], id="refused"),
        pytest.param(end_and_refuse, ["7::/a:2", "0::"], id="disconnected and refused"),
    ],
)
def test_another_namespace(house: MakeHouse, act: Act, heard: list[str]) -> None:
    client = house({"": Quiet, "/a": gate(act)}).client()
    assert client.sends("1::/a", "3::/a:x") == heard
    assert client.socket.connected == ("0::" not in heard)


def test_it_is_said_once_that_what_was_sent_is_dropped(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"": Quiet, "/a": gate(refuse)}).client()
    with caplog.at_level(logging.DEBUG, "sockio.dispatch"):
        client.sends("1::/a")
    assert caplog.text.count("2 packets that were sent to it are dropped") == 1


def test_a_spawned_task_emits_when_the_client_is_in(house: MakeHouse) -> None:
    def spawn(self: Gate) -> None:
        self.spawn(self.emit, "spawned")
        self.emit("first")

    client = Client(house({"": gate(spawn)})).opens()
    assert client.hears() == ["1::", '5:::{"name":"first"}', '5:::{"name":"spawned"}']


def test_a_gate_that_decides_slowly_after_the_end(house: MakeHouse) -> None:
    """A poll that comes meanwhile waits; nobody takes its emptiness for the end."""

    def act(self: Gate) -> None:
        full_for_all(self)
        door.wait()

    home = house({"": gate(act)}, close_timeout=30)
    door = home.door()
    client = Client(home)
    poll = client.polls()
    assert (poll.answer, client.state()) == (None, State.DISCONNECTING)
    home.runtime.advance(10)
    again = client.polls()
    assert (poll.answer, again.answer) == (["8::"], None)
    again.hangs_up()
    door.set()
    assert client.polls().answer == ["1::"]
    assert client.polls().answer == [sorry(), "0::"]
    assert client.state() is State.DISCONNECTED


def test_one_that_decides_too_late(house: MakeHouse) -> None:
    def act(self: Gate) -> None:
        full_for_all(self)
        door.wait()

    home = house({"": gate(act)}, close_timeout=30)
    door = home.door()
    client = Client(home)
    client.polls()
    home.runtime.advance(31)
    assert not client.socket.findable
    door.set()
    client.hears()
    assert client.state() is State.DISCONNECTED
    assert client.socket.outbox_size == (0, 0)


def test_what_a_gate_says_is_bounded_in_bytes_too(house: MakeHouse) -> None:
    def flood(self: Gate) -> None:
        for _ in range(4):
            self.emit("flood", "x" * 400)

    client = Client(house({"": gate(flood)}, max_outbox=(100, 1000))).opens()
    client.hears()
    assert client.socket.close_reason == Reason.OVERFLOW


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("carrier", ["stream", "stuck stream", "poll"])
def test_what_a_gate_says_may_be_larger_than_the_outbox(
    house: MakeHouse, carrier: str, ends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def say(self: Gate) -> None:
        self.emit("large", "x" * 5000)
        self.emit("small")
        if ends:
            self.disconnect()

    client = Client(house({"": gate(say)}, max_outbox=(100, 1000)))
    heard: list[str] = []
    if carrier == "poll":
        while len(heard) < 3 + ends:
            heard += client.polls().answer or []
    else:
        client.stream.stuck = carrier == "stuck stream"
        client.opens()
        client.house.runtime.settle()
        client.stream.reads_again()
        heard = client.hears()
    assert [len(text) for text in heard] == [3, 5032, 20] + [3] * ends
    assert client.socket.dropped == 0
    assert "outbox full" not in caplog.text


# ---- large packets


def test_a_large_answer_behind_something_small_to_a_poll_that_waits(house: MakeHouse) -> None:
    client = Client(house({"": Quiet}, max_outbox=(100, 2000), overflow="drop"))
    assert client.polls().answer == ["1::"]
    poll = client.polls()
    said = ["soon", "x" * 5000, "then", "y" * 5000, "z" * 900]
    # One at a time of those that are larger than all that may wait.
    assert [client[""].send(each) for each in said] == [True, True, True, False, True]
    client.hears()
    assert [len(text) for text in poll.answer or []] == [8, 5004, 8, 904]
    assert client.socket.outbox_size[0] == 0


def test_one_large_packet_ends_nothing(house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    client = house({"": Quiet}, max_outbox=(100, 1000)).client()
    client.hangs_up()
    client = Client(client.house)
    assert client.polls().answer == ["1::"]
    for _ in range(3):
        client[""].send("x" * 5000)
        assert client[""].send("small")
        poll = client.polls()
        assert [len(text) for text in poll.answer or []] == [5004, 9]
        # The answer was written; whether it was read says the next poll.
        assert client[""].send("y" * 900)
        assert client[""].send("z")
        client.polls()
    assert "outbox full" not in caplog.text
    client.socket.disconnect()
    client.polls()


@pytest.mark.parametrize("overflow", ["close", "drop"])
@pytest.mark.parametrize(
    ("sizes", "blamed"),
    [
        pytest.param([10, 5000], "One packet of 5004 bytes is larger than max_outbox", id="last"),
        pytest.param([10, 600, 600], "One packet of 604 bytes takes most of", id="most of it"),
        pytest.param([5000, 300, 800], "One packet of 5004 bytes takes most of", id="first"),
        pytest.param([200, 200, 200, 200], "The client reads too slowly", id="none"),
    ],
)
def test_the_log_names_the_packet_where_one_is_to_blame(
    house: MakeHouse,
    sizes: list[int],
    blamed: str,
    overflow: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = house({"": Quiet}, max_outbox=(100, 1400), overflow=overflow).client()
    client.stream.stuck = True
    sent = [client[""].send("x" * size) for size in sizes]
    assert sent == [True] * (len(sizes) - 1) + [False]
    client.hears()
    assert blamed in caplog.text
    assert ("the client reads" in caplog.text.lower()) == blamed.startswith("The client")
    assert client.socket.connected == (overflow == "drop")


def test_an_overflow_is_told_again_after_a_minute(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    home = house({"": Quiet}, max_outbox=(1, 1000), overflow="drop", heartbeat_interval=50)
    client = home.client()
    client.sends("3::/nowhere:x")  # another reason to drop something
    client.stream.stuck = True
    for told in (1, 1, 2):
        client[""].send("one")
        client[""].send("two")
        client.hears()
        assert caplog.text.count("outbox full") == told
        home.runtime.advance(31)
        client.socket.heartbeat()
