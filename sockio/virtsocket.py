"""``Socket`` by the ancestor's address of it."""

from __future__ import annotations

from .sessions.socket import Socket, State, default_error_handler

__all__ = ["Socket", "State", "default_error_handler"]
