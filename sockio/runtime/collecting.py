"""When the garbage collector walks through what is old: in parts, and through everything only where
there is a reason to and nobody waits.

A full collection stops everybody for as long as there are objects, 70 ms for 10 000 sessions, more
where these keep more, and Python begins one wherever it happens to be, in the midst of a flood as
well. So what has come since the last one is walked through by itself, soon enough to be done in
25 ms, and left alone from then on (``gc.freeze()``). It is freed like anything when nobody refers
to it any more; only what refers to itself and has become garbage so late stays. Of sessions that
have ended it is known how many are there still (:mod:`.remains`): where these become many,
everything is walked through, and so it is, seldom, where memory has grown. Young objects are
collected as ever.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

from ..protocol.strict_json import unnoticed
from .remains import remains

__all__ = ["Collector"]

#: Growth in blocks of memory (a hundred bytes on average; a session is some thirty) behind which
#: what has come is due to be walked through, and behind which it is at once.
DUE, AT_ONCE = 100_000, 250_000
#: What makes everything due, each in a quiet moment, in a calm one, and at once: so many ended
#: sessions that are not freed; or, behind :data:`LONG` seconds, so many times the blocks that there
#: were, and :data:`MORE` of them.
REMAINS = (500, 2_000, 10_000)
TIMES = (1.25, 2.0, 4.0)
LONG, MORE = 600.0, 500_000
#: Collections of the middle generation between two looks at the growth; Python itself would begin
#: a full one behind so many.
ROUNDS = 10
#: Seconds that the process has to work for less than :data:`CALM` of, so that there is time for
#: what has come, and for less than :data:`QUIET` of, so that there is for everything.
WHILE = 1.0
CALM, QUIET = 0.5, 0.05
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
        # Of the next look, and of what is done at once.
        self._timer: Any = None
        self._now: Any = None
        # Processor time of the process when it was looked at last.
        self._worked = 0.0
        self._before = gc.get_threshold()
        # Blocks behind the last collection, and behind the last of everything and when that was.
        # What was there at the beginning is walked through by neither.
        self._kept = self._all_kept = sys.getallocatedblocks()
        self._all_at = time.monotonic()

    def start(self) -> bool:
        """Take over from Python; False where the application has settings of its own."""
        if self._before not in _DEFAULTS or not gc.isenabled():
            return False
        gc.set_threshold(*self._before[:2], _NEVER)
        gc.callbacks.append(self._collected)
        unnoticed.append(self._notice)
        remains.wanted = True
        return True

    def stop(self) -> None:
        """Give it back."""
        remains.wanted = False
        remains.forget()
        gc.callbacks.remove(self._collected)
        unnoticed.remove(self._notice)
        gc.set_threshold(*self._before)
        gc.unfreeze()
        for timer in (self._timer, self._now):
            _end(timer)
        self._timer = self._now = None

    def grown(self) -> int:
        """Blocks that have come since the last collection."""
        return sys.getallocatedblocks() - self._kept

    def _all_due(self, haste: int, left: int) -> bool:
        """Whether everything is due to be walked through, as so many are left that have ended: 0 in
        a quiet moment, 1 in a calm one, 2 in any other."""
        if left > REMAINS[haste]:
            return True
        if time.monotonic() - self._all_at < LONG:
            return False
        return sys.getallocatedblocks() - MORE > TIMES[haste] * self._all_kept

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase != "stop" or info["generation"] != 1:
            return
        self._rounds += 1
        if self._rounds < ROUNDS or _thread_id() != self._thread:
            return
        self._rounds = 0
        # What was freed makes no room for what comes.
        self._kept = min(self._kept, sys.getallocatedblocks())
        if self.grown() > AT_ONCE:
            self._notice()
        elif self._timer is None and self._due():
            self._wait()

    def _notice(self) -> None:
        """Much may have come at once."""
        if self._now is None and self.grown() > AT_ONCE and _thread_id() == self._thread:
            # Not here: it may be within another collection.
            self._now = self._in(0.0, self._take)

    def _due(self) -> bool:
        """Whether anything is, if there is time for it."""
        return self.grown() > DUE or self._all_due(0, len(remains))

    def _in(self, seconds: float, do: Callable[[], None]) -> Any:
        # Nobody has to stay for it.
        timer = self._loop.timer(seconds, ref=False)
        timer.start(do)
        return timer

    def _wait(self) -> None:
        """Look in a while, at how much the process has worked until then."""
        self._worked = time.process_time()
        self._timer = self._in(WHILE, self._look)

    def _look(self) -> None:
        _end(self._timer)
        self._timer = None
        worked = time.process_time() - self._worked
        haste = 0 if worked < QUIET * WHILE else 1 if worked < CALM * WHILE else 2
        if self._all_due(haste, remains.look()):
            gc.unfreeze()
            gc.collect()
            remains.forget()
            self._leave_alone()
            self._all_kept, self._all_at = self._kept, time.monotonic()
        elif haste < 2 and self.grown() > DUE:
            self._take()
        elif self._due():
            self._wait()

    def _take(self) -> None:
        """Walk through what has come."""
        _end(self._now)
        self._now = None
        gc.collect()
        self._leave_alone()

    def _leave_alone(self) -> None:
        gc.freeze()
        self._kept = sys.getallocatedblocks()


def _end(timer: Any) -> None:
    if timer is not None:
        timer.stop()
        timer.close()
