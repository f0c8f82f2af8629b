"""The libraries of template tags, by the names of their modules."""

from __future__ import annotations

__all__: list[str] = []
