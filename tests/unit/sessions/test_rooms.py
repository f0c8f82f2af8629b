"""Rooms: an index that both sides agree on."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.sessions.rooms import EVERYBODY, Rooms


def rooms(*joined: tuple[str, str, Hashable]) -> Rooms[str]:
    """Rooms with these (member, namespace, room) joined, every member entered first."""
    index: Rooms[str] = Rooms()
    for member, namespace, room in joined:
        index.enter(member, namespace)
        index.join(member, namespace, room)
    return index


def test_members_are_served_in_the_order_in_which_they_joined() -> None:
    index = rooms(("cid", "/chat", "lobby"), ("ann", "/chat", "lobby"), ("bob", "/chat", "lobby"))
    assert index.members("/chat", "lobby") == ["cid", "ann", "bob"]
    assert index.members("/chat") == ["cid", "ann", "bob"]


def test_joining_twice_is_joining_once() -> None:
    index = rooms(("ann", "/chat", "lobby"), ("ann", "/chat", "lobby"))
    assert index.members("/chat", "lobby") == ["ann"]
    index.leave("ann", "/chat", "lobby")
    assert index.members("/chat", "lobby") == []


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        pytest.param(("/a", "b_c"), ("/a_b", "c"), id="names that meet at an underscore"),
        pytest.param(("/a", "lobby"), ("/b", "lobby"), id="the same name in another namespace"),
        pytest.param(("", "/a"), ("/a", ""), id="the global namespace"),
        pytest.param(("/a", "1"), ("/a", 1), id="a number and its digits"),
        pytest.param(("/a", None), ("/a", EVERYBODY), id="None is a room like any other"),
    ],
)
def test_d82_rooms_of_two_namespaces_never_meet(
    mine: tuple[str, Hashable], theirs: tuple[str, Hashable]
) -> None:
    index: Rooms[str] = Rooms()
    index.join("ann", *mine)
    assert index.members(*theirs) == []
    index.join("bob", *theirs)
    assert index.members(*mine) == ["ann"]
    assert index.members(*theirs) == ["bob"]


@pytest.mark.parametrize(
    "room",
    ["lobby", "", "a_b", 7, None, ("game", 42), frozenset({"x"}), 1.5, b"bytes"],
    ids=repr,
)
def test_d82_a_room_is_any_hashable_value(room: Hashable) -> None:
    index = rooms(("ann", "/chat", room))
    assert index.members("/chat", room) == ["ann"]
    assert index.rooms_of("ann", "/chat") == {room}


def test_d82_leaving_a_room_one_is_not_in_does_nothing() -> None:
    index = rooms(("ann", "/chat", "lobby"))
    index.leave("ann", "/chat", "attic")
    index.leave("bob", "/chat", "lobby")
    index.leave("ann", "/news", "lobby")
    assert index.members("/chat", "lobby") == ["ann"]
    index.check(["ann"])


def test_d82_membership_ends_with_the_namespace_and_only_there() -> None:
    index = rooms(("ann", "/chat", "lobby"), ("ann", "/chat", "attic"), ("ann", "/news", "lobby"))
    index.leave_namespace("ann", "/chat")
    assert index.members("/chat") == []
    assert index.members("/chat", "attic") == []
    assert index.rooms_of("ann", "/chat") == frozenset()
    assert index.members("/news", "lobby") == ["ann"]
    index.leave_namespace("ann", "/chat")


def test_the_room_of_all_is_not_listed_among_a_members_rooms() -> None:
    index: Rooms[str] = Rooms()
    index.enter("ann", "/chat")
    assert index.members("/chat", EVERYBODY) == ["ann"]
    assert index.rooms_of("ann", "/chat") == frozenset()


def test_d83_a_list_of_members_is_a_snapshot() -> None:
    index = rooms(("ann", "/chat", "lobby"), ("bob", "/chat", "lobby"))
    for member in index.members("/chat", "lobby"):
        index.leave_namespace(member, "/chat")
    assert index.members("/chat", "lobby") == []


def test_a_room_without_members_is_not_kept() -> None:
    index = rooms(("ann", "/chat", "lobby"), ("bob", "/chat", "attic"))
    index.leave("ann", "/chat", "lobby")
    index.leave_namespace("ann", "/chat")
    index.leave_namespace("bob", "/chat")
    assert not index._members
    assert not index._rooms


# ---- the check that others rely on


@pytest.mark.parametrize(
    ("damage", "alive"),
    [
        pytest.param(lambda index: None, [], id="a dead member is still in a room"),
        pytest.param(lambda index: index._members.clear(), ["ann"], id="one index is ahead"),
        pytest.param(
            lambda index: index._rooms["ann", "/chat"].pop("lobby"), ["ann"], id="or the other"
        ),
        pytest.param(lambda index: index._drop_members(), ["ann"], id="an empty room is kept"),
    ],
)
def test_check_finds_what_is_wrong(damage: Any, alive: list[str]) -> None:
    class Damaged(Rooms[str]):
        def _drop_members(self) -> None:
            self._members["/chat", "empty"] = {}

    index = Damaged()
    index.enter("ann", "/chat")
    index.join("ann", "/chat", "lobby")
    index.check(["ann"])
    damage(index)
    with pytest.raises((AssertionError, KeyError)):
        index.check(alive)


# ---- against the simplest model there is: a set of triples

members = st.sampled_from("abc")
namespaces = st.sampled_from(["", "/x", "/x_y"])
names = st.sampled_from(["r", "y_r", 1])
actions = st.lists(
    st.tuples(st.sampled_from(["enter", "join", "leave", "away"]), members, namespaces, names)
)


@given(actions)
def test_both_indexes_say_what_a_set_of_triples_says(
    actions: list[tuple[str, str, str, Hashable]],
) -> None:
    index: Rooms[str] = Rooms()
    model: set[tuple[str, str, Hashable]] = set()
    for action, member, namespace, room in actions:
        if action == "enter":
            index.enter(member, namespace)
            model.add((member, namespace, EVERYBODY))
        elif action == "join":
            index.join(member, namespace, room)
            model.add((member, namespace, room))
        elif action == "leave":
            index.leave(member, namespace, room)
            model.discard((member, namespace, room))
        else:
            index.leave_namespace(member, namespace)
            model = {each for each in model if each[:2] != (member, namespace)}
        index.check("abc")
    for namespace in ["", "/x", "/x_y"]:
        for name in ["r", "y_r", 1, EVERYBODY]:
            there = {m for m, n, r in model if (n, r) == (namespace, name)}
            assert set(index.members(namespace, name)) == there
        for member in "abc":
            own = {r for m, n, r in model if (m, n) == (member, namespace)} - {EVERYBODY}
            assert index.rooms_of(member, namespace) == own
