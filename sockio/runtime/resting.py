"""Tasks that gave way, and who goes on next: those of one client in turn with those of others."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Resting"]

T = TypeVar("T", bound=Hashable)


class Resting(Generic[T]):
    """A queue of ``T`` in which all of one client have one place among the others.

    Hundreds of tasks of one are passed by whoever has one: it waits for one of theirs at most.
    """

    __slots__ = ("_queues", "number")

    def __init__(self) -> None:
        # In the order in which it is their turn.
        self._queues: dict[Hashable, deque[T]] = {}
        #: How many there are: asked in each pass of the loop.
        self.number = 0

    def __len__(self) -> int:
        return self.number

    def append(self, task: T, whose: str) -> None:
        """Let ``task`` wait among those of the same client, or by itself without one."""
        key: Hashable = whose or task
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
        queue.append(task)
        self.number += 1

    def popleft(self) -> T:
        """The next one, after which it is the turn of another client. Raises ``KeyError`` where
        nobody waits."""
        try:
            whose = next(iter(self._queues))
        except StopIteration:
            raise KeyError from None
        queue = self._queues.pop(whose)
        task = queue.popleft()
        if queue:
            self._queues[whose] = queue
        self.number -= 1
        return task

    def remove(self, task: T, whose: str) -> None:
        """Take ``task`` out, if it waits still."""
        key: Hashable = whose or task
        queue = self._queues.get(key)
        if queue is None or task not in queue:
            return
        queue.remove(task)
        self.number -= 1
        if not queue:
            del self._queues[key]
