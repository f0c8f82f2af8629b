"""For loops that can go on as long as a peer sends.

A cooperative socket returns at once while there is something to read or room to write: a task that
loops over it never waits, and nobody else gets a turn.
"""

from __future__ import annotations

from .interfaces import Runtime

__all__ = ["Pace"]

#: A call that took so many seconds has waited, and others had their turn meanwhile.
WAITED = 0.001


class Pace:
    """How long one task has been working without a pause.

    ::

        pace = Pace(runtime)
        while ...:
            pace.keep()
            data = sock.recv(...)
            pace.woke()
    """

    __slots__ = ("_ends", "_kept", "_runtime")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept = runtime.now()
        self._ends = self._kept + runtime.share

    def keep(self) -> None:
        """Let others have their turn, if the calling task had its share. Blocks until then."""
        runtime = self._runtime
        now = runtime.now()
        if now > self._ends:
            runtime.breathe()
            now = runtime.now()
            self._ends = now + runtime.share
        self._kept = now

    def woke(self) -> None:
        """What was called since :meth:`keep` may have waited: then the time begins anew."""
        runtime = self._runtime
        now = runtime.now()
        if now - self._kept > WAITED:
            self._ends = now + runtime.share
