"""What decorators such as :func:`~sockio.allow` note on handlers, and where it is found again.

It is noted on the function, and which functions those are in the class whose body it is decorated
in. So a decorator above them that does not hand on what it is around (``functools.wraps``) opens
nothing that was closed: the function is looked for inside of what that has made, and by its name.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from ..exceptions import UsageError

__all__ = [
    "CLOSING",
    "CONCURRENT",
    "CONDITIONS",
    "EVENTS",
    "LIMITS",
    "check_own",
    "closing_marks",
    "lost_marks",
    "marks_of",
    "marks_on",
    "note",
    "noted",
]

F = TypeVar("F", bound=Callable[..., Any])

EVENTS = "__sockio_events__"
CONDITIONS = "__sockio_conditions__"
LIMITS = "__sockio_limits__"
CONCURRENT = "__sockio_concurrent__"
_KINDS = (EVENTS, CONDITIONS, LIMITS, CONCURRENT)
#: Those that count wherever the function is inside: the others open something.
CLOSING = (CONDITIONS, LIMITS)
#: In a class: the functions that were marked while its body ran.
_MARKED = "__sockio_marked__"
#: So many objects are looked through for one of those.
_MOST = 100

_noted = 0


def note(fn: F, kind: str, mark: Any, read: Callable[[], object] = lambda: None) -> F:
    """``fn`` with a mark of a kind.

    A function that is another class's, that of a base for example, is marked as a copy: its own
    class would be changed as well. ``read()`` is called where a class may have been read that has
    the function by now.
    """
    if isinstance(fn, type):
        raise UsageError(
            f"@on, @allow, @limit and @concurrent stand above a method, and {fn.__name__} is a "
            "class. Whom it lets in a namespace says in recv_connect; for all that a client sends "
            "there are get_initial_acl and the setting rate_limit."
        )
    global _noted
    _noted += 1
    if isinstance(fn, types.MethodType) and kind in CLOSING:
        # The mark would be the function's, of all objects.
        fn = cast("F", types.MethodType(_copy(fn.__func__), fn.__self__))
    scope = None
    if isinstance(fn, types.FunctionType):
        scope = _body()
        owner = fn.__qualname__.rpartition(".")[0]
        if scope is not None:
            marked = scope.setdefault(_MARKED, [])
            if not any(fn is each for each in marked):
                if owner != scope["__qualname__"]:
                    fn = _copy(fn)
                marked.append(fn)
        elif kind not in CLOSING and owner and not owner.endswith("<locals>"):
            # Of a class whose body is over. Who closes one may not look at what comes back.
            fn = _copy(fn)
    fn.__dict__.setdefault(kind, []).append(mark)
    if scope is None:
        read()
    return fn


def marks_on(value: Any, kind: str) -> list[Any]:
    """The marks of a kind on what is no method: as :func:`marks_of`."""
    found: list[Any] = []
    for each in _inside(value) if kind in CLOSING else _wrapped(value):
        marks = getattr(each, "__dict__", {}).get(kind, ())
        found += [mark for mark in marks if mark not in found]
    return found


def noted() -> int:
    """How many marks there have been: as long as it is the same, what was read of them counts."""
    return _noted


def _body() -> dict[str, Any] | None:
    """The names in the body of the class that is being made, if one is; not outside of a module."""
    frame = sys._getframe(2)
    while frame is not None:
        if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            # No function's: there the names are a dictionary that can be written to.
            names = frame.f_locals
            is_class = names is not frame.f_globals and "__qualname__" in names
            return names if is_class else None
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _copy(fn: Any) -> Any:
    copied = types.FunctionType(
        fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__
    )
    copied.__kwdefaults__ = fn.__kwdefaults__
    copied.__annotations__ = fn.__annotations__
    copied.__module__ = fn.__module__
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
    that it is wrapped around, and on the one that was written under this name.

    A static method, or a decorator that hands nothing on, must not quietly open what was closed: a
    condition and a limit are found wherever the function is inside.
    """
    found: list[Any] = []
    value = vars(cls).get(name)
    functions = [*_wrapped(value)]
    if kind in CLOSING:
        # Wherever they were marked: in a class, or in none.
        functions += [each for each in _inside(value) if isinstance(each, types.FunctionType)]
    functions += _hidden(cls, name, value)
    for function in functions:
        # Only what stands in it: a class may keep objects that have every attribute one asks for.
        marks = getattr(function, "__dict__", {}).get(kind, ())
        found += [mark for mark in marks if mark not in found]
    return found


def closing_marks(owner: type, names: Iterable[str], kind: str) -> list[Any]:
    """The conditions or limits of a method: its own, or else those of the nearest that it
    overrides. It may have had several ``names``, the first of them today's.

    Whoever overrides a method says what it does, and not who may call it. Classes that do not know
    of each other override nothing of each other's: all of theirs hold.
    """
    for name in names:
        found: list[Any] = []
        overridden: set[type] = set()
        for cls in owner.__mro__:
            marks = marks_of(cls, name, kind) if name in vars(cls) else []
            if marks and cls not in overridden:
                found += [mark for mark in marks if mark not in found]
                overridden.update(cls.__mro__)
        if found:
            return found
    return []


def check_own(holder: object, name: str) -> None:
    """Raise ``UsageError`` for a method of one object's own that is marked: what is asked is marked
    in its class."""
    value = vars(holder)[name]
    if any(marks_on(value, kind) for kind in CLOSING):
        raise UsageError(
            f"{type(holder).__name__} object: its own {name} has @allow or @limit, which nobody "
            f"asks there. Mark {name} in the class, with a condition that looks at the object it "
            "is given; or ask in the method."
        )


def lost_marks(cls: type) -> Iterator[Any]:
    """The functions that were marked in the body of ``cls``, and are in nothing that it has."""
    names = vars(cls)
    marked = names.get(_MARKED, ())
    if marked:
        there = {id(each) for value in names.values() for each in _inside(value)}
        for function in marked:
            if id(function) not in there and function.__name__ not in names:
                yield function


def _hidden(cls: type, name: str, value: Any) -> list[Any]:
    """The function that was marked last under this name, if ``value`` is not another that was
    written there since."""
    if isinstance(value, types.FunctionType) and value.__code__.co_name == name:
        return []
    return [each for each in vars(cls).get(_MARKED, ()) if each.__name__ == name][-1:]


def _wrapped(value: Any) -> Iterator[Any]:
    """A value, and what it says that it is around."""
    seen: list[Any] = []
    while value is not None and not any(value is each for each in seen):
        seen.append(value)
        yield value
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        else:
            value = getattr(value, "__dict__", {}).get("__wrapped__")


def _inside(value: Any) -> Iterator[Any]:
    """A value, and the functions and other objects that are inside of it."""
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        value = waiting.pop(0)
        if id(value) in seen or isinstance(value, (type, types.ModuleType, str, int, bytes)):
            continue
        seen.add(id(value))
        yield value
        waiting += _parts(value)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, (staticmethod, classmethod, types.MethodType)):
        yield value.__func__
    elif isinstance(value, (functools.partial, functools.partialmethod)):
        yield value.func
        yield from value.args
    elif isinstance(value, types.FunctionType):
        yield value.__dict__.get("__wrapped__")
        for cell in value.__closure__ or ():
            try:
                inner = cell.cell_contents
            except ValueError:  # it is empty
                continue
            if callable(inner) and not _is_beside(inner, value):
                yield inner
    else:
        yield from getattr(value, "__dict__", {}).values()


def _is_beside(inner: Any, function: types.FunctionType) -> bool:
    """Whether ``inner``, which ``function`` closes over, was written in the same function: it is
    mentioned there, and not what a decorator was put around."""
    return (
        isinstance(inner, types.FunctionType)
        and function.__code__.co_name == function.__name__
        and inner.__module__ == function.__module__
        and _scope(inner) == _scope(function)
        # That would be one decorator twice.
        and inner.__code__ is not function.__code__
    )


def _scope(function: types.FunctionType) -> str:
    return function.__qualname__.rpartition(".")[0]
