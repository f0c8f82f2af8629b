"""Reading a request body: bounded in size before it is read, and in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import Settings
from ..exceptions import RequestRefused
from ..interfaces import Runtime
from .request import Request

__all__ = ["ended_early", "read_body", "too_slow"]


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
    length = _content_length(environ)
    if length is not None and length > limit:
        raise _too_large(limit)
    stream = environ["wsgi.input"]
    # A body without a length is chunked; one byte more than allowed tells that it is too large.
    wanted = limit + 1 if length is None else length
    try:
        body = runtime.limit(settings.close_timeout, _read, stream, wanted)
    except TimeoutError:
        raise too_slow() from None
    except OSError as error:
        raise ended_early() from error
    if length is None and len(body) > limit:
        raise _too_large(limit)
    if length is not None and len(body) < length:
        raise ended_early()
    return bytes(body)


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


def _read(stream: Any, wanted: int) -> bytes:
    """``wanted`` bytes, or fewer at the end of the stream. Servers may return short reads."""
    chunks = []
    while wanted > 0:
        chunk = stream.read(wanted)
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
