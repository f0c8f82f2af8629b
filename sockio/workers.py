"""Tasks that are used again: a job costs two switches of greenlets, not the start of one.

Jobs are handed over in the hub, once in a pass of its loop, and run there and then until they end
or have to wait. So they run in the order in which they came, each as far as it can.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

import gevent
from greenlet import greenlet

from .turn import Turn

__all__ = ["Workers"]

#: Tasks that are kept while there is nothing to do; those above end with their job.
KEPT = 64
#: Seconds after which the loop looks for input before more jobs are handed over.
SLICE = 0.01

Job = tuple[Callable[..., object], tuple[Any, ...]]


class Workers:
    """The pooled tasks of one hub. For the hub's own thread alone."""

    __slots__ = ("_called", "_hub", "_idle", "_reuse", "_run_callback", "_turn", "_waiting")

    def __init__(self, hub: Any, turn: Turn, *, reuse: bool = True) -> None:
        self._hub = hub
        self._run_callback = hub.loop.run_callback
        self._turn = turn
        self._reuse = reuse
        self._waiting: deque[Job] = deque()
        self._idle: list[greenlet] = []
        self._called = False

    @property
    def idle(self) -> int:
        """How many tasks wait for a job."""
        return len(self._idle)

    def run(self, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Run ``fn(*args)`` soon, in a task of its own that may block.

        In an empty :mod:`contextvars` context. What a job leaves in greenlet-local storage is
        found by a later one, as it is in the threads of a WSGI server.
        """
        self._waiting.append((fn, args))
        if not self._called:
            self.call()

    def call(self) -> None:
        """Come round in the loop's present pass, for jobs or for the turn's end."""
        if not self._called:
            self._called = True
            self._run_callback(self._hand_over)

    def _hand_over(self) -> None:
        self._called = False
        turn, waiting, idle = self._turn, self._waiting, self._idle
        ends = time.monotonic() + SLICE
        # Those that come meanwhile are for the next pass, so that input gets its turn.
        for _ in range(len(waiting)):
            worker = idle.pop() if idle else greenlet(self._work, self._hub)
            try:
                worker.switch()
            except BaseException:
                # It ended its task. For the hub to say, and to act upon: it may be SystemExit.
                self._hub.handle_error(worker, *sys.exc_info())
            if time.monotonic() > ends:
                break
        if waiting:
            self.call()
        turn.end()

    def _work(self) -> None:
        """One worker's life: a job, then the next. It takes them by itself: the arguments that a
        greenlet is started with are kept until it ends."""
        me = gevent.getcurrent()
        idle = self._idle
        # The greenlet's own method: the hub's first asks who is leaving.
        wait = greenlet.switch
        while True:
            fn, args = self._waiting.popleft()
            Context().run(fn, *args)
            # Nothing of the job may live as long as the worker.
            del fn, args
            if not self._reuse or len(idle) >= KEPT:
                return
            idle.append(me)
            wait(self._hub)
