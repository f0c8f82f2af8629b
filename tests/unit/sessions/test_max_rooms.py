"""The rooms of one client: so many, and so many bytes, in whatever way it is put into them."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from sockio import BaseNamespace, EventRefused
from sockio.sessions.rooms import EACH, EVERYBODY, SHORT, Rooms

from ...support.carriers import Client, House
from ..conftest import MakeHouse
from .test_recovery import Client as Returning

CHAT = '{"name":"join","args":[%s]}'
#: What a name weighs beside its letters: less since Python 3.12.
EMPTY = sys.getsizeof("")


class Topics(BaseNamespace):
    def on_join(self, *topics: Any) -> int:
        for topic in topics:
            self.join(topic)
        return len(self.rooms)

    def on_leave(self, topic: Any) -> None:
        self.leave(topic)

    def on_go(self) -> None:
        self.disconnect()


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Topics, "/a": Topics, "/b": Topics}, max_rooms=(3, 5000))


def joins(client: Client, *topics: Any, endpoint: str = "") -> Any:
    """The ack's argument."""
    said = json.dumps({"name": "join", "args": topics})
    (answer,) = [each for each in client.sends(f"5:7+:{endpoint}:{said}") if each[:1] == "6"]
    return json.loads(answer.partition("+")[2])[0]


REFUSED = {"error": "too_many_rooms", "message": "No more rooms."}


def test_one_room_too_many(home: House, caplog: pytest.LogCaptureFixture) -> None:
    client = home.client("")
    assert joins(client, "a", "b", "c") == 3
    assert joins(client, "d") == REFUSED
    (line,) = [each for each in caplog.messages if "too_many_rooms" in each]
    assert "raise max_rooms" in line
    # Those that it is in it may join again.
    assert joins(client, "a", "c") == 3
    client.sends('5:::{"name":"leave","args":["a"]}')
    client.sends('5:::{"name":"leave","args":["nowhere"]}')
    assert joins(client, "d") == 3
    assert joins(client, "a") == REFUSED
    assert client[""].rooms == {"b", "c", "d"}
    home.registry.check()


def test_the_rooms_of_all_its_namespaces_count_together(home: House) -> None:
    client = home.client("", "/a", "/b")
    assert joins(client, "x", endpoint="/a") == 1
    assert joins(client, "x", "y", endpoint="/b") == 2
    assert joins(client, "x", endpoint="") == REFUSED
    # Another's do not.
    assert joins(home.client(""), "x", "y", "z") == 3
    client.sends('5::/b:{"name":"go"}')
    assert joins(client, "x", "y", endpoint="") == 2
    home.registry.check()


def test_long_names_are_bounded_in_bytes(home: House) -> None:
    client = home.client("")
    letters = 5000 - 2 * EACH + SHORT - EMPTY
    assert joins(client, "short", "n" * (letters + 1)) == REFUSED
    assert joins(client, "n" * letters) == 2
    assert joins(client, "short") == 2
    assert joins(client, "another") == REFUSED
    client.sends(f'5:::{{"name":"leave","args":["{"n" * letters}"]}}')
    assert joins(client, "another") == 2


def test_nothing_is_left_of_who_has_gone(home: House) -> None:
    client = home.client("", "/a")
    joins(client, "a", "n" * 1000, endpoint="/a")
    joins(client, "b")
    client.hangs_up()
    assert home.is_empty()
    home.registry.check()


def test_an_order_leaves_out_who_is_in_enough(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    full, free = home.client("/a"), home.client("/a")
    joins(full, "a", "b", "c", endpoint="/a")
    home.middleware.of("/a").join("all")
    home.middleware.of("/a").join("more")
    assert full["/a"].rooms == {"a", "b", "c"}
    assert free["/a"].rooms == {"all", "more"}
    (line,) = [each for each in caplog.messages if "not put into the room 'all'" in each]
    assert "raise max_rooms" in line


def test_equal_names_of_other_weight_change_nothing() -> None:
    rooms: Rooms[str] = Rooms((10, 10_000))
    large = 2**8000
    for _ in range(100):
        rooms.join("ann", "/chat", large)
        rooms.leave("ann", "/chat", float(2**1000))
        rooms.leave("ann", "/chat", large)
        rooms.join("ann", "/chat", float(2**1000))
        rooms.leave("ann", "/chat", 2**1000)
    rooms.check([])
    with pytest.raises(EventRefused):
        rooms.join("ann", "/chat", "n" * 10_000)
    rooms.join("ann", "/chat", ("tuple", "n" * 9000))
    with pytest.raises(EventRefused):
        rooms.join("ann", "/chat", "n" * 1000)


def test_the_room_of_all_does_not_count() -> None:
    rooms: Rooms[str] = Rooms((1, 10_000))
    for namespace in ("", "/a", "/b"):
        rooms.enter("ann", namespace)
    rooms.join("ann", "", "lobby")
    with pytest.raises(EventRefused):
        rooms.join("ann", "/a", "lobby")
    rooms.leave_namespace("ann", "")
    rooms.join("ann", "/a", "lobby")
    assert rooms.members("/b", EVERYBODY) == ["ann"]
    rooms.check(["ann"])


def test_who_comes_back_has_its_rooms_and_no_more(house: MakeHouse) -> None:
    home = house({"/chat": Topics}, recovery=120, max_rooms=2)
    ann, bob = Returning(home), Returning(home)
    home.middleware.of("/chat").join("one", "two")
    ann.hangs_up()
    # While it is away it is as it was.
    home.middleware.of("/chat").join("three")
    ann.connect()
    assert ann.recovered
    assert ann.socket["/chat"].rooms == bob.socket["/chat"].rooms == {"one", "two"}
    with pytest.raises(EventRefused):
        ann.socket["/chat"].join("three")
    home.registry.check()


def test_who_is_in_very_many_is_not_kept(house: MakeHouse) -> None:
    home = house({"/chat": Topics}, recovery=(120, 100_000), max_rooms=1000)
    ann, bob = Returning(home), Returning(home)
    home.middleware.of("/chat").socket(bob.id).join(*range(900))
    bob.hangs_up()
    ann.hangs_up()
    bob.connect()
    ann.connect()
    assert (ann.recovered, bob.recovered) == (True, False)
