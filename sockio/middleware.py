"""``SocketIOMiddleware`` by the address it has always had."""

from __future__ import annotations

from .http.middleware import SocketIOMiddleware

__all__ = ["SocketIOMiddleware"]
