"""Which pages may talk to this server: pure functions from headers to a decision.

The rule is the same for every request under the resource, the websocket upgrade included, because
a check on the handshake alone leaves the session open to whoever learns its id. Browsers tell where
a request comes from by ``Origin``, on plain GETs (scripts for JSONP) by ``Referer`` or only by
``Sec-Fetch-Site``; programs that are no browsers tell nothing and are let in, since nobody can make
them carry somebody else's cookies. But a page can keep the browser from telling where a script is
included from, and reads what the script says: what is answered as a script needs a source.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from .forwarded import TrustedProxies
from .plain import says_yes

__all__ = [
    "Hosts",
    "cors_headers",
    "host_of",
    "is_allowed",
    "own_origins",
    "preflight_headers",
    "source_of",
]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def source_of(environ: Mapping[str, Any]) -> str | None:
    """The origin that a request says it comes from; None when it says nothing.

    ``"null"`` stands for pages without an origin (files, sandboxed frames) and for cross-site
    requests of browsers that hide theirs.
    """
    # Websockets of the drafts 7 and 8 have it by a name of their own.
    origin: str | None = environ.get("HTTP_ORIGIN") or environ.get("HTTP_SEC_WEBSOCKET_ORIGIN")
    if origin:
        return origin
    referer: str | None = environ.get("HTTP_REFERER")
    if referer:
        try:
            # urlsplit() remembers what it was given, at any length.
            parts = urlsplit(_beginning(referer))
        except ValueError:
            return "null"
        if parts.scheme and parts.netloc and "\\" not in parts.netloc:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return "null"
    if environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site"):
        return "null"
    return None


def _beginning(url: str) -> str:
    """``url`` up to its path, which is all of it that matters, or as much of it as may be looked
    at."""
    slashes = url.find("//", 0, _LONGEST)
    end = len(url) if slashes < 0 else url.find("/", slashes + 2)
    return url[: min(end if end >= 0 else len(url), _LONGEST)]


#: Origins, and requests by their headers, of which a decision is remembered: pages ask again and
#: again, and taking URLs apart costs more than all the rest of a poll. What is longer than any
#: browser would send is not kept.
_REMEMBERED = 1024
_LONGEST = 300


def _normal(origin: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an origin, or None for what is none."""
    if len(origin) > _LONGEST:
        return None
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or parts.path not in ("", "/"):
        return None
    if parts.query or parts.fragment or "@" in parts.netloc or "\\" in parts.netloc:
        # No browser sends these, and readers differ about which host is meant.
        return None
    host = parts.hostname
    if ":" in host:
        host = _address(host)
    return parts.scheme, host, port or _DEFAULT_PORTS.get(parts.scheme)


def _address(host: str) -> str:
    """An address of IPv6 in one spelling: browsers say ``::ffff:7f00:1`` where somebody wrote
    ``::ffff:127.0.0.1``. What is none stays as it is."""
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        return host


def own_origins(environ: Mapping[str, Any], proxies: TrustedProxies | None = None) -> list[str]:
    """The origins under which this request says that the server is known.

    Behind a proxy that ends TLS the server sees ``http`` where the page says ``https``, so what a
    trusted proxy says by ``X-Forwarded-Proto`` and ``X-Forwarded-Host`` takes the place of what the
    server sees. From anybody else these headers mean nothing.
    """
    scheme, host = _claimed(environ, proxies)
    return [f"{scheme}://{host}"]


def host_of(environ: Mapping[str, Any], proxies: TrustedProxies | None = None) -> str:
    """The host, with its port unless that is the usual one, that the client asked for."""
    return _claimed(environ, proxies)[1]


def _claimed(environ: Mapping[str, Any], proxies: TrustedProxies | None) -> tuple[str, str]:
    """Scheme and host of the server, as the request has them."""
    get = environ.get
    host: str = get("HTTP_HOST") or f"{get('SERVER_NAME', '')}:{get('SERVER_PORT', '')}"
    scheme: str = get("wsgi.url_scheme", "http")
    # The default port is that of the scheme here, not of the one in front of the proxy.
    host = host.removesuffix(_DEFAULT_SUFFIXES.get(scheme, ""))
    if proxies is not None and proxies.trusts(environ):
        asked_scheme, asked_host = proxies.asked(environ)
        if asked_scheme in ("http", "https"):
            scheme = asked_scheme
        if asked_host:
            host = asked_host
    return scheme, host


_DEFAULT_SUFFIXES = {scheme: f":{port}" for scheme, port in _DEFAULT_PORTS.items()}

#: A host's name or address as a request has it, and its port; what is no name of a host is no name
#: of this one.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?)\.?(:[0-9]{1,5})?")


def _spelled(name: str) -> str:
    """A host that matches :data:`_HOST`, as it is compared."""
    return f"[{_address(name[1:-1])}]" if name[0] == "[" else name


@dataclass(frozen=True)
class Hosts:
    """The names that a server goes by: a host with or without its port, or ``*.example.com`` for
    every name that ends so."""

    names: frozenset[str]
    endings: tuple[str, ...] = ()

    @classmethod
    def named(cls, words: Iterable[str]) -> Hosts | None:
        """From such names; None for no words. Raises ``ValueError`` for what is no name."""
        names, endings = set(), []
        for word in words:
            name = word.lower()
            if not name.isascii():
                # As browsers send it.
                name = name.encode("idna").decode("ascii")
            wildcard = name.startswith("*.")
            found = _HOST.fullmatch(name.removeprefix("*."))
            if found is None or (wildcard and found[2]):
                raise ValueError(
                    f"{word!r} is no host; write 'chat.example.com', 'localhost:8080' or "
                    "'*.example.com'"
                )
            if wildcard:
                endings.append("." + found[1])
            else:
                names.add(_spelled(found[1]) + (found[2] or ""))
        return cls(frozenset(names), tuple(endings)) if names or endings else None

    def have(self, host: str) -> bool:
        """Whether ``host``, a name with or without a port, is one of them."""
        found = _HOST.fullmatch(host.lower()) if len(host) <= _LONGEST else None
        if found is None:
            return False
        name, port = _spelled(found[1]), found[2]
        # Who asks for the usual port does not say it.
        ports = (port,) if port else _DEFAULT_SUFFIXES.values()
        return (
            name in self.names
            or any(name + each in self.names for each in ports)
            or name.endswith(self.endings)
        )


def is_allowed(
    policy: Any,
    environ: Mapping[str, Any],
    proxies: TrustedProxies | None = None,
    *,
    script: bool = False,
) -> bool:
    """Whether the request's source may talk to this server.

    ``policy`` is the setting ``origins``: None for the same origin (scheme, host and port), a tuple
    of origins in addition to that, ``"*"`` for anybody, or a callable ``(origin, environ) -> bool``
    that decides alone and is asked for requests without a source too, with None. ``script`` says
    that the answer is a script, which the page that included it reads whatever its origin is: one
    that hides where it is from may not, unless the browser itself says that it is ours.

    Raises ``UsageError`` where the callable gives what is no answer, and whatever it raises.
    """
    source = source_of(environ)
    if callable(policy):
        decide: Callable[[str | None, Mapping[str, Any]], Any] = policy
        return says_yes(decide(source, environ), "the callable in origins")
    if policy == "*":
        return True
    if source is None:
        return not script or environ.get("HTTP_SEC_FETCH_SITE") in ("same-origin", "none")
    scheme, host = _claimed(environ, proxies)
    if len(source) + len(scheme) + len(host) > _LONGEST:
        return _decide(policy, source, scheme, host)
    return _decide_again(policy, source, scheme, host)


def _decide(policy: tuple[str, ...] | None, source: str, scheme: str, host: str) -> bool:
    if policy and source.lower() in policy:
        return True
    if source == "null":
        return False
    if "://" not in source:
        # No browser names an origin without a scheme, some programs do (node's ws 0.4 sends
        # "host:port"): there is only the host to compare.
        source = f"{scheme}://{source}"
    wanted = _normal(source)
    if wanted is None:
        return False
    if policy and any(_normal(each) == wanted for each in policy):
        return True
    return _normal(f"{scheme}://{host}") == wanted


_decide_again = lru_cache(_REMEMBERED)(_decide)


def cors_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Headers that let the page read the answer to a request whose origin was allowed.

    The client's cross-domain handshake is sent with credentials, so ``*`` would not do: the origin
    is echoed (fact sheet, section 2). None without an ``Origin``.
    """
    origin = environ.get("HTTP_ORIGIN")
    if not origin:
        return []
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Origin"),
    ]


def preflight_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a preflight asks for, granted for an hour."""
    headers = [("Access-Control-Allow-Methods", "GET, POST, OPTIONS")]
    asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    if asked and all(c.isalnum() or c in "-_, " for c in asked) and asked.isascii():
        headers.append(("Access-Control-Allow-Headers", asked))
    headers.append(("Access-Control-Max-Age", "3600"))
    return headers
