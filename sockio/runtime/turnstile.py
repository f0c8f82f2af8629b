"""Waiting for what a client sends, and for one's turn, in a task.

Who reads in a task of its own (over TLS, where gevent serves the connection) stands in the same
queue as those whom the loop itself reads from: :mod:`.rota`.
"""

from __future__ import annotations

import socket as stdlib_socket

import gevent
from gevent.hub import Waiter

from .interfaces import Runtime

__all__ = ["Turnstile"]


class Turnstile:
    """Where the task of one connection waits, which works for that client when it goes on: what it
    does until it waits for anything is accounted for.

    For one task at a time: any other is not kept waiting. To be closed before the descriptor, when
    nobody waits.
    """

    __slots__ = ("_costly", "_runtime", "_waiter", "_watch")

    def __init__(
        self,
        runtime: Runtime,
        sock: stdlib_socket.socket,
        address: str = "",
        *,
        costly: bool = False,
    ) -> None:
        """``address`` is the client's, which shares the loop's time with others of the same. What
        is ``costly`` counts in full, though nothing is left unread."""
        self._costly = costly
        self._runtime = runtime
        self._watch = runtime.watch_client(sock, self._ready, address)
        self._waiter: Waiter[None] | None = None

    def wait(self) -> None:
        """Block until there is something to read and it is the connection's turn."""
        if self._waiter is not None:
            return
        waiter = self._waiter = Waiter(gevent.get_hub())
        self._watch.start()
        self._block(waiter)

    def give_way(self) -> None:
        """Block until it is the connection's turn again, whether or not anything arrives."""
        if self._waiter is not None:
            self._runtime.breathe()
            return
        waiter = self._waiter = Waiter(gevent.get_hub())
        self._watch.again()
        self._block(waiter)

    def _block(self, waiter: Waiter[None]) -> None:
        try:
            waiter.get()
        finally:
            if self._waiter is waiter:
                # Killed, or out of time.
                self._waiter = None
                self._watch.stop()

    def _ready(self) -> bool:
        waiter, self._waiter = self._waiter, None
        # The task says itself when it wants to be called again.
        self._watch.stop()
        if waiter is not None:
            # Comes back when it waits for anything.
            waiter.switch(None)
        return self._costly

    def close(self) -> None:
        """Twice is once."""
        self._watch.close()
