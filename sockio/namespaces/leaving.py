"""Leaving a namespace: it is told its end exactly once, whoever ends it, and however slow another
handler is.

Farewells have their place among the packets, with one exception: they overtake a handler that has
been running for :data:`PATIENCE` seconds.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from ..runtime.interfaces import Cancellable, Signal
from ..sessions.reasons import Reason
from ..sessions.states import State
from .calls import LastWords
from .desk import Desk
from .inbox import Farewell
from .refusals import ENDS_THE_PROCESS, GLOBAL

__all__ = ["PATIENCE", "Leaving"]

#: Seconds a running handler may delay a disconnect that arrived behind it.
PATIENCE = 0.5


class Leaving:
    """Who of one client's namespaces is to be told, and when all have been."""

    __slots__ = ("_desk", "_done", "_impatience", "_seen_off", "_socket", "_waiting")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._socket = desk.socket
        self._waiting: set[Farewell] = set()
        # What a connect waits for whose namespace is just being left.
        self._seen_off: Signal | None = None
        self._impatience: Cancellable | None = None
        self._done: Callable[[], object] | None = None

    def leave(self, namespace: Any, reason: str, *, say: bool) -> None:
        """The server ends a namespace; with ``say`` its client hears of it."""
        endpoint = namespace.ns_name
        if namespace._deaf:
            # It has been shut out, as many are at once, and this is its end.
            self._socket.unseal(endpoint)
        last_words = functools.partial(self._say_last, endpoint, say)
        if not self._desk.calls.let_finish(namespace, last_words) and say:
            self._say_goodbye(endpoint)
        self.bid_farewell(namespace, reason)

    def bid_farewell(self, namespace: Any, reason: str) -> None:
        """Let a namespace be told its end, in its place."""
        if namespace._leaving:
            return
        namespace._leaving = True
        namespace._deaf = reason not in Reason.FROM_THE_CLIENT
        desk = self._desk
        farewell = Farewell(namespace, reason, desk.runtime.now())
        desk.inbox.items.append(farewell)
        desk.work_soon()
        if not self._socket.holding(namespace.ns_name):
            # Else it overtakes nothing: recv_connect has to return first.
            self._waiting.add(farewell)
            self.watch()
        if namespace._deaf:
            self._socket.seal(namespace.ns_name)

    def close(self, reason: str, done: Callable[[], object]) -> None:
        """The session is over: let all be told, then call ``done``."""
        self._done = done
        if reason not in Reason.FROM_THE_CLIENT:
            # Whom the server throws out is not heard any more.
            self._forget()
        for endpoint, namespace in list(self._socket.active_ns.items()):
            # One whose recv_connect is still running is told when that has returned.
            if not self._socket.holding(endpoint):
                self.bid_farewell(namespace, reason)
        self.watch()
        self.finish_if_done()

    def finish_if_done(self) -> None:
        """If the session is over and all have been told, say so."""
        if self._done is not None and not self._socket.active_ns:
            done, self._done = self._done, None
            # What came in behind the goodbye has nobody left to handle it.
            self._forget()
            self._desk.rest()
            done()

    def _forget(self) -> None:
        self._socket.dropped += self._desk.inbox.forget()

    # ---- slow handlers

    def watch(self) -> None:
        """Come back when the handler that is running now has had its time."""
        handling = self._desk.handling
        waiting = self._waiting or self._done is not None
        if waiting and handling is not None and self._impatience is None:
            self._impatience = self._desk.runtime.at(handling + PATIENCE, self._overtake)

    def _overtake(self) -> None:
        self._impatience = None
        if not self._waiting and self._done is None:
            return
        handling = self._desk.handling
        if handling is None or self._desk.runtime.now() < handling + PATIENCE:
            # The queue moves: the farewells keep their place in it.
            self.watch()
            return
        # The handler may have disconnected its own client.
        self._desk.calls.say_last(None)
        waiting = sorted(self._waiting, key=lambda each: each.since)
        if self._done is not None:
            # The whole session is over: what waits behind the slow handler is not handled.
            self._forget()
        for farewell in waiting:
            self.tell(farewell)

    # ---- the end of one

    def tell(self, farewell: Farewell) -> None:
        """Run the end of one namespace: exactly once, whoever comes first."""
        namespace = farewell.namespace
        self._waiting.discard(farewell)
        if namespace._told:
            return
        namespace._leaving = namespace._told = True
        desk = self._desk
        socket = self._socket
        endpoint = namespace.ns_name
        socket.seal(endpoint)
        try:
            with desk.calls.around(namespace):
                namespace._close(farewell.reason)
        except ENDS_THE_PROCESS as end:
            desk.calls.say_end(end, endpoint or GLOBAL, "recv_disconnect")
            raise
        except BaseException:
            desk.calls.complain(
                logging.ERROR,
                ("disconnect-failed", type(namespace).__qualname__),
                "%s: recv_disconnect of %r failed",
                socket,
                endpoint,
                exc_info=True,
            )
        finally:
            desk.rooms.leave_namespace(socket, endpoint)
            socket.active_ns.pop(endpoint, None)
            socket.forget_name(endpoint)
            # May have a goodbye to say still.
            desk.calls.end(namespace)
            socket.unseal(endpoint)
            socket.forget_acks(endpoint)
            namespace._end_jobs()
            if socket.state is State.CONNECTED:
                desk.unconnected.left(endpoint, farewell.reason)
            if self._seen_off is not None:
                self._seen_off.set()
            self.finish_if_done()

    def see_off(self, namespace: Any) -> None:
        """Return when ``namespace``, which is being left, has been told, so that there is room for
        a new one."""
        for item in list(self._desk.inbox.items):
            if isinstance(item, Farewell) and item.namespace is namespace:
                # The server threw the client out after it had asked again.
                self.tell(item)
        while self._socket.get(namespace.ns_name) is namespace:
            # Told by another task, because a handler was slow.
            self._seen_off = self._desk.runtime.signal()
            self._seen_off.wait()

    # ---- what the client is told

    def _say_goodbye(self, endpoint: str) -> None:
        self._socket.send_packet({"type": "disconnect", "endpoint": endpoint})

    def _say_last(self, endpoint: str, say: bool, words: LastWords | None) -> None:
        """Say the last words in a namespace that is sealed."""
        socket = self._socket
        socket.unseal(endpoint)
        try:
            if words is not None:
                words()
        finally:
            if say:
                self._say_goodbye(endpoint)
            socket.seal(endpoint)
