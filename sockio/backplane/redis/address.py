"""A URL, and the connections that it stands for: redis-py reads it and connects.

``redis://``, ``rediss://`` (TLS) and ``unix://`` are redis-py's own, with whatever it takes behind
the question mark. ``sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DB]`` asks
Sentinel for the master before each connection, ``sentinels://`` does it by TLS; user and password
are the master's, ``?sentinel_username=`` and ``?sentinel_password=`` Sentinel's.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ...exceptions import UsageError

__all__ = ["Address", "is_tls", "reader"]

_missing: ImportError | None = None
try:
    import hiredis as _hiredis
    import redis.backoff as _backoff
    import redis.connection as _connection
    import redis.retry as _retry
    import redis.sentinel as _sentinel
except ImportError as error:
    _missing = error

#: Seconds that connecting, and then each answer on the way to a ready connection, may take.
PATIENCE = 5.0
_SENTINEL_PORT = 26379
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
_SCHEMES = ("redis://", "rediss://", "unix://", "sentinel://", "sentinels://")


def _need_libraries() -> None:
    if _missing is not None:
        raise UsageError(
            "a Redis server is spoken to by the packages redis and hiredis, which cannot be "
            f"imported ({_missing}): pip install 'sockio-wsgi[redis]'"
        ) from _missing


def reader(nothing: object) -> Any:
    """A reader of replies: it has ``feed(data)``, and ``gets()`` that gives ``nothing`` where no
    whole reply is left, an exception for a reply that is an error, and raises ``ValueError`` for
    what is no reply of Redis."""
    return _hiredis.Reader(protocolError=ValueError, notEnoughData=nothing)


def is_tls(sock: Any) -> bool:
    """Whether a socket has a layer of its own above the kernel's, with a buffer."""
    return hasattr(sock, "pending")


class Address:
    """Where the server is.

    Raises ``UsageError`` for a URL that cannot be one, and without the packages.
    """

    def __init__(self, url: str) -> None:
        _need_libraries()
        scheme = url.partition("://")[0] + "://"
        if scheme not in _SCHEMES:
            raise UsageError(f"the URL of a Redis server begins with one of {', '.join(_SCHEMES)}")
        #: Who is asked, and how, where it is Sentinel that knows.
        self._sentinel: tuple[list[tuple[str, int]], dict[str, Any]] | None = None
        self._service = ""
        try:
            if scheme.startswith("sentinel"):
                url = self._read_sentinel(url)
            options = _connection.parse_url(url)
        except (TypeError, ValueError):
            # Neither the URL nor what was said of it: a part of the password may be in both.
            raise UsageError(
                "the URL of a Redis server cannot be read. What its user and password have of "
                "'/', '#', '?', '@', ':' and '%' is to be percent-encoded; "
                "sentinel:// needs a host and a service: sentinel://HOST:PORT/SERVICE"
            ) from None
        for name in _NOT_OURS:
            options.pop(name, None)
        self._class: Callable[..., Any] = options.pop("connection_class", _connection.Connection)
        self._options = {
            "protocol": 2,
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "retry": _no_retry(),
            **options,
        }
        #: For the log: without user and password.
        self.label = self._label(url)
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
        options = self._options
        if self._sentinel is not None:
            host, port = self._ask_sentinel()
            options = {**options, "host": host, "port": port}
        connection = self._class(**options)
        connection.connect()
        sock, connection._sock = connection._sock, None
        if not is_tls(sock):
            # Below what gevent may have put around it.
            sock = _socket.socket(fileno=sock.detach())
        sock.setblocking(False)
        return sock

    def _ask_sentinel(self) -> tuple[str, int]:
        """Where the master is now. Blocks."""
        assert self._sentinel is not None
        asked, options = self._sentinel
        sentinel = _sentinel.Sentinel(asked, sentinel_kwargs=options)
        try:
            found: tuple[str, int] = sentinel.discover_master(self._service)
            return found
        finally:
            for each in sentinel.sentinels:
                each.connection_pool.disconnect()

    def _read_sentinel(self, url: str) -> str:
        """Takes note of who is asked; returns what the master's URL would be without its host."""
        parts = urlsplit(url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        service, _, database = parts.path.strip("/").partition("/")
        if not hosts or not service:
            raise ValueError
        own, theirs = {}, []
        for name, value in parse_qsl(parts.query):
            if name.startswith("sentinel_"):
                own[name.removeprefix("sentinel_")] = value
            else:
                theirs.append((name, value))
        tls = parts.scheme == "sentinels"
        if tls:
            own |= {name: value for name, value in theirs if name.startswith("ssl_")}
        asked = []
        for each in hosts.split(","):
            one = urlsplit(f"//{each}")
            asked.append((one.hostname or "localhost", one.port or _SENTINEL_PORT))
        self._service = unquote(service)
        self._sentinel = (
            asked,
            {
                "socket_timeout": PATIENCE,
                "socket_connect_timeout": PATIENCE,
                "retry": _no_retry(),
                "ssl": tls,
                **own,
            },
        )
        scheme = "rediss" if tls else "redis"
        return f"{scheme}://{credentials}{at}/{database}?{urlencode(theirs)}"

    def _label(self, url: str) -> str:
        options = self._options
        if self._sentinel is not None:
            return f"sentinel service {self._service}"
        if "path" in options:
            return f"unix://{options['path']}"
        scheme = url.partition("://")[0]
        return f"{scheme}://{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def _no_retry() -> Any:
    return _retry.Retry(_backoff.NoBackoff(), 0)
