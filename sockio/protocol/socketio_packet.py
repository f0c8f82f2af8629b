"""One packet of Socket.IO, revisions 4 and 5 (clients 1.x and 2.x; 3.x and 4.x), as a dict and as
what travels in messages of Engine.IO.

::

    TYPE [ATTACHMENTS "-"] [NAMESPACE ","] [ID] [JSON]

=  ============  ==================================  ===========================================
0  connect       ``0/chat,{"token":"x"}``            data: the object, if any (revision 5);
                 ``0/chat?a=b,``                     qs: the query, "?" included, or "" (4)
1  disconnect    ``1/chat,``
2  event         ``2/chat,["name","argument"]``      name, args
3  ack           ``3/chat,12["argument"]``           ackId, args
4  error         ``4/chat,{"message":"m"}``          message, data
5  event         ``51-["name",{"_placeholder":...``  name, args with bytes in them
6  ack           ``61-12[{"_placeholder":...``       ackId, args with bytes in them
=  ============  ==================================  ===========================================

The dict has the words of 0.9's packets (:mod:`sockio.protocol.packet`), so that whoever handles
packets need not know of which generation they are. The global namespace is "" here and nothing on
the wire; an event that asks for an ack has ``id`` and ``"ack": "data"``. A ``message`` or ``json``
packet, which these revisions do not have, is written as an event of the name ``message``.

Facts: Socket.IO protocol, revisions 4 and 5; socket.io-parser 4.2.7 and 3.4.3, whose readers agree
but for reserved names, which only the former refuses, as is done here for both. In both an event or
ack without its array passes, and where there is none an id may be anything that JavaScript takes
for a number: not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, Literal, NamedTuple, NoReturn

from ..exceptions import PacketError, UsageError
from .ascii_json import ascii_json
from .attachments import Frames, take_out
from .echo import echo
from .json_depth import MAX_DEPTH, check_depth
from .packet import JsonDumps, JsonLoads, Packet, PacketType
from .strict_json import default_json_dumps, default_json_loads

__all__ = [
    "DEFAULT_LIMITS",
    "RESERVED_EVENTS",
    "ModernPacket",
    "PacketLimits",
    "Read",
    "Revision",
    "Write",
    "make_reader",
    "make_writer",
]

Revision = Literal[4, 5]


class ModernPacket(Packet, total=False):
    """A packet of any generation, with what only these revisions have."""

    message: str  #: error: what went wrong; its ``data``, where there is some, says more


Read = Callable[[str], tuple[ModernPacket, int]]
Write = Callable[[Mapping[str, Any]], Frames]


class PacketLimits(NamedTuple):
    """Bounds of one packet that a peer sends."""

    #: Attachments, as many as the reference and its clients take.
    max_attachments: int = 10
    #: Arrays and objects inside each other.
    max_depth: int = MAX_DEPTH
    #: Digits of an ack's id; 2**53, up to which JavaScript counts exactly, has sixteen.
    max_digits: int = 16
    #: Characters of the text and bytes of the attachments together. Where messages are bounded by
    #: a megabyte each, this is what the attachments' number allows.
    max_bytes: int = 11_000_000


DEFAULT_LIMITS = PacketLimits()

RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
"""Names that mean something of their own to the programs at both ends, so nobody may send them."""

_ID_LIMIT = 10**DEFAULT_LIMITS.max_digits


# Reading


def make_reader(
    revision: Revision,
    json_loads: JsonLoads = default_json_loads,
    limits: PacketLimits = DEFAULT_LIMITS,
) -> Read:
    """A function that gives the packet in a text, and how many attachments have to follow.

    Total: any text gives a packet or one :class:`~sockio.exceptions.PacketError`, which carries the
    namespace and the id of the ack that is waited for as far as they could be read. Whatever
    `json_loads` raises (short of a ``BaseException``) becomes that error too. The work grows with
    the length of the text and no faster, unless `json_loads` is slower.

    Where attachments have to follow, the placeholders are still in the packet's ``args``:
    :class:`~sockio.protocol.assembler.Assembler` puts the whole together.
    """
    has_queries = revision == 4
    max_attachments, max_depth, max_digits, _ = limits
    too_short = 2 * max_depth  # to be nested more deeply, if it is JSON

    def read(text: str) -> tuple[ModernPacket, int]:
        try:
            kind, has_attachments = _KINDS[text[:1]]
        except KeyError:
            raise PacketError(f"a packet starts with a type from 0 to 6: {echo(text)}") from None
        start, due = 1, 0
        if has_attachments:
            due, start = read_count(kind, text)
        endpoint = qs = ""
        if text[start : start + 1] == "/":
            stop = text.find(",", start)
            if stop < 0:
                stop = len(text)
            endpoint = text[start:stop]
            start = stop + 1
            if has_queries and "?" in endpoint:
                endpoint, _, query = endpoint.partition("?")
                qs = "?" + query
            if endpoint == "/":
                endpoint = ""
        if kind != "event" and kind != "ack":
            return read_rest(kind, endpoint, qs, text[start:]), due
        # From here on in one piece, and without calls: these are nearly all packets that there are.
        bracket = text.find("[", start)
        number = None
        if bracket > start:
            digits = text[start:bracket]
            # str.isdigit() alone would let through the digits of other scripts.
            if len(digits) > max_digits or not (digits.isascii() and digits.isdigit()):
                _refuse(kind, endpoint, f"its id has to be 1 to {max_digits} digits", text)
            number = int(digits)
        elif bracket < 0:
            _refuse(kind, endpoint, "it needs a JSON array", text)
        data = text[bracket:]
        try:
            if len(data) > too_short and data.count("[") + data.count("{") > max_depth:
                check_depth(data, max_depth)
            args = json_loads(data)
        except Exception as error:  # a codec of the user's may raise anything
            _refuse(kind, endpoint, "bad JSON", data, number, error)
        if not isinstance(args, list):
            _refuse(kind, endpoint, "it needs a JSON array", data, number)
        if kind == "ack":
            if number is None:
                _refuse(kind, endpoint, "it needs the id that it answers", text)
            return {"type": "ack", "endpoint": endpoint, "ackId": number, "args": args}, due
        name = args.pop(0) if args else None
        if type(name) is not str:
            name = _name_of(name, endpoint, data, number)
        elif name in RESERVED_EVENTS:
            _refuse(kind, endpoint, "its name is reserved", data, number)
        if number is None:
            return {"type": "event", "endpoint": endpoint, "name": name, "args": args}, due
        return {
            "type": "event",
            "endpoint": endpoint,
            "name": name,
            "args": args,
            "id": number,
            "ack": "data",
        }, due

    def read_count(kind: PacketType, text: str) -> tuple[int, int]:
        """The number of attachments, and where it ends."""
        digits = text[1 : max_digits + 2].partition("-")[0]
        stop = 1 + len(digits)
        if text[stop : stop + 1] != "-" or not (digits.isascii() and digits.isdigit()):
            _refuse(kind, "", "it needs the number of its attachments", text)
        count = int(digits)
        if not 1 <= count <= max_attachments:
            _refuse(kind, "", f"it may have 1 to {max_attachments} attachments", text)
        return count, stop + 1

    def read_rest(kind: PacketType, endpoint: str, qs: str, text: str) -> ModernPacket:
        """A connect, disconnect or error packet; ``text`` is what follows its namespace."""
        packet: ModernPacket = {"type": kind, "endpoint": endpoint}
        if kind == "disconnect":
            if text:
                _refuse(kind, endpoint, "nothing belongs behind it", text)
            return packet
        data = None
        if text or kind == "error":
            try:
                check_depth(text, max_depth)
                data = json_loads(text)
            except Exception as error:  # a codec of the user's may raise anything
                _refuse(kind, endpoint, "bad JSON", text, None, error)
        if kind == "error":
            _read_error(packet, data, text, revision)
            return packet
        if text and not isinstance(data, dict):
            _refuse(kind, endpoint, "what it brings has to be a JSON object", text)
        if has_queries:
            packet["qs"] = qs
        elif text:
            packet["data"] = data
        return packet

    return read


_KINDS: dict[str, tuple[PacketType, bool]] = {
    "0": ("connect", False),
    "1": ("disconnect", False),
    "2": ("event", False),
    "3": ("ack", False),
    "4": ("error", False),
    "5": ("event", True),
    "6": ("ack", True),
}


def _name_of(name: object, endpoint: str, text: str, number: int | None) -> str:
    """The name of an event that is none yet: to JavaScript listeners of 1 and "1" are the same."""
    if type(name) is int:
        return str(name)
    if type(name) is float and isfinite(name):
        return str(int(name)) if name.is_integer() and abs(name) < 1e21 else repr(name)
    _refuse("event", endpoint, "it starts with its name", text, number)


def _read_error(packet: ModernPacket, value: Any, text: str, revision: Revision) -> None:
    message = value.get("message") if isinstance(value, dict) else value
    if isinstance(message, str):
        packet["message"] = message
        if isinstance(value, dict) and "data" in value:
            packet["data"] = value["data"]
    elif isinstance(value, dict) or revision == 4:
        packet["message"] = ""
        packet["data"] = value
    else:
        _refuse("error", packet["endpoint"], "it needs a message", text)


def _refuse(
    kind: PacketType,
    endpoint: str,
    why: str,
    text: str,
    number: int | None = None,
    cause: Exception | None = None,
) -> NoReturn:
    raise PacketError(
        f"{kind} packet: {why}: {echo(text)}",
        endpoint=endpoint,
        ack_id=number if kind == "event" else None,  # the number of an ack is no callback's here
    ) from cause


# Writing


def make_writer(
    revision: Revision,
    json_dumps: JsonDumps = default_json_dumps,
    *,
    ascii_only: bool = False,
    max_attachments: int = DEFAULT_LIMITS.max_attachments,
) -> Write:
    """A function that gives the frames of a packet, which is not changed.

    ``type`` must be there, and what the type cannot do without: ``name`` of an event, ``ackId`` of
    an ack, ``data`` of a message or of json. Everything else may be left out; keys that mean
    nothing to the type, or to the revision, are ignored. ``bytes``, ``bytearray`` and
    ``memoryview`` may be anywhere in lists, tuples and dicts of what an event or ack brings.

    An error's ``message`` (or else ``reason``) goes into an object with its ``data``, if there is
    any, in revision 5. In revision 4 the data goes alone, or else the message: what servers of that
    time sent. (Data that is a number or a boolean they could not send: it goes into the object.)

    With ``ascii_only`` the JSON is written in ASCII, for clients 1.x (see
    :mod:`sockio.protocol.double_utf8`). More than ``max_attachments`` are refused, because clients
    would refuse them and close. What cannot be written raises
    :class:`~sockio.exceptions.UsageError`, whatever exception `json_dumps` had for it.

    `json_dumps` is tried on bytes here, once: functions that refuse them are given the arguments
    as they are, others only what is left when the bytes are out.
    """
    is_latest = revision == 5
    refuses_bytes = _refuses_bytes(json_dumps)

    def write(packet: Mapping[str, Any]) -> Frames:
        try:
            writer = writers[packet["type"]]
        except (KeyError, TypeError):
            known = ", ".join(writers)
            raise UsageError(
                f"the 'type' of a packet is one of {known}; got {packet.get('type')!r}"
            ) from None
        return writer(packet)

    def write_event(packet: Mapping[str, Any]) -> Frames:
        name = packet.get("name")
        if not isinstance(name, str):
            raise UsageError(f"an event packet needs a 'name' that is a str; got {name!r}")
        if name in RESERVED_EVENTS:
            raise UsageError(
                f"{name!r} is no name for an event of yours: it means something else to Socket.IO; "
                "choose another"
            )
        return with_args(packet, "2", "5", _number(packet), [name, *_args(packet)])

    def write_message(packet: Mapping[str, Any]) -> Frames:
        if "data" not in packet:
            raise UsageError(f"{_label(packet)} needs 'data'; None is JSON's null")
        return with_args(packet, "2", "5", _number(packet), ["message", packet["data"]])

    def write_ack(packet: Mapping[str, Any]) -> Frames:
        number = packet.get("ackId")
        if type(number) is not int or not 0 <= number < _ID_LIMIT:
            raise _bad_number(packet, "ackId")
        return with_args(packet, "3", "6", str(number), _args(packet))

    def with_args(
        packet: Mapping[str, Any], digit: str, binary: str, number: str, args: Any
    ) -> Frames:
        endpoint = packet.get("endpoint")
        if endpoint:
            number = _head(endpoint) + number
        if refuses_bytes:
            try:
                text = json_dumps(args)
            except Exception:  # what else may be wrong is found out below
                pass
            else:
                if type(text) is str:
                    if ascii_only:
                        text = ascii_json(text)
                    return _frames((digit + number + text, ()))
        attachments: list[bytes] = []
        try:
            args = take_out(args, attachments)
        except RecursionError as error:
            raise _not_json(packet, error) from error
        if not attachments:
            return _frames((digit + number + dump(packet, args), ()))
        if len(attachments) > max_attachments:
            raise UsageError(
                f"{_label(packet)} has {len(attachments)} attachments, and clients take "
                f"{max_attachments}; join them, or send several events"
            )
        text = f"{binary}{len(attachments)}-{number}{dump(packet, args)}"
        return _frames((text, tuple(attachments)))

    def write_connect(packet: Mapping[str, Any]) -> Frames:
        endpoint, data = packet.get("endpoint"), ""
        if is_latest:
            if packet.get("data") is not None:
                data = dump(packet, packet["data"])
                if data[:1] != "{":
                    raise UsageError(f"the 'data' of a connect packet is a dict; got {data}")
        else:
            qs = packet.get("qs", "")
            if not isinstance(qs, str) or (qs and qs[0] != "?") or "," in qs:
                raise UsageError(f"the 'qs' of a connect packet is a str like '?a=b'; got {qs!r}")
            if qs:
                return _frames((f"0{_head(endpoint or '/', qs)}", ()))
        return _frames((f"0{_head(endpoint)}{data}", ()))

    def write_disconnect(packet: Mapping[str, Any]) -> Frames:
        return _frames(("1" + _head(packet.get("endpoint")), ()))

    def write_error(packet: Mapping[str, Any]) -> Frames:
        message = packet.get("message", packet.get("reason", ""))
        if not isinstance(message, str):
            raise UsageError(f"the 'message' of an error packet is a str; got {message!r}")
        if is_latest:
            value: Any = {"message": message}
            if "data" in packet:
                value["data"] = packet["data"]
        else:
            value = message if packet.get("data") is None else packet["data"]
        text = dump(packet, value)
        if text[0] not in '{["':
            # A number would be read as an id, and the others are no errors to these clients.
            text = dump(packet, {"message": message, "data": value})
        return _frames((f"4{_head(packet.get('endpoint'))}{text}", ()))

    def dump(packet: Mapping[str, Any], value: Any) -> str:
        try:
            text = json_dumps(value)
        except Exception as error:  # a codec of the user's may raise anything
            raise _not_json(packet, error) from error
        if not isinstance(text, str):
            raise UsageError(
                f"json_dumps has to return a str, not {type(text).__name__}; "
                "wrap it in a function that decodes what it returns"
            )
        return ascii_json(text) if ascii_only else text

    def _head(endpoint: Any, qs: str = "") -> str:
        if endpoint is None or endpoint == "" or (endpoint == "/" and not qs):
            return ""
        if (
            not isinstance(endpoint, str)
            or endpoint[0] != "/"
            or "," in endpoint
            or (not is_latest and "?" in endpoint)
        ):
            marks = "commas" if is_latest else "commas or question marks"
            raise UsageError(
                f"an endpoint is a str like '/chat', with a slash first and without {marks}; "
                f"got {endpoint!r}"
            )
        return f"{endpoint}{qs},"

    writers: dict[str, Write] = {
        "connect": write_connect,
        "disconnect": write_disconnect,
        "event": write_event,
        "message": write_message,
        "json": write_message,
        "ack": write_ack,
        "error": write_error,
    }
    return write


# The constructor of a NamedTuple takes twice the time.
_frames: Callable[[tuple[str, tuple[bytes, ...]]], Frames] = partial(tuple.__new__, Frames)


def _refuses_bytes(json_dumps: JsonDumps) -> bool:
    for value in (b"", bytearray(), memoryview(b"")):
        try:
            json_dumps([value])
        except Exception:
            continue
        return False
    return True


def _number(packet: Mapping[str, Any]) -> str:
    """The id of a packet that asks for an ack, as it is written; "" for any other."""
    number = packet.get("id")
    if number is None:
        if packet.get("ack"):
            raise UsageError("a packet that asks for an ack needs an 'id' as well")
        return ""
    if type(number) is not int or not 0 <= number < _ID_LIMIT:
        raise _bad_number(packet, "id")
    return str(number)


def _args(packet: Mapping[str, Any]) -> list[Any] | tuple[Any, ...]:
    args = packet.get("args", ())
    if not isinstance(args, (list, tuple)):
        raise UsageError(
            f"{_label(packet)}: 'args' has to be a list or a tuple, not {type(args).__name__}; "
            "put a single argument into a list"
        )
    return args


def _bad_number(packet: Mapping[str, Any], key: str) -> UsageError:
    return UsageError(
        f"{_label(packet)}: {key!r} has to be an int, not negative, of at most "
        f"{DEFAULT_LIMITS.max_digits} digits; got {packet.get(key)!r}"
    )


def _not_json(packet: Mapping[str, Any], error: Exception) -> UsageError:
    return UsageError(
        f"{_label(packet)} cannot be written as JSON ({type(error).__name__}: {error}); "
        "send plain lists, dicts, strings, bytes, finite numbers, booleans and None, "
        "or set a json_dumps that knows these values"
    )


def _label(packet: Mapping[str, Any]) -> str:
    if packet["type"] == "event":
        return f"event {packet.get('name')!r}"
    return f"packet of type {packet['type']!r}"
