"""Handlers that run beside each other: those that ``@concurrent`` marks.

Each has a task of its own, and its namespace ends it. All else of a client is handled one after the
other, as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol.packet import Packet
from ..runtime.interfaces import Job, Signal
from ..sessions.jobs import ENDS_A_TASK
from ..sessions.socket import Socket
from .calls import Calls, LastWords
from .handlers import HandlerTable, method_for_message
from .refusals import ENDS_THE_PROCESS

__all__ = ["Beside"]


class _One(Calls):
    """What is called in a task that may be ended while it runs."""

    __slots__ = ("ended",)

    def __init__(self, socket: Socket) -> None:
        super().__init__(socket)
        #: Whether its namespace has ended it.
        self.ended = False

    @property
    def ends(self) -> tuple[type[BaseException], ...]:
        return ENDS_A_TASK if self.ended else ENDS_THE_PROCESS


class Beside(Calls):
    """The calls of a client in one of whose namespaces handlers may run side by side."""

    __slots__ = ("_held", "_room", "_running")

    def __init__(self, before: Calls, socket: Socket) -> None:
        """In the place of ``before``, which the client has had until now."""
        super().__init__(socket)
        self.task, before.task = before.task, None
        # With the bytes of the packet that each has been given, and those of all.
        self._running: dict[_One, tuple[Any, Job, int]] = {}
        self._held = 0
        # What a packet waits for that would be one too many.
        self._room: Signal | None = None

    def handle(self, namespace: Any, packet: Packet, receipted: bool) -> None:
        if not _runs_beside(namespace._table, packet):
            super().handle(namespace, packet, receipted)
            return
        socket = self._socket
        config, size = socket.config, self.size
        while self._running and (
            len(self._running) >= config.max_concurrent or self._held + size > config.max_inbox[1]
        ):
            self._room = socket.runtime.signal()
            self._room.wait()
        if namespace._deaf or namespace._told:
            # Its end has overtaken this one.
            socket.dropped += 1
            return
        one = _One(socket)
        job = socket.runtime.spawn(self._run, one, namespace, packet, receipted)
        self._running[one] = (namespace, job, size)
        self._held += size

    def _run(self, one: _One, namespace: Any, packet: Packet, receipted: bool) -> None:
        one.task = self._socket.runtime.task()
        try:
            one.handle(namespace, packet, receipted)
        finally:
            one.task = None
            self._forget(one)
            self._make_room()

    def _forget(self, one: _One) -> None:
        _, _, size = self._running.pop(one, (None, None, 0))
        self._held -= size

    # ---- one that disconnects its own client

    @property
    def _here(self) -> _One | None:
        """The one whose task this is."""
        task = self._socket.runtime.task()
        return next((one for one in self._running if one.task is task), None)

    @property
    def answering_in(self) -> str:
        one = self._here
        return super().answering_in if one is None else one.answering_in

    def let_finish(self, namespace: Any, say: Callable[[LastWords | None], object]) -> bool:
        one = self._here
        if one is None:
            return super().let_finish(namespace, say)
        return one.let_finish(namespace, say)

    def say_last(self, words: LastWords | None) -> None:
        super().say_last(words)
        if words is None:
            # The end has overtaken whoever is slow.
            for one in list(self._running):
                one.say_last(None)

    def end(self, namespace: Any) -> None:
        for one, (owner, job, _) in list(self._running.items()):
            if owner is namespace:
                one.ended = True
                one.say_last(None)
                # Here and not in its task alone: one that has not begun never ends.
                self._forget(one)
                job.kill(block=False)
        self._make_room()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()


def _runs_beside(table: HandlerTable, packet: Packet) -> bool:
    kind = packet["type"]
    method: str | None = f"recv_{kind}"
    if kind == "event":
        method, catch_all = table.event(packet["name"])
        if packet["name"] == "message" and table.hears_it_as_message(catch_all):
            method = method_for_message(packet["args"])
    return method in table.concurrent
