"""Functions that answer when they are called, and values that are an answer.

Nothing here awaits, and nothing iterates: of a coroutine function or a generator function a call
runs no line, and what it returns is true. A gate that is one would let everybody in. So they are
refused where they are given (:func:`check_plain`); and what shows only in the value, of a lambda or
behind a decorator, is refused there (:func:`says_yes`, :func:`check_has_run`). So is what was meant
to refuse and is true all the same: an exception that was returned, a response with its status.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import http
import inspect
import operator
import types
import weakref
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator
from typing import Any

from ..exceptions import ConnectionRefused, EventRefused, UsageError

__all__ = [
    "PLAIN",
    "NoAnswer",
    "check_gate",
    "check_has_run",
    "check_plain",
    "check_wsgi",
    "kind_of",
    "no_answer",
    "says_yes",
]

#: What nearly all answers are.
PLAIN = frozenset((bool, type(None), int, float, str, bytes, list, tuple, dict))
#: Where responses have their status as a number: Werkzeug's, Django's, WebOb's and httpx's by the
#: first, urllib's and aiohttp's by the last.
_STATUSES = ("status_code", "status")
#: What is a function of Python's own kinds, or is called to see what it is about. Not whatever can
#: be called: a proxy for a user can.
_FUNCTIONS = (
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    functools.partial,
    operator.attrgetter,
    operator.itemgetter,
    operator.methodcaller,
    weakref.ref,
)
_KINDS = (
    ("a coroutine function", inspect.iscoroutinefunction),
    ("an asynchronous generator function", inspect.isasyncgenfunction),
    ("a generator function", inspect.isgeneratorfunction),
)
_FLAGS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_WRITE = (
    "write a plain function (def, no yield) that returns its answer. Under gevent it may block: "
    "others go on meanwhile"
)


def kind_of(function: Any, *, generators: bool = True) -> str:
    """``"a coroutine function"`` or what else a call runs nothing of; "" for plain functions, and
    for what does not say what it is. ``generators`` are counted as well.

    Bound methods, partials and objects with such a ``__call__`` are what they call. Of a decorated
    function it is the outermost that counts: what it wraps may well be a coroutine function or a
    generator that it runs.
    """
    if (
        type(function) in (types.FunctionType, types.MethodType)
        and not function.__code__.co_flags & _FLAGS
        and not function.__dict__
    ):
        # As nearly all are, of those that are looked at while clients wait.
        return ""
    while True:
        if isinstance(function, (staticmethod, classmethod)):
            function = function.__func__
        elif isinstance(function, (functools.partial, functools.partialmethod)):
            function = function.func
        else:
            break
    if not isinstance(function, (types.FunctionType, types.MethodType, type)):
        own = inspect.getattr_static(type(function), "__call__", None)
        if inspect.isfunction(own) and not inspect.iscoroutinefunction(function):
            function = own
    for kind, is_one in _KINDS[: None if generators else 2]:
        if is_one(function):
            return kind
    return ""


def check_plain(function: Any, what: str, *, generators: bool = True) -> None:
    """Raise ``UsageError`` for a function that would run nothing when it is called. ``what`` says
    which it is: ``"recv_connect"``."""
    kind = kind_of(function, generators=generators)
    if kind:
        raise UsageError(f"{what} is {kind}, of which a call runs nothing: {_WRITE}.")


def check_gate(function: Any, what: str) -> None:
    """:func:`check_plain`, for one whose value decides: a class whose objects are all true, too."""
    check_plain(function, what)
    if (
        isinstance(function, type)
        and getattr(function, "__bool__", None) is None
        and getattr(function, "__len__", None) is None
    ):
        raise UsageError(
            f"{what} is the class {function.__name__}, and what a call of it makes is true, "
            f"whoever asks: give a function, or an object that can be called, "
            f"{function.__name__}()."
        )


def check_wsgi(app: Any) -> None:
    """Raise ``UsageError`` for what is an application of ASGI, or would be none of WSGI."""
    if kind_of(app, generators=False):
        raise UsageError(
            f"{_called(app)} is a coroutine function or an object with such a call, as "
            "applications of ASGI are (FastAPI, Starlette, Quart); this serves applications of "
            "WSGI, such as Flask's, Django's and Pyramid's. Serve the two side by side."
        )


def _called(function: Any) -> str:
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else f"an object of {type(function).__qualname__}"


def _unfinished(value: Any) -> str:
    """What a value is the code of which has not run; "" for others."""
    # Here and below the class is asked: there are objects that have every attribute one asks for.
    cls = type(value)
    if issubclass(cls, Coroutine):
        with contextlib.suppress(RuntimeError):
            # Or Python says that it was never awaited.
            value.close()
        return "a coroutine, which nothing awaits"
    if issubclass(cls, (Generator, AsyncGenerator)):
        return "a generator, of which nothing has run"
    return ""


def _no_answer(value: Any) -> str:
    """What a value is that says neither yes nor no, though Python takes it for true."""
    if hasattr(type(value), "_get_current_object"):
        # Werkzeug's, which stands for another and has all methods that there are.
        value = value._get_current_object()
    found = _unfinished(value)
    if found:
        return found
    cls = type(value)
    if (
        issubclass(cls, Awaitable)
        or hasattr(cls, "add_done_callback")  # of concurrent.futures
        or hasattr(cls, "rawlink")  # of gevent
    ):
        return f"a {cls.__name__}, which has no answer yet"
    if hasattr(cls, "__next__") and iter(value) is value:
        return f"an iterator ({cls.__name__}), which is true whatever is in it"
    # What becomes a method or a value where an object is asked for it: functions, also those that
    # keep what they returned, and a property that a class was asked for.
    if issubclass(cls, _FUNCTIONS) or hasattr(cls, "__get__"):
        name = getattr(value, "__name__", "") if callable(value) else ""
        what = f"the function {name}" if name else f"a {cls.__name__}"
        return f"{what}, which nobody has called"
    found = _unraised(value)
    if found:
        # Unless it is a response as well: Pyramid's and Bottle's are.
        return "" if 200 <= _status_of(value, cls) < 300 else found
    if issubclass(cls, type):
        return f"the class {value.__name__}, of which nobody has made an object"
    return _refusal(value)


def _unraised(value: Any) -> str:
    """What exception a value is, or which class of them; "" for others."""
    cls = type(value)
    raised = value if issubclass(cls, type) else cls
    return f"{raised.__name__}, which has to be raised" if issubclass(raised, BaseException) else ""


def _refusal(value: Any) -> str:
    """What a value is that was meant to refuse, and is true all the same."""
    if value is NotImplemented or value is Ellipsis:
        return f"{value}"
    cls = type(value)
    if issubclass(cls, enum.Enum) and not value.value:
        return f"{value}, which is true, though its value is not"
    status = value if issubclass(cls, http.HTTPStatus) else _status_of(value, cls)
    if status >= 300:
        return f"an answer of the status {status:d} ({cls.__name__}), which is true"
    return ""


def _status_of(value: Any, cls: type) -> int:
    """The status of a response, of whichever framework or library; 0 for what is none."""
    # Of the class, or in the object: there are objects that have whatever one asks for.
    there = {*dir(cls), *getattr(value, "__dict__", ())}
    if "headers" in there:
        for name in _STATUSES:
            if name in there and isinstance(status := getattr(value, name), int):
                return status
    return 0


_NOBODY = "That is no answer, and without one nobody is let in: return True or False"


def _first_is_no(value: tuple[Any, ...] | list[Any]) -> str:
    """What a tuple or a list is that begins with a no, behind which reasons may stand."""
    first = next(iter(value), True)
    found = f"{first}" if first is False or first is None else ""
    if not found and type(first) not in PLAIN:
        found = _unfinished(first) or _unraised(first)
    return f"a {type(value).__name__} that begins with {found}: it is true" if found else ""


def no_answer(value: Any) -> str:
    """What a value is that is neither yes nor no, or that means no and is true all the same, in
    words; "" for an answer."""
    if isinstance(value, (tuple, list)):
        return _first_is_no(value)
    return "" if type(value) in PLAIN else _no_answer(value)


class NoAnswer(UsageError):
    """A gate gave what is no answer. The message says what it was, and what to write."""


def says_yes(value: Any, who: str) -> bool:
    """Whether the answer of a gate is true. ``who`` gave it.

    Raises :class:`NoAnswer` for what Python takes for true and is no answer, such as a coroutine,
    and whatever the value raises when it is asked.
    """
    if type(value) in PLAIN and type(value) not in (tuple, list):
        return bool(value)
    # NotImplemented has a truth value that Python warns of, or has none.
    if value is not NotImplemented and not value:
        return False
    found = no_answer(value)
    if found:
        raise NoAnswer(f"{who} returned {found}. {_NOBODY}")
    return True


def check_has_run(value: Any, who: str, *, generators: bool = True) -> None:
    """Raise ``UsageError`` where what was returned is code that has not run, by which nothing was
    done, or a refusal, by which nothing is refused. ``who`` returned it."""
    cls = type(value)
    if cls in PLAIN or (not generators and cls is types.GeneratorType):
        return
    raised = value if issubclass(cls, type) else cls
    if issubclass(raised, (ConnectionRefused, EventRefused)):
        raise UsageError(f"{who} returned {_unraised(value)}.")
    found = _unfinished(value)
    if found:
        raise UsageError(f"{who} returned {found}: nothing was done. Instead, {_WRITE}.")
