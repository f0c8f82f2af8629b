"""What decorators such as :func:`~sockio.allow` note on handlers, and where it is found again.

It is noted twice: on the function, and in the class whose body it is decorated in, under the
function's name. So a decorator above them that does not hand on what it is around
(``functools.wraps``) opens nothing that was closed.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["CONCURRENT", "CONDITIONS", "EVENTS", "LIMITS", "marks_of", "note"]

F = TypeVar("F", bound=Callable[..., Any])

EVENTS = "__sockio_events__"
CONDITIONS = "__sockio_conditions__"
LIMITS = "__sockio_limits__"
CONCURRENT = "__sockio_concurrent__"
_KINDS = (EVENTS, CONDITIONS, LIMITS, CONCURRENT)
#: In a class: what was noted while its body ran, by the function's name and the kind.
_NOTED = "__sockio_noted__"


def note(fn: F, kind: str, mark: Any) -> F:
    """``fn`` with a mark of a kind. To be called by what is called by the class's body.

    A function that the body has not defined, that of a base for example, is marked as a copy: its
    own class would be changed as well.
    """
    scope = sys._getframe(2).f_locals
    body = scope.get("__qualname__") if "__module__" in scope else None
    name = getattr(fn, "__name__", "")
    if body is not None and isinstance(fn, types.FunctionType):
        if fn.__qualname__.rpartition(".")[0] != body:
            fn = _copy(fn)
        else:
            noted = scope.setdefault(_NOTED, {})
            noted.setdefault((name, kind), []).append(mark)
    fn.__dict__.setdefault(kind, []).append(mark)
    return fn


def _copy(fn: Any) -> Any:
    copied = types.FunctionType(
        fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__
    )
    copied.__kwdefaults__ = fn.__kwdefaults__
    copied.__annotations__ = fn.__annotations__
    copied.__qualname__ = fn.__qualname__
    copied.__doc__ = fn.__doc__
    copied.__dict__.update(vars(fn))
    for kind in _KINDS:
        if kind in copied.__dict__:
            # One of its own: more is added to it.
            copied.__dict__[kind] = list(copied.__dict__[kind])
    return copied


def marks_of(cls: type, name: str, kind: str) -> list[Any]:
    """The marks of a kind on what ``cls`` itself has under ``name``: those on the function, on one
    that it is wrapped around, and those noted when the class was written.

    A static method, or a decorator that hands nothing on, must not quietly open what was closed.
    """
    found: list[Any] = []
    value = vars(cls).get(name)
    while value is not None:
        # Only what stands in it: a class may keep objects that have every attribute one asks for.
        own = getattr(value, "__dict__", {})
        found += [mark for mark in own.get(kind, ()) if mark not in found]
        bound = isinstance(value, (staticmethod, classmethod))
        value = value.__func__ if bound else own.get("__wrapped__")
    noted = vars(cls).get(_NOTED, {}).get((name, kind), ())
    return found + [mark for mark in noted if mark not in found]
