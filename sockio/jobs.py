"""Tasks that belong to somebody and end with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from .interfaces import Job, Runtime

__all__ = ["Jobs"]

log = logging.getLogger("sockio.jobs")


class Jobs:
    """The running tasks of one owner. A task leaves by itself when it ends; what it raises is
    logged under the owner's name."""

    __slots__ = ("_over", "_owner", "_running", "_runtime")

    def __init__(self, owner: object, runtime: Runtime) -> None:
        self._owner = owner
        self._runtime = runtime
        self._over = False
        # Made for the first task: most owners have none.
        self._running: set[Job] | None = None

    def __len__(self) -> int:
        return len(self._running or ())

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._running or ()))

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
        """Start ``fn(*args, **kwargs)`` in a task of its own, and return the task."""
        started: list[Job] = []

        def run() -> None:
            try:
                fn(*args, **kwargs)
            except Exception:
                log.exception("%s: a spawned task failed", self._owner)
            finally:
                if self._running is not None:
                    self._running.discard(started[0])

        job = self._runtime.spawn(run)
        started.append(job)
        if self._running is None:
            self._running = set()
        self._running.add(job)
        if self._over:
            self.kill()
        return job

    def kill(self) -> None:
        """End all of them, without waiting for it."""
        running, self._running = self._running, None
        for job in running or ():
            job.kill(block=False)

    def end(self) -> None:
        """End all of them, and with them those that somebody may still start: a handler that was
        overtaken by the end of its namespace does not know of it."""
        self._over = True
        self.kill()
