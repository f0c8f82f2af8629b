"""The backplane of one process: straight from the room index to the sockets."""

from __future__ import annotations

from collections.abc import Callable

from ..protocol.dialect import BaseCodec
from ..sessions.outbox import Outgoing
from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from . import Emission

__all__ = ["LocalBackplane"]


class LocalBackplane:
    """Delivers to the sockets of this process, in O(members): one encoding for all of them."""

    def __init__(self, rooms: Rooms[Socket], find: Callable[[str, str], Socket | None]) -> None:
        """``find`` gives the client of a name in a namespace."""
        self._rooms = rooms
        self._find = find

    def publish(self, emission: Emission) -> None:
        namespace = emission.namespace
        skip = {self._find(namespace, name) for name in emission.skip}
        if emission.rooms is None:
            members = self._rooms.members(namespace)
        elif len(emission.rooms) == 1:
            members = self._rooms.members(namespace, emission.rooms[0])
        else:
            members = self._rooms.union(namespace, emission.rooms)
        # One entry, unless sockets of several dialects or with JSON functions of their own meet.
        encoded: dict[BaseCodec, Outgoing] = {}
        for socket in members:
            if skip and socket in skip:
                continue
            codec = socket.codec
            packet = encoded.get(codec)
            if packet is None:
                packet = encoded[codec] = Outgoing(
                    codec.encode(emission.packet), namespace, volatile=emission.volatile
                )
            socket.deliver(packet)
