"""One client of 0.9 that may come back: it says a token of its own with each handshake.

0.9 counts no events, so nobody can say which of those that were written have arrived. What counts
is the outbox: what it holds when the connection is lost, a poll's answer that was not delivered
among it, is kept and goes out first when the client is back. What a websocket had taken is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..config.settings import Settings
from ..protocol.dialect import Codec
from ..protocol.packet import Packet, asks_nothing
from ..runtime.interfaces import Runtime
from .interfaces import Carrier
from .outbox import Outgoing
from .recoverable import Recoverable
from .recovery import Recovery
from .socket import Socket
from .states import State
from .stay import Stay

__all__ = ["TOKEN", "ReturningSocket"]

#: Characters that a token may have, from and to.
TOKEN = (16, 100)

_CONNECTED = State.CONNECTED


class ReturningSocket(Recoverable):
    """One client of 0.9 with a token. Others are a :class:`Socket`, which knows nothing of this."""

    __slots__ = ("_token",)

    _recovery: Recovery

    def __init__(
        self,
        sessid: str,
        server: Any,
        settings: Settings,
        codec: Codec,
        runtime: Runtime,
        on_change: Callable[[Socket], None],
        token: str,
    ) -> None:
        super().__init__(sessid, server, settings, codec, runtime, on_change)
        self._recovers_by(server.recovery)
        # A credential: it opens what is kept.
        self._token = token

    def attach(self, carrier: Carrier) -> None:
        if self.state is State.CONNECTING:
            self._recovery.take_over(self._token, self)
        super().attach(carrier)

    def seek(self, endpoint: str, packet: Packet) -> None:
        recovery = self._recovery
        if recovery.seek is None or recovery.has_kept(endpoint, self._token, has_offsets=False):
            return
        recovery.seek(endpoint, self._token, None, self.address)

    def introduce(self, endpoint: str, packet: Packet) -> None:
        recovery = self._recovery
        stay = recovery.claim_by_token(endpoint, self._token)
        self._enter(recovery, endpoint, stay or self._begin_anew(recovery, endpoint))

    def _begin_anew(self, recovery: Recovery, endpoint: str) -> Stay:
        return recovery.begin(self.sessid, self._token)

    # ---- sending

    def release(
        self,
        endpoint: str,
        answer: Outgoing | None,
        *,
        deliver: bool,
        before: Sequence[Outgoing] = (),
    ) -> int:
        missed = self._missed(endpoint) if deliver else []
        if missed:
            # Behind the confirmation, without which the client hears nothing of a namespace.
            assert self._held is not None
            box = self._held[endpoint]
            assert box is not None
            box.waiting[:0] = missed
        forgotten = super().release(endpoint, answer, deliver=deliver, before=before)
        if missed:
            self._outbox.excuse()
        return forgotten

    def deliver(self, packet: Outgoing) -> bool:
        was_open = self._accepting
        if Socket.deliver(self, packet):
            return True
        if was_open and not self._accepting and not packet.volatile and asks_nothing(packet.text):
            # By that the session has ended: it is the first that was missed.
            stay = self._stays.get(packet.endpoint)
            if stay is not None:
                self._recovery.add(stay, packet.endpoint, packet)
        return False

    def send_packet(self, packet: Mapping[str, Any], *, volatile: bool = False) -> bool:
        reason, recovery = self.close_reason, self._recovery
        if reason is not None and recovery.keeps(reason) and not volatile:
            # Of a handler that goes on while its client is away.
            endpoint = packet.get("endpoint", "")
            is_here = endpoint in self._stays
            if is_here and recovery.says_elsewhere(packet, endpoint, self.sessid):
                return False
            if recovery.wants(packet):
                if is_here:
                    recovery.record(packet, endpoint, (self.sessid,))
                return False
        return Socket.send_packet(self, packet, volatile=volatile)

    # ---- the end

    def close(self, reason: str, *, say: bool = True, flush: bool | None = None) -> None:
        super().close(reason, say=say, flush=flush)
        if self.state is not _CONNECTED:
            self._recovery.give_up(self._token, self)

    def _undelivered(self) -> Mapping[str, Sequence[Outgoing]]:
        outbox = self._outbox
        outbox.settle()
        undelivered: dict[str, list[Outgoing]] = {}
        for packet in outbox.waiting:
            if not packet.volatile and asks_nothing(packet.text):
                undelivered.setdefault(packet.endpoint, []).append(packet)
        # Not twice: should the client be there still, it gets a goodbye and nothing else.
        outbox.clear()
        return undelivered

    def _asks_again(self, reason: str) -> bool:
        # Should the page be open twice, the other one has to hear that it is out.
        return self._recovery.is_taken_over(self._token, self) or super()._asks_again(reason)
