"""Socket.IO in a Bottle application: its route, its wrapping, and Bottle's ``request`` in handlers.

::

    application = wrap(app, {"/chat": ChatNamespace}, check=lambda: request.get_cookie("who"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bottle

from ..config.plain import check_gate, says_yes
from ..exceptions import ConnectionRefused
from ..http.manage import check_namespaces, socketio_manage
from ..http.middleware import SocketIOMiddleware
from ..namespaces.functions import NamespaceMap
from ..namespaces.namespace import BaseNamespace

__all__ = ["wrap"]


def wrap(
    app: bottle.Bottle,
    namespaces: NamespaceMap,
    check: Callable[[], Any] | None = None,
    **settings: Any,
) -> SocketIOMiddleware:
    """The application to serve: ``app`` with the route ``/socket.io/...``, wrapped.

    ``check()`` is asked at every handshake, where ``bottle.request`` is the handshake's: a false
    value refuses (403), None too, as ``abort``, ``redirect`` and :class:`~sockio.ConnectionRefused`
    do, whose text the page gets. What is no answer fails (500), such as a coroutine; ``UsageError``
    is raised for a function that could give nothing else. ``settings`` are those of
    :class:`~sockio.SocketIOMiddleware`. In handlers, and in tasks that ``self.spawn`` starts,
    ``bottle.request`` is the handshake's as well.
    """
    if check is not None:
        check_gate(check, "check")
    checked = check_namespaces(namespaces)
    settings.setdefault("context", _context)
    settings.setdefault("job_context", _context)
    middleware = SocketIOMiddleware(app, **settings)

    def socketio_view(rest: str = "") -> str:
        try:
            allowed = check is None or says_yes(check(), "check()")
        except ConnectionRefused as refused:
            bottle.response.status = 403
            bottle.response.content_type = "text/plain; charset=utf-8"
            return str(refused)
        if not allowed:
            bottle.abort(403)
        socketio_manage(bottle.request.environ, checked, bottle.request)
        return ""

    rule = f"/{middleware.settings.resource}/"
    app.route([rule, f"{rule}<rest:path>"], "GET", socketio_view)
    return middleware


@contextmanager
def _context(namespace: BaseNamespace) -> Iterator[None]:
    # A copy: Bottle keeps what it has parsed in the environ.
    bottle.request.bind(dict(namespace.environ))
    bottle.response.bind()
    yield
