"""Native threads, in a process where ``threading`` means greenlets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TypeVar

import gevent
import gevent.monkey

__all__ = ["in_a_native_thread", "read_away"]

T = TypeVar("T")


def in_a_native_thread(fn: Callable[[], T]) -> T:
    """What ``fn()`` returns or raises in another thread; the hub of this one runs meanwhile."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(fn())
        except BaseException as error:  # gevent would report it as a failure of its own
            failures.append(error)

    gevent.get_hub().threadpool.apply(run)
    for failure in failures:
        raise failure
    return results[0]


def read_away(descriptor: int) -> None:
    """Read a connection until its end. For a thread of its own, where nothing of the loop's keeps
    it waiting."""
    wait = gevent.monkey.get_original("select", "select")
    with contextlib.suppress(OSError):
        while wait([descriptor], [], []) and os.read(descriptor, 1 << 20):
            pass
