"""What a client sent and nobody has handled yet: bounded in packets and in bytes, and given back at
once however its session ends."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import BaseNamespace, Reason
from sockio.namespaces.dispatch import EARLY
from sockio.namespaces.inbox import Inbox
from sockio.protocol.engine_codec import Bundle
from sockio.sessions.lifetime import REQUEST
from sockio.sessions.registry import SessionRegistry
from sockio.virtsocket import State

from ...support.carriers import Client, House
from ..conftest import MakeHouse

KB, MB = 1_000, 1_000_000
WAIT = '5::/s:{"name":"wait","args":[]}'


class Slow(BaseNamespace):
    """Handles its events when the door in the session is open."""

    def on_wait(self) -> None:
        self.session["door"].wait()

    def recv_json(self, data: Any) -> None:
        self.session.setdefault("got", []).append(len(data))

    def recv_message(self, data: str) -> None:
        self.session.setdefault("got", []).append(data)


class SlowGate(BaseNamespace):
    def recv_connect(self) -> None:
        self.session["door"].wait()


def json_of(size: int, endpoint: str = "/s") -> str:
    """A JSON packet of about that many bytes that makes the most of them as objects."""
    return f"4::{endpoint}:[{'[],' * (size // 3)}[]]"


@pytest.fixture
def held() -> Iterator[Callable[[], int]]:
    """How many bytes more are reachable than when it was asked for: cycles count as reachable."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    gc.enable()


def kept_waiting(home: House, *endpoints: str) -> Client:
    """A client whose first event is not handled before the end of the test."""
    client = home.client("/s", *endpoints)
    client.socket.session["door"] = home.door()
    client.sends(WAIT)
    return client


# ---- how much may wait


def test_an_inbox_is_full_by_its_bytes(house: MakeHouse) -> None:
    client = kept_waiting(house({"/s": Slow}, max_inbox=(1000, 100 * KB)))
    client.sends(json_of(60 * KB))
    assert client.stream.story == []
    client.sends(json_of(60 * KB))
    assert client.stream.story == ["pause"]


def test_an_inbox_is_full_by_its_packets(house: MakeHouse) -> None:
    client = kept_waiting(house({"/s": Slow}, max_inbox=(10, 100 * KB)))
    client.sends(*["3::/s:x"] * 9)
    assert client.stream.story == []
    client.sends("3::/s:x")
    assert client.stream.story == ["pause"]


def test_one_packet_passes_into_an_empty_inbox_however_large_it_is(house: MakeHouse) -> None:
    client = house({"/s": Slow}, max_inbox=(10, 1)).client("/s")
    client.sends(json_of(140 * KB), json_of(300))
    assert client.socket.session["got"] == [46_667, 101]


@pytest.mark.alone
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json_of(300 * KB), id="json"),
        pytest.param('5:1+:/s:{"name":"x","args":' + json_of(300 * KB)[6:] + "}", id="event"),
        pytest.param("4:1:/s:" + json_of(300 * KB)[6:], id="json that wants a receipt"),
        pytest.param("3::/s:" + "x" * 300 * KB, id="message"),
        pytest.param("3::/s:" + "x" * 299 * KB + "\U0001f600", id="not ASCII"),
        pytest.param("4::/s:[" + "[]," * 100 * KB, id="what is no JSON"),
        pytest.param("x" * 300 * KB, id="what is no packet"),
        pytest.param("7::/s:" + "x" * 300 * KB, id="error"),
    ],
)
def test_what_waits_takes_no_more_than_it_took_on_the_wire(
    house: MakeHouse, held: Callable[[], int], text: str
) -> None:
    client = kept_waiting(house({"/s": Slow}))
    wire = text.encode()
    before = held()
    for _ in range(3):
        # Of its own each time, as it comes from a wire.
        client.socket.receive(wire.decode())
    assert held() - before < 3 * len(wire) + 20 * KB


@pytest.mark.alone
def test_many_small_packets_take_no_more_than_a_few_hundred_bytes_each(
    house: MakeHouse, held: Callable[[], int]
) -> None:
    client = kept_waiting(house({"/s": Slow}))
    before = held()
    for number in range(1000):
        client.socket.receive(f"4::/s:[{number},{'[],' * 70}[]]")
    assert held() - before < 500 * KB


def test_what_waited_is_handled_in_order(house: MakeHouse) -> None:
    client = kept_waiting(house({"/s": Slow}))
    sent = [f"{number}é" * size for number, size in enumerate([1, 300, 1, 2000, *[1] * 30])]
    client.sends(*(f"3::/s:{text}" for text in sent))
    client.socket.session["door"].set()
    client.hears()
    assert client.socket.session["got"] == sent
    assert client.socket.received == len(sent) + 2


def test_a_receipt_does_not_wait_however_long_its_packet_is(house: MakeHouse) -> None:
    client = kept_waiting(house({"/s": Slow}))
    long = "x" * KB
    assert client.sends(f"3:1:/s:{long}", "3:2:/s:x", f"4:3:/s:[{long}", "4:4:/s:[") == [
        "6::/s:1",
        "6::/s:2",
    ]
    client.socket.session["door"].set()
    assert client.hears() == ["7::/s", "7::/s"]
    assert client.socket.session["got"] == [long, "x"]


def test_a_request_waits_for_room_in_bytes(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=(1000, 100 * KB))
    client = kept_waiting(home)
    client.posts(json_of(200 * KB))
    wait = home.runtime.spawn(client.socket.wait_for_room, 60, 5)
    home.runtime.settle()
    assert not wait.ready()
    client.socket.session["door"].set()
    home.runtime.settle()
    assert wait.value


def test_requests_that_wait_for_room_are_bounded_together(house: MakeHouse) -> None:
    home = house({"/s": Slow}, max_inbox=(1000, 100 * KB))
    client = kept_waiting(home)
    client.posts(json_of(200 * KB))
    room = client.socket.wait_for_room
    waits = [home.runtime.spawn(room, 60, size) for size in (90 * KB, 10 * KB)]
    home.runtime.settle()
    assert not room(60, KB)
    client.socket.session["door"].set()
    home.runtime.settle()
    assert [each.value for each in waits] == [True, True]
    # One that is larger than all of it waits, where it is the only one.
    client = kept_waiting(home)
    client.posts(json_of(200 * KB))
    wait = home.runtime.spawn(client.socket.wait_for_room, 60, MB)
    home.runtime.settle()
    assert not wait.ready()
    client.socket.session["door"].set()
    home.runtime.settle()
    assert wait.value


def test_and_in_number(house: MakeHouse) -> None:
    """However little each brings: it takes memory of its own."""
    home = house({"/s": Slow}, max_inbox=(1000, 4 * REQUEST))
    client = kept_waiting(home)
    client.posts(json_of(200 * KB))
    room = client.socket.wait_for_room
    waits = [home.runtime.spawn(room, 60, 1) for _ in range(4)]
    home.runtime.settle()
    assert not any(each.ready() for each in waits)
    assert not room(60, 1)
    client.socket.session["door"].set()
    home.runtime.settle()
    assert [each.value for each in waits] == [True] * 4


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(lambda number: f"3::/s:{number}", id="tiny"),
        pytest.param(lambda number: f"3:{number}:/s:{number}", id="receipted"),
        pytest.param(lambda number: "3::/s:" + "\U0001f600" * 50 + str(number), id="emoji"),
        pytest.param(lambda number: "3::/s:\U0001f600" + "x" * 200 + str(number), id="one emoji"),
        pytest.param(lambda number: "3::/s:" + str(number) * 500, id="large"),
        pytest.param(lambda number: f"3::/later:{number}", id="for a connect that is to come"),
        pytest.param(
            lambda number: Bundle(f'52-/s,["{number}"]', [b"", bytes([number % 200])]),
            id="attachments",
        ),
    ],
)
def test_its_bytes_are_bytes_of_memory(
    house: MakeHouse, held: Callable[[], int], packet: Callable[[int], Any]
) -> None:
    limit = 300 * KB
    home = house({"/s": Slow, "/later": Slow}, max_inbox=(MB, limit))
    client = kept_waiting(home)
    inbox: Inbox = client.socket.dispatcher.inbox  # type: ignore[attr-defined]
    before = held()
    number = 0
    while not inbox.full:
        text = packet(number)
        if isinstance(text, Bundle):
            inbox.put(text)
        else:
            client.socket.receive(text)
        number += 1
    del text
    # The test's own.
    client.stream.packets.clear()
    assert limit * 0.4 <= held() - before <= limit * 1.15
    inbox.forget()
    client.hangs_up()


class Asking(BaseNamespace):
    """Asks its client, and takes its time over the answers."""

    def on_wait(self) -> None:
        self.session["door"].wait()

    def ask(self) -> None:
        self.emit("question", callback=self.answered)

    def answered(self, *args: Any) -> None:
        self.session.setdefault("got", []).append(args)
        self.session["door"].wait()


def asked(home: House, times: int) -> Client:
    client = home.client("/s")
    client.socket.session["door"] = home.door()
    for _ in range(times):
        client["/s"].ask()
    client.hears()
    client.stream.story.clear()
    return client


def answers(size: int, *numbers: int) -> list[str]:
    return [f'6::/s:{number}+["{"x" * size}"]' for number in numbers]


def test_answers_count_while_their_callbacks_run(house: MakeHouse) -> None:
    client = asked(house({"/s": Asking}, max_inbox=(1000, 100 * KB)), 3)
    client.sends(*answers(60 * KB, 1))
    assert client.stream.story == []
    client.sends(*answers(60 * KB, 2))
    assert client.stream.story == ["pause"]
    client.socket.session["door"].set()
    client.hears()
    assert client.stream.story == ["pause", "resume"]
    client.sends(*answers(60 * KB, 3))
    assert len(client.socket.session["got"]) == 3


def test_so_they_do_together_with_what_waits(house: MakeHouse) -> None:
    client = asked(house({"/s": Asking}, max_inbox=(1000, 100 * KB)), 2)
    client.sends(WAIT, json_of(60 * KB), *answers(30 * KB, 1, 2))
    assert client.stream.story == ["pause"]
    client.socket.session["door"].set()
    client.hears()
    assert client.stream.story == ["pause", "resume"]


def test_answers_count_by_their_number(house: MakeHouse) -> None:
    client = asked(house({"/s": Asking}, max_inbox=(10, 100 * KB)), 11)
    client.sends(*answers(1, *range(1, 11)))
    assert client.stream.story == []
    client.sends(*answers(1, 11))
    assert client.stream.story == ["pause"]


def test_one_answer_may_be_however_large(house: MakeHouse) -> None:
    client = asked(house({"/s": Asking}, max_inbox=(10, 1)), 1)
    client.sends(*answers(300 * KB, 1))
    assert client.stream.story == []
    assert len(client.socket.session["got"]) == 1


def test_answers_to_nobody_count_for_nothing(house: MakeHouse) -> None:
    client = asked(house({"/s": Asking}, max_inbox=(10, KB)), 1)
    client.sends(*answers(KB, *range(2, 20)))
    assert client.stream.story == []


def test_answers_that_are_none_count_until_that_is_found(house: MakeHouse) -> None:
    client = asked(house({"/s": Asking}, max_inbox=(10, KB)), 1)
    client.sends(*["6::/s:1+["] * 20)
    assert client.stream.story == ["pause", "resume"]
    client.sends(*answers(1, 1))
    assert client.socket.session["got"] == [("x",)]


# ---- a session that nobody has opened


def test_ahead_of_the_first_transport_only_little_may_come(house: MakeHouse) -> None:
    home = house({"": Slow})
    client = Client(home)
    assert client.socket.wait_for_room(0.001, EARLY)
    client.posts("3:::" + "x" * (EARLY - 4))
    assert not client.socket.wait_for_room(0.001, 1)
    wait = home.runtime.spawn(client.socket.wait_for_room, 60, MB)
    home.runtime.settle()
    assert not wait.ready()
    client.polls()
    assert wait.value
    assert len(client.socket.session["got"]) == 1


@pytest.mark.alone
def test_what_came_ahead_is_not_decoded_before_the_gate_was_asked(
    house: MakeHouse, held: Callable[[], int]
) -> None:
    client = Client(house({"": Slow}))
    before = held()
    client.posts(*[json_of(200, "")] * 10, json_of(30 * KB, ""))
    assert held() - before < 60 * KB


# ---- the end of it

ENDS: dict[str, Callable[[Client, SessionRegistry], object]] = {
    Reason.CLIENT: lambda client, _: client.socket.receive("0::"),
    Reason.SERVER: lambda client, _: client.socket.disconnect(),
    "silently": lambda client, _: client.socket.disconnect(silent=True),
    Reason.TRANSPORT_CLOSE: lambda client, _: client.stream.hangs_up(),
    Reason.HEARTBEAT_TIMEOUT: lambda client, _: client.socket.close(
        Reason.HEARTBEAT_TIMEOUT, say=False
    ),
    Reason.OVERFLOW: lambda client, _: client.socket.close(Reason.OVERFLOW, say=False),
    Reason.SHUTDOWN: lambda client, registry: registry.close_all(),
}


@pytest.mark.alone
@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
@pytest.mark.parametrize("gate", [False, True], ids=["behind a handler", "behind recv_connect"])
def test_what_waited_is_given_back_when_the_session_ends(
    house: MakeHouse, held: Callable[[], int], end: Any, gate: bool
) -> None:
    home = house({"/s": Slow, "/gate": SlowGate})
    client = kept_waiting(home)
    if gate:
        client.socket.session["door"].set()
        client.hears()
        client.socket.session["door"] = home.door()
        client.sends("1::/gate")
    before = held()
    for _ in range(10):
        client.sends(json_of(300 * KB))
    assert held() - before > 3 * MB
    end(client, home.registry)
    home.runtime.advance(1)
    assert held() - before < 50 * KB


@pytest.mark.alone
@pytest.mark.parametrize("end", [Reason.UNOPENED, Reason.REFUSED])
def test_what_came_ahead_is_given_back_with_a_session_that_nobody_opened(
    house: MakeHouse, held: Callable[[], int], end: str
) -> None:
    client = Client(house({"": Slow}))
    before = held()
    client.posts("3:::" + "x" * 60 * KB)
    client.socket.close(end, say=False)
    assert client.state() is State.DISCONNECTED
    assert held() - before < 30 * KB


@pytest.mark.alone
def test_what_came_ahead_is_given_back_when_the_gate_says_no(
    house: MakeHouse, held: Callable[[], int]
) -> None:
    class No(BaseNamespace):
        def recv_connect(self) -> bool:
            return False

    client = Client(house({"": No}))
    before = held()
    client.posts("3:::" + "x" * 60 * KB)
    client.polls()
    assert held() - before < 30 * KB


@pytest.mark.alone
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json_of(300 * KB), id="json"),
        pytest.param("4::/s:[" + "[]," * 100 * KB, id="what is no JSON"),
        pytest.param('5:1+:/s:{"name":"fail","args":[' + "[]," * 100 * KB + "1]}", id="a failure"),
        pytest.param("5:1+:/s:" + '{"name":"' + "x" * 300 * KB + '"}', id="an unknown event"),
        pytest.param("6:::1+[" + "[]," * 100 * KB + "1]", id="an ack for nobody"),
    ],
)
def test_nothing_keeps_what_was_handled(
    house: MakeHouse, held: Callable[[], int], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    class Failing(BaseNamespace):
        def recv_json(self, data: Any) -> None: ...

        def on_fail(self, *args: Any) -> None:
            raise RuntimeError(f"failed with {len(args)}")

    # Who keeps records keeps tracebacks, with the arguments of the calls: pytest does.
    monkeypatch.setattr(logging.getLogger("sockio"), "propagate", False)
    client = house({"/s": Failing}, log_lines=0).client("/s")
    wire = text.encode()
    del text
    client.sends(wire.decode())  # once, for all that is made on first use
    before = held()
    client.sends(wire.decode())
    assert held() - before < 30 * KB
