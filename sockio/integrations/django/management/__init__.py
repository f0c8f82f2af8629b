"""What ``manage.py`` gets from sockio, where Django looks for it."""

from __future__ import annotations

__all__: list[str] = []
