"""Proxies in front of the server: whose word about a request counts, and what it then says.

Anybody can send ``X-Forwarded-For``. It is true where a proxy wrote it, and which entry a proxy
wrote is known only from the right: the nearest one adds the last. So it is read from its end for as
long as addresses of trusted proxies stand there; the first other one is the client. Likewise the
entries of ``X-Forwarded-Proto`` and ``X-Forwarded-Host``, which say how the client asked.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

__all__ = ["TrustedProxies", "address_in", "address_of", "client_of", "forwarded_headers"]

#: Entries of a forwarded header that are looked at, and characters of an address.
MAX_HOPS, MAX_ADDRESS = 20, 60
#: Addresses of which it is remembered whether they are a proxy's.
_REMEMBERED = 1024

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADERS = {
    "HTTP_X_FORWARDED_FOR": "X-Forwarded-For",
    "HTTP_X_FORWARDED_HOST": "X-Forwarded-Host",
    "HTTP_X_FORWARDED_PROTO": "X-Forwarded-Proto",
}


@dataclass(frozen=True)
class TrustedProxies:
    """The proxies whose headers count."""

    networks: tuple[_Network, ...] = ()
    #: Whether a connection over a Unix socket is a proxy's.
    unix: bool = False
    #: Whether whoever connects is a proxy: where nobody else can reach the server.
    anybody: bool = False
    #: Whether an address is in one of the networks.
    lists: Callable[[str], bool] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        def lists(text: str) -> bool:
            address = _parse(text)
            return address is not None and any(address in each for each in self.networks)

        object.__setattr__(self, "lists", lru_cache(_REMEMBERED)(lists))

    @classmethod
    def named(cls, words: Iterable[str]) -> TrustedProxies | None:
        """From addresses, networks, ``unix`` and ``*``; None for no words. Raises ``ValueError``
        for what is none of these."""
        words = tuple(words)
        try:
            networks = tuple(_network(each) for each in words if each not in _WORDS)
        except ValueError as error:
            raise ValueError(f"{error}; write addresses, networks, 'unix' or '*'") from None
        return cls(networks, "unix" in words, "*" in words) if words else None

    def trusts(self, environ: Mapping[str, Any]) -> bool:
        """Whether the request came from one of them."""
        peer: str = environ.get("REMOTE_ADDR") or ""
        return self.anybody or (self.lists(peer) if peer else self.unix)

    def _hops(self, environ: Mapping[str, Any]) -> tuple[str, int]:
        """The client's address, and how many proxies the request came through."""
        address: str = environ.get("REMOTE_ADDR") or ""
        hops = 0
        for entry in reversed(_last_words(environ.get("HTTP_X_FORWARDED_FOR", ""))):
            found = address_in(entry)
            if found is None:
                # Whoever wrote it did not know; for what stands before it nobody vouches.
                break
            address = found
            hops += 1
            if not self.lists(found):
                break
        return address, max(hops, 1)

    def client_of(self, environ: Mapping[str, Any]) -> str:
        """The address of the client of a request that came from one of them."""
        return self._hops(environ)[0]

    def asked(self, environ: Mapping[str, Any]) -> tuple[str, str]:
        """Scheme and host that the client asked for, of a request that came from one of them; ""
        for what they do not say."""
        proto, host = environ.get("HTTP_X_FORWARDED_PROTO"), environ.get("HTTP_X_FORWARDED_HOST")
        if not (proto or host):
            return "", ""
        hops = self._hops(environ)[1]
        return _entry(proto, hops).lower(), _entry(host, hops)


_WORDS = ("unix", "*")


def client_of(environ: Mapping[str, Any], proxies: TrustedProxies | None) -> str:
    """The address of a request's client: the peer's, unless that is a trusted proxy. "" for a Unix
    socket."""
    if proxies is not None and proxies.trusts(environ):
        return proxies.client_of(environ)
    return environ.get("REMOTE_ADDR") or ""


def forwarded_headers(environ: Mapping[str, Any]) -> list[str]:
    """The names of those headers of a proxy that a request has."""
    return [name for key, name in _HEADERS.items() if environ.get(key)]


def address_in(entry: str) -> str | None:
    """The address in an entry of ``X-Forwarded-For``, in its usual spelling and without a port;
    None when there is none."""
    entry = entry.strip().strip('"')
    if len(entry) > MAX_ADDRESS:
        return None
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    address = _parse(entry)
    return None if address is None else str(address)


#: IPv4 as a socket for both families shows it.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def _network(text: str) -> _Network:
    """A network as addresses are looked up: see :func:`_parse`."""
    network = ipaddress.ip_network(_ZONE.sub("", text))
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((inner, network.prefixlen - _MAPPED.prefixlen))
    return network


#: Behind an address, which interface of the machine it is about.
_ZONE = re.compile("%[^/]*")


def address_of(peer: str) -> str:
    """A peer's address in its usual spelling, by which a setting may name it; what is none stays as
    it is."""
    address = _parse(peer)
    return peer if address is None else str(address)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # Without the zone, which is about an interface of the machine.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # How a socket for both families shows a peer of the older one.
    return getattr(address, "ipv4_mapped", None) or address


def _last_words(header: str) -> list[str]:
    """The last entries of a header, from left to right."""
    return header.rsplit(",", MAX_HOPS)[-MAX_HOPS:] if header else []


def _entry(header: str | None, hops: int) -> str:
    """What the outermost of so many proxies said."""
    words = _last_words(header or "")
    return words[-min(hops, len(words))].strip() if words else ""
