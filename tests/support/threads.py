"""Native threads, in a process where ``threading`` means greenlets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

__all__ = ["in_a_native_thread"]

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
