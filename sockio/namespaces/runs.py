"""Whether everything that is called in a namespace class runs when it is called.

Of a coroutine or a generator nothing would, and nobody would hear of it: an event that is not
handled, a gate that lets everybody in.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from ..config.plain import kind_of
from ..exceptions import UsageError
from .handlers import HandlerTable, unfinished_mark
from .hooks import CALLED
from .marks import lost_marks

__all__ = ["check_runs", "what_never_runs"]

#: Of what is returned by this one the values are iterated over, by ``yield`` as well as in a list.
_ITERATED = "get_initial_acl"


def what_never_runs(cls: type, table: HandlerTable) -> Iterator[tuple[str, str]]:
    """The names of the methods of which a call runs nothing, and what each is."""
    for function in table.initializers:
        kind = kind_of(function)
        if kind:
            yield "initialize", kind
    names = dict.fromkeys((*CALLED, *table.marked_methods))
    del names["initialize"]
    names |= dict.fromkeys(
        name for base in reversed(cls.__mro__) for name in vars(base) if name.startswith("on_")
    )
    for name in names:
        value = inspect.getattr_static(cls, name, None)
        if value is None or isinstance(value, (type, property)):
            continue
        kind = kind_of(value, generators=name != _ITERATED)
        if kind:
            yield name, kind


def check_runs(cls: type, table: HandlerTable) -> None:
    """Raise ``UsageError`` for a class with a method of that kind, for a decorator that has been
    written without its parentheses, for an ACL that would not count, and for marks that would
    not."""
    for base in cls.__mro__:
        allowed = vars(base).get("allowed_methods")
        if allowed is not None and not hasattr(type(allowed), "__set__"):
            raise UsageError(
                f"{base.__name__}.allowed_methods is a matter of each client, and in the class it "
                "counts for none: return the names from get_initial_acl(self)."
            )
        for name, value in vars(base).items():
            mark = unfinished_mark(value)
            if mark:
                raise UsageError(
                    f"{cls.__name__}.{name}: @{mark} was written without its parentheses, so there "
                    f"is no method: write @{mark}(...)."
                )
        for lost in lost_marks(base):
            raise UsageError(
                f"{base.__name__}: what @allow, @limit, @on or @concurrent says of "
                f"{lost.__qualname__} (line {lost.__code__.co_firstlineno}) shows in none of its "
                "methods, and would count for none. Write it above the decorators that hide it, or "
                "let these say functools.wraps."
            )
    for name, kind in what_never_runs(cls, table):
        raise UsageError(
            f"{cls.__name__}.{name} is {kind}, of which a call runs nothing. Write a plain "
            "function (def, no yield): under gevent it may block, others go on meanwhile."
        )
