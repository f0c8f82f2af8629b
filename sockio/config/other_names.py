"""Names that are no settings: what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["unknown"]

#: What is given elsewhere, and what other libraries call a setting.
_ELSEWHERE = {
    "namespace": "write SocketIOMiddleware(app, {'/chat': ChatNamespace}), or in an ini file "
    "namespaces = package.module:NAME",
    "namespaces": "they are given beside the settings, SocketIOMiddleware(app, namespaces)",
    "app": "the application is given first: SocketIOMiddleware(app)",
    "cors_allowed_origins": "it is called 'origins'",
    "cors_credentials": "cookies are always allowed from the origins that are",
    "cors": "write origins=['https://www.example.com']",
    "message_queue": "it is called 'backplane', and is not needed for workers of one host",
    "client_manager": "write backplane='redis://...', which workers of one host do not need",
    "adapter": "write backplane='redis://...', which workers of one host do not need",
    "path": "it is called 'resource'",
    "socketio_path": "it is called 'resource'",
    "max_http_buffer_size": "it is called 'max_payload'",
    "maxHttpBufferSize": "it is called 'max_payload'",
    "pingInterval": "it is called 'ping_interval'",
    "pingTimeout": "it is called 'ping_timeout'",
    "async_mode": "there is one, gevent",
    "async_handlers": "mark handlers with @concurrent that may run beside others",
    "logger": "sockio logs by logging, to the logger 'sockio'",
    "engineio_logger": "sockio logs by logging, to the logger 'sockio'",
    "allow_upgrades": "name the transports: transports=['xhr-polling']",
    "allowEIO3": "name the generations: generations=['eio3', 'eio4']",
    "http_compression": "answers are not compressed, a proxy may; for websockets 'compression' is",
    "perMessageDeflate": "it is called 'compression'",
    "cookie": "a session has no cookie of its own",
    "always_connect": "who is refused is never connected",
}


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of ``name``, which is not among the ``known`` ones."""
    other = _ELSEWHERE.get(name)
    if other is not None:
        return f"there is no setting {name!r}: {other}."
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
    return f"there is no setting {name!r}.{hint}"
