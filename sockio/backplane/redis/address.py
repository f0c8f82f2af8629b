"""A URL, and the connections that it stands for: redis-py reads it and connects.

``redis://``, ``rediss://`` (TLS) and ``unix://`` are redis-py's own, with whatever it takes behind
the question mark. ``sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DB]`` asks
Sentinel for the master before each connection; user and password are the master's,
``?sentinel_username=`` and ``?sentinel_password=`` Sentinel's. In
``cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]`` the hosts are some nodes of a cluster,
which are asked for all of them: each channel has one. With ``?sharded=no``, and before Redis 7, any
will do, since each passes on to all what is published at it.
``sentinels://`` and ``clusters://`` do it by TLS.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

from ...exceptions import UsageError
from .finding import SCHEMES, Found, finder
from .library import PATIENCE, connection, need, no_retry
from .topology import Place, Topology, read_topology

__all__ = ["Address", "Connects", "is_tls"]

#: What belongs to a pool of connections, or has redis-py try again or ask by itself.
_NOT_OURS = (
    "decode_responses",
    "encoding",
    "health_check_interval",
    "max_connections",
    "retry",
    "retry_on_error",
    "retry_on_timeout",
    "timeout",
)
_SCHEMES = ("redis", "rediss", "unix", *SCHEMES)


def is_tls(sock: Any) -> bool:
    """Whether a socket has a layer of its own above the kernel's, with a buffer."""
    return hasattr(sock, "pending")


class Connects(Protocol):
    """A place that can be connected to."""

    def connect(self) -> Any:
        """A socket with a connection that is ready for commands. Blocks; raises whatever redis-py
        does."""
        ...


class _At:
    """One node of a cluster."""

    def __init__(self, address: Address, place: Place) -> None:
        self._address = address
        self._place = place

    def connect(self) -> Any:
        host, port = self._place
        return self._address._connect(host=host, port=port)


class Address:
    """Where the server is.

    Raises ``UsageError`` for a URL that cannot be one, and without the packages.
    """

    def __init__(self, url: str) -> None:
        need()
        scheme = url.partition("://")[0]
        if scheme not in _SCHEMES or "://" not in url:
            schemes = "://, ".join(_SCHEMES)
            raise UsageError(f"the URL of a Redis server begins with one of {schemes}://")
        found: Found | None = None
        try:
            if scheme in SCHEMES:
                found = Found(url)
                url = found.url
            options = connection().parse_url(url)
        except (TypeError, ValueError):
            # Neither the URL nor what was said of it: a part of the password may be in both.
            raise UsageError(
                "the URL of a Redis server cannot be read. What its user and password have of "
                "'/', '#', '?', '@', ':' and '%' is to be percent-encoded; "
                "sentinel:// needs a host and a service: sentinel://HOST:PORT/SERVICE; "
                "cluster:// needs hosts alone: cluster://HOST:PORT,HOST:PORT"
            ) from None
        for name in _NOT_OURS:
            options.pop(name, None)
        self._class: Callable[..., Any] = options.pop("connection_class", connection().Connection)
        self._options = {
            "protocol": 2,
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "retry": no_retry(),
            **options,
        }
        #: For the log: without user and password.
        self.label = self._label(url) if found is None else found.label
        path = urlsplit(url).path.strip("/")
        if found is None and scheme != "unix" and path and not path.isdecimal():
            # redis-py takes it for nothing.
            raise UsageError(
                "what stands behind the host in the URL of a Redis server is the number of a "
                "database, as in redis://localhost/1. By a name two applications are told apart by "
                "the setting group"
            )
        #: The number of the database, by which the URL tells applications apart.
        self.database = int(options.get("db") or 0)
        #: Whether each channel is to have a node of its own.
        self.sharded = found is not None and found.sharded
        self._asked = found.asked if found is not None else []
        #: What gives the places to try, where others know them.
        self._find = None if found is None else finder(found, self._options)
        try:
            # Makes the object only; whatever else is wrong with the URL shows here.
            self._class(**self._options)
        except Exception:
            raise UsageError(
                "one of the options in the URL of a Redis server is unknown to redis-py, or its "
                f"value is: {', '.join(options)}"
            ) from None

    def connect(self) -> Any:
        """A socket with a connection that is ready for commands. Blocks, for a few times
        :data:`PATIENCE` at most; raises whatever redis-py does."""
        if self._find is None:
            return self._connect()
        places = self._find()
        for host, port in places[:-1]:
            try:
                return self._connect(host=host, port=port)
            except Exception:  # its, ssl's, the resolver's: there are others
                continue
        host, port = places[-1]
        return self._connect(host=host, port=port)

    def at(self, place: Place) -> Connects:
        """One node of the cluster."""
        return _At(self, place)

    def topology(self, known: Iterable[Place]) -> Topology:
        """Which node of the cluster has which slots, asked of one of those that are ``known``, or
        that the URL names. Blocks; raises whatever redis-py does for the last of them."""
        found: Topology | None = None
        failed: Exception | None = None
        for place in dict.fromkeys([*known, *self._asked]):
            try:
                found = self._ask(place)
            except Exception as error:
                failed = error
                continue
            if found.healthy:
                break
        if found is None:
            assert failed is not None
            raise failed
        return found

    def _ask(self, place: Place) -> Topology:
        host, port = place
        made = self._class(**{**self._options, "host": host, "port": port})
        made.connect()
        try:
            return read_topology(made, place)
        finally:
            made.disconnect()

    def _connect(self, **place: Any) -> Any:
        made = self._class(**{**self._options, **place})
        made.connect()
        sock, made._sock = made._sock, None
        if not is_tls(sock):
            # Below what gevent may have put around it.
            sock = _socket.socket(fileno=sock.detach())
        sock.setblocking(False)
        return sock

    def _label(self, url: str) -> str:
        options = self._options
        if "path" in options:
            return f"unix://{options['path']}"
        scheme = url.partition("://")[0]
        return f"{scheme}://{options.get('host', 'localhost')}:{options.get('port', 6379)}"
