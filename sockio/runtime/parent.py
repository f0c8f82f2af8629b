"""A process that another one restarts, while somebody develops."""

from __future__ import annotations

import os
import signal

import gevent

__all__ = ["end_with_parent"]

#: Seconds between two looks.
EVERY = 1.0


def end_with_parent() -> None:
    """Send this process a SIGTERM when the one that started it is gone, however it ended: nobody
    would restart it or stop it, and its port would stay taken."""
    gevent.spawn(_watch, os.getppid())


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        gevent.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
