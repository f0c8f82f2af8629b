"""Packets with their attachments, put together from the messages that bring them."""

from __future__ import annotations

from ..exceptions import PacketError
from .attachments import Slots, fill, find_slots
from .socketio_packet import DEFAULT_LIMITS, ModernPacket, PacketLimits
from .socketio_reader import Read

__all__ = ["Assembler"]


class Assembler:
    """Gives whole packets for the messages of one Engine.IO session, in their order.

    It holds at most one packet: a text, and as many attachments as the text announced, which is
    bounded by ``limits``, by which ``read`` has to be made too. How long it may be held is for
    whoever feeds it. After a ``PacketError`` nothing is held; the session is over.
    """

    __slots__ = ("_attachments", "_due", "_max_bytes", "_packet", "_read", "_slots", "held")

    def __init__(self, read: Read, limits: PacketLimits = DEFAULT_LIMITS) -> None:
        self._read = read
        self._max_bytes = limits.max_bytes
        #: Attachments that are still to come.
        self._due = 0
        self._packet: ModernPacket | None = None
        self._slots: Slots | None = None
        self._attachments: list[bytes] | None = None
        #: Characters and bytes of the packet that is not whole yet.
        self.held = 0

    @property
    def due(self) -> int:
        """How many attachments are still to come."""
        return self._due

    def feed(self, message: str | bytes) -> ModernPacket | None:
        """The packet that this message completes, or None while attachments are still to come.

        Raises :class:`~sockio.exceptions.PacketError` for text that is no packet, text where an
        attachment is due, bytes where none is, a placeholder for an attachment that there is not,
        and a packet that is too large with its attachments.
        """
        if isinstance(message, str):
            if self._due:
                self._fail(f"a text came while {self._due} attachments are due")
            packet, due = self._read(message)
            if not due:
                return packet
            self._begin(packet, due, len(message))
            return None
        if not self._due:
            raise PacketError("bytes came that no packet announced")
        return self._take(message)

    def _begin(self, packet: ModernPacket, due: int, size: int) -> None:
        # Placeholders are looked at before anything is waited for.
        self._slots = find_slots(packet["args"], due)
        self._packet = packet
        self._attachments = []
        self._due = due
        self._hold(size)

    def _take(self, attachment: bytes) -> ModernPacket | None:
        packet, slots, attachments = self._packet, self._slots, self._attachments
        assert packet is not None
        assert slots is not None
        assert attachments is not None
        self._hold(len(attachment))
        attachments.append(attachment)
        self._due -= 1
        if self._due:
            return None
        fill(slots, attachments)
        self._drop()
        return packet

    def _hold(self, size: int) -> None:
        self.held += size
        if self.held > self._max_bytes:
            self._fail(f"a packet with its attachments is larger than {self._max_bytes}")

    def _fail(self, why: str) -> None:
        endpoint = self._packet["endpoint"] if self._packet is not None else ""
        ack_id = self._packet.get("id") if self._packet is not None else None
        self._drop()
        raise PacketError(why, endpoint=endpoint, ack_id=ack_id)

    def _drop(self) -> None:
        self._packet = self._slots = self._attachments = None
        self._due = self.held = 0
