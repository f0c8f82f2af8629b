"""How many tasks may wait to be begun: as many as fit a pass of the loop."""

from __future__ import annotations

import pytest

from sockio.runtime.jobs import FEWEST, ROOM, SLICE, Jobs


def test_it_is_crowded_beyond_its_room() -> None:
    jobs = Jobs()
    jobs.extend([None] * ROOM)
    assert not jobs.crowded
    jobs.append(None)
    assert jobs.crowded


@pytest.mark.parametrize(
    ("number", "seconds", "room"),
    [(100, SLICE, 100), (100, SLICE / 4, 400), (8, SLICE * 4, ROOM), (8, 0.0, ROOM)],
)
def test_of_light_ones_more_may_wait(number: int, seconds: float, room: int) -> None:
    jobs = Jobs()
    jobs.measure(number, seconds)
    assert jobs.room == room


@pytest.mark.parametrize(
    ("seconds", "room"), [(0.0, ROOM), (SLICE / 100, ROOM), (SLICE / 5, 5), (SLICE * 9, FEWEST)]
)
def test_of_heavy_ones_fewer_may_wait(seconds: float, room: int) -> None:
    jobs = Jobs()
    for _ in range(100):
        jobs.took(seconds)
    # The average comes close to it from below.
    assert jobs.room in (room, room + 1)
    for _ in range(100):
        jobs.took(0.0)
    assert jobs.room == ROOM
