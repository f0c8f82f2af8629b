"""Whose fault it is that JSON was not read or written, and what is worth a traceback of its own."""

from __future__ import annotations

from ..exceptions import PacketError
from .strict_json import default_json_loads

__all__ = ["ReaderFailed", "is_readers_own", "telling"]

#: Whose frames tell a user nothing: the standard library's JSON, and this package.
_OURS = {"json", __name__.partition(".")[0]}


def telling(error: Exception) -> Exception | None:
    """What stands behind ``from`` where `error` becomes one whose message has the words of it.

    `error` itself where it came up in code of the application's, such as a ``json_default``, whose
    lines have to be seen. None where it came up in the writer of JSON: that a value cannot be
    written is said already, and thirty lines of how it was found out would hide the line that
    tried.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    module = str(last.tb_frame.f_globals.get("__name__", "")) if last is not None else ""
    return None if module.partition(".")[0] in _OURS else error


class ReaderFailed(PacketError):
    """The application's ``json_loads`` has failed, at what is JSON. Whoever reads packets has one
    kind of error to look after; who answers for them does not blame the peer for this one."""


def is_readers_own(error: Exception, text: str) -> bool:
    """Whether what a ``json_loads`` raised is its own failure, and no word about ``text``.

    By ``ValueError`` it says that something is wrong with the text, and so it does where it gives
    up at lists in lists. Libraries have other errors for it, too: what they are raised for is no
    JSON then.
    """
    if isinstance(error, (ValueError, RecursionError)):
        return False
    try:
        default_json_loads(text)
    except ValueError:
        return False
    return True
