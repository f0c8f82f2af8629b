"""Real-time events over Socket.IO for any WSGI application.

::

    app = SocketIOMiddleware(app, {"/chat": ChatNamespace})
"""

from __future__ import annotations

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
)
from .manage import socketio_manage
from .middleware import SocketIOMiddleware
from .mixins import BroadcastMixin, RoomsMixin
from .namespace import BaseNamespace, allow, limit, on
from .reasons import Reason
from .virtsocket import Socket

__version__ = "0.1.0"

__all__ = [
    "AckFailed",
    "AckTimeout",
    "BaseNamespace",
    "BroadcastMixin",
    "ConnectionRefused",
    "Disconnected",
    "EventRefused",
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
    "allow",
    "limit",
    "on",
    "socketio_manage",
]
