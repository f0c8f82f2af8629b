"""The door to gevent and to the clock; nothing here knows sockets or packets."""

from __future__ import annotations

__all__: list[str] = []
