"""How many bytes of memory it takes to keep something, as far as it is known of what kind it is."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence

from .event_index import FEW
from .outbox import Outgoing

__all__ = ["ROOM", "weight_of", "weight_of_event", "weight_of_stay"]

# What Python's objects take beside what is counted, and what their places in lists and dicts do: of
# an event that is kept, and of a room that it is for; of a client that is away, of whom several
# indexes know, and the largest of these that have just grown; and of one of its rooms.
_EVENT, _INDEXED, _STAY, ROOM = 220, 180, 1400, 90
_LESS = 64


def weight_of(*values: object, most: float = sys.maxsize) -> int:
    """Bytes of ``values`` and of all that is in them, of lists, dicts and the like. Objects of
    other classes count by themselves alone. Stops beyond ``most``: it takes as long as there is
    something to count."""
    total = 0
    groups: list[Iterable[object]] = [values]
    seen: set[int] = set()
    while groups and total <= most:
        for value in groups.pop():
            kind = type(value)
            total += _SIZES[kind](value) if kind in _SIZES else _size_of(value)
            if kind in _CONTAINERS and id(value) not in seen:
                seen.add(id(value))
                if isinstance(value, dict):
                    groups.append(value.keys())
                    groups.append(value.values())
                elif isinstance(value, Iterable):
                    groups.append(value)
            if total > most:
                break
    return total


_CONTAINERS = frozenset((dict, list, tuple, set, frozenset))
_SIZES = dict.fromkeys(
    (str, bytes, int, float, bool, type(None), dict, list, tuple, set, frozenset), sys.getsizeof
)


def _size_of(value: object) -> int:
    try:
        return sys.getsizeof(value)
    except Exception:
        # Of a class that says it wrongly.
        return _LESS


def _weigh(packets: Iterable[Outgoing]) -> int:
    return sum([each.weight or each.weigh() for each in packets])


def weight_of_event(
    namespace: str,
    rooms: tuple[Hashable, ...] | None,
    skip: frozenset[Hashable],
    packets: Iterable[Outgoing],
) -> int:
    """Of an event that is kept for who comes back, in the forms that it has."""
    weight = _EVENT + sys.getsizeof(namespace) + _weigh(packets)
    if rooms:
        weight += weight_of(rooms) + _INDEXED * min(len(rooms), FEW)
    if skip:
        weight += weight_of(skip)
    return weight


def weight_of_stay(
    names: Sequence[str],
    pid: str,
    namespace: str,
    marks: Mapping[Hashable, int],
    queued: Iterable[Outgoing],
) -> int:
    """Of a client that is away, but for its session's data."""
    weight = _STAY + sum(map(sys.getsizeof, (pid, namespace, *names)))
    weight += sum([ROOM + weight_of(room) for room in marks])
    return weight + _weigh(queued)
