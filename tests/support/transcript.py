"""What happened, in order: written down as it happens, and waited for instead of slept on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.event import Event

__all__ = ["PATIENCE", "Transcript", "eventually"]

#: Seconds after which something awaited is taken to never happen. Far longer than it takes.
PATIENCE = 15.0

T = TypeVar("T")


class Transcript:
    """A list that can be waited on. Entries are tuples whose first item says what happened.

    :meth:`next` gives each entry once, so a test reads as a sequence of what it expects.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        #: Everything so far, whether asked for or not.
        self.entries: list[tuple[Any, ...]] = []
        self._given: set[int] = set()
        self._ended = False
        self._news = Event()

    def add(self, what: str, *details: Any) -> None:
        """Write down one happening."""
        self.entries.append((what, *details))
        self._news.set()

    def end(self) -> None:
        """Nothing more will happen: whoever waits waits in vain."""
        self._ended = True
        self.add("the end")

    def next(self, what: str, *details: Any, timeout: float = PATIENCE) -> tuple[Any, ...]:
        """The details of the next happening of that kind, here already or still to come.

        With ``details`` only one whose details begin with these. Raises ``AssertionError`` with
        the whole transcript when it does not come within ``timeout`` seconds.
        """
        wanted = (what, *details)

        def find() -> tuple[Any, ...] | None:
            for number, entry in enumerate(self.entries):
                if number not in self._given and entry[: len(wanted)] == wanted:
                    self._given.add(number)
                    return entry[1:]
            return None

        return self.wait(find, " ".join(map(repr, wanted)), timeout)

    def all(self, what: str) -> list[tuple[Any, ...]]:
        """The details of everything of that kind so far, in order."""
        return [entry[1:] for entry in self.entries if entry[0] == what]

    def wait(self, find: Callable[[], T | None], what: str, timeout: float = PATIENCE) -> T:
        """What ``find`` gives, asked again after each happening until it is not None."""
        end = time.monotonic() + timeout
        while (found := find()) is None:
            self._news.clear()
            if self._ended or not self._news.wait(end - time.monotonic()):
                raise AssertionError(f"waited in vain for {what}.\n{self}")
        return found

    def __str__(self) -> str:
        lines = [f"--- {self.title}"]
        for number, entry in enumerate(self.entries):
            shown = " ".join(short(item) for item in entry)
            lines.append(f"{'  ' if number in self._given else '* '}{shown}")
        return "\n".join([*lines, "--- (* = nobody asked for it)"])


def eventually(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Wait for a condition that nothing announces (a descriptor closed by the kernel, a count)."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain until {what}")
        gevent.sleep(0.002)


def short(item: object) -> str:
    """One item for people: long ones are cut."""
    shown = item if isinstance(item, str) else repr(item)
    return shown if len(shown) <= 200 else f"{shown[:150]}… ({len(shown)} characters)"
