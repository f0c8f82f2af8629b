"""What has ended and is not freed: it may refer to itself, and then the garbage collector alone
frees it."""

from __future__ import annotations

from typing import Any
from weakref import ref

__all__ = ["Remains", "remains"]


class Remains:
    """Weak references to what has ended, for as long as it is there all the same.

    Of the whole process, as the collector is: see :mod:`.collecting`, which asks for them. Until
    then nothing is kept.
    """

    __slots__ = ("_known", "_time", "wanted")

    def __init__(self) -> None:
        #: Whether anybody asks.
        self.wanted = False
        # When each was added, in looks.
        self._known: dict[ref[Any], int] = {}
        self._time = 0

    def __len__(self) -> int:
        return len(self._known)

    def add(self, ended: object) -> None:
        """``ended`` should be freed soon."""
        if self.wanted:
            self._known[ref(ended, self._freed)] = self._time

    def _freed(self, gone: ref[Any]) -> None:
        self._known.pop(gone, None)

    def look(self) -> int:
        """How many were there at the last look already: what has just ended may be waited for."""
        self._time += 1
        return sum(time < self._time - 1 for time in self._known.values())

    def forget(self) -> None:
        """Count anew: those that are there now are kept by somebody."""
        self._known.clear()


remains = Remains()
