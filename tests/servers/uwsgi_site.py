"""The application as uWSGI imports it."""

from __future__ import annotations

from chat import application as chat  # type: ignore[import-not-found]

from sockio.integrations.uwsgi_websocket import with_websockets

application = with_websockets(chat)
