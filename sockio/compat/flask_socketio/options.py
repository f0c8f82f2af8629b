"""Flask-SocketIO's options as sockio's settings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ...config.settings import OPTIONS
from ...exceptions import UsageError

__all__ = ["settings_of"]

log = logging.getLogger("sockio.compat")

#: Options of the extension itself.
_OWN = ("manage_session", "async_handlers", "namespaces")
#: What they are called here.
_RENAMED = {
    "path": "resource",
    "resource": "resource",
    "cors_allowed_origins": "origins",
    "max_http_buffer_size": "max_payload",
    "ping_timeout": "ping_timeout",
}
#: What has no counterpart and is not missed, and the reason.
_NEEDLESS = {
    "logger": "sockio logs by logging, to the logger 'sockio'",
    "engineio_logger": "sockio logs by logging, to the logger 'sockio'",
    "monitor_clients": "who is silent is always noticed",
    "cors_credentials": "cookies are always allowed from the origins that are",
    "http_compression": "answers are not compressed; a proxy may",
    "compression_threshold": "answers are not compressed; a proxy may",
    "channel": "there is no message queue",
}
_NO_QUEUE = (
    "workers of one host need no queue (docs/howto/workers.md); between hosts it is the setting "
    "backplane='redis://...', and a process that serves nobody emits by sockio.Emitter(URL)"
)
#: What somebody may rely upon, and what to do instead.
_MISSING = {
    "message_queue": _NO_QUEUE,
    "client_manager": _NO_QUEUE,
    "always_connect": "who is refused is never connected, and what connect emits is delivered",
    "cookie": "a session has no cookie of its own: use Flask's session",
    "allow_upgrades": "name the transports instead: transports=['polling']",
}
_TRANSPORTS = {"polling": "xhr-polling", "websocket": "websocket"}


def settings_of(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """sockio's settings, and the options that are the extension's own.

    Raises ``UsageError`` for what cannot be done, or is not known.
    """
    settings: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, value in options.items():
        if name in _OWN:
            own[name] = value
        elif name in _NEEDLESS:
            log.debug("SocketIO(%s=...) does nothing here: %s", name, _NEEDLESS[name])
        elif name in _MISSING:
            _check_missing(name, value)
        elif name == "async_mode":
            if value not in (None, "gevent", "gevent_uwsgi"):
                log.warning("SocketIO(async_mode=%r): sockio runs on gevent", value)
        elif name == "json":
            if value is not None:
                settings["json_dumps"], settings["json_loads"] = value.dumps, value.loads
        elif name == "serializer":
            _set_serializer(settings, value)
        elif name == "ping_interval":
            # The second of two was a grace period.
            settings[name] = value[0] if isinstance(value, (tuple, list)) else value
        elif name == "transports":
            several = [value] if isinstance(value, str) else value
            settings[name] = [_TRANSPORTS.get(each, each) for each in several]
        elif name in _RENAMED:
            settings[_RENAMED[name]] = _renamed(name, value)
        elif name in OPTIONS:
            settings[name] = value
        else:
            raise UsageError(
                f"SocketIO({name}=...): neither an option of Flask-SocketIO nor a setting of sockio"
            )
    return settings, own


def _check_missing(name: str, value: Any) -> None:
    wanted = not value if name == "allow_upgrades" else value
    if wanted:
        raise UsageError(f"SocketIO({name}={value!r}): {_MISSING[name]}.")


def _set_serializer(settings: dict[str, Any], value: Any) -> None:
    if value == "msgpack":
        settings["msgpack"] = True
    elif value not in (None, "default"):
        raise UsageError(f"SocketIO(serializer={value!r}): it can be 'default' or 'msgpack'.")


def _renamed(name: str, value: Any) -> Any:
    if name in ("path", "resource"):
        return str(value or "socket.io").strip("/")
    if name == "cors_allowed_origins":
        if value == []:
            raise UsageError(
                "SocketIO(cors_allowed_origins=[]) let in pages of every origin. If you want that, "
                "say cors_allowed_origins='*'; None is the same origin alone."
            )
        return "*" if value in ("*", ["*"]) else value
    return value
