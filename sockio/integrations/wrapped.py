"""Where in an application the middleware is, however many others are around it."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..middleware import SocketIOMiddleware
from ..server import find_middleware

__all__ = ["as_wrapped", "middlewares_in"]

#: Objects looked at. The middleware is a few steps below the outermost callable; what is further
#: down are the insides of a framework.
_ENOUGH = 2000

_CALLABLE_OR_FULL = (Mapping, list, tuple)


def middlewares_in(app: Any) -> list[SocketIOMiddleware]:
    """Every middleware that ``app`` keeps in an attribute, a closure, a list or a mapping, of its
    own or of what it wraps; the outermost first. Only looks: nothing is called, no property read.
    """
    found: list[SocketIOMiddleware] = []
    seen: set[int] = set()
    queue = deque([app])
    while queue and len(seen) < _ENOUGH:
        one = queue.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, SocketIOMiddleware):
            found.append(one)
        else:
            queue.extend(each for each in _inside(one) if _worth_a_look(each))
    return found


def _worth_a_look(one: Any) -> bool:
    return isinstance(one, _CALLABLE_OR_FULL) or (callable(one) and not isinstance(one, type))


def _inside(one: Any) -> Iterator[Any]:
    if isinstance(one, Mapping):
        yield from list(one.values())
    elif isinstance(one, (list, tuple)):
        yield from one
    elif isinstance(one, types.MethodType):
        yield one.__self__
        yield one.__func__
    elif isinstance(one, types.FunctionType):
        for cell in one.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # a name that has no value yet
                continue
        yield from vars(one).values()  # functools.wraps
    elif isinstance(one, functools.partial):
        yield from (one.func, *one.args, *one.keywords.values())
    else:
        try:
            yield from list(vars(one).values())
        except TypeError:  # it has no attributes of its own
            return


def as_wrapped(app: Callable[..., Any]) -> Callable[..., Any]:
    """``app`` as :class:`~sockio.server.SocketIOServer` takes it for wrapped already, when the
    middleware is somewhere inside; itself otherwise."""
    if find_middleware(app) is not None:
        return app
    found = middlewares_in(app)
    return _Outer(app, found[0]) if found else app


class _Outer:
    """An application and the middleware inside it."""

    def __init__(self, app: Callable[..., Any], middleware: SocketIOMiddleware) -> None:
        self.app = app
        self.sockio_middleware = middleware

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer
