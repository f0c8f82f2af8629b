"""The transports, by name, in the order in which clients are told to try them."""

from __future__ import annotations

from collections.abc import Mapping

from ..config.settings import Settings
from ..exceptions import SettingsError
from ..protocol.dialect import Codec
from ..runtime.interfaces import Runtime
from .base import Transport
from .flashsocket import FlashSocket
from .htmlfile import HTMLFile
from .jsonp_polling import JSONPPolling
from .websocket import WebSocket
from .xhr_multipart import XHRMultipart
from .xhr_polling import XHRPolling

__all__ = [
    "TRANSPORTS",
    "FlashSocket",
    "HTMLFile",
    "JSONPPolling",
    "Transport",
    "WebSocket",
    "XHRMultipart",
    "XHRPolling",
    "make_transports",
]

#: Every transport there is. The order is the handshake's: clients try them from left to right.
TRANSPORTS: dict[str, type[Transport]] = {
    transport.name: transport
    for transport in (WebSocket, FlashSocket, HTMLFile, XHRMultipart, XHRPolling, JSONPPolling)
}


def make_transports(settings: Settings, runtime: Runtime, codec: Codec) -> Mapping[str, Transport]:
    """The transports that the settings allow, by name, in their order.

    Those that no living client of protocol 1 would choose have to be named to be offered.
    """
    names = settings.transports or tuple(n for n, each in TRANSPORTS.items() if each.by_default)
    unknown = [name for name in names if name not in TRANSPORTS]
    if unknown:
        raise SettingsError(
            f"setting transports: there is no {unknown[0]!r}; known: {', '.join(TRANSPORTS)}."
        )
    return {name: TRANSPORTS[name](settings, runtime, codec) for name in names}
