"""The endpoint: answers every request under the resource (fact sheet, sections 1, 2 and 6).

======================================  ==========================================================
``/socket.io/``                         a welcome
``/socket.io/?EIO=4&transport=NAME``    a client since 1.0 (:mod:`sockio.http.engine_requests`)
``/socket.io/socket.io.js``, ...        the client's files (:mod:`sockio.http.client_script`)
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
from typing import Any, Protocol

import webob

from ..config.forwarded import client_of
from ..config.origins import cors_headers
from ..config.settings import Settings
from ..exceptions import PacketError, RequestRefused, UsageError
from ..namespaces.namespace import BaseNamespace
from ..protocol.handshake import encode_handshake
from ..runtime.gevent_runtime import ENDS_A_TASK, in_greenlet
from ..sessions.engine_socket import EngineSocket
from ..sessions.ids import cut
from ..sessions.reasons import Reason
from ..sessions.registry import SessionRegistry
from ..sessions.returning_socket import TOKEN
from ..sessions.sayings import at_length
from ..sessions.socket import Socket
from ..transports import JSONPPolling, Transport
from ..transports.answers import Answer, Head, Header
from ..transports.base import WSGIApplication
from ..transports.body import announced, leave_unread
from ..transports.connection import FAST, closes_silently, hang_up_soon
from ..transports.engine_polling import EnginePolling
from ..transports.http import HTTPTransport, preflight, refusal
from ..transports.request import Request, WouldBlock
from ..transports.scripts import callback_index, string_literal
from .admission import (
    BAD_HOST,
    BAD_ORIGIN,
    ERROR,
    ViewAnswer,
    ask_authorize,
    ask_view,
    check_host,
    check_origin,
    decide,
)
from .asking import NOBODY, OLD_PATH, Asking
from .claims import CLAIM, Claim, Inside, PassedOn
from .client_script import ClientFiles
from .engine_requests import EngineRequests, EngineTransport, engine_answer
from .lasting import KEPT, READ, lasting_environ, shed
from .route import FILE, Route
from .surroundings import say_concerns

__all__ = ["Endpoint"]

log = logging.getLogger("sockio.handshake")

#: What asks for a websocket, or is one that a server has opened (gevent-websocket).
_UPGRADE = frozenset({"HTTP_UPGRADE", "HTTP_CONNECTION", "wsgi.websocket"})
_TEXT = Head("200 OK", "text/plain; charset=UTF-8")
_SCRIPT = Head("200 OK", "application/javascript")


class Others(Protocol):
    """The other workers: :class:`sockio.http.forwarding.asker.Asker`."""

    def owner_of(self, endpoint: Endpoint, sessid: str) -> str | None: ...

    def relay(
        self, endpoint: Endpoint, route: Route, request: Request
    ) -> WSGIApplication | None: ...


class Endpoint:
    """Answers the requests under one resource, for one middleware."""

    def __init__(
        self,
        settings: Settings,
        registry: SessionRegistry,
        transports: Mapping[str, Transport],
        app: Callable[..., Any],
        namespaces: Mapping[str, type[BaseNamespace]] | None,
        inside: Inside,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.transports = transports
        self.app = app
        self.namespaces = namespaces
        self.inside = inside
        codec = registry.codec
        self.unknown_transport = codec.encode(codec.dialect.unknown_transport)
        #: The transport whose answers are scripts, where it is offered.
        self._scripting = JSONPPolling.name if JSONPPolling.name in transports else None
        #: Those of clients since 1.0.
        self.engine = EngineRequests(settings, registry.runtime, transports, self.count)
        #: What it asks the application, which may have a middleware of its own.
        self.asking = Asking(settings, registry.runtime, app, inside)
        self._files = ClientFiles(settings.client_script)
        self._looked_around = False
        self._speaks_09 = "0.9" in settings.generations
        self._promises: dict[tuple[str, ...], str] = {}
        #: The other workers, where there are some: what is for their sessions is theirs.
        self.others: Others | None = None
        #: By what name those know the middleware that this one answers for.
        self.place = ""

    def respond(
        self, route: Route, request: Request, *, alone: bool = False, here: bool = False
    ) -> WSGIApplication:
        """The answer to one request: a WSGI application. ``alone`` says that no middleware inside
        of the application answers it, ``here`` that no other worker does.

        May block the request's task; raises ``WouldBlock`` where that may not be (see
        :class:`~sockio.transports.request.Request`).
        """
        try:
            if not request.may_block and callable(self.settings.origins):
                raise WouldBlock
            if self.inside.gives_way and not alone and not self._is_mine(route):
                return self._pass_on(route, request)
            if route.sid and self.others is not None and not here:
                hidden = not alone and self.may_be_hidden(route, request.environ)
                if hidden and self.asking.another_serves(request):
                    return self._pass_on(route, request)
                relay = self.others.relay(self, route, request)
                if relay is not None:
                    return relay
            if route.sid or alone or not self.inside.gives_way:
                # Where the application may have a middleware of its own, that is asked first.
                check_host(self.settings, request.environ)
            answer: WSGIApplication
            asks = not (route.sid or self._opens(route) or alone)
            if asks and self.asking.another_serves(request):
                return self._pass_on(route, request)
            if not route.version:
                answer = Answer(_TEXT, b"Welcome to socket.io.")
            elif route.version == Route.ENGINE:
                request.engine = True
                if route.sid:
                    script = request.callback is not None
                    check_origin(self.settings, request.environ, script=script)
                    answer = self.engine.respond(route, request)
                else:
                    answer = self._engine_handshake(route, request, alone)
            elif route.version == FILE:
                answer = self._file(route.transport, request)
            elif route.version != "1" or not self._speaks_09:
                raise RequestRefused(
                    "500 Internal Server Error",
                    "Protocol version not supported.",
                    code="protocol-version",
                )
            elif not route.sid:
                answer = self._handshake(route, request)
            else:
                script = route.transport == self._scripting
                check_origin(self.settings, request.environ, script=script)
                answer = self._session(route, request)
            if type(answer) is Answer and (request.body is None or FAST not in request.environ):
                self._leave_unread(request, answer)
            return answer
        except (WouldBlock, *ENDS_A_TASK):
            raise
        except RequestRefused as refused:
            return self.refuse(request, refused)
        except BaseException as error:
            if not request.may_block:
                raise WouldBlock from error
            return self.refuse(request, _failed(error))

    def judge(self, route: Route, request: Request) -> bool:
        """Whether the body that a request announces will be looked at. Told from its head.

        If not, :meth:`respond` answers the request without its body, and the answer says that the
        connection is closed. Does not block; raises ``WouldBlock`` where the application has to be
        asked and ``request.may_block`` is false.
        """
        if request.method != "POST" or not (route.admits and route.sid):
            return False
        settings = self.settings
        if callable(settings.origins) and not request.may_block:
            raise WouldBlock
        try:
            self.check_source(route, request)
            announced(request, settings)
        except Exception:
            # Said, and logged, by whoever answers.
            return False
        if self.others is not None and self.others.owner_of(self, route.sid) is not None:
            return self.takes_body(route, request)
        socket = self.registry.get_socket(route.sid)
        if isinstance(socket, EngineSocket):
            # One at a time: of a second nothing is read.
            return isinstance(self.transport_of(route), EnginePolling) and socket.posting is None
        return (
            isinstance(self.transport_of(route), HTTPTransport)
            and socket is not None
            and request.field("disconnect") is None
        )

    def check_source(self, route: Route, request: Request) -> None:
        """Raise ``RequestRefused`` for a stranger's request, whosever session it is for."""
        check_host(self.settings, request.environ)
        # From here on it is told as its client reads it.
        request.engine = route.version == Route.ENGINE
        if request.engine:
            script = request.callback is not None
        else:
            script = route.transport == self._scripting
        check_origin(self.settings, request.environ, script=script)

    def takes_body(self, route: Route, request: Request) -> bool:
        """Whether the body of a POST for some session would be looked at."""
        transport = self.transport_of(route)
        if route.version == Route.ENGINE:
            return isinstance(transport, EnginePolling)
        return isinstance(transport, HTTPTransport) and request.field("disconnect") is None

    def expect_body(self, route: Route, request: Request) -> None:
        """The body of this request, which is wanted, is being read from now on."""
        socket = self.count(route, request)
        if isinstance(socket, EngineSocket):
            request.engine = True
            if socket.posting is None:
                socket.posting = request

    def lose_body(self, route: Route, request: Request) -> None:
        """It will not come, or not all of it."""
        socket = self.registry.get_socket(route.sid)
        if isinstance(socket, EngineSocket) and socket.posting is request:
            socket.posting = None
            # What was in it is lost, and nobody can tell the client which of its packets.
            socket.violate(
                PacketError("the body of a POST did not come"), Reason.TRANSPORT_ERROR, logged=True
            )

    def transport_of(self, route: Route) -> Transport | EngineTransport | None:
        """The transport that a request of a session names, or None."""
        if route.version == Route.ENGINE:
            return self.engine.transport_of(route)
        return self.transports.get(route.transport)

    def _jsonp_index(self, request: Request) -> str | None:
        """Which callback of the page a handshake is answered by; None for a plain answer."""
        # To others it is a parameter of the application's own.
        index = None if request.engine else callback_index(request.field("jsonp"))
        return index if index is not None and self._scripting else None

    def _leave_unread(self, request: Request, answer: Answer) -> None:
        if leave_unread(request, self.registry.runtime) and not answer.closes:
            answer.more = [*answer.more, ("Connection", "close")]

    # ---- without a session

    def _file(self, name: str, request: Request) -> Answer:
        if not request.may_block:
            # It is read from a disk.
            raise WouldBlock
        return self._files.respond(name, request)

    # ---- handshake

    def _opens(self, route: Route) -> bool:
        """Whether it is of a client that is served here: without a session, it is a handshake."""
        return route.version == Route.ENGINE or (route.version == "1" and self._speaks_09)

    def _engine_handshake(self, route: Route, request: Request, alone: bool) -> WSGIApplication:
        try:
            self.engine.check_handshake(route, request)
        except RequestRefused:
            inside = self.inside
            asks = inside.gives_way or inside.stands_in
            if alone or not (asks and self.asking.another_serves(request)):
                raise
            # It may be a handshake to that one, and what is around it has to see what is none.
            return self._pass_on(route, request)
        return self._handshake(route, request)

    def _handshake(self, route: Route, request: Request) -> WSGIApplication:
        environ = request.environ
        if self.namespaces is None:
            if not request.may_block:
                # The application is asked.
                raise WouldBlock
            return self._handshake_by_view(route, request)
        if not request.may_block and self.settings.authorize is not None:
            raise WouldBlock
        if self.asking.another_serves(request, admitting=True):
            return self._pass_on(route, request)
        refused = self._gates(request)
        if refused is not None:
            return refused
        socket = self._new_socket(route, request)
        try:
            socket.namespaces = self.namespaces
            return self._admit(route, request, socket, environ, [])
        except BaseException:
            # Nobody will come.
            socket.close(Reason.REFUSED)
            raise

    def _handshake_by_view(self, route: Route, request: Request) -> WSGIApplication:
        environ = request.environ
        inside = self.inside
        # Where the application may have a middleware of its own, the gates are that one's.
        at_once = not (inside.gives_way or (inside.stands_in and not inside.knows(environ)))
        if at_once and (answer := self._gates(request)) is not None:
            return answer
        socket = self._new_socket(route, request)
        outer = environ.get(CLAIM)
        claim = Claim(inside, environ, outer=outer, here=True, socket=socket)
        try:
            said = ask_view(self.app, environ, claim, whole=inside.unseen)
            # The task may live on, and remembers its claim.
            claim.socket = None
            taken = claim.taken or said.is_of_one
            plainer = None if taken else _asked_plainly(route, environ, said, socket)
            if plainer is not None:
                environ = plainer
                claim = Claim(inside, environ, outer=outer, here=True, socket=socket)
                said = ask_view(self.app, environ, claim, whole=inside.unseen)
                claim.socket = None
            if said.is_of_one:
                inside.answered_by_one()
                claim.taken = True
            if claim.taken:
                socket.close(Reason.REFUSED)
                if said.error is not None:
                    raise said.error
                return said.whole()
            if not at_once:
                check_host(self.settings, request.environ)
                if (answer := self._gates(request)) is not None:
                    socket.close(Reason.REFUSED)
                    return answer
            cookies = decide(said, environ, socket)
            if said.complaint:
                self._say_let_in(said.complaint)
            inside.learn(request.environ)
            return self._admit(route, request, socket, socket.environ, cookies)
        except BaseException:
            # Nobody will come: tasks that the view started for this client end here.
            socket.close(Reason.REFUSED)
            raise

    def _say_let_in(self, complaint: str) -> None:
        self.registry.complaints.say(
            log,
            logging.WARNING,
            "view-gave-no-answer",
            "",
            "the view called socketio_manage() and then returned what its framework cannot answer "
            "with (%s): the client is let in. Return what socketio_manage() returned.",
            complaint,
        )

    def _gates(self, request: Request) -> Answer | None:
        """What is asked before the application is. Raises ``RequestRefused``; the answer to a
        preflight, which asks no more."""
        environ = request.environ
        script = self._jsonp_index(request) is not None or request.callback is not None
        check_origin(self.settings, environ, script=script)
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return preflight(request, cors_headers(environ))
        self.registry.check_room_for(client_of(environ, self.settings.trusted_proxies))
        if self.settings.authorize is not None:
            ask_authorize(self.settings.authorize, webob.Request(environ))
        return None

    def _new_socket(self, route: Route, request: Request) -> Socket:
        environ = request.environ
        address = client_of(environ, self.settings.trusted_proxies)
        generation = self.engine.generation_of(route)
        token = None
        if generation is None and self.registry.recovery is not None:
            token = self._token_in(request, address)
        socket = self.registry.create(address, generation, token)
        # The ancestor's name for it, and ours.
        environ["socketio"] = environ["sockio"] = socket
        return socket

    def _token_in(self, request: Request, address: str) -> str | None:
        """By what a client of 0.9 wants to be known again, if it does."""
        token = request.field("recovery")
        least, most = TOKEN
        if token is None or least <= len(token) <= most:
            return token
        if not request.may_block:
            # It is logged, and a log handler may block.
            raise WouldBlock
        self.registry.complaints.say(
            log,
            logging.WARNING,
            "recovery-token",
            address,
            "a handshake from %s has recovery=... with %d characters, which does not count: let "
            "the page make %d to %d of them at random, as docs/howto/recovery shows. Until then "
            "its client begins anew whenever the connection was lost. [recovery-token]",
            address or "?",
            len(token),
            least,
            most,
        )
        return None

    def _admit(
        self,
        route: Route,
        request: Request,
        socket: Socket,
        seen: dict[str, Any],
        cookies: list[Header],
    ) -> WSGIApplication:
        """Let the client in. ``seen`` is the environ as the view has seen it."""
        environ = request.environ
        if not self._looked_around:
            self._look_around(environ)
        self._lighten(seen, socket, quiet=not request.may_block)
        socket.environ = lasting_environ(seen)
        if socket.request is None:
            socket.request = webob.Request(socket.environ)
        if route.version == Route.ENGINE:
            welcome = self.engine.welcome(route, request, socket, cookies)
            self.registry.admit(socket)
            return welcome()
        offered = self._offered(environ)
        self.registry.admit(socket)
        line = socket.sessid + self._promise(tuple(offered))
        index = self._jsonp_index(request)
        if index is not None:
            return _jsonp(index, string_literal(line), cookies)
        return Answer(_TEXT, line.encode(), cors_headers(environ) + cookies)

    def _promise(self, offered: tuple[str, ...]) -> str:
        """What a handshake's line says behind the session id: the same for everybody to whom the
        same transports are offered."""
        promise = self._promises.get(offered)
        if promise is None:
            settings = self.settings
            line = encode_handshake(
                "sid", settings.heartbeat_timeout, settings.close_timeout, offered
            )
            promise = self._promises[offered] = line.removeprefix("sid")
        return promise

    # ---- others inside of the application

    def _is_mine(self, route: Route) -> bool:
        """Whether this endpoint answers, although one inside serves under the same URL: where the
        application's views decide, some may have let clients in here, for other hosts perhaps."""
        if route.sid:
            return self.registry.get_socket(route.sid) is not None
        return self.namespaces is None and self._opens(route)

    def may_be_hidden(self, route: Route, environ: Mapping[str, Any]) -> bool:
        """Whether a session of another worker may be that of a middleware inside of the
        application, of which nothing was seen in this process yet: then what is around that one has
        to see the request."""
        return (
            self.others is not None
            and not self.asking.serves_alone(environ)
            and self.others.owner_of(self, route.sid) is not None
        )

    def _pass_on(self, route: Route, request: Request) -> WSGIApplication:
        """Let the application answer, where another middleware is."""
        environ = request.environ
        claim = Claim(self.inside, environ, outer=environ.get(CLAIM), here=True)
        if FAST not in environ:
            if self.namespaces is not None or self.inside.unseen:
                return self.app
            return PassedOn(
                self.app,
                claim,
                lambda: self.respond(route, request, alone=True),
                # A handshake is a question, and what the application says to it is judged.
                lambda status: bool(route.sid) and not status.startswith(NOBODY),
            )
        if not request.may_block:
            raise WouldBlock
        if route.sid or "HTTP_UPGRADE" in environ:
            # What is around the other middleware has to see a request that can be answered in
            # every way, and this one was begun where only we can.
            raise RequestRefused(
                "503 Service Unavailable",
                "",
                code="served-inside",
                detail="another middleware was found inside of the application, and serves from "
                "now on",
                close=True,
            )
        said = ask_view(self.app, environ, claim, whole=True)
        if said.error is not None:
            raise said.error
        return said.whole()

    def _lighten(self, environ: dict[str, Any], socket: Socket, *, quiet: bool) -> None:
        dropped = shed(environ, socket.request)
        if dropped:
            socket.complain(
                log,
                logging.WARNING,
                "environ-too-large",
                "a session keeps %d bytes of its handshake at most, and %d of the cookies and "
                "fields that are read of it; %s sent more, and these are not kept: %s",
                KEPT,
                READ,
                socket.address,
                ", ".join(name[:60] for name in dropped[:5]),
                quiet=quiet,
            )

    def _offered(self, environ: dict[str, Any]) -> list[str]:
        """The transports that this server can do, of those that the settings allow."""
        offered = [name for name, each in self.transports.items() if each.works_in(environ)]
        if not offered:
            raise RequestRefused(
                "500 Internal Server Error",
                ERROR,
                code="no-transport-works",
                detail=f"none of {', '.join(self.transports)} works under this server; name "
                "xhr-polling in transports, or serve by gevent.pywsgi (sockio serve)",
            )
        return offered

    def _look_around(self, environ: dict[str, Any]) -> None:
        """Say what the server cannot do, whatever client is the first that it lets in."""
        self._looked_around = True
        missing = [name for name, each in self.transports.items() if not each.works_in(environ)]
        joined = self.others is not None
        say_concerns(environ, missing, in_greenlet=in_greenlet(), joined=joined)

    # ---- established sessions

    def count(self, route: Route, request: Request) -> Socket | None:
        """The session that the request belongs to, which counts it."""
        socket = self.registry.get_socket(route.sid)
        if isinstance(socket, EngineSocket) is not (route.version == Route.ENGINE):
            # Another generation's.
            return None
        if socket is not None and not request.counted:
            request.counted = True
            socket.incr_hits()
        return socket

    def _session(self, route: Route, request: Request) -> WSGIApplication:
        socket = self.count(route, request)
        if request.field("disconnect") is not None:
            # The sid is the credential, so whoever knows it may end the session.
            if socket is not None:
                socket.close(Reason.CLIENT)
            return Answer(_TEXT, more=cors_headers(request.environ))
        transport = self.transports.get(route.transport)
        if transport is None:
            raise RequestRefused(
                "400 Bad Request",
                self.unknown_transport,
                code="transport-not-offered",
                detail=f"{route.transport[:40]!r} is not among {', '.join(self.transports)}",
            )
        return transport.respond(request, socket)

    # ---- refusals

    def refuse(self, request: Request, refused: RequestRefused) -> Answer:
        """A refusal, in plain form, or in the JSONP form where a handshake asks for that."""
        quiet = refused.expected and not log.isEnabledFor(logging.DEBUG)
        if not (request.may_block or quiet):
            # It is logged, and a log handler may block.
            raise WouldBlock from refused
        if not quiet:
            self._log(request, refused)
        headers = [*refused.headers, refusal(refused.code)]
        if request.engine:
            if refused.body not in (BAD_ORIGIN, BAD_HOST):
                headers += cors_headers(request.environ)
            return self._closing(request, refused, engine_answer(refused, headers))
        index = self._jsonp_index(request)
        said_by_view = refused.code == "view-refused"
        if index is not None and (said_by_view or refused.body.startswith("handshake")):
            # A script's status cannot be read by the page: 200, and the error inside.
            answer = _jsonp(index, f"new Error({string_literal(refused.body)})", headers)
            self._leave_unread(request, answer)
            return answer
        if refused.body not in (BAD_ORIGIN, BAD_HOST):
            headers = [*cors_headers(request.environ), *headers]
        head = Head(refused.status, "text/plain; charset=UTF-8")
        return self._closing(request, refused, Answer(head, refused.body.encode(), headers))

    def _closing(self, request: Request, refused: RequestRefused, answer: Answer) -> Answer:
        """The answer of a refusal, behind which the connection is closed where it has to be."""
        if not refused.close:
            self._leave_unread(request, answer)
            return answer
        if closes_silently(request.environ):
            answer.more = [*answer.more, ("Connection", "close")]
        hang_up_soon(request.environ, self.registry.runtime)
        return answer

    def _log(self, request: Request, refused: RequestRefused) -> None:
        """One line; with the traceback of what failed, unless its text says it all."""
        failure = refused.__cause__ if refused.status.startswith("5") else None
        level = logging.WARNING if failure is None else logging.ERROR
        if refused.expected:
            level = logging.DEBUG
        address = client_of(request.environ, self.settings.trusted_proxies)
        self.registry.complaints.say(
            log,
            level,
            refused.code,
            address,
            "refused %s %s from %s: %s [%s]%s",
            request.method,
            _without_sid(request.path),
            address or "?",
            at_length(str(refused)),
            refused.code,
            at_length(f" ({refused.detail})" if refused.detail else ""),
            exc_info=False if failure is None or isinstance(failure, UsageError) else failure,
        )


def _failed(error: BaseException) -> RequestRefused:
    failed = RequestRefused(
        "500 Internal Server Error", ERROR, code="internal-error", detail=repr(error)
    )
    failed.__cause__ = error
    return failed


def _jsonp(index: str, argument: str, more: list[Header]) -> Answer:
    return Answer(_SCRIPT, f"io.j[{index}]({argument});".encode(), more)


def _asked_plainly(
    route: Route, environ: dict[str, Any], said: ViewAnswer, socket: Socket
) -> dict[str, Any] | None:
    """A handshake as the application may know it, where it has said that it knows none of this
    kind; None where that was not it.

    Routes such as Flask's ``/socket.io/<path:rest>``, where clients until 0.9 ask, do not match
    ``/socket.io/``, where those since 1.0 do; and Flask answers 400 to a request that wants a
    websocket from a view that makes none.
    """
    if route.version != Route.ENGINE or socket.environ or said.status[:3] not in ("400", "404"):
        return None
    plain = {name: value for name, value in environ.items() if name not in _UPGRADE}
    if said.status.startswith("404"):
        plain["PATH_INFO"] = environ["PATH_INFO"].rstrip("/") + OLD_PATH
    elif len(plain) == len(environ):
        return None
    return plain


def _without_sid(path: str) -> str:
    """The path for the log: a session id is a credential and never shown whole."""
    parts = path.split("/")
    return "/".join(part if len(part) < 20 else cut(part) for part in parts)
