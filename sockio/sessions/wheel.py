"""One timer wheel for all sockets.

Deadlines move far more often than they are met (each poll, each heartbeat pushes one), so moving a
deadline *later* costs nothing here: an entry is looked at when its old slot comes up, asked for its
deadline of now, and filed again. Only a deadline that moves *earlier* moves the entry at once.
Nothing in this module knows a clock; time is passed in.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

__all__ = ["Timed", "Wheel"]

#: Seconds per slot: deadlines are met this much late at most.
GRANULARITY = 0.1


class Timed(Protocol):
    """Something with a deadline. ``wheel_slot`` is the wheel's own note on it."""

    wheel_slot: int | None

    def deadline(self) -> float | None:
        """When it wants to be looked at; None for not at all."""
        ...


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Entries in slots of :data:`GRANULARITY` seconds."""

    __slots__ = ("_heap", "_slots", "granularity")

    def __init__(self, granularity: float = GRANULARITY) -> None:
        self.granularity = granularity
        # Dicts as ordered sets, so that an entry that ends can leave at once.
        self._slots: dict[int, dict[T, None]] = {}
        self._heap: list[int] = []

    def file(self, entry: T, *, not_before: int = 0) -> bool:
        """See to it that ``entry`` is looked at by its deadline, in slot ``not_before`` or later.

        True when this made the wheel's next deadline earlier than it was.
        """
        deadline = entry.deadline()
        if deadline is None:
            return False
        slot = math.ceil(deadline / self.granularity)
        if slot < not_before:
            slot = not_before
        filed = entry.wheel_slot
        if filed is not None:
            if filed <= slot:
                return False
            self._slots[filed].pop(entry, None)
        entry.wheel_slot = slot
        entries = self._slots.get(slot)
        if entries is not None:
            entries[entry] = None
            return False
        self._slots[slot] = {entry: None}
        heapq.heappush(self._heap, slot)
        return self._heap[0] == slot

    def remove(self, entry: T) -> None:
        """Forget ``entry``, if it is filed."""
        slot = entry.wheel_slot
        if slot is not None:
            entry.wheel_slot = None
            self._slots[slot].pop(entry, None)

    def put_back(self, due: Iterable[T]) -> None:
        """File again what :meth:`due` gave, and there is no time for now."""
        for entry in due:
            self.file(entry)

    def entries(self) -> list[T]:
        """All that are filed."""
        return [entry for slot in self._slots.values() for entry in slot]

    def next(self) -> float | None:
        """When :meth:`due` wants to be called next; None for not before something is filed."""
        return self._heap[0] * self.granularity if self._heap else None

    def due(self, now: float) -> list[T]:
        """Remove and return the entries whose deadline has come."""
        due: list[T] = []
        reached = math.floor(now / self.granularity + 1e-9)
        while self._heap and self._heap[0] <= reached:
            slot = heapq.heappop(self._heap)
            for entry in self._slots.pop(slot):
                entry.wheel_slot = None
                deadline = entry.deadline()
                if deadline is None:
                    continue
                if deadline <= now:
                    due.append(entry)
                else:
                    # In a later slot even when rounding puts a deadline just ahead into this one:
                    # it would be taken out and filed again for ever.
                    self.file(entry, not_before=reached + 1)
        return due
