"""Tells when something keeps the event loop from everybody else, and where in the code that is.

A handler that computes, or that waits in a way which gevent does not know (an unpatched library, C
code), stops every client. Nobody in the loop can say so meanwhile: a native thread does.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from types import FrameType
from typing import Any

import gevent
from gevent import monkey

__all__ = ["BlockedLoop"]

log = logging.getLogger("sockio.loop")

#: Frames that are shown, the innermost last.
FRAMES = 8

# The threads' own, whatever is patched.
_start_new_thread: Any = monkey.get_original("_thread", "start_new_thread")
_allocate_lock: Any = monkey.get_original("_thread", "allocate_lock")
_get_ident: Any = monkey.get_original("_thread", "get_ident")


class BlockedLoop:
    """Watches the loop of the thread that makes it: logs a WARNING when nobody else had a turn for
    ``seconds``, with the frames that are running, and how long it was when it is over.

    Once for each time. Costs a timer that fires four times in that period, and a sleeping thread.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._period = seconds / 4
        self._thread: int = _get_ident()
        self._seen = time.monotonic()
        self._told = False
        self._timer: Any = gevent.get_hub().loop.timer(self._period, self._period)
        # Held while it watches.
        self._stopped = _allocate_lock()

    def start(self) -> None:
        """Begin. Does not block."""
        self._seen = time.monotonic()
        self._stopped.acquire()
        # It alone does not keep the loop running.
        self._timer.ref = False
        self._timer.start(self._look, update=True)
        _start_new_thread(self._watch, ())

    def stop(self) -> None:
        """Watch no more."""
        self._timer.stop()
        self._timer.close()
        self._stopped.release()

    def _look(self) -> None:
        """The loop has turned."""
        now = time.monotonic()
        blocked, self._seen = now - self._seen, now
        if self._told:
            self._told = False
            log.warning("the event loop goes on, after %.1f s [loop-blocked]", blocked)

    def _watch(self) -> None:
        while not self._stopped.acquire(timeout=self._period):
            blocked = time.monotonic() - self._seen
            if blocked >= self._seconds and not self._told:
                self._told = True
                self._tell(blocked)
        self._stopped.release()

    def _tell(self, blocked: float) -> None:
        frame = sys._current_frames().get(self._thread)
        if frame is None:
            return
        log.warning(
            "the event loop has been blocked for %.1f s, and nobody else is served: by %s. What "
            "computes belongs into gevent.get_hub().threadpool, what waits has to be patched "
            "(gevent.monkey) or to give way (gevent.sleep(0)) [loop-blocked]\n%s",
            blocked,
            _where(frame),
            "".join(traceback.format_stack(frame, FRAMES)).rstrip(),
        )


def _where(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_name} ({code.co_filename}:{frame.f_lineno})"
