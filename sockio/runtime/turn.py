"""One turn of the event loop, in which what goes out is collected to leave joined.

A turn opens when the first bytes of a loop's pass are read, and ends when what they set off has run
as far as it can without waiting. What gave way meanwhile has turns of its own when it goes on.
Whoever writes in between may put its packets together and send them once, at the turn's end: four
broadcasts that arrived in one read cost each of their receivers one system call instead of four,
and nothing leaves later than it would have been noticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from typing import Protocol

__all__ = ["Turn", "Writer"]


#: Seconds of writing at the end of one turn: a megabyte for each of a hundred clients takes longer,
#: and who waits to be read is not to wait for all of them.
SLICE = 0.005
#: So many write between two looks at the clock; and where each of them took less than so many
#: seconds, the next.
FEW, LIGHT, MANY = 4, 0.00005, 32


class Writer(Protocol):
    """Who collects."""

    def flush(self) -> None:
        """Write what was collected. Must not block or raise."""
        ...


class Turn:
    """Whether a turn is open, and who collected something in it."""

    __slots__ = ("_clock", "_joins", "_writers", "at_end", "open")

    def __init__(self, *, joins: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.open = False
        self._joins = joins
        self._writers: list[Writer] = []
        #: Have ``writer.flush()`` called when the turn ends.
        self.at_end: Callable[[Writer], None] = self._writers.append

    def begin(self) -> bool:
        """Open the turn, where packets are joined at all. Whether it was closed before, and its
        end has to be seen to."""
        began = self._joins and not self.open
        if began:
            self.open = True
        return began

    @property
    def behind(self) -> bool:
        """Whether some wait for a turn's end that had no time for them."""
        return bool(self._writers) and not self.open

    def end(self) -> bool:
        """Close the turn, and do what waited for it: for :data:`SLICE` seconds. Whether something
        is left, which is for the next end."""
        self.open = False
        writers = self._writers
        if not writers:
            return False
        # One that is called may have others write: they do so at once, for the turn is over, or in
        # a turn that is begun and ended meanwhile, or they are left for the next end.
        if len(writers) == 1:
            writers.pop().flush()
            return bool(writers)
        todo = writers[:]
        writers.clear()
        began = last = self._clock()
        few, left = FEW, iter(todo)
        done, number = 0, len(todo)
        while True:
            for writer in islice(left, few):
                writer.flush()
            done += few
            if done >= number:
                break
            now = self._clock()
            if now - began > SLICE:
                writers[:0] = left
                break
            few = MANY if now - last < few * LIGHT else FEW
            last = now
        return bool(writers)
