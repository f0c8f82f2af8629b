"""Connection state recovery: a client that lost its connection finds again what it had missed.

A namespace's client is told a private id (``pid``) when it connects, and each event that it is sent
ends with an *offset*, by which the client says what it has received. When its connection breaks,
its name, its rooms and its session's data are kept for a while, and so are the events that were
sent meanwhile to anybody. When it comes back with its pid, it gets what was for it, in order and
once; a client that had received nothing yet says no offset, and gets all since it had connected.

Not kept are events that ask for an ack, and volatile ones. What is kept is bounded in bytes and in
age; who comes back for what is gone begins anew, and so does who has missed more than may wait for
one client. A pid can be taken up once.

Facts: Socket.IO protocol, revision 5; socket.io-adapter 2.5.9, ``lib/in-memory-adapter.ts``.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ..protocol.dialect import BaseCodec
from ..runtime.interfaces import Cancellable, Runtime
from .crowd import network_of
from .outbox import Outgoing
from .reasons import Reason

__all__ = ["BY_ACCIDENT", "Recovery", "Stay", "is_recoverable"]

#: Clients that are away and whose state is kept; one more takes the place of the oldest: of the
#: oldest of its own address, where that has more than a part of all.
MAX_KEPT, PART = 10_000, 10
#: Bytes that an event takes beside its text.
OVERHEAD = 500

#: The ends after which a client is expected to come back.
BY_ACCIDENT = frozenset(
    {
        Reason.TRANSPORT_CLOSE,
        Reason.TRANSPORT_ERROR,
        Reason.PING_TIMEOUT,
        Reason.FORCED_CLOSE,
        Reason.OVERFLOW,
        Reason.EVICTED,
    }
)


def is_recoverable(packet: Mapping[str, Any], volatile: bool) -> bool:
    """Whether a packet is one that is kept."""
    return not volatile and packet["type"] in ("event", "message", "json") and "id" not in packet


class Session(Protocol):
    """What a client is here by."""

    def close(self, reason: str, *, say: bool = True) -> None: ...


class Stay:
    """One client's stay in one namespace, as recovery knows it."""

    __slots__ = (
        "address",
        "brought",
        "missed",
        "name",
        "number",
        "pid",
        "recovered",
        "rooms",
        "session",
        "until",
    )

    def __init__(self, name: str, pid: str, number: int) -> None:
        #: What it is called towards others; the same again when it has come back.
        self.name = name
        self.pid = pid
        #: The number of the last event that was sent to anybody when it connected.
        self.number = number
        #: Whether it has come back, and what it has missed then.
        self.recovered = False
        self.missed: list[Outgoing] = []
        #: What it has brought of its session's data, until it is let in.
        self.brought: dict[str, Any] = {}
        # While it is away: where it was, what it had, and until when that is kept.
        self.address = ""
        self.rooms: frozenset[Hashable] = frozenset()
        self.session: dict[str, Any] = {}
        self.until = 0.0

    def bring(self, session: dict[str, Any]) -> None:
        """Let a new session have the data of the one before, but for what it has of its own: that
        is newer."""
        self.brought = {key: self.session[key] for key in self.session if key not in session}
        session.update(self.brought)

    def take_back(self, session: dict[str, Any]) -> None:
        """The client was not let in: its other namespaces are not to see what it has brought."""
        for key, value in self.brought.items():
            if session.get(key) is value:
                del session[key]
        self.brought = {}


#: A pid, and the namespace that it is for: a client may say anything for either.
_Key = tuple[str, str]


class _Entry(NamedTuple):
    until: float
    namespace: str
    rooms: tuple[Hashable, ...] | None
    skip: frozenset[Hashable]
    packet: Outgoing
    size: int


class Recovery:
    """What is kept for the clients of one middleware: for ``seconds``, and of events no more than
    ``max_bytes``. ``max_missed`` is how many packets, and bytes, one client may get at once."""

    def __init__(
        self, runtime: Runtime, seconds: float, max_bytes: int, max_missed: tuple[int, int]
    ) -> None:
        self._runtime = runtime
        self._max_missed = max_missed
        self._seconds = seconds
        self._max_bytes = max_bytes
        # So that an offset of another process, or of one before, is none of ours.
        self._boot = secrets.token_urlsafe(4)
        # Events in order; the number of the last, from which those of the others follow.
        self._log: deque[_Entry] = deque()
        self._number = 0
        self.size = 0
        self._away: OrderedDict[_Key, Stay] = OrderedDict()
        # The same by address.
        self._of: dict[str, OrderedDict[_Key, None]] = {}
        # The sessions of those who are here: they may be back before their loss is noticed.
        self._here: dict[_Key, Session] = {}
        self._timer: Cancellable | None = None

    def __len__(self) -> int:
        """Clients that are away."""
        return len(self._away)

    # ---- events

    def prepare(
        self,
        codec: BaseCodec,
        packet: Mapping[str, Any],
        namespace: str,
        rooms: tuple[Hashable, ...] | None,
        skip: frozenset[Hashable] = frozenset(),
    ) -> Outgoing:
        """An event with its offset, which is kept. Raises ``UsageError`` when it cannot be written.

        The offset is one more argument, as the client takes it off again; others see it.
        """
        number = self._number + 1
        offset = f"{self._boot}.{number:x}"
        if packet["type"] == "event":
            sent = {**packet, "args": [*packet.get("args", ()), offset]}
        else:
            sent = {"type": "event", "name": "message", "args": [packet["data"], offset]}
            sent["endpoint"] = namespace
        outgoing = Outgoing(codec.encode(sent), namespace)
        self._number = number
        size = outgoing.size + OVERHEAD
        until = self._runtime.now() + self._seconds
        self._log.append(_Entry(until, namespace, rooms, skip, outgoing, size))
        self.size += size
        while self.size > self._max_bytes:
            self.size -= self._log.popleft().size
        self._look_again()
        return outgoing

    def _since(self, offset: Any, stay: Stay) -> int | None:
        """The number of the last event that a client has; None where what came then is gone."""
        number = stay.number
        if offset is not None:
            boot, _, digits = str(offset).rpartition(".")
            try:
                number = int(digits, 16) if boot == self._boot and len(digits) <= 16 else -1
            except ValueError:
                number = -1
        oldest = self._number - len(self._log)
        return number if oldest <= number <= self._number else None

    # ---- clients

    def is_here(self, stay: Stay, namespace: str, session: Session) -> None:
        """A client is in a namespace, by that session."""
        self._here[stay.pid, namespace] = session

    def has_left(self, stay: Stay, namespace: str, session: Session) -> None:
        """It is not by that one any more."""
        key = stay.pid, namespace
        if self._here.get(key) is session:
            del self._here[key]

    def begin(self, name: str) -> Stay:
        """A client connects anew."""
        return Stay(name, secrets.token_urlsafe(15), self._number)

    def keep(
        self,
        stay: Stay,
        namespace: str,
        rooms: Iterable[Hashable],
        session: dict[str, Any],
        address: str,
    ) -> None:
        """A client is away, and expected to come back."""
        stay.address = network_of(address)
        stay.rooms = frozenset(rooms)
        stay.session = session
        stay.until = self._runtime.now() + self._seconds
        stay.missed = []
        self._away[stay.pid, namespace] = stay
        own = self._of.setdefault(stay.address, OrderedDict())
        own[stay.pid, namespace] = None
        if len(self._away) > MAX_KEPT:
            self._drop(next(iter(own if len(own) > MAX_KEPT // PART else self._away)))
        self._look_again()

    def _drop(self, key: _Key) -> None:
        """Its state is not kept any more."""
        address = self._away.pop(key).address
        own = self._of[address]
        del own[key]
        if not own:
            del self._of[address]

    def take_up(self, namespace: str, told: Mapping[str, Any]) -> Stay | None:
        """The stay that a client goes on with, by what it says when it connects; None for one that
        says nothing of the kind, and where what it would have to get is gone, or too much."""
        pid = told.get("pid")
        if not isinstance(pid, str):
            return None
        self._forget()
        key = pid, namespace
        before = self._here.get(key)
        if before is not None:
            # It knows sooner than we do that its connection is gone.
            before.close(Reason.TRANSPORT_CLOSE, say=False)
        stay = self._away.get(key)
        if stay is None:
            return None
        self._drop(key)
        since = self._since(told.get("offset"), stay)
        if since is None:
            return None
        begin = len(self._log) - (self._number - since)
        missed = [
            entry.packet
            for number, entry in enumerate(self._log)
            if number >= begin and entry.namespace == namespace and _is_for(entry, stay)
        ]
        packets, size = self._max_missed
        if len(missed) > packets or sum([each.size for each in missed]) > size:
            # They would fill its outbox, and the next one would throw it out, again and again.
            return None
        stay.recovered = True
        stay.missed = missed
        return stay

    # ---- time

    def _forget(self) -> None:
        now = self._runtime.now()
        while self._log and self._log[0].until <= now:
            self.size -= self._log.popleft().size
        while self._away and next(iter(self._away.values())).until <= now:
            self._drop(next(iter(self._away)))

    def _look_again(self) -> None:
        """Come back when the oldest of what is kept has been kept long enough."""
        if self._timer is not None:
            return
        ends = [self._log[0].until] if self._log else []
        if self._away:
            ends.append(next(iter(self._away.values())).until)
        if ends:
            self._timer = self._runtime.at(min(ends), self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._forget()
        self._look_again()

    def close(self) -> None:
        """Nobody will come back: the server ends."""
        self._log.clear()
        self._away.clear()
        self._of.clear()
        self.size = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_for(entry: _Entry, stay: Stay) -> bool:
    mine = stay.rooms
    if entry.skip and (stay.name in entry.skip or not mine.isdisjoint(entry.skip)):
        return False
    rooms = entry.rooms
    return rooms is None or stay.name in rooms or not mine.isdisjoint(rooms)
