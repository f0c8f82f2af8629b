"""Who is alive, by the last sign of life of each."""

from __future__ import annotations

__all__ = ["GONE", "MOST", "Members"]

#: Seconds without a sign of life until somebody counts as gone.
GONE = 6.0
#: The most that there may be.
MOST = 1000


class Members:
    """By name. Whoever asks says what time it is."""

    def __init__(self) -> None:
        #: Until when each counts as alive, unless it is heard again; in that order.
        self._until: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._until

    def names(self) -> list[str]:
        return list(self._until)

    @property
    def full(self) -> bool:
        return len(self._until) >= MOST

    def hear(self, name: str, now: float) -> bool:
        """It gave a sign of life; whether it is new."""
        new = self._until.pop(name, None) is None
        self._until[name] = now + GONE
        return new

    def forget(self, name: str) -> bool:
        """It is gone; whether it was there."""
        return self._until.pop(name, None) is not None

    def trust(self, now: float) -> None:
        """Nobody could be heard: let each have its time again."""
        self._until = dict.fromkeys(self._until, now + GONE)

    def expire(self, now: float) -> list[str]:
        """Take out those who gave no sign for too long."""
        gone = []
        for name, until in self._until.items():
            if until > now:
                break
            gone.append(name)
        for name in gone:
            del self._until[name]
        return gone

    def first_end(self) -> float | None:
        """When one of them would have to go, if nothing is heard of it."""
        return next(iter(self._until.values()), None)
