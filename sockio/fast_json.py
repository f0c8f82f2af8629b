"""JSON by orjson, by the name that the settings ``json_loads`` and ``json_dumps`` take."""

from __future__ import annotations

from .protocol.fast_json import available, dumps, loads

__all__ = ["available", "dumps", "loads"]
