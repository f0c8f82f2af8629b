"""``Socket`` by the ancestor's address of it."""

from __future__ import annotations

from .sessions.error_handling import default_error_handler
from .sessions.socket import Socket
from .sessions.states import State

__all__ = ["Socket", "State", "default_error_handler"]
