"""Functions for the stages of a connection, as django-socketio had them.

::

    @on_message(channel="^room-")
    def message(request, socket, context, message):
        socket.send_and_broadcast_channel(message)

Every handler gets the Django request of the handshake, the client's
:class:`~sockio.integrations.django.channels.ChannelSocket`, and a dict that lives as long as the
connection. The handlers of one event run in the order in which they were registered.

Which of them run: one with a ``channel``, a regular expression that is matched from the beginning,
runs for clients that are subscribed to such a channel; ``on_subscribe`` and ``on_unsubscribe``, for
such a channel. One without runs always, with one exception: ``on_message`` without a channel runs
for clients that are subscribed to nothing, so that two uses of one connection do not mix;
``@on_message(always=True)`` runs for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from ...config.plain import check_plain
from ...exceptions import UsageError
from ...sessions.jobs import name_of

__all__ = [
    "Event",
    "anybody_listens",
    "is_known",
    "on_connect",
    "on_disconnect",
    "on_error",
    "on_finish",
    "on_message",
    "on_subscribe",
    "on_unsubscribe",
]

F = TypeVar("F", bound=Callable[..., Any])


class Event:
    """One stage of a connection: a decorator for its handlers."""

    def __init__(self, name: str, *, channels: bool = True, routed: bool = False) -> None:
        self.name = name
        self._channels = channels
        # Whether a handler without a channel stands back where there are channels.
        self._routed = routed
        self.handlers: list[tuple[Callable[..., Any], re.Pattern[str] | None, bool]] = []

    @overload
    def __call__(self, handler: F) -> F: ...
    @overload
    def __call__(
        self, handler: None = None, channel: str | None = None, *, always: bool = False
    ) -> Callable[[F], F]: ...

    def __call__(
        self, handler: Any = None, channel: str | None = None, *, always: bool = False
    ) -> Any:
        """Register a handler, given directly or by ``@on_message(channel="^room-")``."""
        if channel and not self._channels:
            raise UsageError(
                f"{self.name} has no channel: it happens before a client can subscribe."
            )
        if channel and always:
            raise UsageError(f"{self.name}: give it a channel or always=True, not both.")
        pattern = re.compile(channel) if channel else None

        def register(handler: F) -> F:
            if not callable(handler):
                raise UsageError(
                    f"{self.name}: {handler!r} is no function. With a channel it is "
                    f'@{self.name}(channel="^room-").'
                )
            check_plain(handler, f"{self.name}: {name_of(handler)}")
            self.handlers.append((handler, pattern, always or not self._routed))
            return handler

        return register if handler is None else register(handler)

    def handlers_for(self, channels: Iterable[str]) -> list[Callable[..., Any]]:
        """The handlers that run for these channels, in the order of their registration."""
        channels = list(channels)
        return [
            handler
            for handler, pattern, always in self.handlers
            if (
                any(pattern.match(channel) for channel in channels)
                if pattern is not None
                else always or not channels
            )
        ]


on_connect = Event("on_connect", channels=False)
on_message = Event("on_message", routed=True)
on_subscribe = Event("on_subscribe")
on_unsubscribe = Event("on_unsubscribe")
on_error = Event("on_error")
on_disconnect = Event("on_disconnect")
on_finish = Event("on_finish")

_EVENTS = (
    on_connect,
    on_message,
    on_subscribe,
    on_unsubscribe,
    on_error,
    on_disconnect,
    on_finish,
)


def anybody_listens() -> bool:
    """Whether there is any handler."""
    return any(event.handlers for event in _EVENTS)


def is_known(channel: str) -> bool:
    """Whether any handler is about this channel: others cannot be subscribed to by clients."""
    return any(pattern is None for _, pattern, _ in on_subscribe.handlers) or any(
        pattern.match(channel)
        for event in _EVENTS
        for _, pattern, _ in event.handlers
        if pattern is not None
    )
