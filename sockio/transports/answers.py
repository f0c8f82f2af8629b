"""What a request is answered with: a WSGI application, complete before it is asked.

Light on purpose: a polling client has two of these for every message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = ["Answer", "Head", "Header"]

Header = tuple[str, str]

#: Session ids and messages: for nobody else, and nothing to guess the type of.
_ALWAYS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class Head:
    """A status and those headers that never change, shared by all answers of one kind."""

    __slots__ = ("has_body", "headers", "status", "wire")

    def __init__(self, status: str, content_type: str | None, more: Iterable[Header] = ()) -> None:
        typed = [("Content-Type", content_type)] if content_type is not None else []
        self._set(status, (*typed, *_ALWAYS, *more))

    @classmethod
    def bare(cls, status: str, headers: Iterable[Header]) -> Head:
        """A head with these headers and no others."""
        head = cls.__new__(cls)
        head._set(status, tuple(headers))
        return head

    def _set(self, status: str, headers: tuple[Header, ...]) -> None:
        self.status = status
        #: False for a status that is the whole answer.
        self.has_body = status[:3] not in ("101", "204", "304")
        self.headers = headers
        #: The beginning of the answer, for a server that writes it as it is.
        self.wire = f"HTTP/1.1 {status}\r\n".encode("latin-1") + _lines(self.headers)


def _lines(headers: Iterable[Header]) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    # Each header is one line, whatever it is made of.
    if lines.count("\n") != len(list(headers)) or lines.count("\r") != lines.count("\n"):
        raise ValueError(f"a header with a line break in it: {lines!r}")
    return lines.encode("latin-1")


class Answer:
    """One answer: a head, what is added to it, and a body."""

    __slots__ = ("body", "head", "more")

    def __init__(self, head: Head, body: bytes = b"", more: Sequence[Header] = ()) -> None:
        self.head = head
        self.body = body
        #: Headers of this answer alone.
        self.more = more

    def headers(self) -> list[Header]:
        """All headers, as WSGI wants them: a list that may be changed."""
        headers = list(self.head.headers)
        if self.head.has_body:
            headers.append(("Content-Length", str(len(self.body))))
        headers += self.more
        return headers

    @property
    def closes(self) -> bool:
        """Whether the answer says that the connection is closed after it."""
        return bool(self.more) and any(name == "Connection" for name, _ in self.more)

    def wire(self, end_of_head: bytes, closing: bool) -> bytes:
        """The whole answer as bytes. ``end_of_head`` are headers, and the empty line after them."""
        head = self.head
        more = _lines(self.more) if self.more else b""
        if closing and not self.closes:
            more += b"Connection: close\r\n"
        if not head.has_body:
            return b"%b%b%b" % (head.wire, more, end_of_head)
        body = self.body
        return b"%bContent-Length: %d\r\n%b%b%b" % (
            head.wire,
            len(body),
            more,
            end_of_head,
            body,
        )

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        start_response(self.head.status, self.headers())
        return [self.body] if environ["REQUEST_METHOD"] != "HEAD" and self.head.has_body else []
