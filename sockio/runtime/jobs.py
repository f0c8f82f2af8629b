"""Tasks that input has set off and that have not begun: as many as fit a pass of the loop."""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["FEWEST", "ROOM", "SLICE", "Jobs"]

#: Seconds of a pass.
SLICE = 0.005
#: The number of tasks that may wait where nothing is known of them, and at least where they are of
#: the kind of which many take turns; and the least of all.
ROOM, FEWEST = 16, 2
#: Which part of what is known of their cost the last one tells.
NEWS = 1 / 8


class Jobs(deque[Any]):
    """A queue. While it is crowded, input waits: tasks are begun in the order in which they came,
    so whoever comes anew would wait for all of them, whoever has set them off."""

    __slots__ = ("_seconds", "room")

    def __init__(self) -> None:
        super().__init__()
        #: How many may wait while further input is handled.
        self.room = ROOM
        self._seconds = 0.0

    @property
    def crowded(self) -> bool:
        return len(self) > self.room

    def measure(self, jobs: int, seconds: float) -> None:
        """So many were begun and took so long: as many more as fit a slice may wait."""
        if seconds > 0.0:
            self.room = max(ROOM, int(jobs * SLICE / seconds))

    def took(self, seconds: float) -> None:
        """One was begun and took so long: no more than fit a slice may wait, of those that take as
        long as the last ones."""
        self._seconds += (seconds - self._seconds) * NEWS
        if self._seconds > 0.0:
            self.room = min(ROOM, max(FEWEST, int(SLICE / self._seconds)))
