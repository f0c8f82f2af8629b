"""How far each process has been heard."""

from __future__ import annotations

import gevent

from sockio.backplane.seen import BEGINS, HEARD, MOST, REMEMBERED, Seen
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


def test_who_has_only_just_begun_waits_until_others_are_heard(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen = Seen(runtime)
    # Where there are no other hosts.
    seen.wait_to_begin()
    seen.begin()
    waits = gevent.spawn(seen.wait_to_begin)
    runtime.advance(0.5)
    seen.hears()
    assert not waits.ready()
    runtime.advance(HEARD)
    waits.get(timeout=15)
    seen.wait_to_begin()


def test_nobody_waits_for_long_until_others_are_heard(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen = Seen(runtime)
    seen.begin()
    waits, shorter = gevent.spawn(seen.wait_to_begin), gevent.spawn(seen.wait_to_begin, 0.5)
    runtime.settle()
    runtime.advance(0.5)
    shorter.get(timeout=15)
    assert not waits.ready()
    runtime.advance(BEGINS)
    waits.get(timeout=15)
    seen.wait_to_begin()
