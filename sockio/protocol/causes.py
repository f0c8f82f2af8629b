"""Which causes of an error are worth a traceback of their own."""

from __future__ import annotations

__all__ = ["telling"]

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
