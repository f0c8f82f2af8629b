"""The endpoint: answers every request under the resource (fact sheet, sections 1, 2 and 6).

======================================  ==========================================================
``/socket.io/``                         a welcome
``/socket.io/1/``                       handshake
``/socket.io/1/TRANSPORT/SID``          a request of an established session
``/socket.io/1/TRANSPORT/SID?disconnect``, ``/socket.io/1//SID/?disconnect``    the end of it
``/socket.io/N/...``, other digits      a protocol that is not spoken here
anything else                           not ours
======================================  ==========================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from webob import Request, Response

from .admission import (
    ERROR,
    ask_authorize,
    ask_view,
    check_origin,
    lasting_environ,
)
from .config import Settings
from .exceptions import RequestRefused
from .namespace import BaseNamespace
from .origins import cors_headers
from .protocol.handshake import encode_handshake
from .reasons import Reason
from .registry import SessionRegistry
from .transports import Transport
from .transports.base import WSGIApplication
from .transports.connection import closes_silently, hang_up_soon
from .transports.http import preflight
from .transports.scripts import callback_index, string_literal

__all__ = ["Endpoint", "Route", "parse_path"]

log = logging.getLogger("sockio.handshake")


class Route:
    """What a path under the resource asks for."""

    __slots__ = ("sid", "transport", "version")

    def __init__(self, version: str, transport: str = "", sid: str = "") -> None:
        self.version = version
        self.transport = transport
        self.sid = sid


def parse_path(rest: str) -> Route | None:
    """The route of a path, given what follows ``/socket.io/``; None for what is not ours."""
    version, _, rest = rest.partition("/")
    if not version:
        return Route("") if not rest else None
    if not (version.isascii() and version.isdigit()):
        return None
    transport, _, rest = rest.partition("/")
    sid, _, rest = rest.partition("/")
    if rest:
        return None
    return Route(version, transport, sid)


class Endpoint:
    """Answers the requests under one resource, for one middleware."""

    def __init__(
        self,
        settings: Settings,
        registry: SessionRegistry,
        transports: Mapping[str, Transport],
        app: Callable[..., Any],
        namespaces: Mapping[str, type[BaseNamespace]] | None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.transports = transports
        self.app = app
        self.namespaces = namespaces
        codec = registry.codec
        self.unknown_transport = codec.encode(codec.dialect.unknown_transport)

    def respond(self, route: Route, environ: dict[str, Any]) -> Response | WSGIApplication:
        """The answer to one request: a WSGI application. May block the request's task."""
        answer = self._respond(route, environ)
        if isinstance(answer, Response):
            # Session ids and messages: for nobody else, and nothing to guess the type of.
            answer.headers["Cache-Control"] = "no-store"
            answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def _respond(self, route: Route, environ: dict[str, Any]) -> Response | WSGIApplication:
        request = Request(environ)
        try:
            if not route.version:
                return Response("Welcome to socket.io.", content_type="text/plain")
            if route.version != "1":
                raise RequestRefused("500 Internal Server Error", "Protocol version not supported.")
            if not route.sid:
                return self._handshake(request)
            check_origin(self.settings.origins, environ)
            return self._session(route, request)
        except RequestRefused as refused:
            return self._refuse(request, refused)
        except Exception as error:
            log.exception("a request under /%s could not be answered", self.settings.resource)
            return self._refuse(
                request, RequestRefused("500 Internal Server Error", ERROR, detail=repr(error))
            )

    # ---- handshake

    def _handshake(self, request: Request) -> Response:
        environ = request.environ
        check_origin(self.settings.origins, environ)
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return preflight(request, cors_headers(environ))
        address = environ.get("REMOTE_ADDR", "")
        self.registry.check_room_for(address)
        ask_authorize(self.settings.authorize, request)
        socket = self.registry.create(address)
        cookies: list[tuple[str, str]] = []
        environ["socketio"] = socket
        try:
            if self.namespaces is not None:
                socket.namespaces = self.namespaces
            else:
                cookies = ask_view(self.app, environ, socket)
            socket.environ = lasting_environ(environ)
            if socket.request is None:
                socket.request = Request(socket.environ)
            offered = self._offered(environ)
            self.registry.admit(socket)
        except BaseException:
            # Nobody will come: tasks that the view started for this client end here.
            socket.close(Reason.REFUSED)
            raise
        line = encode_handshake(
            socket.sessid, self.settings.heartbeat_timeout, self.settings.close_timeout, offered
        )
        index = _jsonp_index(request)
        if index is not None:
            response = _jsonp(index, string_literal(line))
        else:
            response = Response(line, content_type="text/plain", charset="UTF-8")
            response.headerlist.extend(cors_headers(environ))
        response.headerlist.extend(cookies)
        return response

    def _offered(self, environ: dict[str, Any]) -> list[str]:
        """The transports that this server can do, of those that the settings allow."""
        offered = [name for name, each in self.transports.items() if each.works_in(environ)]
        if not offered:
            raise RequestRefused(
                "500 Internal Server Error",
                ERROR,
                detail=f"none of {', '.join(self.transports)} works under this server; name "
                "xhr-polling in transports, or serve by gevent.pywsgi (sockio serve)",
            )
        return offered

    # ---- established sessions

    def _session(self, route: Route, request: Request) -> Response | WSGIApplication:
        socket = self.registry.get_socket(route.sid)
        if socket is not None:
            socket.incr_hits()
        if "disconnect" in _query(request):
            # The sid is the credential, so whoever knows it may end the session.
            if socket is not None:
                socket.close(Reason.CLIENT)
            response = Response(b"", content_type="text/plain", charset="UTF-8")
            response.headerlist.extend(cors_headers(request.environ))
            return response
        transport = self.transports.get(route.transport)
        if transport is None:
            raise RequestRefused(
                "400 Bad Request",
                self.unknown_transport,
                detail=f"{route.transport[:40]!r} is not among {', '.join(self.transports)}",
            )
        return transport.respond(request, socket)

    # ---- refusals

    def _refuse(self, request: Request, refused: RequestRefused) -> Response:
        """A refusal, in plain form, or in the JSONP form where a handshake asks for that."""
        log.warning(
            "refused %s %s from %s: %s%s",
            request.method,
            _without_sid(request.path),
            request.environ.get("REMOTE_ADDR", "?"),
            refused,
            f" ({refused.detail})" if refused.detail else "",
        )
        index = _jsonp_index(request)
        if index is not None and refused.body.startswith("handshake"):
            # A script's status cannot be read by the page: 200, and the error inside.
            response = _jsonp(index, f"new Error({string_literal(refused.body)})")
        else:
            response = Response(
                refused.body, status=refused.status, content_type="text/plain", charset="UTF-8"
            )
            if refused.status[:3] != "403" or refused.body != "handshake bad origin":
                response.headerlist.extend(cors_headers(request.environ))
            if refused.close:
                if closes_silently(request.environ):
                    response.headers["Connection"] = "close"
                hang_up_soon(request.environ, self.registry.runtime)
        response.headerlist.extend(refused.headers)
        return response


def _jsonp_index(request: Request) -> str | None:
    return callback_index(_query(request).get("jsonp"))


def _query(request: Request) -> dict[str, str]:
    # Not WebOb's: that raises on escapes that are no UTF-8, and every error here has to be ours.
    return dict(parse_qsl(request.query_string, keep_blank_values=True))


def _jsonp(index: str, argument: str) -> Response:
    script = f"io.j[{index}]({argument});"
    response = Response(script.encode(), content_type="application/javascript")
    return response


def _without_sid(path: str) -> str:
    """The path for the log: a session id is a credential and never shown whole."""
    parts = path.split("/")
    return "/".join(part if len(part) < 20 else part[:6] + "…" for part in parts)
