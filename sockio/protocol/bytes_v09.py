"""Bytes toward clients of 0.9, which has none: ``{"base64": "AQID"}`` in their place.

One form, the same in events, acks and messages, wherever the bytes are. In the page::

    var bytes = atob(argument.base64);
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any

__all__ = ["in_base64"]


def in_base64(packet: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A copy of a packet with the bytes in what it brings written so; None where there are none.

    ``bytes``, ``bytearray`` and ``memoryview`` are looked for in lists, tuples and dicts. A message
    that is bytes becomes a JSON message.
    """
    key = "data" if "data" in packet else "args"
    value = packet.get(key)
    try:
        written = _written(value)
    except RecursionError:  # a knot, which is no JSON in any form
        return None
    if written is value:
        return None
    changed = {**packet, key: written}
    if packet.get("type") == "message":
        changed["type"] = "json"
    return changed


def _written(value: Any) -> Any:
    """``value`` itself where there are no bytes in it."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": b2a_base64(value, newline=False).decode("ascii")}
    if isinstance(value, dict):
        items = {key: _written(item) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if isinstance(value, (list, tuple)):
        written = [_written(item) for item in value]
        return written if any(a is not b for a, b in zip(written, value, strict=True)) else value
    return value
