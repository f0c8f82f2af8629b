"""What a client sends to namespaces that it is not in: what waits there, and why it is not in.

The client of Socket.IO 0.9 keeps what its page emits during an outage. When the connection is back
it sends all of that *before* it asks for its namespaces again (0.9.17, ``lib/socket.js``:
``flushBuffer`` comes before ``reset``). So packets for a configured namespace that the session was
never in wait for its connect: within bounds, and not for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..protocol.engine_codec import Bundle
from ..runtime.interfaces import Cancellable, Runtime

__all__ = ["WAIT", "Doorstep", "Early"]

#: Seconds that packets wait for the connect of their namespace.
WAIT = 5.0
#: Bytes of memory that a packet takes beside its text.
AROUND = 136
#: Seconds after the server ended a namespace, or refused it, in which packets for it are no news:
#: they were under way.
RACE = 5.0


#: Namespaces of which it is remembered why the client is not in them, and the characters of their
#: names: with patterns there may be any number, and a client makes them up.
REMEMBERED, THEIR_NAMES = 1000, 65_536


class Early(NamedTuple):
    """A packet that waits, as the text that came, and what is asked of it when it has waited in
    vain."""

    text: str | bytes | Bundle
    kind: str
    ack_id: int | None


class Doorstep:
    """The packets of one session that wait for a connect, and the namespaces it is no longer in.

    Bounded in packets and in bytes of memory. ``overdue`` is called, in a task, when some
    have waited for :data:`WAIT` seconds.
    """

    __slots__ = (
        "_bytes",
        "_gone",
        "_gone_size",
        "_late",
        "_max_bytes",
        "_max_packets",
        "_overdue",
        "_packets",
        "_runtime",
        "_said",
        "_timer",
        "_waiting",
    )

    def __init__(
        self, runtime: Runtime, max_packets: int, max_bytes: int, overdue: Callable[[], object]
    ) -> None:
        self._runtime = runtime
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._overdue = overdue
        self._packets = self._bytes = 0
        # By namespace: since when the first has waited, and all of them.
        self._waiting: dict[str, tuple[float, list[Early]]] = {}
        self._timer: Cancellable | None = None
        # Why the client is not in a namespace, and since when: only those it was at the door of.
        self._gone: dict[str, tuple[str, float]] = {}
        self._gone_size = 0
        # Ids to be answered when the namespace that they came too late for has been told its end.
        self._late: dict[str, list[int]] = {}
        self._said: set[tuple[str, str]] = set()

    # ---- what waits

    def keep(self, endpoint: str, early: Early) -> bool:
        """Let a packet wait for its connect; False where there is no room."""
        size = len(early.text) + AROUND
        if self._packets >= self._max_packets or (
            self._packets and self._bytes + size > self._max_bytes
        ):
            return False
        now = self._runtime.now()
        _, waiting = self._waiting.setdefault(endpoint, (now, []))
        waiting.append(early)
        self._packets += 1
        self._bytes += size
        if self._timer is None:
            self._timer = self._runtime.at(now + WAIT, self._time_is_up)
        return True

    def take(self, endpoint: str) -> list[Early]:
        """What waits for ``endpoint``, in order: it waits no longer."""
        _, waiting = self._waiting.pop(endpoint, (0.0, []))
        self._packets -= len(waiting)
        self._bytes -= sum([len(early.text) + AROUND for early in waiting])
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return waiting

    def _time_is_up(self) -> None:
        self._timer = None
        self._overdue()

    def wait_longer(self) -> None:
        """Come back later: nothing has been read meanwhile."""
        if self._waiting and self._timer is None:
            self._timer = self._runtime.at(self._runtime.now() + WAIT, self._time_is_up)

    def overdue(self) -> list[str]:
        """The namespaces whose packets have waited long enough. Looks after the rest."""
        now = self._runtime.now()
        ends = {endpoint: since + WAIT for endpoint, (since, _) in self._waiting.items()}
        later = [end for end in ends.values() if end > now]
        if later and self._timer is None:
            self._timer = self._runtime.at(min(later), self._time_is_up)
        return [endpoint for endpoint, end in ends.items() if end <= now]

    def close(self) -> int:
        """The session is over; returns how many packets waited in vain."""
        waited = self._packets
        for endpoint in list(self._waiting):
            self.take(endpoint)
        self._late.clear()
        # Whoever it belongs to, which knows it in turn.
        self._overdue = _nobody
        return waited

    # ---- what is known

    def gone(self, endpoint: str, why: str) -> None:
        """The client was let out of ``endpoint``, or not let in."""
        gone = self._gone
        if endpoint not in gone:
            self._gone_size += len(endpoint)
            while gone and (len(gone) >= REMEMBERED or self._gone_size > THEIR_NAMES):
                self.came(next(iter(gone)))
        gone[endpoint] = (why, self._runtime.now())

    def came(self, endpoint: str) -> None:
        """The client is at the door of ``endpoint``."""
        if self._gone.pop(endpoint, None) is not None:
            self._gone_size -= len(endpoint)

    def why_gone(self, endpoint: str) -> str | None:
        """Why the client is not in ``endpoint``; None where it never was."""
        return self._gone.get(endpoint, (None, 0.0))[0]

    def is_fresh(self, endpoint: str) -> bool:
        """Whether it is only a moment since: the client may not know."""
        return self._runtime.now() < self._gone.get(endpoint, ("", 0.0))[1] + RACE

    def first(self, kind: str, endpoint: str) -> bool:
        """Whether nothing of this kind was said of ``endpoint``, one of those configured, in this
        session; of all others, which clients make up, it is ""."""
        said = (kind, endpoint)
        if said in self._said or len(self._said) >= REMEMBERED:
            return False
        self._said.add(said)
        return True

    # ---- what came too late

    def came_too_late(self, endpoint: str, ack_id: int) -> None:
        """Remember an id to be answered; beyond the bound in packets it is forgotten."""
        late = self._late.setdefault(endpoint, [])
        if len(late) < self._max_packets:
            late.append(ack_id)

    def take_late(self, endpoint: str) -> list[int]:
        return self._late.pop(endpoint, [])


def _nobody() -> None:
    """Nothing waits any more."""
