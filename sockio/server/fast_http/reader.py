"""Requests out of bytes, one at a time: httptools reads HTTP, this only keeps the books.

Nothing is given to the parser beyond the end of the present head, or of its body: so it is known to
the byte where a request ends, and until :meth:`RequestReader.take` everything of the present
request is still there to be handed to somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools

from ..heads import MAX_LINES

__all__ = ["MAX_HEAD", "RequestReader", "Strange"]

#: Bytes of a request line and its headers; gevent.pywsgi takes longer ones.
MAX_HEAD = 16384

_END_OF_HEAD = b"\r\n\r\n"
#: Bytes in which there is no room for more lines than a head may have.
_MANY = 3 * MAX_LINES

#: Header names of any case to keys of the environ; "" for a header that is left out.
_KEYS: dict[bytes, str] = {}
#: Clients choose the names, so what is remembered is bounded.
_MAX_KEYS = 500
_LONGEST_KEY = 60

#: Headers that decide how a request is read: told twice, they are not for us.
_ONCE = frozenset(
    (
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_CONNECTION",
        "HTTP_EXPECT",
        "HTTP_HOST",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_UPGRADE",
    )
)


class Strange(Exception):
    """This is no request that is plainly right; nothing of it has been taken."""


def _key_of(name: bytes) -> str:
    """The environ's key, as gevent.pywsgi makes it: names with an underscore, which would take the
    place of their twins with a dash, are left out."""
    text = name.decode("latin-1")
    key = "" if "_" in text else text.replace("-", "_").upper()
    if key and key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    if len(_KEYS) < _MAX_KEYS and len(name) <= _LONGEST_KEY:
        _KEYS[name] = key
    return key


class RequestReader:
    """The requests of one connection.

    ``make_environ`` gives the environ of a new request, with everything that the server knows
    without reading it; the headers are added. :meth:`feed`, then :meth:`head`; when that is true,
    either :meth:`rest` (and nothing more), or :meth:`take` until it gives the body.
    """

    __slots__ = (
        "_body",
        "_complete",
        "_fed",
        "_headed",
        "_make_environ",
        "_max_head",
        "_parser",
        "_twice",
        "_url",
        "_wanted",
        "environ",
        "upgrade",
        "waiting",
    )

    def __init__(
        self, make_environ: Callable[[], dict[str, Any]], max_head: int = MAX_HEAD
    ) -> None:
        self._make_environ = make_environ
        self._max_head = max_head
        #: The environ of the present request.
        self.environ: dict[str, Any] = {}
        #: Whether the present request asks for another protocol.
        self.upgrade = False
        #: What has arrived and is not taken: from the beginning of the present request, or what
        #: came behind its head once that is taken.
        self.waiting = b""
        self._fed = 0
        self._url = b""
        self._headed = False
        self._complete = False
        self._twice = False
        self._body: bytearray | None = None
        self._wanted = 0
        self._parser: Any = httptools.HttpRequestParser(self)

    # ---- what the parser calls

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = _KEYS.get(name)
        if key is None:
            key = _key_of(name)
        if not key:
            return
        environ = self.environ
        text = value.decode("latin-1").strip()
        if key not in environ:
            environ[key] = text
        elif key in _ONCE:
            self._twice = True
        else:
            environ[key] += ("; " if "COOKIE" in key else ",") + text

    def on_headers_complete(self) -> None:
        self._headed = True

    def on_message_complete(self) -> None:
        self._complete = True

    # ---- what the connection calls

    def feed(self, data: bytes) -> None:
        """Add what has arrived."""
        self.waiting = self.waiting + data if self.waiting else data

    @property
    def target(self) -> str:
        """What the present request asks for, as its first line has it."""
        return self._url.decode("latin-1")

    def head(self) -> bool:
        """Read on; whether the head of the present request is complete.

        Raises :class:`Strange` for what is not, or can no longer become, a request for us.
        """
        if self._head_is_complete():
            return True
        buffer, fed = self.waiting, self._fed
        if fed == 0:
            self.environ = self._make_environ()
        end = buffer.find(_END_OF_HEAD, fed - 3 if fed > 3 else 0)
        stop = len(buffer) if end < 0 else end + 4
        self._fed = stop
        try:
            self._parser.feed_data(buffer if fed == 0 and stop == len(buffer) else buffer[fed:stop])
        except httptools.HttpParserUpgrade:
            self.upgrade = True
        except httptools.HttpParserError as error:
            raise Strange(str(error)) from None
        if stop > self._max_head:
            raise Strange("the head is long")
        if end < 0:
            if self._head_is_complete():
                raise Strange("the head does not end as it should")
            return False
        method: bytes = self._parser.get_method()
        # The parser lets pass what others read in another way: more spaces than one.
        plain = buffer.startswith(b"%b %b HTTP/1.1\r\n" % (method, self._url))
        if not self._head_is_complete() or self._twice or not plain:
            raise Strange("the head is not that of a request of HTTP/1.1")
        if stop > _MANY and buffer.count(b"\r\n", 0, stop) > MAX_LINES + 2:
            raise Strange("the head has too many lines")
        self._set_target(method)
        return True

    def _head_is_complete(self) -> bool:
        # Asked by a method, because the parser changes it behind the back of whoever reads this.
        return self._headed

    def _set_target(self, method: bytes) -> None:
        environ = self.environ
        environ["REQUEST_METHOD"] = method.decode("latin-1")
        target = self._url.decode("latin-1")
        # As gevent.pywsgi takes it apart, but for escapes, which no path of ours has.
        environ["PATH_INFO"], _, environ["QUERY_STRING"] = target.partition("?")

    def rest(self) -> bytes:
        """Everything from the beginning of the present request, whose body was not taken."""
        return self.waiting

    def take(self) -> bytes | None:
        """Take the present request: its body, once that is complete, and None before.

        For requests without a body, or with one whose length is told. Raises :class:`Strange` when
        the bytes cannot be trusted any more.
        """
        body = self._body
        if body is None:
            stop = self._fed
            buffer = self.waiting
            length = 0 if self._complete else int(self.environ["CONTENT_LENGTH"])
            if length == 0:
                self.waiting = buffer[stop:] if len(buffer) > stop else b""
                self._next()
                return b""
            end = stop + length
            part = buffer[stop:end]
            self.waiting = buffer[end:] if len(buffer) > end else b""
            self._parser.feed_data(part)
            if len(part) == length:
                self._next()
                return part
            self._body = bytearray(part)
            self._wanted = length
            return None
        missing = self._wanted - len(body)
        part = self.waiting[:missing]
        self.waiting = self.waiting[missing:]
        self._parser.feed_data(part)
        body += part
        if len(body) < self._wanted:
            return None
        self._next()
        return bytes(body)

    @property
    def unfinished(self) -> bool:
        """Whether a body was begun to be taken and is not complete."""
        return self._body is not None

    def _next(self) -> None:
        if not self._complete:
            raise Strange("the parser and the books disagree about the end of a request")
        self._fed = 0
        self._url = b""
        self._headed = self._complete = False
        self._body = None
        if self.upgrade:
            # Refused: HTTP goes on, and the old parser is no longer about HTTP.
            self.upgrade = False
            self._parser = httptools.HttpRequestParser(self)

    def close(self) -> None:
        """Forget everything."""
        # They have methods of ours, or of who has this: without this all of them would wait for the
        # garbage collector.
        self._parser = None
        self._make_environ = dict
        self.waiting = b""
        self.environ = {}
