"""How soon a worker that died is replaced."""

from __future__ import annotations

__all__ = ["LONGEST", "STEADY", "Pauses"]

#: Seconds that a worker has to have accepted connections for its death to be the first one again.
STEADY = 10.0
#: Seconds between two attempts at most. Meanwhile those wait whom the kernel has dealt to it.
LONGEST = 10.0


class Pauses:
    """The pauses of one place: none at first, then half a second, and twice as much each time."""

    def __init__(self) -> None:
        self.deaths = 0

    def next(self, lived: float) -> float:
        """Seconds to wait, after a worker has died that accepted for ``lived`` seconds."""
        if lived >= STEADY:
            self.deaths = 0
        self.deaths += 1
        return 0.0 if self.deaths == 1 else min(LONGEST, 0.25 * 2.0 ** min(self.deaths - 1, 10))
