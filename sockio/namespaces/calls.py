"""From a packet to the allowed handler to its ack: the boundary that user exceptions never cross.

And the other way round, from the client's ack to the callback that waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..config.plain import PLAIN, check_has_run
from ..exceptions import AckFailed, EventRefused, PacketError, RateLimited
from ..protocol.packet import Opened, Packet
from ..sessions.jobs import name_of
from ..sessions.outbox import Outgoing
from ..sessions.sayings import said
from ..sessions.socket import Socket
from ..sessions.states import State
from .later import LATER
from .refusals import ENDS_THE_PROCESS, FAILED, GLOBAL, Refusals

__all__ = ["Calls", "LastWords"]

#: Sends the answer of a handler that has disconnected its client.
LastWords = Callable[[], object]


class Calls(Refusals):
    """What one client calls, and what it is answered."""

    __slots__ = ("_answering", "_owed", "size", "task")

    def __init__(self, socket: Socket) -> None:
        super().__init__(socket)
        #: The task that handles this client's packets at the moment.
        self.task: object = None
        #: Bytes of the packet that is handled, as it came; 0 for a short one.
        self.size = 0
        # The namespace of the present handler, while its client waits for an ack with data; and, if
        # the handler disconnects that client, what says goodbye behind the ack.
        self._answering: Any = None
        self._owed: Callable[[LastWords | None], object] | None = None

    @property
    def ends(self) -> tuple[type[BaseException], ...]:
        """What a handler may raise that is none of its failures."""
        return ENDS_THE_PROCESS

    # ---- what the client calls

    def receipt(self, head: Packet) -> bool:
        """Send an automatic ack, if the client is in the namespace: it goes out at once, before any
        handler (fact sheet, section 4)."""
        socket = self._socket
        endpoint = head["endpoint"]
        if endpoint not in socket.active_ns or socket.holding(endpoint):
            return False
        socket.send_packet(_ack(head, []))
        return True

    def handle(self, namespace: Any, packet: Packet, receipted: bool) -> None:
        """Have the namespace handle a packet, and tell the client what has come of it."""
        socket = self._socket
        endpoint = packet["endpoint"]
        kind = packet["type"]
        answer_to = None
        if "ack" in packet:
            if packet["ack"] == "data":
                answer_to = packet["id"]
                self._answering = namespace
            elif not receipted:
                socket.send_packet(_ack(packet, []))
        try:
            if self._context is None:
                result = namespace.process_packet(packet)
            else:
                with self.around(namespace):
                    result = namespace.process_packet(packet)
            if result is not None and type(result) not in PLAIN:
                check_has_run(result, _handler_of(namespace, packet))
            if answer_to is not None and result is not LATER:
                # Written out, not by _ack(): nearly all acks are made here.
                ack: Packet = {
                    "type": "ack",
                    "ackId": answer_to,
                    "args": _as_arguments(result),
                    "endpoint": endpoint,
                }
                if namespace._told:
                    self._too_late(namespace, kind)
                elif self._owed is None:
                    socket.send_packet(ack)
                else:
                    # What cannot be written is said before the goodbye, too.
                    last = Outgoing(socket.codec.encode(ack), endpoint)
                    self.say_last(lambda: socket.deliver(last))
        except RateLimited as too_fast:
            where = f"{type(namespace).__qualname__}.{_handler_of(namespace, packet)}"
            self.slow_down(too_fast, endpoint, answer_to, where)
        except EventRefused as refused:
            self.complain(
                logging.WARNING,
                ("event-refused", type(namespace).__qualname__, refused.code),
                "%s %s: %s",
                socket,
                endpoint or GLOBAL,
                said(refused),
            )
            self._tell(namespace, refused.code, refused.message, answer_to)
        except AckFailed as failed:
            handler = _handler_of(namespace, packet)
            # Its own client may have left meanwhile: whoever asks a client has to count with that.
            left = namespace._told or socket.state is not State.CONNECTED
            self.complain(
                logging.INFO if left else logging.WARNING,
                ("event-not-completed", type(namespace).__qualname__, handler),
                "%s %s: %s was not completed, by %s: %s. Catch it there, if the client is to hear "
                "something else [event-not-completed]",
                socket,
                endpoint or GLOBAL,
                handler,
                type(failed).__name__,
                said(failed),
            )
            self._tell(namespace, "internal_error", "The event was not completed.", answer_to)
        except self.ends as end:
            self.say_end(end, endpoint or GLOBAL, _handler_of(namespace, packet))
            raise
        except BaseException:
            self.complain(
                logging.ERROR,
                ("handler-failed", type(namespace).__qualname__, _handler_of(namespace, packet)),
                "%s %s: %s failed",
                socket,
                endpoint or GLOBAL,
                f"the handler of event {packet['name']!r}"
                if kind == "event"
                else _handler_of(namespace, packet),
                exc_info=True,
            )
            self._tell(namespace, "internal_error", FAILED, answer_to)
        finally:
            self._answering = None
            if self._owed is not None:
                self.say_last(None)

    def end(self, namespace: Any) -> None:
        """The namespace has been told its end: what runs beside others in it ends."""

    def _tell(self, namespace: Any, code: str, message: str, answer_to: int | None) -> None:
        """Tell the client that a handler has not done what it was called for."""
        endpoint = namespace.ns_name
        if namespace._told:
            self._too_late(namespace, "error")
        elif self._owed is None:
            self.refuse(code, message, endpoint, answer_to)
        else:
            self.say_last(lambda: self.refuse(code, message, endpoint, answer_to))

    def _too_late(self, namespace: Any, kind: str) -> None:
        """The namespace was told its end while the handler ran, and the client knows: what comes
        behind a goodbye is nobody's, or that of whoever has connected again."""
        self._socket.dropped += 1
        self.complain(
            logging.DEBUG,
            ("too-late", type(namespace).__qualname__),
            "%s %s: the answer to %s came after the end of the namespace, and is dropped",
            self._socket,
            namespace.ns_name or GLOBAL,
            kind,
        )

    # ---- a handler that disconnects its own client

    @property
    def answering_in(self) -> str:
        """The namespace in which a client waits for the ack of the present handler, or ""."""
        return "" if self._answering is None else self._answering.ns_name

    def let_finish(self, namespace: Any, say: Callable[[LastWords | None], object]) -> bool:
        """Whether the calling task is the handler of a packet whose client waits for the ack: then
        ``say(words)`` is called, where ``words()`` sends that, or ``say(None)`` when there is none.
        ``namespace`` is the only one that the handler may be of, unless None."""
        answering = self._answering
        if answering is None or self.task is not self._socket.runtime.task():
            return False
        if namespace is not None and namespace is not answering:
            return False
        self._owed = say
        return True

    def say_last(self, words: LastWords | None) -> None:
        """The client hears of its end now, if a handler has kept that waiting: behind what
        ``words()`` sends."""
        owed, self._owed = self._owed, None
        if owed is not None:
            owed(words)

    # ---- what the client answers

    def answer(self, opened: Opened) -> None:
        """Read an ack, and run the callback that waits for it."""
        socket = self._socket
        try:
            packet = socket.codec.read(opened)
        except PacketError as error:
            self.bad(error)
            return
        waiting = socket.take_ack(packet)
        if waiting is None:
            return
        answered = waiting.answered
        if waiting.direct:
            answered(*packet["args"])
            return
        try:
            with self.around(socket.get(packet["endpoint"])):
                result = answered(*packet["args"])
                if result is not None:
                    check_has_run(result, name_of(answered))
        except ENDS_THE_PROCESS as end:
            self.say_end(end, packet["endpoint"] or GLOBAL, f"the ack callback {name_of(answered)}")
            raise
        except BaseException:
            self.complain(
                logging.ERROR,
                ("callback-failed", name_of(answered)),
                "%s: the ack callback %r failed",
                socket,
                answered,
                exc_info=True,
            )


def _ack(packet: Packet, args: list[Any]) -> Packet:
    return {"type": "ack", "ackId": packet["id"], "args": args, "endpoint": packet["endpoint"]}


def _handler_of(namespace: Any, packet: Packet) -> str:
    """The name of the method that handles such a packet: no text of the client's."""
    if packet["type"] != "event":
        return f"recv_{packet['type']}"
    method, _ = namespace._table.event(packet["name"])
    return method if method is not None and namespace._table.method(method) else "*"


def _as_arguments(result: Any) -> list[Any]:
    """What a handler returned, as ack arguments: a tuple spreads, None is none, else it is one."""
    if isinstance(result, tuple):
        return list(result)
    return [] if result is None else [result]
