"""Things in order, each with its number: any can be looked at, and the oldest go."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Numbered"]

T = TypeVar("T")


class Numbered(Generic[T]):
    """Numbers go up by one. What has gone is cut off now and then: to look at one, to add one and
    to drop one each take the same time however many there are (a deque is slow in its middle)."""

    __slots__ = ("_gone", "_items", "last")

    def __init__(self) -> None:
        #: The number of the last; the next has one more.
        self.last = 0
        # None where one is gone.
        self._items: list[T | None] = []
        self._gone = 0

    def __len__(self) -> int:
        return len(self._items) - self._gone

    @property
    def first(self) -> int:
        """The number of the last that has gone."""
        return self.last - len(self)

    @property
    def view(self) -> tuple[list[T | None], int]:
        """A list, and a number: ``list[each - number]`` is one that has not gone. For who looks at
        many in one go; the next one that is added or dropped ends it."""
        return self._items, self.last + 1 - len(self._items)

    def append(self, item: T) -> int:
        self._items.append(item)
        self.last += 1
        return self.last

    def __getitem__(self, number: int) -> T:
        """Raises ``IndexError`` for one that has gone, and for one that has never been."""
        at = number - self.last - 1
        item = self._items[at] if self.first < number <= self.last else None
        if item is None:
            raise IndexError(number)
        return item

    def drop_oldest(self) -> T:
        """Raises ``IndexError`` where there is none."""
        item = self[self.first + 1]
        self._items[self._gone] = None
        self._gone += 1
        if self._gone * 2 > len(self._items):
            del self._items[: self._gone]
            self._gone = 0
        return item

    def clear(self) -> None:
        self._items.clear()
        self._gone = 0
