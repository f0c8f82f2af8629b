"""The outgoing side of a socket: straight to the wire where that is possible, else by the outbox.

The direct way is open while nothing can be in a packet's way: the session is open, no namespace is
being entered or left, nothing waits, and the carrier takes packets one at a time. Whatever may
change one of these closes it, and a packet that took the careful way without meeting anything opens
it again. So a broadcast looks at one thing per receiver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config.settings import Settings
from ..protocol.dialect import BaseCodec
from .interfaces import Carrier
from .outbox import Outbox, Outgoing

__all__ = ["Outlet"]


class Outlet:
    """What a socket sends by. :class:`~sockio.virtsocket.Socket` decides when and how it ends."""

    # Not an ABC, nor are its subclasses: every request asks of what class its socket is, which for
    # those is answered in Python.

    # Together, and before what the socket adds: a broadcast to thousands reads these from memory.
    __slots__ = (
        "_accepting",
        "_carrier",
        "_direct",
        "_held",
        "_outbox",
        "_parting",
        "_sent",
        "codec",
        "config",
        "dropped",
    )

    def __init__(self, settings: Settings, codec: BaseCodec) -> None:
        self.config = settings
        #: How its packets are written and read.
        self.codec = codec
        #: Packets dropped by a limit.
        self.dropped = 0
        self._sent = 0
        # Whether the session is open.
        self._accepting = False
        self._carrier: Carrier | None = None
        self._direct: Carrier | None = None
        self._outbox = Outbox(*settings.max_outbox)
        # Namespaces with a door that is not open: what waits at it, or None when it is locked.
        self._held: dict[str, Outbox | None] | None = None
        # The session is over, and what waits at a door is still to be delivered; then the client is
        # told, if this is true. None while it goes on, and when nothing waits.
        self._parting: bool | None = None

    @property
    def sent(self) -> int:
        """Packets written or queued."""
        return self._sent

    @property
    def outbox_size(self) -> tuple[int, int]:
        """Packets and bytes of memory waiting for this client."""
        return len(self._outbox), self._outbox.size

    # ---- sending

    def send_packet(self, packet: Mapping[str, Any], *, volatile: bool = False) -> bool:
        """Send one packet mapping; whether it was written or queued.

        False means that the client is gone, or that a limit or ``volatile`` dropped it. Raises
        ``UsageError`` when the packet cannot be written, for example for values JSON does not know.
        """
        text = self.codec.encode(packet)
        return self.deliver(Outgoing(text, packet.get("endpoint", ""), volatile=volatile))

    def say(self, packet: Mapping[str, Any]) -> bool:
        """:meth:`send_packet`, without the application's ``json_dumps``."""
        text = self.codec.own.encode(packet)
        return self.deliver(Outgoing(text, packet.get("endpoint", "")))

    def deliver(self, packet: Outgoing) -> bool:
        """Send one packet that is encoded already, maybe for many. See :meth:`send_packet`."""
        direct = self._direct
        if direct is not None and direct.write(packet):
            self._sent += 1
            return True
        return self._deliver_carefully(packet)

    def _deliver_carefully(self, packet: Outgoing) -> bool:
        self._direct = None
        if not self._accepting:
            return False
        held = self._held
        if held and packet.endpoint in held:
            kept = held[packet.endpoint]
            if kept is None or kept.closed:
                return False
            # The namespace's connect is being decided; its answer has to go out first.
            return kept.put(packet) or kept.put_large(packet) or self._overflow(packet, kept)
        carrier = self._carrier
        if carrier is not None and not self._outbox and carrier.write(packet):
            if not held:
                self._direct = carrier
            self._sent += 1
            return True
        if packet.volatile and (carrier is None or carrier.streaming):
            return False
        if not self._outbox.put(packet) and (
            carrier is None or not carrier.waits or not self._outbox.put_large(packet)
        ):
            return self._overflow(packet, self._outbox)
        self._sent += 1
        if carrier is not None:
            carrier.ready()
        return True

    def _overflow(self, packet: Outgoing, outbox: Outbox) -> bool:
        self.dropped += 1
        self._overflowed(packet, outbox)
        return False

    def _overflowed(self, packet: Outgoing, outbox: Outbox) -> None:
        """``packet`` did not fit into ``outbox``, and was dropped."""
        raise NotImplementedError

    # ---- a namespace is being entered or left

    def hold(self, endpoint: str) -> None:
        """Keep back what is sent to ``endpoint`` until :meth:`release`: its connect is being
        decided. Bounded like the outbox."""
        self._shut(endpoint, Outbox(*self.config.max_outbox))

    def release(
        self,
        endpoint: str,
        answer: Outgoing | None,
        *,
        deliver: bool,
        before: Sequence[Outgoing] = (),
    ) -> int:
        """End :meth:`hold` (if there was one): send ``before`` and ``answer``, then deliver what
        was kept back, in order, or forget it; returns how much was forgotten."""
        box = self._held.pop(endpoint, None) if self._held else None
        kept = box.waiting if box is not None else []
        send = self.deliver if self._parting is None else self._put_last
        for packet in before:
            self._pass_on(packet)
        if before and self._parting is None:
            # Whatever they have filled: it belongs to them.
            send = self._pass_on
        if answer is not None:
            send(answer)
        if not deliver:
            return len(kept)
        send = self._pass_on if self._parting is None else self._put_last
        for packet in kept:
            send(packet)
        return 0

    def _put_last(self, packet: Outgoing) -> bool:
        self._outbox.force(packet)
        self._sent += 1
        return True

    def _pass_on(self, packet: Outgoing) -> bool:
        """Send what was within the bounds when it was kept back."""
        carrier = self._carrier
        if not self._accepting:
            return False
        if carrier is None or self._outbox or not carrier.write(packet):
            if packet.volatile and (carrier is None or carrier.streaming):
                return False
            self._outbox.force(packet)
            if carrier is not None:
                carrier.ready()
        elif packet.weight:
            packet.slim()
        self._sent += 1
        return True

    def holding(self, endpoint: str) -> bool:
        """Whether the connect of ``endpoint`` is being decided."""
        return self._held is not None and self._held.get(endpoint) is not None

    @property
    def deciding(self) -> bool:
        """Whether a connect is being decided."""
        return self._held is not None and any(each is not None for each in self._held.values())

    def seal(self, endpoint: str) -> None:
        """Drop what is sent to ``endpoint`` from now on, until :meth:`unseal`: the client is on its
        way out, and in its rooms still. While its connect is being decided, what was sent before
        is kept, as it was."""
        kept = self._held.get(endpoint) if self._held is not None else None
        if kept is not None:
            kept.closed = True
        else:
            self._shut(endpoint, None)

    def unseal(self, endpoint: str) -> None:
        """The client has left ``endpoint``."""
        if self._held is not None:
            self._held.pop(endpoint, None)

    def _shut(self, endpoint: str, kept: Outbox | None) -> None:
        self._direct = None
        if self._held is None:
            self._held = {}
        self._held[endpoint] = kept

    # ---- carriers

    def take(self, carrier: Carrier, max_bytes: int) -> list[Outgoing]:
        """The next packets, for a carrier that stays (a stream)."""
        return self._outbox.take(max_bytes) if carrier is self._carrier else []

    def _carry_by(self, carrier: Carrier | None) -> Carrier | None:
        """Send by ``carrier`` from now on; returns the one before."""
        self._direct = None
        before, self._carrier = self._carrier, carrier
        return before
