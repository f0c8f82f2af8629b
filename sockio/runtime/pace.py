"""For loops that can go on as long as a peer sends.

A cooperative socket returns at once while there is something to read or room to write: a task that
loops over it never waits, and nobody else gets a turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .interfaces import Runtime

__all__ = ["Pace"]

#: Processor time of the calling thread: while a task waits and nobody else works, it stands still.
_worked: Callable[[], float] = time.thread_time


class Pace:
    """How long one task has been working without a pause.

    ::

        pace = Pace(runtime)
        while ...:
            pace.keep()
            data = sock.recv(...)
    """

    __slots__ = ("_ends", "_give_way", "_runtime")

    def __init__(self, runtime: Runtime, give_way: Callable[[], object] | None = None) -> None:
        """``give_way`` blocks while others have their turn: :meth:`Runtime.breathe` if None."""
        self._runtime = runtime
        self._give_way = give_way or runtime.breathe
        self._ends = _worked() + runtime.share

    def keep(self) -> None:
        """Let others have their turn, if the calling task had its share. Blocks until then."""
        if _worked() > self._ends:
            self._breathe()

    def give_way(self) -> None:
        """Behind input that was waited for: let others have their turn, if those who got theirs
        before have kept the loop busy for long. Blocks until then."""
        if self._runtime.busy_for_long():
            self._breathe()

    def _breathe(self) -> None:
        self._give_way()
        self._ends = _worked() + self._runtime.share
