"""Packets for a namespace that the client is not in: which wait, and what the others are told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, ConnectionRefused
from sockio.namespaces.doorstep import RACE, WAIT
from sockio.protocol.strict_json import default_json_dumps

from ...support.carriers import Client, House
from ..conftest import MakeHouse

NOT_CONNECTED = '[{"error":"not_connected","message":"This namespace is not connected."}]'


def ask(number: int, endpoint: str = "/s", text: str = "x") -> str:
    return f'5:{number}+:{endpoint}:{{"name":"say","args":["{text}"]}}'


def refused(*numbers: int, endpoint: str = "/s") -> list[str]:
    return [f"6::{endpoint}:{number}+{NOT_CONNECTED}" for number in numbers]


class Story(BaseNamespace):
    """Writes down what it handles."""

    def initialize(self) -> None:
        self.session.setdefault("story", [])

    def on_say(self, text: str) -> str:
        self.session["story"].append(text)
        return text

    def recv_message(self, data: str) -> None:
        self.session["story"].append(data)

    def on_wait(self) -> None:
        self.session["door"].wait()

    def on_kick(self) -> None:
        self.disconnect()


class Slow(Story):
    """Waits at its gate, and then raises or returns what it is given."""

    def recv_connect(self) -> Any:
        decision = self.session["door"].wait()
        if isinstance(decision, BaseException):
            raise decision
        return decision


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Story, "/s": Story, "/slow": Slow, "/other": Story})


@pytest.fixture
def client(home: House) -> Client:
    client = home.client()
    client.socket.session["door"] = home.door()
    return client


def story(client: Client) -> list[str]:
    said: list[str] = client.socket.session.get("story", [])
    return said


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


# ---- what waits


def test_what_comes_before_the_connect_is_handled_after_it_in_order(client: Client) -> None:
    """The real client flushes its buffer before it asks for its namespaces again."""
    assert client.sends(ask(1, text="a"), "3:2:/s:b", ask(3, text="c"), "3:1::meanwhile") == [
        "6:::1"
    ]
    assert client.sends("1::/s", ask(4, text="d")) == [
        "1::/s",
        '6::/s:1+["a"]',
        "6::/s:2",
        '6::/s:3+["c"]',
        '6::/s:4+["d"]',
    ]
    assert story(client) == ["meanwhile", "a", "b", "c", "d"]


def test_namespaces_wait_for_their_own_connects(client: Client) -> None:
    client.sends(ask(1, text="a"), ask(1, "/other", "b"))
    assert client.sends("1::/other") == ["1::/other", '6::/other:1+["b"]']
    assert client.sends("1::/s") == ["1::/s", '6::/s:1+["a"]']


def test_nothing_is_handled_before_the_gate_has_said_yes(client: Client) -> None:
    client.sends(ask(1, "/slow", "early"), "1::/slow", ask(2, "/slow", "late"))
    assert story(client) == []
    client.socket.session["door"].set()
    assert client.hears() == ["1::/slow", '6::/slow:1+["early"]', '6::/slow:2+["late"]']


@pytest.mark.parametrize("decision", [False, ConnectionRefused("no"), RuntimeError()], ids=repr)
def test_with_a_refusal_each_is_refused(
    client: Client, decision: object, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends(ask(1, "/slow", "early"), "3::/slow:x", "1::/slow", ask(2, "/slow", "late"))
    client.socket.session["door"].set(decision)
    assert client.hears() == ["7::/slow:2", *refused(1, 2, endpoint="/slow")]
    assert story(client) == []
    (line,) = warnings(caplog)
    assert "recv_connect of '/slow' refused" in line


def test_who_is_not_asked_for_in_time_is_refused(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.sends(ask(1), "3:2:/s:x", "3::/s:y") == []
    client.house.runtime.advance(WAIT - 0.1)
    assert client.hears() == []
    client.house.runtime.advance(0.2)
    assert client.hears() == refused(1, 2)
    (line,) = warnings(caplog)
    assert "it must io.connect('/s') [not_connected]" in line
    # ... and who comes later, comes without them.
    assert client.sends("1::/s", ask(3)) == ["1::/s", '6::/s:3+["x"]']


def test_each_namespace_has_its_own_time(client: Client) -> None:
    client.sends(ask(1))
    client.house.runtime.advance(WAIT / 2)
    client.sends(ask(1, "/other"))
    client.house.runtime.advance(WAIT / 2)
    assert client.hears() == refused(1)
    client.house.runtime.advance(WAIT / 2)
    assert client.hears() == refused(1, endpoint="/other")


def test_a_connect_that_stands_behind_a_slow_handler_is_in_time(client: Client) -> None:
    client.sends(ask(1), '5:::{"name":"wait"}', "1::/s")
    client.house.runtime.advance(2 * WAIT)
    client.socket.session["door"].set()
    assert client.hears() == ["1::/s", '6::/s:1+["x"]']


def test_so_is_one_that_was_not_read_because_too_much_waits(house: MakeHouse) -> None:
    client = house({"": Story, "/s": Story}, max_inbox=2).client()
    client.socket.session["door"] = client.house.door()
    client.sends(ask(1), '5:::{"name":"wait"}', "3:::a", "3:::b")
    assert "pause" in client.stream.story
    client.house.runtime.advance(2 * WAIT)
    client.socket.session["door"].set()
    assert client.hears() == []
    assert client.sends("1::/s") == ["1::/s", '6::/s:1+["x"]']


def test_nobody_waits_for_a_namespace_that_the_page_has_left(client: Client) -> None:
    assert client.sends(ask(1), "0::/s", ask(2)) == refused(1, 2)
    assert client.sends("1::/s", ask(3)) == ["1::/s", '6::/s:3+["x"]']
    assert client.sends("0::/s", ask(4)) == refused(4)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        pytest.param({"max_inbox": 3}, 3, id="in packets"),
        pytest.param({"max_inbox": (100, 400)}, 2, id="in bytes"),
    ],
)
def test_what_waits_is_bounded(
    house: MakeHouse, settings: dict[str, Any], kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"": Story, "/s": Story}, **settings).client()
    for number in range(1, 5):
        client.sends(ask(number))
    assert client.socket.dropped == 4 - kept
    (line,) = warnings(caplog)
    assert "max_inbox" in line
    assert len(client.sends("1::/s")) == 1 + kept
    assert client.sends("3:9:/s:room again") == ["6::/s:9"]


def test_what_waits_is_never_written_again(house: MakeHouse) -> None:
    def unwritable(value: Any) -> str:
        if isinstance(value, dict) and value.get("args") == ["deep"]:
            raise RecursionError
        return default_json_dumps(value)

    client = house({"": Story, "/s": Story}, json_dumps=unwritable).client()
    assert client.sends('5::/s:{"name":"say","args":["deep"]}') == []
    client.sends("1::/s")
    assert story(client) == ["deep"]


def test_bad_json_is_found_when_it_is_its_turn(client: Client) -> None:
    assert client.sends("4:1+:/s:[1") == []
    assert client.socket.bad_packets == 0
    answers = client.sends("1::/s")
    assert answers[0] == "1::/s"
    assert answers[1].startswith('6::/s:1+[{"error":"invalid_packet"')
    assert client.socket.bad_packets == 1


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda c: c.hangs_up(), id="the connection breaks"),
        pytest.param(lambda c: c.sends("0::"), id="goodbye"),
        pytest.param(lambda c: c.socket.disconnect(), id="thrown out"),
    ],
)
def test_what_waits_ends_with_the_session(client: Client, end: Callable[[Client], object]) -> None:
    client.sends(ask(1), ask(2, "/other"))
    end(client)
    client.house.runtime.advance(WAIT / 2)
    assert client.socket.dropped == 2
    assert client.house.runtime.timers == 0


# ---- what is refused


@pytest.mark.parametrize("packet", [ask(1, ""), "3:1::x", "3:1+::x", "4:1::{}"])
def test_a_page_that_says_connect_without_a_namespace(
    house: MakeHouse, packet: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/chat": Story, "/news": Story}).client()
    assert client.sends(packet, "3:::again") == refused(1, endpoint="")
    (line,) = warnings(caplog)
    assert "the page must io.connect('/chat'); configured are: '/chat', '/news'" in line


def test_one_warning_of_a_kind_in_a_session(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends(*[f"3::/nowhere{number}:x" for number in range(20)])
    client.sends("1::/s", "0::/s", "3::/s:x", "3::/s:y")
    assert len(warnings(caplog)) == 2
    assert client.socket.dropped == 22


@pytest.mark.parametrize("form", [ask(2), "3:2+:/s:x"])
def test_whom_the_server_has_just_disconnected_gets_an_ack_and_the_log_no_line(
    client: Client, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends("1::/s")
    assert client.sends('5::/s:{"name":"kick"}', form, ask(3)) == ["0::/s", *refused(2, 3)]
    assert client.sends(ask(4), "3::/s:x") == refused(4)
    assert warnings(caplog) == []
    client.house.runtime.advance(RACE)
    assert client.sends(ask(5)) == refused(5)
    (line,) = warnings(caplog)
    assert "the server had disconnected the client from '/s'" in line


def test_it_is_not_answered_while_the_end_is_told(house: MakeHouse) -> None:
    class Slow(Story):
        def recv_disconnect(self) -> None:
            self.session["door"].wait()

    client = house({"/s": Slow, "/other": Story}).client("/s", "/other")
    client.socket.session["door"] = door = client.house.door()
    client["/s"].disconnect()
    assert client.sends(ask(1), ask(2, "/other")) == ["0::/s"]
    door.set()
    assert sorted(client.hears()) == ['6::/other:2+["x"]', *refused(1)]


def test_each_configured_namespace_gets_its_line(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends("1::/s", "1::/other", "0::/s", "0::/other", "3::/s:x", "3::/other:x", "3::/s:y")
    lines = warnings(caplog)
    assert ["'/s'" in each for each in lines] == [True, False]
    assert "'/other'" in lines[1]
