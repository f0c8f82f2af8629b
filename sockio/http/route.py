"""What a request under the resource asks for, told from its path and query."""

from __future__ import annotations

import re
from typing import Any

from ..protocol.engine_errors import revision_in
from .client_script import NAMES

__all__ = ["FILE", "Route", "in_origin_form", "parse_path", "route_at", "route_of"]

#: What stands in the place of a version where a file is asked for.
FILE = "file"
#: What a server that leaves the absolute form as it is makes a path of.
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?#@]+)(/.*|)", re.DOTALL)


class Route:
    """A path under the resource; of an Engine.IO client, its query."""

    #: What stands in the place of a version for clients since 1.0.
    ENGINE = "engine"

    __slots__ = ("revision", "sid", "transport", "version")

    def __init__(self, version: str, transport: str = "", sid: str = "", revision: int = 0) -> None:
        self.version = version
        self.transport = transport
        self.sid = sid
        #: Of Engine.IO; 0 for what is none.
        self.revision = revision

    @property
    def admits(self) -> bool:
        """Whether it is of a client: without a session, it is a handshake."""
        return self.version == "1" or self.version == Route.ENGINE


def in_origin_form(environ: dict[str, Any]) -> str:
    """The path of a request whose target may have the host in it, as it may (RFC 9112, 3.2.2): that
    host counts, and the environ has both from then on where they belong."""
    path: str = environ.get("PATH_INFO", "")
    found = _ABSOLUTE.fullmatch(path)
    if found is not None:
        environ["HTTP_HOST"] = found[1]
        path = environ["PATH_INFO"] = found[2] or "/"
    return path


def route_at(mount: str, path: str, query: str) -> Route | None:
    """The route of a request for ``path``, which begins with ``mount``, the resource behind a
    slash; None for what is not ours."""
    below = path[len(mount) :]
    if below[:1] == "/":
        return route_of(below[1:], query)
    # Clients since 1.0 may leave the slash out.
    return route_of("", query) if not below and "EIO=" in query else None


def route_of(rest: str, query: str) -> Route | None:
    """The route of a request, given what follows ``/socket.io/`` and the raw query; None for what
    is not ours."""
    if not rest:
        return _engine(query) if "EIO=" in query or "transport=" in query else Route("")
    return parse_path(rest)


def parse_path(rest: str) -> Route | None:
    """The route of a path of 0.9, given what follows ``/socket.io/``; None for what is not ours."""
    if rest in NAMES:
        return Route(FILE, rest)
    version, _, rest = rest.partition("/")
    if not version:
        return Route("") if not rest else None
    if not (version.isascii() and version.isdigit()):
        return None
    transport, _, rest = rest.partition("/")
    sid, _, rest = rest.partition("/")
    if rest:
        return None
    return Route(version, transport, sid)


def _engine(query: str) -> Route:
    transport = sid = ""
    for part in query.split("&"):
        if part[:10] == "transport=":
            transport = transport or part[10:]
        elif part[:4] == "sid=":
            sid = sid or part[4:]
    return Route(Route.ENGINE, transport, sid, revision_in(query) or 0)
