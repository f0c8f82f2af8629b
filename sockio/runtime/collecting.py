"""When the garbage collector walks through everything: when there is time for it.

A full collection stops everybody for as long as there are objects, 35 ms for 5000 sessions, and
Python begins one wherever it happens to be, in the midst of a flood as well. What refers to itself
and has become garbage is rare in what lives for long, so that can wait for a moment without work,
unless much has come since. Young objects are collected as ever.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

__all__ = ["Collector"]

#: Growth in blocks of memory (a hundred bytes on average; a session is some thirty) behind which a
#: full collection is due, and behind which it is made at once; and as parts of what there was
#: behind the last one, whichever is more.
DUE, AT_ONCE = 100_000, 600_000
DUE_PART, AT_ONCE_PART = 0.25, 1.0
#: Collections of the middle generation between two looks at the growth; Python itself would begin
#: a full one behind so many.
ROUNDS = 10
#: Seconds that the process has to work for less than :data:`CALM` of, so that there is time.
WHILE = 1.0
CALM = 0.5
#: Never behind any number of younger collections.
_NEVER = 1 << 30
#: What Python begins with. Who has set others knows why.
_DEFAULTS = {(700, 10, 10), (2000, 10, 10), (2000, 10, 0)}

# The real one: patched, it tells greenlets apart, not threads.
_thread_id: Callable[[], int] = get_original("_thread", "get_ident")


class Collector:
    """Makes the full collections of this process, in the loop of the calling thread's hub."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._thread = _thread_id()
        self._rounds = 0
        self._timer: Any = None
        # Processor time of the process when it was looked at last.
        self._worked = 0.0
        self._before = gc.get_threshold()
        # What was there at the beginning is not walked through, and behind the last collection.
        self._base = self._kept = sys.getallocatedblocks()

    def start(self) -> bool:
        """Take over from Python; False where the application has settings of its own."""
        if self._before not in _DEFAULTS or not gc.isenabled():
            return False
        gc.set_threshold(*self._before[:2], _NEVER)
        gc.callbacks.append(self._collected)
        return True

    def stop(self) -> None:
        """Give it back."""
        gc.callbacks.remove(self._collected)
        gc.set_threshold(*self._before)
        self._end_waiting()

    def grown(self) -> int:
        """Blocks that have come since the last full collection."""
        return sys.getallocatedblocks() - self._kept

    def _limit(self, least: int, part: float) -> float:
        return max(least, part * (self._kept - self._base))

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase != "stop" or info["generation"] != 1:
            return
        self._rounds += 1
        if self._rounds < ROUNDS or _thread_id() != self._thread:
            return
        self._rounds = 0
        if self.grown() > self._limit(AT_ONCE, AT_ONCE_PART):
            # Not within another collection.
            self._wait(0.0)
        elif self._timer is None and self.grown() > self._limit(DUE, DUE_PART):
            self._worked = time.process_time()
            self._wait(WHILE)

    def _wait(self, seconds: float) -> None:
        self._end_waiting()
        # Nobody has to stay for it.
        self._timer = self._loop.timer(seconds, ref=False)
        self._timer.start(self._look)

    def _end_waiting(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()

    def _look(self) -> None:
        self._end_waiting()
        worked, self._worked = self._worked, time.process_time()
        grown = self.grown()
        if grown <= self._limit(DUE, DUE_PART):
            return
        busy = self._worked - worked > CALM * WHILE
        if busy and grown <= self._limit(AT_ONCE, AT_ONCE_PART):
            self._wait(WHILE)
            return
        gc.collect()
        self._kept = sys.getallocatedblocks()
