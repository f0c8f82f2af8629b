"""What differs between the generations of Socket.IO, and bare Engine.IO: data and codecs.

=============================  ==================  ====================  ====================
\\                              0.9                 EIO=3 (1.x, 2.x)      EIO=4 (3.x, 4.x)
=============================  ==================  ====================  ====================
who starts heartbeats          server              client                server
on which carriers              streams             all                   all
silence is too long when       timeout after ours  interval + timeout    timeout after ours
                                                   after theirs
an idle poll ends by           a noop              the pong              the ping
a poll that dies               session goes on     session ends          session ends
a second poll                  newest wins         session ends          session ends
change of transport            same sid            probe, upgrade        probe, upgrade
global namespace               with the session    by itself             asked for
its end                        the session's       its own               its own
a client is to others          its sid             an id of its own      an id of its own
a packet that makes no sense   is answered         ends the session      ends the session
binary                         not there           attachments           attachments
several packets in one body    U+FFFD framing      lengths, or binary    U+001E
=============================  ==================  ====================  ====================

A :class:`Generation` answers these questions; nobody asks which one it is. Bytes pass through it in
three forms: a *message* is what Engine.IO carries (a text or bytes), a *packet* is a message with
its type (a text, or the bytes of a binary message), and a *frame* is what one websocket frame
holds. In 0.9 all three are the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from ..exceptions import PacketError, UsageError
from . import packet as packet_v09
from . import payload as payload_v09
from .assembler import Assembler
from .engine_errors import revision_in
from .engine_limits import Decoded, PayloadLimits, stopped
from .engine_packet import (
    EnginePacket,
    decode_packet_v3,
    decode_packet_v4,
    in_base64_v3,
    in_base64_v4,
    in_binary_v3,
)
from .engine_payload_v3 import (
    decode_binary_payload_v3,
    decode_payload_v3,
    encode_binary_payload_v3,
    encode_payload_v3,
)
from .engine_payload_v4 import decode_payload_v4, encode_payload_v4
from .packet import JsonDumps, JsonLoads, Opened, Packet
from .socketio_packet import DEFAULT_LIMITS, ModernPacket, PacketLimits, Revision
from .socketio_reader import make_head, make_opener, make_reader
from .socketio_writer import make_writer
from .strict_json import default_json_dumps, default_json_loads

__all__ = [
    "EIO3",
    "EIO3_BARE",
    "EIO4",
    "EIO4_BARE",
    "V09",
    "BadPacket",
    "Binary",
    "ClientName",
    "Generation",
    "GlobalNamespace",
    "Heartbeat",
    "HeartbeatCarriers",
    "IdlePoll",
    "LostPoll",
    "SecondPoll",
    "Side",
    "Silence",
    "TransportChange",
    "generation_in",
]


class Side(Enum):
    """Who does something."""

    SERVER = "server"
    CLIENT = "client"


class HeartbeatCarriers(Enum):
    """Where heartbeats are."""

    STREAMS = "streams"
    ALL = "all"


class Silence(NamedTuple):
    """When nothing was heard for too long: ``timeout`` (and ``interval`` before, if it counts)
    after the last heartbeat of the side that starts them."""

    counts_interval: bool

    def seconds(self, interval: float, timeout: float) -> float:
        return interval + timeout if self.counts_interval else timeout


class Heartbeat(NamedTuple):
    starts: Side
    on: HeartbeatCarriers
    silence: Silence


class IdlePoll(Enum):
    """What ends a poll that has nothing to say; the value is the packet, as text."""

    #: After the poll duration.
    NOOP = "8::"
    #: When it is time for a ping.
    PING = "2"
    #: When the client's ping was read.
    PONG = "3"


class LostPoll(Enum):
    """What comes of a poll whose connection broke while it was held."""

    SESSION_GOES_ON = "session goes on"
    SESSION_ENDS = "session ends"


class SecondPoll(Enum):
    """What comes of a poll beside a held one."""

    NEWEST_WINS = "newest wins"
    SESSION_ENDS = "session ends"


class TransportChange(Enum):
    """How a client goes over to another transport."""

    #: It connects by the other with the same sid.
    TAKE_OVER = "take over"
    #: Only from polling to a websocket: ``2probe``, ``3probe``, ``5``.
    PROBE = "probe"


class GlobalNamespace(NamedTuple):
    """How the namespace "" begins and ends."""

    #: Whether a client has to connect it as any other.
    asked_for: bool
    #: Whether the session ends with it.
    ends_session: bool


class BadPacket(Enum):
    """What comes of a packet that makes no sense."""

    ANSWERED = "answered"
    SESSION_ENDS = "session ends"


class Binary(Enum):
    """How bytes travel in events and acks."""

    NONE = "none"
    ATTACHMENTS = "attachments"


ClientName = Callable[[str, str, str], str]
"""A client's name to others in a namespace: from the session's sid, the namespace, and a random id
of the client in that namespace."""

Messages = tuple[str | bytes, ...]
"""One encoded packet: a text with the attachments that have to follow it at once."""

Encode = Callable[[Mapping[str, Any]], Messages]
Feed = Callable[[str | bytes], ModernPacket | None]
"""Takes the messages of one session in their order and gives the packets that they complete."""


@dataclass(frozen=True)
class Generation:
    """One generation of clients. Compared by identity: there is one object of each."""

    name: str
    #: The revision of Engine.IO, as ``EIO`` in the query says it; None before there was one.
    engine: int | None
    heartbeat: Heartbeat
    idle_poll: IdlePoll
    lost_poll: LostPoll
    second_poll: SecondPoll
    transport_change: TransportChange
    #: None where there are no namespaces.
    global_namespace: GlobalNamespace | None
    client_name: ClientName
    bad_packet: BadPacket
    binary: Binary
    #: Whether clients can come back to what they had (connection state recovery).
    recovers: bool
    #: What is sent as a heartbeat, or in answer to the client's.
    heartbeat_packet: str
    #: Whether JSON is written in ASCII: clients 1.x decode bodies twice, and say what 2.x say.
    ascii_only: bool

    #: A function that encodes packets (mappings). Raises ``UsageError`` for what cannot be written.
    make_encode: Callable[[JsonDumps, bool, int], Encode]
    #: A function that makes, for each session, one that takes its messages. That one raises
    #: ``PacketError``.
    make_feed: Callable[[JsonLoads, PacketLimits], Callable[[], Feed]]
    #: The type, namespace and ids of the packet in a text, of which no JSON is read. Raises
    #: ``PacketError``.
    head: Callable[[str], Packet]
    #: A function that reads most packets in two steps, the second being their JSON; None for a text
    #: that is another, or none.
    make_opened: Callable[[PacketLimits], Callable[[str], Opened | None]]
    #: Packets of Engine.IO for messages.
    packets: Callable[[Messages], list[str | bytes]]
    #: The websocket frame of a packet; True for clients that want base64.
    frame: Callable[[str | bytes, bool], str | bytes]
    #: The packet in a websocket frame. Raises ``PacketError``.
    read_frame: Callable[[str | bytes], EnginePacket]
    #: The body that carries packets; True if it may be binary. It is bytes only where it is.
    payload: Callable[[Sequence[str | bytes], bool], str | bytes]
    #: The packets in a body of text, up to the first bad one.
    read_payload: Callable[[str | bytes, PayloadLimits], Decoded]
    #: The packets in a body of the type application/octet-stream; None where there is none such.
    read_binary_payload: Callable[[bytes, PayloadLimits], Decoded] | None

    # Identity, not the field-wise comparison of dataclasses: codecs key caches by it.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def encoder(
        self,
        json_dumps: JsonDumps = default_json_dumps,
        *,
        ascii_only: bool = False,
        max_attachments: int = DEFAULT_LIMITS.max_attachments,
    ) -> Encode:
        """:attr:`make_encode` with its defaults."""
        return self.make_encode(json_dumps, ascii_only, max_attachments)

    def feeds(
        self, json_loads: JsonLoads = default_json_loads, limits: PacketLimits = DEFAULT_LIMITS
    ) -> Callable[[], Feed]:
        """:attr:`make_feed` with its defaults."""
        return self.make_feed(json_loads, limits)


# 0.9: one text is message, packet and frame.


def _encode_v09(json_dumps: JsonDumps, ascii_only: bool, max_attachments: int) -> Encode:
    return lambda packet: (packet_v09.encode(packet, json_dumps),)


def _feed_v09(json_loads: JsonLoads, limits: PacketLimits) -> Callable[[], Feed]:
    def feed(message: str | bytes) -> ModernPacket:
        packet: Any = packet_v09.decode(message, json_loads)
        read: ModernPacket = packet
        return read

    return lambda: feed


def _texts(packets: Sequence[str | bytes]) -> list[str]:
    texts = [packet for packet in packets if isinstance(packet, str)]
    if len(texts) != len(packets):
        raise UsageError("this generation carries text only")
    return texts


def _read_frame_v09(frame: str | bytes) -> EnginePacket:
    return "message", frame


def _read_payload_v09(body: str | bytes, limits: PayloadLimits) -> Decoded:
    # All or nothing, as ever.
    try:
        if len(body) > limits.max_bytes:
            raise PacketError(f"a payload of {len(body)} is larger than {limits.max_bytes}")
        text = body if isinstance(body, str) else body.decode()
        packets = payload_v09.decode_payload(text, limits.max_packets)
        return [("message", packet) for packet in packets], None
    except PacketError as error:
        return stopped([], error)
    except UnicodeDecodeError as error:
        return [], PacketError(f"the payload is not UTF-8 (at byte {error.start})")


V09 = Generation(
    name="0.9",
    engine=None,
    heartbeat=Heartbeat(Side.SERVER, HeartbeatCarriers.STREAMS, Silence(counts_interval=False)),
    idle_poll=IdlePoll.NOOP,
    lost_poll=LostPoll.SESSION_GOES_ON,
    second_poll=SecondPoll.NEWEST_WINS,
    transport_change=TransportChange.TAKE_OVER,
    global_namespace=GlobalNamespace(asked_for=False, ends_session=True),
    client_name=lambda sid, namespace, own: sid,
    bad_packet=BadPacket.ANSWERED,
    binary=Binary.NONE,
    recovers=False,
    heartbeat_packet="2::",
    ascii_only=False,
    make_encode=_encode_v09,
    make_feed=_feed_v09,
    head=lambda text: packet_v09.opened(text)[0],
    make_opened=lambda limits: packet_v09.opened,
    packets=list,
    frame=lambda packet, base64: packet,
    read_frame=_read_frame_v09,
    payload=lambda packets, binary: payload_v09.encode_payload(_texts(packets)),
    read_payload=_read_payload_v09,
    read_binary_payload=None,
)
"""Clients 0.7 to 0.9."""


# Engine.IO: messages have a type, and may be binary.


def _encode_socketio(revision: Revision) -> Callable[[JsonDumps, bool, int], Encode]:
    def make(json_dumps: JsonDumps, ascii_only: bool, max_attachments: int) -> Encode:
        write = make_writer(
            revision, json_dumps, ascii_only=ascii_only, max_attachments=max_attachments
        )

        def encode(packet: Mapping[str, Any]) -> Messages:
            text, attachments = write(packet)
            return (text, *attachments) if attachments else (text,)

        return encode

    return make


def _feed_socketio(
    revision: Revision,
) -> Callable[[JsonLoads, PacketLimits], Callable[[], Feed]]:
    def make(json_loads: JsonLoads, limits: PacketLimits) -> Callable[[], Feed]:
        read = make_reader(revision, json_loads, limits)
        return lambda: Assembler(read, limits).feed

    return make


def _packets(messages: Messages) -> list[str | bytes]:
    return ["4" + message if isinstance(message, str) else message for message in messages]


def _frame_v3(packet: str | bytes, base64: bool) -> str | bytes:
    if isinstance(packet, str):
        return packet
    return in_base64_v3(packet) if base64 else in_binary_v3(packet)


def _frame_v4(packet: str | bytes, base64: bool) -> str | bytes:
    if isinstance(packet, str):
        return packet
    return in_base64_v4(packet) if base64 else packet


def _payload_v3(packets: Sequence[str | bytes], binary: bool) -> str | bytes:
    if binary and not all(isinstance(packet, str) for packet in packets):
        return encode_binary_payload_v3(packets)
    return encode_payload_v3(packets)


EIO4 = Generation(
    name="eio4",
    engine=4,
    heartbeat=Heartbeat(Side.SERVER, HeartbeatCarriers.ALL, Silence(counts_interval=False)),
    idle_poll=IdlePoll.PING,
    lost_poll=LostPoll.SESSION_ENDS,
    second_poll=SecondPoll.SESSION_ENDS,
    transport_change=TransportChange.PROBE,
    global_namespace=GlobalNamespace(asked_for=True, ends_session=False),
    client_name=lambda sid, namespace, own: own,
    bad_packet=BadPacket.SESSION_ENDS,
    binary=Binary.ATTACHMENTS,
    recovers=True,
    heartbeat_packet="2",
    ascii_only=False,
    make_encode=_encode_socketio(5),
    make_feed=_feed_socketio(5),
    head=make_head(5),
    make_opened=partial(make_opener, 5),
    packets=_packets,
    frame=_frame_v4,
    read_frame=decode_packet_v4,
    payload=lambda packets, binary: encode_payload_v4(packets),
    read_payload=decode_payload_v4,
    read_binary_payload=None,
)
"""Clients 3.x and 4.x: Engine.IO 4, Socket.IO 5."""

EIO3 = replace(
    EIO4,
    name="eio3",
    engine=3,
    heartbeat=Heartbeat(Side.CLIENT, HeartbeatCarriers.ALL, Silence(counts_interval=True)),
    idle_poll=IdlePoll.PONG,
    recovers=False,
    heartbeat_packet="3",
    ascii_only=True,
    global_namespace=GlobalNamespace(asked_for=False, ends_session=False),
    make_encode=_encode_socketio(4),
    make_feed=_feed_socketio(4),
    head=make_head(4),
    make_opened=partial(make_opener, 4),
    frame=_frame_v3,
    read_frame=decode_packet_v3,
    payload=_payload_v3,
    read_payload=decode_payload_v3,
    read_binary_payload=decode_binary_payload_v3,
)
"""Clients 1.x and 2.x: Engine.IO 3, Socket.IO 4."""


# Bare: a message is a packet, and there is nothing else.


def _encode_bare(json_dumps: JsonDumps, ascii_only: bool, max_attachments: int) -> Encode:
    def encode(packet: Mapping[str, Any]) -> Messages:
        data = packet.get("data")
        if packet.get("type") != "message" or not isinstance(
            data, (str, bytes, bytearray, memoryview)
        ):
            raise UsageError(
                "bare Engine.IO has only packets of type 'message', whose 'data' is a str or "
                f"bytes; got {packet.get('type')!r} with {type(data).__name__}"
            )
        return (data if isinstance(data, str) else bytes(data),)

    return encode


def _feed_bare(json_loads: JsonLoads, limits: PacketLimits) -> Callable[[], Feed]:
    def feed(message: str | bytes) -> ModernPacket:
        return {"type": "message", "endpoint": "", "data": message}

    return lambda: feed


EIO3_BARE, EIO4_BARE = (
    replace(
        generation,
        name=f"{generation.name} bare",
        global_namespace=None,
        client_name=lambda sid, namespace, own: own,
        recovers=False,
        make_encode=_encode_bare,
        make_feed=_feed_bare,
        head=lambda text: {"type": "message", "endpoint": ""},
        make_opened=lambda limits: lambda text: None,
    )
    for generation in (EIO3, EIO4)
)
"""Engine.IO without Socket.IO: each message, a str or bytes, is a packet of type ``message``."""


def generation_in(query: str, *, bare: bool = False) -> Generation | None:
    """The generation that a raw query string asks for by ``EIO``, or None where it asks for none
    that there is. (0.9 has no such parameter; it is known by its path.)"""
    revision = revision_in(query)
    if revision is None:
        return None
    if bare:
        return EIO4_BARE if revision == 4 else EIO3_BARE
    return EIO4 if revision == 4 else EIO3
