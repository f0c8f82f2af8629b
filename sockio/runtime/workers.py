"""Tasks that are used again: a job costs two switches of greenlets, not the start of one.

Jobs are handed over in the hub, once in a pass of its loop, and run there and then until they end
or have to wait. So they run in the order in which they came, each as far as it can. One that works
for long gives way now and then, and goes on when the loop has looked for input.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any

import gevent
from greenlet import greenlet

from .jobs import SLICE, Jobs
from .resting import Resting
from .rota import rota_of
from .turn import Turn

__all__ = ["SHARE", "SLICE", "WHOSE", "Workers"]

#: Tasks that are kept while there is nothing to do; those above end with their job.
KEPT = 64
#: The longest share of a slice that one task has. Who comes anew needs several looks until it is
#: answered (a handshake of TLS five), and waits for as many shares of whoever floods.
SHARE = 0.002
#: Seconds of work, in one round or many, behind which the loop looks for input before more is
#: handed over: it would itself look no sooner than after fifty rounds.
HEAVY = 0.002
#: Seconds of work in one pass, after which those that gave way go on later: by this part of it, and
#: by :data:`PAUSE` seconds at most. Who was answered after it, and asks again at once (a poll comes
#: behind each POST), is not kept waiting by the next piece of work, too.
LONG, PART, PAUSE = 0.01, 0.1, 0.005
#: Jobs in one round that tell how long one takes.
ENOUGH = 8
#: The shortest share of a slice, in seconds: below it, switching would cost as much as the work.
LEAST = 0.0005

#: The attribute of a task that says whom it works for.
WHOSE = "sockio_whose"


class Workers:
    """The pooled tasks of one hub, and those that gave way. For the hub's own thread alone.

    New jobs come before tasks that gave way, which have had a share already: who asks for little
    does not wait for those who ask for much, however many they are. Of these at least one goes on
    with each look for input.
    """

    __slots__ = (
        "__weakref__",
        "_called",
        "_hub",
        "_idle",
        "_later",
        "_look",
        "_looking",
        "_resting",
        "_reuse",
        "_rota",
        "_run_callback",
        "_turn",
        "_waiting",
        "_worked",
        "share",
    )

    def __init__(self, hub: Any, turn: Turn, *, reuse: bool = True) -> None:
        self._hub = hub
        self._run_callback = hub.loop.run_callback
        self._turn = turn
        self._reuse = reuse
        self._waiting = Jobs()
        self._rota = rota_of(hub)
        self._rota.enlist(self, self._waiting)
        self._idle: list[greenlet] = []
        self._called = False
        self._resting: Resting[greenlet] = Resting()
        # What comes before input does: the loop's timers are looked at with each look for input.
        self._look = hub.loop.timer(0.0)
        self._looking = False
        # Seconds since then; a look that had another reason is not noticed.
        self._worked = 0.0
        # When those who gave way may go on.
        self._later = 0.0
        #: Seconds that a task should work without a pause before it gives way (:meth:`rest`).
        self.share = SHARE

    @property
    def idle(self) -> int:
        """How many tasks wait for a job."""
        return len(self._idle)

    @property
    def behind(self) -> bool:
        """Whether anything waits for the loop to look for input first."""
        return self._looking or bool(self._resting) or self._turn.behind

    def run(self, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Run ``fn(*args)`` soon, in a task of its own that may block.

        In an empty :mod:`contextvars` context. What a job leaves in greenlet-local storage is
        found by a later one, as it is in the threads of a WSGI server.
        """
        waiting = self._waiting
        waiting.append((fn, args))
        if len(waiting) > waiting.room:
            self._rota.crowd()
        if not self._called:
            self.call()

    def call(self) -> None:
        """Come round in the loop's present pass, for jobs or for the turn's end; behind the next
        look for input, if that is due."""
        if not self._called and not self._looking:
            self._called = True
            self._run_callback(self._hand_over)

    def rest(self, whose: str) -> None:
        """Block the calling task until the loop has looked for input, what came has been begun,
        and those have had their share who gave way before: of each client as many as of the one
        that the task works for."""
        me = gevent.getcurrent()
        whose = whose or getattr(me, WHOSE, "")
        self._resting.append(me, whose)
        self._look_for_input()
        try:
            self._hub.switch()
        except BaseException:
            # Killed, or out of time, while it waited.
            self._resting.remove(me, whose)
            raise

    def _look_for_input(self) -> None:
        if not self._looking:
            self._looking = True
            self._look.start(self._looked)

    def _looked(self) -> None:
        # Timers are called before the input which the same look has found: go on behind that.
        self._looking = False
        self._worked = 0.0
        self.call()

    def _hand_over(self) -> None:
        self._called = False
        if self._looking:
            return
        turn, waiting, idle = self._turn, self._waiting, self._idle
        if not waiting and not self._resting.number and self._worked <= HEAVY:
            # A poll was begun, or something answered in the loop itself.
            self.share = SHARE
            if turn.end():
                self._look_for_input()
            return
        # Those that come meanwhile are for the next pass.
        jobs, rested = len(waiting), self._resting.number
        if jobs + rested > 1:
            self.share = min(SHARE, max(LEAST, SLICE / (jobs + rested)))
        else:
            self.share = SHARE
        now = began = time.monotonic()
        ends = began + SLICE
        begun = 0
        while begun < jobs:
            begun += 1
            worker = idle.pop() if idle else greenlet(self._work, self._hub)
            try:
                worker.switch()
            except BaseException:
                # It ended its task. For the hub to say, and to act upon: it may be SystemExit.
                self._hub.handle_error(worker, *sys.exc_info())
            now = time.monotonic()
            if now > ends:
                break
        if begun >= ENOUGH:
            waiting.measure(begun, now - began)
        # What was answered leaves before those go on who may take long.
        behind = turn.end()
        if rested and now >= self._later:
            now = self._go_on(rested, ends)
            behind = turn.behind
        took = now - began
        if took > LONG:
            self._later = now + min(PAUSE, PART * took)
        self._worked += took
        if behind or self._worked > HEAVY or self._resting.number or (waiting and not self._called):
            self._look_for_input()

    def _go_on(self, rested: int, ends: float) -> float:
        """Let those go on who gave way before the loop's last look for input: one at least, the
        others as long as the slice lasts. Returns the time."""
        resting = self._resting
        now = 0.0
        # What they write is joined like anybody's: else whoever once gave way, and is asked for
        # more before it is done, would write packet by packet for good.
        self._turn.begin()
        while rested and resting and now <= ends:
            rested -= 1
            task = resting.popleft()
            try:
                task.switch()
            except BaseException:
                self._hub.handle_error(task, *sys.exc_info())
            now = time.monotonic()
        self._turn.end()
        return now

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
