"""redis-py and hiredis, where they are installed."""

from __future__ import annotations

from typing import Any

from ...exceptions import UsageError

__all__ = ["PATIENCE", "cluster", "connection", "need", "no_retry", "reader", "sentinel"]

_missing: ImportError | None = None
try:
    import hiredis as _hiredis
    import redis.backoff as _backoff
    import redis.cluster as _cluster
    import redis.connection as _connection
    import redis.retry as _retry
    import redis.sentinel as _sentinel
except ImportError as error:
    _missing = error

#: Seconds that connecting, and then each answer on the way to a ready connection, may take.
PATIENCE = 5.0


def need() -> None:
    """Raise ``UsageError``, saying what to install, where something is missing. All others here are
    for whoever has called it."""
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


def no_retry() -> Any:
    """redis-py's word for trying once."""
    return _retry.Retry(_backoff.NoBackoff(), 0)


def connection() -> Any:
    """The module that reads URLs and makes connections."""
    return _connection


def sentinel() -> Any:
    """The module that asks Sentinel."""
    return _sentinel


def cluster() -> Any:
    """The module that knows clusters."""
    return _cluster
