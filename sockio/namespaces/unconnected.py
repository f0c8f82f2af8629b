"""Packets for a namespace that the client is not in: which wait for its connect, and what is told
of those that do not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..exceptions import PacketError
from ..protocol.echo import echo
from ..protocol.engine_codec import Bundle
from ..protocol.packet import Packet
from ..sessions.reasons import Reason
from ..sessions.sayings import at_length
from ..sessions.socket import Socket
from ..sessions.states import State
from .doorstep import Doorstep, Early
from .refusals import Refusals
from .table import described

__all__ = ["Unconnected"]

#: Why a packet for a namespace that is not connected was not handled, and the fix; each is given
#: the namespace, or those that are configured.
_WHY = {
    "unknown": "it is not among the configured namespaces; %s",
    "never asked": "the page never connected to it; it must io.connect(%r)",
    "left": "the page has left it, or said so; it must connect to %r again",
    "refused": "recv_connect had refused the client; the page must not send to %r then",
    "waited": "it had waited for the connect, and recv_connect of %r refused the client",
    "ended": "the server had disconnected the client from %r",
    "full": "too much waits for the connect of %r already (max_inbox)",
}
#: The same for clients since 1.0, to whose sessions it is the end.
_ENDS = (
    "a packet for {name}, which is not connected, ends the session, as in the reference: the "
    "page has to connect to it, and to wait for that, before it sends, and to send nothing behind "
    "its disconnect() [not_connected]"
)
#: What is expected just after it happened, for packets are under way.
_NO_NEWS = {"refused", "ended"}


class Unconnected:
    """What one client sends to namespaces that it is not in.

    ``overdue`` is called when some of it has waited long enough: :meth:`give_up` is to be called
    then, in its place among the packets.
    """

    __slots__ = ("_doorstep", "_overdue", "_refusals", "_socket")

    def __init__(self, socket: Socket, refusals: Refusals, overdue: Callable[[], object]) -> None:
        self._socket = socket
        self._refusals = refusals
        self._overdue = overdue
        self._doorstep = Doorstep(socket.runtime, *socket.config.max_inbox, self._time_is_up)

    def handle(
        self, text: str | bytes | Bundle, head: Packet, receipted: bool, leaving: bool
    ) -> None:
        """Let ``text`` wait for the connect of its namespace, or refuse it. ``leaving`` says that
        the namespace is just being left."""
        socket = self._socket
        doorstep = self._doorstep
        kind = head["type"]
        endpoint = head["endpoint"]
        ack_id = None if receipted else head.get("id")
        if socket.state is not State.CONNECTED:
            socket.dropped += 1
        elif kind == "disconnect":
            socket.dropped += 1
            if endpoint in socket.namespaces:
                self._refuse_waiting(endpoint, "left")
                if doorstep.why_gone(endpoint) is None:
                    doorstep.gone(endpoint, "left")
        elif leaving:
            # The client does not know yet, or has gone on talking. Nothing is sent to a namespace
            # while it is told its end, so the answer has to come after that.
            socket.dropped += 1
            if ack_id is not None:
                doorstep.came_too_late(endpoint, ack_id)
        elif (
            not (socket.forgiving or (endpoint == "" and socket.opens_global))
            and doorstep.why_gone(endpoint) not in _NO_NEWS
        ):
            socket.violate(PacketError(_ENDS.format(name=echo(endpoint or "/"))))
        elif endpoint not in socket.namespaces:
            self._refuse(endpoint, ack_id, kind, "unknown")
        elif (why := doorstep.why_gone(endpoint)) is not None:
            self._refuse(endpoint, ack_id, kind, why)
        elif not doorstep.keep(endpoint, Early(text, kind, ack_id)):
            self._refuse(endpoint, ack_id, kind, "full")

    # ---- what becomes of those that wait

    def came(self, endpoint: str) -> list[Early]:
        """The client is at the door of ``endpoint``: what has waited for that."""
        early = self._doorstep.take(endpoint)
        self._doorstep.came(endpoint)
        return early

    def not_let_in(self, endpoint: str, early: list[Early]) -> None:
        """``recv_connect`` has refused the client."""
        self._doorstep.gone(endpoint, "refused")
        for each in early:
            self._refuse(endpoint, each.ack_id, each.kind, "waited")

    def left(self, endpoint: str, reason: str) -> None:
        """The client is no longer in ``endpoint``, and that has been told its end."""
        from_the_client = reason in Reason.FROM_THE_CLIENT
        self._doorstep.gone(endpoint, "left" if from_the_client else "ended")
        for ack_id in self._doorstep.take_late(endpoint):
            self._answer(endpoint, ack_id)

    def give_up(self) -> None:
        """The time of some is over."""
        for endpoint in self._doorstep.overdue():
            self._refuse_waiting(endpoint, "never asked")

    def close(self) -> None:
        """The session is over."""
        self._socket.dropped += self._doorstep.close()

    def _time_is_up(self) -> None:
        if self._socket.paused:
            # We are the ones who do not read: the connect may well be waiting in the kernel.
            self._doorstep.wait_longer()
        else:
            self._overdue()

    # ---- what is told

    def _refuse_waiting(self, endpoint: str, why: str) -> None:
        """What waited for the connect of ``endpoint`` has waited in vain."""
        for early in self._doorstep.take(endpoint):
            self._refuse(endpoint, early.ack_id, early.kind, why)

    def _refuse(self, endpoint: str, ack_id: int | None, kind: str, why: str) -> None:
        socket = self._socket
        socket.dropped += 1
        doorstep = self._doorstep
        level = logging.WARNING
        known = endpoint if endpoint in socket.namespaces else ""
        if (why in _NO_NEWS and doorstep.is_fresh(endpoint)) or not doorstep.first(why, known):
            level = logging.DEBUG
        self._refusals.complain(
            level,
            ("not_connected", why),
            "%s: %s for %r was not handled: " + _WHY[why] + " [not_connected]",
            socket,
            kind,
            endpoint,
            endpoint if why != "unknown" else at_length(_configured(socket)),
        )
        if ack_id is not None:
            self._answer(endpoint, ack_id)

    def _answer(self, endpoint: str, ack_id: int) -> None:
        self._refusals.refuse("not_connected", "This namespace is not connected.", endpoint, ack_id)


def _configured(socket: Socket) -> str:
    """What a page has to do where it sends to a namespace that there is not."""
    names = [name for name in socket.namespaces if name]
    listed = described(socket.namespaces)
    if not listed:
        return "none is"
    if not names:
        if socket.GLOBAL_NS in socket.namespaces:
            return "configured is only the global one: the page must io.connect()"
        return f"the page must io.connect(...) to one of: {listed}"
    return f"the page must io.connect({names[0]!r}); configured are: {listed}"
