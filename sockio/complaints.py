"""What clients cause is logged through here, so that no client can fill a log or forge a line.

Of one *kind* about one *address* a number of lines a minute are written (setting ``log_lines``).
What comes above is counted, and when its minute is over one line says how many were left out.
Kinds never count against each other: whatever a client is refused, the first exception of a handler
is still seen. Text that a client chose is cut, and made printable, before it is in a record.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from .interfaces import Cancellable, Runtime

__all__ = ["Complaints", "never_mute", "printable"]

#: Seconds that lines are counted for.
WINDOW = 60.0
#: Kinds of lines, each about one address, that are counted apart; those above share one count for
#: each logger and level.
WINDOWS = 1000
#: Characters of one value, and of a traceback; what is longer is cut in its middle.
VALUE, TRACEBACK = 200, 20_000

#: A refusal's code, or several words that tell one fault from another.
Kind = str | tuple[str, ...]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_never = False


def never_mute() -> None:
    """Write every line in this process from now on: somebody is watching (``--reload``)."""
    global _never
    _never = True


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    left_out = len(text) - limit
    return f"{text[: limit - limit // 4]}[... {left_out} characters ...]{text[-(limit // 4) :]}"


def printable(text: str, limit: int = VALUE) -> str:
    """``text`` as it may stand in a log: on one line, without control characters, and cut where it
    is longer than ``limit`` characters."""
    text = _cut(text, limit)
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])


class _Shown:
    """A value that prints itself safely, and only when somebody reads the line."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        # What is kept by a handler that keeps records shall not be the megabyte that a client sent.
        self._value = _cut(value, VALUE) if isinstance(value, str) else value

    def __str__(self) -> str:
        return printable(str(self._value), 2 * VALUE)

    def __repr__(self) -> str:
        return printable(repr(self._value), 2 * VALUE)


class _Window:
    """The lines of one kind about one address in one minute."""

    __slots__ = ("about", "ends", "kind", "level", "logger", "muted", "written")

    def __init__(
        self, logger: logging.Logger, level: int, kind: Kind, about: str, ends: float
    ) -> None:
        self.logger = logger
        self.level = level
        self.kind = kind
        self.about = about
        self.ends = ends
        self.written = 0
        self.muted = 0


class Complaints:
    """The lines of one middleware. Everything here is for the thread its sockets live in."""

    def __init__(self, runtime: Runtime, lines: int) -> None:
        self._runtime = runtime
        #: Lines of one kind about one address in a minute; 0 for all.
        self.lines = lines
        self._windows: dict[tuple[Kind, str], _Window] = {}
        self._timer: Cancellable | None = None

    def say(
        self,
        logger: logging.Logger,
        level: int,
        kind: Kind,
        address: str,
        message: str,
        *args: Any,
        exc_info: bool = False,
        quiet: bool = False,
    ) -> None:
        """Log ``message % args``, unless there was enough of its ``kind`` about that ``address``.

        ``kind`` is a refusal's code, or whatever tells one fault from another; no part of it may be
        a text that a client chose. ``message`` is ours, and each of ``args`` that is no number is
        cut and made printable. ``exc_info`` adds the traceback of the exception being handled.

        Log handlers may block, so call it in a task, or with ``quiet`` from the event loop: the
        line is then written by a task of its own.
        """
        if not logger.isEnabledFor(level):
            return
        window = self._window(logger, level, kind, address)
        if window is not None:
            if window.written >= self.lines:
                window.muted += 1
                self._watch()
                return
            window.written += 1
            if window.written == self.lines:
                message += " (more of this kind within a minute are only counted)"
        shown = tuple([arg if isinstance(arg, (int, float)) else _Shown(arg) for arg in args])
        error: Any = sys.exc_info() if exc_info else None
        if quiet:
            self._runtime.run(_write, logger, level, message, shown, error)
        else:
            _write(logger, level, message, shown, error)

    def _window(
        self, logger: logging.Logger, level: int, kind: Kind, address: str
    ) -> _Window | None:
        """Where the line counts; None where every line is written."""
        if _never or not self.lines or logger.isEnabledFor(logging.DEBUG):
            return None
        key: tuple[Kind, str] = (kind, address)
        window = self._windows.get(key)
        now = self._runtime.now()
        if window is not None and window.ends > now:
            return window
        if window is None and len(self._windows) >= WINDOWS:
            self._sum_up(now)
            if len(self._windows) >= WINDOWS:
                key = (logger.name, str(level))
                kind, address = "of several kinds", "several clients"
                window = self._windows.get(key)
                if window is not None and window.ends > now:
                    return window
        if window is not None:
            self._tell(window)
        window = self._windows[key] = _Window(logger, level, kind, address, now + WINDOW)
        return window

    # ---- the end of a minute

    def _watch(self) -> None:
        if self._timer is None:
            ends = min(window.ends for window in self._windows.values() if window.muted)
            self._timer = self._runtime.at(ends, self._minute_is_over)

    def _minute_is_over(self) -> None:
        self._timer = None
        self._sum_up(self._runtime.now())
        if any(window.muted for window in self._windows.values()):
            self._watch()

    def close(self) -> None:
        """Say now what was left out."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sum_up(float("inf"))

    def _sum_up(self, now: float) -> None:
        for key in [key for key, window in self._windows.items() if window.ends <= now]:
            self._tell(self._windows.pop(key))

    def _tell(self, window: _Window) -> None:
        if window.muted:
            kind = window.kind if isinstance(window.kind, str) else " ".join(map(str, window.kind))
            args = (window.muted, _Shown(kind), _Shown(window.about))
            self._runtime.run(_write, window.logger, window.level, _LEFT_OUT, args, None)
            window.muted = 0


_LEFT_OUT = "%d more lines of this kind [%s] about %s were left out in the last minute"


def _write(
    logger: logging.Logger,
    level: int,
    message: str,
    args: tuple[Any, ...],
    error: ExcInfo | None,
) -> None:
    if error is None or error[0] is None:
        logger.log(level, message, *args)
        return
    record = logger.makeRecord(logger.name, level, __file__, 0, message, args, error, "_write")
    text = "".join(traceback.format_exception(*error)).rstrip("\n")
    # Where logging's formatters look first; an exception's text may hold what a client sent.
    record.exc_text = _cut(text, TRACEBACK)
    logger.handle(record)
