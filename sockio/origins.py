"""Which pages may talk to this server: pure functions from headers to a decision.

The rule is the same for every request under the resource, the websocket upgrade included, because
a check on the handshake alone leaves the session open to whoever learns its id. Browsers tell where
a request comes from by ``Origin``, on plain GETs (scripts for JSONP) by ``Referer`` or only by
``Sec-Fetch-Site``; programs that are no browsers tell nothing and are let in, since nobody can make
them carry somebody else's cookies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

__all__ = ["cors_headers", "is_allowed", "own_origins", "preflight_headers", "source_of"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def source_of(environ: Mapping[str, Any]) -> str | None:
    """The origin that a request says it comes from; None when it says nothing.

    ``"null"`` stands for pages without an origin (files, sandboxed frames) and for cross-site
    requests of browsers that hide theirs.
    """
    origin: str | None = environ.get("HTTP_ORIGIN")
    if origin:
        return origin
    referer: str | None = environ.get("HTTP_REFERER")
    if referer:
        try:
            # urlsplit() remembers what it was given, at any length.
            parts = urlsplit(_beginning(referer))
        except ValueError:
            return "null"
        if parts.scheme and parts.netloc:
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
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)


def own_origins(environ: Mapping[str, Any]) -> list[str]:
    """The origins under which this request says that the server is known.

    Behind a proxy that ends TLS the server sees ``http`` where the page says ``https``, so
    ``X-Forwarded-Proto`` and ``X-Forwarded-Host`` count too. A page of a stranger cannot set either
    without a preflight, which is refused; a program could, but a program can set Origin as well.
    """
    return _own(*_claimed(environ))


def _claimed(environ: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What the request says about the server: scheme, host, and both as a proxy was asked."""
    get = environ.get
    host = get("HTTP_HOST") or f"{get('SERVER_NAME', '')}:{get('SERVER_PORT', '')}"
    return (
        get("wsgi.url_scheme", "http"),
        host,
        get("HTTP_X_FORWARDED_PROTO", ""),
        get("HTTP_X_FORWARDED_HOST", ""),
    )


def _own(scheme: str, host: str, proto: str, forwarded_host: str) -> list[str]:
    # The default port is that of the scheme here, not of the one in front of the proxy.
    host = host.removesuffix(f":{_DEFAULT_PORTS.get(scheme)}")
    schemes = [scheme]
    forwarded = proto.split(",")[0].strip().lower()
    if forwarded in ("http", "https") and forwarded != scheme:
        schemes.append(forwarded)
    hosts = [host]
    forwarded_host = forwarded_host.split(",")[0].strip()
    if forwarded_host:
        hosts.append(forwarded_host)
    return [f"{each}://{name}" for each in schemes for name in hosts]


def is_allowed(policy: Any, environ: Mapping[str, Any]) -> bool:
    """Whether the request's source may talk to this server.

    ``policy`` is the setting ``origins``: None for the same origin (scheme, host and port), a tuple
    of origins in addition to that, ``"*"`` for anybody, or a callable ``(origin, environ) -> bool``
    that decides alone and is asked for requests without a source too, with None.
    """
    source = source_of(environ)
    if callable(policy):
        decide: Callable[[str | None, Mapping[str, Any]], Any] = policy
        return bool(decide(source, environ))
    if source is None or policy == "*":
        return True
    own = _claimed(environ)
    if len(source) + sum(map(len, own)) > _LONGEST:
        return _decide(policy, source, own)
    return _decide_again(policy, source, own)


def _decide(policy: tuple[str, ...] | None, source: str, own: tuple[str, str, str, str]) -> bool:
    if policy and source.lower() in policy:
        return True
    if source == "null":
        return False
    if "://" not in source:
        # No browser names an origin without a scheme, some programs do (node's ws 0.4 sends
        # "host:port"): there is only the host to compare.
        source = f"{own[0]}://{source}"
    wanted = _normal(source)
    if wanted is None:
        return False
    if policy and any(_normal(each) == wanted for each in policy):
        return True
    return any(_normal(each) == wanted for each in _own(*own))


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
