"""What code that may block, in the task of its own request, has of gevent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gevent
import gevent.monkey
import gevent.socket
from gevent.exceptions import ConcurrentObjectUseError
from gevent.lock import RLock

__all__ = ["IN_USE", "aside", "at_most", "cooperative", "lock", "pause", "start"]

#: Raised to a task that would wait for a socket in the way that another one does already.
IN_USE = (ConcurrentObjectUseError,)


def aside(fn: Callable[..., Any], *args: Any) -> Any:
    """``fn(*args)``, which blocks on sockets of the standard library, while others go on.

    Here, where gevent has patched those; else in a native thread, for which the calling task waits.
    It may be one of gevent's few (its own name lookups use them, too): not for what blocks for
    good.
    """
    if gevent.monkey.is_module_patched("socket"):
        return fn(*args)
    return gevent.get_hub().threadpool.apply(fn, args)


def lock() -> contextlib.AbstractContextManager[object]:
    """One task at a time; the one that has it may take it again."""
    return RLock()


def at_most(seconds: float) -> contextlib.AbstractContextManager[object]:
    """Leave the block after so many seconds, without an exception."""
    return gevent.Timeout(max(0.0, seconds), False)  # type: ignore[arg-type]  # gevent's own way


def cooperative(sock: Any) -> Any:
    """A plain socket as one that lets others work while it waits; the descriptor moves."""
    family, kind, proto = sock.family, sock.type, sock.proto
    return gevent.socket.socket(family, kind, proto, fileno=sock.detach())


def pause(seconds: float) -> None:
    """Let others work for so long."""
    gevent.sleep(seconds)


def start(fn: Callable[..., object], *args: Any) -> None:
    """Run ``fn`` in a task of its own, soon."""
    gevent.spawn(fn, *args)
