"""Who keeps a server waiting for too long is told so: in turns, where that are many."""

from __future__ import annotations

import itertools
import time

import pytest

from sockio import SocketIOMiddleware
from sockio.server.door import Door
from sockio.testing import ManualRuntime

from ...support.servers import not_ours


class Waiter:
    idle = new = False

    def __init__(self, due: float, told: list[Waiter]) -> None:
        self.wheel_slot: int | None = None
        self._told = told
        self._due = due

    def deadline(self) -> float:
        return self._due

    def arrives(self) -> bool:
        return False

    def overdue(self) -> None:
        self._told.append(self)

    def give_up(self) -> None:
        """Nobody asks."""


def test_many_are_told_in_turns(runtime: ManualRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SocketIOMiddleware(not_ours, {}, runtime=runtime).registry
    door = Door(registry.settings, runtime, registry.complaints)
    told: list[Waiter] = []
    due = time.monotonic() - 1.0
    waiters = [Waiter(due, told) for _ in range(6)]
    for waiter in waiters:
        door.expect(waiter)
    # There is time for two between two looks for input.
    times = itertools.cycle((False, True))
    asked: list[bool] = []

    def busy_for_long() -> bool:
        asked.append(next(times))
        return asked[-1]

    monkeypatch.setattr(runtime, "busy_for_long", busy_for_long)
    runtime.time = time.monotonic()
    runtime.advance(10)
    assert told == waiters
    assert asked.count(True) >= 2
    door.close()
