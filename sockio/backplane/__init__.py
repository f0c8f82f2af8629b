"""How an emit reaches its sockets, behind one small interface.

:class:`Backplane` is what the rest of sockio knows. :mod:`sockio.backplane.local` serves the
sockets of this process; one that spans processes takes the same :class:`Emission`, which for that
reason holds nothing but plain values.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

__all__ = ["Backplane", "Emission", "Order"]


@dataclass(frozen=True)
class Emission:
    """One packet and whom it is for."""

    #: The namespace; only its members can be reached.
    namespace: str
    #: The packet as a mapping, with ``endpoint`` set to the namespace.
    packet: Mapping[str, Any]
    #: Members of any of these rooms, where a client's name in the namespace (``namespace.id``)
    #: counts as a room of its own; None is every member of the namespace.
    rooms: tuple[Hashable, ...] | None = None
    #: Rooms, and names of clients, that are left out.
    skip: frozenset[Hashable] = frozenset()
    #: Drop it for whoever cannot take it at once.
    volatile: bool = False


class Order(NamedTuple):
    """What is to be done with clients, wherever they are connected."""

    #: ``join``, ``leave`` or ``disconnect``; ``taken-over`` where a client of 0.9 has come back
    #: elsewhere, by a token.
    what: str
    #: Whom it is for, as of an :class:`Emission`.
    namespace: str
    rooms: tuple[Hashable, ...] | None
    skip: frozenset[Hashable]
    #: The rooms to join or to leave; whether to disconnect silently, and where there is one more,
    #: whether to end their sessions; the token.
    args: tuple[Hashable, ...]


class Backplane(Protocol):
    """Delivers emissions."""

    def publish(self, emission: Emission) -> object:
        """Deliver to every member that is connected now. Never blocks.

        Raises ``UsageError`` when the packet cannot be written as JSON.
        """
        ...

    def tell(self, order: Order) -> None:
        """Have the other processes carry out an order, which has been here. Never blocks."""
        ...

    def ask(self, question: Any) -> Any:
        """Ask the other processes a :class:`~sockio.backplane.questions.Question`, without waiting;
        None where there are none."""
        ...

    def notify(self, event: str, args: list[Any]) -> None:
        """Have the functions of the other processes called that are for ``event``, and wait for
        nothing."""
        ...
