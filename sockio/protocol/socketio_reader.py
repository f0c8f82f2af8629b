"""Packets of Socket.IO 4 and 5, read (:mod:`sockio.protocol.socketio_packet` says what they
are)."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, NoReturn

from ..exceptions import PacketError
from .causes import ReaderFailed, is_readers_own
from .echo import echo
from .json_depth import check_depth
from .packet import MAX_NAME, MAX_QUERY, JsonLoads, Opened, Packet, PacketType
from .socketio_packet import (
    DEFAULT_LIMITS,
    RESERVED_EVENTS,
    ModernPacket,
    PacketLimits,
    Revision,
)
from .strict_json import default_json_loads

__all__ = ["Read", "make_head", "make_opener", "make_reader"]

Read = Callable[[str], tuple[ModernPacket, int]]
"""Gives the packet in a text, and how many attachments have to follow."""


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
    read_event, read_ack, read_args = _make_rest(max_depth)

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
                if len(qs) > MAX_QUERY:
                    _refuse(kind, "", f"a query may have {MAX_QUERY} characters", qs)
            if len(endpoint) > MAX_NAME:
                _refuse(kind, "", f"a namespace's name may have {MAX_NAME} characters", endpoint)
            if endpoint == "/":
                endpoint = ""
        if kind != "event" and kind != "ack":
            return read_rest(kind, endpoint, qs, text[start:]), due
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
        if kind == "ack":
            if number is None:
                read_args(kind, endpoint, data, None, json_loads)  # what is wrong with it is first
                _refuse(kind, endpoint, "it needs the id that it answers", text)
            packet: ModernPacket = {"type": "ack", "endpoint": endpoint, "ackId": number}
            read_ack(packet, data, json_loads)
            return packet, due
        packet = {"type": "event", "endpoint": endpoint}
        if number is not None:
            packet["id"] = number
            packet["ack"] = "data"
        read_event(packet, data, json_loads)
        return packet, due

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
                _refuse_json(kind, endpoint, text, None, error)
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


_Rest = Callable[[Any, str, JsonLoads], None]


def _make_rest(
    max_depth: int,
) -> tuple[_Rest, _Rest, Callable[[PacketType, str, str, int | None, JsonLoads], list[Any]]]:
    """What reads the array of an event, that of an ack, and that of either."""
    too_short = 2 * max_depth  # to be nested more deeply, if it is JSON

    def read_args(
        kind: PacketType, endpoint: str, data: str, number: int | None, json_loads: JsonLoads
    ) -> list[Any]:
        try:
            if len(data) > too_short and data.count("[") + data.count("{") > max_depth:
                check_depth(data, max_depth)
            args = json_loads(data)
        except Exception as error:  # a codec of the user's may raise anything
            _refuse_json(kind, endpoint, data, number, error)
        if not isinstance(args, list):
            _refuse(kind, endpoint, "it needs a JSON array", data, number)
        return args

    def read_event(packet: ModernPacket, data: str, json_loads: JsonLoads) -> None:
        args = read_args("event", packet["endpoint"], data, packet.get("id"), json_loads)
        name = args.pop(0) if args else None
        if type(name) is not str or len(name) > MAX_NAME or name in RESERVED_EVENTS:
            name = _checked_name(name, packet["endpoint"], data, packet.get("id"))
        packet["name"] = name
        packet["args"] = args

    def read_ack(packet: ModernPacket, data: str, json_loads: JsonLoads) -> None:
        packet["args"] = read_args("ack", packet["endpoint"], data, packet["ackId"], json_loads)

    return read_event, read_ack, read_args


_PLAIN = re.compile(r"([23])(?:(/[^,]*),)?([0-9]*)\[", re.ASCII)


def make_opener(
    revision: Revision, limits: PacketLimits = DEFAULT_LIMITS
) -> Callable[[str], Opened | None]:
    """A function that reads events and acks in two steps, those without attachments: what
    :func:`make_head` gives, and what reads the array behind it into that. None for any other text,
    which may be no packet."""
    has_queries = revision == 4
    max_digits = min(limits.max_digits, DEFAULT_LIMITS.max_digits)
    read_event, read_ack, _ = _make_rest(limits.max_depth)

    def opened(text: str) -> Opened | None:
        found = _PLAIN.match(text)
        if found is None:
            return None
        digit, endpoint, digits = found.groups("")
        if (
            len(digits) > max_digits
            or len(endpoint) > MAX_NAME
            or (has_queries and "?" in endpoint)
        ):
            return None
        packet: Packet = {
            "type": "event" if digit == "2" else "ack",
            "endpoint": "" if endpoint == "/" else endpoint,
        }
        data = text[found.end() - 1 :]
        if digit == "2":
            if digits:
                packet["id"] = int(digits)
                packet["ack"] = "data"
            return packet, read_event, data
        if not digits:
            return None
        packet["ackId"] = int(digits)
        return packet, read_ack, data

    return opened


_HEAD = re.compile(r"([0-6])(?:[0-9]{1,9}-)?(?:(/[^,]*)(?:,|$))?([0-9]*)", re.ASCII)


def make_head(revision: Revision) -> Callable[[str], Packet]:
    """A function that gives the type and the namespace of the packet in a text, and the id of an
    ack that it asks for or gives: what can be told before any JSON is read. Costs little, whatever
    the length.

    It raises :class:`~sockio.exceptions.PacketError` for a text without a type.
    """
    has_queries = revision == 4

    def head_of(text: str) -> Packet:
        found = _HEAD.match(text)
        if found is None:
            raise PacketError(f"a packet starts with a type from 0 to 6: {echo(text)}")
        digit, namespace, number = found.groups()
        kind, _ = _KINDS[digit]
        endpoint = namespace or ""
        if has_queries and "?" in endpoint:
            endpoint = endpoint.partition("?")[0]
        if len(endpoint) > MAX_NAME:
            _refuse(kind, "", f"a namespace's name may have {MAX_NAME} characters", endpoint)
        if kind in ("event", "ack") and text[found.end() : found.end() + 1] != "[":
            raise PacketError(f"{kind} packet: it needs a JSON array, behind its id: {echo(text)}")
        head: Packet = {"type": kind, "endpoint": "" if endpoint == "/" else endpoint}
        if number and len(number) <= DEFAULT_LIMITS.max_digits:
            if kind == "event":
                head["id"], head["ack"] = int(number), "data"
            elif kind == "ack":
                head["ackId"] = int(number)
        return head

    return head_of


_KINDS: dict[str, tuple[PacketType, bool]] = {
    "0": ("connect", False),
    "1": ("disconnect", False),
    "2": ("event", False),
    "3": ("ack", False),
    "4": ("error", False),
    "5": ("event", True),
    "6": ("ack", True),
}


def _checked_name(name: object, endpoint: str, text: str, number: int | None) -> str:
    """The name of an event. To JavaScript listeners of 1 and "1" are the same."""
    if isinstance(name, str):
        if name in RESERVED_EVENTS:
            _refuse("event", endpoint, "its name is reserved", text, number)
        if len(name) > MAX_NAME:
            _refuse("event", endpoint, f"its name may have {MAX_NAME} characters", text, number)
        return name
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


def _refuse_json(
    kind: PacketType, endpoint: str, text: str, number: int | None, error: Exception
) -> NoReturn:
    if is_readers_own(error, text):
        _refuse(
            kind,
            endpoint,
            "json_loads failed, and not at bad JSON",
            text,
            number,
            error,
            ReaderFailed,
        )
    _refuse(kind, endpoint, "bad JSON", text, number, error)


def _refuse(
    kind: PacketType,
    endpoint: str,
    why: str,
    text: str,
    number: int | None = None,
    cause: Exception | None = None,
    error: type[PacketError] = PacketError,
) -> NoReturn:
    raise error(
        f"{kind} packet: {why}: {echo(text)}",
        endpoint=endpoint,
        ack_id=number if kind == "event" else None,  # the number of an ack is no callback's here
    ) from cause
