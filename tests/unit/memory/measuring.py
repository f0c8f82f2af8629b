"""What things take of memory, as Python's allocator sees it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["BINARY", "FACTOR", "SHAPES", "Grown", "measuring"]

#: How many times a limit may be taken in memory.
FACTOR = 1.2

#: What hostile packets hold, each new by a number: as small as can be, of wide characters, of one
#: wide character among many narrow ones, of many parts.
SHAPES: dict[str, Callable[[int], list[object]]] = {
    "nothing": lambda number: [],
    "tiny": lambda number: [number % 10],
    "plain": lambda number: ["x" * (100 + number % 10)],
    "latin": lambda number: ["é" * (100 + number % 10)],
    "cyrillic": lambda number: ["ы" * (100 + number % 10)],
    "one wide": lambda number: ["\u3042" + "x" * (300 + number % 10)],
    "one emoji": lambda number: ["\U0001f600" + "x" * (300 + number % 10)],
    "emoji": lambda number: ["\U0001f600" * (100 + number % 10)],
    "large": lambda number: ["x" * (20_000 + number % 10)],
}
#: The same with attachments, for generations that have those.
BINARY: dict[str, Callable[[int], list[object]]] = {
    "empty bytes": lambda number: [b""] * 10,
    "small bytes": lambda number: [bytes([number % 256, each]) for each in range(10)],
    "large bytes": lambda number: [bytes([number % 256]) * 5000 for _ in range(3)],
}


class Grown:
    """Bytes that were taken since it was begun, and are held."""

    def __init__(self) -> None:
        self._before = _traced()

    @property
    def bytes(self) -> int:
        return _traced() - self._before


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def measuring() -> Iterator[Grown]:
    tracemalloc.start()
    try:
        yield Grown()
    finally:
        tracemalloc.stop()
