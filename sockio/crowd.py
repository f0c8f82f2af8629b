"""Which of many sessions has to go: those of one address, or all.

A session is *fleeting* until its client has come back to it: nobody has opened it, or one poll did
and was answered, and that was all. Anybody can make thousands of these in a second; they go first,
oldest first. Then goes who has had no transport for :data:`AWAY` seconds. A session with a
transport never goes. Everything here costs the same however many there are.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["AWAY", "Crowd", "network_of"]

#: Seconds without a transport after which a session may have to make room: many times what a
#: client takes between two polls.
AWAY = 5.0
#: How many of the settled sessions are looked at to find one that is away.
LOOKS = 16


class Standing(Protocol):
    """One session, as a crowd sees it."""

    @property
    def fleeting(self) -> bool:
        """Whether its client has not come back to it."""
        ...

    def away_for(self, now: float) -> float:
        """Seconds that it has been without a transport; 0.0 with one."""
        ...


S = TypeVar("S", bound=Standing)


class Crowd(Generic[S]):
    """Sessions in the order in which they came."""

    __slots__ = ("_fleeting", "_settled", "name")

    def __init__(self, name: str = "") -> None:
        self.name = name
        # Most addresses have one session: no dictionary is made before something is in it.
        self._fleeting: OrderedDict[S, None] | None = None
        self._settled: OrderedDict[S, None] | None = None

    def __len__(self) -> int:
        fleeting, settled = self._fleeting, self._settled
        return (len(fleeting) if fleeting else 0) + (len(settled) if settled else 0)

    def __iter__(self) -> Iterator[S]:
        yield from self._fleeting or ()
        yield from self._settled or ()

    @property
    def fleeting(self) -> int:
        """How many are fleeting."""
        return len(self._fleeting or ())

    def file(self, session: S, fleeting: bool) -> None:
        """Put ``session`` where it belongs now."""
        if self._fleeting or self._settled:
            self.remove(session)
        if fleeting:
            if self._fleeting is None:
                self._fleeting = OrderedDict()
            self._fleeting[session] = None
        else:
            if self._settled is None:
                self._settled = OrderedDict()
            self._settled[session] = None

    def remove(self, session: S) -> None:
        """Take ``session`` out; nothing happens if it is not in it."""
        if self._fleeting is not None and session in self._fleeting:
            del self._fleeting[session]
            if not self._fleeting:
                self._fleeting = None
        elif self._settled is not None and session in self._settled:
            del self._settled[session]
            if not self._settled:
                self._settled = None

    def oldest_fleeting(self) -> S | None:
        return next(iter(self._fleeting)) if self._fleeting else None

    def first_to_go(self, now: float) -> S | None:
        """The session that makes room for another; None where all are in use, as far as was
        looked."""
        oldest = self.oldest_fleeting()
        settled = self._settled
        if oldest is not None or settled is None:
            return oldest
        for _ in range(min(LOOKS, len(settled))):
            session = next(iter(settled))
            if session.away_for(now) >= AWAY:
                return session
            # Whoever was looked at is looked at again when all others were.
            settled.move_to_end(session)
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
