"""What is said while the server cannot be reached, and of publications that are dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from ...runtime.interfaces import Cancellable, Runtime

__all__ = ["Drops", "Outage", "Say"]

log = logging.getLogger("sockio.redis")

#: Seconds between two lines about what is dropped.
MINUTE = 60.0


class Say(Protocol):
    """``Complaints.say``."""

    def __call__(
        self,
        logger: logging.Logger,
        level: int,
        kind: str,
        address: str,
        message: str,
        /,
        *args: Any,
        exc_info: bool | BaseException = ...,
        quiet: bool = ...,
    ) -> None: ...


class Drops:
    """How many publications were dropped: said at once, and then once in a minute."""

    def __init__(self, runtime: Runtime, say: Say, label: str) -> None:
        self._runtime = runtime
        self._say = say
        self._label = label
        self._unsaid = 0
        self._timer: Cancellable | None = None
        self.total = 0

    def add(self, number: int, *, why: str) -> None:
        self.total += number
        if self._timer is not None:
            self._unsaid += number
            return
        self._write(number, why)
        self._timer = self._runtime.at(self._runtime.now() + MINUTE, self._minute_is_over)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _minute_is_over(self) -> None:
        self._timer = None
        number, self._unsaid = self._unsaid, 0
        if number:
            self._write(number, "in the last minute")
            self._timer = self._runtime.at(self._runtime.now() + MINUTE, self._minute_is_over)

    def _write(self, number: int, why: str) -> None:
        self._say(
            log,
            logging.WARNING,
            "redis_dropped",
            self._label,
            "%s: %d publications were dropped (%s)",
            self._label,
            number,
            why,
            quiet=True,
        )


class Outage:
    """Whether each of several lines is there, as one: an ERROR when the first is lost, a line when
    all are back. Of those whose names end with ``at`` and a node, an ERROR for each node."""

    def __init__(
        self,
        runtime: Runtime,
        say: Say,
        label: str,
        drops: Drops,
        changed: Callable[[bool], object] | None,
    ) -> None:
        self._runtime = runtime
        self._say = say
        self._label = label
        self._drops = drops
        self._changed = changed
        self._missing: set[str] = set()
        self._dropped_before = 0
        # The nodes of which it was said; "" for the whole.
        self._told: set[str] = set()
        # What ``changed`` was told last.
        self._stands = False
        #: When it began, on the runtime's clock; None while all is well.
        self.since: float | None = None
        #: How many there were.
        self.count = 0

    def begin(self, names: set[str]) -> None:
        """These are expected, and not there yet: no outage, unless one cannot be made."""
        self._missing = set(names)
        self.since = self._runtime.now()

    def expect(self, name: str) -> None:
        """One more is expected."""
        self._missing.add(name)
        if self.since is None:
            self.since = self._runtime.now()

    def lost(self, name: str, why: str) -> None:
        self._missing.add(name)
        if self.since is None:
            self.since = self._runtime.now()
        _, of_node, node = name.partition(" at ")
        if node in self._told:
            return
        is_first = not self._told
        if is_first:
            self.count += 1
            self._dropped_before = self._drops.total
        self._told.add(node)
        self._say(
            log,
            logging.ERROR,
            "redis_deaf",
            self._label,
            "%s: there is no connection to %s (%s). %shat other hosts emit does not arrive, nor "
            "what is emitted here at theirs; it is tried again until it succeeds",
            self._label,
            name,
            why,
            "Of what belongs to that node, w" if of_node else "W",
            quiet=True,
        )
        if is_first:
            self._stands = False
            if self._changed is not None:
                self._changed(False)

    def there(self, name: str) -> None:
        self._missing.discard(name)
        if self._missing or self.since is None:
            return
        began, self.since = self.since, None
        if self._told:
            self._told.clear()
            self._say(
                log,
                logging.WARNING,
                "redis_back",
                self._label,
                "%s: connected again after %.1f seconds; %d publications of this process were "
                "dropped meanwhile",
                self._label,
                self._runtime.now() - began,
                self._drops.total - self._dropped_before,
                quiet=True,
            )
        # One more that was expected while all others were there is no news.
        if self._changed is not None and not self._stands:
            self._stands = True
            self._changed(True)
