"""What is written at a turn's end is bounded, too: counted on a clock that moves with the work."""

from __future__ import annotations

import gevent

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
