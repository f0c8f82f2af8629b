"""The virtual socket: one client, whatever carries its packets.

A :class:`Socket` is made at the handshake and lives until it is closed. Carriers come and go (a
poll every few seconds, or one websocket for hours); the socket keeps what must outlive them: state,
outbox, pending acks, deadline. It does no I/O and starts nothing: carriers write, the dispatcher
runs the application's code, and the registry's wheel calls :meth:`Socket.handle_deadline`.

States and what moves between them::

    NEW            made, the application is being asked
     │ admit
    CONNECTING     handshake answered, no transport yet          UNOPENED alarm
     │ open        (first carrier)
    CONNECTED      carrier: poll       POLL alarm (poll duration)
     │                      stream     BEAT (send a heartbeat), then PULSE (its answer is due)
     │                      none       AWAY alarm (close timeout)
     │ close
    DISCONNECTING  namespaces are told, the last packets wait    LINGER alarm
     │ end
    DISCONNECTED   in no index

``close`` leads straight from NEW and CONNECTING to DISCONNECTED: there is nobody to tell.
"""

from __future__ import annotations

import enum
import functools
import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ..config.rates import Buckets, Rate
from ..config.settings import Settings
from ..exceptions import PacketError
from ..protocol.dialect import Codec, Dialect
from ..protocol.packet import Packet
from ..protocol.strict_json import default_json_dumps
from ..runtime.interfaces import Job, Runtime, Signal
from .acks import PendingAcks, Waiting
from .complaints import Complaints, Kind
from .crowd import Crowd, Place
from .error_handling import default_error_handler
from .interfaces import Carrier, PacketSink
from .jobs import Jobs
from .outbox import Batch, Outbox, Outgoing
from .outlet import Outlet
from .reasons import Reason

__all__ = ["Socket", "State", "default_error_handler"]

log = logging.getLogger("sockio.socket")

#: Seconds a closing stream gets to take its last packets before it is cut.
STREAM_LINGER = 5.0


class State(enum.Enum):
    """Where a socket is in its life. The table is in the module's docstring."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"


# Looked at with every packet; an attribute of an enum is found slowly.
_CONNECTED = State.CONNECTED
_CONNECTING = State.CONNECTING
_FLEETING, _IN_USE, _AWAY = Place.FLEETING, Place.IN_USE, Place.AWAY

#: What needs the application, by the first character: connects, messages, JSON, events, errors. The
#: others take effect when they arrive.
_WAITING_KINDS = frozenset("13457")

_MOVES: Mapping[tuple[State, str], State] = {
    (State.NEW, "admit"): State.CONNECTING,
    (State.NEW, "close"): State.DISCONNECTED,
    (State.CONNECTING, "open"): State.CONNECTED,
    (State.CONNECTING, "close"): State.DISCONNECTED,
    (State.CONNECTED, "close"): State.DISCONNECTING,
    (State.DISCONNECTING, "end"): State.DISCONNECTED,
}


class Alarm(enum.Enum):
    """What a socket's deadline is about. A socket has at most one at a time."""

    UNOPENED = enum.auto()
    AWAY = enum.auto()
    POLL = enum.auto()
    BEAT = enum.auto()
    PULSE = enum.auto()
    LINGER = enum.auto()


class Socket(Outlet):
    """One client. Handlers reach it as ``self.socket``; it is made by the registry only.

    No method blocks, and each must be called from the thread the server runs in (the middleware's
    emitter, ``middleware.of(...)``, may be used from any).
    """

    #: The name of the namespace that opens with the session.
    GLOBAL_NS = ""

    #: What :attr:`state` may be, by the names that gevent-socketio had for it.
    STATE_CONNECTING = State.CONNECTING
    STATE_CONNECTED = State.CONNECTED
    STATE_DISCONNECTING = State.DISCONNECTING
    STATE_DISCONNECTED = State.DISCONNECTED

    __slots__ = (
        "__weakref__",
        "_acks",
        "_alarm",
        "_alarm_at",
        "_all_told",
        "_delivered",
        "_on_change",
        "_paused",
        "_room",
        "_shared_codec",
        "_silent_until",
        "active_ns",
        "address",
        "bad_packets",
        "born",
        "buckets",
        "close_reason",
        "crowd",
        "dispatcher",
        "environ",
        "error_handler",
        "filed",
        "heartbeats",
        "hits",
        "jobs",
        "namespaces",
        "received",
        "request",
        "runtime",
        "server",
        "sessid",
        "session",
        "settled",
        "state",
        "transport",
        "wheel_slot",
    )

    def __init__(
        self,
        sessid: str,
        server: Any,
        settings: Settings,
        codec: Codec,
        runtime: Runtime,
        on_change: Callable[[Socket], None],
    ) -> None:
        #: The session id. It is the client's only credential: never show it whole (use ``str``).
        self.sessid = sessid
        #: The registry: ``socket.server.sockets``, ``socket.server.get_socket(sessid)``.
        self.server = server
        super().__init__(settings, codec)
        self.state = State.NEW
        #: Why the session ended: a :class:`Reason`, or None while it lives.
        self.close_reason: str | None = None
        #: The application's own data about this client, shared by all its namespaces.
        self.session: dict[str, Any] = {}
        #: What the application called its request at the handshake, and the environ of it.
        self.request: Any = None
        self.environ: dict[str, Any] = {}
        self.address = ""
        #: Namespace classes by name, and the connected instances by name.
        self.namespaces: Mapping[str, Any] = {}
        self.active_ns: dict[str, Any] = {}
        handler = settings.error_handler
        self.error_handler = default_error_handler if handler is None else handler
        self.dispatcher: PacketSink
        #: Tasks started by :meth:`spawn` that are still running; killed at the end.
        self.jobs = Jobs(self, self)
        #: Counters: requests seen, heartbeats answered, packets handled and sent, packets that
        #: could not be decoded.
        self.hits = 0
        self.heartbeats = 0
        self.received = 0
        self.bad_packets = 0
        #: The transport in use, or last used; "" before the first.
        self.transport = ""
        self.born = runtime.now()
        self.wheel_slot: int | None = None
        #: Whether the client has come back to the session, or opened it with a stream. And the
        #: registry's own notes: the sessions of the same address, and how it is filed there.
        self.settled = False
        # Made by the first limit that it meets: most meet none.
        self.buckets: Buckets | None = None
        self.crowd: Crowd[Socket] | None = None
        self.filed: Place | None = None
        self._shared_codec = codec
        self.runtime = runtime
        self._on_change = on_change
        # Made for the first callback: most clients are asked for no ack.
        self._acks: PendingAcks | None = None
        self._alarm: Alarm | None = None
        self._alarm_at = 0.0
        self._paused = False
        self._silent_until = 0.0
        self._room: Signal | None = None
        # A session is over when both sides are: its namespaces told, its last packets delivered.
        self._all_told = False
        self._delivered = False

    # ---- looking at it

    def __str__(self) -> str:
        return (
            f"{self.sessid[:6]}… {self.state.value} {self.transport or '-'} {self.address or '-'}"
        )

    def __repr__(self) -> str:
        return f"<Socket {self}>"

    def __getitem__(self, endpoint: str) -> Any:
        """The connected namespace of that name. Raises ``KeyError`` when it is not connected."""
        return self.active_ns[endpoint]

    def __contains__(self, endpoint: object) -> bool:
        return endpoint in self.active_ns

    def get(self, endpoint: str, default: Any = None) -> Any:
        """The connected namespace of that name, or ``default``."""
        return self.active_ns.get(endpoint, default)

    @property
    def connected(self) -> bool:
        """Whether the session is open: a transport has been there, and nothing has ended it."""
        return self.state is State.CONNECTED

    def _overflowed(self, packet: Outgoing, outbox: Outbox) -> None:
        drops = self.config.overflow == "drop"
        if drops:
            # Once a minute of each client; its close line has the count.
            now = self.runtime.now()
            if now < self._silent_until:
                return
            self._silent_until = now + 60.0
        self._report(
            logging.WARNING,
            "outbox-full",
            "%s: outbox full (%d packets, %d bytes): %s. %s [outbox-full]",
            self,
            len(outbox),
            outbox.size,
            "packets are dropped" if drops else "closed",
            _why_full(packet, outbox, self.config.max_outbox[1])
            + ("" if drops else ", or set overflow='drop'"),
        )
        if not drops:
            # Without a goodbye packet: the client takes the lost connection for what it is and
            # reconnects, where a goodbye would mean "booted" and keep it away.
            self.close(Reason.OVERFLOW, say=False)

    # ---- acks and errors

    def expect_ack(self, endpoint: str, waiting: Waiting) -> int:
        """Register a callback and return the ack id to send with the packet."""
        if self._acks is None:
            self._acks = PendingAcks(self.config.max_acks)
        ack_id, dropped = self._acks.add(endpoint, waiting)
        if dropped is not None:
            self._fail([dropped], "too many callbacks wait for an ack (max_acks)")
            self._report(
                logging.WARNING,
                "acks-full",
                "%s: a callback was forgotten, for more than %d wait for an ack: raise max_acks, "
                "or ask for fewer [acks-full]",
                self,
                self.config.max_acks,
            )
        self._on_change(self)
        return ack_id

    def forget_acks(self, endpoint: str) -> None:
        """A namespace was left: nobody will acknowledge to it any more."""
        if self._acks is not None:
            self._fail(self._acks.leave(endpoint), "the namespace was disconnected")

    def error(
        self,
        error_name: str,
        error_message: str,
        endpoint: str | None = None,
        msg_id: int | None = None,
        quiet: bool = False,
    ) -> None:
        """Hand an error to the error handler, :func:`default_error_handler` unless configured.

        ``msg_id`` is the id of the packet to answer, when its sender waits for a data ack. The
        default logs it, and with ``quiet`` does nothing else; one of the application's own is all
        that happens.
        """
        if self.error_handler is default_error_handler:
            self.complain(
                log,
                logging.ERROR,
                "application-error",
                "%s %s: error %r: %s",
                self,
                endpoint or "(global)",
                error_name,
                error_message,
            )
        self.tell_error(error_name, error_message, endpoint, msg_id, quiet)

    def tell_error(
        self,
        error_name: str,
        error_message: str,
        endpoint: str | None = None,
        msg_id: int | None = None,
        quiet: bool = False,
    ) -> None:
        """:meth:`error` of what the log knows already."""
        self.error_handler(self, error_name, error_message, endpoint, msg_id, quiet)

    # ---- receiving

    def receive(self, text: str | bytes) -> None:
        """Handle one packet of the client, given as wire text.

        Never blocks and never raises. Heartbeats, acks and disconnects take effect at once;
        everything that needs the application is queued for the dispatcher. What is no packet is
        answered with an error and costs nothing but itself.
        """
        state = self.state
        if state is not _CONNECTED and state is not _CONNECTING:
            return
        if text[:1] in _WAITING_KINDS:
            # Not even decoded before its turn: it may be large, and then its objects are larger.
            self.dispatcher.submit(text)
            return
        if isinstance(text, bytes):
            self._receive_bytes(text)
            return
        try:
            packet = self.codec.decode(text)
        except PacketError:
            # In its place among the others: the error handler may be the application's own, and
            # bad packets that pile up have to stop the reading as good ones do.
            self.dispatcher.submit(text)
            return
        kind = packet["type"]
        if kind == "disconnect" and packet["endpoint"] != "":
            self.dispatcher.part(packet["endpoint"])
            return
        self.received += 1
        if kind == "heartbeat":
            self.heartbeat()
        elif kind == "ack":
            self._acknowledged(packet)
        elif kind == "disconnect":
            self.close(Reason.CLIENT)

    def _receive_bytes(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.dispatcher.submit(data)
        else:
            self.receive(text)

    @property
    def busy(self) -> bool:
        """Whether more events wait to be handled than may: carriers then stop reading."""
        return self.dispatcher.full

    def count_bad(self, error: PacketError) -> None:
        """What the client sent was no packet."""
        self.bad_packets += 1
        if self.bad_packets == 1:
            self._report(
                logging.WARNING,
                "bad-packet",
                "%s: %s (further bad packets are only counted)",
                self,
                # Not the error itself, whose traceback would keep the text and more.
                str(error),
            )

    def heartbeat(self) -> None:
        """The client's answer to a heartbeat came: the next one is due an interval from now."""
        self.heartbeats += 1
        # Only a heartbeat clears this timer, other packets do not (fact sheet, "Timers").
        if self._alarm is Alarm.PULSE:
            self._arm(Alarm.BEAT, self.config.heartbeat_interval)

    def _acknowledged(self, packet: Packet) -> None:
        acks = self._acks
        waiting = None if acks is None else acks.pop(packet["endpoint"], packet["ackId"])
        if waiting is None:
            self._report(
                logging.DEBUG, "stray-ack", "%s: nobody waits for ack %s", self, packet["ackId"]
            )
        elif waiting.direct:
            waiting.answered(*packet["args"])
        else:
            self.dispatcher.callback(packet["endpoint"], waiting.answered, packet["args"])

    def _fail(self, given_up: list[Waiting], reason: str) -> None:
        for waiting in given_up:
            if waiting.failed is not None:
                waiting.failed(reason)

    def over_rate(self, name: Hashable, rates: tuple[Rate, ...], now: float) -> Rate | None:
        """Count one event toward ``rates``; the one that it exceeds, or None."""
        if self.buckets is None:
            self.buckets = Buckets()
        return self.buckets.take(name, rates, now)

    # ---- carriers

    def attach(self, carrier: Carrier) -> None:
        """``carrier`` takes over. The one before is told; queued packets go to the new one.

        The first carrier opens the session; one that comes when it has ended is sent away.
        """
        if self.state is State.DISCONNECTED:
            # An upgrade takes a moment, in which a session may end.
            carrier.finish()
            return
        if carrier.streaming or self.state is _CONNECTED:
            self.settled = True
        before = self._carry_by(carrier)
        self._paused = False
        if before is not None:
            before.replaced()
        self._outbox.settle()
        self.transport = carrier.name
        if self.state is _CONNECTING:
            self._move("open")
            self._report(logging.INFO, "open", "open %s", self)
            self._set_carrier_alarm()
            self.dispatcher.open()
        elif self.state is _CONNECTED:
            self._set_carrier_alarm()
        if self._outbox:
            carrier.ready()
        if self.state is State.DISCONNECTING and self._parting is None:
            carrier.finish()

    def _set_carrier_alarm(self) -> None:
        carrier = self._carrier
        if carrier is None:
            self._arm(Alarm.AWAY, self.config.close_timeout)
        elif carrier.streaming:
            self._arm(Alarm.BEAT, self.config.heartbeat_interval)
        else:
            self._arm(Alarm.POLL, self.config.polling_duration)

    def take_batch(self, carrier: Carrier) -> Batch | None:
        """The packets that answer a poll, which is over with this; None for a replaced poll."""
        if carrier is not self._carrier:
            return None
        batch = self._outbox.take_batch(self.config.max_payload)
        self._carry_by(None)
        if self.state is _CONNECTED:
            self._set_carrier_alarm()
        elif not batch.packets and self._parting is None:
            # The session is over and there is nothing to say: the next poll finds it gone.
            self._deliver_done()
        return batch

    def written(self, batch: Batch, *, at_once: bool = False) -> None:
        """The server wrote the whole answer that carried ``batch``: ``at_once`` when it was taken,
        or when its client had read enough of it."""
        batch.written = True
        if not at_once and self._alarm is Alarm.AWAY:
            # The client's time starts when the answer has ended, however long it took to write.
            self._set_carrier_alarm()
        if self.state is State.DISCONNECTING and not self._outbox and self._parting is None:
            self._deliver_done()

    def restore(self, batch: Batch) -> None:
        """The answer that carried ``batch`` failed: its packets go first with the next one."""
        self._direct = None
        self._outbox.restore(batch)
        if self.state is State.DISCONNECTING and self.close_reason in Reason.FROM_THE_CLIENT:
            # It said goodbye and hung up on the poll that was to answer that: there is no next one.
            self._deliver_done()

    def lost(self, carrier: Carrier, reason: str) -> None:
        """``carrier`` is gone. That ends the session of a stream; a poll leaves its client away."""
        if carrier is not self._carrier:
            return
        self._carry_by(None)
        if self.state is State.DISCONNECTING:
            if carrier.streaming or self.close_reason in Reason.FROM_THE_CLIENT:
                self._deliver_done()
        elif carrier.streaming:
            self.close(reason, say=False)
        else:
            self._set_carrier_alarm()

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the client until events no longer pile up."""
        return self._paused or self._room is not None

    def pause_if_busy(self) -> None:
        """Stop reading from a client whose events pile up; :meth:`resume` undoes it."""
        if self._carrier is not None and not self._paused and self.busy:
            self._paused = True
            self._carrier.pause()

    def has_room(self, size: int) -> bool:
        """Whether a request may bring ``size`` bytes of events now."""
        if self.state is _CONNECTING and not self.dispatcher.takes_early(size):
            return False
        return not self.busy

    def wait_for_room(self, timeout: float, size: int = 0) -> bool:
        """Block the calling task until ``size`` bytes of events may come in; False after
        ``timeout`` seconds.

        For requests that bring events one body at a time; streams are paused instead.
        """
        while not self.has_room(size):
            if self._room is None:
                self._room = self.runtime.signal()
            if not self._room.wait(timeout):
                return False
        return True

    def resume(self) -> None:
        """The events that piled up have been handled."""
        room, self._room = self._room, None
        if room is not None:
            room.set()
        if self._paused:
            self._paused = False
            if self._carrier is not None:
                self._carrier.resume()

    # ---- the end

    def admit(self) -> None:
        """The application said yes: the client may open a transport within the close timeout."""
        self._move("admit")
        self._arm(Alarm.UNOPENED, self.config.close_timeout)

    def disconnect(self, silent: bool = False) -> None:
        """End the session. ``silent`` leaves out the packet that tells the client so.

        Packets sent before are still delivered, to a polling client within the close timeout.
        """
        self.close(Reason.SERVER, say=not silent, flush=True)

    def close(self, reason: str, *, say: bool = True, flush: bool | None = None) -> None:
        """End the session for ``reason``. Does nothing when it has ended already.

        With ``say`` the client is told (``0::``); with ``flush`` (the same unless given) what was
        queued before is delivered first; with neither, the connection is cut. Every connected
        namespace is told exactly once, and after that the socket is in no index.
        """
        if self.state in (State.DISCONNECTING, State.DISCONNECTED):
            return
        self.close_reason = reason
        state = self._move("close")
        if self._acks is not None:
            self._fail(self._acks.clear(), f"the session ended: {reason}")
        if state is State.DISCONNECTED:
            self._alarm = None
            self.jobs.end()
            self._delivered = self._all_told = True
            self.dispatcher.close(reason, _nothing)
            self._on_change(self)
            return
        carrier = self._carrier
        self._arm(
            Alarm.LINGER,
            self.config.close_timeout
            if carrier is None or not carrier.streaming
            else min(STREAM_LINGER, self.config.close_timeout),
        )
        # A client that said goodbye, or went away for good, asks no more: nothing to wait for.
        flush = say if flush is None else flush
        comes_back = reason in (Reason.SERVER, Reason.REFUSED)
        if reason == Reason.SHUTDOWN and self._outbox:
            # Between two polls: the next one is to find what waits.
            comes_back = True
        if flush and (carrier is not None or comes_back):
            if reason == Reason.SERVER and self.deciding:
                # Most likely by a recv_connect: what it has sent is delivered, when it has
                # returned, and a client only hears what comes behind a confirmation.
                self._parting = say
            else:
                self._say_goodbye(say)
        else:
            self.dropped += self._outbox.clear()
            self._carry_by(None)
            if carrier is not None:
                carrier.abort()
            self._delivered = True
        self.dispatcher.close(reason, self._told)
        self._on_change(self)

    def release(self, endpoint: str, answer: Outgoing, *, deliver: bool) -> int:
        forgotten = super().release(endpoint, answer, deliver=deliver)
        if self._parting is not None and not self.deciding:
            say, self._parting = self._parting, None
            self._say_goodbye(say)
        return forgotten

    def _say_goodbye(self, say: bool) -> None:
        """Nothing comes behind what is queued now: the carrier may go when it is delivered."""
        if say:
            self._outbox.force(Outgoing(self.codec.encode(self.codec.dialect.goodbye)))
        if self._carrier is not None:
            self._carrier.finish()

    def _told(self) -> None:
        self.jobs.end()
        self._all_told = True
        self._end_if_over()

    def _deliver_done(self) -> None:
        if not self._delivered:
            self._delivered = True
            self._parting = None
            self.dropped += self._outbox.clear()
            self._carry_by(None)
            self._end_if_over()

    def _end_if_over(self) -> None:
        if self._delivered and self._all_told and self.state is State.DISCONNECTING:
            self._move("end")
            self._alarm = None
            self._report(
                logging.INFO,
                "close",
                "close %s: %s after %.1f s, %d in, %d out, %d bad, %d dropped",
                self,
                self.close_reason,
                self.runtime.now() - self.born,
                self.received,
                self.sent,
                self.bad_packets,
                self.dropped,
            )
        self._on_change(self)

    @property
    def place(self) -> Place:
        """Where it belongs among the sessions that may have to go when there are too many."""
        if self._carrier is not None or self.close_reason is not None:
            return _IN_USE
        return _AWAY if self.settled else _FLEETING

    def away_for(self, now: float) -> float:
        """Seconds that the client has been without a transport; 0.0 with one."""
        if self._alarm is not Alarm.AWAY:
            return 0.0
        return now - (self._alarm_at - self.config.close_timeout)

    @property
    def findable(self) -> bool:
        """Whether requests with this session id still belong to this socket."""
        return self.state is not State.DISCONNECTED and not self._delivered

    # ---- time

    def deadline(self) -> float | None:
        """When :meth:`handle_deadline` wants to be called."""
        acks = None if self._acks is None else self._acks.deadline()
        if self._alarm is None:
            return acks
        return self._alarm_at if acks is None else min(acks, self._alarm_at)

    def handle_deadline(self, now: float) -> None:
        """Do what is due. Early calls do nothing."""
        expired = None if self._acks is None else self._acks.expire(now)
        if expired:
            self._fail(expired, "no answer in time")
            self._report(
                logging.DEBUG,
                "acks-expired",
                "%s: %d callbacks were forgotten: no ack came within their time",
                self,
                len(expired),
            )
        if self._alarm is not None and self._alarm_at <= now:
            alarm, self._alarm = self._alarm, None
            _ON_ALARM[alarm](self)
        self._on_change(self)

    def _arm(self, alarm: Alarm, seconds: float) -> None:
        self._alarm = alarm
        self._alarm_at = self.runtime.now() + seconds
        self._on_change(self)

    def _poll_is_over(self) -> None:
        if self._carrier is not None:
            self._carrier.idle()

    def _beat(self) -> None:
        self._arm(Alarm.PULSE, self.config.heartbeat_timeout)
        self.deliver(_heartbeat_of(self.codec.dialect))

    def _no_pulse(self) -> None:
        if self._paused:
            # We are the ones who do not read: the answer may well be waiting in the kernel.
            self._arm(Alarm.PULSE, self.config.heartbeat_timeout)
        else:
            self.close(Reason.HEARTBEAT_TIMEOUT, say=False)

    def _linger_is_over(self) -> None:
        self.dropped += self._outbox.clear()
        carrier = self._carry_by(None)
        if carrier is not None:
            carrier.abort()
        self._deliver_done()

    # ---- small things

    def incr_hits(self) -> None:
        """Count one more request of this session."""
        self.hits += 1

    def set_json(
        self, loads: Callable[[str], Any] | None, dumps: Callable[[Any], str] | None
    ) -> None:
        """Use other JSON functions for this socket. Broadcasts are then encoded for it alone."""
        shared = self._shared_codec
        if loads is not None or dumps is not None:
            self.codec = Codec(
                shared.dialect,
                shared.json_loads if loads is None else loads,
                shared.json_dumps if dumps is None else dumps,
            )

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
        """Start a task that ends with the session at the latest; returns it. See also
        ``BaseNamespace.spawn``, whose tasks end with the namespace."""
        return self.jobs.spawn(fn, *args, **kwargs)

    # ---- names of gevent-socketio

    def kill(self, detach: bool = False) -> None:
        """:meth:`disconnect`, by the name that gevent-socketio had for it.

        ``detach`` changes nothing: a session that ended is always in no index.
        """
        self.disconnect()

    def detach(self) -> None:
        """End the session without a word, which takes it out of every index."""
        self.disconnect(silent=True)

    def remove_namespace(self, namespace: str) -> None:
        """Take the client out of the namespace of that name, without telling the client.

        Nothing happens if it is not connected. ``recv_disconnect`` is called, and the session goes
        on unless it is the global namespace.
        """
        instance = self.active_ns.get(namespace)
        if instance is not None:
            instance.disconnect(silent=True)

    @property
    def json_loads(self) -> Callable[[str], Any]:
        """The function that reads this client's JSON."""
        return self.codec.json_loads

    @property
    def json_dumps(self) -> Callable[[Any], str]:
        """The function that writes this client's JSON."""
        return self.codec.json_dumps

    # ---- within

    def _move(self, event: str) -> State:
        self.state = _MOVES[self.state, event]
        self._accepting = self.state is _CONNECTED
        self._direct = None
        return self.state

    def complain(
        self,
        logger: logging.Logger,
        level: int,
        kind: Kind,
        message: str,
        *args: Any,
        exc_info: bool | BaseException = False,
        quiet: bool = False,
    ) -> None:
        """Log what this client has caused: :meth:`sockio.sessions.complaints.Complaints.say`."""
        complaints: Complaints = self.server.complaints
        complaints.say(
            logger, level, kind, self.address, message, *args, exc_info=exc_info, quiet=quiet
        )

    def _report(self, level: int, kind: Kind, message: str, *args: Any) -> None:
        # Many callers run in the hub, and with each connection.
        if log.isEnabledFor(level):
            self.complain(log, level, kind, message, *args, quiet=True)


def _why_full(packet: Outgoing, outbox: Outbox, max_bytes: int) -> str:
    """Who is to blame, and what to do about it."""
    size = len(packet.data)
    if size > max_bytes:
        return (
            f"One packet of {size} bytes is larger than max_outbox ({max_bytes} bytes), and others "
            "wait before it: raise max_outbox or send it in parts"
        )
    largest = max(size, outbox.largest)
    if largest > max_bytes // 2:
        return (
            f"One packet of {largest} bytes takes most of max_outbox ({max_bytes} bytes): raise "
            "max_outbox or send it in parts"
        )
    return "The client reads too slowly: raise max_outbox, or send less"


def _nothing() -> None:
    """Nobody waits for the end of a session that was never opened."""


@functools.cache
def _heartbeat_of(dialect: Dialect) -> Outgoing:
    """The heartbeat of everybody, encoded and framed once."""
    return Outgoing(dialect.encode(dialect.heartbeat, default_json_dumps))


_ON_ALARM: Mapping[Alarm, Callable[[Socket], None]] = {
    Alarm.UNOPENED: lambda socket: socket.close(Reason.UNOPENED, say=False),
    Alarm.AWAY: lambda socket: socket.close(Reason.CLOSE_TIMEOUT, say=False),
    Alarm.POLL: Socket._poll_is_over,
    Alarm.BEAT: Socket._beat,
    Alarm.PULSE: Socket._no_pulse,
    Alarm.LINGER: Socket._linger_is_over,
}
