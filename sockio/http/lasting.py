"""What a session keeps of its handshake's environ: no object of the server's, and so many bytes.

A client chooses what stands in an environ, and keeps its session for as long as it likes. So the
texts in it are bounded together, and what does not fit is left out: large headers first, and last
those by which an application knows its client.
"""

from __future__ import annotations

import io
from typing import Any

from ..transports.connection import FAST, LEND
from .claims import CLAIM
from .rawsocket import DOOR, WEBSOCKET
from .view_calls import OVERHEARD

__all__ = ["KEPT", "lasting_environ", "shed"]

#: Bytes of memory of all names and texts in an environ that a session keeps, and what each of them
#: takes besides: two objects, and their place.
KEPT, EACH = 32_768, 160

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

#: What WebOb made of a text and keeps beside it; it makes it again.
_READ = ("webob._parsed_cookies", "webob._parsed_post_vars", "webob._parsed_query_vars")

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
        *_READ,
        CLAIM,
        OVERHEARD,
        FAST,
        LEND,
        DOOR,
        "sockio.take_connection",
    )
)


def shed(environ: dict[str, Any], request: Any = None) -> list[str]:
    """Take out of an environ what a session cannot keep, and return the names of it.

    Where ``request``, the application's own, has another environ, it is taken out of that as well:
    a session keeps its request. To be called when nobody decides by the environ any more.
    """
    texts = [value for value in environ.values() if isinstance(value, (str, bytes))]
    if sum(map(len, texts)) + sum(map(len, environ)) + EACH * len(environ) <= KEPT:
        return []
    sizes = {
        name: len(value) + len(name) + EACH
        for name, value in environ.items()
        if isinstance(value, (str, bytes))
    }
    dropped = []
    kept = 0
    for name in sorted(sizes, key=lambda name: (name not in _WANTED, sizes[name])):
        if kept + sizes[name] <= KEPT:
            kept += sizes[name]
        else:
            dropped.append(name)
    for each in (environ, getattr(request, "environ", None), getattr(request, "META", None)):
        if isinstance(each, dict):
            for name in (*dropped, *_READ):
                each.pop(name, None)
    return dropped


def lasting_environ(environ: dict[str, Any]) -> dict[str, Any]:
    """A copy of the handshake's environ that may live as long as the session: without the
    server's own objects, and with an empty body."""
    lasting = dict(environ)
    for key in _FLEETING.intersection(environ):
        del lasting[key]
    lasting["wsgi.input"] = io.BytesIO()
    return lasting
