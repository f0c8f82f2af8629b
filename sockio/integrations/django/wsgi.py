"""The project's WSGI application, with Socket.IO and websockets in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...config import OPTIONS, Settings
from ...middleware import SocketIOMiddleware
from . import conf
from .context import around_events
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
    setting ``context``, if there is one), and ``of()``, ``broadcast()`` and their kin reach its
    clients.
    """
    chosen = {**conf.middleware_settings(), **settings}
    checked = Settings.make({name: chosen[name] for name in chosen if name in OPTIONS})
    chosen["context"] = around_events(checked.context)
    middleware = SocketIOMiddleware(WebSocketDoor(app, checked), **chosen)
    remember(middleware.registry)
    allow_orm_beside_async()
    return middleware
