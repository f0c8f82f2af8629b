"""One request under the resource, as transports see it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote

from ..protocol.engine_limits import Decoded

__all__ = ["Request", "WouldBlock"]

_NOT_ASKED = "\0"
#: Characters that a path may show as they are (RFC 3986).
_PATH_SAFE = "/~!$&'()*+,;=:@"


class WouldBlock(Exception):
    """The request has to be answered in a task of its own: what it needs may block.

    Raised for requests with ``may_block`` false only, and before anything was changed, so that the
    same request can be answered from the beginning.
    """


class Request:
    """The WSGI environ, and what is asked of it for every request.

    Users get a ``webob.Request``; this one costs next to nothing to make.
    """

    __slots__ = (
        "_callback",
        "_fields",
        "body",
        "counted",
        "engine",
        "engine_packets",
        "environ",
        "may_block",
        "method",
        "packets",
        "query_string",
    )

    def __init__(
        self, environ: dict[str, Any], body: bytes | None = None, *, may_block: bool = True
    ) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.query_string: str = environ.get("QUERY_STRING", "")
        #: The whole body, where the server has read it; else it is in ``environ["wsgi.input"]``.
        self.body = body
        #: Whether this is a task of its own, which may wait. What is answered in the event loop
        #: raises :class:`WouldBlock` instead.
        self.may_block = may_block
        #: Whether the session has counted it, which it does once.
        self.counted = False
        #: What the body was taken apart into, or why it was not: the answer may be begun again in a
        #: task.
        self.packets: list[str] | str | None = None
        #: Whether it is of a client since 1.0, which reads refusals as JSON.
        self.engine = False
        self.engine_packets: Decoded | None = None
        self._fields: dict[str, str] | None = None
        # Asked for three times by every request of a client that polls.
        self._callback: str | None = _NOT_ASKED

    @property
    def callback(self) -> str | None:
        """Which callback of a page its answer is to call, as a script: the field ``j`` of clients
        since 1.0. None for nearly all, which read the answer themselves."""
        callback = self._callback
        if callback is _NOT_ASKED:
            callback = self._callback = self.field("j")
        return callback

    def field(self, name: str) -> str | None:
        """The first value of a field of the query, or None."""
        query = self.query_string
        # Taking a query apart costs more than all else here, and most lack the field, though a
        # session's id may have its letters.
        if "%" not in query:
            if name not in query:
                return None
            whole = f"&{query}&"
            if f"&{name}=" not in whole and f"&{name}&" not in whole:
                return None
        if self._fields is None:
            # Not WebOb's: that raises on escapes that are no UTF-8. The first of two values wins.
            self._fields = dict(reversed(parse_qsl(query, keep_blank_values=True)))
        return self._fields.get(name)

    @property
    def path(self) -> str:
        """The path of the URL, quoted: for the log."""
        environ = self.environ
        path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return quote(path.encode("latin-1", "replace"), safe=_PATH_SAFE)
