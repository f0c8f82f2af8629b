"""What a request is answered with: a WSGI application, complete before it is asked.

Light on purpose: a polling client has two of these for every message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = ["Answer", "Head"]

Header = tuple[str, str]

#: Session ids and messages: for nobody else, and nothing to guess the type of.
_ALWAYS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class Head:
    """A status and those headers that never change, shared by all answers of one kind."""

    __slots__ = ("has_body", "headers", "status")

    def __init__(self, status: str, content_type: str | None, more: Iterable[Header] = ()) -> None:
        self.status = status
        #: False for a status that is the whole answer.
        self.has_body = status[:3] not in ("204", "304")
        typed = [("Content-Type", content_type)] if content_type is not None else []
        self.headers: tuple[Header, ...] = (*typed, *_ALWAYS, *more)


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

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        start_response(self.head.status, self.headers())
        return [self.body] if environ["REQUEST_METHOD"] != "HEAD" and self.head.has_body else []
