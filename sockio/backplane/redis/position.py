"""How far the server's stream of publications was heard, for who goes on with it elsewhere.

Several subscribers of one server hear the same, in the same order. Among it are *marks*, words that
no two have alike. So who has heard a mark from one of them can go on with another: that one says
again what came behind the mark, and what of that was heard is left out here. Publications with
numbers say so themselves. Of all else it is noted how often each came since each mark.
"""

from __future__ import annotations

from collections import Counter, deque

__all__ = ["MARKS", "MARK_BYTES", "Position"]

#: Marks that are remembered, and bytes that one may have.
MARKS, MARK_BYTES = 16, 64
#: What has no number, and comes between two marks. Of more it is not known what came.
MOST = 20_000


class _Part:
    """What came behind a mark, and before the next."""

    __slots__ = ("heard", "mark", "number", "size")

    def __init__(self, mark: bytes, number: int) -> None:
        self.mark = mark
        #: The how manieth it is.
        self.number = number
        self.heard: Counter[int] = Counter()
        self.size = 0


class Position:
    """Belongs to the thread that the sockets live in."""

    def __init__(self, channel: str) -> None:
        #: Where the marks are published.
        self.channel = channel
        self._parts: deque[_Part] = deque(maxlen=MARKS)
        #: Whether what comes may have come before: until a mark comes that is new.
        self.again = False
        # What has come already, of what has no number; None where that is not known.
        self._came: Counter[int] | None = None
        # Behind the how manieth mark that is what comes again.
        self._at = 0

    @property
    def number(self) -> int:
        """How many marks have come."""
        return self._parts[-1].number if self._parts else 0

    def is_behind(self, number: int) -> bool:
        """Whether what comes now was certainly said after so many marks had come; less is known of
        what comes again."""
        return not self.again or self._at > number

    @property
    def marks(self) -> list[bytes]:
        """The last ones, the newest first."""
        return [part.mark for part in reversed(self._parts)]

    def mark(self, mark: bytes) -> None:
        """It has come."""
        if len(mark) > MARK_BYTES:
            return
        for part in self._parts:
            if part.mark == mark:
                self._at = part.number
                return
        self._parts.append(_Part(mark, self.number + 1))
        self.end()

    def end(self) -> None:
        """What comes from now on is new."""
        self.again, self._came = False, None

    def is_new(self, *publication: str | bytes) -> bool:
        """Whether to deliver one that has no number, which is noted by that."""
        key = hash(publication)
        if self.again:
            came = self._came
            if came is None:
                return False
            if came[key] > 0:
                came[key] -= 1
                return False
        if self._parts:
            part = self._parts[-1]
            part.size += 1
            if part.size <= MOST:
                part.heard[key] += 1
        return True

    def go_on(self, mark: bytes | None) -> None:
        """What comes now begins behind that mark, or nobody knows where: then nothing that has no
        number is delivered until a new mark comes, so that nothing comes twice."""
        self.again, self._came = True, None
        came: Counter[int] = Counter()
        known = False
        # Where nobody knows it, all that is kept is said: as much as there are marks.
        self._at = self._parts[0].number if len(self._parts) == MARKS else 0
        for part in self._parts:
            if part.mark == mark:
                known, self._at = True, part.number
            if known:
                if part.size > MOST:
                    return
                came.update(part.heard)
        if known:
            self._came = came
