"""Which of many sessions has to go: those of one address, or all.

A session is *fleeting* until its client has come back to it: nobody has opened it, or one poll did
and was answered, and that was all. Anybody can make thousands of these in a second; they go first,
oldest first. Then goes who has had no transport for :data:`AWAY` seconds. A session with a
transport never goes. Everything here costs the same however many there are.
"""

from __future__ import annotations

import enum
import ipaddress
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

__all__ = ["AWAY", "Crowd", "Place", "network_of"]

#: Seconds without a transport after which a session may have to make room: many times what a
#: client takes between two polls.
AWAY = 5.0
#: How many of those that have been away are looked at to find one that is.
LOOKS = 16


class Place(enum.Enum):
    """Where a session is filed."""

    #: Its client has not come back to it, and has no transport.
    FLEETING = enum.auto()
    #: Nowhere: it has a transport, or is ending, and is only counted. So an idle websocket takes no
    #: place in any order.
    IN_USE = enum.auto()
    #: It has been without a transport after its client came back; for good, since a client that
    #: polls is away and back with every poll.
    AWAY = enum.auto()


# Looked at with every poll; an attribute of an enum is found slowly.
_FLEETING, _AWAY = Place.FLEETING, Place.AWAY


class Member(Protocol):
    """One session, as a crowd sees it."""

    def away_for(self, now: float) -> float:
        """Seconds that it has been without a transport; 0.0 with one."""
        ...


S = TypeVar("S", bound=Member)


class Crowd(Generic[S]):
    """So many sessions, and in the order in which they came those that may have to go."""

    __slots__ = ("_away", "_fleeting", "_members", "around", "ending", "held", "name")

    def __init__(self, name: str = "", around: Crowd[S] | None = None) -> None:
        self.name = name
        #: The one that its members are in as well: itself for that of all.
        self.around: Crowd[S] = self if around is None else around
        #: Bytes of memory of the callbacks that wait for them.
        self.held = 0
        self._members = 0
        #: Sessions that are over for their clients, and whose handlers still run. They are no
        #: members any more.
        self.ending = 0
        # Most addresses have one session: no dictionary is made before something is in it.
        self._fleeting: OrderedDict[S, None] | None = None
        self._away: OrderedDict[S, None] | None = None

    def __len__(self) -> int:
        return self._members

    @property
    def fleeting(self) -> tuple[S, ...]:
        """Those that are fleeting."""
        return tuple(self._fleeting or ())

    @property
    def away(self) -> tuple[S, ...]:
        """Those that have been away."""
        return tuple(self._away or ())

    @property
    def number_of_fleeting(self) -> int:
        return len(self._fleeting or ())

    def add(self, session: S, place: Place) -> None:
        """Count ``session``, which is not in it yet, and put it where it belongs."""
        self._members += 1
        self._put(session, place)

    def move(self, session: S, place: Place) -> None:
        """Put ``session``, which is in it, where it belongs now."""
        self._take_out(session)
        self._put(session, place)

    def remove(self, session: S) -> None:
        """Take out ``session``, which is in it."""
        self._members -= 1
        self._take_out(session)

    def _put(self, session: S, place: Place) -> None:
        if place is _FLEETING:
            if self._fleeting is None:
                self._fleeting = OrderedDict()
            self._fleeting[session] = None
        elif place is _AWAY:
            if self._away is None:
                self._away = OrderedDict()
            self._away[session] = None

    def _take_out(self, session: S) -> None:
        if self._fleeting is not None and session in self._fleeting:
            del self._fleeting[session]
            if not self._fleeting:
                self._fleeting = None
        elif self._away is not None and session in self._away:
            del self._away[session]
            if not self._away:
                self._away = None

    def oldest_fleeting(self) -> S | None:
        return next(iter(self._fleeting)) if self._fleeting else None

    def first_to_go(self, now: float) -> S | None:
        """The session that makes room for another; None where all are in use, as far as was
        looked."""
        oldest = self.oldest_fleeting()
        away = self._away
        if oldest is not None or away is None:
            return oldest
        for _ in range(min(LOOKS, len(away))):
            session = next(iter(away))
            if session.away_for(now) >= AWAY:
                return session
            # Whoever was looked at is looked at again when all others were.
            away.move_to_end(session)
        return None


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def network_of(address: str) -> str:
    """What counts as one address: IPv4 as it is, of IPv6 the /64, which is what one customer gets.

    IPv6 that carries an IPv4 address (a server that listens to both sees ``::ffff:192.0.2.1``)
    counts as that.
    """
    if ":" not in address:
        return address[:64]
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
    if inner is None and ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return str(inner)
    return f"{ipaddress.IPv6Address(int(ip) >> 64 << 64)}/64"
