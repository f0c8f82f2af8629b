"""Packets of Socket.IO 5 in MessagePack, for clients with ``socket.io-msgpack-parser``.

Each packet is one binary message of Engine.IO: a map with ``type`` (0 to 4), ``nsp``, ``data`` and
``id``. Bytes stand among the other values, so there are no attachments. The package ``msgpack``
does the packing; the extra ``msgpack`` installs it.

What is sent are the values that a client with JSON would get: they go through the application's
``json_dumps`` first. What is received are the values that such a client would have sent: a ``Date``
is a text as of ``toISOString()``, ``undefined`` is None, and so are NaN and the infinities.

Facts: socket.io-msgpack-parser 3.0.2, ``index.js``; notepack.io 2.2.0, ``lib/encode.js``. The
latter has one type of extension, 0, for an ``undefined`` (one zero), a ``Date`` (milliseconds in
eight bytes) and an ``ArrayBuffer`` (bytes): eight bytes that make a date are taken for one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..exceptions import PacketError, UsageError
from .dialect import BaseCodec
from .echo import echo
from .engine_codec import MAX_NESTS_BESIDE_BYTES, Attached, Bundle, EngineCodec
from .json_depth import MAX_DEPTH
from .packet import MAX_NAME, JsonDumps, JsonLoads, Opened, Packet
from .socketio_packet import RESERVED_EVENTS
from .strict_json import LARGE, default_json_loads, undisturbed

__all__ = [
    "KEYS",
    "TOO_MANY",
    "VALUES",
    "MsgpackCodec",
    "available",
    "check_depth_of",
    "iso_date",
]

_msgpack: Any
try:
    import msgpack

    _msgpack = msgpack
except ImportError:
    _msgpack = None

#: Whether the package was found, in C: in Python a megabyte takes it a second.
available: bool = _msgpack is not None and "cmsgpack" in _msgpack.Unpacker.__module__

#: Entries of the map that is a packet: the client's has five.
MAX_FIELDS = 16
#: 2**53, up to which JavaScript counts exactly.
_MAX_ID = 2**53
#: As how many lists an extension counts: a date takes as long.
_EXTENSION = 10
#: How many keys of a map, and how many values of a list, count as a list.
KEYS, VALUES = 2, 8
TOO_MANY = (
    f"it may have {MAX_NESTS_BESIDE_BYTES} lists and maps, of which {KEYS} keys or {VALUES} values "
    "count as one more"
)
#: Milliseconds around 1970 that a JavaScript Date can be.
_MAX_DATE = 8_640_000_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

#: Types of values that hold no others.
_FLAT = frozenset((str, int, float, bool, type(None), bytes))
#: Bytes that begin neither a list nor a map.
_NO_NESTS = bytes(set(range(256)) - {*range(0x80, 0xA0), *range(0xDC, 0xE0)})

#: How a number begins that may be NaN or infinite, and a timestamp of MessagePack's own. The
#: library reads those by itself, and the client has none.
_ODD = re.compile(rb"[\xca\xcb][\x7f\xff]|\xd6\xff|\xd7\xff|\xc7\x0c\xff")
_TIMESTAMPS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")
#: How many may begin so before they are looked for first: each takes a fifth of a microsecond.
_MANY_TIMESTAMPS = 5000
#: Types of values that are in JSON, whatever they are, and hold no others.
_IN_JSON = _FLAT - {float}
_NESTS = frozenset((list, dict))

_TOO_DEEP = f"it is nested more than {MAX_DEPTH} deep"
_NO_TIMESTAMP = "an extension of the type -1 means nothing here"

_KINDS = {0: "connect", 1: "disconnect", 2: "event", 3: "ack", 4: "error"}


class MsgpackCodec(BaseCodec):
    """How packets are packed and unpacked. Sockets that share one share what a broadcast packs."""

    __slots__ = ("_plain", "limits")

    whole_in_bytes = True

    def __init__(self, plain: EngineCodec) -> None:
        """``plain`` is the codec of the same generation in JSON."""
        self.limits = plain.limits
        self.json_loads = plain.json_loads
        self.json_dumps = plain.json_dumps
        self.heartbeat = plain.heartbeat
        # What it reads is what was written: no reader of the application's has a part in it.
        self._plain = plain.with_json(default_json_loads, None)
        self.encode = self._encode
        self.opened = _opened
        self.read = _read
        self.decode = _decode
        self.receipt_asked = _no_receipt

    def _encode(self, packet: Mapping[str, Any]) -> str:
        # Also says what is wrong with it.
        text = self._plain.encode(packet)
        attachments = list(text.attachments) if isinstance(text, Attached) else []
        try:
            whole = self._plain.decode(Bundle(text[1:], attachments))
        except PacketError as error:
            # It is nested too deeply: others in the room can have it.
            raise UsageError(f"a packet cannot be written in msgpack: {error}") from None
        return Attached.of("", (_packed(_fields(whole)),))

    def with_json(self, json_loads: JsonLoads | None, json_dumps: JsonDumps | None) -> MsgpackCodec:
        plain = self._plain.with_json(
            self.json_loads if json_loads is None else json_loads, json_dumps
        )
        return MsgpackCodec(plain)

    def copy(self, packet: Mapping[str, Any]) -> tuple[Packet, int]:
        return self._plain.copy(packet)


# ---- writing


def _fields(packet: Packet) -> dict[str, Any]:
    """What the client's parser knows as a packet."""
    whole: Mapping[str, Any] = packet
    kind = whole["type"]
    fields: dict[str, Any] = {"nsp": whole["endpoint"] or "/"}
    if kind == "event":
        fields |= {"type": 2, "data": [whole["name"], *whole["args"]]}
        if "id" in whole:
            fields["id"] = whole["id"]
    elif kind == "ack":
        fields |= {"type": 3, "data": whole["args"], "id": whole["ackId"]}
    elif kind == "connect":
        fields["type"] = 0
        if "data" in whole:
            fields["data"] = whole["data"]
    elif kind == "error":
        data = {"message": whole["message"]}
        if "data" in whole:
            data["data"] = whole["data"]
        fields |= {"type": 4, "data": data}
    else:
        fields["type"] = 1
    return fields


def _packed(value: Any) -> bytes:
    try:
        packed: bytes = _msgpack.packb(value)
    except (OverflowError, UnicodeEncodeError):
        packed = _msgpack.packb(_portable(value))
    return packed


def _portable(value: Any) -> Any:
    """A copy without what JSON has and MessagePack has not: integers of more than 64 bits become
    the floats that JavaScript reads them as, halves of surrogate pairs U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if type(value) is int and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            raise UsageError("an integer in a packet is too large for a client to read") from None
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if isinstance(value, dict):
        return {_portable(key): _portable(item) for key, item in value.items()}
    return value


# ---- reading


def _opened(item: Any) -> Opened:
    """The head of a packet, which is found without making anything of its data."""
    if not isinstance(item, bytes):
        raise PacketError("a client that packs by msgpack sends bytes")
    fields: dict[str, Any] = {}
    try:
        # Nothing in a head is large: what is there has no lists, no maps and no long texts.
        unpacker = _msgpack.Unpacker(
            max_buffer_size=len(item) or 1,
            max_array_len=0,
            max_map_len=0,
            max_ext_len=1,
            max_bin_len=0,
            max_str_len=4 * MAX_NAME,
            ext_hook=_undefined,
        )
        unpacker.feed(item)
        count = unpacker.read_map_header()
        if count > MAX_FIELDS:
            raise PacketError(f"a packet may have {MAX_FIELDS} fields, and this has {count}")
        for _ in range(count):
            name = unpacker.unpack()
            if name in ("type", "nsp", "id"):
                fields[name] = unpacker.unpack()
            else:
                unpacker.skip()
        ends = unpacker.tell()
    except PacketError:
        raise
    except Exception as error:  # the library raises many
        raise PacketError(f"no packet in msgpack: {echo(repr(item[:100]))}") from error
    if ends != len(item):
        raise PacketError("more follows a packet in msgpack")
    return _head(fields), _fill, item


def _head(fields: dict[str, Any]) -> Packet:
    number = fields.get("type")
    kind = _KINDS.get(number) if type(number) is int else None
    if kind is None:
        raise PacketError(f"a packet has a type from 0 to 4, not {echo(repr(number))}")
    name = fields.get("nsp")
    if not isinstance(name, str) or not name.startswith("/"):
        raise PacketError(f"{kind} packet: its nsp is a text that begins with /")
    if len(name) > MAX_NAME:
        raise PacketError(
            f"{kind} packet: a namespace's name may have {MAX_NAME} characters: {echo(name)}"
        )
    endpoint = "" if name == "/" else name
    head: Any = {"type": kind, "endpoint": endpoint}
    number = fields.get("id")
    if number is not None and (type(number) is not int or not 0 <= number <= _MAX_ID):
        raise PacketError(f"{kind} packet: its id is a number up to 2**53", endpoint=endpoint)
    if kind == "ack":
        if number is None:
            raise PacketError("ack packet: it needs the id that it answers", endpoint=endpoint)
        head["ackId"] = number
    elif kind == "event" and number is not None:
        head["id"], head["ack"] = number, "data"
    packet: Packet = head
    return packet


def _read(opened: Opened) -> Packet:
    packet, fill, item = opened
    fill(packet, item, default_json_loads)
    return packet


def _decode(item: Any) -> Packet:
    return _read(_opened(item))


def _fill(packet: Packet, item: bytes, json_loads: JsonLoads) -> None:
    """Read a packet's data into it."""
    kind = packet["type"]
    try:
        data = _data(item)
    except PacketError as error:
        raise _said_of(packet, str(error)) from None
    except Exception as error:  # the library raises many
        raise _said_of(packet, f"no msgpack: {type(error).__name__}") from error
    whole: Any = packet
    if kind == "connect":
        if data is not None:
            if not isinstance(data, dict):
                raise _said_of(packet, "what it brings has to be a map")
            whole["data"] = data
    elif kind == "disconnect":
        if data is not None:
            raise _said_of(packet, "nothing belongs to it")
    elif kind == "error":
        whole["message"] = data if isinstance(data, str) else ""
    elif not isinstance(data, list):
        raise _said_of(packet, "its data has to be a list")
    elif kind == "ack":
        whole["args"] = data
    else:
        name = data.pop(0) if data else None
        if type(name) is int:
            name = str(name)
        if not isinstance(name, str):
            raise _said_of(packet, "it starts with its name")
        if name in RESERVED_EVENTS:
            raise _said_of(packet, "its name is reserved")
        if len(name) > MAX_NAME:
            raise _said_of(packet, f"its name may have {MAX_NAME} characters")
        whole["name"], whole["args"] = name, data


def _data(item: bytes) -> Any:
    most = MAX_NESTS_BESIDE_BYTES
    if len(item) > 6 * _MANY_TIMESTAMPS and _look_like_timestamps(item):
        # It is read twice.
        most //= 2
        _refuse_timestamps(item, most)
    return _whole(item, most) if len(item) < LARGE else undisturbed(_whole, item, most)


def _whole(item: bytes, most: int) -> Any:
    data = _unpack(item, _Counted(most)).get("data")
    if _ODD.search(item):
        return _as_in_json(data)
    # Most packets have not as many bytes that could begin a list or a map.
    if len(item.translate(None, _NO_NESTS)) > MAX_DEPTH:
        check_depth_of(data)
    return data


def _unpack(item: bytes, counted: _Counted, *, marked: bool = False) -> Any:
    most = counted.left // VALUES
    hooks: dict[str, Any] = {"ext_hook": counted.marked if marked else counted.extension}
    if len(item) > most // 2:
        # Fewer bytes are not as many values.
        hooks["list_hook"] = counted.list
    try:
        # A hook is asked when all of a list has been read.
        return _msgpack.unpackb(
            item,
            object_hook=counted.map,
            max_array_len=VALUES * most,
            max_map_len=KEYS * most,
            **hooks,
        )
    except ValueError as error:
        if "exceeds max_" in str(error):
            raise PacketError(TOO_MANY) from None
        raise


def _look_like_timestamps(item: bytes) -> bool:
    """Whether it may have many. Read by the library, all of them are objects before anybody is
    asked."""
    return sum(map(item.count, _TIMESTAMPS)) > _MANY_TIMESTAMPS


def _refuse_timestamps(item: bytes, most: int) -> None:
    """Raise ``PacketError`` at the first timestamp, and for too many lists and maps."""
    for each in _TIMESTAMPS:
        # Of a type that is asked about.
        item = item.replace(each, each[:-1] + b"\x7f")
    try:
        undisturbed(lambda: _unpack(item, _Counted(most), marked=True))
    except _Timestamp:
        raise PacketError(_NO_TIMESTAMP) from None
    except PacketError:
        raise
    except Exception:
        # Bytes that looked like some, or what is no packet for another reason: read it as it is.
        return


class _Timestamp(Exception):
    """There is one."""


def _as_in_json(value: Any) -> Any:
    """``value`` with None in place of each number that JSON has not, as by ``JSON.stringify()``:
    who stored one, and sent it on, could not write a packet for anybody. Raises ``PacketError``
    for timestamps, and for what is nested more deeply than JSON may be."""
    whole = [value]
    level: list[Any] = [whole]
    # One for this list, and one in which nothing more is.
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for each in level:
            named = isinstance(each, dict)
            values = each.values() if named else each
            # Of many values, what they are is told by one call.
            types = set(map(type, values))
            if types <= _IN_JSON:
                continue
            if _msgpack.Timestamp in types:
                raise PacketError(_NO_TIMESTAMP)
            if float in types:
                for key, one in each.items() if named else enumerate(each):
                    if type(one) is float and not math.isfinite(one):
                        each[key] = None
            if not types.isdisjoint(_NESTS):
                inner += [one for one in values if isinstance(one, (list, dict))]
        if not inner:
            return whole[0]
        level = inner
    raise PacketError(_TOO_DEEP)


def check_depth_of(value: Any) -> None:
    """Raise ``PacketError`` for what is nested more deeply than JSON may be."""
    level = [value] if isinstance(value, (list, dict)) else []
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            values = each.values() if isinstance(each, dict) else each
            # Many are told to hold nothing by one call.
            if not _FLAT.issuperset(map(type, values)):
                inner += [one for one in values if isinstance(one, (list, dict))]
        if not inner:
            return
        level = inner
    raise PacketError(_TOO_DEEP)


class _Counted:
    """Raises ``PacketError`` for what would make so many objects that nobody else gets a turn while
    they are made and forgotten, and for maps that are no JavaScript objects."""

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        #: How many values of lists there may be still, of which lists and maps count as several.
        self.left = VALUES * most

    def list(self, value: list[Any]) -> Any:
        self._count(VALUES + len(value))
        return value

    def _count(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise PacketError(TOO_MANY)

    def map(self, value: dict[Any, Any]) -> Any:
        if bytes in map(type, value):
            raise PacketError("the keys of its maps have to be texts")
        self._count(VALUES + len(value) * VALUES // KEYS)
        return value

    def marked(self, code: int, data: bytes) -> Any:
        """An extension, where timestamps were given another type."""
        if code == 0x7F:
            raise _Timestamp
        self._count(VALUES)
        return data

    def extension(self, code: int, data: bytes) -> Any:
        self._count(_EXTENSION * VALUES)
        return _extension(code, data)


def _extension(code: int, data: bytes) -> Any:
    if code != 0:
        raise PacketError(f"an extension of the type {code} means nothing here")
    if data == b"\0":
        return None
    if len(data) == 8:
        milliseconds = int.from_bytes(data, "big", signed=True)
        if abs(milliseconds) <= _MAX_DATE:
            return iso_date(milliseconds)
    return data


def iso_date(milliseconds: int) -> str | bytes:
    """A date as ``toISOString()`` has it, which is what it would be in JSON."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:  # a year that Python does not know
        return milliseconds.to_bytes(8, "big", signed=True)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _undefined(code: int, data: bytes) -> None:
    """No other extension has a place in a head."""
    if code != 0 or data != b"\0":
        raise PacketError("an extension in the head of a packet")


def _said_of(packet: Packet, why: str) -> PacketError:
    kind = packet["type"]
    asked = packet["id"] if packet.get("ack") == "data" else None
    return PacketError(f"{kind} packet: {why}", endpoint=packet["endpoint"], ack_id=asked)


def _no_receipt(text: str) -> None:
    """Only 0.9 acknowledges what has not been handled."""
