"""Packets of Socket.IO on the wire of Engine.IO: a generation together with JSON functions.

What arrives is kept as it came until its turn: a text, or a :class:`Bundle` where attachments
belong to it. :func:`attachments_due` looks at a text without reading it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from ..exceptions import PacketError, UsageError
from .dialect import MAX_NESTS, BaseCodec, check_nests, size_of
from .echo import echo
from .generations import Generation
from .packet import JsonDumps, JsonLoads, Opened, Packet
from .socketio_packet import DEFAULT_LIMITS, ModernPacket, PacketLimits
from .strict_json import LARGE, default_json_dumps, default_json_loads

__all__ = ["MAX_NESTS_BESIDE_BYTES", "Attached", "Bundle", "EngineCodec", "attachments_due"]

#: Opening brackets in a packet that bytes belong to: all of them are looked through for the places
#: of those, which takes as long as to read them.
MAX_NESTS_BESIDE_BYTES = MAX_NESTS // 2

# Bytes of memory that the objects of a bundle take, beside its text and its attachments.
_BUNDLE = 136

_COUNT = re.compile(r"[56]([0-9]{1,9})-", re.ASCII)


class Attached(str):
    """An encoded packet with the attachments that have to follow its text at once."""

    __slots__ = ("attachments",)

    attachments: tuple[bytes, ...]

    @classmethod
    def of(cls, text: str, attachments: tuple[bytes, ...]) -> Attached:
        attached = cls(text)
        attached.attachments = attachments
        return attached


class Bundle:
    """A text as it arrived, with the bytes that came behind it. Its length is that of all, as they
    lie in memory."""

    __slots__ = ("_size", "attachments", "text")

    def __init__(self, text: str, attachments: list[bytes]) -> None:
        self.text = text
        self.attachments = attachments
        size = sys.getsizeof
        self._size = _BUNDLE + size(text) + sum([8 + size(each) for each in attachments])

    def __len__(self) -> int:
        return self._size


def attachments_due(text: str, limits: PacketLimits = DEFAULT_LIMITS) -> int:
    """How many attachments have to follow a text. Raises ``PacketError`` for a text that announces
    none, or too many, where it has to announce some."""
    if text[:1] not in ("5", "6"):
        return 0
    found = _COUNT.match(text)
    count = int(found[1]) if found is not None else 0
    if not 1 <= count <= limits.max_attachments:
        raise PacketError(
            f"a packet may have 1 to {limits.max_attachments} attachments: {echo(text)}"
        )
    return count


class EngineCodec(BaseCodec):
    """A generation together with JSON functions. Sockets that share one share what a broadcast
    encodes."""

    __slots__ = ("generation", "limits")

    def __init__(
        self,
        generation: Generation,
        json_loads: JsonLoads | None = None,
        json_dumps: JsonDumps | None = None,
        limits: PacketLimits = DEFAULT_LIMITS,
    ) -> None:
        self.generation = generation
        self.limits = limits
        self.json_loads = default_json_loads if json_loads is None else json_loads
        self.json_dumps = default_json_dumps if json_dumps is None else json_dumps
        self.heartbeat = generation.heartbeat_packet
        write = generation.make_encode(
            self.json_dumps, generation.ascii_only, limits.max_attachments
        )
        make_feed = generation.make_feed(self.json_loads, limits)
        read_text = make_feed()

        def encode(packet: Mapping[str, Any]) -> str:
            messages = write(packet)
            text = messages[0]
            if type(text) is str and len(messages) == 1:
                return "4" + text
            if not isinstance(text, str):
                return Attached.of("", _bytes(messages))
            return Attached.of("4" + text, _bytes(messages[1:]))

        def decode(item: str | bytes | Bundle) -> Packet:
            packet: ModernPacket | None
            if isinstance(item, Bundle):
                feed = make_feed()
                packet = feed(item.text) if item.text else None  # bare: bytes alone
                for attachment in item.attachments:
                    packet = feed(attachment)
            else:
                packet = read_text(_text(item))
            assert packet is not None
            return packet

        def fill(packet: Packet, item: str | Bundle, json_loads: JsonLoads) -> None:
            packet.update(decode(item))

        def opened(item: str | bytes | Bundle) -> Opened:
            if isinstance(item, Bundle):
                return head_of(item.text), fill, item
            text = item if type(item) is str else _text(item)
            return plainly(text) or (head_of(text), fill, text)

        def read(opened: Opened) -> Packet:
            packet, read_rest, item = opened
            if len(item) >= LARGE:
                if isinstance(item, str):
                    check_nests(packet, item)
                else:
                    check_nests(packet, item.text, MAX_NESTS_BESIDE_BYTES)
            read_rest(packet, item, loads)
            return packet

        head_of = generation.head
        # Nearly all packets.
        plainly = generation.make_opened(limits)
        loads = self.json_loads
        self.encode = encode
        self.opened = opened
        self.read = read
        self.decode = decode
        self.receipt_asked = _no_receipt

    @property
    def has_offsets(self) -> bool:
        return self.generation.recovers

    def copy(self, packet: Mapping[str, Any]) -> tuple[Packet, int]:
        # The values go through the wire's form of an ack, which has no name to object to.
        values = packet.get("args", (packet.get("data"),))
        try:
            text = self.encode({"type": "ack", "ackId": 0, "args": values})
        except UsageError:
            self.encode(packet)  # which says it of the packet's own name
            raise
        attachments = text.attachments if isinstance(text, Attached) else ()
        size = size_of(text) + sum(map(len, attachments))
        copied = self.decode(Bundle(text[1:], list(attachments)))["args"]
        whole: Any = dict(packet)
        if "args" in packet:
            whole["args"] = copied
        elif "data" in packet:
            whole["data"] = copied[0]
        return whole, size

    def with_json(self, json_loads: JsonLoads | None, json_dumps: JsonDumps | None) -> EngineCodec:
        return EngineCodec(
            self.generation,
            self.json_loads if json_loads is None else json_loads,
            self.json_dumps if json_dumps is None else json_dumps,
            self.limits,
        )


def _bytes(messages: tuple[str | bytes, ...]) -> tuple[bytes, ...]:
    return tuple([each for each in messages if isinstance(each, bytes)])


def _text(item: str | bytes) -> str:
    return item if isinstance(item, str) else item.decode("utf-8", "surrogatepass")


def _no_receipt(text: str) -> None:
    """Only 0.9 acknowledges what has not been handled."""
