"""Which node of a cluster has which slots, and so which channels."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Any, NamedTuple

__all__ = ["SLOTS", "Place", "Topology", "read_topology", "slot_of"]

#: Slots of a cluster.
SLOTS = 16_384

#: A host and a port.
Place = tuple[str, int]


class Topology(NamedTuple):
    """What one node says of all."""

    #: By slot, who publishes; None for one that nobody has.
    places: list[Place | None]
    #: All nodes, replicas among them.
    nodes: list[Place]
    #: Whether the one that was asked is one of a majority that can reach each other.
    healthy: bool
    #: Whether they know channels that belong to a slot, as Redis does since 7.0.
    shards: bool


def slot_of(channel: bytes) -> int:
    """The slot of a channel: what is in the first braces counts alone, unless that is nothing."""
    start = channel.find(b"{")
    if start >= 0:
        end = channel.find(b"}", start + 1)
        if end > start + 1:
            channel = channel[start + 1 : end]
    return crc_hqx(channel, 0) % SLOTS


def read_topology(connection: Any, asked: Place) -> Topology:
    """By a connection of redis-py's to the node ``asked``. Blocks; raises redis-py's errors, and
    ``ValueError`` for an answer that is none."""
    known = _asked(connection, "COMMAND", "INFO", "SPUBLISH")
    state = _asked(connection, "CLUSTER", "INFO")
    connection.send_command("CLUSTER", "SLOTS")
    ranges = connection.read_response()
    places: list[Place | None] = [None] * SLOTS
    nodes: dict[Place, None] = {}
    try:
        for first, last, *servers in ranges:
            if not 0 <= first <= last < SLOTS:
                raise ValueError("a slot beyond the last")
            # The first is the master. Without a host it is where the question was asked.
            named = [(host.decode() if host else asked[0], port) for host, port, *_ in servers]
            nodes.update(dict.fromkeys(named))
            places[first : last + 1] = [named[0]] * (last + 1 - first)
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"no answer to CLUSTER SLOTS: {error}") from None
    return Topology(
        places,
        list(nodes),
        healthy=not (isinstance(state, bytes) and b"cluster_state:fail" in state),
        shards=not isinstance(known, list) or None not in known,
    )


def _asked(connection: Any, *words: str) -> Any:
    """An answer that can be done without; None for none."""
    connection.send_command(*words)
    try:
        return connection.read_response()
    except Exception:  # its user may not ask that, or there is no connection any more
        return None
