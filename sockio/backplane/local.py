"""The backplane of one process: straight from the room index to the sockets."""

from __future__ import annotations

from ..exceptions import UsageError
from ..protocol.dialect import BaseCodec
from ..sessions.outbox import Outgoing
from ..sessions.registry import Members
from . import Emission

__all__ = ["LocalBackplane"]


class LocalBackplane:
    """Delivers to the sockets of this process, in O(members): one encoding for each generation."""

    def __init__(self, members: Members) -> None:
        """``members`` gives whom an emission is for: ``SessionRegistry.members``."""
        self._members = members

    def publish(self, emission: Emission) -> None:
        namespace = emission.namespace
        # One entry, unless sockets of several generations or with JSON functions of their own meet.
        encoded: dict[BaseCodec, Outgoing | None] = {}
        mistake: UsageError | None = None
        last: BaseCodec | None = None
        packet: Outgoing | None = None
        for socket in self._members(namespace, emission.rooms, emission.skip):
            codec = socket.codec
            if codec is not last:
                last = codec
                try:
                    packet = encoded[codec]
                except KeyError:
                    try:
                        packet = Outgoing(
                            codec.encode(emission.packet), namespace, volatile=emission.volatile
                        )
                    except UsageError as error:
                        # Said when those have it who can: what one generation has no form for is no
                        # reason to keep it from the others.
                        mistake, packet = error, None
                    encoded[codec] = packet
            if packet is not None:
                socket.deliver(packet)
        if mistake is not None:
            raise mistake
