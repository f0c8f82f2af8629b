"""What ``manage.py`` can do with sockio installed."""

from __future__ import annotations

__all__: list[str] = []
