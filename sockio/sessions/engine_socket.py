"""One client of Engine.IO: what differs from 0.9 in the life of a session, and in what it receives.

The session is open from its handshake on. Heartbeats go on whatever carries them; a poll that is
lost, and a packet that makes no sense, end it; the client goes over from polling to a websocket
when it has tried that out. The rules that the two revisions do not share are asked of the
:class:`~sockio.protocol.generations.Generation`.

Above Engine.IO a message is a packet of Socket.IO, with attachments that have to follow it at once;
those are put together here, and read when it is their turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..config.settings import Settings
from ..exceptions import PacketError
from ..protocol.engine_codec import Bundle, EngineCodec, attachments_due
from ..protocol.engine_packet import EngineType
from ..protocol.generations import Generation, Side
from ..protocol.packet import Packet
from ..runtime.interfaces import Runtime
from .crowd import Place
from .interfaces import Carrier
from .outbox import Batch, Outgoing
from .reasons import Reason
from .recoverable import Recoverable
from .recovery import Recovery
from .socket import Socket
from .states import Alarm, State
from .stay import Stay
from .wheel import GRANULARITY

__all__ = ["EngineSocket"]

#: Seconds that a closing session waits for the poll that takes the last packets.
LINGER = 30.0
#: Seconds by which the wheel is asked for a heartbeat before it is due: it is met in the slot next
#: to that, and not always in a later one, so that short intervals do not add up to longer ones.
EARLY = GRANULARITY / 2
#: Seconds by which a heartbeat may be late and count as sent in time.
PUNCTUAL = 0.5

_CONNECTED = State.CONNECTED
_AWAY = Place.AWAY
#: Types of packets that are handled when they arrive: an ack wakes who waits for it, a disconnect
#: overtakes slow handlers, an error is the server's to send.
_AT_ONCE = frozenset("1346")


class EngineSocket(Recoverable):
    """One client of Engine.IO 3 or 4."""

    forgiving = False
    has_error_packets = False

    __slots__ = (
        "_attachments",
        "_due",
        "_due_by",
        "_header",
        "_heard",
        "_join_by",
        "_left_by_client",
        "_names",
        "_told_all",
        "_without_carrier_since",
        "base64",
        "came_by",
        "generation",
        "posting",
        "upgrading",
    )

    def __init__(
        self,
        sessid: str,
        server: Any,
        settings: Settings,
        codec: EngineCodec,
        runtime: Runtime,
        on_change: Callable[[Socket], None],
    ) -> None:
        super().__init__(sessid, server, settings, codec, runtime, on_change)
        self.generation: Generation = codec.generation
        #: Whether the client can take binary as text only.
        self.base64 = False
        #: What stands for the session at a websocket that is being tried out, if one is.
        self.upgrading: Any = None
        #: The request whose body is being read, or that waits to be answered, if one does.
        self.posting: Any = None
        # The text whose attachments are arriving, what has come of them, how many are to come, and
        # by when the next.
        self._header = ""
        self._attachments: list[bytes] | None = None
        self._due = 0
        self._due_by: float | None = None
        # How many packets had come at the last ping; None when their successors bought more time.
        self._heard: int | None = None
        # By when a namespace has to be joined; None when one was.
        self._join_by: float | None = None
        self.came_by = ""
        self._names: dict[str, str] | None = None
        self._left_by_client = False
        # Its namespaces were told of the end, each by a packet of Socket.IO.
        self._told_all = False
        # None without it, and for who cannot come back.
        self._recovers_by(server.recovery if self.generation.recovers else None)
        self._without_carrier_since = runtime.now()

    @property
    def has_errors(self) -> bool:  # type: ignore[override]
        # An engine alone has messages, and nothing to tell an error by.
        return self.generation.global_namespace is not None

    # ---- opening

    def admit(self) -> None:
        """The application said yes: the session is open, and waits for its first carrier, which
        will find what :meth:`welcome` was given."""
        self._move("admit")
        self._move("open")
        config, heartbeat = self.config, self.generation.heartbeat
        if heartbeat.starts is Side.SERVER:
            self._arm(Alarm.BEAT, config.ping_interval - EARLY)
        else:
            self._expect_ping()
        self._report(logging.INFO, "open", "open %s", self)
        if self.generation.global_namespace is not None:
            self._join_by = self.runtime.now() + config.connect_timeout
        self.dispatcher.open()

    def welcome(self, open_packet: str) -> None:
        """Let ``open_packet`` be the first that the client gets, in an answer of its own."""
        self._outbox.force(Outgoing(open_packet, alone=True))

    @property
    def opens_global(self) -> bool:
        rules = self.generation.global_namespace
        return rules is None or not rules.asked_for

    def ends_with(self, endpoint: str) -> bool:
        # Where there are no namespaces.
        return self.generation.global_namespace is None

    # ---- names

    def seek(self, endpoint: str, packet: Packet) -> None:
        data, recovery = packet.get("data"), self._recovery
        if recovery is not None and recovery.seek is not None and isinstance(data, dict):
            pid = data.get("pid")
            if isinstance(pid, str) and not recovery.knows(endpoint, pid, has_offsets=True):
                recovery.seek(endpoint, pid, data, self.address)

    def introduce(self, endpoint: str, packet: Packet) -> None:
        recovery = self._recovery
        if recovery is None:
            self._call(endpoint, self.server.ids.name())
            return
        data = packet.get("data")
        told = data if isinstance(data, dict) else {}
        stay = recovery.claim(endpoint, told, self)
        if stay is None:
            if isinstance(told.get("pid"), str):
                self._report(
                    logging.INFO,
                    "recovery-gone",
                    "%s %s: it has come back, and what it had is kept no more: it begins anew "
                    "[recovery-gone]",
                    self,
                    endpoint or "/",
                )
            stay = self._begin_anew(recovery, endpoint)
        else:
            self._call(endpoint, stay.name)
        self._enter(recovery, endpoint, stay)

    def _begin_anew(self, recovery: Recovery, endpoint: str) -> Stay:
        name = self.server.ids.name()
        self._call(endpoint, name)
        return recovery.begin(name)

    def _call(self, endpoint: str, name: str) -> None:
        if self._names is None:
            self._names = {}
        self._names[endpoint] = name
        self.server.register_name(endpoint, name, self)

    def forget_name(self, endpoint: str) -> None:
        super().forget_name(endpoint)
        name = self._names.pop(endpoint, None) if self._names is not None else None
        if name is not None:
            self.server.unregister_name(endpoint, name, self)

    def name_in(self, endpoint: str) -> str:
        return "" if self._names is None else self._names.get(endpoint, "")

    def confirmation(self, endpoint: str) -> Outgoing | None:
        if self.generation.global_namespace is None:
            return None
        told = {"sid": self.name_in(endpoint)}
        if self._recovery is not None and (stay := self._stays.get(endpoint)) is not None:
            told["pid"] = stay.pid
        packet = {"type": "connect", "endpoint": endpoint, "data": told}
        return Outgoing(self.codec.own.encode(packet), endpoint)

    def refusal(self, endpoint: str, message: str, data: Any = None) -> Outgoing | None:
        if self.generation.global_namespace is None:
            return None
        packet = {"type": "error", "endpoint": endpoint, "message": message}
        if data is None:
            return Outgoing(self.codec.own.encode(packet), endpoint)
        packet["data"] = data
        return Outgoing(self.codec.encode(packet), endpoint)

    def release(
        self,
        endpoint: str,
        answer: Outgoing | None,
        *,
        deliver: bool,
        before: Sequence[Outgoing] = (),
    ) -> int:
        if deliver:
            self._join_by = None
            before = self._missed(endpoint)
        forgotten = super().release(endpoint, answer, deliver=deliver, before=before)
        if before:
            self._outbox.excuse()
        return forgotten

    def send_packet(self, packet: Mapping[str, Any], *, volatile: bool = False) -> bool:
        recovery = self._recovery
        if recovery is not None and (recovery.wants(packet) or recovery.leaving):
            endpoint = packet.get("endpoint", "")
            name = self.name_in(endpoint)
            if (
                self.close_reason is not None
                and not volatile
                and recovery.says_elsewhere(packet, endpoint, name)
            ):
                return False
            if name and recovery.wants(packet):
                sent, encoded = recovery.record(packet, endpoint, (name,), volatile=volatile)
                outgoing = encoded.get(self.codec)
                if outgoing is None:
                    # Volatile, or with JSON functions of its own, or what cannot be written.
                    text = self.codec.encode(packet if sent is None else sent)
                    outgoing = Outgoing(text, endpoint, volatile=volatile)
                delivered = self.deliver(outgoing)
                if outgoing.weight:
                    # It is kept.
                    outgoing.slim()
                return delivered
        return Socket.send_packet(self, packet, volatile=volatile)  # super() costs as much

    # ---- receiving

    def receive(self, frame: str | bytes) -> None:
        """Handle one packet of Engine.IO, as a websocket's frame brings it.

        Never blocks and never raises. What is no packet ends the session.
        """
        if self.state is not _CONNECTED:
            return
        if type(frame) is str and frame[:1] == "4":
            self._receive_message(frame[1:])
            return
        try:
            kind, data = self.generation.read_frame(frame)
        except PacketError as error:
            self.violate(error, Reason.PARSE_ERROR)
        else:
            self.receive_packet(kind, data)

    def receive_packet(self, kind: EngineType, data: str | bytes) -> None:
        """Handle one packet of Engine.IO. Never blocks and never raises."""
        if self.state is not _CONNECTED or self._left_by_client:
            if self.state is State.DISCONNECTING and kind == "close":
                # Nobody will ask for what waits.
                self._deliver_done()
            return
        if kind == "message":
            self._receive_message(data)
        elif kind == "pong":
            if self.generation.heartbeat.starts is Side.CLIENT:
                self._wrong_heartbeat(kind)
            else:
                self.heartbeat()
        elif kind == "ping":
            if self.generation.heartbeat.starts is Side.SERVER:
                self._wrong_heartbeat(kind)
            else:
                self.heartbeats += 1
                self._expect_ping()
                self.deliver(Outgoing(self.codec.heartbeat))
        elif kind == "close":
            self._left_by_client = True
            if self._carrier is None:
                # The poll that it sent before may be read after: the loop has no order within one
                # pass, and has who waits for its turn read in the next. It is answered, too.
                self.runtime.run(self._client_left_meanwhile)
            else:
                self._client_left()
        # Others mean nothing here.

    def _client_left_meanwhile(self) -> None:
        self.runtime.breathe()
        self._client_left()

    def _client_left(self) -> None:
        self.close(Reason.TRANSPORT_CLOSE, say=False)

    def _wrong_heartbeat(self, kind: EngineType) -> None:
        self.violate(
            PacketError(f"a {kind} from the client: it is not its part in this revision"),
            Reason.TRANSPORT_ERROR,
        )

    def _receive_message(self, data: str | bytes) -> None:
        if (
            data[:1] == "2"
            and isinstance(data, str)
            and not self._due
            and self.generation.global_namespace is not None
        ):
            # An event, as nearly all are.
            self.dispatcher.submit(data)
            return
        try:
            item = self._whole(data)
        except PacketError as error:
            self.violate(error)
            return
        if item is not None:
            self._take(item)

    def _packs(self) -> bool:
        """Whether the client's packets are bytes. Its first, by which it joins, shows it."""
        if self.codec.whole_in_bytes:
            return True
        packing = self.server.packing
        if packing is None or not self._has_said_nothing:
            return False
        if self.codec is not self.shared_codec:
            packing = packing.with_json(self.codec.json_loads, self.codec.json_dumps)
        self.codec = packing
        # What is kept for who comes back is kept in JSON.
        self._recovery = None
        return True

    @property
    def _has_said_nothing(self) -> bool:
        return self._names is None and not self.received and not self.opens_global

    def _hint(self) -> str:
        if self.server.packing is not None or not self._has_said_nothing:
            return ""
        return "; if the client has socket.io-msgpack-parser, set msgpack=True"

    def _whole(self, data: str | bytes) -> str | bytes | Bundle | None:
        """The message that ``data`` is or completes; None while attachments are still to come.
        Raises ``PacketError``."""
        if self.generation.global_namespace is None:
            return data if isinstance(data, str) else Bundle("", [data])
        if isinstance(data, str):
            if self._due:
                raise PacketError(f"a text came while {self._due} attachments are due")
            if self.codec.whole_in_bytes:
                raise PacketError("a text came from a client that packs by msgpack")
            if data[:1] in ("5", "6"):
                codec = self.codec
                assert isinstance(codec, EngineCodec)
                self._due = attachments_due(data, codec.limits)
                self._header, self._attachments = data, []
                self._expect_attachment()
                return None
            return data
        if not self._due or self._attachments is None:
            if self._packs():
                return data
            raise PacketError("bytes came that no packet announced" + self._hint())
        self._attachments.append(data)
        self._due -= 1
        if self._due:
            self._expect_attachment()
            return None
        bundle = Bundle(self._header, self._attachments)
        self._header, self._attachments, self._due_by = "", None, None
        return bundle

    def _expect_attachment(self) -> None:
        # What has come is kept meanwhile, and it may be ten megabytes.
        self._due_by = self.runtime.now() + self.config.close_timeout
        self._on_change(self)

    def _take(self, item: str | bytes | Bundle) -> None:
        if not isinstance(item, bytes):
            kind = (item if isinstance(item, str) else item.text)[:1]
            if kind not in _AT_ONCE or self.generation.global_namespace is None:
                self.dispatcher.submit(item)
                return
        try:
            opened = self.codec.opened(item)
            packet = opened[0]
            if packet["type"] == "error":
                raise PacketError("an error packet is the server's to send")
            if packet["type"] == "disconnect":
                self.dispatcher.part(self.codec.read(opened)["endpoint"], item)
                return
            if packet["type"] != "ack":
                self.dispatcher.submit(item)
                return
            if "ackId" not in packet:
                raise PacketError("an ack needs the id that it answers")
        except PacketError as error:
            self.violate(error)
            return
        if packet["endpoint"] in self.active_ns:
            self.received += 1
            self._acknowledged(opened)
        else:
            # In its place: its connect may still wait to be handled.
            self.dispatcher.submit(item)

    def violate(
        self, error: PacketError, reason: str = Reason.FORCED_CLOSE, *, logged: bool = False
    ) -> None:
        """The client broke the protocol, which ends the session. ``logged`` says that whoever
        refuses its request says so in the log."""
        if logged:
            self.bad_packets += 1
        else:
            self.count_bad(error)
        self.close(reason, say=True)

    # ---- carriers

    def attach(self, carrier: Carrier) -> None:
        if self._outbox.half_written:
            # The client has not waited for its poll, which is lost then.
            self.close(Reason.TRANSPORT_CLOSE, say=False)
        super().attach(carrier)
        if self.upgrading is not None and not carrier.streaming and carrier is self._carrier:
            # The client is to stop polling.
            carrier.idle()

    def _comes_back(self, carrier: Carrier) -> bool:
        return carrier.streaming or self.transport != ""

    def _set_carrier_alarm(self) -> None:
        """Heartbeats go on, whoever carries them."""
        if self._carrier is None:
            self._without_carrier_since = self.runtime.now()
        if self.filed is not _AWAY:
            # One that has been away stays filed so, and no deadline has changed: this is asked
            # with every poll.
            self._on_change(self)

    @property
    def polled(self) -> bool:
        """Whether a poll is held."""
        return self._carrier is not None and not self._carrier.streaming

    def end_poll(self) -> None:
        """Answer the poll that is held, if one is."""
        if self._carrier is not None and not self._carrier.streaming:
            self._carrier.idle()

    def restore(self, batch: Batch) -> None:
        super().restore(batch)
        # The client has lost its poll, and takes that for the end.
        self.close(Reason.TRANSPORT_CLOSE, say=False)

    def lost(self, carrier: Carrier, reason: str) -> None:
        if carrier is not self._carrier:
            return
        if self.state is _CONNECTED and not carrier.streaming:
            self._carry_by(None)
            self.close(Reason.TRANSPORT_CLOSE, say=False)
        else:
            super().lost(carrier, reason)

    def away_for(self, now: float) -> float:
        return 0.0 if self._carrier is not None else now - self._without_carrier_since

    def messages_of(self, packet: Outgoing) -> list[str | bytes]:
        frame = self.generation.frame
        messages: list[str | bytes] = [packet.text] if packet.text else []
        return messages + [frame(each, self.base64) for each in packet.attachments]

    # ---- the end

    def close(self, reason: str, *, say: bool = True, flush: bool | None = None) -> None:
        # What is not whole will never be, and may be ten megabytes.
        self._header, self._attachments, self._due, self._due_by = "", None, 0, None
        super().close(reason, say=say, flush=flush)
        if self.upgrading is not None and self.state is not _CONNECTED:
            self.upgrading.give_up()

    @property
    def last_word(self) -> str:
        """The packet that answers a poll which has nothing else to say."""
        over = self.state is State.DISCONNECTING or self.state is State.DISCONNECTED
        return "1" if over and not self._left_by_client and not len(self._outbox) else "6"

    @property
    def says_close(self) -> bool:
        """Whether the batch just taken was the last: the poll that brings it says so.

        Not after the packets that end the namespaces, behind which it comes by itself. Nor to who
        may come back: clients since 3.0 handle an event a moment later, and would keep it for when
        they are back, where they ask for it once more. Their next poll finds the session gone.
        """
        if self.state is not State.DISCONNECTING or self._recovery is not None:
            return False
        return not len(self._outbox) and not self._told_all

    def _linger(self) -> float:
        return min(LINGER, super()._linger())

    def _goodbye(self) -> list[Outgoing]:
        if self.close_reason != Reason.SERVER or self.generation.global_namespace is None:
            return []
        packets = [
            Outgoing(self.codec.encode({"type": "disconnect", "endpoint": endpoint}))
            for endpoint in self.active_ns
        ]
        if packets and (self._carrier is None or not self._carrier.streaming):
            # In an answer of its own, as the reference has it: clients since 3.0 handle a packet of
            # Socket.IO a moment later, and would take the end for a lost connection.
            self._told_all = True
            packets.append(Outgoing("1", alone=True))
        return packets

    # ---- time

    def deadline(self) -> float | None:
        own = Socket.deadline(self)  # not by super(), which costs as much
        join_by, due_by = self._join_by, self._due_by
        if (join_by is None and due_by is None) or self.state is not _CONNECTED:
            return own
        return min([each for each in (own, join_by, due_by) if each is not None])

    def handle_deadline(self, now: float) -> None:
        if self._due_by is not None and self._due_by <= now and self.state is _CONNECTED:
            if self.paused:
                # We are the ones who do not read.
                self._expect_attachment()
            else:
                self.violate(
                    PacketError(
                        f"{self._due} attachments were due and did not come within close_timeout "
                        f"({self.config.close_timeout:g} s)"
                    )
                )
        if self._join_by is not None and self._join_by <= now:
            self._join_by = None
            if self.state is _CONNECTED:
                self._report(
                    logging.INFO,
                    "joined-nothing",
                    "%s: it has joined no namespace within connect_timeout (%g s)",
                    self,
                    self.config.connect_timeout,
                )
                self.close(Reason.FORCED_CLOSE, say=True)
        super().handle_deadline(now)

    def heartbeat(self) -> None:
        self.heartbeats += 1
        if self._alarm is Alarm.PULSE:
            self._arm(Alarm.BEAT, self.config.ping_interval - EARLY)

    def _expect_ping(self, late: float = 0.0) -> None:
        config, silence = self.config, self.generation.heartbeat.silence
        self._arm(Alarm.PULSE, silence.seconds(config.ping_interval, config.ping_timeout) - late)

    def _beat(self) -> None:
        late = self.runtime.now() - self._alarm_at - EARLY
        # From when it was due, so that deadlines do not drift; unless it was we who were busy.
        self._expect_ping(late if late < PUNCTUAL else 0.0)
        self._heard = self.received
        self.deliver(Outgoing(self.codec.heartbeat))

    def _no_pulse(self) -> None:
        if self._paused:
            # We are the ones who do not read: the answer may well be waiting in the kernel.
            self._expect_ping()
        elif self._heard is not None and (self._due or self.received != self._heard):
            # It is there, and its answer may stand behind what it sends over a slow line. The
            # reference adds the time at the first such packet, once; to look for that with each
            # would cost all of them.
            self._heard = None
            self._expect_ping()
        else:
            self.close(Reason.PING_TIMEOUT, say=False)
