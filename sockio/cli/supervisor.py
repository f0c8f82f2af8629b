"""``sockio serve --workers N``: a process that keeps N others serving, and does nothing else.

It has the listeners, one for each place, and never closes them: whoever waits in the queue of one
is served by the next process there. It neither imports the application nor accepts anybody, so
little could end it; when something does, the workers notice and end as on SIGTERM.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from .child import Child, how_it_ended
from .notify import notify, notify_reloading
from .pauses import Pauses
from .signals import Signals

__all__ = ["Supervisor"]

log = logging.getLogger("sockio.supervisor")

#: Seconds that a worker gets to end beside those that its clients have.
LAST_SECONDS = 3.0
#: Seconds after which a worker that does not accept yet is told about.
SLOW = 30.0


class Place:
    """What one worker is, and its predecessors and successors: a number and a listener."""

    def __init__(self, number: int, listener: socket.socket) -> None:
        self.number = number
        self.listener = listener
        #: Who accepts.
        self.serving: Child | None = None
        #: Who is being started.
        self.coming: Child | None = None
        #: Who was replaced and has not ended yet.
        self.leaving: Child | None = None
        #: When somebody is to be started, if that is not now.
        self.start_at: float | None = None
        self.pauses = Pauses()

    @property
    def children(self) -> list[Child]:
        return [each for each in (self.serving, self.coming, self.leaving) if each is not None]


class Supervisor:
    """Keeps a worker in each place.

    ``command``, ``environ`` and ``folder`` are what a :class:`~.child.Child` is started by.
    ``graceful`` are the seconds that its clients have at its end. ``ready`` is called once, when
    all accept.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        command: Callable[[str], Sequence[str]],
        environ: Mapping[str, str],
        folder: str | None,
        *,
        graceful: float,
        ready: Callable[[], None],
    ) -> None:
        self._places = [Place(number, each) for number, each in enumerate(listeners, 1)]
        self._start = functools.partial(Child, command=command, environ=environ, folder=folder)
        self._patience = graceful + LAST_SECONDS
        self._ready = ready
        self._was_up = False
        self._was_ready = False
        self._stopping = False
        self._status = 0
        self._slow: set[Child] = set()
        #: Those whose worker is to be replaced yet; None when that is over.
        self._to_roll: list[Place] | None = None
        self._had_terminal = _has_terminal()
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status. Blocks, in the main thread."""
        signals = Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))
        self._selector.register(signals, selectors.EVENT_READ)
        # The first one alone: what is wrong with the application is said once.
        self._begin(self._places[0])
        while self._alive() or not self._stopping:
            for key, _ in self._selector.select(self._pause()):
                if key.data is not None:
                    self._hear(*key.data)
            for number in signals.take():
                self._take(number)
            self._look_at_the_clock()
            self._roll_on()
        return self._status

    def _alive(self) -> list[Child]:
        return [child for place in self._places for child in place.children]

    # ---- what happens

    def _take(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP and self._had_terminal <= _has_terminal():
            self._roll()
        else:
            self._stop(signal.Signals(number).name)

    def _reap(self) -> None:
        # Not of the children alone: as the first process of a container it has those of others.
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for place in self._places:
                for child in place.children:
                    if child.pid == pid:
                        self._ended(place, child, os.waitstatus_to_exitcode(status))

    def _hear(self, place: Place, child: Child) -> None:
        if child.hear():
            self._accepts(place, child)
        else:
            # It closed its end: it is about to end itself.
            self._selector.unregister(child.line)

    def _accepts(self, place: Place, child: Child) -> None:
        self._selector.unregister(child.line)
        took = child.since - child.born
        log.info("%s accepts connections, after %.1f s [worker-up]", child, took)
        place.leaving, place.serving, place.coming = place.serving, child, None
        if place.leaving is not None:
            log.info("%s has a successor and is told to end [worker-leaves]", place.leaving)
            place.leaving.leave(self._patience)
        if not self._was_up:
            self._was_up = True
            for each in self._places[1:]:
                self._begin(each)
        if not self._was_ready and all(each.serving for each in self._places):
            self._was_ready = True
            self._ready()
            notify("READY=1")

    def _ended(self, place: Place, child: Child, status: int) -> None:
        if child is place.coming and child.hear():
            self._accepts(place, child)
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.line)
        child.ended(status)
        how = how_it_ended(status)
        lived = time.monotonic() - child.since if child.accepting else 0.0
        if child is place.leaving:
            place.leaving = None
            log.info("%s has ended [worker-ended]", child)
            return
        if child is place.serving:
            place.serving = None
        else:
            place.coming = None
        if self._stopping:
            log.info("%s %s [worker-ended]", child, how)
        elif child.accepting:
            self._begin_again(place, lived, logging.WARNING, f"{child} {how} [worker-died]")
        elif not self._was_up:
            self._give_up(child, how, status)
        else:
            what = f"{child} {how} before it accepted connections [worker-failed]"
            if place.serving is None:
                self._begin_again(place, 0.0, logging.ERROR, what)
            else:
                self._stop_rolling(what)

    # ---- beginning

    def _begin(self, place: Place) -> None:
        place.start_at = None
        try:
            child = self._start(place.number, place.listener)
        except OSError as error:
            what = f"worker {place.number} cannot be started: {error} [worker-failed]"
            if not self._was_up:
                log.error("%s", what)
                self._stopping, self._status = True, 1
            elif place.serving is None:
                self._begin_again(place, 0.0, logging.ERROR, what)
            else:
                self._stop_rolling(what)
            return
        place.coming = child
        self._selector.register(child.line, selectors.EVENT_READ, (place, child))

    def _begin_again(self, place: Place, lived: float, level: int, what: str) -> None:
        pause = place.pauses.next(lived)
        soon = f"in {pause:g} s" if pause else "now"
        if place.coming is None:
            log.log(level, "%s; another is started %s", what, soon)
            place.start_at = time.monotonic() + pause
        else:
            log.log(level, "%s; its successor is on its way", what)

    def _give_up(self, child: Child, how: str, status: int) -> None:
        # What is wrong it has said itself.
        log.error("%s %s before it accepted connections: giving up [worker-failed]", child, how)
        self._stopping, self._status = True, status if status > 0 else 1

    # ---- time

    def _pause(self) -> float | None:
        """Seconds until there is something to do; None where that is not known."""
        times = [each.start_at for each in self._places if each.start_at is not None]
        for child in self._alive():
            if child.deadline is not None:
                times.append(child.deadline)
            elif not child.accepting and child not in self._slow:
                times.append(child.born + SLOW)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for place in self._places:
            if place.start_at is not None and place.start_at <= now:
                self._begin(place)
            for child in place.children:
                if child.deadline is not None and child.deadline <= now:
                    log.warning("%s has not ended in time: killed [worker-killed]", child)
                    child.deadline = None
                    child.signal(signal.SIGKILL)
                elif not (child.accepting or child in self._slow) and child.born + SLOW <= now:
                    self._slow.add(child)
                    log.warning(
                        "%s does not accept connections yet, after %d s: its application is still "
                        "being imported [worker-slow]",
                        child,
                        SLOW,
                    )

    # ---- one after the other

    def _roll(self) -> None:
        if self._stopping:
            return
        log.info("SIGHUP: each worker is replaced, one after the other [rolling]")
        notify_reloading()
        # Again from the beginning where that is under way: what it is for may have changed since.
        self._to_roll = [*self._places]

    def _roll_on(self) -> None:
        if self._to_roll is None or self._stopping:
            return
        if any(each.coming or each.leaving for each in self._places):
            return
        if not self._to_roll:
            self._to_roll = None
            log.info("each worker was replaced [rolled]")
            notify("READY=1")
            return
        self._begin(self._to_roll.pop(0))

    def _stop_rolling(self, what: str) -> None:
        log.error("%s; the workers there are go on, and none is replaced [roll-stopped]", what)
        self._to_roll = None
        notify("READY=1")

    # ---- the end

    def _stop(self, name: str) -> None:
        children = self._alive()
        if self._stopping:
            log.warning("%s again: all workers are killed [stopping]", name)
            self._status = 1
            for child in children:
                child.signal(signal.SIGKILL)
            return
        self._stopping = True
        log.info("%s: all workers are told to end [stopping]", name)
        notify("STOPPING=1")
        for place in self._places:
            place.start_at = None
        for child in children:
            if not child.told_to_end:
                child.stop(self._patience)


def _has_terminal() -> bool:
    """Whether somebody looks at this process. SIGHUP also says that they have gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
