"""How an Engine.IO server refuses a request: a code, and an HTTP status for it.

The body is ``{"code":1,"message":"Session ID unknown"}``, of the type ``application/json``.

Facts: engine.io 6.6.11, ``lib/server.ts``.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Literal

from .strict_json import dumps

__all__ = ["EngineError", "error_body", "revision_in", "revisions_in"]


class EngineError(IntEnum):
    """The codes, in the order in which a request is looked at but for the last, which is for what
    has no session yet."""

    #: ``transport`` is missing, or names none that is offered.
    UNKNOWN_TRANSPORT = 0
    #: There is no session of that ``sid`` (any more).
    UNKNOWN_SID = 1
    #: A session is opened by GET.
    BAD_HANDSHAKE_METHOD = 2
    #: A websocket that is none, another transport or revision than the session's, bad characters
    #: in ``Origin``.
    BAD_REQUEST = 3
    #: The application said no. The only one with a message of its own.
    FORBIDDEN = 4
    #: ``EIO`` is missing, garbled, or of a revision that is not served.
    UNSUPPORTED_PROTOCOL = 5

    @property
    def status(self) -> str:
        """The HTTP status line."""
        return "403 Forbidden" if self is EngineError.FORBIDDEN else "400 Bad Request"

    @property
    def message(self) -> str:
        return _MESSAGES[self]


_MESSAGES = {
    EngineError.UNKNOWN_TRANSPORT: "Transport unknown",
    EngineError.UNKNOWN_SID: "Session ID unknown",
    EngineError.BAD_HANDSHAKE_METHOD: "Bad handshake method",
    EngineError.BAD_REQUEST: "Bad request",
    EngineError.FORBIDDEN: "Forbidden",
    EngineError.UNSUPPORTED_PROTOCOL: "Unsupported protocol version",
}


def error_body(error: EngineError, message: str | None = None) -> str:
    """The JSON that says which error it is; ``message`` instead of the code's own."""
    return dumps({"code": int(error), "message": error.message if message is None else message})


_REVISION = re.compile(r"(?:^|&)EIO=([^&]*)")


def revision_in(query: str) -> Literal[3, 4] | None:
    """The revision of Engine.IO that a raw query string asks for, or None.

    None is for a query without ``EIO``, with one that is neither 3 nor 4, and with more than one.
    The reference takes all of these for revision 3; its protocol suites want them refused.
    """
    if query[:6] == "EIO=4&" and query.count("EIO=") == 1:
        return 4  # as nearly all
    found = revisions_in(query)
    if found == ["4"]:
        return 4
    if found == ["3"]:
        return 3
    return None


def revisions_in(query: str) -> list[str]:
    """What stands behind each ``EIO`` of a raw query string, as it is written."""
    return _REVISION.findall(query)
