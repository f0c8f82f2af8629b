"""What python-socketio publishes: ``RedisManager(url, write_only=True)`` in a process without
clients, Flask-SocketIO's ``SocketIO(message_queue=url)``, and servers of theirs.

One JSON object for each, on one channel. How its ``data`` is to be read depends on the release, and
is not written in it: the newest receiver's way is taken, which reads all of them.

=============== ========================================================================
before 5.14     pickled: never read
5.14.0, 5.14.1  the value; of several arguments, their list
until 5.15.0    the same; with bytes, ``"binary": true`` and ``[value, BASE64...]``, where
                ``{"_placeholder": true, "num": N}`` in the value stands for some
since 5.15.1    the list of arguments; with bytes, ``[[arguments], BASE64...]``
=============== ========================================================================

A list that was the only argument is spread by releases before 5.15.1, and so here.

Facts: python-socketio 5.18.1, ``pubsub_manager.py``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ...exceptions import PacketError
from ...protocol.attachments import fill, find_slots
from ...protocol.echo import echo
from ..commands import Command, CommandError, Disconnect, JoinRooms, LeaveRooms, Room, Selection
from . import checks

__all__ = ["CHANNEL", "read"]

#: The channel, unless both sides say otherwise.
CHANNEL = "socketio"

#: Attachments of one event.
_MOST_ATTACHMENTS = 1000
_NONE: tuple[Room, ...] = ()


def read(payload: bytes) -> Command | None:
    """What came by the channel. None for what is none of our business. Raises ``CommandError``."""
    if payload[:1] == b"\x80":
        raise CommandError(
            "it is pickled, which is never read, since it could run any code: python-socketio does "
            "that before 5.14 (CVE-2025-61765). Update the process that publishes, to 5.14 or "
            "newer: it publishes JSON then.",
            "pickle",
        )
    message = checks.json_object(payload)
    method = message.get("method")
    if method == "callback":
        return None  # an answer to another server
    if not isinstance(method, str) or method not in _METHODS:
        raise CommandError(f"its method is none that is known: {echo(repr(method))}", "version")
    namespace = checks.namespace(message.get("namespace") or "/")
    try:
        return _METHODS[method](namespace, message)
    except CommandError:
        raise
    except PacketError as error:
        raise CommandError(str(error)) from error


def _emit(namespace: str, message: dict[str, Any]) -> Command:
    whom = checks.selection(
        namespace, _rooms(message.get("room")), _rooms(message.get("skip_sid"), "sids left out")
    )
    return checks.emission(whom, message.get("event"), _args(message))


def _args(message: dict[str, Any]) -> list[Any]:
    data = message.get("data")
    if message.get("binary"):
        if not isinstance(data, list) or not data:
            raise CommandError("data with bytes is a list: what has places for them, and they")
        data = _filled(data[0], data[1:])
    if not isinstance(data, list):
        return [] if data is None else [data]
    return [] if data == [None] else data


def _filled(value: Any, attachments: list[Any]) -> Any:
    if len(attachments) > _MOST_ATTACHMENTS:
        raise CommandError(f"an event may have {_MOST_ATTACHMENTS} stretches of bytes")
    if not all(isinstance(each, str) for each in attachments):
        raise CommandError("bytes are texts in base64")
    try:
        contents = [base64.b64decode(each, validate=True) for each in attachments]
    except (ValueError, binascii.Error) as error:
        raise CommandError(f"bytes are no base64: {error}") from error
    whole = [value]
    fill(find_slots(whole, len(contents)), contents)
    return whole[0]


def _rooms(value: Any, what: str = "rooms") -> tuple[Room, ...]:
    """Nothing, one, or a list."""
    if value is None:
        return _NONE
    return checks.rooms(value if isinstance(value, list) else [value], what)


def _one(message: dict[str, Any], name: str) -> Room:
    value: Room | None = message.get(name)
    if not checks.is_room(value):
        raise CommandError(f"its {name} is a text or a number")
    assert value is not None
    return value


def _members(namespace: str, message: dict[str, Any], of: str) -> Selection:
    return Selection(namespace, (_one(message, of),), frozenset())


def _enter_room(namespace: str, message: dict[str, Any]) -> Command:
    return JoinRooms(_members(namespace, message, "sid"), (_one(message, "room"),))


def _leave_room(namespace: str, message: dict[str, Any]) -> Command:
    return LeaveRooms(_members(namespace, message, "sid"), (_one(message, "room"),))


def _close_room(namespace: str, message: dict[str, Any]) -> Command:
    return LeaveRooms(_members(namespace, message, "room"), (_one(message, "room"),))


def _disconnect(namespace: str, message: dict[str, Any]) -> Command:
    return Disconnect(_members(namespace, message, "sid"), close=False)


_METHODS = {
    "close_room": _close_room,
    "disconnect": _disconnect,
    "emit": _emit,
    "enter_room": _enter_room,
    "leave_room": _leave_room,
}
