"""Namespaces that are found by patterns: as many as clients ask for, and given back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sockio import BaseNamespace, RoomsMixin, UsageError, limit
from sockio.http.manage import check_namespaces
from sockio.protocol.generations import EIO4

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted


class Room(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        assert self.match is not None
        self.emit("you are in", *self.match.groups())

    def on_all(self, text: str) -> None:
        self.socket.server  # noqa: B018
        self.join("all")
        self.emit_to_room("all", "said", text, include_self=True)


class Lobby(BaseNamespace):
    def recv_connect(self) -> None:
        assert self.match is None
        self.emit("lobby")


NAMESPACES: dict[Any, type[BaseNamespace]] = {
    "": Lobby,
    "/room-0": Lobby,
    re.compile(r"/room-(\d+)"): Room,
    re.compile(r"/(?P<name>[a-z]+)"): Room,
}


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house(NAMESPACES)


def test_the_groups_are_at_hand(home: House) -> None:
    client = home.client()
    heard = client.sends("1::/room-7")
    assert heard == ["1::/room-7", '5::/room-7:{"name":"you are in","args":["7"]}']
    assert client["/room-7"].match.group(1) == "7"
    assert client.sends("1::/tea") == [
        "1::/tea",
        '5::/tea:{"name":"you are in","args":["tea"]}',
    ]
    assert client["/tea"].match["name"] == "tea"


def test_a_name_wins_over_patterns_and_a_pattern_is_for_the_whole_name(home: House) -> None:
    client = home.client()
    assert client.sends("1::/room-0") == ["1::/room-0", '5::/room-0:{"name":"lobby"}']
    assert client.sends("1::/room-7x") == ["7::/room-7x:2"]
    assert client.sends("1::/room-") == ["7::/room-:2"]


def test_each_name_is_a_namespace_of_its_own(home: House) -> None:
    one, two = home.client("/room-1"), home.client("/room-2")
    assert one.sends('5::/room-1:{"name":"all","args":["x"]}') == [
        '5::/room-1:{"name":"said","args":["x"]}'
    ]
    assert two.hears() == []
    home.middleware.of("/room-2").emit("news")
    assert (one.hears(), two.hears()) == ([], ['5::/room-2:{"name":"news"}'])


def test_the_same_for_later_clients(home: House) -> None:
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40/room-12,")
    home.runtime.settle()
    assert stream.packets[-1] == '42/room-12,["you are in","12"]'
    stream.hangs_up()
    home.runtime.settle()


def test_nothing_is_left_of_those_that_nobody_is_in(home: House) -> None:
    client = home.client()
    for number in range(2000):
        client.sends(f"1::/room-1{number}", f"0::/room-1{number}")
    assert list(client.socket.active_ns) == [""]
    assert home.rooms_in_use <= 2 * 2
    assert len(home.registry.known) < 10
    dispatcher: Any = client.socket.dispatcher
    assert len(dispatcher.unconnected._doorstep._gone) <= 1000


def test_long_names_are_remembered_in_bounds(house: MakeHouse) -> None:
    class Asking(BaseNamespace):
        def recv_connect(self) -> None:
            self.emit("ask", callback=print)

    client = house({re.compile(r"/room-\d+"): Asking}).client()
    for number in range(250):
        name = f"/room-{number:0990}"
        client.sends(f"1::{name}", f"0::{name}")
    dispatcher: Any = client.socket.dispatcher
    acks: Any = client.socket._acks
    for kept, most in (
        (dispatcher.unconnected._doorstep._gone, 65_536),
        (acks._counters, 200_000),
    ):
        assert most - 1000 < sum(map(len, kept)) <= most
        assert name in kept
    assert client.sends(f'5:1+:{name}:{{"name":"x"}}')[0].startswith(f"6::{name}:1+")


def test_no_more_than_a_hundred_at_a_time(home: House, caplog: pytest.LogCaptureFixture) -> None:
    client = home.client()
    for number in range(1, 101):
        assert client.sends(f"1::/room-{number}")[0] == f"1::/room-{number}"
    assert client.sends("1::/room-500") == ["7::/room-500:2"]
    assert "too-many-namespaces" in caplog.text
    # Those that are configured by name do not count, and one that is left makes room.
    assert client.sends("1::/room-0")[0] == "1::/room-0"
    client.sends("0::/room-1")
    assert client.sends("1::/room-500")[0] == "1::/room-500"


def test_a_limit_holds_for_all_names_that_fit_a_pattern(house: MakeHouse) -> None:
    class Limited(BaseNamespace):
        @limit("2/h")
        def on_ask(self) -> str:
            return "yes"

    client = house({re.compile(r"/room-(\d+)"): Limited, "/room": Limited}).client("/room")
    answers = []
    for number in range(1, 21):
        name = f"/room-{number}"
        client.sends(f"1::{name}")
        answers += client.sends(f'5:1+:{name}:{{"name":"ask"}}')
        client.sends(f"0::{name}")
    assert [answer for answer in answers if "yes" in answer] == [
        '6::/room-1:1+["yes"]',
        '6::/room-2:1+["yes"]',
    ]
    assert all("rate_limited" in answer for answer in answers[2:])
    assert "yes" in client.sends('5:1+:/room:{"name":"ask"}')[0]
    # Whatever names a client makes up, it has as many buckets as there are limits.
    assert client.socket.buckets is not None
    assert len(client.socket.buckets) == 2


def test_an_emit_to_one_that_fits_is_no_mistake(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    home.client()
    home.middleware.of("/room-9").emit("news")
    assert caplog.records == []
    home.middleware.of("/9").emit("news")
    assert "emit-to-unknown" in caplog.text


def test_an_emit_to_one_that_fits_none_of_patterns_alone(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    home = house({re.compile(r"/room-\d+"): Room})
    home.middleware.of("/room-9").emit("news")
    assert caplog.records == []
    home.middleware.of("/romo-9").emit("news")
    assert r"known: re.compile('/room-\\d+') [emit-to-unknown]" in caplog.text


@pytest.mark.parametrize("wrong", ["chat", "/a:b", "/a,b", "/a?b", "/" + "a" * 1000])
def test_what_no_client_could_ask_for(wrong: str) -> None:
    with pytest.raises(UsageError, match="namespace name"):
        check_namespaces({wrong: Room})


def test_a_slash_alone_is_the_global_namespace(house: MakeHouse) -> None:
    home = house({"/": BaseNamespace})
    client = home.client("")
    client.hears()
    home.middleware.of("/").emit("news")
    assert client.hears() == ['5:::{"name":"news"}']
    with pytest.raises(UsageError, match="both the global namespace"):
        check_namespaces({"/": Room, "": Room})


@pytest.mark.parametrize("wrong", [re.compile(rb"/bytes"), 5, None, ("/a",)])
def test_what_is_neither_a_name_nor_a_pattern(wrong: Any) -> None:
    with pytest.raises(UsageError, match="compiled pattern"):
        check_namespaces({wrong: Room})
