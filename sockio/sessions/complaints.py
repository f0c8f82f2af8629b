"""What clients cause is logged through here, so that no client can fill a log or forge a line.

Of one *kind* about one *address* a number of lines a minute are written (setting ``log_lines``),
about one address ten times as many, and a hundred times as many about all of them. What comes above
is counted, and when its minute is over one line for each kind says how many were left out. Lines at
INFO and below, one for each session that opens, are counted apart, and there may be ten times as
many of them.

Kinds never mute each other: the first line of a kind in a minute is written whatever came before,
so the first exception of a handler is seen beside any number of refusals. Text that a client chose
is cut, and made printable, before it is in a record.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator
from typing import Any

from ..runtime.interfaces import Cancellable, Runtime
from .crowd import network_of
from .sayings import VALUE, Shown, Story, printable, safe, said

__all__ = ["Complaints", "debug_logger", "never_mute"]

#: Seconds that lines are counted for.
WINDOW = 60.0
#: Addresses that are counted apart, and kinds of lines about one. What comes above shares a count:
#: addresses with each other, and kinds that are logged by one logger at one level.
ADDRESSES, KINDS = 1000, 50
#: How many times ``log_lines`` may be written about one address, and about all of them.
AN_ADDRESS, ALL = 10, 100
#: How many times as many lines may be written at INFO and below.
CALM = 10

_SEVERAL = "several clients"

#: A refusal's code, or several words that tell one fault from another.
Kind = str | tuple[str, ...]

_never = False


def never_mute() -> None:
    """Write every line in this process from now on: somebody is watching (``--reload``)."""
    global _never
    _never = True


class _AtDebug(logging.Filter):
    """Lowers every line to DEBUG, and makes it safe."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
            return False
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        if isinstance(record.args, tuple):
            record.args = safe(record.args)
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = Story(record.exc_info[1]).text
        return True


_AT_DEBUG = _AtDebug()


def debug_logger(name: str) -> logging.Logger:
    """A logger to give to another library that says at INFO and ERROR what clients do wrong: its
    lines are logged at DEBUG, cut and printable."""
    logger = logging.getLogger(name)
    logger.addFilter(_AT_DEBUG)
    return logger


class _Count:
    """The lines of one kind about one address in one minute."""

    __slots__ = ("level", "logger", "muted", "written")

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self.logger = logger
        self.level = level
        self.written = 0
        self.muted = 0


class _Minute:
    """The lines about one address in one minute."""

    __slots__ = ("about", "ends", "kinds", "muted", "written")

    def __init__(self, about: str, ends: float) -> None:
        self.about = about
        self.ends = ends
        self.written = 0
        self.muted = False
        self.kinds: dict[Kind, _Count] = {}

    def count(self, logger: logging.Logger, level: int, kind: Kind) -> _Count:
        """What counts lines of that kind."""
        count = self.kinds.get(kind)
        if count is None:
            if len(self.kinds) >= KINDS:
                kind = (logger.name, logging.getLevelName(level))
                count = self.kinds.get(kind)
            if count is None:
                count = self.kinds[kind] = _Count(logger, level)
        return count


class _Minutes:
    """The present minutes of all addresses, for lines that are counted together."""

    def __init__(self) -> None:
        #: By address, and in the order in which they end: all are of one length.
        self.of: dict[str, _Minute] = {}
        #: Lines about all of them, and when counting begins anew.
        self.written = 0
        self.ends = 0.0

    def minute(self, about: str, now: float, limit: int) -> _Minute:
        """The minute of an address, none of them being over. ``limit`` is for lines about all."""
        if now >= self.ends:
            self.ends = now + WINDOW
            self.written = 0
        minute = self.of.get(about)
        if self.written >= limit or (minute is None and len(self.of) >= ADDRESSES):
            about = _SEVERAL
            minute = self.of.get(about)
        if minute is None:
            minute = self.of[about] = _Minute(about, now + WINDOW)
        return minute

    def over(self, now: float) -> Iterator[_Minute]:
        """Take out those that have ended."""
        while self.of:
            about = next(iter(self.of))
            if self.of[about].ends > now:
                return
            yield self.of.pop(about)


class Complaints:
    """The lines of one middleware. Everything here is for the thread its sockets live in."""

    def __init__(self, runtime: Runtime, lines: int) -> None:
        self._runtime = runtime
        #: Lines of one kind about one address in a minute; 0 for all. A change counts at once.
        self.lines = lines
        self._loud = _Minutes()
        self._calm = _Minutes()
        self._timer: Cancellable | None = None
        self._closed = False

    def say(
        self,
        logger: logging.Logger,
        level: int,
        kind: Kind,
        address: str,
        message: str,
        *args: Any,
        exc_info: bool | BaseException = False,
        quiet: bool = False,
    ) -> None:
        """Log ``message % args``, unless there was enough of its ``kind`` about that ``address``.

        ``kind`` is a refusal's code, or whatever tells one fault from another; no part of it may be
        a text that a client chose. ``message`` is ours, and each of ``args`` that is no number is
        cut and made printable. ``exc_info`` adds the traceback of that exception, or of the one
        being handled, whose type is then a part of the kind.

        Log handlers may block, so call it in a task, or with ``quiet`` from the event loop: the
        line is then written by a task of its own.
        """
        if not logger.isEnabledFor(level):
            return
        error = sys.exc_info()[1] if exc_info is True else exc_info or None
        if not self._runtime.here():
            # A database in a thread of its own, say.
            self._runtime.from_thread(
                functools.partial(
                    self.say, logger, level, kind, address, message, *args, exc_info=error or False
                )
            )
            return
        if not (_never or not self.lines or logger.isEnabledFor(logging.DEBUG)):
            if error is not None:
                kind = (*((kind,) if isinstance(kind, str) else kind), type(error).__qualname__)
            enough = self._enough(logger, level, kind, address)
            if enough is None:
                return
            message += enough
        shown = safe(args)
        if quiet:
            self._runtime.run(_write, logger, level, message, shown, error)
        else:
            _write(logger, level, message, shown, error)

    def _enough(self, logger: logging.Logger, level: int, kind: Kind, address: str) -> str | None:
        """What is added to a line that may be written; None for one that may not."""
        calm = level <= logging.INFO
        minutes = self._calm if calm else self._loud
        lines = self.lines * CALM if calm else self.lines
        now = self._runtime.now()
        self._sum_up(minutes, now)
        kind = kind[:VALUE] if isinstance(kind, str) else tuple([part[:VALUE] for part in kind])
        minute = minutes.minute(network_of(address), now, lines * ALL)
        count = minute.count(logger, level, kind)
        if count.written >= lines or (count.written and minute.written >= lines * AN_ADDRESS):
            count.muted += 1
            minute.muted = True
            self._watch()
            return None
        count.written += 1
        minute.written += 1
        minutes.written += 1
        if count.written == lines or minute.written >= lines * AN_ADDRESS:
            return " (more of this kind within a minute are only counted)"
        return ""

    # ---- the end of a minute

    def _watch(self) -> None:
        """Come back when the first minute in which something was left out is over."""
        if self._timer is None and not self._closed:
            ends = [
                minute.ends
                for minutes in (self._loud, self._calm)
                for minute in minutes.of.values()
                if minute.muted
            ]
            if ends:
                self._timer = self._runtime.at(min(ends), self._minute_is_over)

    def _minute_is_over(self) -> None:
        self._timer = None
        now = self._runtime.now()
        self._sum_up(self._loud, now)
        self._sum_up(self._calm, now)
        self._watch()

    def close(self) -> None:
        """Say now what was left out, and wait for no minute's end any more; call it again at the
        very end. :meth:`reopen` undoes it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sum_up(self._loud, float("inf"))
        self._sum_up(self._calm, float("inf"))

    def reopen(self) -> None:
        self._closed = False

    def _sum_up(self, minutes: _Minutes, now: float) -> None:
        for minute in minutes.over(now):
            if not minute.muted:
                continue
            for kind, count in minute.kinds.items():
                if count.muted:
                    words = kind if isinstance(kind, str) else " ".join(kind)
                    args = (count.muted, Shown(words), Shown(minute.about))
                    self._runtime.run(_write, count.logger, count.level, _LEFT_OUT, args, None)


_LEFT_OUT = "%d more lines of this kind [%s] about %s were left out in the last minute"


def _write(
    logger: logging.Logger,
    level: int,
    message: str,
    args: tuple[Any, ...],
    error: BaseException | None,
) -> None:
    story = None if error is None else Story(error)
    try:
        if story is None or error is None:
            logger.log(level, message, *args)
        else:
            exc_info = (type(error), error, error.__traceback__)
            record = logger.makeRecord(
                logger.name, level, __file__, 0, message, args, exc_info, "_write"
            )
            # Where logging's formatters look first.
            record.exc_text = story.text
            logger.handle(record)
    except Exception as failure:
        # Of a filter or a handler of the application's. Who has something to say must not fail by
        # that, nor shall it be lost.
        _write_to_stderr(logger, level, message, args, story, failure)
    for each in (*args, story):
        if isinstance(each, (Shown, Story)) and each.ended is not None:
            # It has waited for the line.
            raise each.ended


def _write_to_stderr(
    logger: logging.Logger,
    level: int,
    message: str,
    args: tuple[Any, ...],
    story: Story | None,
    failure: Exception,
) -> None:
    with contextlib.suppress(Exception):
        lines = [f"{logging.getLevelName(level)} {logger.name}: {message % args}"]
        if story is not None:
            lines.append(story.text)
        lines.append(f"The line could not be logged: {printable(said(failure, repr))}")
        sys.stderr.write("\n".join(lines) + "\n")
