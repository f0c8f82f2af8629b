"""What a subscriber has heard lately, for those who go on with it: in parts that begin with marks
(:mod:`sockio.backplane.redis.position`)."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from ...runtime.interfaces import Runtime

__all__ = ["KEPT", "MOST", "Recent"]

#: Seconds for which it is kept at least, and bytes that are at most.
KEPT, MOST = 15.0, 8_000_000
#: Parts, and bytes that something takes beside its own.
_PARTS, _BESIDE = 64, 150

W = TypeVar("W")


class _Part(Generic[W]):
    __slots__ = ("at", "mark", "said", "size")

    def __init__(self, mark: bytes | None, at: float) -> None:
        self.mark = mark
        self.at = at
        self.said: list[tuple[W, bytes]] = []
        self.size = 0


class Recent(Generic[W]):
    """What was said, each with whatever tells for whom it is."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._parts: deque[_Part[W]] = deque()
        self._size = 0
        self._begin(None)

    def _begin(self, mark: bytes | None) -> None:
        now = self._runtime.now()
        parts = self._parts
        parts.append(_Part(mark, now))
        while len(parts) > 1 and (
            parts[1].at < now - KEPT or self._size > MOST or len(parts) > _PARTS
        ):
            self._size -= parts.popleft().size

    def add(self, said: list[tuple[W, bytes]]) -> None:
        """That was said, in this order."""
        size = sum([len(data) for _, data in said]) + _BESIDE * len(said)
        part = self._parts[-1]
        part.said += said
        part.size += size
        self._size += size
        if part.size > MOST // 4:
            # Nobody marks it, and still it has to end.
            self._begin(None)

    def mark(self, mark: bytes) -> bool:
        """It has come; whether for the first time, as far as it is known."""
        if mark in self:
            return False
        self._begin(mark)
        return True

    def __contains__(self, mark: bytes) -> bool:
        return any(part.mark == mark for part in self._parts)

    def since(self, marks: list[bytes]) -> tuple[bytes | None, list[tuple[W, bytes]]]:
        """The first of these that is known, and what came behind it; else None, and all."""
        for mark in marks:
            for number, part in enumerate(self._parts):
                if part.mark == mark:
                    return mark, self._said(number)
        return None, self._said(0)

    def _said(self, first: int) -> list[tuple[W, bytes]]:
        parts = list(self._parts)[first:]
        return [each for part in parts for each in part.said]
