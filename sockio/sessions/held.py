"""What callbacks hold that nobody else does: the bytes of memory that forgetting them would free.

A callback is a function, and holds what it closes over: what a client has sent, maybe, or the
application's own tables. The latter are held by others as well, which their reference counts tell;
so does what a handler has that still runs.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import CellType, FunctionType, MethodType
from typing import Any

from .weights import size_of, weight_of

__all__ = ["EACH", "weights_of_callbacks"]

#: Bytes of memory that a callback takes by itself: its function, its place among those that wait,
#: its id, what is noted of it.
EACH = 600

# What an object takes beside its size, for its attributes.
_OBJECT = 64
_VALUES = frozenset(
    (str, bytes, bytearray, int, float, bool, type(None), dict, list, tuple, set, frozenset)
)


def weights_of_callbacks(callbacks: Iterable[list[Callable[..., object]]], most: int) -> list[int]:
    """Bytes of memory that each of ``callbacks`` takes, with what nobody but these holds; what
    several of them hold is shared out among them. Each comes in a list of its own, and is held by
    what notes that it waits.

    Stops behind the one with which all together take more than ``most``: it takes as long as there
    is something to count.
    """
    functions = [*callbacks]
    again = Counter([id(function) for (function,) in functions])
    parts = [
        _parts(each[0]) if _references(each)[0] <= _alone(again[id(each[0])]) else []
        for each in functions
    ]
    again = Counter([id(part) for each in parts for part in each])
    known: dict[int, int] = {}
    weights = []
    left = most
    for each in parts:
        weight = EACH
        for part, references in zip(each, _references(each), strict=True):
            key = id(part)
            if key not in known:
                times = again[key]
                # The loop has it in its hands, too, but not where it was counted.
                known[key] = _weigh(part, most) // times if references <= _alone(times) else 0
            weight += known[key]
        weights.append(weight)
        left -= weight
        if left < 0:
            break
    return weights


def _weigh(part: object, most: int) -> int:
    """Bytes of something that is held by one callback alone, and of what it holds alone."""
    total = 0
    waiting = [part]
    while waiting and total <= most:
        each = waiting.pop()
        if type(each) in _VALUES:
            total += weight_of(each, most=most - total)
            continue
        total += _OBJECT + size_of(each)
        parts = _parts(each)
        waiting += [
            part
            for part, references in zip(parts, _references(parts), strict=True)
            if references <= _ALONE
        ]
    return total


def _parts(holder: object) -> list[object]:
    """What a callback holds itself, or what something that it holds does."""
    kind = type(holder)
    parts: list[object]
    if kind is FunctionType:
        function: Any = holder
        parts = [] if function.__closure__ is None else [*function.__closure__]
        if function.__defaults__ is not None:
            parts += function.__defaults__
        if function.__kwdefaults__ is not None:
            parts += function.__kwdefaults__.values()
    elif kind is CellType:
        cell: Any = holder
        try:
            parts = [cell.cell_contents]
        except ValueError:
            parts = []
    elif kind is MethodType:
        method: Any = holder
        parts = [method.__self__]
    elif isinstance(holder, functools.partial):
        parts = [holder.func, *holder.args, *holder.keywords.values()]
    else:
        # Attributes, items, locals: what the garbage collector would find.
        parts = gc.get_referents(holder)
    return parts


def _references(parts: Sequence[object]) -> list[int]:
    """How many references there are to each."""
    return [sys.getrefcount(each) for each in parts]


# Of what is held by one that holds it and by the list of its parts: Pythons count differently.
_HOLDER = functools.partial(print, object())
_ALONE = _references(_parts(_HOLDER))[1]


def _alone(times: int) -> int:
    """The references to what so many have in such lists, and nobody else."""
    return _ALONE + 2 * (times - 1)
