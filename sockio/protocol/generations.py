"""What differs between the two revisions of Engine.IO that there are clients of: data and codecs.

=============================  ====================  ====================
\\                              EIO=3 (1.x, 2.x)      EIO=4 (3.x, 4.x)
=============================  ====================  ====================
who starts heartbeats          client                server
silence is too long when       interval + timeout    timeout after ours
                               after theirs
global namespace               by itself             asked for
who lost the connection        is new                may recover
several packets in one body    lengths, or binary    U+001E
=============================  ====================  ====================

A :class:`Generation` answers these questions; nobody asks which one it is. What both have in common
and 0.9 (:mod:`sockio.protocol.dialect`) has not is in :mod:`sockio.sessions.engine_socket`. Bytes
pass through it in three forms: a *message* is what Engine.IO carries (a text or bytes), a *packet*
is a message with its type (a text, or the bytes of a binary message), and a *frame* is what one
websocket frame holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from ..exceptions import UsageError
from .assembler import Assembler
from .engine_limits import Decoded, PayloadLimits
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
    "Generation",
    "GlobalNamespace",
    "Heartbeat",
    "Side",
    "Silence",
]


class Side(Enum):
    """Who does something."""

    SERVER = "server"
    CLIENT = "client"


class Silence(NamedTuple):
    """When nothing was heard for too long: ``timeout`` (and ``interval`` before, if it counts)
    after the last heartbeat of the side that starts them."""

    counts_interval: bool

    def seconds(self, interval: float, timeout: float) -> float:
        return interval + timeout if self.counts_interval else timeout


class Heartbeat(NamedTuple):
    starts: Side
    silence: Silence


class GlobalNamespace(NamedTuple):
    """How the namespace "" begins. It ends as any other."""

    #: Whether a client has to connect it as any other.
    asked_for: bool


Messages = tuple[str | bytes, ...]
"""One encoded packet: a text with the attachments that have to follow it at once."""

Encode = Callable[[Mapping[str, Any]], Messages]
Feed = Callable[[str | bytes], ModernPacket | None]
"""Takes the messages of one session in their order and gives the packets that they complete."""


@dataclass(frozen=True)
class Generation:
    """One generation of clients. Compared by identity: there is one object of each."""

    name: str
    #: The revision of Engine.IO, as ``EIO`` in the query says it.
    engine: int
    heartbeat: Heartbeat
    #: None where there are no namespaces.
    global_namespace: GlobalNamespace | None
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
    heartbeat=Heartbeat(Side.SERVER, Silence(counts_interval=False)),
    global_namespace=GlobalNamespace(asked_for=True),
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
    heartbeat=Heartbeat(Side.CLIENT, Silence(counts_interval=True)),
    recovers=False,
    heartbeat_packet="3",
    ascii_only=True,
    global_namespace=GlobalNamespace(asked_for=False),
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
        recovers=False,
        make_encode=_encode_bare,
        make_feed=_feed_bare,
        head=lambda text: {"type": "message", "endpoint": ""},
        make_opened=lambda limits: lambda text: None,
    )
    for generation in (EIO3, EIO4)
)
"""Engine.IO without Socket.IO: each message, a str or bytes, is a packet of type ``message``."""
