"""How long to wait for a peer that is to take what is left for it: as long as it takes some."""

from __future__ import annotations

__all__ = ["LONGEST", "STEP", "Patience"]

#: Seconds after which it is looked again whether something was taken.
STEP = 1.0
#: Seconds for all of it, where nothing else says so.
LONGEST = 60.0


class Patience:
    """Over after ``seconds`` in which nothing is taken, and after ``most`` in any case.

    ``taken`` says what has been taken so far: anything that changes whenever it is more.
    """

    __slots__ = ("_ends", "_seconds", "_since", "_taken")

    def __init__(self, now: float, seconds: float, taken: object, most: float = LONGEST) -> None:
        self._seconds = seconds
        self._taken = taken
        self._since = now
        self._ends = now + max(seconds, most)

    def left(self, now: float, taken: object) -> float:
        """Seconds until it has to be asked again; 0.0 when it is over."""
        if taken != self._taken:
            self._taken, self._since = taken, now
        end = min(self._since + self._seconds, self._ends)
        return max(0.0, min(end - now, STEP))
