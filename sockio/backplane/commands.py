"""What a program that serves no clients asks of those that do, whatever its own words for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..exceptions import PacketError
from . import Emission, Order

__all__ = [
    "Command",
    "CommandError",
    "Disconnect",
    "JoinRooms",
    "LeaveRooms",
    "Room",
    "Selection",
    "ServerEvent",
    "order_of",
]

#: What other programs have as a room.
Room = str | int | float


class CommandError(PacketError):
    """What came by a channel is no command. The message says why, and what to do where somebody can
    do something; ``kind`` is a short word for counting, never one that a publisher chose."""

    def __init__(self, message: str, kind: str = "garbage") -> None:
        super().__init__(message)
        self.kind = kind


class Selection(NamedTuple):
    """Clients in a namespace ("" is the global one)."""

    namespace: str
    #: Members of any of these, a client's name being a room, too; None is every member.
    rooms: tuple[Room, ...] | None
    #: ... but the members of any of these.
    skip: frozenset[Room]


class JoinRooms(NamedTuple):
    selection: Selection
    rooms: tuple[Room, ...]


class LeaveRooms(NamedTuple):
    selection: Selection
    rooms: tuple[Room, ...]


class Disconnect(NamedTuple):
    selection: Selection
    #: Whether their connections are to be closed, too, and with them all of their namespaces.
    close: bool


class ServerEvent(NamedTuple):
    """For the server itself, not for its clients."""

    namespace: str
    #: The event's name, and its arguments.
    args: tuple[Any, ...]


Command = Emission | JoinRooms | LeaveRooms | Disconnect | ServerEvent


def order_of(command: JoinRooms | LeaveRooms | Disconnect) -> Order:
    """The same as an order for every process."""
    selection = command.selection
    if isinstance(command, Disconnect):
        return Order("disconnect", *selection, args=(False, command.close))
    what = "join" if isinstance(command, JoinRooms) else "leave"
    return Order(what, *selection, args=command.rooms)
