"""Whoever comes back finds what was for it without a look at all that is kept."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.sessions.event_index import FEW, EventIndex
from sockio.sessions.event_log import Entry, EventLog
from sockio.sessions.numbered import Numbered
from sockio.sessions.recovery import AT_ONCE, MOST_LOOKS, Recovery
from sockio.sessions.stay import Stay

from ..conftest import MakeHouse
from .test_recovery import Chat, Client, ended

MANY = 1_000_000

rooms_of_events = st.none() | st.lists(st.sampled_from("abcdefg"), max_size=7).map(tuple)
events = st.lists(st.tuples(st.sampled_from(["/x", "/y"]), rooms_of_events), max_size=40)


@given(events, st.integers(0, 40), st.integers(0, 40), st.lists(st.sampled_from("abcdefg")))
def test_it_finds_what_a_look_at_all_of_them_finds(
    kept: list[tuple[str, tuple[Hashable, ...] | None]],
    dropped: int,
    since: int,
    mine: list[str],
) -> None:
    index = EventIndex()
    for namespace, rooms in kept:
        index.append(namespace, rooms)
    dropped = min(dropped, len(kept))
    for namespace, rooms in kept[:dropped]:
        index.drop_oldest(namespace, rooms)
    since = max(since, dropped)
    found = index.meant("/x", mine, since, MANY)
    assert found is not None
    assert found == sorted(set(found))
    wanted = [
        number
        for number, (namespace, rooms) in enumerate(kept, 1)
        if number > since
        and namespace == "/x"
        and (rooms is None or len(rooms) > FEW or not {*rooms}.isdisjoint(mine))
    ]
    assert found == wanted


def test_nothing_is_left_of_what_is_gone() -> None:
    index = EventIndex()
    for number in range(1000):
        index.append("/x", (number,))
    for number in range(1000):
        index.drop_oldest("/x", (number,))
    assert not index._last
    assert not index._links


def test_it_gives_up_where_it_takes_too_long() -> None:
    index = EventIndex()
    for _ in range(100):
        index.append("/x", None)
        index.append("/y", ("a", "b"))
    assert len(index.meant("/x", [], 0, 101) or ()) == 100
    assert index.meant("/x", [], 0, 100) is None
    # Those that are found by several rooms, and the rooms.
    assert index.meant("/y", "ab", 0, 202) is None
    assert len(index.meant("/y", "ab", 0, 203) or ()) == 100
    assert index.meant("/z", range(100), 0, 100) is None


def test_numbers_go_on_whatever_is_gone() -> None:
    things: Numbered[str] = Numbered()
    assert [things.append(each) for each in "abcde"] == [1, 2, 3, 4, 5]
    assert (things.drop_oldest(), things.drop_oldest(), things.drop_oldest()) == ("a", "b", "c")
    assert (things.first, things.last, len(things)) == (3, 5, 2)
    assert (things[4], things[5]) == ("d", "e")
    for gone in (-1, 0, 3, 6):
        with pytest.raises(IndexError):
            things[gone]
    things.clear()
    assert (things.first, things.last, len(things)) == (5, 5, 0)
    assert things.append("f") == 6


def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the events that are looked at from now on."""
    looked: list[int] = []
    is_meant = Stay.is_meant

    def counting(stay: Stay, rooms: object, skip: object, number: int) -> bool:
        looked.append(number)
        return is_meant(stay, rooms, skip, number)  # type: ignore[arg-type]

    monkeypatch.setattr(Stay, "is_meant", counting)
    return looked


def test_a_client_looks_at_what_may_be_for_it(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at what others were sent meanwhile, however much that is."""
    home = house({"/chat": Chat, "/other": Chat}, recovery=120)
    ada = Client(home)
    ada.hangs_up()
    chat, other = home.middleware.of("/chat"), home.middleware.of("/other")
    for number in range(1000):
        other.emit("news", number)
        chat.to(f"room {number % 7}").emit("news", number)
        if number % 100 == 0:
            chat.emit("news", number)
    looked = looks(monkeypatch)
    ada.events.clear()
    ada.connect()
    assert ada.recovered
    assert ada.events == [["news", number] for number in range(0, 1000, 100)]
    assert len(looked) == 10
    ended(ada)


def test_who_would_have_to_look_at_too_much_begins_anew(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_LOOKS == 15_000
    monkeypatch.setattr("sockio.sessions.recovery.MOST_LOOKS", 50)
    home = house({"/chat": Chat}, recovery=120)
    ada, bob = Client(home), Client(home)
    bob.hangs_up()
    for _ in range(40):
        home.middleware.of("/chat").emit("news")
    ada.reads()
    ada.hangs_up()
    for _ in range(20):
        home.middleware.of("/chat").skip("somebody").emit("news")
    looked = looks(monkeypatch)
    bob.connect()
    assert not bob.recovered
    assert not looked
    ada.connect()
    assert ada.recovered
    assert len(looked) == 20
    ended(ada, bob)


def test_what_is_too_old_is_forgotten_by_parts(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=(120, 100_000_000))
    recovery = home.registry.recovery
    assert recovery is not None
    recovery.expect()
    # One is said to who comes.
    for _ in range(AT_ONCE + 100):
        home.middleware.of("/chat").emit("news")
    ada = Client(home)
    ada.hangs_up()
    dropped: list[int] = []
    drop = EventLog.drop_oldest

    def counting(log: EventLog) -> Entry:
        dropped[-1] += 1
        return drop(log)

    forget = Recovery._forget

    def a_part(recovery: Recovery) -> None:
        dropped.append(0)
        forget(recovery)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventLog, "drop_oldest", counting)
        patch.setattr(Recovery, "_forget", a_part)
        home.runtime.advance(300)
    assert [each for each in dropped if each] == [AT_ONCE, 101]
    assert recovery.size == 0
    recovery.expected()
    ended(ada)
