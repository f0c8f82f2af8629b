"""Views that are websockets.

::

    @login_required
    @websocket
    def echo(request, websocket):
        for message in websocket:
            websocket.send(message)

The view is routed as any other and runs through all middleware, so the visitor is
``request.user``. A decorator that answers by itself refuses the websocket, with its own status. The
request lasts as long as the websocket: use ``transaction.non_atomic_requests`` on it where
``ATOMIC_REQUESTS`` is set, and ``fresh_context()`` around queries.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, overload

import gevent
from django.http import HttpRequest, HttpResponse

from ...config.plain import check_has_run, check_plain
from ...exceptions import RequestRefused, UsageError
from ...sessions.jobs import name_of
from ...transports.upgrades import NO_UPGRADE
from .context import close_connections
from .rawsocket import Door, WebSocket, WebSocketClosed, asks_for_websocket

__all__ = ["accept_websocket", "require_websocket", "websocket"]

View = Callable[..., Any]
Decorated = Callable[..., HttpResponse]

_NO_DOOR = (
    "this request asks for a websocket and did not come through sockio. Make the application of "
    "wsgi.py by sockio.integrations.django.get_wsgi_application()."
)


@overload
def websocket(view: View) -> Decorated: ...


@overload
def websocket(*, subprotocols: Iterable[str] = ()) -> Callable[[View], Decorated]: ...


def websocket(
    view: View | None = None, *, subprotocols: Iterable[str] = ()
) -> Decorated | Callable[[View], Decorated]:
    """``view(request, websocket, ...)`` runs with an open :class:`WebSocket`.

    The websocket is closed when the view returns (1000), raises (1011), or is ended with the server
    (1001). Requests that are no websocket are answered with 400, those from a foreign origin with
    403. ``subprotocols`` are those that the view speaks, the first that the client knows is used.
    """
    if view is None:
        return functools.partial(websocket, subprotocols=tuple(subprotocols))
    view = _checked(view)

    @functools.wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not asks_for_websocket(request.META):
            return _plain("400 Bad Request", NO_UPGRADE)
        return _serve(request, subprotocols, lambda socket: view(request, socket, *args, **kwargs))

    return opened


def require_websocket(view: View) -> Decorated:
    """``view(request, ...)`` runs with ``request.websocket``, as in django-websocket. The rest is
    as in :func:`websocket`."""
    view = _checked(view)

    @functools.wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not asks_for_websocket(request.META):
            return _plain("400 Bad Request", NO_UPGRADE)
        return _serve_as_attribute(view, request, args, kwargs)

    return opened


def accept_websocket(view: View) -> Decorated:
    """``view(request, ...)`` serves both kinds: ``request.is_websocket()`` tells which, and
    ``request.websocket`` is the websocket or None."""
    view = _checked(view)

    @functools.wraps(view)
    def maybe_opened(request: Any, *args: Any, **kwargs: Any) -> Any:
        if asks_for_websocket(request.META):
            return _serve_as_attribute(view, request, args, kwargs)
        request.websocket = None
        request.is_websocket = lambda: False
        return view(request, *args, **kwargs)

    return maybe_opened


def _checked(view: View) -> View:
    check_plain(view, f"the websocket view {name_of(view)}")
    return view


def _serve_as_attribute(
    view: View, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> HttpResponse:
    def run(socket: WebSocket) -> Any:
        request.websocket = socket
        request.is_websocket = lambda: True
        return view(request, *args, **kwargs)

    return _serve(request, (), run)


def _serve(
    request: HttpRequest, subprotocols: Iterable[str], run: Callable[[WebSocket], Any]
) -> HttpResponse:
    door = Door.of(request.META)
    if door is None:
        raise UsageError(_NO_DOOR)
    try:
        socket = door.open(subprotocols)
    except RequestRefused as refused:
        door.tell_refused(refused)
        return _plain(refused.status, refused.body, refused.headers)
    # Who the visitor is has been looked up; a connection is not kept for as long as the websocket.
    close_connections()
    code = 1011
    try:
        answer = run(socket)
        check_has_run(answer, "the websocket view")
        code = 1000
    except WebSocketClosed:
        # The visitor left while the view was sending.
        answer = None
    except gevent.GreenletExit:
        code = 1001
        raise
    finally:
        socket.close(code)
    return answer if isinstance(answer, HttpResponse) else HttpResponse(status=101)


def _plain(status: str, text: str, headers: Iterable[tuple[str, str]] = ()) -> HttpResponse:
    number, _, reason = status.partition(" ")
    response = HttpResponse(text, status=int(number), reason=reason, content_type="text/plain")
    for name, value in headers:
        if name.lower() not in ("content-length", "date", "connection"):
            response[name] = value
    return response
