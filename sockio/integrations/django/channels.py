"""Channels: what the handlers of :mod:`~sockio.integrations.django.events` talk through.

A channel is a room of the global namespace. Pages join and leave with ``socket.subscribe(channel)``
and ``socket.unsubscribe(channel)`` of the script that ``{% socketio %}`` adds, which are the events
``subscribe`` and ``unsubscribe`` on the wire.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from ...config.plain import check_has_run
from ...exceptions import ConnectionRefused, EventRefused
from ...namespaces.emitter import Emitter
from ...namespaces.gate import refuses
from ...namespaces.namespace import BaseNamespace
from ...sessions.complaints import Kind
from ...sessions.jobs import name_of
from ...sessions.reasons import Reason
from . import events
from .message_log import log_message

__all__ = ["MAX_CHANNELS", "MAX_NAME", "ChannelNamespace", "ChannelSocket"]

log = logging.getLogger("sockio.django")

#: Channels that one client may be subscribed to at a time.
MAX_CHANNELS = 1_000
#: Characters in the name of a channel that a client asks for.
MAX_NAME = 255


class ChannelSocket:
    """One client, as event handlers get it. No method blocks."""

    def __init__(self, namespace: ChannelNamespace) -> None:
        self._namespace = namespace
        self._channels: dict[str, None] = {}
        #: What :func:`sockio.integrations.django.send` calls the client by.
        self.session_id: str = namespace.socket.sessid
        #: ``socket.session.session_id``, as it was called in django-socketio.
        self.session = SimpleNamespace(session_id=self.session_id)

    def __str__(self) -> str:
        return str(self._namespace.socket)

    @property
    def channels(self) -> list[str]:
        """The channels it is subscribed to, in the order in which it came."""
        return list(self._channels)

    @property
    def connected(self) -> bool:
        return self._namespace.connected

    def subscribe(self, channel: str) -> bool:
        """Put the client into a channel, whatever its name; False if it is in it already. Runs no
        ``on_subscribe``: that is for clients which ask."""
        if channel in self._channels:
            return False
        self._channels[channel] = None
        self._namespace.join(channel)
        return True

    def unsubscribe(self, channel: str) -> bool:
        """Take the client out of a channel; False if it is not in it."""
        if channel not in self._channels:
            return False
        del self._channels[channel]
        self._namespace.leave(channel)
        return True

    def send(self, message: Any) -> bool:
        """Send a message, text or any JSON value; whether it was written or queued."""
        return self._namespace.send(message, json=not isinstance(message, str))

    def emit(self, event: str, *args: Any) -> bool:
        """Send an event, which the page gets by its name."""
        return self._namespace.emit(event, *args)

    def broadcast(self, message: Any) -> None:
        """Send a message to all other clients."""
        self._send_to(self._others(), message)

    def broadcast_channel(self, message: Any, channel: str | None = None) -> None:
        """Send a message to all others in a channel, or in any of this client's channels. Each of
        them gets it once."""
        channels = self.channels if channel is None else [channel]
        self._send_to(self._others().to(*channels), message)

    def send_and_broadcast(self, message: Any) -> None:
        """Send a message to all clients, this one included."""
        self.send(message)
        self.broadcast(message)

    def send_and_broadcast_channel(self, message: Any, channel: str | None = None) -> None:
        """:meth:`broadcast_channel`, to this client as well."""
        self.send(message)
        self.broadcast_channel(message, channel)

    def disconnect(self) -> None:
        """End the connection."""
        self._namespace.disconnect()

    def _others(self) -> Emitter:
        namespace = self._namespace
        return Emitter(namespace.socket.server, namespace.ns_name).skip(namespace.id)

    def _send_to(self, emitter: Emitter, message: Any) -> None:
        emitter.send(message, json=not isinstance(message, str))


class ChannelNamespace(BaseNamespace):
    """The global namespace of a site that has event handlers: runs them."""

    def initialize(self) -> None:
        self.channel_socket = ChannelSocket(self)

    def recv_connect(self) -> Any:
        return self._run(events.on_connect, gate=True)

    def recv_message(self, data: Any) -> None:
        self._message(data)

    def recv_json(self, data: Any) -> None:
        self._message(data)

    def _message(self, message: Any) -> None:
        log_message(self.request, "message", message)
        channels = self.channel_socket.channels
        if not events.on_message.handlers_for(channels):
            among = "these of the channels" if channels else "none of the channels"
            raise EventRefused(
                "no_such_method",
                "Nothing handles this.",
                detail=f"no @on_message is for a client in {among}: add one for a channel, or "
                "@on_message(always=True) for all",
            )
        self._run(events.on_message, message)

    def on_subscribe(self, channel: Any) -> bool:
        """The page wants into a channel. ``on_subscribe`` handlers may refuse."""
        if not isinstance(channel, str) or not 0 < len(channel) <= MAX_NAME:
            raise EventRefused("invalid_channel", f"A channel is 1 to {MAX_NAME} characters.")
        log_message(self.request, "subscribe", channel)
        socket = self.channel_socket
        if channel in socket.channels:
            return False
        if not events.is_known(channel):
            raise EventRefused(
                "no_such_channel",
                "There is no such channel.",
                detail=f"no handler is bound to {channel!r}: add @on_message(channel=...), or an "
                "@on_subscribe without a channel",
            )
        if len(socket.channels) >= MAX_CHANNELS:
            raise EventRefused("too_many_channels", f"No more than {MAX_CHANNELS} channels.")
        try:
            allowed = self._run(events.on_subscribe, channel, about=channel, gate=True)
        except ConnectionRefused as refused:
            raise EventRefused(
                "subscription_refused", "You may not join this channel.", detail=str(refused)
            ) from None
        if not allowed:
            raise EventRefused("subscription_refused", "You may not join this channel.")
        return socket.subscribe(channel)

    def on_unsubscribe(self, channel: Any) -> bool:
        """The page leaves a channel."""
        socket = self.channel_socket
        if channel not in socket.channels:
            return False
        log_message(self.request, "unsubscribe", channel)
        socket.unsubscribe(channel)
        self._run(events.on_unsubscribe, channel, about=channel)
        return True

    def recv_disconnect(self, reason: str) -> None:
        # What one of them raises must not keep the others from cleaning up.
        failures: list[Exception] = []
        steps: list[Callable[[], Any]] = []
        if reason != Reason.SHUTDOWN:
            steps.append(partial(self._run, events.on_disconnect))
        for channel in self.channel_socket.channels:
            steps.append(partial(self._run, events.on_unsubscribe, channel, about=channel))
        steps.append(partial(self._run, events.on_finish))
        for step in steps:
            try:
                step()
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _run(
        self, event: events.Event, *args: Any, about: str | None = None, gate: bool = False
    ) -> bool:
        """Run the handlers of an event, all of them even if one fails; whether none said False.

        A gate's handlers decide: the first that says no, or fails, ends it.
        """
        socket = self.channel_socket
        failure: Exception | None = None
        for handler in event.handlers_for(socket.channels if about is None else [about]):
            try:
                answer = handler(self.request, socket, self.session, *args)
                if not gate:
                    check_has_run(answer, name_of(handler))
                elif refuses(answer, name_of(handler)):
                    return False
            except (ConnectionRefused, EventRefused):
                raise
            except Exception as error:
                self._report(error)
                if gate:
                    raise
                if failure is not None:
                    self._complain(
                        ("handler-failed", name_of(handler)),
                        "%s: one more handler of %s failed",
                        event.name,
                    )
                failure = failure or error
        if failure is not None:
            raise failure
        return True

    def _report(self, error: Exception) -> None:
        socket = self.channel_socket
        for handler in events.on_error.handlers_for(socket.channels):
            try:
                handler(self.request, socket, self.session, error)
            except Exception:
                self._complain(
                    ("error-handler-failed", name_of(handler)), "%s: a handler of on_error failed"
                )

    def _complain(self, kind: Kind, message: str, *args: Any) -> None:
        self.socket.complain(log, logging.ERROR, kind, message, self, *args, exc_info=True)
