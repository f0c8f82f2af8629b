"""A request comes in: whose it is, who may, and where it goes."""

from __future__ import annotations

__all__: list[str] = []
