"""Real-time events over Socket.IO for any WSGI application.

::

    app = SocketIOMiddleware(app, {"/chat": ChatNamespace})
"""

from __future__ import annotations

from .backplane.outside import Emitter
from .exceptions import (
    AckFailed,
    AckTimeout,
    ConnectionRefused,
    Disconnected,
    EventRefused,
    NotInstalled,
    PacketError,
    RateLimited,
    SettingsError,
    SockioError,
    UsageError,
    WebSocketClosed,
)
from .http.manage import socketio_manage
from .http.middleware import SocketIOMiddleware
from .namespaces.functions import Handlers
from .namespaces.handlers import concurrent
from .namespaces.later import LATER
from .namespaces.mixins import BroadcastMixin, RoomsMixin
from .namespaces.namespace import BaseNamespace, allow, limit, on
from .sessions.reasons import Reason
from .sessions.socket import Socket

__version__ = "0.1.0"

__all__ = [
    "LATER",
    "AckFailed",
    "AckTimeout",
    "BaseNamespace",
    "BroadcastMixin",
    "ConnectionRefused",
    "Disconnected",
    "Emitter",
    "EventRefused",
    "Handlers",
    "NotInstalled",
    "PacketError",
    "RateLimited",
    "Reason",
    "RoomsMixin",
    "SettingsError",
    "Socket",
    "SocketIOMiddleware",
    "SockioError",
    "UsageError",
    "WebSocketClosed",
    "allow",
    "concurrent",
    "limit",
    "on",
    "socketio_manage",
]
