"""How far each process has been heard."""

from __future__ import annotations

import gevent

from sockio.backplane.seen import MOST, REMEMBERED, Seen
from sockio.testing import ManualRuntime


def test_it_is_remembered_in_bounds(runtime: ManualRuntime) -> None:
    seen = Seen(runtime)
    for number in range(MOST + 10):
        seen.note((f"process {number}", number))
    assert len(seen.numbers()) == MOST
    assert "process 9" not in seen.numbers()
    # What is told to others they remember still.
    runtime.advance(REMEMBERED / 2 + 1)
    assert seen.numbers() == {}
    assert seen.wait({"process 10": 10}, 0)
    runtime.advance(REMEMBERED / 2)
    seen.note(("another", 1))
    assert not seen.wait({"process 10": 10}, 0)
    assert seen.numbers() == {"another": 1}


def test_who_waits_goes_on_when_all_of_it_has_come(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen = Seen(runtime)
    seen.note(("a", 3))
    waits = gevent.spawn(seen.wait, {"a": 3, "b": 2}, 15)
    runtime.settle()
    seen.note(("b", 1))
    seen.note(("a", 4))
    runtime.settle()
    assert not waits.ready()
    seen.note(("b", 2))
    assert waits.get(timeout=15) is True
