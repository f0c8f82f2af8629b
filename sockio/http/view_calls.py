"""How the call of a view ended that let a client in, and what its framework says of its value.

gevent-socketio never looked at what the view returned, and neither did anybody else: the view did
not end while the client was there. So views return ``"out"``, nothing, or what
:func:`~sockio.socketio_manage` returned. Of the first two some frameworks make a failure, and it
has to be told from all others: from what the view raised, and from what somebody else said in its
place, whose own answer may be wrong. So the frames of the call are kept until the answer is there.
A frame remembers the instruction by which it was left, and what its names stood for.

No framework is imported here: one that a view uses has been.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import sys
from collections.abc import Iterator
from types import FrameType, FunctionType, MethodType, TracebackType
from typing import Any

from ..config.plain import no_answer

__all__ = ["OVERHEARD", "ViewCall", "meant_no", "overhear"]

#: Where the environ has the failures that a framework has made pages of.
OVERHEARD = "sockio.overheard"

#: Who calls views, by module and function, and under what name it has what they return.
_CALLERS = {
    ("bottle", "_handle"): "out",
    ("flask.app", "full_dispatch_request"): "rv",
    ("django.core.handlers.base", "_get_response"): "response",
    ("pyramid.viewderivers", "viewresult_to_response"): "result",
    ("pyramid.viewderivers", "rendered_view"): "result",
}
_RETURNS = frozenset(
    dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap
)
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
#: Where a generator stands that has given something.
_YIELDS = frozenset(dis.opmap[name] for name in ("YIELD_VALUE", "RESUME") if name in dis.opmap)
#: Packages that run a view in a task of its own, which may be at work when the answer is there.
_PLUMBING = frozenset(("asyncio", "concurrent", "gevent", "threading"))
#: What calls a function for coroutines that wait for it, and the other way round.
_BRIDGE = "asgiref"
#: And we, who wait for that.
_HERE = __name__.rpartition(".")[0] + "."
#: So many frames are looked through, and kept where a framework is among them.
_MOST = 100
#: What takes numbers of these for a status.
_REFUSING = range(300, 600)


class ViewCall:
    """The call of a view, which is under way.

    To be forgotten as soon as it is not of interest any more: it keeps all that is going on there.
    """

    __slots__ = ("_around", "_caller", "_frames", "_name")

    def __init__(self, frames: list[FrameType], around: list[FrameType], name: str) -> None:
        #: From who let the client in to the view; and from the framework that called it, where that
        #: is known, to us: it may have been asked by another view.
        self._frames = frames
        self._around = around
        self._caller = around[0] if around else None
        self._name = name

    @classmethod
    def of_caller(cls) -> ViewCall | None:
        """The call in which whoever called our caller is: up to us, who wait for the answer, or as
        far as it goes in this task; through asgiref, which calls a synchronous view for coroutines
        of Django's, to those that wait for it."""
        frame = sys._getframe(1).f_back
        frames: list[FrameType] = []
        within, known, crossed = 0, "", False
        while frame is not None and len(frames) < _MOST:
            module = frame.f_globals.get("__name__", "")
            if module.partition(".")[0] == _BRIDGE:
                if not known and not crossed:
                    within = len(frames)
                crossed = True
                frames += _that_wait(frame)
                frame = frame.f_back
                continue
            if module.partition(".")[0] in _PLUMBING or module.startswith(_HERE):
                break
            if not known and not crossed:
                known = _CALLERS.get((module, frame.f_code.co_name), "")
                within = len(frames)
            frames.append(frame)
            frame = frame.f_back
        if not known and not crossed:
            within = len(frames)
        return cls(frames[:within], frames[within:], known) if within else None

    @property
    def failed(self) -> bool:
        """Whether something was raised, by who let the client in or by who called that, and
        somebody else has answered."""
        return not all(map(_has_returned, (*self._frames, *self._around)))

    @property
    def may_be_closed(self) -> bool:
        """Whether what looks like a failure may be a generator that somebody has closed before its
        end: inside of ``finally`` or ``with`` it is left as by any other exception, and nothing
        tells by which."""
        left = [each for each in (*self._frames, *self._around) if not _has_returned(each)]
        return bool(left) and all(each.f_code.co_flags & _GENERATORS for each in left)

    def meant_no(self, *, taken: bool) -> str:
        """What the view returned, in words, if that says no: :func:`meant_no`; "" otherwise, and
        where its framework does not show it."""
        if self._caller is None or not all(map(_has_returned, self._frames)):
            return ""
        return meant_no(self._caller.f_locals.get(self._name), taken=taken)

    def is_blamed_by(self, error: BaseException) -> bool:
        """Whether a framework raised ``error`` because what the view returned is no answer of its
        kind.

        False for whatever a view or another part of the application raised, and where the two
        cannot be told apart.
        """
        if self._caller is None or error.__cause__ is not None:
            return False
        if error.__context__ is not None and not _is_pyramids_own(error.__context__):
            # Raised over another failure, perhaps by the view for failures.
            return False
        frames = list(_frames(error.__traceback__))
        if not frames or any(each.f_code.co_name == _FOR_FAILURES for each in frames):
            return False
        if not all(map(_has_returned, self._frames)):
            return self._is_of_a_decorator(error, frames)
        value = self._caller.f_locals.get(self._name)
        where = [(each.f_globals.get("__name__", ""), each.f_code.co_name) for each in frames]
        if isinstance(error, TypeError):
            # Functions before the view have the same caller, and the view may have raised then.
            by_view = self._frames[-1].f_code.co_name == "dispatch_request"
            return by_view and frames[-3:-2] == [self._caller] and where[-2:] == _MADE_BY_FLASK
        if isinstance(error, ValueError):
            if where[-1] == ("django.core.handlers.base", "check_response"):
                return frames[-2:-1] == [self._caller]
            return frames[-1] is self._caller
        if isinstance(error, AttributeError):
            # Django looks at what it takes for the response; so do its middlewares.
            return error.obj is value is not None and all(
                _is_djangos(module) for module, _ in where[-2:]
            )
        return False

    def _is_of_a_decorator(self, error: BaseException, frames: list[FrameType]) -> bool:
        """Whether one of Django's around the view, such as ``never_cache``, raised ``error``
        because what the view returned is no response."""
        decorator = next(each for each in self._frames if not _has_returned(each))
        if decorator is self._frames[0] or not isinstance(error, AttributeError):
            return False
        # From the framework to where it was raised. One of the site's that is around it might have
        # refused, had it come to that.
        within = list(itertools.dropwhile(lambda each: each is not self._caller, frames))
        if decorator not in within or not all(
            _is_djangos(each.f_globals.get("__name__", "")) for each in within
        ):
            return False
        value = next((decorator.f_locals[n] for n in _RESPONSES if n in decorator.f_locals), error)
        # What is nothing has other reasons to have no attribute: only what was called with it.
        asked = any(within[-1].f_locals.get(name, error) is value for name in _RESPONSES)
        return asked and error.obj is value and not meant_no(value, taken=False)


#: By what names Django's own decorators have what a view returned.
_RESPONSES = ("response", "resp")


def _is_djangos(module: str) -> bool:
    return module.partition(".")[0] in ("django", "asgiref")


_MADE_BY_FLASK = [("flask.app", "finalize_request"), ("flask.app", "make_response")]


def _has_returned(frame: FrameType) -> bool:
    """Whether the frame was left by ``return``: not by what was raised, and not yet. A generator
    may stand where it has given something, for good."""
    code = frame.f_code
    last = code.co_code[frame.f_lasti]
    return last in _RETURNS or (last in _YIELDS and bool(code.co_flags & _GENERATORS))


def meant_no(value: Any, *, taken: bool) -> str:
    """What a value of a view is that says no, or neither yes nor no, in words; "" for others.

    It is judged as that of any other gate, but that it is a page: nothing and whatever is empty
    are, and numbers stand for a status. ``taken`` says that the framework made an answer of it.
    """
    cls = type(value)
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return repr(value) if not value or value in _REFUSING else ""
    if taken and (hasattr(cls, "__next__") or issubclass(cls, (FunctionType, MethodType))):
        # A page that comes piece by piece; an application.
        return ""
    if not taken and issubclass(cls, tuple):
        return "a tuple, which is no answer here"
    try:
        if value is not NotImplemented and not hasattr(cls, "__len__") and not value:
            return f"a {cls.__name__} that is false"
        return no_answer(value)
    except Exception as error:
        return f"a {cls.__name__} that fails when it is asked whether it is true: {error!r}"


def _that_wait(frame: FrameType) -> list[FrameType]:
    """The frames of the coroutines, such as Django's asynchronous middlewares, for which asgiref
    calls a function in ``frame``: they are in another task."""
    loop = frame.f_locals.get("loop") if frame.f_code.co_name == "thread_handler" else None
    asyncio: Any = sys.modules.get("asyncio")
    if loop is None or asyncio is None:
        return []
    for task in asyncio.all_tasks(loop):
        waiting: list[FrameType] = []
        here = False
        coroutine: Any = task.get_coro()
        while inspect.iscoroutine(coroutine) and len(waiting) < _MOST:
            inner: FrameType | None = coroutine.cr_frame
            if inner is not None:
                if inner.f_globals.get("__name__", "").partition(".")[0] == _BRIDGE:
                    here = inner.f_code.co_name == "__call__"
                else:
                    waiting.append(inner)
            coroutine = coroutine.cr_await
        if here:
            return waiting
    return []


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _is_pyramids_own(context: BaseException) -> bool:
    """Pyramid looks for a view for the failure, in vain, and raises it again."""
    return any(each.f_code.co_name == _FOR_FAILURES for each in _frames(context.__traceback__))


_FOR_FAILURES = "invoke_exception_view"


# ---- failures that a framework makes a page of


def overhear(environ: dict[str, Any]) -> list[BaseException]:
    """A list to which the failures of this request are added that a framework makes pages of."""
    heard: list[BaseException] = []
    environ[OVERHEARD] = heard
    if "django.core.signals" in sys.modules:
        _listen_to_django()
    if "flask.signals" in sys.modules:
        _listen_to_flask()
    return heard


@functools.cache
def _listen_to_django() -> None:
    def failed(sender: Any, request: Any = None, **more: Any) -> None:
        error = sys.exc_info()[1]
        heard = getattr(request, "META", {}).get(OVERHEARD)
        if heard is not None and error is not None:
            heard.append(error)

    signal: Any = sys.modules["django.core.signals"].got_request_exception
    signal.connect(failed, weak=False)


@functools.cache
def _listen_to_flask() -> None:
    flask: Any = sys.modules["flask"]

    def failed(sender: Any, exception: BaseException, **more: Any) -> None:
        heard = flask.request.environ.get(OVERHEARD)
        if heard is not None:
            heard.append(exception)

    flask.signals.got_request_exception.connect(failed, weak=False)
