"""A process that serves and does nothing else, set so that nobody waits for what need not be."""

from __future__ import annotations

import gc
import sys

import gevent

from .collecting import Collector

__all__ = ["SWITCH_INTERVAL", "make_ready"]

#: Seconds that a native thread which computes keeps the interpreter from whoever asks for it. The
#: event loop gives it away with each system call, and a poll takes several: by Python's default of
#: 5 ms it is answered tens of milliseconds later. Switching so often costs the thread next to
#: nothing.
SWITCH_INTERVAL = 0.0005
_DEFAULT_INTERVAL = 0.005


def make_ready() -> None:
    """Once, when the application is imported and nobody is served yet; an interval between threads
    that the application has set stays.

    The garbage collector leaves alone what there is now: a full collection stops everybody, and
    what was imported is most of what it would walk through, again and again, where few clients are.
    What of that becomes garbage later and refers to itself is never freed; it cannot grow. What
    comes later is walked through when there is time for it: :mod:`.collecting`.
    """
    if abs(sys.getswitchinterval() - _DEFAULT_INTERVAL) < 1e-6:
        sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    Collector(gevent.get_hub().loop).start()
