"""Which channel what is said to a room goes by."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sockio.backplane import channels
from sockio.backplane.channels import Lately, channel_of, node_channel, nodes_channel, room_channel
from sockio.sessions.ids import HostIds, Ids

NAMESPACES = ["", "/", "/chat", "/chat#", "/chat#lobby", "/chat%23", "/chat%23lobby", "/#"]
ROOMS: list[Any] = [
    "", "lobby", "#lobby", "lobby#", "5", 5, 5.5, "5.5", -1, 10**30, "x" * 19, "x" * 20, "x" * 21,
    "\ud800", "%23", "x" * 5000, 1e300,
]  # fmt: skip


def test_no_two_share_one() -> None:
    names = [room_channel("g", *each) for each in itertools.product(NAMESPACES, ROOMS)]
    names += [channel_of("g", each) for each in NAMESPACES]
    names += [nodes_channel("g"), node_channel("g", "room:#lobby"), channel_of("g", "server-side")]
    names.append(room_channel("g", "", Ids().name()))
    assert len({*names}) == len(names)


@pytest.mark.parametrize("same", [(1, 1.0, True), (0, -0.0, False), (2**53, float(2**53))])
def test_equal_names_are_one_room(same: tuple[Any, ...]) -> None:
    assert len({room_channel("g", "/chat", each) for each in same}) == 1


def test_a_short_name_can_be_read_and_a_long_one_is_short() -> None:
    assert room_channel("socket.io", "/chat", "lobby") == "sockio:socket.io:room:/chat#lobby"
    assert len(room_channel("socket.io", "/chat", "x" * 5000)) < 80
    # Those of 0.9 are secrets.
    assert "abcdefghijklmnopqrst" not in room_channel("g", "", "abcdefghijklmnopqrst")


def test_the_clients_of_one_process_share_one() -> None:
    one, other = HostIds(), HostIds()
    names = {room_channel("g", each, one.name()) for each in NAMESPACES}
    assert names == {f"sockio:g:name:{one.boot}"}
    assert room_channel("g", "", other.name()) not in names


def test_rooms_that_somebody_was_ordered_into_a_moment_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lately = Lately()
    assert not lately.has("", "attic", 0)
    lately.note("", ["attic", 1], 0)
    lately.note("", ["cellar"], 2)
    assert lately.has("", "attic", 2.9)
    assert lately.has("", True, 2.9)
    assert not lately.has("/chat", "attic", 2.9)
    assert not lately.has("", "attic", 3)
    assert lately.has("", "cellar", 4.9)
    # A second order counts.
    lately.note("", ["cellar"], 4.9)
    assert lately.has("", "cellar", 7)
    monkeypatch.setattr(channels, "ORDERS", 2)
    lately.note("", ["a", "b", "c"], 10)
    assert lately.has("/chat", "whatever", 12.9)
    assert not lately.has("", "a", 13)
