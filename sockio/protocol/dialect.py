"""What differs between the generations of Socket.IO, as data and a codec.

A :class:`Dialect` is one generation: how its packets and payloads are written, which packets it
uses for its own housekeeping, and who starts heartbeats. A :class:`Codec` is a dialect with the
JSON functions of one application. Everything above this module (sockets, outboxes, rooms,
namespaces) handles packets as mappings and never asks which generation it serves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..exceptions import PacketError, UsageError
from . import packet, payload
from .bytes_v09 import in_base64
from .json_depth import outside_strings
from .packet import JsonDumps, JsonLoads, Opened, Packet
from .strict_json import LARGE, default_json_dumps, default_json_loads

__all__ = [
    "FEW",
    "MAX_NESTS",
    "V09",
    "VALUES",
    "WIDE",
    "BaseCodec",
    "Codec",
    "Dialect",
    "check_nests",
    "size_of",
]

#: Opening brackets in a packet from outside. A megabyte could have half a million.
MAX_NESTS = 50_000
#: As many values count as one of those more, where there are more than :data:`FEW` of those. There
#: may be as many keys.
VALUES, FEW = 4, MAX_NESTS // 50
#: What a number counts as whose exponent has three digits: ``2e-308`` takes a microsecond to read.
WIDE = 4

# Whatever is of no interest to who counts.
_NO_SIGNS = bytes(set(range(256)) - set(b"[{eE,:"))
# What is left of a text to see exponents by: digits are all alike, and signs are left out.
_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")


@dataclass(frozen=True)
class Dialect:
    """One generation of the protocol. Compared by identity: there is one object of each."""

    name: str
    encode: Callable[[Mapping[str, Any], JsonDumps], str]
    decode: Callable[[str | bytes, JsonLoads], Packet]
    #: The first half of ``decode``: the packet without what is JSON in it, what reads that into it,
    #: and the text of it.
    opened: Callable[[str | bytes], Opened]
    #: The head of a packet that wants to hear at once that it has come; None for all others.
    receipt_asked: Callable[[str], Packet | None]
    encode_payload: Callable[[Sequence[str]], str]
    decode_payload: Callable[[str, int], list[str]]
    #: Sent on a streaming transport every heartbeat interval; the client answers in kind.
    heartbeat: Packet
    #: Ends an idle poll, and a poll that a newer one replaced.
    noop: Packet
    #: Ends the session.
    goodbye: Packet
    #: Answers whoever asks for a session that does not exist: handshake anew, please.
    unknown_session: Packet
    #: Answers a request for a transport that is not offered.
    unknown_transport: Packet

    # Identity, not the field-wise comparison of dataclasses: codecs key caches by it.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


V09 = Dialect(
    name="0.9",
    encode=packet.encode,
    decode=packet.decode,
    opened=packet.opened,
    receipt_asked=packet.receipt_asked,
    encode_payload=payload.encode_payload,
    decode_payload=payload.decode_payload,
    heartbeat={"type": "heartbeat", "endpoint": ""},
    noop={"type": "noop", "endpoint": ""},
    goodbye={"type": "disconnect", "endpoint": ""},
    unknown_session={
        "type": "error",
        "endpoint": "",
        "reason": "client not handshaken",
        "advice": "reconnect",
    },
    unknown_transport={"type": "error", "endpoint": "", "reason": "transport not supported"},
)
"""Socket.IO 0.7 to 0.9, protocol version 1."""


class BaseCodec(ABC):
    """How packets of one generation are written and read, with JSON functions.

    Sockets that share a codec object share what a broadcast encodes, so an application has one
    codec per generation unless ``socketio_manage(json_dumps=...)`` asks for another.
    """

    __slots__ = (
        "_own",
        "decode",
        "encode",
        "heartbeat",
        "json_dumps",
        "json_loads",
        "opened",
        "read",
        "receipt_asked",
    )

    #: Whether each packet is one binary message, and no text.
    whole_in_bytes = False
    json_loads: JsonLoads
    json_dumps: JsonDumps
    _own: BaseCodec
    #: Who the packet in what has arrived is for, and what of it is to be read: no JSON is yet.
    #: Raises ``PacketError`` where that is none.
    opened: Callable[[Any], Opened]
    #: The whole packet, of what :attr:`opened` gave. Raises ``PacketError`` for what is none.
    read: Callable[[Opened], Packet]
    #: Both steps in one.
    decode: Callable[[Any], Packet]
    #: The head of a packet that has to be acknowledged when it arrives; None for any other.
    receipt_asked: Callable[[str], Packet | None]
    #: Wire text of a packet. Raises ``UsageError`` when it cannot be written.
    encode: Callable[[Mapping[str, Any]], str]
    #: What the side that starts heartbeats sends, or the other answers.
    heartbeat: str

    @property
    def has_offsets(self) -> bool:
        """Whether its clients take an offset off each event, and say the last when they come
        back."""
        return False

    @property
    def own(self) -> BaseCodec:
        """The same, with the JSON functions that sockio has: for what it says itself, which no
        failure of the application's is to keep from the client."""
        if self.json_dumps is default_json_dumps:
            return self
        try:
            return self._own
        except AttributeError:
            self._own = self.with_json(None, default_json_dumps)
            return self._own

    @abstractmethod
    def with_json(self, json_loads: JsonLoads | None, json_dumps: JsonDumps | None) -> BaseCodec:
        """Another of the same generation, with other JSON functions where they are given."""

    @abstractmethod
    def copy(self, packet: Mapping[str, Any]) -> tuple[Packet, int]:
        """The packet as its reader will see it, plain values that nobody else can change, and how
        many bytes it is on the wire.

        Raises ``UsageError`` when it cannot be written.
        """


class Codec(BaseCodec):
    """A dialect together with JSON functions: packets to text and back."""

    __slots__ = ("_base64", "dialect")

    def __init__(
        self,
        dialect: Dialect,
        json_loads: JsonLoads | None = None,
        json_dumps: JsonDumps | None = None,
        *,
        base64: bool = True,
    ) -> None:
        """With ``base64`` bytes are written in the form that :mod:`~sockio.protocol.bytes_v09` has
        for them."""
        self.dialect = dialect
        self._base64 = base64
        self.json_loads = default_json_loads if json_loads is None else json_loads
        self.json_dumps = default_json_dumps if json_dumps is None else json_dumps
        # Closures: called for every packet, they cost less than methods that look all this up.
        open_, loads = dialect.opened, self.json_loads
        write, dumps = dialect.encode, self.json_dumps

        def read(opened: Opened) -> Packet:
            packet, fill, data = opened
            if len(data) >= LARGE:
                check_nests(packet, data)
            fill(packet, data, loads)
            return packet

        self.opened = open_
        self.read = read
        self.decode = lambda text: read(open_(text))
        self.receipt_asked = dialect.receipt_asked

        def encode(packet: Mapping[str, Any]) -> str:
            try:
                return write(packet, dumps)
            except UsageError:
                plain = in_base64(packet) if base64 else None
                if plain is None:
                    raise
                return write(plain, dumps)

        self.encode = encode
        self.heartbeat = write(dialect.heartbeat, default_json_dumps)

    def with_json(self, json_loads: JsonLoads | None, json_dumps: JsonDumps | None) -> Codec:
        return Codec(
            self.dialect,
            self.json_loads if json_loads is None else json_loads,
            self.json_dumps if json_dumps is None else json_dumps,
            base64=self._base64,
        )

    def copy(self, packet: Mapping[str, Any]) -> tuple[Packet, int]:
        text = self.encode(packet)
        return self.dialect.decode(text, self.json_loads), size_of(text)


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def check_nests(packet: Packet, data: str, most: int = MAX_NESTS) -> None:
    """Raise ``PacketError`` for what would make so many objects that nobody else gets a turn while
    they are made, looked through for garbage, and forgotten; and for so many keys, or numbers, that
    take long to read."""
    if _too_much(data, most) is None:
        return
    # Texts have brackets and colons, too, and what looks like a number.
    found = _too_much(outside_strings(data), most)
    if found is not None:
        most, what, count = found
        raise PacketError(
            f"a packet may have {most} {what}, and this has {count}",
            endpoint=packet["endpoint"],
            ack_id=packet["id"] if packet.get("ack") == "data" else None,
        )


def _too_much(data: str, most: int) -> tuple[int, str, int] | None:
    """How much there may be of what there is too much of, what that is, and how much there is."""
    # Little is left, of which each kind is counted; to count them in the text takes three times as
    # long.
    signs = data.encode("latin-1", "replace").translate(None, _NO_SIGNS)
    count = nests = signs.count(b"[") + signs.count(b"{")
    what = "lists and objects"
    if count <= most and (signs.count(b"e") + signs.count(b"E")) * WIDE > most - count:
        count += _slow_numbers(data)
        what += ", and numbers with an exponent (of three digits each counts as four)"
    if nests > FEW and count <= most:
        # Of the commas some are between lists.
        count += max(0, signs.count(b",") - nests) // VALUES
        what += f", of whose values {VALUES} count as one more"
    if count <= most:
        count, what = signs.count(b":"), "keys of objects"
    return None if count <= most else (most, what, count)


def _slow_numbers(data: str) -> int:
    """How many numbers with exponents are in a text, by what they cost."""
    alike = data.encode("ascii", "replace").translate(_ALIKE, b"+-")
    return alike.count(b"0e0") + (WIDE - 1) * alike.count(b"0e000")
