"""The virtual socket: one client, whatever carries its packets.

A :class:`Socket` is made at the handshake and lives until it is closed. Carriers come and go (a
poll every few seconds, or one websocket for hours); the socket keeps what must outlive them: state,
outbox, pending acks, deadline. It does no I/O and starts nothing: carriers write, the dispatcher
runs the application's code, and the registry's wheel calls :meth:`Socket.handle_deadline`.

Its states and deadlines are those of its :class:`~sockio.sessions.lifetime.Lifetime`; what it sends
goes by its :class:`~sockio.sessions.outlet.Outlet`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from ..config.plain import check_plain
from ..config.rates import Buckets, Rate
from ..config.settings import Settings
from ..exceptions import PacketError, UsageError
from ..protocol.dialect import BaseCodec
from ..protocol.packet import Opened, Packet
from ..runtime.interfaces import Job, Runtime
from .acks import PendingAcks, Waiting
from .complaints import Complaints, Kind
from .error_handling import OwnWords, default_error_handler
from .jobs import Jobs
from .lifetime import Lifetime
from .old_names import OldNames
from .outbox import Outbox, Outgoing
from .reasons import Reason
from .sayings import at_length
from .states import State
from .stay import Stay

__all__ = ["Socket"]

log = logging.getLogger("sockio.socket")

# Looked at with every packet; an attribute of an enum is found slowly.
_CONNECTED = State.CONNECTED
_CONNECTING = State.CONNECTING

#: What needs the application, by the first character: connects, messages, JSON, events, errors. The
#: others take effect when they arrive.
_WAITING_KINDS = frozenset("13457")


class Socket(OldNames, Lifetime):
    """One client. Handlers reach it as ``self.socket``; it is made by the registry only.

    No method blocks, and each must be called from the thread the server runs in (the middleware's
    emitter, ``middleware.of(...)``, may be used from any).
    """

    #: The name of the global namespace.
    GLOBAL_NS = ""
    #: Whether a packet that makes no sense is answered; else it ends the session.
    forgiving = True
    #: Whether an error is a packet of its own; else it is an event.
    has_error_packets = True
    #: Whether an error can be told at all.
    has_errors = True
    #: The transport that its handshake came by, where that says it.
    came_by = ""

    __slots__ = (
        "__weakref__",
        "_acks",
        "_silent_until",
        "active_ns",
        "address",
        "buckets",
        "environ",
        "error_handler",
        "hits",
        "namespaces",
        "request",
        "server",
        "sessid",
        "session",
        "shared_codec",
    )

    def __init__(
        self,
        sessid: str,
        server: Any,
        settings: Settings,
        codec: BaseCodec,
        runtime: Runtime,
        on_change: Callable[[Socket], None],
    ) -> None:
        #: The session id. It is the client's only credential: never show it whole (use ``str``).
        self.sessid = sessid
        #: The registry: ``socket.server.sockets``, ``socket.server.get_socket(sessid)``.
        self.server = server
        super().__init__(settings, codec, runtime, on_change)
        #: The application's own data about this client, shared by all its namespaces.
        self.session: dict[str, Any] = {}
        #: What the application called its request at the handshake, and the environ of it: None and
        #: empty when the session has ended. Its namespaces keep theirs.
        self.request: Any = None
        self.environ: dict[str, Any] = {}
        self.address = ""
        #: Namespace classes by name, and the connected instances by name.
        self.namespaces: Mapping[str, Any] = {}
        self.active_ns: dict[str, Any] = {}
        handler = settings.error_handler
        self.error_handler = default_error_handler if handler is None else handler
        #: Requests seen.
        self.hits = 0
        # Made by the first limit that it meets: most meet none.
        self.buckets: Buckets | None = None
        #: That of its generation, whatever JSON functions a view has asked for.
        self.shared_codec = codec
        # Made for the first callback: most clients are asked for no ack.
        self._acks: PendingAcks | None = None
        self._silent_until = 0.0

    # ---- looking at it

    def __str__(self) -> str:
        server = self.server
        shown = self.sessid[: len(server.settings.sid_prefix) + server.ids.shown]
        transport = self.transport or self.came_by or "-"
        return f"{shown}… {self.state.value} {transport} {self.address or '-'}"

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
            sum([each.size for each in outbox.waiting]),
            "packets are dropped" if drops else "closed",
            _why_full(packet, outbox, self.config.max_outbox[1])
            + ("" if drops else ", or set overflow='drop'"),
        )
        if not drops:
            # Without a goodbye packet: the client takes the lost connection for what it is and
            # reconnects, where a goodbye would mean "booted" and keep it away.
            self.close(Reason.OVERFLOW, say=False)

    # ---- namespaces, as this generation has them

    @property
    def opens_global(self) -> bool:
        """Whether the global namespace opens with the session."""
        return True

    def ends_with(self, endpoint: str) -> bool:
        """Whether the session ends with the client's stay in that namespace."""
        return endpoint == self.GLOBAL_NS

    def seek(self, endpoint: str, packet: Packet) -> None:
        """Look for what the client has had in a namespace elsewhere, where it may be. Blocks the
        calling task for a while."""

    def introduce(self, endpoint: str, packet: Packet) -> None:
        """Give the client a name in a namespace, to which it connects by ``packet``."""

    def arrive(self, endpoint: str) -> Stay | None:
        """The client is a member of a namespace from now on: what recovery knows of it there; None
        where there is no recovery."""
        return None

    def data_before(self, endpoint: str) -> Mapping[str, Any]:
        """The data of the earlier session that the client has come back from to a namespace."""
        return {}

    def begin_anew(self, endpoint: str) -> bool:
        """Let a client that has come back, and is at the gate, be a new one; whether it had."""
        return False

    def forget_name(self, endpoint: str) -> None:
        """The client is not in that namespace any more."""

    def name_in(self, endpoint: str) -> str:
        """What the client is called towards others in a namespace."""
        return self.sessid

    def confirmation(self, endpoint: str) -> Outgoing | None:
        """What tells the client that it is connected to a namespace."""
        packet = {"type": "connect", "endpoint": endpoint, "qs": ""}
        return Outgoing(self.codec.encode(packet), endpoint, alone=endpoint == self.GLOBAL_NS)

    def refusal(self, endpoint: str, message: str, data: Any = None) -> Outgoing | None:
        """What tells the client that it is not let into a namespace. 0.9 has one word for it."""
        packet = {"type": "error", "endpoint": endpoint, "reason": "unauthorized"}
        return Outgoing(self.codec.encode(packet), endpoint)

    def messages_of(self, packet: Outgoing) -> list[str | bytes]:
        """A packet as messages, for websockets that take messages."""
        return [packet.text]

    def violate(self, error: PacketError, reason: str = Reason.FORCED_CLOSE) -> None:
        """The client broke the protocol."""
        self.count_bad(error)

    # ---- acks and errors

    def expect_ack(self, endpoint: str, waiting: Waiting) -> int:
        """Register a callback and return the ack id to send with the packet."""
        if self._acks is None:
            self._acks = PendingAcks(self.config.max_acks, self.crowd)
        ack_id, dropped = self._acks.add(endpoint, waiting, self.dispatcher.heard)
        if dropped.waiting:
            self._fail(dropped.waiting, "too many callbacks wait for an ack (max_acks)")
            number = len(dropped.waiting)
            self._report(
                logging.WARNING,
                "acks-full",
                "%s: %s forgotten, for %s: raise max_acks, or ask for less [acks-full]",
                self,
                "a callback was" if number == 1 else f"{number} callbacks were",
                dropped.why,
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
        if not self.has_errors and self.error_handler is default_error_handler:
            return
        try:
            self.error_handler(self, error_name, error_message, endpoint, msg_id, quiet)
        except UsageError:
            if self.error_handler is not default_error_handler:
                raise
            # As the handler's own words have, maybe, of which this is to tell.
            words = OwnWords(self)
            default_error_handler(words, error_name, error_message, endpoint, msg_id, quiet)

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
            opened = self.codec.opened(text)
        except PacketError:
            # In its place among the others: the error handler may be the application's own, and
            # bad packets that pile up have to stop the reading as good ones do.
            self.dispatcher.submit(text)
            return
        packet = opened[0]
        kind = packet["type"]
        if kind == "disconnect" and packet["endpoint"] != "":
            self.dispatcher.part(packet["endpoint"], text)
            return
        self.received += 1
        if kind == "heartbeat":
            self.heartbeat()
        elif kind == "ack":
            self._acknowledged(opened)
        elif kind == "disconnect":
            self.close(Reason.CLIENT)

    def _receive_bytes(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.dispatcher.submit(data)
        else:
            self.receive(text)

    def count_bad(self, error: PacketError) -> None:
        """What the client sent was no packet."""
        self.bad_packets += 1
        if self.bad_packets == 1:
            self._report(
                logging.WARNING,
                "bad-packet",
                "%s: %s (further bad packets are only counted)",
                self,
                # Not the error itself, whose traceback would keep the text and more. Its words are
                # ours, and whole.
                at_length(str(error)),
            )

    def _acknowledged(self, opened: Opened) -> None:
        packet = opened[0]
        if self._acks is not None and self._acks.has(packet["endpoint"], packet["ackId"]):
            self.dispatcher.answer(opened)
        else:
            self._stray(packet)

    def take_ack(self, packet: Packet) -> Waiting | None:
        """The callback that waits for this ack, which is forgotten; None if nobody does."""
        acks = self._acks
        waiting = None if acks is None else acks.pop(packet["endpoint"], packet["ackId"])
        if waiting is None:
            self._stray(packet)
        return waiting

    def _stray(self, packet: Packet) -> None:
        self._report(
            logging.DEBUG, "stray-ack", "%s: nobody waits for ack %s", self, packet["ackId"]
        )

    def _let_go(self, admitted: bool) -> None:
        super()._let_go(admitted)
        if admitted:
            self.environ = {}
            self.request = None

    def _goodbye(self) -> list[Outgoing]:
        return [Outgoing(self.codec.encode({"type": "disconnect", "endpoint": ""}))]

    def _ending(self, reason: str) -> None:
        if self._acks is not None:
            self._fail(self._acks.clear(), f"the session ended: {reason}")

    def deadline(self) -> float | None:
        # Asked with every request.
        own = self._alarm_at if self._alarm is not None else None
        if self._acks is None:
            return own
        acks = self._acks.deadline()
        if own is None or acks is None:
            return acks if own is None else own
        return min(acks, own)

    def handle_deadline(self, now: float) -> None:
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
        super().handle_deadline(now)

    def _fail(self, given_up: Sequence[Waiting], reason: str) -> None:
        for waiting in given_up:
            if waiting.failed is not None:
                waiting.failed(reason)

    def over_rate(self, name: Hashable, rates: tuple[Rate, ...], now: float) -> Rate | None:
        """Count one event toward ``rates``; the one that it exceeds, or None."""
        if self.buckets is None:
            self.buckets = Buckets()
        return self.buckets.take(name, rates, now)

    # ---- small things

    def incr_hits(self) -> None:
        """Count one more request of this session."""
        self.hits += 1

    def set_json(
        self, loads: Callable[[str], Any] | None, dumps: Callable[[Any], str] | None
    ) -> None:
        """Use other JSON functions for this socket. Broadcasts are then encoded for it alone."""
        if loads is not None or dumps is not None:
            self.codec = self.shared_codec.with_json(loads, dumps)

    @property
    def jobs(self) -> Jobs:
        """Tasks started by :meth:`spawn` that are still running; killed at the end."""
        if self._jobs is None:
            self._jobs = Jobs(self, self)
            if self._all_told:
                self._jobs.end()
        return self._jobs

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
        """Start a task that ends with the session at the latest; returns it. See also
        ``BaseNamespace.spawn``, whose tasks end with the namespace. Raises ``UsageError`` for a
        coroutine function or a generator function."""
        check_plain(fn, "what spawn() is given")
        return self.jobs.spawn(fn, *args, **kwargs)

    # ---- within

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
    size, weight = packet.size, packet.weight
    if weight > max_bytes:
        takes = "is larger" if size > max_bytes else f"takes {weight} bytes of memory, more"
        return (
            f"One packet of {size} bytes {takes} than max_outbox ({max_bytes} bytes), and others "
            "wait before it: raise max_outbox or send it in parts"
        )
    largest = max([packet, *outbox.waiting], key=_weight_of)
    if largest.weight > max_bytes // 2:
        return (
            f"One packet of {largest.size} bytes takes most of max_outbox ({max_bytes} bytes): "
            "raise max_outbox or send it in parts"
        )
    more = f" ({outbox.size} bytes of memory)" if outbox.size + weight > max_bytes else ""
    return f"The client reads too slowly{more}: raise max_outbox, or send less"


def _weight_of(packet: Outgoing) -> int:
    return packet.weight
