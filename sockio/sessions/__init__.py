"""One virtual socket for each client: its life, what waits for it, who is here."""

from __future__ import annotations

__all__: list[str] = []
