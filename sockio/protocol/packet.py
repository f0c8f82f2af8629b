"""One packet of Socket.IO 0.7 to 0.9 (protocol version 1), as a dict and as text.

::

    TYPE ":" [ID ["+"]] ":" [ENDPOINT] [":" DATA]

=  ==========  ===================================  ============================================
0  disconnect  ``0::/chat``                         without an endpoint: the session ends
1  connect     ``1::/chat``, ``1::/chat:?a=b``      qs: the query, question mark included
2  heartbeat   ``2::``
3  message     ``3::/chat:text``                    data: a str
4  json        ``4::/chat:{"a":1}``                 data: any JSON value
5  event       ``5::/chat:{"name":"n","args":[]}``  name, args
6  ack         ``6::/chat:12``, ``6::/chat:12+[]``  ackId, args
7  error       ``7::/chat:2+0``                     reason, advice
8  noop        ``8::``                              ends an idle poll
=  ==========  ===================================  ============================================

ID is a number of the sender's own and asks for an ack: alone for a receipt, with ``+`` for an ack
that brings data. The number which an ack *answers* stands in its data part and is called ackId.
DATA is everything after the third colon, colons and newlines included; where there is no data,
that colon is left out.

Facts: 0.9 client 0.9.17 and Node server 0.9.19, ``lib/parser.js`` in both. They forgive more than
:func:`decode` does: to them bad JSON is ``false``, no arguments, or an event without a name. Here
it is an error, so that no handler runs on what its client did not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, NoReturn, TypedDict

from ..exceptions import PacketError, UsageError
from .causes import ReaderFailed, is_readers_own, telling
from .strict_json import default_json_dumps, default_json_loads

__all__ = [
    "ERROR_ADVICES",
    "ERROR_REASONS",
    "MAX_NAME",
    "MAX_QUERY",
    "MSG_TYPES",
    "JsonDumps",
    "JsonLoads",
    "Opened",
    "Packet",
    "PacketType",
    "asks_nothing",
    "decode",
    "encode",
    "opened",
    "receipt_asked",
    "socketio_packet_attributes",
]

PacketType = Literal[
    "disconnect", "connect", "heartbeat", "message", "json", "event", "ack", "error", "noop"
]
JsonLoads = Callable[[str], Any]
JsonDumps = Callable[[Any], str]


class Packet(TypedDict, total=False):
    """What :func:`decode` gives: always ``type`` and ``endpoint``, and what the type calls for."""

    type: PacketType
    endpoint: str  #: the namespace; "" is the global one
    id: int  #: the sender's number; there only if an ack is asked for
    ack: Literal["data", True]  #: there with ``id``: "data" for ``ID+``, True for a plain ``ID``
    name: str  #: event
    args: list[Any]  #: event, ack
    data: Any  #: message (a str), json (any JSON value)
    ackId: int  #: ack: the number it answers
    reason: str  #: error: a key of :data:`ERROR_REASONS`, or ""
    advice: str  #: error: a key of :data:`ERROR_ADVICES`, or ""
    qs: str  #: connect: the query as it came, such as "?a=b", or ""


socketio_packet_attributes = (
    "type",
    "name",
    "data",
    "endpoint",
    "args",
    "id",
    "ack",
    "ackId",
    "reason",
    "advice",
    "qs",
)

ERROR_REASONS = {"transport not supported": 0, "client not handshaken": 1, "unauthorized": 2}
ERROR_ADVICES = {"reconnect": 0}
_REASON_NAMES = {str(number): name for name, number in ERROR_REASONS.items()}
_ADVICE_NAMES = {str(number): name for name, number in ERROR_ADVICES.items()}

#: Characters that the name of an event or of a namespace may have, and the query of a connect.
MAX_NAME = 1000
MAX_QUERY = 8192
_MAX_ID_DIGITS = 16  # 2**53, up to which JavaScript counts exactly, has sixteen
_ID_LIMIT = 10**_MAX_ID_DIGITS
_MAX_HEAD = MAX_NAME + _MAX_ID_DIGITS + 5  # characters before the data, and the first of these
_MAX_ECHO = 40  # characters of a bad packet that an error message repeats

# Client 0.9.17 reads the arguments of an ack with /(.*)/. The dot stops at whatever ends a line in
# JavaScript, and then all of them are lost. In JSON the first two occur only inside strings, the
# other two only outside.
_LINE_ENDS_IN_JSON = (("\u2028", "\\u2028"), ("\u2029", "\\u2029"), ("\n", " "), ("\r", " "))


# What follows the third colon, kind by kind: how it is read, how it is written.


def _read_nothing(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    pass


def _write_nothing(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    return ""


def _read_connect(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    if len(data) > MAX_QUERY:
        _refuse(packet, f"a query may have {MAX_QUERY} characters", data)
    packet["qs"] = data


def _write_connect(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    qs = packet.get("qs", "")
    if not isinstance(qs, str):
        raise UsageError(f"the 'qs' of a connect packet is a str such as '?a=b'; got {qs!r}")
    if len(qs) > MAX_QUERY:
        raise UsageError(f"the 'qs' of a connect packet may have {MAX_QUERY} characters")
    return qs


def _read_message(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    packet["data"] = data


def _write_message(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    data = packet.get("data")
    if not isinstance(data, str):
        raise UsageError(
            f"the 'data' of a message packet is a str, not {type(data).__name__}; "
            "convert it, or send it as json"
        )
    return data


def _read_json(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    packet["data"] = _loads(packet, data, json_loads)


def _write_json(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    if "data" not in packet:
        raise UsageError("a json packet needs 'data'; None is JSON's null")
    return _dumps(packet, packet["data"], json_dumps)


def _read_event(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    try:
        event = json_loads(data)
    except Exception as error:  # a codec of the user's may raise anything
        _refuse_json(packet, data, error)
    name = event.get("name") if isinstance(event, dict) else None
    if not isinstance(name, str):
        _refuse(packet, "an event has to be a JSON object with a name", data)
    if len(name) > MAX_NAME:
        _refuse(packet, f"the name of an event may have {MAX_NAME} characters", name)
    args = event.get("args", [])
    if not isinstance(args, list):
        _refuse(packet, "the arguments have to be a JSON array", data)
    packet["name"] = name
    packet["args"] = args


def _write_event(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    name = packet.get("name")
    if not isinstance(name, str):
        raise UsageError(f"an event packet needs a 'name' that is a str; got {name!r}")
    if len(name) > MAX_NAME:
        raise UsageError(f"the name of an event may have {MAX_NAME} characters: {_echo(name)}")
    args = _args(packet)
    return _dumps(packet, {"name": name, "args": args} if args else {"name": name}, json_dumps)


def _read_ack(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    # What is behind the number, which opened() has read.
    args = _loads(packet, data, json_loads) if data else []
    if not isinstance(args, list):
        _refuse(packet, "the arguments have to be a JSON array", data)
    packet["args"] = args


def _write_ack(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    number = packet.get("ackId")
    # As _write_number() looks, which says what is wrong: without a call, for each ack.
    if type(number) is not int or not 0 <= number < _ID_LIMIT:
        _write_number(packet, "ackId")
    args = packet.get("args")
    if type(args) is not list:
        args = _args(packet)
    if not args:
        return str(number)
    text = _dumps(packet, args, json_dumps)
    if not text.isascii() or "\n" in text or "\r" in text:
        for line_end, substitute in _LINE_ENDS_IN_JSON:
            text = text.replace(line_end, substitute)
    return f"{number}+{text}"


def _read_error(packet: Packet, data: str, json_loads: JsonLoads) -> None:
    reason, _, advice = data.partition("+")
    packet["reason"] = _REASON_NAMES.get(reason, "")
    packet["advice"] = _ADVICE_NAMES.get(advice, "")


def _write_error(packet: Mapping[str, Any], json_dumps: JsonDumps) -> str:
    reason = _write_name(packet, "reason", ERROR_REASONS)
    advice = _write_name(packet, "advice", ERROR_ADVICES)
    return f"{reason}+{advice}" if advice else reason


_Write = Callable[[Mapping[str, Any], JsonDumps], str]


_Read = Callable[[Packet, Any, JsonLoads], None]
#: A packet whose JSON is not read yet, what reads it into the packet, and the text of it.
Opened = tuple[Packet, _Read, Any]


class _Kind(NamedTuple):
    digit: int
    name: PacketType
    needs_data: bool  # if not, a packet cut short before its colons is complete all the same
    read: _Read
    write: _Write


_KINDS = (
    _Kind(0, "disconnect", False, _read_nothing, _write_nothing),
    _Kind(1, "connect", False, _read_connect, _write_connect),
    _Kind(2, "heartbeat", False, _read_nothing, _write_nothing),
    _Kind(3, "message", True, _read_message, _write_message),
    _Kind(4, "json", True, _read_json, _write_json),
    _Kind(5, "event", True, _read_event, _write_event),
    _Kind(6, "ack", True, _read_ack, _write_ack),
    _Kind(7, "error", True, _read_error, _write_error),
    _Kind(8, "noop", False, _read_nothing, _write_nothing),
)
_READERS = {str(kind.digit): (kind.name, kind.read, kind.needs_data) for kind in _KINDS}
_WRITERS: dict[str, tuple[int, _Write]] = {kind.name: (kind.digit, kind.write) for kind in _KINDS}

MSG_TYPES: dict[PacketType, int] = {kind.name: kind.digit for kind in _KINDS}


def decode(text: str | bytes, json_loads: JsonLoads = default_json_loads) -> Packet:
    """The packet that a text stands for; bytes are read as UTF-8.

    Total: any text gives a packet or one :class:`~sockio.exceptions.PacketError`. As far as they
    could be read, the error carries the endpoint and, if the sender waits for an ack with data, its
    id. Whatever `json_loads` raises (short of a ``BaseException``) becomes that error too. The work
    grows with the length of the text and no faster, unless `json_loads` is slower.

    Tolerated: colons missing at the end of a packet that needs no data (``2``), data where none
    belongs (it is ignored), a reason or advice outside the tables (it becomes "").
    """
    packet, read, data = opened(text)
    read(packet, data, json_loads)
    return packet


def opened(text: str | bytes) -> Opened:
    """The first half of :func:`decode`: who a packet is for and what it asks for, before any of its
    JSON is read. The second half is ``read(packet, data, json_loads)``.

    Of the packet there are ``type``, ``endpoint``, ``id``, ``ack`` and ``ackId``. Raises
    ``PacketError`` where these are none; costs little, whatever the length.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise PacketError(f"the packet is not UTF-8: {text[:_MAX_ECHO]!a}") from error
    fields = text.split(":", 3)
    try:
        name, read, needs_data = _READERS[fields[0]]
    except KeyError:
        raise PacketError(
            f"the packet does not start with a type from 0 to 8: {_echo(text)}"
        ) from None
    if len(fields) < 4:
        if needs_data and len(fields) < 3:
            raise PacketError(f"the {name} packet ends too early: {_echo(text)}")
        fields += [""] * (4 - len(fields))
    _, number, endpoint, data = fields
    if len(endpoint) > MAX_NAME:
        raise PacketError(
            f"{name} packet: the name of a namespace may have {MAX_NAME} characters: "
            f"{_echo(endpoint)}"
        )
    packet: Packet = {"type": name, "endpoint": endpoint}
    if number and number != "+":  # without a number the reference overlooks the plus sign
        if number[-1] == "+":
            packet["id"] = _read_number(packet, number[:-1])
            packet["ack"] = "data"
        else:
            packet["id"] = _read_number(packet, number)
            packet["ack"] = True
    if name == "ack":
        # Only the first "+" separates; the arguments may hold others.
        number, _, data = data.partition("+")
        packet["ackId"] = _read_number(packet, number)
    return packet, read, data


def asks_nothing(text: str) -> bool:
    """Whether a packet is an event or a message whose sender waits for no ack. Told from its wire
    text."""
    return text[:1] in ("3", "4", "5") and text[1:3] == "::"


def receipt_asked(text: str) -> Packet | None:
    """The head of a packet that asks for a receipt, if it looks as if it had come whole; None for
    all others.

    A receipt says that a packet has come, and goes out before its turn. So its JSON is not read for
    it (neither does the reference server care what it is): that it begins and ends as JSON does
    has to be enough.
    """
    end = text.find(":", 2)
    if end < 0 or text[end - 1] == "+" or end == 2:
        return None  # nearly all: no number, or one that asks for data
    head = text[:_MAX_HEAD]
    try:
        packet, _, data = opened(head)
    except PacketError:
        return None
    begins, kind = data[:1], packet["type"]
    if kind == "event":
        whole = begins == "{" and text[-1] == "}"
    else:
        whole = kind != "json" or begins in _WORDS or _ENDS.get(begins) == text[-1]
    return packet if whole else None


#: How JSON ends that begins so; and how numbers and words begin, which are short.
_ENDS = {"{": "}", "[": "]", '"': '"'}
_WORDS = tuple("-0123456789tfn")


def encode(packet: Mapping[str, Any], json_dumps: JsonDumps = default_json_dumps) -> str:
    """The text of a packet, which is not changed.

    ``type`` must be there, and what the type cannot do without: ``name`` of an event, ``data`` of a
    message (a str) or of json, ``ackId`` of an ack. Everything else may be left out; ``args`` may
    be a list or a tuple. An ``id`` asks for a receipt or, when ``ack`` is "data", for an ack that
    brings data. Keys that mean nothing to the type are ignored.

    What cannot be written raises :class:`~sockio.exceptions.UsageError`, whatever exception
    `json_dumps` had for it.
    """
    try:
        digit, write = _WRITERS[packet["type"]]
    except (KeyError, TypeError):
        known = ", ".join(MSG_TYPES)
        raise UsageError(
            f"the 'type' of a packet is one of {known}; got {packet.get('type')!r}"
        ) from None
    endpoint = packet.get("endpoint", "")
    if not isinstance(endpoint, str) or ":" in endpoint:
        raise UsageError(f"an endpoint is a str without colons such as '/chat'; got {endpoint!r}")
    if len(endpoint) > MAX_NAME:
        raise UsageError(
            f"the name of a namespace may have {MAX_NAME} characters: {_echo(endpoint)}"
        )
    data = write(packet, json_dumps)
    number = ""
    if "id" in packet and packet["id"] is not None:
        number = _write_number(packet, "id")
        if packet.get("ack") == "data":
            number += "+"
    elif packet.get("ack"):
        raise UsageError("a packet that asks for an ack needs an 'id' as well")
    return f"{digit}:{number}:{endpoint}:{data}" if data else f"{digit}:{number}:{endpoint}"


# The pieces that several kinds share.


def _read_number(packet: Packet, digits: str) -> int:
    # str.isdigit() alone would let through the digits of other scripts.
    if len(digits) > _MAX_ID_DIGITS or not (digits.isascii() and digits.isdigit()):
        _refuse(packet, f"an id has to be 1 to {_MAX_ID_DIGITS} digits", digits)
    return int(digits)


def _write_number(packet: Mapping[str, Any], key: str) -> str:
    number = packet.get(key)
    if type(number) is not int or not 0 <= number < _ID_LIMIT:
        raise UsageError(
            f"{_label(packet)}: {key!r} has to be an int, not negative, of at most "
            f"{_MAX_ID_DIGITS} digits; got {number!r}"
        )
    return str(number)


def _write_name(packet: Mapping[str, Any], key: str, numbers: dict[str, int]) -> str:
    name = packet.get(key, "")
    if name == "":
        return ""
    try:
        return str(numbers[name])
    except (KeyError, TypeError):
        known = ", ".join(map(repr, numbers))
        raise UsageError(
            f"the {key!r} of an error packet is {known} or empty; got {name!r}"
        ) from None


def _args(packet: Mapping[str, Any]) -> list[Any] | tuple[Any, ...]:
    args = packet.get("args", ())
    if not isinstance(args, (list, tuple)):
        raise UsageError(
            f"{_label(packet)}: 'args' has to be a list or a tuple, not {type(args).__name__}; "
            "put a single argument into a list"
        )
    return args


def _loads(packet: Packet, text: str, json_loads: JsonLoads) -> Any:
    try:
        return json_loads(text)
    except Exception as error:  # a codec of the user's may raise anything
        _refuse_json(packet, text, error)


def _refuse_json(packet: Packet, text: str, error: Exception) -> NoReturn:
    if is_readers_own(error, text):
        _refuse(packet, "json_loads failed, and not at bad JSON", text, error, ReaderFailed)
    _refuse(packet, "bad JSON", text, error)


def _dumps(packet: Mapping[str, Any], value: Any, json_dumps: JsonDumps) -> str:
    try:
        text = json_dumps(value)
    except Exception as error:  # a codec of the user's may raise anything
        raise UsageError(
            f"{_label(packet)} cannot be written as JSON ({type(error).__name__}: {error}); "
            "send plain lists, dicts, strings, finite numbers, booleans and None, "
            "or set a json_default that makes such of these values, or a json_dumps that knows them"
        ) from telling(error)
    if not isinstance(text, str):
        raise UsageError(
            f"json_dumps has to return a str, not {type(text).__name__}; "
            "wrap it in a function that decodes what it returns"
        )
    return text


def _label(packet: Mapping[str, Any]) -> str:
    if packet["type"] == "event":
        return f"event {packet.get('name')!r}"
    return f"packet of type {packet['type']!r}"


def _refuse(
    packet: Packet,
    why: str,
    text: str,
    cause: Exception | None = None,
    kind: type[PacketError] = PacketError,
) -> NoReturn:
    raise kind(
        f"{packet['type']} packet: {why}: {_echo(text)}",
        endpoint=packet["endpoint"],
        ack_id=packet["id"] if packet.get("ack") == "data" else None,
    ) from cause


def _echo(text: str) -> str:
    # Escaped and cut, for it ends up in logs.
    return ascii(text[:_MAX_ECHO])
