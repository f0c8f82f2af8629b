"""The door of one server: how long connections may keep it waiting, and how many there may be.

Whoever waits for a client's bytes has a deadline, and all of them are on one wheel with one timer:
a deadline that moves later, as they do with every request, costs nothing.
"""

from __future__ import annotations

import _socket
import logging
import time
from typing import Any, Protocol

from ..config.settings import Settings
from ..runtime.interfaces import Cancellable, Runtime
from ..runtime.turnstile import Turnstile
from ..sessions.complaints import Complaints
from ..sessions.crowd import network_of
from ..sessions.wheel import Wheel
from .heads import BadHead

__all__ = ["Door", "KernelSocket", "Waiter"]

log = logging.getLogger("sockio.http")


class Waiter(Protocol):
    """A connection on which something has to arrive, or to be read, by a time."""

    wheel_slot: int | None

    @property
    def idle(self) -> bool:
        """Nothing of a request has arrived: whoever it is loses nothing when it is closed."""
        ...

    @property
    def new(self) -> bool:
        """Idle, and nothing has ever arrived on it."""
        ...

    def deadline(self) -> float | None: ...

    def arrives(self) -> bool:
        """Whether the next request has begun to arrive, in the kernel: then it would be lost."""
        ...

    def overdue(self) -> None:
        """The time is over: end the connection, or wait on. Must not block."""
        ...

    def give_up(self) -> None:
        """End the connection. Must not block."""
        ...


class Door:
    """What the connections of one server share, whoever serves them.

    Times are seconds, and of :func:`time.monotonic`.
    """

    def __init__(self, settings: Settings, runtime: Runtime, complaints: Complaints) -> None:
        self.runtime = runtime
        self.obey(settings, complaints)
        #: No further request is read: the server ends.
        self.stopping = False
        #: Each answer is the last one on its connection, and says so: the server is about to end.
        self.last = False
        #: Connections that are open, but for those that a task of the WSGI server has.
        self.opened = 0
        self._wheel: Wheel[Waiter] = Wheel()
        self._timer: Cancellable | None = None

    def obey(self, settings: Settings, complaints: Complaints) -> None:
        """Whose settings count from now on, for each wait that begins and each head that comes, and
        where lines are logged."""
        self.complaints = complaints
        self.max_head = settings.max_head
        #: For the head of a request to arrive, counted from its first byte; for the first one from
        #: the connecting on; and for the handshake of TLS.
        self.head_time = min(settings.head_timeout, settings.close_timeout)
        #: Between an answer and the next request.
        self.keep_alive = settings.keep_alive
        #: Without a byte of a body, or without one that is read of an answer.
        self.patience = settings.close_timeout
        self._proxies = settings.trusted_proxies

    # ---- time

    def expect(self, waiter: Waiter) -> None:
        """See to it that ``waiter`` is told when its deadline has passed, a tenth of a second late
        at most. Once is enough where the deadline only moves later."""
        if self._wheel.file(waiter):
            self._set_timer()

    def forget(self, waiter: Waiter) -> None:
        """It waits no more."""
        self._wheel.remove(waiter)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = self._wheel.next()
        self._timer = None if when is None else self.runtime.at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        due = self._wheel.due(time.monotonic())
        try:
            for number, waiter in enumerate(due):
                if number and self.busy_for_long():
                    # Of those who come first something may arrive.
                    self._wheel.put_back(due[number:])
                    break
                waiter.overdue()
        finally:
            self._set_timer()

    def close_idle(self, at_most: int | None = None) -> int:
        """End connections on which nothing has arrived, those first that are so the longest; how
        many. What has arrived in the kernel counts: it may wait for its turn."""
        idle = sorted(
            [each for each in self._wheel.entries() if each.idle],
            key=lambda each: each.deadline() or 0.0,
        )
        closed = 0
        for waiter in idle:
            if closed == at_most:
                break
            if not waiter.arrives():
                self.forget(waiter)
                waiter.give_up()
                closed += 1
        return closed

    def hang_up(self) -> None:
        """No further request is read, but for those that the kernel has got: end all other
        connections on which nothing has arrived."""
        self.stopping = self.last = True
        for waiter in self._wheel.entries():
            if waiter.idle and not waiter.arrives():
                self.forget(waiter)
                waiter.give_up()

    def has_newcomers(self, seconds: float) -> bool:
        """Whether somebody has connected in the last ``seconds`` and not said yet what for."""
        # When it came: a first head has this time, on every way.
        since = time.monotonic() - seconds + self.head_time
        return any(
            each.new and (each.deadline() or since) > since for each in self._wheel.entries()
        )

    def close(self) -> None:
        """The server has ended: no timer waits on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- turns

    def busy_for_long(self) -> bool:
        """Whether the loop has not looked for input for as long as clients may keep it: then
        whoever can go on has to let it (:meth:`Runtime.breathe`)."""
        return self.runtime.busy_for_long()

    def take_turns(self) -> None:
        """Let the loop look for input, if the connections have kept it busy for long. Blocks until
        then."""
        if self.busy_for_long():
            self.runtime.breathe()

    def account_of(self, address: Any) -> str:
        """Whose account of the loop's time a connection is on: that of its peer's address. "" for
        one of its own, where that is a proxy, which asks for many."""
        if not isinstance(address, tuple):
            return ""
        proxies = self._proxies
        if proxies is not None and proxies.trusts({"REMOTE_ADDR": address[0]}):
            return ""
        return network_of(address[0])

    def turnstile(self, sock: Any, address: Any) -> Turnstile:
        """Where the task of a connection waits for its client."""
        return Turnstile(self.runtime, sock, self.account_of(address))

    def turnstile_of_newcomers(self, sock: Any, address: Any) -> Turnstile:
        """Where it waits as long as TLS has not begun: all of one address have one place between
        them, which is another than that of those who are in."""
        host = str(address[0]) if isinstance(address, tuple) else ""
        return Turnstile(self.runtime, sock, f"tls {network_of(host)}", costly=True)

    # ---- telling

    def tell(self, level: int, kind: str, host: str, message: str, *args: Any) -> None:
        """Log what a peer did, as :meth:`Complaints.say` does, from the event loop too."""
        self.complaints.say(log, level, kind, host, message, *args, quiet=True)

    def tell_refused(self, host: str, bad: BadHead) -> None:
        """Log that a request was answered ``bad``."""
        message = "refused a request from %s: %s: %s [%s]"
        self.tell(logging.WARNING, bad.code, host, message, host, bad.status, bad.reason, bad.code)


# Called for each connection, by their own names: super() takes longer than what it finds.
_init, _close, _detach = _socket.socket.__init__, _socket.socket.close, _socket.socket.detach


class KernelSocket(_socket.socket):
    """A connection without gevent's waiting, which its door counts while it is open."""

    __slots__ = ("__weakref__", "_door")

    def __init__(self, door: Door, like: Any, descriptor: int) -> None:
        _init(self, like.family, like.type, like.proto, descriptor)
        self._door: Door | None = door
        door.opened += 1

    def close(self) -> None:
        door = self._door
        if door is not None:
            self._door = None
            door.opened -= 1
        _close(self)

    def detach(self) -> int:
        door = self._door
        if door is not None:
            self._door = None
            door.opened -= 1
        return _detach(self)
