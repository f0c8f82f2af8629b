"""Callbacks that wait for the client's acknowledgement.

Ids count from 1 per namespace, as the JavaScript client's do, so the namespace belongs to the key
(fact sheet, section 4). Every entry has a deadline, and the number of entries is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["PendingAcks", "Waiting"]


#: Namespaces of one client whose ids are counted on when it has left them, and the characters of
#: their names. Only those that fit patterns can be so many; there is room for all that a client may
#: be in at a time.
COUNTERS, THEIR_NAMES = 1000, 200_000


class Waiting:
    """One callback: ``answered(args)`` when the ack comes, ``failed(reason)`` when it will not.

    ``direct`` callbacks only wake somebody up and may be called anywhere; the others are the
    user's code and need a task of their own.
    """

    __slots__ = ("answered", "deadline", "direct", "failed")

    def __init__(
        self,
        answered: Callable[..., object],
        deadline: float,
        *,
        failed: Callable[[str], object] | None = None,
        direct: bool = False,
    ) -> None:
        self.answered = answered
        self.deadline = deadline
        self.failed = failed
        self.direct = direct


class PendingAcks:
    """The callbacks of one client, by namespace and id."""

    __slots__ = ("_counters", "_counters_size", "_limit", "_soonest", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counters: dict[str, int] = {}
        self._counters_size = 0
        # A dict keeps the order of insertion, so the first entry is the oldest.
        self._waiting: dict[tuple[str, int], Waiting] = {}
        # A lower bound of all deadlines, exact after expire(): no search on each add and pop.
        self._soonest = math.inf

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, endpoint: str, waiting: Waiting) -> tuple[int, Waiting | None]:
        """Register a callback: its ack id, and the oldest entry if it had to make room."""
        ack_id = self._counters.get(endpoint, 0) + 1
        if ack_id == 1:
            self._make_room_for(endpoint)
        self._counters[endpoint] = ack_id
        dropped = None
        if len(self._waiting) >= self._limit:
            dropped = self._waiting.pop(next(iter(self._waiting)))
        self._waiting[endpoint, ack_id] = waiting
        self._soonest = min(self._soonest, waiting.deadline)
        return ack_id, dropped

    def _make_room_for(self, endpoint: str) -> None:
        """One more namespace is counted: in the place of the oldest, which begins anew."""
        counters = self._counters
        self._counters_size += len(endpoint)
        while counters and (len(counters) >= COUNTERS or self._counters_size > THEIR_NAMES):
            oldest = next(iter(counters))
            del counters[oldest]
            self._counters_size -= len(oldest)

    def has(self, endpoint: str, ack_id: int) -> bool:
        """Whether somebody waits for that ack."""
        return (endpoint, ack_id) in self._waiting

    def pop(self, endpoint: str, ack_id: Any) -> Waiting | None:
        """The callback of an ack that arrived, which is forgotten; None for an unknown one."""
        return self._waiting.pop((endpoint, ack_id), None)

    def deadline(self) -> float | None:
        """When to call :meth:`expire` next, or None."""
        return self._soonest if self._waiting else None

    def expire(self, now: float) -> list[Waiting]:
        """Forget and return those whose time is over."""
        if self._soonest > now:
            return []
        late = [key for key, waiting in self._waiting.items() if waiting.deadline <= now]
        expired = [self._waiting.pop(key) for key in late]
        self._soonest = min((each.deadline for each in self._waiting.values()), default=math.inf)
        return expired

    def leave(self, endpoint: str) -> list[Waiting]:
        """Forget and return those of one namespace."""
        gone = [key for key in self._waiting if key[0] == endpoint]
        return [self._waiting.pop(key) for key in gone]

    def clear(self) -> list[Waiting]:
        """Forget and return all."""
        gone = list(self._waiting.values())
        self._waiting.clear()
        return gone
