"""The timer wheel: never early, hardly late, each once; moving a deadline later costs nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.sessions.wheel import GRANULARITY, Wheel


class Timed:
    def __init__(self, deadline: float | None) -> None:
        self.wheel_slot: int | None = None
        self.when = deadline

    def deadline(self) -> float | None:
        return self.when


def filed(*deadlines: float | None) -> tuple[Wheel[Timed], list[Timed]]:
    wheel: Wheel[Timed] = Wheel()
    entries = [Timed(deadline) for deadline in deadlines]
    for entry in entries:
        wheel.file(entry)
    return wheel, entries


def test_an_entry_is_due_at_its_deadline_and_once() -> None:
    wheel, [entry] = filed(10.0)
    assert wheel.due(9.9) == []
    assert wheel.due(10.0) == [entry]
    assert wheel.due(10.0) == []


def test_next_says_when_to_come_back() -> None:
    wheel, _ = filed(20.0, 10.0, 30.0)
    assert wheel.next() == pytest.approx(10.0)
    wheel.due(10.0)
    assert wheel.next() == pytest.approx(20.0)
    wheel.due(99.0)
    assert wheel.next() is None


def test_what_has_no_deadline_is_not_filed() -> None:
    wheel, [entry] = filed(None)
    assert entry.wheel_slot is None
    assert wheel.next() is None


def test_filing_says_whether_the_wheel_has_to_be_looked_at_earlier() -> None:
    wheel, _ = filed(10.0)
    assert not wheel.file(Timed(20.0))
    assert not wheel.file(Timed(10.0))
    assert wheel.file(Timed(5.0))


def test_moving_a_deadline_later_is_noticed_when_the_old_one_comes() -> None:
    wheel, [entry] = filed(10.0)
    entry.when = 20.0
    assert not wheel.file(entry)
    assert wheel.next() == pytest.approx(10.0)
    assert wheel.due(10.0) == []
    assert wheel.next() == pytest.approx(20.0)
    assert wheel.due(20.0) == [entry]


def test_moving_a_deadline_earlier_moves_the_entry() -> None:
    wheel, [entry] = filed(20.0)
    entry.when = 10.0
    assert wheel.file(entry)
    assert wheel.due(10.0) == [entry]
    assert wheel.due(20.0) == []


def test_a_deadline_that_was_called_off_is_forgotten_when_it_comes() -> None:
    wheel, [entry] = filed(10.0)
    entry.when = None
    assert wheel.due(10.0) == []
    assert entry.wheel_slot is None


def test_an_entry_leaves_at_once() -> None:
    wheel, [entry, other] = filed(10.0, 10.0)
    wheel.remove(entry)
    wheel.remove(entry)
    assert wheel.due(10.0) == [other]


def test_an_entry_can_be_filed_again_after_it_was_due_or_removed() -> None:
    wheel, [entry] = filed(10.0)
    wheel.due(10.0)
    entry.when = 12.0
    assert wheel.file(entry)
    wheel.remove(entry)
    wheel.file(entry)
    assert wheel.due(12.0) == [entry]


def test_a_deadline_that_rounding_puts_just_behind_its_own_slot_ends_the_round() -> None:
    """For about one slot in eight there is a number above its end that still rounds into it."""
    slot = next(
        slot
        for slot in range(1, 1_000)
        if math.ceil(math.nextafter(slot * GRANULARITY, math.inf) / GRANULARITY) == slot
    )
    wheel, [entry] = filed(math.nextafter(slot * GRANULARITY, math.inf))
    came = wheel.next()
    assert came is not None
    assert wheel.due(came) == []
    again = wheel.next()
    assert again is not None
    assert again > came
    assert wheel.due(again) == [entry]


times = st.floats(0, 100, allow_nan=False)


@given(deadlines=st.lists(times), moments=st.lists(times))
def test_never_early_hardly_late_and_each_once(
    deadlines: list[float], moments: list[float]
) -> None:
    wheel, entries = filed(*deadlines)
    waiting = set(entries)
    for now in [*sorted(moments), 101.0]:
        due = wheel.due(now)
        assert len(due) == len(set(due))
        for entry in due:
            waiting.remove(entry)  # a second time would raise
            assert entry.when is not None
            assert entry.when <= now
        assert all(now < (each.when or 0) + GRANULARITY + 1e-6 for each in waiting)
    assert not waiting
    assert wheel.next() is None


@given(st.lists(st.tuples(st.integers(0, 4), times), max_size=30))
def test_however_deadlines_move_the_last_one_counts(moves: list[tuple[int, float]]) -> None:
    wheel: Wheel[Timed] = Wheel()
    entries = [Timed(None) for _ in range(5)]
    for index, deadline in moves:
        entries[index].when = deadline
        wheel.file(entries[index])
    met: dict[Timed, float] = {}
    now = 0.0
    while (when := wheel.next()) is not None:
        now = max(now, when)
        for entry in wheel.due(now):
            assert entry not in met
            met[entry] = now
    for entry in entries:
        assert (entry in met) == (entry.when is not None)
        if entry.when is not None:
            assert entry.when <= met[entry] <= entry.when + GRANULARITY + 1e-6


def test_what_there_is_no_time_for_is_due_again_at_once() -> None:
    wheel, entries = filed(10.0, 10.0, 10.0)
    due = wheel.due(10.0)
    wheel.put_back(due[1:])
    wheel.remove(entries[2])
    assert wheel.next() == pytest.approx(10.0)
    assert wheel.due(10.0) == [entries[1]]
