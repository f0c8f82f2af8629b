"""Packets of Socket.IO 4 and 5, written (:mod:`sockio.protocol.socketio_packet` says what they
are)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..exceptions import UsageError
from .ascii_json import ascii_json
from .attachments import Frames, take_out
from .causes import telling
from .echo import echo
from .packet import MAX_NAME, JsonDumps
from .socketio_packet import DEFAULT_LIMITS, RESERVED_EVENTS, Revision
from .strict_json import default_json_dumps

__all__ = ["Write", "make_writer"]

Write = Callable[[Mapping[str, Any]], Frames]
"""Gives the frames of a packet."""

#: Namespaces whose heads are remembered, and the characters of their names.
KEPT, LONGEST = 100, 200
_ID_LIMIT = 10**DEFAULT_LIMITS.max_digits


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
        if len(name) > MAX_NAME:
            raise UsageError(f"the name of an event may have {MAX_NAME} characters: {echo(name)}")
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
            head = heads.get(endpoint) if type(endpoint) is str else None
            number = (head or _kept_head(endpoint)) + number
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
        except (RecursionError, ValueError) as error:  # a knot; a memoryview that was released
            raise _not_json(packet, error) from telling(error)
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
                    raise UsageError("the 'data' of a connect packet is a dict")
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
        if text[:1] not in '{["':
            # A number would be read as an id, and the others are no errors to these clients.
            text = dump(packet, {"message": message, "data": value})
        return _frames((f"4{_head(packet.get('endpoint'))}{text}", ()))

    def dump(packet: Mapping[str, Any], value: Any) -> str:
        try:
            text = json_dumps(value)
        except Exception as error:  # a codec of the user's may raise anything
            raise _not_json(packet, error) from telling(error)
        if not isinstance(text, str):
            raise UsageError(
                f"json_dumps has to return a str, not {type(text).__name__}; "
                "wrap it in a function that decodes what it returns"
            )
        return ascii_json(text) if ascii_only else text

    # What stands for the namespaces that were written to, as they are nearly always the same.
    heads: dict[Any, str] = {}

    def _kept_head(endpoint: Any) -> str:
        head = _head(endpoint)
        if type(endpoint) is str and len(endpoint) < LONGEST and len(heads) < KEPT:
            heads[endpoint] = head
        return head

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
        if len(endpoint) > MAX_NAME:
            raise UsageError(
                f"the name of a namespace may have {MAX_NAME} characters: {echo(endpoint)}"
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
        "or set a json_default that makes such of these values, or a json_dumps that knows them"
    )


def _label(packet: Mapping[str, Any]) -> str:
    if packet["type"] == "event":
        return f"event {packet.get('name')!r}"
    return f"packet of type {packet['type']!r}"
