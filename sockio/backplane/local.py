"""The backplane of one process: straight from the room index to the sockets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sized
from typing import Any

from ..exceptions import UsageError
from ..protocol.dialect import BaseCodec
from ..sessions.event_log import Origin
from ..sessions.outbox import Outgoing
from ..sessions.recovery import Recovery
from ..sessions.registry import Members
from ..sessions.socket import Socket
from . import Emission, Order

__all__ = ["Encoded", "LocalBackplane", "Whom"]

#: Bytes that are written in one go, a packet counting for so many beside its text. What is more is
#: written in slices, at the end of a turn.
MUCH, PACKET = 1_000_000, 4000

#: An emission in the forms that it was needed in.
Encoded = dict[BaseCodec, Outgoing | None]
#: A namespace, rooms, and what is left out.
Whom = tuple[str, "tuple[Hashable, ...] | None", "frozenset[Hashable]"]


class LocalBackplane:
    """Delivers to the sockets of this process, in O(members): one encoding for each generation."""

    def __init__(
        self,
        members: Members,
        recovery: Callable[[], Recovery | None],
        begin_turn: Callable[[], object],
    ) -> None:
        """``members`` gives whom an emission is for: ``SessionRegistry.members``. ``recovery`` what
        keeps events for who comes back, where the settings want that. ``begin_turn`` has what is
        sent from then on written in slices: ``Runtime.begin_turn``."""
        self._members = members
        self._recovery = recovery
        self._begin_turn = begin_turn

    def publish(self, emission: Emission, origin: Origin | None = None) -> Encoded:
        """Deliver it; what it was encoded to meanwhile, by codec: None where one has no form for
        it. ``origin`` is what other processes know it by, should it be kept for who comes back.
        Raises ``UsageError`` where one of those has none whose clients it is for."""
        namespace = emission.namespace
        # One entry, unless sockets of several generations or with JSON functions of their own meet.
        encoded: Encoded = {}
        mistake: UsageError | None = None
        last: BaseCodec | None = None
        packet: Outgoing | None = None
        sent: Mapping[str, Any] | None = None
        recovery = self._recovery()
        if recovery is not None and recovery.wants(emission.packet):
            # Also where none of them is here: it is for who is away.
            sent, kept = recovery.record(
                emission.packet,
                namespace,
                emission.rooms,
                emission.skip,
                volatile=emission.volatile,
                origin=origin,
            )
            encoded.update(kept)
        members = self._members(namespace, emission.rooms, emission.skip)
        for packet in encoded.values():
            self._give_way(members, packet)
        for socket in members:
            codec = socket.codec
            if codec is not last:
                last = codec
                try:
                    packet = encoded[codec]
                except KeyError:
                    try:
                        text = codec.encode(
                            emission.packet if sent is None or not codec.has_offsets else sent
                        )
                        packet = Outgoing(text, namespace, volatile=emission.volatile)
                    except UsageError as error:
                        # Said when those have it who can: what one generation has no form for is no
                        # reason to keep it from the others.
                        mistake, packet = error, None
                    encoded[codec] = packet
                self._give_way(members, packet)
            if packet is not None:
                socket.deliver(packet)
        for packet in encoded.values():
            if packet is not None and packet.weight:
                packet.slim()
        if mistake is not None:
            raise mistake
        return encoded

    def _give_way(self, members: Sized, packet: Outgoing | None) -> None:
        """Whoever sends it may be in no turn: a task of the application's, or another thread."""
        if packet is not None and len(members) * (packet.size + PACKET) > MUCH:
            self._begin_turn()

    def tell(self, order: Order) -> None:
        """There is nobody else."""

    def ask(self, question: object) -> None:
        """There is nobody else."""

    def notify(self, event: str, args: list[Any]) -> None:
        """There is nobody else."""

    def deliver(self, whom: Whom, form: Callable[[Socket], Outgoing | None]) -> None:
        """Deliver what was encoded elsewhere: ``form`` gives what is for a client, by its codec."""
        last: BaseCodec | None = None
        packet: Outgoing | None = None
        packets: list[Outgoing] = []
        members = self._members(*whom)
        for socket in members:
            if socket.codec is not last:
                last = socket.codec
                packet = form(socket)
                if packet is not None:
                    packets.append(packet)
                self._give_way(members, packet)
            if packet is not None:
                socket.deliver(packet)
        for packet in packets:
            if packet.weight:
                packet.slim()
