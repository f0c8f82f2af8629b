"""What a process has of things that leak: told apart from what else is in it by numbers.

Tests share a process, with servers, clients and what earlier tests left behind; what of that ends,
or is made, meanwhile is noise. A test does the same many times, at least a hundred, and asks
whether there is about one more for each.
"""

from __future__ import annotations

import gc
import os

import greenlet

__all__ = ["NOISE", "descriptors", "greenlets"]

#: More than others make meanwhile: tasks that wait to be used again, whose number depends on the
#: timing, timers, the test's own. Less than a leak leaves of things that were done so often.
NOISE = 20


def greenlets() -> int:
    """How many greenlets are alive in this process."""
    gc.collect()
    return sum(
        issubclass(type(each), greenlet.greenlet) and not each.dead for each in gc.get_objects()
    )


def descriptors() -> int:
    """How many files and sockets are open in this process."""
    return len(os.listdir("/proc/self/fd"))
