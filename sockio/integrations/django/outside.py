"""Sending from outside of handlers: views, signals, tasks, other native threads.

It reaches the clients of this process, which runs the server, and of those that it is joined with.
"""

from __future__ import annotations

import functools
import logging
import weakref
from typing import Any

from ...exceptions import SockioError
from ...http.middleware import SocketIOMiddleware
from ...namespaces.emitter import Emitter
from ...sessions.complaints import Kind
from ...sessions.ids import cut
from ...sessions.registry import SessionRegistry

__all__ = ["NoSocket", "broadcast", "broadcast_channel", "of", "remember", "send"]

log = logging.getLogger("sockio.django")

_NO_CLIENTS = (
    "this process serves no Socket.IO clients. Send from the process that does: from a view or a "
    "handler; from elsewhere, ask such a view by HTTP."
)

_current: weakref.ref[SessionRegistry] | None = None


class NoSocket(SockioError):
    """Nobody is connected to this process who could get the message."""


def remember(registry: SessionRegistry) -> None:
    """Send to the clients of this one from now on."""
    global _current
    if _current is None or _current() is not registry:
        _current = weakref.ref(registry)


def complain(
    logger: logging.Logger,
    level: int,
    kind: Kind,
    address: str,
    message: str,
    *args: Any,
    exc_info: bool = False,
) -> None:
    """Log what a client may have caused; without a server there are none, and nothing to limit."""
    registry = _current() if _current is not None else None
    if registry is None:
        logger.log(level, message, *args, exc_info=exc_info)
    else:
        registry.complaints.say(logger, level, kind, address, message, *args, exc_info=exc_info)


def of(namespace: str = "", *, missing_ok: bool = True) -> Emitter:
    """Emit to a namespace from anywhere in the process::

        of("/chat").to("lobby").emit("announcement", text)

    Never blocks. An emit that finds nobody in the namespace does nothing. In a process that serves
    no clients, such as a test, a shell, a management command or a Celery worker, nothing is sent
    either, and the log says so once; with ``missing_ok=False`` it raises :class:`NoSocket` there.
    """
    registry = _current() if _current is not None else None
    if registry is None:
        if not missing_ok:
            raise NoSocket(_NO_CLIENTS)
        registry = _nobody()
    return Emitter(registry, "" if namespace == "/" else namespace)


@functools.cache
def _nobody() -> SessionRegistry:
    """Clients of a process that has none."""
    log.warning("of(): nothing is sent: %s [no-server]", _NO_CLIENTS)
    registry = SocketIOMiddleware(_no_pages, {}).registry
    registry.had_clients = True  # It was said here that there are none.
    return registry


def _no_pages(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


def _registry() -> SessionRegistry:
    registry = _current() if _current is not None else None
    if registry is None:
        raise NoSocket(_NO_CLIENTS)
    return registry


def send(session_id: str, message: Any) -> None:
    """Send a message (text, or any JSON value) to one client of the channel API.

    ``session_id`` is ``socket.session_id``, not the key of a Django session. Raises
    :class:`NoSocket` when no such client is connected.
    """
    socket = _registry().sockets.get(session_id)
    namespace = socket.get("") if socket is not None else None
    if namespace is None:
        raise NoSocket(f"there is no client with the session id {cut(session_id)}")
    namespace.send(message, json=not isinstance(message, str))


def broadcast(message: Any) -> None:
    """Send a message to every client of the channel API. Raises :class:`NoSocket`."""
    _send_to(of(), message, "there are no clients.")


def broadcast_channel(message: Any, channel: str) -> None:
    """Send a message to every client that is subscribed to ``channel``. Raises
    :class:`NoSocket`."""
    _send_to(of().to(channel), message, f"there are no clients in the channel {channel!r}.")


def _send_to(emitter: Emitter, message: Any, otherwise: str) -> None:
    if not emitter.sockets():
        raise NoSocket(otherwise)
    emitter.send(message, json=not isinstance(message, str))
