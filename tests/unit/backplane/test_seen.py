"""How far each process has been heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import gevent

from sockio.backplane.seen import BEGINS, CAUGHT_UP, MOST, REMEMBERED, Seen
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


class Others:
    """Other hosts, heard when a test says so."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.stands = True
        self.waiting: list[Callable[[], object]] = []

    def hear(self, namespaces: Iterable[str], then: Callable[[], object]) -> None:
        self.heard += namespaces
        self.waiting.append(then)

    def echo(self, then: Callable[[], object]) -> bool:
        if self.stands:
            self.waiting.append(then)
        return self.stands

    def is_of_one(self, name: str) -> bool:
        return name.startswith("other")

    def come(self) -> None:
        while self.waiting:
            self.waiting.pop()()


def test_a_namespace_is_heard_before_anybody_is_asked(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen, others = Seen(runtime), Others()
    # Where there are no other hosts.
    seen.hear(["/chat"])
    seen.begin(others)
    waits = gevent.spawn(seen.hear, ["/chat"])
    runtime.advance(0.5)
    assert not others.heard
    seen.hears()
    runtime.settle()
    assert others.heard == ["/chat"]
    assert not waits.ready()
    others.come()
    waits.get(timeout=15)


def test_nobody_waits_for_long_until_others_are_heard(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen, others = Seen(runtime), Others()
    seen.begin(others)
    # Neither when it has begun just now, nor where a namespace is not confirmed.
    seen.hear([""], 0.01)
    seen.hears()
    seen.hear([""], 0.01)
    assert others.heard == ["", ""]
    assert BEGINS <= 1.0


def test_what_was_said_before_others_were_heard_is_not_waited_for(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen, others = Seen(runtime), Others()
    seen.begin(others)
    waits = gevent.spawn(seen.wait, {"other": 7, "sibling": 2}, 15)
    runtime.settle()
    others.come()
    runtime.settle()
    # By the mesh it comes at its own time.
    assert not waits.ready()
    seen.note(("sibling", 2))
    assert waits.get(timeout=15) is True
    # Nor where nothing comes from them.
    others.stands = False
    assert seen.wait({"other": 8}, 15)


def test_whoever_gives_has_all_that_the_other_one_may_have_missed(runtime: ManualRuntime) -> None:
    runtime.bind()
    seen, others = Seen(runtime), Others()
    seen.catch_up()
    seen.begin(others)
    waits = gevent.spawn(seen.catch_up)
    runtime.settle()
    assert not waits.ready()
    others.come()
    waits.get(timeout=15)
    others.stands = False
    seen.catch_up()
    # Whoever says nothing is not waited for.
    others.stands = True
    seen.catch_up(0.01)
    assert CAUGHT_UP <= 0.25
