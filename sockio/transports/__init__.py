"""The transports, by name, in the order in which clients are told to try them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..config.settings import Settings
from ..exceptions import SettingsError
from ..protocol.dialect import Codec
from ..runtime.interfaces import Runtime
from .base import Transport
from .flashsocket import FlashSocket
from .htmlfile import HTMLFile
from .jsonp_polling import JSONPPolling
from .polling import PollingTransport
from .streaming import StreamingTransport
from .websocket import WebSocket
from .xhr_multipart import XHRMultipart
from .xhr_polling import XHRPolling

__all__ = [
    "TRANSPORTS",
    "FlashSocket",
    "HTMLFile",
    "JSONPPolling",
    "PollingTransport",
    "StreamingTransport",
    "Transport",
    "WebSocket",
    "XHRMultipart",
    "XHRPolling",
    "make_transports",
    "offered",
]

#: Every transport there is. The order is the handshake's: clients try them from left to right.
TRANSPORTS: dict[str, type[Transport]] = {
    transport.name: transport
    for transport in (WebSocket, FlashSocket, HTMLFile, XHRMultipart, XHRPolling, JSONPPolling)
}


#: What a transport may be called: its name stands in addresses and in the handshake's list.
_NAME = re.compile("[a-z]+(?:-[a-z]+)*")


def offered(settings: Settings) -> Mapping[str, type[Transport]]:
    """The transports that the settings allow, by name, in their order.

    Those that no living client of protocol 1 would choose have to be named to be offered. Raises
    ``SettingsError`` for what is none.
    """
    own = {each.name: each for each in map(_checked, settings.own_transports)}
    known = {**TRANSPORTS, **own}
    names = settings.transports
    if names is None:
        names = tuple(name for name, each in known.items() if each.by_default)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(
            f"setting transports: there is no {unknown[0]!r}; known: {', '.join(known)}."
        )
    left_out = [name for name, each in own.items() if each.by_default and name not in names]
    if left_out:
        raise SettingsError(
            f"setting own_transports: {left_out[0]!r} is not among transports="
            f"{list(names)}, and would not be offered. Name it there, too."
        )
    return {name: known[name] for name in names}


def _checked(cls: object) -> type[Transport]:
    if not (isinstance(cls, type) and issubclass(cls, Transport)):
        raise SettingsError(
            f"setting own_transports: {cls!r} is no subclass of sockio.transports.Transport."
        )
    name: object = getattr(cls, "name", None)
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise SettingsError(
            f"setting own_transports: {cls.__name__}.name is {name!r}; it has to be a word of "
            "small letters and hyphens, such as 'event-source'."
        )
    return cls


def make_transports(settings: Settings, runtime: Runtime, codec: Codec) -> Mapping[str, Transport]:
    """Those that :func:`offered` gives, for one middleware."""
    return {name: cls(settings, runtime, codec) for name, cls in offered(settings).items()}
