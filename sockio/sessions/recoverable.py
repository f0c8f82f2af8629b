"""The session of a client that may come back to it: what :mod:`sockio.sessions.recovery` is told of
it, and gives back.

What clients say to be known again differs; that is in :mod:`sockio.sessions.engine_socket` and, for
0.9, in :mod:`sockio.sessions.returning_socket`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .outbox import Outgoing
from .recovery import Recovery
from .socket import Socket
from .states import State
from .stay import Stay

__all__ = ["Recoverable"]

_CONNECTED = State.CONNECTED


class Recoverable(Socket):
    """One client that may come back, where ``_recovery`` is not None."""

    __slots__ = ("_brought", "_found", "_home", "_recovery", "_stays")

    _recovery: Recovery | None
    #: By namespace.
    _stays: dict[str, Stay]
    #: The data of an earlier session, and what of it is in this one's.
    _found: dict[str, Any] | None
    _brought: dict[str, Any]
    #: Where that was, if it was in another worker.
    _home: str

    def _recovers_by(self, recovery: Recovery | None) -> None:
        self._recovery = recovery
        if recovery is not None:
            self._stays = {}
            self._found = None
            self._home = ""

    def _begin_anew(self, recovery: Recovery, endpoint: str) -> Stay:
        """A stay of a client that has found nothing, under a name that it has from now on."""
        raise NotImplementedError

    def _enter(self, recovery: Recovery, endpoint: str, stay: Stay) -> None:
        """The client is at the gate of a namespace, with that stay."""
        self._stays[endpoint] = stay
        recovery.is_here(stay, endpoint, self)
        if stay.recovered and stay.home and stay.home == self._home and self._found is not None:
            # Each namespace of it comes by itself.
            stay.session = self._found
        if stay.recovered and stay.session is not self._found:
            self._home = stay.home
            # Once for all namespaces of the earlier session, and only what the new one has not:
            # what it has is newer.
            self._found, session = stay.session, self.session
            self._brought = {
                name: found for name, found in self._found.items() if name not in session
            }
            session.update(self._brought)

    def arrive(self, endpoint: str) -> Stay | None:
        recovery = self._recovery
        if recovery is None or (stay := self._stays.get(endpoint)) is None:
            return None
        if recovery.arrive(stay, endpoint, self.name_in(endpoint)):
            return stay
        # What it would have to get is gone since it knocked.
        self._lose(stay)
        self.forget_name(endpoint)
        stay = self._begin_anew(recovery, endpoint)
        self._enter(recovery, endpoint, stay)
        return stay

    def data_before(self, endpoint: str) -> Mapping[str, Any]:
        stay = self._stays.get(endpoint) if self._recovery is not None else None
        return stay.session if stay is not None and stay.recovered else {}

    def begin_anew(self, endpoint: str) -> bool:
        recovery = self._recovery
        stay = self._stays.get(endpoint) if recovery is not None else None
        if recovery is None or stay is None or not (stay.recovered and self.holding(endpoint)):
            return False
        rooms = self.server.rooms
        for room in rooms.rooms_of(self, endpoint):
            rooms.leave(self, endpoint, room)
        self.forget_name(endpoint)
        stay = self._begin_anew(recovery, endpoint)
        self._enter(recovery, endpoint, stay)
        recovery.arrive(stay, endpoint, self.name_in(endpoint))
        return True

    def _lose(self, stay: Stay) -> None:
        """The client has not come back after all: nobody is to find the earlier session's data."""
        if not stay.recovered or stay.session is not self._found:
            return
        session = self.session
        for name, found in self._brought.items():
            if session.get(name) is found:
                del session[name]
        self._found, self._brought = None, {}

    def forget_name(self, endpoint: str) -> None:
        recovery = self._recovery
        if recovery is not None and (stay := self._stays.pop(endpoint, None)) is not None:
            if self.holding(endpoint):
                # Its gate has said no.
                self._lose(stay)
                recovery.refuse(stay, endpoint, self)
            recovery.has_left(stay, endpoint, self)

    def _missed(self, endpoint: str) -> list[Outgoing]:
        """The client is let into a namespace: what it has missed there."""
        recovery = self._recovery
        if recovery is None or self.state is not _CONNECTED:
            # It has lost its connection again, and will be back.
            return []
        stay = self._stays.get(endpoint)
        if stay is None or not stay.recovered:
            return []
        missed = recovery.settle(stay, endpoint)
        box = self._held.get(endpoint) if self._held is not None else None
        # Not where its gate has thrown it out again.
        return [] if box is None or box.closed else missed

    def _undelivered(self) -> Mapping[str, Sequence[Outgoing]]:
        """What waits for the client, by namespace, where that has to be kept with its stays."""
        return {}

    def close(self, reason: str, *, say: bool = True, flush: bool | None = None) -> None:
        recovery = self._recovery
        if recovery is not None and self.state is _CONNECTED:
            if recovery.keeps(reason):
                self._keep_for_later(recovery)
            else:
                for endpoint, stay in self._stays.items():
                    # Of those that it has not been let into again something is kept still.
                    recovery.refuse(stay, endpoint, self)
        super().close(reason, say=say, flush=flush)

    def _keep_for_later(self, recovery: Recovery) -> None:
        undelivered = self._undelivered()
        weight = recovery.weigh(self.session) if self._stays else 0
        for endpoint, stay in self._stays.items():
            # Who is still at the gate has nothing yet, or what is kept still; and who is thrown out
            # is not to come back.
            if not self.holding(endpoint) and self.active_ns[endpoint].connected:
                marks = self.server.rooms.marks_of(self, endpoint)
                recovery.keep(
                    stay,
                    endpoint,
                    marks,
                    self.session,
                    self.address,
                    undelivered.get(endpoint, ()),
                    weight=weight,
                    shared=len(self._stays) > 1,
                )
