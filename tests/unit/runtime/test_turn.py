"""What is written at a turn's end is bounded, too: counted on a clock that moves with the work."""

from __future__ import annotations

import gevent
import pytest

from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.runtime.turn import SLICE, Turn


class Slow:
    """Takes nearly half a slice to write."""

    def __init__(self, clock: list[float], written: list[int], number: int) -> None:
        self.clock, self.written, self.number = clock, written, number

    def flush(self) -> None:
        self.clock[0] += 0.4 * SLICE
        self.written.append(self.number)


def test_an_end_writes_for_a_slice_and_the_next_one_goes_on() -> None:
    clock, written = [0.0], list[int]()
    turn = Turn(clock=lambda: clock[0])
    assert turn.begin()
    for number in range(7):
        turn.at_end(Slow(clock, written, number))
    ends: list[int] = []
    while not ends or turn.behind:
        turn.end()
        ends.append(len(written))
    assert ends == [4, 7]
    assert written == list(range(7))


class Talkative:
    """One whose writing has others write, in a turn that is begun meanwhile or not."""

    def __init__(self, turn: Turn, written: list[int], number: int, others: list[Slow]) -> None:
        self.turn, self.written, self.number, self.others = turn, written, number, others

    def flush(self) -> None:
        self.written.append(self.number)
        began = bool(self.others) and self.turn.begin()
        for other in self.others:
            self.turn.at_end(other)
        self.others = []
        if began and self.number % 2:
            self.turn.end()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21])
@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize("more", [1, 5, 30])
def test_nobody_is_forgotten_who_writes_while_others_do(count: int, which: int, more: int) -> None:
    clock, written = [0.0], list[int]()
    turn = Turn(clock=lambda: clock[0])
    which %= count
    others = [Slow(clock, written, 100 + number) for number in range(more)]
    turn.begin()
    for number in range(count):
        turn.at_end(Talkative(turn, written, number, others if number == which else []))
    ends = 1
    while turn.end():
        ends += 1
        assert ends < 100
    assert sorted(written) == [*range(count), *(100 + number for number in range(more))]


def test_the_loop_looks_for_input_before_it_goes_on() -> None:
    runtime = GeventRuntime()
    runtime.bind()
    clock, written, passes = [0.0], list[int](), list[int]()
    runtime.turn = Turn(clock=lambda: clock[0])
    loop = gevent.get_hub().loop

    class Counting(Slow):
        def flush(self) -> None:
            super().flush()
            passes.append(loop.iteration)

    runtime.begin_turn()
    for number in range(9):
        runtime.turn.at_end(Counting(clock, written, number))
    for _ in range(100):
        gevent.sleep(0.000001)
    assert written == list(range(9))
    assert [passes.count(each) for each in sorted(set(passes))] == [4, 4, 1]
