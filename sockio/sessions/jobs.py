"""Tasks that belong to somebody and end with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from greenlet import GreenletExit

from ..config.plain import check_has_run
from ..runtime.interfaces import Job, Runtime

__all__ = ["ENDS_A_TASK", "Jobs", "name_of"]

log = logging.getLogger("sockio.jobs")

#: What ends a task that was told to, or the process.
ENDS_A_TASK = (GreenletExit, SystemExit, KeyboardInterrupt)


class Client(Protocol):
    """The client whose tasks these are: :class:`sockio.virtsocket.Socket`."""

    @property
    def runtime(self) -> Runtime: ...

    @property
    def complain(self) -> Callable[..., None]: ...


class Jobs:
    """The running tasks of one owner. A task leaves by itself when it ends; what it raises is
    logged under the owner's name."""

    __slots__ = ("_client", "_over", "_owner", "_running")

    def __init__(self, owner: object, client: Client) -> None:
        self._owner = owner
        self._client = client
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
                result = fn(*args, **kwargs)
                if result is not None:
                    check_has_run(result, name_of(fn))
            except ENDS_A_TASK as end:
                if isinstance(end, SystemExit):
                    self._client.complain(
                        log,
                        logging.WARNING,
                        ("server-ended", name_of(fn)),
                        "%s: a spawned task, %s, ends the server: SystemExit(%s) [server-ended]",
                        self._owner,
                        name_of(fn),
                        end.code,
                    )
                raise
            except BaseException:
                # Also what is no Exception, as gevent's Timeout: the loop would print it each time.
                # A client starts as many as its events do.
                self._client.complain(
                    log,
                    logging.ERROR,
                    ("task-failed", name_of(fn)),
                    "%s: a spawned task failed",
                    self._owner,
                    exc_info=True,
                )
            finally:
                if self._running is not None:
                    self._running.discard(started[0])

        job = self._client.runtime.spawn(run)
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


def name_of(fn: Callable[..., Any]) -> str:
    """What the code calls a function, or the class of what else can be called."""
    name = getattr(fn, "__qualname__", None)
    return name if isinstance(name, str) else type(fn).__qualname__
