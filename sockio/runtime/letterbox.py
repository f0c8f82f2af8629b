"""What other native threads want done in the thread that the sockets live in: bounded, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

import gevent.monkey

from ..exceptions import UsageError
from .interfaces import Runtime
from .pace import Pace

__all__ = ["BYTES", "CALLS", "Letterbox"]

#: Calls, and bytes of what they carry, that may wait. Few: while another thread works, it takes the
#: interpreter for 5 ms from whoever makes a system call, and the event loop makes many.
CALLS, BYTES = 100, 1_000_000
#: Seconds without any progress after which a thread that waits for room gives up.
PATIENCE = 10.0
#: Seconds between two looks whether there is anybody left to wait for.
LOOK = 0.1

# The real one: patched, it is for greenlets.
_new_lock: Callable[[], Any] = gevent.monkey.get_original("_thread", "allocate_lock")

_NOBODY = (
    "what other threads emit is no longer taken: the event loop of the server has ended, or what "
    "runs in it blocks without giving way (perhaps it waits for this very thread)."
)

Call = tuple[Callable[..., object], tuple[Any, ...], int]


class Letterbox:
    """A queue into the thread of one hub.

    :meth:`put` is for all other threads, and blocks them while too much waits. The calls of one
    thread keep their order. They are worked off by one task, which gives way to others.
    """

    def __init__(self, hub: Any, runtime: Runtime) -> None:
        self._hub = hub
        self._runtime = runtime
        self._lock = _new_lock()
        self._calls: deque[Call] = deque()
        self._size = 0
        self._called = False
        self._taken = 0
        # What threads wait at that found no room.
        self._doors: list[Any] = []

    def put(self, fn: Callable[..., object], args: tuple[Any, ...], size: int) -> None:
        """Have ``fn(*args)``, which must not block, called soon; it carries ``size`` bytes.

        Blocks while :data:`CALLS` calls or :data:`BYTES` bytes wait, until half of that is worked
        off. Raises ``UsageError`` when nothing is worked off for :data:`PATIENCE` seconds, when the
        loop has ended, and at the end of the interpreter.
        """
        door: Any = None
        waited, taken = 0.0, -1
        while True:
            with self._lock:
                if len(self._calls) < CALLS and (not self._calls or self._size + size <= BYTES):
                    self._calls.append((fn, args, size))
                    self._size += size
                    called, self._called = self._called, True
                    break
                if door is None:
                    door = _new_lock()
                    door.acquire()
                    self._doors.append(door)
            if door.acquire(timeout=LOOK):
                door = None
            waited = waited + LOOK if taken == self._taken else 0.0
            taken = self._taken
            if waited >= PATIENCE or not self._lives() or not threading.main_thread().is_alive():
                raise UsageError(_NOBODY)
        if not called:
            self._call()

    def _lives(self) -> bool:
        return self._hub.loop is not None and not self._hub.dead

    def _call(self) -> None:
        if not self._lives():
            raise UsageError(_NOBODY)
        self._hub.loop.run_callback_threadsafe(self._runtime.run, self._work_off)

    def _work_off(self) -> None:
        pace = Pace(self._runtime)
        try:
            while True:
                pace.keep()
                with self._lock:
                    if not self._calls:
                        self._called = False
                        return
                    fn, args, size = self._calls.popleft()
                    self._size -= size
                    self._taken += 1
                    doors: list[Any] = []
                    if len(self._calls) <= CALLS // 2 and self._size <= BYTES // 2:
                        doors, self._doors = self._doors, doors
                for door in doors:
                    door.release()
                Context().run(fn, *args)
                del fn, args
        except BaseException:
            # For the hub to say. What waits is worked off by another task.
            self._call()
            raise
