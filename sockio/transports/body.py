"""Reading a request body: bounded in size before it is read, and in time. And not reading one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.settings import Settings
from ..exceptions import RequestRefused
from ..runtime.interfaces import Runtime
from ..runtime.pace import Pace
from .connection import closes_silently, hang_up_soon, has_arrived, reads_bodies_twice
from .request import Request

__all__ = ["announced", "ended_early", "leave_unread", "read_body", "too_slow"]

#: Bytes of a body that are asked for in one go.
PIECE = 4096
#: Bytes of an unwanted body that a server of its own ways may read away to keep its connection.
SMALL = 16384


def read_body(request: Request, settings: Settings, runtime: Runtime) -> bytes:
    """The whole body of a POST, as bytes.

    Raises ``RequestRefused``: 413 for a body over ``max_payload``, from its header alone where it
    has one; 408 when it does not arrive within ``close_timeout``; 400 when it ends early, so that a
    truncated body is never handled in part.
    """
    if request.body is not None:
        return request.body
    environ = request.environ
    limit = settings.max_payload
    length = announced(request, settings)
    stream = environ["wsgi.input"]
    # A body without a length is chunked; one byte more than allowed tells that it is too large.
    wanted = limit + 1 if length is None else length
    try:
        body = runtime.limit(settings.close_timeout, _read, stream, wanted, Pace(runtime))
    except TimeoutError:
        raise too_slow() from None
    except OSError as error:
        raise ended_early() from error
    if length is None and len(body) > limit:
        raise _too_large(limit)
    if length is not None and len(body) < length:
        raise ended_early()
    request.body = bytes(body)
    return request.body


def announced(request: Request, settings: Settings) -> int | None:
    """The length in bytes that a request's head tells of its body, None for one in chunks.

    Raises ``RequestRefused``: 413 for more than ``max_payload``, 400 for what is no length.
    """
    length = _content_length(request.environ)
    if length is not None and length > settings.max_payload:
        raise _too_large(settings.max_payload)
    return length


def leave_unread(request: Request, runtime: Runtime) -> bool:
    """To be asked before a request is answered without its body: whether its connection ends with
    that answer, which has to say so.

    It is kept where nothing of a body is to come any more. Else it is cut after a moment in which
    the answer can be read, so that nobody waits for the rest, or reads it.
    """
    environ = request.environ
    if request.body is not None:
        if not reads_bodies_twice(environ):
            return False
        hang_up_soon(environ, runtime)
        return True
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    if not (chunked or environ.get("CONTENT_LENGTH")):
        return False
    try:
        length = None if chunked else _content_length(environ)
    except RequestRefused:
        length = None
    if length is not None and (length == 0 or has_arrived(environ, length)):
        return False
    says_so = closes_silently(environ)
    if says_so or length is None or length > SMALL:
        hang_up_soon(environ, runtime)
    return says_so


def _content_length(environ: Mapping[str, Any]) -> int | None:
    value = environ.get("CONTENT_LENGTH") or ""
    if not value:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        return None if chunked else 0
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise RequestRefused(
            "400 Bad Request", "bad Content-Length", code="bad-content-length", close=True
        )
    return int(value)


def _read(stream: Any, wanted: int, pace: Pace) -> bytes:
    """``wanted`` bytes, or fewer at the end of the stream. Servers may return short reads."""
    chunks = []
    while wanted > 0:
        # A megabyte in chunks of one byte each is read for seconds, if it is read in one go.
        pace.keep()
        chunk = stream.read(min(wanted, PIECE))
        if not chunk:
            break
        chunks.append(chunk)
        wanted -= len(chunk)
    return b"".join(chunks)


def too_slow() -> RequestRefused:
    """The refusal of a body that did not arrive in time."""
    return RequestRefused(
        "408 Request Timeout",
        "the request body did not arrive in time",
        code="body-too-slow",
        close=True,
    )


def ended_early() -> RequestRefused:
    """The refusal of a body that the client broke off."""
    return RequestRefused(
        "400 Bad Request", "the request body ended early", code="body-incomplete", close=True
    )


def _too_large(limit: int) -> RequestRefused:
    return RequestRefused(
        "413 Content Too Large",
        f"the request body is larger than {limit} bytes",
        code="body-too-large",
        detail="raise max_payload if this is what your clients need to send",
        close=True,
    )
