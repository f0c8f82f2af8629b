"""Which of the events that are kept may be for a client, without a look at all the others.

Each event knows the one before that was for the same: for everybody in its namespace, or for a room
of it. So whoever wants to know goes from the last one back, as far as it has to.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from .numbered import Numbered

__all__ = ["FEW", "EventIndex"]

#: Rooms of one event that are told apart. One that names more is looked at by everybody.
FEW = 4

_ALL = object()
#: The one before; for what is for several rooms, these, and the one before for each.
_Link = int | tuple[tuple[Hashable, ...], list[int]]


class EventIndex:
    """That of one log. Numbers go up by one from 1; what is not there any more is the lowest."""

    __slots__ = ("_last", "_links")

    def __init__(self) -> None:
        # The last event for each.
        self._last: dict[tuple[Hashable, Hashable], int] = {}
        # Of each event the one before.
        self._links: Numbered[_Link] = Numbered()

    def append(self, namespace: Hashable, rooms: tuple[Hashable, ...] | None) -> None:
        """One more is kept."""
        last, number = self._last, self._links.last + 1
        if rooms is None or len(rooms) > FEW:
            self._links.append(last.get((namespace, _ALL), 0))
            last[namespace, _ALL] = number
        elif len(rooms) == 1:
            key = namespace, rooms[0]
            self._links.append(last.get(key, 0))
            last[key] = number
        else:
            # All of them first: two may be one.
            self._links.append((rooms, [last.get((namespace, room), 0) for room in rooms]))
            for room in rooms:
                last[namespace, room] = number

    def drop_oldest(self, namespace: Hashable, rooms: tuple[Hashable, ...] | None) -> None:
        """The oldest is not kept any more, which was for those."""
        last, number = self._last, self._links.first + 1
        for room in (_ALL,) if rooms is None or len(rooms) > FEW else rooms:
            if last.get((namespace, room)) == number:
                del last[namespace, room]
        self._links.drop_oldest()

    def clear(self) -> None:
        self._last.clear()
        self._links.clear()

    def meant(
        self, namespace: Hashable, rooms: Iterable[Hashable], since: int, most: int
    ) -> list[int] | None:
        """The numbers, in order, of those events behind ``since`` that are for a namespace as a
        whole or for one of ``rooms``; maybe some that are not. None where they are more than
        ``most``, the rooms among them: to find them would take too long."""
        found: set[int] = set()
        (links, base), looked = self._links.view, 0
        for room in (_ALL, *rooms):
            number = self._last.get((namespace, room), 0)
            looked += 1
            while number > since:
                found.add(number)
                looked += 1
                if looked > most:
                    return None
                link = links[number - base]
                if isinstance(link, tuple):
                    link = link[1][link[0].index(room)]
                number = link or 0
        return sorted(found) if looked <= most else None
