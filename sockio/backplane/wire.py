"""An emission between processes: whom it is for, and the packet as each generation has it.

::

    ["GROUP", "/chat", ["lobby"], [], 0, {"eio4": [24], "0.9": [51]}]
    42/chat,["said","hello"]5::/chat:{"name":"said","args":["hello"]}

One line of JSON: the group of those who share it, the namespace, the rooms (null for all of it),
what is left out, whether it is volatile, for each form the bytes of its text and of each of its
attachments, and, where it is kept for who comes back, which process has said it and its number
there; then all of those, one behind the other. What is for a client is never encoded again.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from ..exceptions import PacketError, UsageError
from ..protocol.engine_codec import Attached
from ..sessions.event_log import Origin
from ..sessions.outbox import Outgoing
from ..sessions.sayings import said

__all__ = [
    "MOST_OF_A_NAME",
    "MOST_ROOMS",
    "Carried",
    "are_rooms",
    "check_rooms",
    "is_room",
    "pack",
    "unpack",
]

#: Rooms that one emission may name.
MOST_ROOMS = 10_000
#: Characters of the name of a process.
MOST_OF_A_NAME = 20
#: Bits of a number that is one.
_MOST_BITS = 14_000

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Carried(NamedTuple):
    """What came from another process."""

    group: str
    namespace: str
    rooms: tuple[Hashable, ...] | None
    skip: frozenset[Hashable]
    volatile: bool
    #: By the name of the generation.
    forms: dict[str, Outgoing]
    #: Where it is kept for who comes back.
    origin: Origin | None = None


def check_rooms(rooms: Any) -> None:
    """Raise ``UsageError`` for names of rooms that mean nothing in another process."""
    if len(rooms or ()) > MOST_ROOMS:
        raise UsageError(
            f"{len(rooms)} rooms in one emission: where several workers serve it may name "
            f"{MOST_ROOMS}; put the clients into one room, or emit several times."
        )
    for room in rooms or ():
        if not is_room(room):
            raise UsageError(
                f"{said(room, repr)} can be no room where several workers serve: its name has "
                "to be a string or a number, which is the same in each of them."
            )


def is_room(room: Any) -> bool:
    """Whether it is a name that means the same in every process."""
    if isinstance(room, float):
        return isfinite(room)
    if isinstance(room, int):
        # Of more, Python makes no text.
        return room.bit_length() <= _MOST_BITS
    return isinstance(room, str)


def pack(
    group: str,
    namespace: str,
    rooms: tuple[Hashable, ...] | None,
    skip: frozenset[Hashable],
    volatile: bool,
    forms: Mapping[str, Outgoing],
    origin: Origin | None = None,
) -> bytes:
    """The bytes of it. Raises ``UsageError`` for rooms that cannot travel."""
    lengths: dict[str, list[int]] = {}
    parts: list[bytes] = [b"", b"\n"]
    for name, packet in forms.items():
        data = packet.data
        lengths[name] = [len(data), *map(len, packet.attachments)]
        parts.append(data)
        parts += packet.attachments
    try:
        whole = [group, namespace, rooms, [*skip], int(volatile), lengths]
        if origin is not None:
            whole += origin
        head = _dumps(whole)
    except (TypeError, ValueError):
        check_rooms(rooms)
        check_rooms(skip)
        raise
    if not (_are_plain(rooms or ()) and _are_plain(skip)):
        # JSON has a form for some that it does not give back.
        check_rooms(rooms)
        check_rooms(skip)
    parts[0] = head.encode()
    return b"".join(parts)


def _are_plain(rooms: Any) -> bool:
    return all(type(room) is str or type(room) is int for room in rooms)


def unpack(data: bytes) -> Carried:
    """Raises ``PacketError`` for what is none, however it was made."""
    head, newline, rest = data.partition(b"\n")
    try:
        if not newline:
            raise ValueError("it has no head")
        group, namespace, rooms, skip, volatile, lengths, *origin = json.loads(head)
        if not (
            (not origin or _is_origin(*origin))
            and isinstance(group, str)
            and isinstance(namespace, str)
            and (rooms is None or are_rooms(rooms))
            and are_rooms(skip)
            and isinstance(lengths, dict)
        ):
            raise TypeError("its head has other values")
        forms, at = {}, 0
        for name, sizes in lengths.items():
            parts = []
            if not sizes:
                raise ValueError("a form without a text")
            for size in sizes:
                if type(size) is not int or not 0 <= size <= len(rest) - at:
                    raise ValueError("a length beyond its end")
                parts.append(rest[at : at + size])
                at += size
            forms[name] = _outgoing(parts, namespace, bool(volatile))
    except (ValueError, TypeError, RecursionError) as error:
        raise PacketError(f"an emission that cannot be read: {error}") from None
    return Carried(
        group,
        namespace,
        None if rooms is None else tuple(rooms),
        frozenset(skip),
        bool(volatile),
        forms,
        tuple(origin) if origin else None,
    )


def _is_origin(name: object, number: object) -> bool:
    return isinstance(name, str) and len(name) <= MOST_OF_A_NAME and type(number) is int


def are_rooms(rooms: Any) -> bool:
    """Whether this, which came from another process, is a list of names of rooms."""
    if not isinstance(rooms, list) or len(rooms) > MOST_ROOMS:
        return False
    return all(map(is_room, rooms))


def _outgoing(parts: list[bytes], namespace: str, volatile: bool) -> Outgoing:
    text = parts[0].decode()
    if len(parts) > 1:
        text = Attached.of(text, tuple(parts[1:]))
    return Outgoing(text, namespace, volatile=volatile)
