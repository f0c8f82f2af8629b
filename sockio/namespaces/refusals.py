"""What is not handled: told to the client, in the way of the application, and to the log, which no
client can fill."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from ..exceptions import PacketError, RateLimited
from ..protocol.causes import ReaderFailed
from ..protocol.packet import Packet
from ..sessions.complaints import Kind
from ..sessions.reasons import Reason
from ..sessions.sayings import said
from ..sessions.socket import Socket
from .contexts import Outspoken

__all__ = ["ENDS_THE_PROCESS", "FAILED", "GLOBAL", "Refusals"]

log = logging.getLogger("sockio.dispatch")

#: How the log calls the global namespace.
GLOBAL = "(global)"

#: Whatever else a handler raises is its own failure, also what is no Exception: gevent's Timeout.
ENDS_THE_PROCESS = (SystemExit, KeyboardInterrupt)

#: What a client hears of whatever the application's code raises.
FAILED = "The server failed to handle this."

_NOTHING: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()


class Refusals:
    """What one client is refused, packet by packet."""

    __slots__ = ("_context", "_socket", "rates")

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._context = socket.config.context
        rate = socket.config.rate_limit
        #: The setting ``rate_limit``.
        self.rates = None if rate is None else (rate,)

    # ---- what is counted

    def count(self, packet: Packet) -> bool:
        """Count a packet, also toward ``rate_limit``; one that comes too soon is dealt with, and
        False."""
        self._socket.received += 1
        if self.rates is None or packet["type"] == "disconnect":
            return True
        return self._within_rate(packet, packet["id"] if packet.get("ack") == "data" else None)

    def bad(self, error: PacketError, counted: bool = False) -> None:
        """Answer what is no packet. It may have been ``counted`` toward ``rate_limit``."""
        if self.unread(error):
            endpoint, ack_id = error.endpoint, error.ack_id
            if counted or self.rates is None or self._within_rate({"endpoint": endpoint}, ack_id):
                self.refuse("internal_error", FAILED, endpoint, ack_id)
            return
        if not self._socket.forgiving:
            self._socket.violate(error)
            return
        self._socket.count_bad(error)
        endpoint, ack_id = error.endpoint, error.ack_id
        if counted or self.rates is None or self._within_rate({"endpoint": endpoint}, ack_id):
            self.refuse("invalid_packet", str(error), endpoint, ack_id)

    def unread(self, error: PacketError) -> bool:
        """Whether it was not the client's fault that its packet could not be read, but that of the
        application's ``json_loads``: said with its traceback."""
        if not isinstance(error, ReaderFailed):
            return False
        self.complain(
            logging.ERROR,
            "json-loads-failed",
            "%s: json_loads failed at what is JSON; for what is none it is to raise ValueError",
            self._socket,
            exc_info=True,
        )
        return True

    def _within_rate(self, packet: Packet, answer_to: int | None) -> bool:
        """Count a packet toward ``rate_limit``; one that comes too soon is dealt with."""
        assert self.rates is not None
        exceeded = self._socket.over_rate("", self.rates, self._socket.runtime.now())
        if exceeded is None:
            return True
        too_fast = RateLimited(str(exceeded), exceeded.policy, detail="rate_limit")
        self.slow_down(
            too_fast,
            packet["endpoint"],
            answer_to,
            "rate_limit",
            connects=packet.get("type") == "connect",
        )
        return False

    # ---- what is told

    def slow_down(
        self,
        too_fast: RateLimited,
        endpoint: str,
        answer_to: int | None,
        where: str,
        *,
        connects: bool = False,
    ) -> None:
        """Do with a packet what the limit that it exceeds says. ``where`` is that limit; a packet
        that ``connects`` to a namespace is answered as such."""
        socket = self._socket
        self.complain(
            logging.WARNING,
            ("rate_limited", where),
            "%s %s: %s: %s [rate_limited]",
            socket,
            endpoint or GLOBAL,
            too_fast.policy,
            said(too_fast),
        )
        if too_fast.policy == "close":
            socket.close(Reason.RATE_LIMIT)
        elif too_fast.policy == "drop":
            socket.dropped += 1
        elif connects and endpoint not in socket.active_ns:
            data = {"code": too_fast.code}
            answer = socket.refusal(endpoint, too_fast.message, data)
            socket.release(endpoint, answer, deliver=False)
        else:
            self.refuse(too_fast.code, too_fast.message, endpoint, answer_to)

    def refuse(self, code: str, message: str, endpoint: str, answer_to: int | None) -> None:
        """Tell the client, in the way of the application. The log knows of it already."""
        namespace = self._socket.active_ns.get(endpoint)
        try:
            if namespace is None or namespace._told or not namespace._table.errs:
                self._socket.tell_error(code, message, endpoint, answer_to)
            else:
                with self.around(namespace):
                    namespace._refused(code, message, answer_to)
        except ENDS_THE_PROCESS:
            raise
        except BaseException:
            self.complain(
                logging.ERROR,
                "error-handler-failed",
                "%s: the error handler failed",
                self._socket,
                exc_info=True,
            )

    def complain(
        self, level: int, kind: Kind, message: str, *args: Any, exc_info: bool = False
    ) -> None:
        """Log what a client has caused: it must not be able to fill the log."""
        self._socket.complain(log, level, kind, message, *args, exc_info=exc_info)

    def say_end(self, end: BaseException, whose: str, what: str) -> None:
        """Say by whose code the server ends, where that is what was raised: nothing else names the
        event."""
        if isinstance(end, SystemExit):
            self.complain(
                logging.WARNING,
                ("server-ended", whose, what),
                "%s %s: %s ends the server: SystemExit(%s) [server-ended]",
                self._socket,
                whose,
                what,
                end.code,
            )

    def around(self, namespace: Any) -> contextlib.AbstractContextManager[Any]:
        """What the setting ``context`` opens around the application's code."""
        if self._context is None or namespace is None:
            return _NOTHING
        return Outspoken(self._context(namespace))
