"""Handlers that run side by side: ``@concurrent``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from gevent.event import Event
from greenlet import GreenletExit

from sockio import BaseNamespace, EventRefused, UsageError, concurrent, limit, on
from sockio.namespaces.beside import Beside

from ...support.carriers import Client, House
from ..conftest import MakeHouse


class Slow(BaseNamespace):
    """Its handlers wait until a test lets them go on, by what they were called with."""

    def initialize(self) -> None:
        self.gates: dict[str, Event] = {}
        self.story: list[str] = []

    def passes(self, name: str) -> str:
        self.story.append(f"{name} began")
        gate = self.gates.setdefault(name, Event())
        try:
            gate.wait()
        finally:
            self.story.append(f"{name} ended")
        return name.upper()

    @concurrent
    def on_slow(self, name: str) -> str:
        return self.passes(name)

    @concurrent
    @on("slow:too")
    def slow_too(self, name: str) -> str:
        return self.passes(name)

    @concurrent
    def on_refuse(self, name: str) -> None:
        self.passes(name)
        raise EventRefused("not_now", "Not now.")

    @concurrent
    def on_fail(self, name: str) -> None:
        self.passes(name)
        raise ValueError(name)

    @concurrent
    def on_exit(self, name: str) -> None:
        raise GreenletExit

    @concurrent
    @limit("1/h")
    def on_rare(self, name: str) -> str:
        return self.passes(name)

    @concurrent
    def on_emit(self, name: str) -> str:
        self.emit("before", name)
        return self.passes(name)

    @concurrent
    def on_leave(self, name: str) -> str:
        self.disconnect()
        return self.passes(name)

    @concurrent
    def recv_message(self, data: str) -> str:
        return self.passes(data)

    def on_fast(self, name: str) -> str:
        self.story.append(name)
        return name

    def on_wait(self, name: str) -> str:
        return self.passes(name)

    def recv_disconnect(self) -> None:
        self.story.append("told")


class Home:
    def __init__(self, house: House) -> None:
        self.house = house
        self.client = house.client("/s")
        self.namespace: Slow = self.client["/s"]
        self.numbers = iter(range(1, 1000))
        self.calls: Any = getattr(self.client.socket.dispatcher, "calls")  # noqa: B009

    def asks(self, event: str, name: str) -> list[str]:
        return self.client.sends(
            f'5:{next(self.numbers)}+:/s:{{"name":"{event}","args":["{name}"]}}'
        )

    def lets(self, name: str) -> list[str]:
        self.namespace.gates[name].set()
        return self.client.hears()

    @property
    def running(self) -> int:
        return len(self.calls._running)


@pytest.fixture
def home(house: MakeHouse) -> Home:
    return Home(house({"/s": Slow}))


def test_they_run_side_by_side_and_each_is_acknowledged_when_it_ends(home: Home) -> None:
    assert home.asks("slow", "a") == home.asks("slow:too", "b") == home.asks("slow", "c") == []
    assert home.namespace.story == ["a began", "b began", "c began"]
    assert home.lets("b") == ['6::/s:2+["B"]']
    assert home.lets("c") == ['6::/s:3+["C"]']
    assert home.lets("a") == ['6::/s:1+["A"]']
    assert home.running == 0


def test_what_is_not_marked_does_not_wait_for_them_and_keeps_its_order(home: Home) -> None:
    home.asks("slow", "a")
    assert home.asks("fast", "x") == ['6::/s:2+["x"]']
    assert home.asks("wait", "y") == home.asks("fast", "z") == []
    assert home.namespace.story == ["a began", "x", "y began"]
    assert home.lets("a") == ['6::/s:1+["A"]']
    assert home.lets("y") == ['6::/s:3+["Y"]', '6::/s:4+["z"]']


def test_messages_may_be_marked_too(home: Home) -> None:
    assert home.client.sends("3:7+:/s:hello") == []
    assert home.client.sends('5:8+:/s:{"name":"message","args":["new"]}') == []
    assert home.asks("fast", "x") == ['6::/s:1+["x"]']
    assert home.lets("new") == ['6::/s:8+["NEW"]']
    assert home.lets("hello") == ['6::/s:7+["HELLO"]']


def test_a_receipt_does_not_wait(home: Home) -> None:
    assert home.client.sends('5:7:/s:{"name":"slow","args":["a"]}') == ["6::/s:7"]
    assert home.lets("a") == []


def test_refusals_and_failures_answer_their_own_event(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    for event, name in (("refuse", "a"), ("fail", "b"), ("slow", "c"), ("rare", "d")):
        assert home.asks(event, name) == []
    assert "rate_limited" in home.asks("rare", "e")[0]
    assert home.lets("b")[0].startswith('6::/s:2+[{"error":"internal_error"')
    assert home.lets("a") == ['6::/s:1+[{"error":"not_now","message":"Not now."}]']
    assert home.lets("c") == ['6::/s:3+["C"]']
    assert "ValueError: b" in caplog.text
    assert home.lets("d") == ['6::/s:4+["D"]']


def test_what_it_emits_goes_out_before_its_ack(home: Home) -> None:
    assert home.asks("emit", "a") == ['5::/s:{"name":"before","args":["a"]}']
    assert home.lets("a") == ['6::/s:1+["A"]']


def test_one_too_many_waits_and_so_does_what_is_behind_it(house: MakeHouse) -> None:
    home = Home(house({"/s": Slow}, max_concurrent=2))
    for name in "abcd":
        home.asks("slow", name)
    assert home.asks("fast", "x") == []
    assert home.namespace.story == ["a began", "b began"]
    assert home.lets("b") == ['6::/s:2+["B"]']
    assert home.namespace.story[-1] == "c began"
    assert home.lets("a") == ['6::/s:1+["A"]', '6::/s:5+["x"]']
    assert home.lets("c") + home.lets("d") == ['6::/s:3+["C"]', '6::/s:4+["D"]']


def test_the_bound_is_that_of_the_client_whatever_its_namespaces(house: MakeHouse) -> None:
    home = Home(house({"/s": Slow, "/t": Slow}, max_concurrent=1))
    home.client.sends("1::/t", '5:1+:/t:{"name":"slow","args":["a"]}')
    home.asks("slow", "b")
    assert home.namespace.story == []
    home.client["/t"].gates["a"].set()
    assert home.client.hears() == ['6::/t:1+["A"]']
    assert home.namespace.story == ["b began"]
    home.lets("b")


def test_what_they_were_given_is_bounded_in_bytes(house: MakeHouse) -> None:
    home = Home(house({"/s": Slow}, max_inbox=(100, 1000)))
    large = {letter: letter * 600 for letter in "abc"}
    for text in large.values():
        home.asks("slow", text)
    assert home.running == 1
    home.lets(large["a"])
    assert home.running == 1
    home.lets(large["b"])
    home.lets(large["c"])
    # What is larger than all may be runs alone.
    home.asks("slow", "d" * 2000)
    assert home.running == 1
    home.lets("d" * 2000)
    assert (home.running, home.calls._held) == (0, 0)


def test_the_end_of_the_namespace_gives_their_bytes_back(house: MakeHouse) -> None:
    home = Home(house({"/s": Slow}, max_inbox=(100, 1000)))
    home.asks("slow", "a" * 600)
    home.client.sends("0::/s")
    assert (home.running, home.calls._held) == (0, 0)


@pytest.mark.parametrize("end", ["the client leaves", "the server ends it", "the session ends"])
def test_the_end_of_the_namespace_ends_them(
    home: Home, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    home.asks("slow", "a")
    home.asks("slow", "b")
    if end == "the client leaves":
        home.client.sends("0::/s")
    elif end == "the server ends it":
        home.namespace.disconnect()
    else:
        home.client.stream.hangs_up()
    home.house.runtime.settle()
    assert home.namespace.story == ["a began", "b began", "told", "a ended", "b ended"]
    assert home.running == 0
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_what_waited_for_room_is_dropped_with_the_namespace(house: MakeHouse) -> None:
    home = Home(house({"/s": Slow}, max_concurrent=1))
    home.asks("slow", "a")
    home.asks("slow", "b")
    home.namespace.disconnect()
    home.house.runtime.advance(1)
    assert home.namespace.story == ["a began", "told", "a ended"]
    home.client.sends("1::/s")
    home.namespace = home.client["/s"]
    home.asks("slow", "c")
    assert home.lets("c")[-1] == '6::/s:3+["C"]'


def test_one_that_throws_its_client_out_is_not_heard_any_more(home: Home) -> None:
    assert home.asks("leave", "a") == ["0::/s"]
    assert home.namespace.story == ["a began", "told", "a ended"]
    assert home.running == 0


def test_the_setting_context_is_around_each(house: MakeHouse) -> None:
    @contextlib.contextmanager
    def context(namespace: Any) -> Iterator[None]:
        story.append("in")
        try:
            yield
        finally:
            story.append("out")

    story: list[str] = []
    home = Home(house({"/s": Slow}, context=context))
    story.clear()
    home.asks("slow", "a")
    home.asks("slow", "b")
    assert story == ["in", "in"]
    home.lets("a")
    assert story == ["in", "in", "out"]
    home.lets("b")


def test_around_event_and_the_acl_are_theirs_too(house: MakeHouse) -> None:
    class Watched(Slow):
        def get_initial_acl(self) -> list[str]:
            return ["on_slow", "on_fast"]

        def around_event(self, name: str, args: list[Any], go_on: Any) -> Any:
            return [go_on(*args)]

    home = Home(house({"/s": Watched}))
    home.asks("slow", "a")
    assert home.asks("fast", "x") == ['6::/s:2+[["x"]]']
    assert "method_access_denied" in home.asks("slow:too", "b")[0]
    assert home.lets("a") == ['6::/s:1+[["A"]]']


def test_one_that_ends_by_itself_as_if_somebody_had_ended_it_has_failed(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": Slow}).client("/n")
    assert client.sends('5:1+:/n:{"name":"exit","args":["a"]}') == [
        '6::/n:1+[{"error":"internal_error","message":"The server failed to handle this."}]'
    ]
    (line,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert line.exc_info
    assert line.exc_info[0] is GreenletExit


def test_an_override_says_for_itself_whether_it_may(house: MakeHouse) -> None:
    class InOrder(Slow):
        def on_slow(self, name: str) -> str:
            return self.passes(name)

    home = Home(house({"/s": InOrder}))
    home.asks("slow", "a")
    assert home.asks("fast", "x") == []
    assert home.lets("a") == ['6::/s:1+["A"]', '6::/s:2+["x"]']


@pytest.mark.parametrize("hook", ["recv_connect", "recv_disconnect"])
def test_connects_and_disconnects_keep_their_place(house: MakeHouse, hook: str) -> None:
    cls = type("Broken", (BaseNamespace,), {hook: concurrent(lambda self: None)})
    with pytest.raises(UsageError, match=f"Broken.{hook}: @concurrent"):
        house({"/s": cls})


def test_a_client_without_such_a_namespace_has_nothing_of_it(house: MakeHouse) -> None:
    class Plain(BaseNamespace):
        pass

    client: Client = house({"/p": Plain, "/s": Slow}).client("/p")
    dispatcher: Any = client.socket.dispatcher
    assert not isinstance(dispatcher.calls, Beside)
    client.sends("1::/s")
    assert isinstance(dispatcher.calls, Beside)
