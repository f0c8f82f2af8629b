"""sockio as a Django app.

::

    # settings.py
    INSTALLED_APPS = [..., "sockio.integrations.django"]

    # wsgi.py
    from sockio.integrations.django import get_wsgi_application
    application = get_wsgi_application()

    # urls.py
    urlpatterns = [..., path("", include("sockio.integrations.django.urls"))]

    # sockets.py of any app
    @namespace("/chat")
    class ChatNamespace(BaseNamespace): ...

Start it with ``python manage.py runserver_socketio``. The how-to for Django has the rest.
"""

from __future__ import annotations

from .channels import ChannelSocket
from .context import fresh_context, open_session
from .decorators import accept_websocket, require_websocket, websocket
from .events import (
    on_connect,
    on_disconnect,
    on_error,
    on_finish,
    on_message,
    on_subscribe,
    on_unsubscribe,
)
from .outside import NoSocket, broadcast, broadcast_channel, of, send
from .rawsocket import WebSocket, WebSocketClosed
from .registration import namespace, namespaces
from .wsgi import get_wsgi_application, get_wsgi_websocket_application, wrap

__all__ = [
    "ChannelSocket",
    "NoSocket",
    "WebSocket",
    "WebSocketClosed",
    "accept_websocket",
    "broadcast",
    "broadcast_channel",
    "fresh_context",
    "get_wsgi_application",
    "get_wsgi_websocket_application",
    "namespace",
    "namespaces",
    "of",
    "on_connect",
    "on_disconnect",
    "on_error",
    "on_finish",
    "on_message",
    "on_subscribe",
    "on_unsubscribe",
    "open_session",
    "require_websocket",
    "send",
    "websocket",
    "wrap",
]
