"""The shapes that cross layer borders, as :class:`typing.Protocol` types.

A lower layer that needs something from a higher one (a socket needs a clock, an outbox needs
whatever carries packets) names the shape here and gets the thing handed in. Nothing is
implemented in this module.
"""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable
from typing import Any, Protocol

from .outbox import Outgoing
from .turn import Turn

__all__ = ["Cancellable", "Carrier", "Job", "PacketSink", "Runtime", "Signal"]


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

    :class:`sockio.runtime.GeventRuntime` is the real one; ``sockio.testing`` has one whose time
    stands still until told otherwise.
    """

    #: The present turn of the event loop: who writes while it is open may wait for its end.
    turn: Turn

    def begin_turn(self) -> None:
        """Input is going to be handled: open the turn, which ends by itself when that was done."""
        ...

    def bind(self) -> None:
        """Make the calling thread the one that sockets live in. Called with every request."""
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

    def breathe(self) -> None:
        """Block the calling task until input was looked for, and what it set off has begun.

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

    def watch(
        self, sock: stdlib_socket.socket, on_readable: Callable[[], None], *, write: bool = False
    ) -> Cancellable:
        """Call ``on_readable`` in the hub whenever ``sock`` can be read (or written)."""
        ...


class Carrier(Protocol):
    """What takes packets to one client at the moment: an open poll, a websocket, a stream.

    Its methods are called by the socket, never block and never raise; what goes wrong on the wire
    is told to the socket by ``socket.lost(carrier, ...)``.
    """

    #: The transport's name, as in the URL.
    name: str
    #: True when the carrier stays for many packets: it has heartbeats, and its end is a disconnect.
    streaming: bool
    #: True while nothing keeps it from taking what the outbox holds, as soon as it is ``ready()``.
    waits: bool

    def write(self, packet: Outgoing) -> bool:
        """Take one packet now. False leaves it to the outbox, and ``ready()`` follows."""
        ...

    def ready(self) -> None:
        """The outbox holds something: come and take it."""
        ...

    def idle(self) -> None:
        """The time of an answer without content has come (the poll duration is over)."""
        ...

    def replaced(self) -> None:
        """A newer carrier has taken over: end politely."""
        ...

    def finish(self) -> None:
        """The session has ended: deliver what the outbox holds, then end the connection."""
        ...

    def abort(self) -> None:
        """The peer is gone or must go: end the connection at once."""
        ...

    def pause(self) -> None:
        """Stop reading: the client sends faster than its events are handled."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


class PacketSink(Protocol):
    """What a socket does with the packets that need the application: the dispatcher."""

    @property
    def full(self) -> bool:
        """Whether as much waits to be handled as may for one client, in packets or in bytes. When
        it does, the socket's ``resume()`` is called when half of that is done."""
        ...

    def takes_early(self, size: int) -> bool:
        """Whether ``size`` bytes more may wait for the session to open. If not, the socket's
        ``resume()`` is called when it does."""
        ...

    def open(self) -> None:
        """The session opened: connect the global namespace, before anything else is handled."""
        ...

    def submit(self, text: str | bytes) -> None:
        """Handle the packet in ``text``, or answer that it is none, after what came before it.
        Never blocks, never raises."""
        ...

    def part(self, endpoint: str) -> None:
        """The client left a namespace, with all that it said before."""
        ...

    def callback(self, endpoint: str, fn: Callable[..., object], args: list[Any]) -> None:
        """Run an ack callback, next to whatever handler is running."""
        ...

    def leave(self, namespace: Any, reason: str) -> None:
        """Tell one namespace that the client is no longer in it."""
        ...

    def close(self, reason: str, done: Callable[[], object]) -> None:
        """Tell every connected namespace that the session is over, then call ``done`` once."""
        ...
