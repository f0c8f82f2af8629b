"""Time that stands still until it is told otherwise. Greenlets stay real."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import gevent

from ..config.settings import Settings
from ..runtime.gevent_runtime import GeventRuntime

__all__ = ["ManualRuntime", "ManualTimer"]


class ManualTimer:
    """What ``runtime.at`` returned."""

    def __init__(self, fn: Callable[[], object]) -> None:
        self.fn: Callable[[], object] | None = fn

    def cancel(self) -> None:
        self.fn = None


class ManualRuntime(GeventRuntime):
    """The ``runtime`` of a middleware whose heartbeats and timeouts are to be tested.

    ``SocketIOMiddleware(app, namespaces, runtime=clock)`` goes by this clock instead of the
    system's, and hours pass in no time: ``clock.advance(3600)``. Connections and greenlets are the
    real ones, so what the passing of time *causes* over a network still has to be awaited.
    """

    def __init__(self) -> None:
        # As the middleware does it: the tests are run with each fast path left out, too.
        super().__init__(Settings().without)
        #: Seconds on the clock.
        self.time = 1000.0
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        return self.time

    def at(self, when: float, fn: Callable[[], object]) -> ManualTimer:  # type: ignore[override]
        timer = ManualTimer(fn)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, firing what falls due in between in order, and let greenlets run."""
        end = self.time + seconds
        self.settle()
        while self._timers and self._timers[0][0] <= end + 1e-9:
            when, _, timer = heapq.heappop(self._timers)
            self.time = max(self.time, when)
            fn, timer.fn = timer.fn, None
            if fn is not None:
                self.run(fn)
                self.settle()
        self.time = end
        self.settle()

    @property
    def timers(self) -> int:
        """How many timers are waiting."""
        return sum(timer.fn is not None for _, _, timer in self._timers)

    def settle(self) -> None:
        """Let every greenlet that can run do so, until none is left that became ready."""
        for _ in range(20):
            gevent.sleep(0)
            if self._workers is not None and self._workers.behind:
                self.breathe()
