"""Requests of Engine.IO clients, which are Socket.IO's since 1.0: ``/socket.io/?EIO=4&...``.

The order of the checks, the codes and the statuses are those of the reference (protocol fact sheet
for the later generations, section 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..config.settings import Settings
from ..exceptions import RequestRefused, UsageError
from ..protocol import msgpack_codec
from ..protocol.dialect import BaseCodec
from ..protocol.engine_codec import EngineCodec
from ..protocol.engine_errors import EngineError, error_body, revisions_in
from ..protocol.engine_handshake import encode_engine_handshake
from ..protocol.generations import EIO3, EIO3_BARE, EIO4, EIO4_BARE, Generation
from ..protocol.packet import JsonDumps
from ..protocol.socketio_packet import DEFAULT_LIMITS, PacketLimits
from ..runtime.interfaces import Runtime
from ..sessions.engine_socket import EngineSocket
from ..sessions.socket import Socket
from ..transports import JSONPPolling, WebSocket, XHRPolling
from ..transports.answers import Answer, Head, Header
from ..transports.base import WSGIApplication
from ..transports.engine_polling import EnginePolling, check_callback
from ..transports.engine_websocket import EngineWebSocket
from ..transports.framing import negotiate
from ..transports.request import Request
from .route import Route

__all__ = [
    "EngineRefused",
    "EngineRequests",
    "EngineTransport",
    "engine_answer",
    "make_engines",
    "make_packing",
]

#: Who speaks which revision of Engine.IO.
_CLIENTS = {"1": "1.x", "2": "1.x", "3": "1.x or 2.x", "4": "3.x or 4.x"}
#: By this a browser asks whether a page may ask.
_PREFLIGHT = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
_POLLING, _WEBSOCKET = EnginePolling.name, EngineWebSocket.name

EngineTransport = EnginePolling | EngineWebSocket


def _generations(settings: Settings) -> Mapping[int, Generation]:
    """Those that are served, by their revision."""
    each = (EIO3_BARE, EIO4_BARE) if settings.bare else (EIO3, EIO4)
    served = {}
    for name, generation in zip(("eio3", "eio4"), each, strict=True):
        if name in settings.generations:
            served[generation.engine] = generation
    return served


def make_engines(
    settings: Settings, json_dumps: JsonDumps | None
) -> Mapping[Generation, EngineCodec]:
    """A codec for each generation of Engine.IO that the settings want served."""
    limits = PacketLimits(
        max_attachments=DEFAULT_LIMITS.max_attachments,
        max_bytes=(DEFAULT_LIMITS.max_attachments + 1) * settings.max_payload,
    )
    return {
        generation: EngineCodec(generation, settings.json_loads, json_dumps, limits)
        for generation in _generations(settings).values()
    }


def make_packing(settings: Settings, engines: Mapping[Generation, EngineCodec]) -> BaseCodec | None:
    """The codec of clients that pack by msgpack; None where they are not served.

    Raises ``UsageError`` where they are to be, and the package is not there.
    """
    plain = engines.get(EIO4)
    if not settings.msgpack or plain is None:
        return None
    if not msgpack_codec.available:
        raise UsageError("msgpack=True needs the package msgpack: pip install msgpack")
    return msgpack_codec.MsgpackCodec(plain)


class EngineRefused(RequestRefused):
    """A request is answered with one of Engine.IO's errors."""

    def __init__(
        self, error: EngineError, code: str, detail: str = "", *, expected: bool = False
    ) -> None:
        super().__init__(error.status, error.message, code=code, detail=detail)
        self.error = error
        self.expected = expected


def engine_answer(refused: RequestRefused, more: Sequence[Header]) -> Answer:
    """A refusal as Engine.IO clients read it."""
    message = None
    if refused.status[:3] == "413":
        # Its status says it all: the reference sends no body (and so no code) with it.
        return Answer(Head(refused.status, "text/plain; charset=UTF-8"), b"", more)
    if isinstance(refused, EngineRefused):
        error = refused.error
    elif refused.status[:3] in ("401", "403"):
        error, message = EngineError.FORBIDDEN, refused.told or refused.body or None
    else:
        error = EngineError.BAD_REQUEST
    head = Head(refused.status, "application/json")
    return Answer(head, error_body(error, message).encode(), more)


class EngineRequests:
    """Answers them, for one endpoint, which asks whoever decides on a handshake."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        offered: Mapping[str, Any],
        find: Callable[[Route, Request], Socket | None],
    ) -> None:
        self._settings = settings
        self._find = find
        self._served = _generations(settings)
        # The transports of later clients stand for those of 0.9 that are alike.
        self._names = [
            name
            for name, kin in ((_POLLING, XHRPolling.name), (_WEBSOCKET, WebSocket.name))
            if kin in offered
        ]
        # By a script polls whoever asks for that; it is offered where the older way is.
        self._scripts = JSONPPolling.name in offered
        self._transports: dict[tuple[Generation, str], EngineTransport] = {}
        for generation in self._served.values():
            self._transports[generation, _POLLING] = EnginePolling(settings, runtime, generation)
            self._transports[generation, _WEBSOCKET] = EngineWebSocket(
                settings, runtime, generation
            )

    def generation_of(self, route: Route) -> Generation | None:
        return self._served.get(route.revision)

    def transport_of(self, route: Route) -> EngineTransport | None:
        """The transport that a request names, or None for one that is not offered."""
        generation = self._served.get(route.revision)
        if generation is None or route.transport not in self._names:
            return None
        return self._transports[generation, route.transport]

    def respond(self, route: Route, request: Request) -> WSGIApplication:
        """The answer to one request of a session, whose origin has been checked. Raises
        ``RequestRefused``."""
        self._check_way(route, request)
        socket = self._find(route, request)
        if not isinstance(socket, EngineSocket):
            # As everybody is after a restart.
            raise EngineRefused(EngineError.UNKNOWN_SID, "session-unknown", expected=True)
        if socket.generation is not self._served.get(route.revision):
            raise EngineRefused(
                EngineError.BAD_REQUEST, "other-revision", "the session was opened with another EIO"
            )
        transport = self._transports[socket.generation, route.transport]
        if route.transport == _POLLING and socket.transport not in ("", _POLLING):
            raise EngineRefused(
                EngineError.BAD_REQUEST,
                "other-transport",
                "the session has gone over to a websocket",
                expected=True,
            )
        if isinstance(transport, EngineWebSocket):
            self._check_upgrade(request)
        return transport.respond(request, socket)

    def _check_way(self, route: Route, request: Request) -> None:
        """By which transport it is."""
        if route.transport not in self._names:
            raise EngineRefused(
                EngineError.UNKNOWN_TRANSPORT,
                "transport-not-offered",
                f"{route.transport[:40]!r} is not among {', '.join(self._names) or 'none'}",
            )
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is not None and not origin.isprintable():
            raise EngineRefused(EngineError.BAD_REQUEST, "bad-origin", "it has control characters")
        if route.transport == _POLLING and request.callback is not None:
            if not self._scripts:
                raise EngineRefused(
                    EngineError.BAD_REQUEST,
                    "transport-not-offered",
                    f"a script was asked for, and {JSONPPolling.name} is not among the transports",
                )
            check_callback(request)

    def check_handshake(self, route: Route, request: Request) -> None:
        """Raise ``RequestRefused`` for a request without a session that no handshake can be, before
        anybody is asked about it."""
        self._check_way(route, request)
        if request.method == "OPTIONS" and _PREFLIGHT in request.environ:
            return
        if request.method != "GET":
            raise EngineRefused(EngineError.BAD_HANDSHAKE_METHOD, "method-not-allowed")
        if route.revision not in self._served:
            raise EngineRefused(
                EngineError.UNSUPPORTED_PROTOCOL, "other-engine", self._why_not(request)
            )
        if route.transport == _WEBSOCKET:
            self._check_upgrade(request)
            if "wsgi.websocket" not in request.environ:
                # Before there is a session that could not be carried.
                negotiate(request.environ)

    def _why_not(self, request: Request) -> str:
        engines = revisions_in(request.query_string)
        if len(engines) > 1:
            return f"EIO is there {len(engines)} times: let the client say it once"
        engine = "".join(engines)
        if "%" in engine:
            return f"EIO={engine[:20]!r} is written with escapes: let the client write a digit"
        client = _CLIENTS.get(engine, "of a generation that is not known")
        served = ", ".join(self._settings.generations)
        return (
            f"EIO={engine[:20]!r}: the client is socket.io-client {client}; served are the "
            f"generations {served}: name its own in the setting generations"
        )

    def _check_upgrade(self, request: Request) -> None:
        environ = request.environ
        if request.method != "GET":
            raise EngineRefused(EngineError.BAD_REQUEST, "method-not-allowed")
        if "wsgi.websocket" in environ:
            return
        if "websocket" not in environ.get("HTTP_UPGRADE", "").lower():
            raise EngineRefused(
                EngineError.BAD_REQUEST,
                "no-upgrade",
                "the request asks for no websocket; a proxy in front may have removed the headers "
                "Upgrade and Connection",
            )

    def welcome(
        self, route: Route, request: Request, socket: Socket, more: Sequence[Header]
    ) -> Callable[[], WSGIApplication]:
        """Prepare a session that was let in; what is returned answers its handshake, when the
        session is open."""
        assert isinstance(socket, EngineSocket)
        settings = self._settings
        transport = self._transports[socket.generation, route.transport]
        upgrades = []
        if isinstance(transport, EnginePolling) and _WEBSOCKET in self._names:
            other = self._transports[socket.generation, _WEBSOCKET]
            if isinstance(other, EngineWebSocket) and other.works_in(request.environ):
                upgrades = [_WEBSOCKET]
        socket.base64 = bool(request.field("b64"))
        socket.came_by = route.transport
        socket.welcome(
            encode_engine_handshake(
                socket.sessid,
                upgrades,
                settings.ping_interval,
                settings.ping_timeout,
                settings.max_payload,
            )
        )
        return lambda: transport.open(request, socket, more)
