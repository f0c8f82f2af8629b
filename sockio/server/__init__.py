"""gevent's server, configured for Socket.IO: ``SocketIOServer`` and ``serve``."""

from __future__ import annotations

from .server import SocketIOServer, serve

__all__ = ["SocketIOServer", "serve"]
