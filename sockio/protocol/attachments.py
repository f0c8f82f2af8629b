"""Bytes in the arguments of events and acks: out of the JSON, and into it again.

Each stretch of bytes becomes an attachment, and where it was stands
``{"_placeholder": true, "num": N}``, with N counting from 0, depth first. The attachments follow
the packet's text, in order, each as a binary message.

Facts: Socket.IO protocol, revisions 4 and 5; socket.io-parser 4.2.7, ``lib/binary.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..exceptions import PacketError, UsageError

__all__ = ["Frames", "Slots", "fill", "find_slots", "take_out"]

_MARK = "_placeholder"
#: Values that hold no others.
_PLAIN = frozenset((str, int, float, bool, type(None)))


class Frames(NamedTuple):
    """What an encoded packet is: a text, and the attachments that have to follow it at once."""

    text: str
    attachments: tuple[bytes, ...] = ()


Slots = list[tuple[Any, Any, int]]
"""Where attachments belong: a list and an index in it, or a dict and a key; the attachment's
number."""


def take_out(value: Any, attachments: list[bytes]) -> Any:
    """A copy of ``value`` with placeholders for ``bytes``, ``bytearray`` and ``memoryview``, whose
    bytes are appended to ``attachments`` (copied where they could change).

    Lists, tuples and dicts are looked into; whatever else is in ``value`` stays as it is. Raises
    :exc:`RecursionError` for a value that holds itself, and :class:`~sockio.exceptions.UsageError`
    for a dict that the receiver would take for a placeholder.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        attachments.append(bytes(value))
        return {_MARK: True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        if value.get(_MARK) is True:
            raise UsageError(
                f"beside bytes, a dict with {_MARK!r}: True would be read as a placeholder for "
                "some of them; send it in an event of its own, or under another key"
            )
        return {key: take_out(item, attachments) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [take_out(item, attachments) for item in value]
    return value


def find_slots(value: list[Any], count: int) -> Slots:
    """The placeholders in a JSON value, for :func:`fill`.

    Raises :class:`~sockio.exceptions.PacketError` for a placeholder whose ``num`` is no integer
    from 0 to ``count`` - 1. An attachment may have several placeholders, or none.
    """
    slots: Slots = []
    containers: list[list[Any] | dict[str, Any]] = [value]
    while containers:
        container = containers.pop()
        values = container.values() if isinstance(container, dict) else container
        # Many are told to be plain by one call, and lists alone are no places.
        kinds = set(map(type, values))
        if kinds <= _PLAIN:
            continue
        if not any(issubclass(kind, dict) for kind in kinds):
            containers += [item for item in values if item and isinstance(item, list)]
            continue
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(item, dict):
                if _MARK not in item or item[_MARK] is not True:
                    if not _PLAIN.issuperset(map(type, item.values())):
                        containers.append(item)
                    continue
                number = item.get("num")
                if type(number) is not int or not 0 <= number < count:
                    raise PacketError(
                        f"a placeholder has no number of one of the packet's {count} attachments"
                    )
                slots.append((container, key, number))
            elif item and isinstance(item, list):
                containers.append(item)
    return slots


def fill(slots: Slots, attachments: Sequence[bytes]) -> None:
    """Put the attachments where they belong."""
    for container, key, number in slots:
        container[key] = attachments[number]
