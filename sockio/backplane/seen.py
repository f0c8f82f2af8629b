"""How far each process has been heard here: what recovery has to know of a client that goes from
one worker to another, so that it hears everything once.

Every emission that is kept for who comes back has an *origin*: the process that said it, and the
how manieth it was. What one process says comes to each other one in that order. So a number says of
all before it that they have come, too, or were said before this process heard anybody. (By a
cluster of Redis the order is that of each namespace alone: of two said at once one may be missed.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from ..runtime.interfaces import Runtime, Signal
from ..sessions.event_log import Origin

__all__ = ["Elsewhere", "Seen"]

#: Seconds for which it is remembered how far a process was heard, and processes. Whatever two
#: workers of a host do not have both by then is not on its way.
REMEMBERED, MOST = 60.0, 1000
#: Seconds that a process which has just begun may take to hear other hosts; that all of what they
#: had said by now may take to come, where nobody waits for certain numbers.
BEGINS, CAUGHT_UP = 1.0, 0.25


class Elsewhere(Protocol):
    """Other hosts, as one process hears them. Nothing here blocks."""

    @property
    def heard(self) -> list[str]:
        """The namespaces in which they are heard."""
        ...

    def hear(self, namespaces: Iterable[str], then: Callable[[], object]) -> None:
        """Hear them there for a while, though no client is there yet. ``then`` is called when they
        are heard."""
        ...

    def echo(self, then: Callable[[], object]) -> bool:
        """Have ``then`` called when all has come that they had said by now (in a cluster of Redis,
        by one of its nodes). False where nothing comes from them at present."""
        ...

    def is_of_one(self, name: str) -> bool:
        """Whether a process is one of theirs."""
        ...


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
        #: Where this process hears other hosts by itself.
        self.elsewhere: Elsewhere | None = None
        # Until when it is waited for that they are heard at all.
        self._begins: tuple[Signal, float] | None = None

    # ---- other hosts

    def begin(self, elsewhere: Elsewhere) -> None:
        """Other hosts are not heard yet."""
        self.elsewhere = elsewhere
        self._begins = self._runtime.signal(), self._runtime.now() + BEGINS

    def hears(self) -> None:
        """Other hosts are heard from now on."""
        if self._begins is not None:
            self._begins[0].set()

    @property
    def heard(self) -> list[str]:
        """The namespaces in which other hosts are heard."""
        return [] if self.elsewhere is None else self.elsewhere.heard

    def hear(self, namespaces: Iterable[str], seconds: float = BEGINS) -> None:
        """Block the calling task until other hosts are heard in these namespaces, no client of
        which may be here yet: whoever asks before that how far it has heard them misses what they
        say until then."""
        if self.elsewhere is None:
            return
        until = self._runtime.now() + seconds
        if self._begins is not None:
            begins, ends = self._begins
            left = min(until, ends) - self._runtime.now()
            if ends <= self._runtime.now() or begins.wait(max(0.0, left)):
                self._begins = None
        heard = self._runtime.signal()
        self.elsewhere.hear(namespaces, heard.set)
        heard.wait(max(0.0, until - self._runtime.now()))

    def catch_up(self, seconds: float = CAUGHT_UP) -> None:
        """Block the calling task until all has come that other hosts had said by now: what somebody
        else has missed, since he did not hear them yet, is here then."""
        if self.elsewhere is not None:
            come = self._runtime.signal()
            if self.elsewhere.echo(come.set):
                come.wait(max(0.0, seconds))

    # ---- how far

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
        if self.elsewhere is not None and not self.elsewhere.echo(lambda: self._come(numbers)):
            self._come(numbers)
        try:
            return bool(waiting[1].wait(seconds))
        finally:
            self._waiting.remove(waiting)

    def _come(self, numbers: Mapping[str, int]) -> None:
        """What other hosts have said of that has come, or does not any more: they were not heard
        when they said it."""
        assert self.elsewhere is not None
        for name, number in numbers.items():
            if self.elsewhere.is_of_one(name) and self._before.get(name, -1) < number:
                self.note_before((name, number))
        self.look_again()

    def _has(self, numbers: Mapping[str, int]) -> bool:
        last, before = self._last, self._before
        for name, number in numbers.items():
            if name in last and last[name][0] >= number:
                continue
            if before.get(name, -1) < number and self.may_come(name):
                return False
        return True
