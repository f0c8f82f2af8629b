"""The commands, each a module of its name."""

from __future__ import annotations

__all__: list[str] = []
