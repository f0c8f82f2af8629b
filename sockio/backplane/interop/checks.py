"""What the commands of all programs have: rooms, namespaces, events. Strictly: who can publish may
be anybody."""

from __future__ import annotations

import math
from typing import Any

from ...protocol.dialect import check_nests
from ...protocol.echo import echo
from ...protocol.json_depth import check_depth
from ...protocol.packet import MAX_NAME, Packet
from ...protocol.socketio_packet import RESERVED_EVENTS
from ...protocol.strict_json import loads
from .. import Emission
from ..commands import CommandError, Room, Selection
from ..wire import MOST_ROOMS

__all__ = ["emission", "is_room", "json_object", "namespace", "rooms", "selection"]

_NO_PACKET: Packet = {"type": "event", "endpoint": ""}


def json_object(payload: bytes) -> dict[str, Any]:
    """What a payload is in JSON."""
    try:
        text = payload.decode()
        check_nests(_NO_PACKET, text)
        check_depth(text)
        value = loads(text)
    except ValueError as error:
        raise CommandError(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise CommandError("a command in JSON is an object")
    return value


def namespace(value: Any) -> str:
    """A namespace as sockio has it: "" for the global one."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise CommandError(f"a namespace is a text that begins with /, not {echo(repr(value))}")
    if len(value) > MAX_NAME:
        raise CommandError(f"a namespace may have {MAX_NAME} characters: {echo(value)}")
    return "" if value == "/" else value


def is_room(value: Any) -> bool:
    kind = type(value)
    return kind is str or kind is int or (kind is float and math.isfinite(value))


def rooms(value: Any, what: str = "rooms") -> tuple[Room, ...]:
    """A list of rooms. No more than may travel between the workers of a host."""
    if not isinstance(value, list):
        raise CommandError(f"its {what} are a list, not {echo(repr(value))}")
    if len(value) > MOST_ROOMS:
        raise CommandError(f"its {what} are {len(value)}, and may be {MOST_ROOMS}")
    if not all(map(is_room, value)):
        raise CommandError(f"each of its {what} is a text or a number")
    return tuple(value)


def selection(where: str, to: tuple[Room, ...], skip: tuple[Room, ...]) -> Selection:
    """No rooms are everybody."""
    return Selection(where, to or None, frozenset(skip))


def emission(whom: Selection, name: Any, args: list[Any], *, volatile: bool = False) -> Emission:
    """An event for these."""
    if type(name) is int:
        name = str(name)
    if not isinstance(name, str):
        raise CommandError(f"an event's name is a text, not {echo(repr(name))}")
    if name in RESERVED_EVENTS:
        raise CommandError(f"the event's name {echo(name)} is reserved")
    if len(name) > MAX_NAME:
        raise CommandError(f"an event's name may have {MAX_NAME} characters: {echo(name)}")
    packet = {"type": "event", "name": name, "args": args, "endpoint": whom.namespace}
    return Emission(whom.namespace, packet, whom.rooms, whom.skip, volatile)
