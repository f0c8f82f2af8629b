"""The channels by which the processes of several hosts are joined."""

from __future__ import annotations

__all__ = ["HOST", "channel_of"]

#: Characters in front of whatever is published, which say of which host it is.
HOST = 8


def channel_of(group: str, namespace: str) -> str:
    """The channel of a namespace, for those who share ``group``."""
    return f"sockio:{group}:{namespace}"
