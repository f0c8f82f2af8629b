"""The rooms of one client take no more of memory than ``max_rooms`` says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable

import pytest

from sockio import EventRefused
from sockio.sessions.rooms import Rooms

from .measuring import FACTOR, measuring

LIMIT = 400_000

NAMES: dict[str, Callable[[int], Hashable]] = {
    "numbers": lambda number: number + 1000,
    "short": lambda number: f"room {number}",
    "long": lambda number: f"{number}" + "x" * 1000,
    "very long": lambda number: f"{number}" + "x" * 90_000,
    "emoji": lambda number: f"{number}" + "\U0001f600" * 50,
    "tuples": lambda number: ("game", number, "x" * 20 + str(number)),
}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("namespaces", [1, 50])
def test_one_clients_rooms_take_no_more_than_their_bytes(names: str, namespaces: int) -> None:
    rooms: Rooms[str] = Rooms((10_000, LIMIT))
    number = 0

    def joins() -> bool:
        with contextlib.suppress(EventRefused):
            rooms.join("ann", f"/{number % namespaces}", NAMES[names](number))
            return True
        return False

    with measuring() as grown:
        while joins():
            number += 1
        held = grown.bytes
    assert number > 3
    assert LIMIT * 0.4 < held < LIMIT * FACTOR
