"""Sending to many, from anywhere: ``middleware.of("/chat").to("lobby").emit("event", ...)``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from ..backplane import Emission
from ..exceptions import UsageError
from ..sessions.registry import SessionRegistry
from ..sessions.socket import Socket
from .handlers import RESERVED, check_event

__all__ = ["Emitter", "check_room"]


def check_room(room: Hashable) -> None:
    """Raise ``UsageError`` for what can be no room."""
    try:
        hash(room)
    except TypeError:
        raise UsageError(
            f"{room!r} can be no room: its name must be hashable, such as a string, a number or a "
            "tuple. Pass several rooms as several arguments."
        ) from None


class Emitter:
    """A namespace, maybe narrowed to rooms, that can be emitted to.

    It never changes: :meth:`to` and :meth:`skip` give a new one, so an emitter can be kept and
    shared. Works in handlers, views, background tasks and in other native threads alike.
    """

    __slots__ = ("_namespace", "_registry", "_rooms", "_skip")

    def __init__(
        self,
        registry: SessionRegistry,
        namespace: str,
        rooms: tuple[Hashable, ...] | None = None,
        skip: frozenset[str] = frozenset(),
    ) -> None:
        self._registry = registry
        self._namespace = namespace
        self._rooms = rooms
        self._skip = skip

    def to(self, *rooms: Hashable) -> Emitter:
        """The members of these rooms, in addition to those of earlier ``to`` calls."""
        for room in rooms:
            check_room(room)
        return Emitter(self._registry, self._namespace, (self._rooms or ()) + rooms, self._skip)

    def skip(self, *names: str) -> Emitter:
        """All but the clients of these names (``namespace.id``)."""
        return Emitter(self._registry, self._namespace, self._rooms, self._skip.union(names))

    def emit(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to every member that is connected now. Never blocks, but in another native
        thread, which waits while too much of what threads have emitted is not worked off.

        Encoded once, whatever the number of members. Raises ``UsageError`` when ``args`` are not
        JSON, and for an event whose name is the client's own, such as ``connect``. ``volatile``
        drops it for clients that cannot take it right now.
        """
        if event in RESERVED:
            check_event(event)
        self._publish({"type": "event", "name": event, "args": args}, volatile)

    def send(self, message: Any, json: bool = False, volatile: bool = False) -> None:
        """Send a message (text, or with ``json`` any JSON value). Otherwise like :meth:`emit`."""
        self._publish({"type": "json" if json else "message", "data": message}, volatile)

    def sockets(self) -> list[Socket]:
        """The sockets that an emit would reach now."""
        rooms = self._registry.rooms
        if self._rooms is None:
            members = rooms.members(self._namespace)
        else:
            members = rooms.union(self._namespace, self._rooms)
        skip = {self._registry.find(self._namespace, name) for name in self._skip}
        return [socket for socket in members if socket not in skip]

    def _publish(self, packet: Mapping[str, Any], volatile: bool) -> None:
        registry = self._registry
        here, size = registry.runtime.here(), 0
        sent: Mapping[str, Any] = {**packet, "endpoint": self._namespace}
        if not here:
            # What cannot be written must raise here, where somebody can see it; and what is sent is
            # what it was now, whatever this thread does to it next.
            sent, size = registry.copier.copy(sent)
        emission = Emission(self._namespace, sent, self._rooms, self._skip, volatile)
        if here:
            registry.backplane.publish(emission)
        elif registry.closing:
            return  # There is nobody to wait for, and nobody to hear it.
        else:
            registry.runtime.from_thread(registry.backplane.publish, emission, size=size)
        if self._namespace not in registry.known:
            if here:
                registry.emitted_to_unknown(self._namespace)
            else:
                registry.runtime.from_thread(registry.emitted_to_unknown, self._namespace)
