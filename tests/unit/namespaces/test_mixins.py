"""Rooms and broadcast, as namespaces use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, BroadcastMixin, RoomsMixin, UsageError

from ...support.carriers import Client, House
from ...support.threads import in_a_native_thread
from ..conftest import MakeHouse

NEWS = '5::/chat:{"name":"news","args":[1]}'


class Chat(BaseNamespace, RoomsMixin, BroadcastMixin):
    def on_join(self, room: Any) -> None:
        self.join(room)


class People:
    """Three members of ``/chat``, and one client who is in another namespace only."""

    def __init__(self, home: House) -> None:
        self.home = home
        self.ann, self.bob, self.cid = (home.client("/chat") for _ in range(3))
        self.stranger = home.client("/private")

    def who_heard(self, packet: str = NEWS) -> str:
        everybody = {"ann": self.ann, "bob": self.bob, "cid": self.cid, "stranger": self.stranger}
        heard = {name: client.hears() for name, client in everybody.items()}
        assert all(each in ([], [packet]) for each in heard.values()), heard
        return " ".join(name for name, packets in heard.items() if packets)


@pytest.fixture
def people(house: MakeHouse) -> People:
    return People(house({"": Chat, "/chat": Chat, "/private": Chat}))


# ---- broadcast


@pytest.mark.parametrize(
    ("broadcast", "heard_by"),
    [
        pytest.param(lambda ns: ns.broadcast_event("news", 1), "ann bob cid", id="to all"),
        pytest.param(lambda ns: ns.broadcast_event_not_me("news", 1), "bob cid", id="but me"),
    ],
)
def test_d81_a_broadcast_reaches_members_of_the_namespace_only(
    people: People, broadcast: Callable[[Chat], None], heard_by: str
) -> None:
    broadcast(people.ann["/chat"])
    assert people.who_heard() == heard_by


def test_d81_who_has_left_hears_nothing(people: People) -> None:
    people.bob.sends("0::/chat")
    people.ann["/chat"].broadcast_event("news", 1)
    assert people.who_heard() == "ann cid"


def test_d38_who_is_not_connected_yet_hears_nothing(people: People) -> None:
    late = Client(people.home)
    people.ann[""].broadcast_event("news")
    late.opens()
    assert late.hears() == ["1::"]


@pytest.mark.parametrize("method", ["broadcast_event", "broadcast_event_not_me"])
def test_a_volatile_broadcast_is_dropped_where_it_would_wait(people: People, method: str) -> None:
    people.bob.stream.stuck = True
    getattr(people.ann["/chat"], method)("news", 1, volatile=True)
    people.bob.stream.reads_again()
    assert "bob" not in people.who_heard()


# ---- rooms


def test_d84_an_emit_to_a_room_leaves_the_sender_out_unless_asked(people: People) -> None:
    for client in (people.ann, people.bob):
        client["/chat"].join("lobby")
    people.ann["/chat"].emit_to_room("lobby", "news", 1)
    assert people.who_heard() == "bob"
    people.ann["/chat"].emit_to_room("lobby", "news", 1, include_self=True)
    assert people.who_heard() == "ann bob"


def test_gs71_a_sender_need_not_be_in_the_room(people: People) -> None:
    people.bob["/chat"].join("lobby")
    people.ann["/chat"].emit_to_room("lobby", "news", 1, include_self=True)
    assert people.who_heard() == "bob"


def test_d82_a_room_of_that_name_in_another_namespace_is_another_room(people: People) -> None:
    people.bob["/chat"].join("lobby")
    people.bob[""].join("cid's room")
    people.stranger["/private"].join("lobby")
    people.ann["/chat"].emit_to_room("lobby", "news", 1)
    assert people.who_heard() == "bob"


@pytest.mark.parametrize("room", ["lobby", 7, None, ("game", 42)], ids=repr)
def test_d82_a_room_is_any_hashable_value(people: People, room: Any) -> None:
    namespace = people.bob["/chat"]
    namespace.join(room)
    assert namespace.rooms == {room}
    people.ann["/chat"].emit_to_room(room, "news", 1)
    assert people.who_heard() == "bob"
    namespace.leave(room)
    assert namespace.rooms == frozenset()


def test_d82_leaving_a_room_one_is_not_in_does_nothing(people: People) -> None:
    people.ann["/chat"].leave("never joined")
    people.ann["/chat"].leave("never joined")


@pytest.mark.parametrize("method", ["join", "leave"])
def test_what_cannot_be_a_room_is_the_callers_mistake(people: People, method: str) -> None:
    with pytest.raises(UsageError, match="hashable"):
        getattr(people.ann["/chat"], method)(["a", "list"])


def test_joining_twice_is_hearing_once(people: People) -> None:
    people.bob["/chat"].join("lobby")
    people.bob["/chat"].join("lobby")
    people.ann["/chat"].emit_to_room("lobby", "news", 1)
    assert people.who_heard() == "bob"


def test_the_rooms_of_a_client_are_its_own_snapshot(people: People) -> None:
    namespace = people.ann["/chat"]
    namespace.join("a")
    before = namespace.rooms
    namespace.join("b")
    assert before == {"a"}
    assert namespace.rooms == {"a", "b"}
    assert people.bob["/chat"].rooms == frozenset()
    assert people.ann[""].rooms == frozenset()


def test_who_connects_again_starts_without_rooms(people: People) -> None:
    people.ann["/chat"].join("lobby")
    people.ann.sends("0::/chat", "1::/chat")
    assert people.ann["/chat"].rooms == frozenset()


def test_an_instance_that_has_ended_joins_nothing(people: People) -> None:
    namespace = people.ann["/chat"]
    people.ann.sends("0::/chat", "1::/chat")
    namespace.join("lobby")
    assert people.ann["/chat"].rooms == frozenset()


def test_an_instance_that_has_ended_takes_its_successor_out_of_nothing(people: People) -> None:
    old = people.ann["/chat"]
    people.ann.sends("0::/chat", "1::/chat")
    people.ann["/chat"].join("lobby")
    old.leave("lobby")
    assert people.ann["/chat"].rooms == {"lobby"}
    assert old.rooms == frozenset()


def test_in_recv_connect_one_can_join_and_tell_the_others(house: MakeHouse) -> None:
    class Lobby(Chat):
        def recv_connect(self) -> None:
            self.join("lobby")
            self.emit_to_room("lobby", "joined")
            self.broadcast_event("count", len(self.socket.server.rooms.members("/l")))

    home = house({"/l": Lobby})
    first, second = home.client(), home.client()
    assert first.sends("1::/l") == ["1::/l", '5::/l:{"name":"count","args":[1]}']
    assert second.sends("1::/l") == ["1::/l", '5::/l:{"name":"count","args":[2]}']
    assert first.hears() == ['5::/l:{"name":"joined"}', '5::/l:{"name":"count","args":[2]}']


def test_gs71_the_mixin_goes_on_either_side_of_the_namespace(house: MakeHouse) -> None:
    class Before(RoomsMixin, BroadcastMixin, BaseNamespace):
        pass

    client = house({"/b": Before}).client("/b")
    client["/b"].join("lobby")
    client["/b"].emit_to_room("lobby", "x", include_self=True)
    assert client.hears() == ['5::/b:{"name":"x"}']


# ---- without the mixins, and with mixins of the application's own


class WithoutMixins(BaseNamespace):
    pass


class OtherWayRound(BaseNamespace, BroadcastMixin, RoomsMixin):
    pass


@pytest.mark.parametrize("cls", [WithoutMixins, OtherWayRound])
def test_every_namespace_has_rooms_and_broadcasts(
    house: MakeHouse, cls: type[BaseNamespace]
) -> None:
    home = house({"/b": cls})
    ann, bob = home.client("/b"), home.client("/b")
    bob["/b"].join("lobby")
    ann["/b"].emit_to_room("lobby", "to room")
    ann["/b"].broadcast_event_not_me("to others")
    ann["/b"].broadcast_event("to all")
    assert bob["/b"].rooms == {"lobby"}
    assert bob.hears() == [f'5::/b:{{"name":"to {whom}"}}' for whom in ("room", "others", "all")]
    assert ann.hears() == ['5::/b:{"name":"to all"}']


class OwnRooms:
    """As applications of gevent-socketio brought them, before every namespace had rooms."""

    rooms = "mine"

    def join(self, room: str) -> str:
        return f"joined {room} by itself"


class NoisyBroadcasts(BroadcastMixin):
    def broadcast_event(self, event: str, *args: Any, volatile: bool = False) -> None:
        super().broadcast_event(event.upper(), *args, volatile=volatile)


class Behind(BaseNamespace, OwnRooms, NoisyBroadcasts):  # type: ignore[misc]
    pass


class Before(OwnRooms, NoisyBroadcasts, BaseNamespace):  # type: ignore[misc]
    pass


class Below(Behind):
    pass


class Above(Behind):
    def join(self, room: str) -> str:  # type: ignore[override]
        return "above " + super().join(room)


@pytest.mark.parametrize("cls", [Behind, Before, Below, Above])
def test_gs71_a_mixin_of_the_applications_own_means_what_it_brings(
    house: MakeHouse, cls: type[Behind]
) -> None:
    client = house({"/b": cls}).client("/b")
    namespace: Any = client["/b"]
    assert namespace.join("lobby").removeprefix("above ") == "joined lobby by itself"
    assert namespace.rooms == "mine"
    namespace.broadcast_event("news")
    assert client.hears() == ['5::/b:{"name":"NEWS"}']


def test_an_attribute_of_the_applications_own_may_be_called_rooms(house: MakeHouse) -> None:
    class Chat(BaseNamespace):
        def initialize(self) -> None:
            self.rooms = ["a list"]  # type: ignore[assignment]

    assert house({"/b": Chat}).client("/b")["/b"].rooms == ["a list"]


def test_rooms_can_be_joined_and_left_from_a_native_thread(house: MakeHouse) -> None:
    home = house({"/a": Chat})
    client = home.client("/a")
    in_a_native_thread(lambda: client.socket["/a"].join("quiet"))
    home.runtime.settle()
    assert client.socket["/a"].rooms == {"quiet"}
    in_a_native_thread(lambda: client.socket["/a"].leave("quiet"))
    home.runtime.settle()
    assert client.socket["/a"].rooms == set()
