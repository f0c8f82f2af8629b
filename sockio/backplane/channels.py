"""The channels by which the processes of several hosts are joined."""

from __future__ import annotations

__all__ = ["HOST", "channel_of", "node_channel", "nodes_channel"]

#: Characters in front of whatever is published, which say of which host it is.
HOST = 8


def channel_of(group: str, namespace: str) -> str:
    """The channel of a namespace, for those who share ``group``."""
    return f"sockio:{group}:{namespace}"


# Namespaces begin with a slash, or are empty: none of their channels is one of these.


def nodes_channel(group: str) -> str:
    """Where the processes that share ``group`` say that they are there, and ask each other."""
    return channel_of(group, "nodes")


def node_channel(group: str, name: str) -> str:
    """What is for one of them alone."""
    return channel_of(group, f"node:{name}")
