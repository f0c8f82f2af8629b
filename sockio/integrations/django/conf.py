"""What the project's settings say, read when it is asked for.

=============================== =======================================================
``SOCKETIO``                    dict: the settings of the middleware, by their names
``SOCKETIO_HOST``               address of ``runserver_socketio``; ``"127.0.0.1"``
``SOCKETIO_PORT``               its port; 9000
``SOCKETIO_CLIENT``             the client script: a URL, or a path below ``STATIC_URL``; that of
                                client 4.x at a public CDN
``SOCKETIO_CLIENT_INTEGRITY``   what the script has to be: ``"sha384-..."``; None: anything, but
                                for the CDN's where ``SOCKETIO_CLIENT`` is not set
``SOCKETIO_URL``                origin of the Socket.IO server; None: that of the page
``SOCKETIO_AUTODISCOVER``       modules imported from each app; ``["sockets"]``
``SOCKETIO_MESSAGE_LOG_FORMAT`` one line per message of the channel API; None: no log
``WEBSOCKET_URLCONF``           routes of websocket requests; None: ``ROOT_URLCONF``
=============================== =======================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from ...config.settings import OPTIONS, Settings
from ...exceptions import SettingsError

__all__ = [
    "CLIENT_CDN",
    "autodiscover",
    "client",
    "client_integrity",
    "logs_messages",
    "message_log_format",
    "middleware_settings",
    "resource",
    "websocket_urlconf",
]

CLIENT_CDN = "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js"
#: Of that file, as npm has it.
_CLIENT_CDN_INTEGRITY = "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1"

_LOG_FORMAT = '%(REMOTE_ADDR)s - - [%(TIME)s] "Socket.IO %(TYPE)s: %(MESSAGE)s"'


def middleware_settings() -> dict[str, Any]:
    """The dict ``SOCKETIO``. Raises ``SettingsError`` where it is none, or says what cannot be."""
    given: Mapping[str, Any] = getattr(settings, "SOCKETIO", {})
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"SOCKETIO={given!r} in the Django settings: must be a dict of sockio's settings, such "
            "as {'ping_interval': 20}."
        )
    Settings.make(given)
    return dict(given)


def resource() -> str:
    """The URL path of the endpoint, without slashes around it."""
    # What else is wrong with the settings is said elsewhere, and not while URLs are loaded.
    given = getattr(settings, "SOCKETIO", {})
    chosen = given.get("resource", "socket.io") if isinstance(given, Mapping) else "socket.io"
    return str(OPTIONS["resource"].convert(chosen))


def host() -> str:
    return str(getattr(settings, "SOCKETIO_HOST", "127.0.0.1"))


def port() -> str:
    return str(getattr(settings, "SOCKETIO_PORT", 9000))


def client() -> str:
    return str(getattr(settings, "SOCKETIO_CLIENT", CLIENT_CDN))


def client_integrity() -> str:
    """The hash of the client script, or ""."""
    known = _CLIENT_CDN_INTEGRITY if client() == CLIENT_CDN else ""
    return str(getattr(settings, "SOCKETIO_CLIENT_INTEGRITY", None) or known)


def url() -> str:
    """The origin of the Socket.IO server, or "" for that of the page."""
    return str(getattr(settings, "SOCKETIO_URL", None) or "").rstrip("/")


def autodiscover() -> Sequence[str]:
    names: Sequence[str] = getattr(settings, "SOCKETIO_AUTODISCOVER", ("sockets",))
    return names


def message_log_format() -> str | None:
    """None unless asked for, or while developing: messages are private."""
    default = _LOG_FORMAT if settings.DEBUG else None
    given: str | None = getattr(settings, "SOCKETIO_MESSAGE_LOG_FORMAT", default)
    return given


def logs_messages() -> bool:
    """Whether the project itself asks for a log of messages."""
    return getattr(settings, "SOCKETIO_MESSAGE_LOG_FORMAT", None) is not None


def websocket_urlconf() -> str | None:
    given: str | None = getattr(settings, "WEBSOCKET_URLCONF", None)
    return given
