"""Real servers on loopback, by a shorter name."""

from __future__ import annotations

from sockio.testing import LiveServer as Served
from sockio.testing.server import not_ours

__all__ = ["Served", "not_ours"]
