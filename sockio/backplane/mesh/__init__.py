"""The workers of one host, joined without a broker: a Unix stream for each pair of processes."""

from __future__ import annotations

__all__: list[str] = []
