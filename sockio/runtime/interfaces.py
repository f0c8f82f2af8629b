"""What the rest of sockio knows of the concurrency library, as :class:`typing.Protocol` types."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable
from typing import Any, Protocol

from .rota import Watch
from .turn import Turn

__all__ = ["Cancellable", "Job", "Runtime", "Signal"]


class Cancellable(Protocol):
    """Something under way that can be called off. Calling it off twice does nothing."""

    def cancel(self) -> None: ...


class Job(Protocol):
    """A running task."""

    def kill(self, *, block: bool = ...) -> None: ...


class Signal(Protocol):
    """A flag one task sets and another waits for."""

    def set(self) -> object: ...

    def wait(self, timeout: float | None = None) -> object:
        """Block the calling task until the flag is set; false when ``timeout`` seconds passed."""
        ...


class Runtime(Protocol):
    """The door to the concurrency library and to the clock.

    :class:`~sockio.runtime.gevent_runtime.GeventRuntime` is the real one; ``sockio.testing`` has
    one whose time stands still until told otherwise.
    """

    #: The present turn of the event loop: who writes while it is open may wait for its end.
    turn: Turn

    def begin_turn(self) -> None:
        """Input is going to be handled: open the turn, which ends by itself when that was done."""
        ...

    def bind(self) -> None:
        """Make the calling thread the one that sockets live in. Called with every request."""
        ...

    @property
    def bound(self) -> bool:
        """Whether there may be clients: a request has come (:meth:`bind`), or a server was made in
        this process or is about to be."""
        ...

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def run(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn`` soon in a task of its own, which may block. Safe to call from the hub."""
        ...

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
        """Start ``fn`` in a task that the caller can kill and wait for."""
        ...

    def at(self, when: float, fn: Callable[[], object]) -> Cancellable:
        """Run ``fn`` in a task of its own once the clock shows ``when``."""
        ...

    def signal(self) -> Signal: ...

    #: Seconds that a task should work without a pause before it breathes: less when many work.
    @property
    def share(self) -> float: ...

    def work_for(self, address: str) -> None:
        """The calling task works for a client of that address from now on, until it ends: see
        :meth:`breathe`. "" is nobody else's."""
        ...

    def breathe(self, whose: str = "") -> None:
        """Block the calling task until input was looked for, and what it set off has begun. All
        that work for one address, here ``whose`` if that is given, have one place among those who
        do so.

        For whatever can go on as long as a client sends. With several tasks in such loops, each
        looks at :attr:`share` when it goes on.
        """
        ...

    def task(self) -> object:
        """The calling task: the same object each time it asks."""
        ...

    def here(self) -> bool:
        """Whether the calling thread is the one that the sockets live in."""
        ...

    def from_thread(self, fn: Callable[..., object], *args: Any, size: int = 0) -> None:
        """Run ``fn``, which must not block, soon in the sockets' thread. The only method for other
        threads.

        The calls of one thread keep their order. Blocks the thread while too many calls wait, or
        too many bytes, of which this one carries ``size``; raises ``UsageError`` when nothing is
        taken any more.
        """
        ...

    def limit(self, seconds: float, fn: Callable[..., Any], *args: Any) -> Any:
        """``fn(*args)``, or :class:`TimeoutError` when it blocked for ``seconds``."""
        ...

    def busy_for_long(self) -> bool:
        """Whether the loop has not looked for input for as long as clients may keep it: then
        whoever can go on has to let it (:meth:`breathe`, :meth:`Watch.again`)."""
        ...

    def watch_client(
        self, sock: stdlib_socket.socket, on_readable: Callable[[], bool], address: str = ""
    ) -> Watch:
        """Call ``on_readable`` in the hub when ``sock`` can be read, as soon as that is fair to
        all others who are watched so. It returns whether it may have left something unread. The
        watch has to be started; and closed before ``sock`` is. All of one ``address`` have one
        place among the others; "" is that of nobody else."""
        ...

    def watch(
        self, sock: stdlib_socket.socket, on_readable: Callable[[], None], *, write: bool = False
    ) -> Cancellable:
        """Call ``on_readable`` in the hub whenever ``sock`` can be read (or written)."""
        ...
