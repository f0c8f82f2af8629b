"""Servers and frameworks that want more than the middleware. None of these modules imports what it
is not for: take the one you need by its full name."""

from __future__ import annotations

__all__: list[str] = []
