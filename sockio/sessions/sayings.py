"""What values and exceptions say of themselves, as it may stand in a log: cut, printable, and some
words about it where it cannot be said. A value of the application's may raise whatever it likes
when it is asked, and no line shall be lost by that.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

from .jobs import ENDS_A_TASK

__all__ = [
    "ADVICE",
    "TRACEBACK",
    "VALUE",
    "Shown",
    "Story",
    "at_length",
    "printable",
    "safe",
    "said",
]

#: Characters of one value, of a text of ours with a value in it, of an exception's text, and of a
#: traceback; what is longer is cut in its middle.
VALUE, ADVICE, SAID, TRACEBACK = 200, 1_000, 2_000, 20_000
#: Exceptions looked through that led to one another.
CHAIN = 50


def cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    left_out = len(text) - limit
    return f"{text[: limit - limit // 4]}[... {left_out} characters ...]{text[-(limit // 4) :]}"


def printable(text: str, limit: int = VALUE) -> str:
    """``text`` as it may stand in a log: on one line, without control characters, and cut where it
    is longer than ``limit`` characters."""
    return _escaped(cut(text, limit))


def _escaped(text: str, kept: str = "") -> str:
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text])


def said(value: object, say: Callable[[object], str] = str) -> str:
    """``str(value)``, or what else ``say`` makes of it; some words in its place where that fails,
    whatever it raises. Only what ends a task is raised."""
    try:
        return str(say(value))
    except ENDS_A_TASK:
        raise
    except BaseException as failure:
        return _unsaid(value, failure)


def _unsaid(value: object, failure: BaseException) -> str:
    return f"<{type(value).__name__}, which cannot be shown: {type(failure).__name__}>"


class Shown:
    """A value that prints itself safely, and only when somebody reads the line."""

    __slots__ = ("_limit", "_value", "ended")

    def __init__(self, value: Any, limit: int = VALUE) -> None:
        # What is kept by a handler that keeps records shall not be the megabyte that a client sent.
        self._value = cut(value, limit) if isinstance(value, str) else value
        self._limit = 2 * limit
        #: What would have ended the task while it was printed: for when the line is written.
        self.ended: BaseException | None = None

    def _show(self, say: Callable[[object], str]) -> str:
        try:
            text = said(self._value, say)
        except BaseException as end:
            self.ended, text = end, _unsaid(self._value, end)
        return printable(text, self._limit)

    def __str__(self) -> str:
        return self._show(str)

    def __repr__(self) -> str:
        return self._show(repr)


_SAFE = (int, float, Shown)


def safe(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a line."""
    return tuple([arg if isinstance(arg, _SAFE) else Shown(arg) for arg in args])


def at_length(text: str) -> object:
    """An argument for :meth:`Complaints.say` in which a client's words are within ours: cut only
    where it is longer than what we have to say."""
    return Shown(text, ADVICE)


class Story:
    """The traceback of an exception. What that says may be what a client sent: it is cut, and its
    further lines are marked, so that none of them looks like one of the log's own."""

    __slots__ = ("ended", "text")

    def __init__(self, error: BaseException) -> None:
        #: As :attr:`Shown.ended`.
        self.ended: BaseException | None = None
        try:
            self.text = _story(error)
        except BaseException as failure:
            if isinstance(failure, ENDS_A_TASK):
                self.ended = failure
            # Where it was is what its author needs.
            lines = ["Traceback (most recent call last):\n", *_frames(error)]
            self.text = cut("".join(lines), TRACEBACK) + _unsaid(error, failure)


def _frames(error: BaseException) -> list[str]:
    try:
        return traceback.format_tb(error.__traceback__)
    except Exception:
        return []


def _story(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    for before, words in _sayings(error):
        if len(words) > SAID or not words.isprintable():
            marked = "\n  | ".join([_escaped(line) for line in cut(words, SAID).split("\n")])
            text = text.replace(before + words, before + marked)
    return cut(_escaped(text, "\n"), TRACEBACK)


def _sayings(error: BaseException) -> Iterator[tuple[str, str]]:
    """The texts of an exception and of those that led to it, and what stands before each."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < CHAIN:
        each = waiting.pop()
        seen.add(id(each))
        yield ": ", said(each)
        for note in getattr(each, "__notes__", None) or ():
            yield "\n", said(note)
        led = (each.__cause__, each.__context__, *getattr(each, "exceptions", ()))
        waiting += [one for one in led if one is not None and id(one) not in seen]
