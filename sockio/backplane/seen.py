"""How far each process has been heard here: what recovery has to know of a client that goes from
one worker to another, so that it hears everything once.

Every emission that is kept for who comes back has an *origin*: the process that said it, and the
how manieth it was. What one process says comes to each other one in that order. So a number says of
all before it that they have come, too, or were said before this process heard anybody. (By a
cluster of Redis the order is that of each namespace alone: of two said at once one may be missed.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from ..runtime.interfaces import Runtime, Signal
from ..sessions.event_log import Origin

__all__ = ["Seen"]

#: Seconds for which it is remembered how far a process was heard, and processes. Whatever two
#: workers of a host do not have both by then is not on its way.
REMEMBERED, MOST = 60.0, 1000
#: Seconds that a process which has just begun may take to hear other hosts, and for which it has to
#: have heard them: what it has not heard by then may be known to its siblings, and not to it.
BEGINS, HEARD = 1.0, 0.1


class Seen:
    """What has come from each process lately. Belongs to the thread that the sockets live in."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # Those heard last at the end, each with when that was.
        self._last: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting: list[tuple[Mapping[str, int], Signal]] = []
        # What was said before this process was there.
        self._before: OrderedDict[str, int] = OrderedDict()
        #: Whether anything of a process may come still that has not.
        self.may_come: Callable[[str], bool] = lambda name: True
        #: Blocks the calling task until all has come that other hosts had said by now, for a moment
        #: at most: what has no number is known by that alone.
        self.catch_up: Callable[[], object] = lambda: None
        # Until when it is waited for that others are heard at all.
        self._begins: tuple[Signal, float] | None = None

    def begin(self) -> None:
        """Other hosts are not heard yet."""
        self._begins = self._runtime.signal(), self._runtime.now() + BEGINS

    def hears(self) -> None:
        """Other hosts are heard from now on."""
        if self._begins is not None:
            self._runtime.at(self._runtime.now() + HEARD, self._begins[0].set)

    def wait_to_begin(self, seconds: float = BEGINS) -> None:
        """Block the calling task until other hosts are heard, where this process has only just
        begun: whoever asks before that how far it has heard them misses what they say until
        then."""
        if self._begins is None:
            return
        begins, until = self._begins
        left = until - self._runtime.now()
        if left <= 0 or begins.wait(min(left, seconds)):
            self._begins = None

    def note(self, origin: Origin) -> None:
        """That has come, or was said here."""
        last, now = self._last, self._runtime.now()
        name, number = origin
        last[name] = number, now
        last.move_to_end(name)
        while len(last) > MOST or next(iter(last.values()))[1] < now - REMEMBERED:
            last.popitem(last=False)
        if self._waiting:
            self.look_again()

    def note_before(self, origin: Origin) -> None:
        """Whatever comes of that process comes behind that."""
        name, number = origin
        self._before[name] = number
        self._before.move_to_end(name)
        if len(self._before) > MOST:
            self._before.popitem(last=False)
        self.look_again()

    def look_again(self) -> None:
        """Of some nothing may come any more."""
        for numbers, signal in self._waiting:
            if self._has(numbers):
                signal.set()

    def numbers(self) -> dict[str, int]:
        """The last number of each process that was heard lately: for half as long as it is
        remembered, so that another worker remembers it, too."""
        since = self._runtime.now() - REMEMBERED / 2
        return {name: number for name, (number, at) in self._last.items() if at >= since}

    def wait(self, numbers: Mapping[str, int], seconds: float) -> bool:
        """Block the calling task until all of that has come; false when it has not in time."""
        if self._has(numbers):
            return True
        waiting = numbers, self._runtime.signal()
        self._waiting.append(waiting)
        try:
            return bool(waiting[1].wait(seconds))
        finally:
            self._waiting.remove(waiting)

    def _has(self, numbers: Mapping[str, int]) -> bool:
        last, before = self._last, self._before
        for name, number in numbers.items():
            if name in last and last[name][0] >= number:
                continue
            if before.get(name, -1) < number and self.may_come(name):
                return False
        return True
