"""How many bytes of memory it takes to keep something, as far as it is known of what kind it is."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from .event_index import FEW
from .outbox import Outgoing

__all__ = ["ROOM", "size_of", "weight_of", "weight_of_event", "weight_of_stay"]

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
    groups: list[Iterator[object]] = [iter(values)]
    seen: set[int] = set()
    while groups and total <= most:
        some = [*islice(groups[-1], _AT_ONCE)]
        if not some:
            groups.pop()
            continue
        # Many by one call: a megabyte may be so many that one after the other takes long.
        kinds = set(map(type, some))
        total += sum(map(sys.getsizeof if kinds <= _KNOWN else size_of, some))
        if not kinds.isdisjoint(_CONTAINERS):
            new = {id(each): each for each in some if type(each) in _CONTAINERS and each}
            for known in seen.intersection(new):
                del new[known]
            seen.update(new)
            dicts = [each for each in new.values() if isinstance(each, dict)]
            others = [
                each for each in new.values() if isinstance(each, (list, tuple, set, frozenset))
            ]
            inner: tuple[Iterable[Iterable[object]], ...] = (
                others,
                dicts,
                map(dict.values, dicts),
            )
            groups += [chain.from_iterable(each) for each in inner]
    return total


_CONTAINERS = frozenset((dict, list, tuple, set, frozenset))
_KNOWN = _CONTAINERS | {str, bytes, int, float, bool, type(None)}
_AT_ONCE = 1000


def size_of(value: object) -> int:
    """Bytes of memory of ``value`` by itself, as it says."""
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
