"""From a packet to the allowed handler to its ack: the boundary that user exceptions never cross.

One :class:`Dispatcher` per socket. Packets are handled one at a time in the order they came, in a
task that exists only while there is something to handle. Connects and disconnects of namespaces
travel in the same order, with one exception: a disconnect overtakes a handler that has been running
for :data:`PATIENCE` seconds, so that a slow handler never delays it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Any

from ..exceptions import AckFailed, ConnectionRefused, EventRefused, PacketError, RateLimited
from ..protocol.engine_codec import Bundle
from ..protocol.packet import Opened, Packet
from ..protocol.strict_json import LARGE
from ..runtime.interfaces import Cancellable, Runtime, Signal
from ..sessions.complaints import Kind, at_length
from ..sessions.jobs import name_of
from ..sessions.reasons import Reason
from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from ..sessions.states import State
from .doorstep import Doorstep, Early

__all__ = ["PATIENCE", "Dispatcher"]

log = logging.getLogger("sockio.dispatch")

#: Seconds a running handler may delay a disconnect that arrived behind it.
PATIENCE = 0.5
#: Bytes that a client may send ahead of its first transport.
EARLY = 65_536

_DISCONNECT = "disconnect"
#: How the log calls the global namespace.
_GLOBAL = "(global)"
# Looked at with every packet; an attribute of an enum is found slowly.
_CONNECTED = State.CONNECTED

#: Whatever else a handler raises is its own failure, also what is no Exception: gevent's Timeout.
_ENDS_THE_PROCESS = (SystemExit, KeyboardInterrupt)


class _Farewell:
    """One namespace that is to be told of its end, in its place among the packets."""

    __slots__ = ("namespace", "reason", "since")

    def __init__(self, namespace: Any, reason: str, since: float) -> None:
        self.namespace = namespace
        self.reason = reason
        self.since = since


class _Opening:
    """The global namespace is to be connected, which nobody has to ask for."""

    __slots__ = ()


class _Receipted:
    """A packet whose automatic ack went out when it came in."""

    __slots__ = ("text",)

    def __init__(self, text: str | bytes | Bundle) -> None:
        self.text = text


class _Waited:
    """A packet that has waited for the connect of its namespace: it was counted when it came."""

    __slots__ = ("text",)

    def __init__(self, text: str | bytes | Bundle) -> None:
        self.text = text


class _Overdue:
    """Packets have waited long enough for a connect. In the inbox, for it may stand there."""


_OPENING = _Opening()
_OVERDUE = _Overdue()

#: Packets wait as the texts that they came as: the objects that JSON stands for take up to thirty
#: times its bytes.
_Item = str | bytes | Bundle | _Receipted | _Waited | _Opening | _Farewell | _Overdue


class Dispatcher:
    """Handles what one client sends, and tells its namespaces when it is over."""

    __slots__ = (
        "_answered",
        "_answering",
        "_answers",
        "_context",
        "_crowded",
        "_done",
        "_doorstep",
        "_farewells",
        "_handling",
        "_impatience",
        "_inbox",
        "_max_bytes",
        "_max_packets",
        "_owed",
        "_rates",
        "_rooms",
        "_runtime",
        "_seen_off",
        "_size",
        "_socket",
        "_task",
        "_working",
    )

    def __init__(self, socket: Socket, runtime: Runtime, rooms: Rooms[Socket]) -> None:
        self._socket = socket
        self._runtime = runtime
        self._rooms = rooms
        self._context = socket.config.context
        self._max_packets, self._max_bytes = socket.config.max_inbox
        rate = socket.config.rate_limit
        self._rates = None if rate is None else (rate,)
        # What came in, farewells among it, in order.
        # A list: it is short, and an empty deque would be a large part of an idle client.
        self._inbox: list[_Item] = []
        # Bytes of the texts in it.
        self._size = 0
        # Acks whose callbacks run, and the bytes of what they were given.
        self._answers = self._answered = 0
        # Whether somebody was told that it is full, and waits for room.
        self._crowded = False
        # Made with the first packet for a namespace that is not connected: most never send one.
        self._doorstep: Doorstep | None = None
        self._working = False
        #: Since when the present handler runs; None between handlers.
        self._handling: float | None = None
        # The task that handles, and the namespace of the present handler while its client waits for
        # an ack with data; and, if it disconnects that client, what says goodbye behind the ack.
        self._task: object = None
        self._answering: Any = None
        self._owed: Callable[[Packet | None], object] | None = None
        # Made for the first that leaves: an empty set is as large as this object.
        self._farewells: set[_Farewell] | None = None
        # What a connect waits for whose namespace is just being left.
        self._seen_off: Signal | None = None
        self._impatience: Cancellable | None = None
        self._done: Callable[[], object] | None = None

    # ---- what comes in

    @property
    def full(self) -> bool:
        packets, size = self._waiting()
        if packets >= self._max_packets or size >= self._max_bytes:
            self._crowded = True
            return True
        return False

    def takes_early(self, size: int) -> bool:
        if self._size + size <= EARLY:
            return True
        self._crowded = True
        return False

    def open(self) -> None:
        socket = self._socket
        if not socket.opens_global:
            pass
        elif socket.GLOBAL_NS in socket.namespaces:
            # Before whatever a hasty client posted ahead of its first poll.
            self._inbox.insert(0, _OPENING)
            self._work_soon()
        else:
            self._accept("")
            if self._inbox:
                self._work_soon()
        self._crowded = False
        socket.resume()

    def submit(self, text: str | bytes | Bundle) -> None:
        receipted = False
        if isinstance(text, str):
            head = self._socket.codec.receipt_asked(text)
            receipted = head is not None and self._receipt(head)
            if not text.isascii():
                # A str may take four bytes for each of its characters. A lone surrogate is found
                # to be no UTF-8 when it is its turn.
                text = text.encode("utf-8", "surrogatepass")
        self._size += len(text)
        self._inbox.append(_Receipted(text) if receipted else text)
        if not self._working and self._socket.state is _CONNECTED:
            self._work_soon()

    def _receipt(self, head: Packet) -> bool:
        """Send an automatic ack: it goes out at once, before any handler (fact sheet, section
        4)."""
        endpoint = head["endpoint"]
        if endpoint not in self._socket.active_ns or self._socket.holding(endpoint):
            return False
        self._acknowledge(head, [])
        return True

    def part(self, endpoint: str, text: str) -> None:
        namespace = self._socket.get(endpoint)
        if namespace is not None and not self._socket.holding(endpoint):
            self._socket.received += 1
            self._bid_farewell(namespace, Reason.NAMESPACE_CLIENT)
        else:
            # Its connect may still be waiting.
            self.submit(text)

    def answer(self, opened: Opened) -> None:
        size = len(opened[2])
        self._answers += 1
        self._answered += size
        self._runtime.run(self._answer, opened, size)

    def _answer(self, opened: Opened, size: int) -> None:
        socket = self._socket
        try:
            try:
                packet = socket.codec.read(opened)
            except PacketError as error:
                self._bad(error)
                return
            waiting = socket.take_ack(packet)
            if waiting is None:
                return
            if waiting.direct:
                waiting.answered(*packet["args"])
            else:
                self._run_callback(packet["endpoint"], waiting.answered, packet["args"])
        finally:
            self._answers -= 1
            self._answered -= size
            self._make_room()

    def _run_callback(self, endpoint: str, fn: Callable[..., object], args: list[Any]) -> None:
        try:
            with self._around(self._socket.get(endpoint)):
                fn(*args)
        except _ENDS_THE_PROCESS:
            raise
        except BaseException:
            self._complain(
                logging.ERROR,
                ("callback-failed", name_of(fn)),
                "%s: the ack callback %r failed",
                self._socket,
                fn,
                exc_info=True,
            )

    # ---- handling

    def _work_soon(self) -> None:
        if not self._working:
            self._working = True
            self._runtime.run(self._work)

    def _work(self) -> None:
        """Handle what is in the inbox, in order, and end when it is empty."""
        inbox = self._inbox
        runtime = self._runtime
        now = runtime.now
        self._task = runtime.task()
        turn_ends = now() + runtime.share
        rested = False
        try:
            while inbox:
                started = now()
                # What takes long to read goes behind whoever asks for little.
                if started > turn_ends or (
                    self._size >= LARGE and not rested and _is_large(inbox[0])
                ):
                    runtime.breathe()
                    turn_ends = now() + runtime.share
                    rested = True
                    continue
                item = inbox.pop(0)
                rested = False
                self._handling = started
                if self._farewells:
                    self._watch_for_slowness()
                if isinstance(item, (str, bytes, Bundle)):
                    self._handle_text(item)
                elif isinstance(item, _Receipted):
                    self._handle_text(item.text, receipted=True)
                elif isinstance(item, _Farewell):
                    self._tell(item)
                elif isinstance(item, _Waited):
                    self._handle_text(item.text, counted=True)
                elif isinstance(item, _Overdue):
                    self._give_up_waiting()
                else:
                    self._connect("", {"type": "connect", "endpoint": "", "qs": ""})
                self._handling = None
                if self._crowded:
                    self._make_room()
        finally:
            # Also on the way out of GreenletExit and the like: what waits is not stranded.
            self._handling = None
            self._working = False
            self._task = None
            if inbox:
                self._work_soon()
            elif self._crowded:
                self._make_room()

    def _make_room(self) -> None:
        """Let the client go on if that is what it waits for, and half of what was too much is
        done."""
        if self._crowded:
            packets, size = self._waiting()
            if packets <= self._max_packets // 2 and size <= self._max_bytes // 2:
                self._crowded = False
                self._socket.resume()

    def _waiting(self) -> tuple[int, int]:
        """How much the client has sent that is not done, in packets and in bytes: what is in the
        inbox, and the acks whose callbacks run. One callback may run, and one handler, whatever it
        was given."""
        packets, size = len(self._inbox), self._size
        if self._answers > 1:
            return packets + self._answers - 1, size + self._answered
        return packets, size

    def _handle_text(
        self, text: str | bytes | Bundle, receipted: bool = False, counted: bool = False
    ) -> None:
        socket = self._socket
        self._size -= len(text)
        try:
            opened = socket.codec.opened(text)
        except PacketError as error:
            self._bad(error)
            return
        packet = opened[0]
        kind = packet["type"]
        endpoint = packet["endpoint"]
        namespace = socket.active_ns.get(endpoint)
        if kind != "connect":
            if namespace is None or namespace._deaf or namespace._told:
                # Not read: it may have to wait for long, and its objects would be larger.
                if counted or self._count(packet):
                    self._not_connected(text, packet, receipted, namespace)
                return
            if kind == _DISCONNECT:
                # The namespace's connect was still waiting when this arrived.
                socket.received += 1
                self._tell(_Farewell(namespace, Reason.NAMESPACE_CLIENT, 0.0))
                return
        try:
            socket.codec.read(opened)
        except PacketError as error:
            self._bad(error, counted)
            return
        if not counted and not self._count(packet):
            return
        if kind == "connect":
            self._connect(endpoint, packet)
        else:
            self._handle(namespace, packet, receipted)

    def _count(self, packet: Packet) -> bool:
        """Count a packet, also toward ``rate_limit``; one that comes too soon is dealt with, and
        False."""
        self._socket.received += 1
        if self._rates is None or packet["type"] == _DISCONNECT:
            return True
        return self._within_rate(packet, packet["id"] if packet.get("ack") == "data" else None)

    def _bad(self, error: PacketError, counted: bool = False) -> None:
        """Answer what is no packet. It may have been counted toward ``rate_limit``."""
        if not self._socket.forgiving:
            self._socket.violate(error)
            return
        self._socket.count_bad(error)
        endpoint, ack_id = error.endpoint, error.ack_id
        if counted or self._rates is None or self._within_rate({"endpoint": endpoint}, ack_id):
            self._refuse("invalid_packet", str(error), endpoint, ack_id)

    def _within_rate(self, packet: Packet, answer_to: int | None) -> bool:
        """Count a packet toward ``rate_limit``; one that comes too soon is dealt with."""
        assert self._rates is not None
        exceeded = self._socket.over_rate("", self._rates, self._runtime.now())
        if exceeded is None:
            return True
        too_fast = RateLimited(str(exceeded), exceeded.policy, detail="rate_limit")
        self._slow_down(too_fast, packet["endpoint"], answer_to, "rate_limit")
        return False

    def _handle(self, namespace: Any, packet: Packet, receipted: bool) -> None:
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
                self._acknowledge(packet, [])
        try:
            if self._context is None:
                result = namespace.process_packet(packet)
            else:
                with self._around(namespace):
                    result = namespace.process_packet(packet)
            if answer_to is not None:
                self._answering = None
                self._acknowledge(packet, _as_arguments(result))
        except RateLimited as too_fast:
            where = f"{type(namespace).__qualname__}.{_handler_of(namespace, packet)}"
            self._slow_down(too_fast, endpoint, answer_to, where)
        except EventRefused as refused:
            self._complain(
                logging.WARNING,
                ("event-refused", type(namespace).__qualname__, refused.code),
                "%s %s: %s",
                socket,
                endpoint or _GLOBAL,
                str(refused),
            )
            self._refuse(refused.code, refused.message, endpoint, answer_to)
        except AckFailed as failed:
            self._complain(
                logging.INFO,
                (
                    "event-not-completed",
                    type(namespace).__qualname__,
                    _handler_of(namespace, packet),
                ),
                "%s %s: %s ended: %s",
                socket,
                endpoint or _GLOBAL,
                kind,
                str(failed),
            )
            self._refuse("internal_error", "The event was not completed.", endpoint, answer_to)
        except _ENDS_THE_PROCESS:
            raise
        except BaseException:
            self._complain(
                logging.ERROR,
                ("handler-failed", type(namespace).__qualname__, _handler_of(namespace, packet)),
                "%s %s: %s failed",
                socket,
                endpoint or _GLOBAL,
                f"the handler of event {packet['name']!r}"
                if kind == "event"
                else _handler_of(namespace, packet),
                exc_info=True,
            )
            self._refuse("internal_error", "The server failed to handle this.", endpoint, answer_to)
        finally:
            self._answering = None
            if self._owed is not None:
                self._say_last(None)

    def _say_last(self, ack: Packet | None) -> None:
        """The handler has disconnected its client, which hears of it now, behind its ack."""
        owed, self._owed = self._owed, None
        assert owed is not None
        owed(ack)

    def _slow_down(
        self, too_fast: RateLimited, endpoint: str, answer_to: int | None, where: str
    ) -> None:
        """Do with a packet what the limit that it exceeds says. ``where`` is that limit."""
        socket = self._socket
        self._complain(
            logging.WARNING,
            ("rate_limited", where),
            "%s %s: %s: %s [rate_limited]",
            socket,
            endpoint or _GLOBAL,
            too_fast.policy,
            str(too_fast),
        )
        if too_fast.policy == "close":
            socket.close(Reason.RATE_LIMIT)
        elif too_fast.policy == "drop":
            socket.dropped += 1
        else:
            self._refuse(too_fast.code, too_fast.message, endpoint, answer_to)

    def _complain(
        self, level: int, kind: Kind, message: str, *args: Any, exc_info: bool = False
    ) -> None:
        """Log what a client has caused: it must not be able to fill the log."""
        self._socket.complain(log, level, kind, message, *args, exc_info=exc_info)

    def _acknowledge(self, packet: Packet, args: list[Any]) -> None:
        ack: Packet = {
            "type": "ack",
            "ackId": packet["id"],
            "args": args,
            "endpoint": packet["endpoint"],
        }
        if self._owed is None:
            self._socket.send_packet(ack)
        else:
            self._say_last(ack)

    def _refuse(self, code: str, message: str, endpoint: str, answer_to: int | None) -> None:
        """Tell the client, in the way of the application. The log knows of it already."""
        namespace = self._socket.active_ns.get(endpoint)
        try:
            if namespace is None or namespace._told or not namespace._table.errs:
                self._socket.tell_error(code, message, endpoint, answer_to)
            else:
                with self._around(namespace):
                    namespace._refused(code, message, answer_to)
        except _ENDS_THE_PROCESS:
            raise
        except BaseException:
            self._complain(
                logging.ERROR,
                "error-handler-failed",
                "%s: the error handler failed",
                self._socket,
                exc_info=True,
            )

    def _around(self, namespace: Any) -> contextlib.AbstractContextManager[Any]:
        if self._context is None or namespace is None:
            return _NOTHING
        manager: contextlib.AbstractContextManager[Any] = self._context(namespace)
        return manager

    # ---- packets for a namespace that is not connected

    def _at_the_door(self) -> Doorstep:
        doorstep = self._doorstep
        if doorstep is None:
            doorstep = self._doorstep = Doorstep(
                self._runtime, self._max_packets, self._max_bytes, self._overdue
            )
        return doorstep

    def _not_connected(
        self, text: str | bytes | Bundle, packet: Packet, receipted: bool, namespace: Any
    ) -> None:
        """Let ``text`` wait for the connect of its namespace, or refuse it: ``packet`` is its
        head. ``namespace`` is the one that is just being left, if any."""
        socket = self._socket
        ack_id = None if receipted else packet.get("id")
        endpoint = packet["endpoint"]
        if socket.state is not _CONNECTED:
            socket.dropped += 1
            return
        doorstep = self._at_the_door()
        if packet["type"] == _DISCONNECT:
            socket.dropped += 1
            if endpoint in socket.namespaces:
                self._refuse_waiting(endpoint, "left")
                if doorstep.why_gone(endpoint) is None:
                    doorstep.gone(endpoint, "left")
        elif namespace is not None:
            # The client does not know yet, or has gone on talking. Nothing is sent to a namespace
            # while it is told its end, so the answer has to come after that.
            socket.dropped += 1
            if ack_id is not None:
                doorstep.came_too_late(endpoint, ack_id)
        elif (
            not (socket.forgiving or (endpoint == "" and socket.opens_global))
            and doorstep.why_gone(endpoint) not in _NO_NEWS
        ):
            socket.violate(PacketError(f"a packet for {endpoint!a}, which is not connected"))
        elif endpoint not in socket.namespaces:
            self._refuse_unconnected(endpoint, ack_id, packet["type"], "unknown")
        elif (why := doorstep.why_gone(endpoint)) is not None:
            self._refuse_unconnected(endpoint, ack_id, packet["type"], why)
        elif not doorstep.keep(endpoint, Early(text, packet["type"], ack_id)):
            self._refuse_unconnected(endpoint, ack_id, packet["type"], "full")

    def _overdue(self) -> None:
        if self._socket.paused:
            # We are the ones who do not read: the connect may well be waiting in the kernel.
            self._at_the_door().wait_longer()
            return
        self._inbox.append(_OVERDUE)
        self._work_soon()

    def _give_up_waiting(self) -> None:
        doorstep = self._at_the_door()
        for endpoint in doorstep.overdue():
            self._refuse_waiting(endpoint, "never asked")

    def _refuse_waiting(self, endpoint: str, why: str) -> None:
        """What waited for the connect of ``endpoint`` has waited in vain."""
        for early in self._at_the_door().take(endpoint):
            self._refuse_unconnected(endpoint, early.ack_id, early.kind, why)

    def _refuse_unconnected(self, endpoint: str, ack_id: int | None, kind: str, why: str) -> None:
        socket = self._socket
        socket.dropped += 1
        doorstep = self._at_the_door()
        level = logging.WARNING
        known = endpoint if endpoint in socket.namespaces else ""
        if (why in _NO_NEWS and doorstep.is_fresh(endpoint)) or not doorstep.first(why, known):
            level = logging.DEBUG
        self._complain(
            level,
            ("not_connected", why),
            "%s: %s for %r was not handled: " + _WHY_NOT_CONNECTED[why] + " [not_connected]",
            socket,
            kind,
            endpoint,
            endpoint if why != "unknown" else at_length(_configured(socket)),
        )
        if ack_id is not None:
            self._answer_unconnected(endpoint, ack_id)

    def _answer_unconnected(self, endpoint: str, ack_id: int) -> None:
        self._refuse("not_connected", "This namespace is not connected.", endpoint, ack_id)

    # ---- connecting a namespace

    def _connect(self, endpoint: str, packet: Packet) -> None:
        socket = self._socket
        present = socket.active_ns.get(endpoint)
        if present is not None and present._leaving:
            self._see_off(present)
            present = None
        if socket.state is not State.CONNECTED:
            return
        if present is not None:
            if not socket.forgiving:
                socket.violate(PacketError(f"a connect to {endpoint!a}, which is connected"))
                return
            # Asked for again: confirmed again, and nothing else happens.
            self._accept(endpoint)
            return
        cls = socket.namespaces.get(endpoint)
        if cls is None:
            if endpoint != socket.GLOBAL_NS or not socket.opens_global:
                self._complain(
                    logging.WARNING,
                    "namespace-unknown",
                    "%s: there is no namespace %r; known: %s [namespace-unknown]",
                    socket,
                    endpoint or "/",
                    ", ".join(repr(name) for name in socket.namespaces) or "none",
                )
                self._deny(endpoint, "Invalid namespace")
            return
        socket.hold(endpoint)
        socket.introduce(endpoint)
        early: list[Early] = []
        if self._doorstep is not None:
            early = self._doorstep.take(endpoint)
            self._doorstep.came(endpoint)
        namespace = None
        accepted = False  # should ``context`` swallow an exception
        # What a client is told that is not let in, where its generation can be told.
        said, more = "Not allowed", None
        try:
            namespace = cls(socket.environ, endpoint, request=socket.request)
            with self._around(namespace):
                socket.active_ns[endpoint] = namespace
                self._rooms.enter(socket, endpoint)
                accepted = namespace._open(packet)
            why = "recv_connect said no"
        except ConnectionRefused as refused:
            accepted, why = False, str(refused) or "ConnectionRefused"
            said, more = str(refused) or said, refused.data
        except _ENDS_THE_PROCESS:
            raise
        except BaseException as error:
            self._complain(
                logging.ERROR,
                ("connect-failed", cls.__qualname__),
                "%s: connecting %s failed",
                socket,
                endpoint or _GLOBAL,
                exc_info=True,
            )
            accepted, why = False, f"{type(error).__name__} in recv_connect"
        if accepted:
            self._accept(endpoint)
            if namespace is not None and namespace._deaf:
                # Thrown out by its own gate: it has been told so.
                socket.seal(endpoint)
            self._inbox[:0] = [_Waited(each.text) for each in early]
            self._size += sum(len(each.text) for each in early)
            if socket.state is not State.CONNECTED:
                # The client left while it was let in: what was set up gets its counterpart.
                self._bid_farewell(namespace, socket.close_reason or Reason.TRANSPORT_CLOSE)
            return
        self._complain(
            logging.INFO,
            ("namespace-refused", cls.__qualname__),
            "%s: %s refused: %s [namespace-refused]",
            socket,
            endpoint or _GLOBAL,
            why,
        )
        socket.active_ns.pop(endpoint, None)
        self._rooms.leave_namespace(socket, endpoint)
        socket.forget_acks(endpoint)
        if namespace is not None:
            namespace._discard()
        socket.forget_name(endpoint)
        self._deny(endpoint, said, more)
        if socket.state is _CONNECTED:
            self._at_the_door().gone(endpoint, "refused")
            for each in early:
                self._refuse_unconnected(endpoint, each.ack_id, each.kind, "waited")

    def _accept(self, endpoint: str) -> None:
        socket = self._socket
        socket.release(endpoint, socket.confirmation(endpoint), deliver=True)

    def _deny(self, endpoint: str, message: str, data: Any = None) -> None:
        socket = self._socket
        answer = socket.refusal(endpoint, message, data)
        forgotten = socket.release(endpoint, answer, deliver=False)
        if forgotten:
            self._complain(
                logging.DEBUG,
                "emitted-and-refused",
                "%s %s: refused, so %d packets that were sent to it are dropped",
                socket,
                endpoint or _GLOBAL,
                forgotten,
            )
        if socket.ends_with(endpoint):
            socket.close(Reason.REFUSED)
        self._finish_if_done()

    # ---- leaving

    def owes_an_ack(self) -> bool:
        if self._answering is None or self._task is not self._runtime.task():
            return False
        # In place of that of a namespace: the session's end is its end, too.
        self._owed = self._socket.part
        return True

    def leave(self, namespace: Any, reason: str, *, say: bool) -> None:
        if self._answering is namespace and self._task is self._runtime.task():
            self._owed = functools.partial(self._part, namespace.ns_name, say)
        elif say:
            self._say_goodbye(namespace.ns_name)
        self._bid_farewell(namespace, reason)

    def _say_goodbye(self, endpoint: str) -> None:
        self._socket.send_packet({"type": "disconnect", "endpoint": endpoint})

    def _part(self, endpoint: str, say: bool, ack: Packet | None) -> None:
        """Say the last words in a namespace that is sealed."""
        socket = self._socket
        socket.unseal(endpoint)
        try:
            if ack is not None:
                socket.send_packet(ack)
        finally:
            if say:
                self._say_goodbye(endpoint)
            socket.seal(endpoint)

    def close(self, reason: str, done: Callable[[], object]) -> None:
        self._done = done
        if self._doorstep is not None:
            self._socket.dropped += self._doorstep.close()
        if reason not in Reason.FROM_THE_CLIENT:
            # Whom the server throws out is not heard any more.
            self._forget()
        for endpoint, namespace in list(self._socket.active_ns.items()):
            # One whose recv_connect is still running is told when that has returned.
            if not self._socket.holding(endpoint):
                self._bid_farewell(namespace, reason)
        self._watch_for_slowness()
        self._finish_if_done()

    def _forget(self) -> None:
        """Drop what waits to be handled; who waits to be told of an end is still told."""
        kept: list[_Item] = []
        for item in self._inbox:
            if isinstance(item, _Farewell):
                kept.append(item)
            elif item is not _OPENING and item is not _OVERDUE:
                self._socket.dropped += 1
        self._inbox[:] = kept
        self._size = 0

    def _bid_farewell(self, namespace: Any, reason: str) -> None:
        if namespace._leaving:
            return
        namespace._leaving = True
        namespace._deaf = reason not in Reason.FROM_THE_CLIENT
        farewell = _Farewell(namespace, reason, self._runtime.now())
        self._inbox.append(farewell)
        self._work_soon()
        if not self._socket.holding(namespace.ns_name):
            # Else it overtakes nothing: recv_connect has to return first.
            if self._farewells is None:
                self._farewells = set()
            self._farewells.add(farewell)
            self._watch_for_slowness()
        if namespace._deaf:
            self._socket.seal(namespace.ns_name)

    def _watch_for_slowness(self) -> None:
        """Come back when the handler that is running now has had its time."""
        waiting = self._farewells or self._done is not None
        if waiting and self._handling is not None and self._impatience is None:
            self._impatience = self._runtime.at(self._handling + PATIENCE, self._overtake)

    def _overtake(self) -> None:
        self._impatience = None
        if not self._farewells and self._done is None:
            return
        handling = self._handling
        if handling is None or self._runtime.now() < handling + PATIENCE:
            # The queue moves: the farewells keep their place in it.
            self._watch_for_slowness()
            return
        if self._owed is not None:
            self._say_last(None)
        waiting = sorted(self._farewells or (), key=lambda each: each.since)
        if self._done is not None:
            # The whole session is over: what waits behind the slow handler is not handled.
            self._forget()
        for farewell in waiting:
            self._tell(farewell)

    def _tell(self, farewell: _Farewell) -> None:
        """Run the end of one namespace: exactly once, whoever comes first."""
        namespace = farewell.namespace
        if self._farewells is not None:
            self._farewells.discard(farewell)
        if namespace._told:
            return
        namespace._leaving = namespace._told = True
        socket = self._socket
        endpoint = namespace.ns_name
        socket.seal(endpoint)
        try:
            with self._around(namespace):
                namespace._close(farewell.reason)
        except _ENDS_THE_PROCESS:
            raise
        except BaseException:
            self._complain(
                logging.ERROR,
                ("disconnect-failed", type(namespace).__qualname__),
                "%s: recv_disconnect of %r failed",
                socket,
                endpoint,
                exc_info=True,
            )
        finally:
            self._rooms.leave_namespace(socket, endpoint)
            socket.active_ns.pop(endpoint, None)
            socket.forget_name(endpoint)
            socket.unseal(endpoint)
            socket.forget_acks(endpoint)
            namespace._end_jobs()
            if socket.state is _CONNECTED:
                self._note_leaving(endpoint, farewell.reason)
            if self._seen_off is not None:
                self._seen_off.set()
            self._finish_if_done()

    def _note_leaving(self, endpoint: str, reason: str) -> None:
        doorstep = self._at_the_door()
        doorstep.gone(endpoint, "left" if reason in Reason.FROM_THE_CLIENT else "ended")
        for ack_id in doorstep.take_late(endpoint):
            self._answer_unconnected(endpoint, ack_id)

    def _see_off(self, namespace: Any) -> None:
        """Return when ``namespace``, which is being left, has been told, so that there is room for
        a new one."""
        for item in list(self._inbox):
            if isinstance(item, _Farewell) and item.namespace is namespace:
                # The server threw the client out after it had asked again.
                self._tell(item)
        while self._socket.get(namespace.ns_name) is namespace:
            # Told by another task, because a handler was slow.
            self._seen_off = self._runtime.signal()
            self._seen_off.wait()

    def _finish_if_done(self) -> None:
        if self._done is not None and not self._socket.active_ns:
            done, self._done = self._done, None
            # What came in behind the goodbye has nobody left to handle it.
            self._forget()
            self._inbox.clear()
            self._crowded = False
            self._socket.resume()
            done()


def _is_large(item: _Item) -> bool:
    text = item.text if isinstance(item, (_Receipted, _Waited)) else item
    return isinstance(text, (str, bytes)) and len(text) >= LARGE


#: Why a packet for a namespace that is not connected was not handled, and the fix; each is given
#: the namespace, or those that are configured.
_WHY_NOT_CONNECTED = {
    "unknown": "it is not among the configured namespaces; %s",
    "never asked": "the page never connected to it; it must io.connect(%r)",
    "left": "the page has left it, or said so; it must connect to %r again",
    "refused": "recv_connect had refused the client; the page must not send to %r then",
    "waited": "it had waited for the connect, and recv_connect of %r refused the client",
    "ended": "the server had disconnected the client from %r",
    "full": "too much waits for the connect of %r already (max_inbox)",
}
#: What is expected just after it happened, for packets are under way.
_NO_NEWS = {"refused", "ended"}


def _configured(socket: Socket) -> str:
    """What a page has to do where it sends to a namespace that there is not."""
    names = [name for name in socket.namespaces if name]
    if not socket.namespaces:
        return "none is"
    if not names:
        return "configured is only the global one: the page must io.connect()"
    listed = ", ".join(repr(name) for name in socket.namespaces)
    return f"the page must io.connect({names[0]!r}); configured are: {listed}"


def _handler_of(namespace: Any, packet: Packet) -> str:
    """The name of the method that handles such a packet: no text of the client's."""
    if packet["type"] != "event":
        return f"recv_{packet['type']}"
    method, _ = namespace._table.event(packet["name"])
    return method if method is not None and namespace._table.method(method) else "*"


_NOTHING: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()


def _as_arguments(result: Any) -> list[Any]:
    """What a handler returned, as ack arguments: a tuple spreads, None is none, else it is one."""
    if isinstance(result, tuple):
        return list(result)
    return [] if result is None else [result]
