"""The project's WSGI application, with Socket.IO and websockets in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...config.settings import OPTIONS, Settings
from ...http.middleware import SocketIOMiddleware
from . import conf
from .context import around_events, close_connections
from .message_log import prepare
from .outside import remember
from .patching import allow_orm_beside_async
from .rawsocket import WebSocketDoor

__all__ = ["get_wsgi_application", "get_wsgi_websocket_application", "wrap"]


def get_wsgi_application(**settings: Any) -> SocketIOMiddleware:
    """Django's application, wrapped: in ``wsgi.py``, instead of Django's function of that name.

    ``settings`` override those of the dict ``SOCKETIO`` in the project's settings.
    """
    from django.core.wsgi import get_wsgi_application as of_django

    return wrap(of_django(), **settings)


#: One application serves pages, Socket.IO and websockets.
get_wsgi_websocket_application = get_wsgi_application


def wrap(app: Callable[..., Iterable[bytes]], **settings: Any) -> SocketIOMiddleware:
    """Wrap an application that has Django inside, for example one that WhiteNoise is around.

    Every event then runs in a :func:`~sockio.integrations.django.fresh_context` (around the
    setting ``context``, if there is one), and so does every task that ``self.spawn`` starts
    (``job_context``). ``of()``, ``broadcast()`` and their kin reach its clients.
    """
    chosen = {**conf.middleware_settings(), **settings}
    checked = Settings.make({name: chosen[name] for name in chosen if name in OPTIONS})
    chosen["context"] = around_events(checked.context)
    chosen["job_context"] = around_events(checked.job_context)
    door = WebSocketDoor(app, checked, lambda: middleware.registry.closing)
    middleware = SocketIOMiddleware(_Handshakes(door), **chosen)
    remember(middleware.registry)
    allow_orm_beside_async()
    prepare()
    return middleware


class _Handshakes:
    """Closes the database connections of a handshake, whatever ``CONN_MAX_AGE`` says.

    A client that polls keeps its TCP connection, and with it the server's greenlet, and with that
    the database connection with which the handshake looked up the user.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if "socketio" not in environ:
            return self.app(environ, start_response)
        try:
            body = self.app(environ, start_response)
            try:
                return list(body)
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        finally:
            close_connections()
