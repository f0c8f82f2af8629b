"""The gevent door: the only module through which sockio starts tasks, waits, or asks for the time.

What it offers is :class:`sockio.runtime.interfaces.Runtime`; nothing here knows about sockets or
packets.
"""

from __future__ import annotations

import logging
import socket as stdlib_socket
import time
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any, ClassVar, cast

import gevent
import gevent.event
import gevent.hub
import gevent.monkey

from .interfaces import Signal
from .letterbox import Letterbox
from .patching import warn_about_patching
from .rota import Rota, Watch, rota_of
from .turn import Turn
from .workers import SHARE, WHOSE, Workers

__all__ = ["ENDS_A_TASK", "GeventRuntime", "frames_of_beginners", "in_greenlet"]

log = logging.getLogger("sockio.runtime")

# The real one: patched, it tells greenlets apart, not threads.
_thread_id: Callable[[], int] = gevent.monkey.get_original("_thread", "get_ident")

_READ, _WRITE = 1, 2

#: Tasks that are looked through, from one to the one that began it.
_BEGINNERS = 10

#: What ends the process, or the task that is killed. Whatever else is raised by the application's
#: code is its own failure, also what is no Exception: gevent's Timeout.
ENDS_A_TASK = (SystemExit, KeyboardInterrupt, gevent.GreenletExit)


class GeventRuntime:
    """Tasks are greenlets, and the clock is :func:`time.monotonic`.

    Sockets live in one thread, the one whose hub served the first request: see :meth:`bind`.
    """

    #: Whether a server was made in this process, or is about to be: it may have met no request yet,
    #: and so not the middleware that serves.
    server_made: ClassVar[bool] = False

    def __init__(self, without: Collection[str] = ()) -> None:
        self._thread: int | None = None
        self._hub: Any = None
        self._reuse = "workers" not in without
        self._workers: Workers | None = None
        self._letterbox: Letterbox | None = None
        self._rota: Rota | None = None
        self.turn = Turn(joins="join" not in without)

    def bind(self) -> None:
        """Make the calling thread the one that sockets live in. Called with every request."""
        thread = _thread_id()
        if thread != self._thread:
            self._thread = thread
            self._hub = gevent.get_hub()
            self._workers = None
            self._rota = rota_of(self._hub)
            self._letterbox = Letterbox(self._hub, self)
            warn_about_patching()

    @property
    def bound(self) -> bool:
        return self.server_made or self._thread is not None

    # With each packet: no call in between.
    task = staticmethod(gevent.getcurrent)

    def here(self) -> bool:
        return self._thread is None or _thread_id() == self._thread

    def from_thread(self, fn: Callable[..., object], *args: Any, size: int = 0) -> None:
        letterbox = self._letterbox
        if letterbox is None:
            fn(*args)  # nobody else is here yet
        else:
            letterbox.put(fn, args, size)

    # Asked many times with each packet: no call in between.
    now = staticmethod(time.monotonic)

    def run(self, fn: Callable[..., object], *args: Any) -> None:
        (self._workers or self._hire()).run(fn, args)

    @property
    def kept(self) -> int:
        """How many tasks are kept for the next job."""
        return 0 if self._workers is None else self._workers.idle

    def begin_turn(self) -> None:
        turn = self.turn
        # Mostly it is.
        if not turn.open and turn.begin():
            (self._workers or self._hire()).call()

    def _hire(self) -> Workers:
        self._workers = Workers(self._hub or gevent.get_hub(), self.turn, reuse=self._reuse)
        return self._workers

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> gevent.Greenlet[..., Any]:
        return gevent.spawn(fn, *args, **kwargs)

    def at(self, when: float, fn: Callable[[], object]) -> _Watcher:
        timer = gevent.get_hub().loop.timer(max(0.0, when - self.now()))
        handle = _Watcher(timer)

        def fire() -> None:
            handle.cancel()
            self.run(fn)

        # The loop's idea of now may be old after a long callback: update it, or fire too early.
        timer.start(fire, update=True)
        return handle

    def signal(self) -> Signal:
        return cast(Signal, gevent.event.Event())

    @property
    def share(self) -> float:
        workers = self._workers
        return SHARE if workers is None else workers.share

    def work_for(self, address: str) -> None:
        if address:
            setattr(gevent.getcurrent(), WHOSE, address)

    def breathe(self, whose: str = "") -> None:
        # Not gevent.sleep(0), which lets others run that are ready, and looks for none: the loop
        # polls after fifty of those, or five milliseconds.
        if self._hub is None or not self.here():
            gevent.sleep(0.000001)
        else:
            (self._workers or self._hire()).rest(whose)

    def limit(self, seconds: float, fn: Callable[..., Any], *args: Any) -> Any:
        with gevent.Timeout(seconds, TimeoutError("no end within the time allowed")):
            return fn(*args)

    def busy_for_long(self) -> bool:
        return self.here() and (self._rota or rota_of(gevent.get_hub())).full()

    def watch_client(
        self, sock: stdlib_socket.socket, on_readable: Callable[[], bool], address: str = ""
    ) -> Watch:
        rota = self._rota if self._thread == _thread_id() else None
        return (rota or rota_of(gevent.get_hub())).watch(sock.fileno(), on_readable, address)

    def watch(
        self, sock: stdlib_socket.socket, on_readable: Callable[[], None], *, write: bool = False
    ) -> _Watcher:
        watcher = gevent.get_hub().loop.io(sock.fileno(), _WRITE if write else _READ)
        watcher.start(on_readable)
        return _Watcher(watcher)


class _Watcher:
    """A libev watcher that can be cancelled twice without harm."""

    __slots__ = ("_watcher",)

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    def cancel(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()


def in_greenlet() -> bool:
    """Whether the calling code runs as a greenlet of gevent's loop, and not in a thread's own.

    Only then do others of the same thread go on while it waits.
    """
    return gevent.getcurrent().parent is not None


def frames_of_beginners() -> Iterator[FrameType]:
    """Where the tasks stand that began the calling one, the nearest first: whoever has something
    done in a task of its own waits for it there. Those that have ended, or were begun otherwise,
    are left out."""
    task: Any = gevent.getcurrent()
    for _ in range(_BEGINNERS):
        # Not kept where GEVENT_TRACK_GREENLET_TREE is off.
        begun_by = getattr(task, "spawning_greenlet", None)
        task = None if begun_by is None else begun_by()
        if task is None:
            return
        frame = task.gr_frame
        if frame is not None:
            yield frame
