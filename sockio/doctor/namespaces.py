"""Mistakes in namespace classes that Python does not see: methods that nothing ever calls."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Iterator
from typing import Any

from ..namespaces.handlers import HandlerTable, handlers_of, method_name_for
from ..namespaces.hooks import CALLED, FROM_CLIENTS
from ..namespaces.marks import EVENTS, marks_of
from ..namespaces.namespace import BaseNamespace
from ..namespaces.runs import what_never_runs
from .findings import Finding

__all__ = ["examine_namespace", "loaded_namespaces"]

#: What a name may be a misspelling of. Names of many methods are close to ``error``.
_SPELLED = [name for name in CALLED if name != "error"]
#: Hooks of other libraries, and of the client's own events.
_TAKEN_FOR_HOOKS = {f"on_{name.removeprefix('recv_')}": name for name in FROM_CLIENTS} | {
    "on_close": "recv_disconnect",
}


def loaded_namespaces() -> list[type[BaseNamespace]]:
    """Every namespace class of the application that has been imported."""
    found: list[type[BaseNamespace]] = []
    waiting = BaseNamespace.__subclasses__()
    while waiting:
        cls = waiting.pop(0)
        waiting += cls.__subclasses__()
        if cls not in found and cls.__module__.partition(".")[0] != "sockio":
            found.append(cls)
    return found


def examine_namespace(cls: type[BaseNamespace]) -> Iterator[Finding]:
    """What is odd about one class."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    own = {
        attribute: value
        for base in reversed(cls.__mro__)
        if base.__module__.partition(".")[0] != "sockio" and base is not object
        for attribute, value in vars(base).items()
        if not attribute.startswith("__")
    }
    without_self = [each for each, value in own.items() if _takes_no_self(each, value)]
    for attribute in without_self:
        yield Finding(
            "not-a-method",
            "problem",
            f"{name}.{attribute} takes no self: it fails for every client",
            f"def {attribute}(self, ...), or @staticmethod above it",
        )
    if without_self:
        # Nobody can look at the rest, not even the server.
        return
    table = handlers_of(cls, BaseNamespace)
    used = _used_in(own)
    for attribute, value in own.items():
        yield from _spelling(name, attribute, value, used)
        if attribute.startswith(("on_", "recv_")) or attribute in table._events.values():
            yield from _handler(name, attribute, value, table)
    for attribute, kind in what_never_runs(cls, table):
        yield Finding(
            "async-handler",
            "problem",
            f"{name}.{attribute} is {kind}: calling it runs nothing of it",
            "write a plain function: under gevent it may block, others go on meanwhile",
        )
    yield from _twice(name, cls, table)
    yield from _acl(name, cls, table, own)


def _takes_no_self(attribute: str, value: Any) -> bool:
    handles = attribute.startswith(("on_", "recv_")) or hasattr(value, EVENTS)
    if not handles or not inspect.isfunction(value):
        return False
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return not any(each.kind in positional for each in inspect.signature(value).parameters.values())


def _spelling(name: str, attribute: str, value: Any, used: set[str]) -> Iterator[Finding]:
    if not inspect.isfunction(value):
        return
    if attribute in _TAKEN_FOR_HOOKS:
        hook = _TAKEN_FOR_HOOKS[attribute]
        yield Finding(
            "event-named-as-hook",
            "warning",
            f"{name}.{attribute} handles an event that is named {attribute[3:]!r}; it is not "
            f"called where {hook} is",
            f"rename it to {hook}, unless your clients do emit({attribute[3:]!r})",
        )
    elif attribute not in CALLED and attribute not in used:
        meant = _misspelt(attribute)
        if meant or attribute.startswith("recv"):
            # One that is like none of sockio's may be called from elsewhere.
            problem = meant and attribute.startswith("recv")
            yield Finding(
                "hook-misspelt",
                "problem" if problem else "warning" if meant else "note",
                f"nothing{'' if meant else ' of sockio'} ever calls {name}.{attribute}",
                f"did you mean {meant}?"
                if meant
                else f"nothing, if your own code does; sockio calls {', '.join(FROM_CLIENTS)}",
            )


def _misspelt(attribute: str) -> str:
    """Which of sockio's names this one was to be, if it is like one, or ""."""
    if attribute.startswith("recv"):
        # The rest is compared: they begin alike.
        names = {_behind(each): each for each in FROM_CLIENTS}
        close = difflib.get_close_matches(_behind(attribute), names, n=1, cutoff=0.6)
        return names[close[0]] if close else ""
    return next(iter(difflib.get_close_matches(attribute, _SPELLED, n=1, cutoff=0.85)), "")


def _behind(attribute: str) -> str:
    return attribute.removeprefix("recv").lstrip("_")


def _used_in(own: dict[str, Any]) -> set[str]:
    """The names that functions of a class ask objects for."""
    functions = (value for value in own.values() if inspect.isfunction(value))
    return {name for function in functions for name in function.__code__.co_names}


def _handler(name: str, attribute: str, value: Any, table: HandlerTable) -> Iterator[Finding]:
    if table.method(attribute) is None:
        if isinstance(value, (type, functools.partial)) or callable(value):
            yield Finding(
                "not-a-method",
                "warning",
                f"{name}.{attribute} is named like a handler and is a {type(value).__name__}: "
                "clients cannot reach it",
                f"make it a method: def {attribute}(self, ...)",
            )
        return
    function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    if not inspect.isfunction(function):
        return
    function = inspect.unwrap(function)
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]
    if needed:
        yield Finding(
            "keyword-only-argument",
            "problem",
            f"{name}.{attribute} needs {', '.join(needed)} by keyword, and the arguments of events "
            "come by position",
            "remove the * before it, or give it a default",
        )


def _twice(name: str, cls: type[BaseNamespace], table: HandlerTable) -> Iterator[Finding]:
    marked: dict[str, list[str]] = {}
    for base in cls.__mro__:
        for attribute in vars(base):
            for event in marks_of(base, attribute, EVENTS):
                marked.setdefault(event, []).append(attribute)
    for event, winner in table._events.items():
        plain = method_name_for(event)
        losers = {each for each in marked.get(event, ()) if each != winner}
        if plain is not None and plain != winner and table.method(plain) is not None:
            losers.add(plain)
        for loser in sorted(losers):
            yield Finding(
                "two-handlers",
                "warning",
                f"{name}: the event {event!r} is handled by {winner}, and never by {loser}",
                "remove one of them",
            )


def _acl(
    name: str, cls: type[BaseNamespace], table: HandlerTable, own: dict[str, Any]
) -> Iterator[Finding]:
    try:
        allowed: Any = cls.get_initial_acl(object.__new__(cls))
    except Exception:
        # It asks the client's session or request: nobody can say without one.
        return
    if allowed is None:
        return
    if isinstance(allowed, str):
        yield Finding(
            "acl-is-text",
            "problem",
            f"{name}.get_initial_acl returns the text {allowed!r}: every client is refused",
            f"return a list: [{allowed!r}]",
        )
        return
    handlers = sorted(
        attribute
        for attribute in own
        if (attribute.startswith("on_") or attribute in table._events.values())
        and table.method(attribute) is not None
    )
    for each in allowed:
        if isinstance(each, str) and table.method(each) is not None:
            continue
        meant = _meant(str(each), [*handlers, *FROM_CLIENTS])
        yield Finding(
            "acl-unknown-name",
            "problem",
            f"the ACL of {name} names {each!r}, and there is no such method",
            f"did you mean {meant!r}?" if meant else "it takes names of methods: 'on_user_message'",
        )
    left_out = [each for each in handlers if each not in allowed]
    if left_out:
        yield Finding(
            "acl-shuts-out",
            "note",
            f"the ACL of {name} leaves out {', '.join(left_out)}: clients reach them only where "
            "add_acl_method() has been called",
            "nothing, if that is meant",
        )


def _meant(given: str, names: list[str]) -> str:
    for candidate in (method_name_for(given), f"on_{given}"):
        if candidate in names:
            return str(candidate)
    return next(iter(difflib.get_close_matches(given, names, n=1)), "")
