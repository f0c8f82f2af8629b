"""The channels by which the processes of several hosts are joined."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from typing import Any

from ..sessions.ids import BOOT, NAME, Ids

__all__ = [
    "HOST",
    "Lately",
    "among",
    "called",
    "channel_of",
    "node_channel",
    "nodes_channel",
    "room_channel",
]

#: Characters in front of whatever is published, which say of which host it is.
HOST = 8
#: Characters of a room's name from which on its channel has a digest for it: names may be of any
#: length, and those of clients of 0.9 are their sessions' ids.
LONG = 20
#: Seconds in which who is ordered into a room is subscribed to its channel, and orders.
SUBSCRIBED, ORDERS = 3.0, 10_000

_is_name = Ids().is_name


def called(group: str) -> str:
    """What a middleware with that setting ``group`` is called; "" without. Nothing that another one
    is called by its resource."""
    return f"={group}" if group else ""


def among(group: str, database: int) -> str:
    """What ``group`` is called in the channels of a server, where several share it by a database
    each: publications have none."""
    return f"{group}@{database}" if database else group


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


def room_channel(group: str, namespace: str, room: Any) -> str:
    """The channel of a room of a namespace: a string or a number, as rooms are that several
    processes share. Names that are equal have the same, and of no namespace it is the channel.

    Names of clients that begin with the same boot id have one together, whatever the namespace: so
    a process is subscribed to one for all of its clients.
    """
    if not isinstance(room, str):
        # 1, 1.0 and True are one room.
        number = int(room) if room == int(room) else room
        kind, name = "number", repr(number)
    elif len(room) < LONG:
        kind, name = "room", room
    elif len(room) == NAME and _is_name(room):
        return channel_of(group, f"name:{room[:BOOT]}")
    else:
        raw = room.encode("utf-8", "surrogatepass")
        kind, name = "digest", hashlib.blake2s(raw, digest_size=16).hexdigest()
    escaped = namespace.replace("%", "%25").replace("#", "%23")
    return channel_of(group, f"{kind}:{escaped}#{name}")


class Lately:
    """The rooms that this process has ordered clients into a moment ago, wherever they are. What it
    says to one of those goes by the namespace's channel: who was put into the room may not be
    subscribed to its own yet."""

    def __init__(self) -> None:
        # Until when, in that order.
        self._until: dict[tuple[str, Hashable], float] = {}
        # Until when it may be any room: there were too many.
        self._any = 0.0

    def note(self, namespace: str, rooms: Iterable[Hashable], now: float) -> None:
        """Clients were ordered into them."""
        until = self._until
        for room in rooms:
            until.pop((namespace, room), None)
            until[namespace, room] = now + SUBSCRIBED
        if len(until) > ORDERS:
            until.clear()
            self._any = now + SUBSCRIBED

    def has(self, namespace: str, room: Hashable, now: float) -> bool:
        """Whether that may be one of them."""
        if now < self._any:
            return True
        until = self._until
        while until and until[first := next(iter(until))] <= now:
            del until[first]
        return (namespace, room) in until
