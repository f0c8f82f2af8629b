"""The settings, and what their values are made of."""

from __future__ import annotations

from .settings import FAST_PATHS, OPTIONS, Option, Settings

__all__ = ["FAST_PATHS", "OPTIONS", "Option", "Settings"]
