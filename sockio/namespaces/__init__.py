"""The application's classes, and the way from a packet to their methods and back."""

from __future__ import annotations

__all__: list[str] = []
