"""The numbers of publications: a publisher gives them, a receiver concludes what it has missed.

Both keep a bounded number of counters. What a publisher forgets begins a new series; what a
receiver forgets is counted from where it is heard again.
"""

from __future__ import annotations

from typing import NamedTuple

from .frames import begin_frame

__all__ = ["LATE", "Counter", "Heard", "Numbering", "Verdict", "begin_command", "follow", "reached"]

#: Channels that a publisher counts for, at least: twice as many at most.
KEPT = 25_000
#: Numbers that may be missing at once. Who sends a higher one is no publisher of ours.
MAX_MISSING = 1_000_000_000
#: So many in a row that seem to be late show that the number before them was wrong; where others
#: have followed on that number, only if nothing else comes for so many seconds. A server that stood
#: still, and was replaced, says thousands of late ones when it goes on.
LATE, LATE_FOR = 16, 5.0


class Counter:
    """How far a publisher has counted on one channel."""

    __slots__ = ("command", "frame", "number", "series")

    def __init__(self, command: bytes, frame: bytes, series: int) -> None:
        #: What the command that publishes there begins with, and its frame: the number follows.
        self.command = command
        self.frame = frame
        self.series = series
        self.number = 0


def begin_command(verb: bytes) -> bytes:
    """What a command with two arguments begins with."""
    return b"*3\r\n$%d\r\n%b\r\n" % (len(verb), verb)


class Numbering:
    """The counters of one publisher. Those of the channels that it used last stay: of two
    generations the older is forgotten when the younger is full."""

    __slots__ = ("_next", "_old", "_publisher", "_series", "_verb", "young")

    def __init__(self, publisher: bytes, verb: bytes) -> None:
        self._publisher = publisher
        self._verb = begin_command(verb)
        self._series = 0
        #: Look here first, then call :meth:`of`.
        self.young: dict[str, Counter] = {}
        self._old: dict[str, Counter] = {}
        # Channels that :meth:`in_turn` has yet to give.
        self._next: list[str] = []

    def speak(self, verb: bytes) -> None:
        """What publishes is called otherwise."""
        before, self._verb = self._verb, begin_command(verb)
        for counter in (*self._old.values(), *self.young.values()):
            counter.command = self._verb + counter.command.removeprefix(before)

    def in_turn(self, most: int) -> dict[str, tuple[int, int]]:
        """Series and number of so many channels: the next ones where there are more."""
        if not self._next:
            self._next = [*self._old, *self.young]
        names, self._next = self._next[:most], self._next[most:]
        found: dict[str, tuple[int, int]] = {}
        for name in names:
            counter = self.young.get(name) or self._old.get(name)
            if counter is not None:
                found[name] = counter.series, counter.number
        return found

    def of(self, channel: str) -> Counter:
        """The counter of a channel that is not among the young."""
        counter = self._old.pop(channel, None)
        if counter is None:
            self._series += 1
            name = channel.encode("utf-8", "surrogatepass")
            counter = Counter(
                b"%b$%d\r\n%b\r\n$" % (self._verb, len(name), name),
                begin_frame(self._publisher, self._series),
                self._series,
            )
        if len(self.young) >= KEPT:
            self._old, self.young = self.young, {}
        self.young[channel] = counter
        return counter


class Heard:
    """The last that a receiver heard of one publisher on one channel."""

    __slots__ = ("jumped", "late", "number", "series", "since")

    def __init__(self, series: int, number: int) -> None:
        self.series = series
        self.number = number
        #: The number that some were missing before, as long as nothing has followed on it.
        self.jumped = number
        #: How many in a row came since that had lower numbers, and when the first of them did.
        self.late = 0
        self.since = 0.0


class Verdict(NamedTuple):
    """What the number of a frame says. ``fault`` is empty where the frame is to be delivered."""

    missing: int
    fault: str = ""


_IN_ORDER = Verdict(0)
_OUT_OF_ORDER = Verdict(0, "late")
_IMPOSSIBLE = Verdict(0, "impossible")


def follow(heard: Heard, series: int, number: int, now: float = 0.0) -> Verdict:
    """Take note of the next frame of a publisher that was heard before, ``now``.

    Late and repeated ones (``late``) are not delivered: they were counted as missing. ``heard``
    begins anew where :data:`LATE` of them come in a row, since then the one before them was forged;
    and it does not believe in numbers that nobody can have reached (``impossible``).
    """
    if series == heard.series:
        missing = number - heard.number - 1
        late = missing < 0
    else:
        missing = number - 1
        late = series < heard.series or missing < 0
    if missing > MAX_MISSING or series > heard.series + MAX_MISSING:
        return _IMPOSSIBLE
    if late:
        heard.late += 1
        if heard.late == 1:
            heard.since = now
        followed = heard.number != heard.jumped
        if heard.late < LATE or (followed and now - heard.since < LATE_FOR):
            return _OUT_OF_ORDER
        missing = 0
    if late or missing:
        heard.jumped = number
    heard.series, heard.number, heard.late = series, number, 0
    return Verdict(missing) if missing else _IN_ORDER


def reached(heard: Heard, series: int, number: int) -> int:
    """How many are missing, now that their publisher says that this was its last. What cannot be
    true, or is less than was heard of it, says nothing."""
    missing = number - (heard.number if series == heard.series else 0)
    if series < heard.series or missing <= 0:
        if (series, number) == (heard.series, heard.number):
            heard.jumped = -1
        return 0
    if missing > MAX_MISSING or series > heard.series + MAX_MISSING:
        return 0
    heard.series, heard.number, heard.late = series, number, 0
    # Until it says so again.
    heard.jumped = number
    return missing
