"""What a session keeps of its handshake's environ: no object of the server's, and so many bytes.

A client chooses what stands in an environ, and keeps its session for as long as it likes. So the
texts in it are bounded together, and what does not fit is left out: large headers first, and last
those by which an application knows its client.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ..transports.connection import FAST, LEND
from .claims import CLAIM
from .parsed import (
    READ_KEYS,
    forget_body,
    forget_what_was_read,
    is_light_when_read,
    weight_when_read,
)
from .rawsocket import DOOR, WEBSOCKET
from .view_calls import OVERHEARD

__all__ = ["KEPT", "READ", "lasting_environ", "shed"]

#: Bytes of memory of all names and texts in an environ that a session keeps, and what each of them
#: takes besides: two objects, and their place.
KEPT, EACH = 32_768, 160

#: Bytes of memory of what a framework may make of these when it is asked: a browser's 180 cookies
#: and 8 kB are half of that.
READ = 98_304

#: Kept before all others, if they fit.
_WANTED = frozenset(
    (
        "HTTP_AUTHORIZATION",
        "HTTP_COOKIE",
        "HTTP_HOST",
        "HTTP_ORIGIN",
        "HTTP_USER_AGENT",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PROTO",
        "PATH_INFO",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
    )
)

#: Objects that belong to the server or to the request and must not outlive it.
_FLEETING = frozenset(
    (
        "wsgi.input",
        "wsgi.errors",
        "wsgi.file_wrapper",
        WEBSOCKET,
        "gunicorn.socket",
        "gunicorn.sock",
        "werkzeug.socket",
        "werkzeug.server.shutdown",
        "webob.adhoc_attrs",
        *READ_KEYS,
        CLAIM,
        OVERHEARD,
        FAST,
        LEND,
        DOOR,
        "sockio.take_connection",
    )
)


_is_str, _is_bytes = str.__instancecheck__, bytes.__instancecheck__


def shed(environ: dict[str, Any], request: Any = None) -> list[str]:
    """Take out of an environ what a session cannot keep, and return the names of it.

    Where ``request``, the application's own, has another environ, it is taken out of that as well:
    a session keeps its request. What it has read of its head it forgets, whatever is kept, and
    reads it again when it is asked. To be called when nobody decides by the environ any more.
    """
    dropped = _too_much(environ)
    for each in (environ, *_environs_of(request)):
        for name in (*dropped, *READ_KEYS.intersection(each)):
            each.pop(name, None)
        forget_body(each)
    if request is not None:
        forget_what_was_read(request, dropped)
    return dropped


def _too_much(environ: dict[str, Any]) -> list[str]:
    """What cannot be kept, by name."""
    # Of each handshake, so without a step of Python's own for each value.
    values = [*filter(_is_str, environ.values()), *filter(_is_bytes, environ.values())]
    size = sum(map(len, values)) + sum(map(len, environ)) + EACH * len(environ)
    if size <= KEPT and is_light_when_read(values, READ):
        return []
    texts = {name: each for name, each in environ.items() if isinstance(each, (str, bytes))}
    read = {
        name: weight_when_read(name, each) for name, each in texts.items() if isinstance(each, str)
    }
    if size <= KEPT and sum(read.values()) <= READ:
        return []
    sizes = {name: len(value) + len(name) + EACH for name, value in texts.items()}
    dropped = []
    kept = made = 0
    for name in sorted(sizes, key=lambda name: (name not in _WANTED, sizes[name])):
        more = read.get(name, 0)
        if kept + sizes[name] <= KEPT and made + more <= READ:
            kept += sizes[name]
            made += more
        else:
            dropped.append(name)
    return dropped


def _environs_of(request: Any) -> Iterator[dict[str, Any]]:
    if request is None:
        return
    for name in ("environ", "META", "wsgi_environ"):
        environ = getattr(request, name, None)
        if isinstance(environ, dict):
            yield environ


def lasting_environ(environ: dict[str, Any]) -> dict[str, Any]:
    """A copy of the handshake's environ that may live as long as the session: without the
    server's own objects, and with an empty body."""
    lasting = dict(environ)
    for key in _FLEETING.intersection(environ):
        del lasting[key]
    lasting["wsgi.input"] = io.BytesIO()
    if lasting.get("CONTENT_LENGTH"):
        lasting["CONTENT_LENGTH"] = "0"
    return lasting
