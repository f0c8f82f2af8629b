"""``SocketIOMiddleware``: the WSGI callable. Ours, or hand the untouched environ on."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from ..backplane.channels import called
from ..backplane.local import LocalBackplane
from ..backplane.questions import ANSWERED, Answers, Question
from ..config.plain import check_plain, check_wsgi
from ..config.settings import Settings
from ..exceptions import UsageError
from ..namespaces.dispatch import Dispatcher
from ..namespaces.emitter import Emitter
from ..namespaces.functions import NamespaceMap
from ..protocol.dialect import V09, Codec
from ..protocol.strict_json import dumps_with
from ..runtime.gevent_runtime import GeventRuntime
from ..runtime.interfaces import Runtime
from ..sessions.registry import SessionRegistry
from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from ..transports import make_transports
from ..transports.connection import closes_silently, connection_of, is_pywsgi, no_delay
from ..transports.request import Request
from .claims import CLAIM, Claim, Inside, claim_of
from .endpoint import Endpoint
from .engine_requests import make_engines, make_packing
from .frameworks import json_default_of, layers
from .manage import check_namespaces
from .rawsocket import WEBSOCKET, Terms, withdraw
from .route import in_origin_form, route_at
from .surroundings import is_within_request
from .told import tell
from .workers import join

__all__ = ["MESH", "SocketIOMiddleware"]

#: The variable of the environment that stands for the setting ``mesh``.
MESH = "SOCKIO_MESH"

log = logging.getLogger("sockio")

_ANEW = (
    "the application at /%s/ is wrapped in another SocketIOMiddleware by each request: a session "
    "is known to the one that answered its handshake alone, so clients connect again and again. "
    "Wrap it once, where it is loaded. [wrapped-anew]"
)
_ALONE = (
    "the SocketIOMiddleware at /%s/ was made while a request was answered, and takes no part in "
    "mesh and backplane: in another process others may have been made before it, and clients of "
    "one would get what is for another's. Make it when the module is imported, or give it a name "
    "that is the same in all processes: SocketIOMiddleware(app, ..., group='chat')."
)

F = TypeVar("F", bound=Callable[..., Any])
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class SocketIOMiddleware:
    """Socket.IO for any WSGI application.

    With ``namespaces`` (``{"/chat": ChatNamespace}``) it serves them to everybody whom the settings
    ``origins`` and ``authorize`` let in. Without, the wrapped application decides: it is run once
    for each handshake, and the view that it routes ``/socket.io/1/`` to calls
    :func:`~sockio.socketio_manage`.

    ``settings`` are the keyword arguments of :class:`~sockio.config.Settings`; an unknown name or a
    value that cannot work raises :class:`~sockio.exceptions.SettingsError`. Every request that is
    not under ``/socket.io/`` (setting ``resource``) goes to ``app`` with its environ untouched; one
    that asks for a websocket has it in ``environ["wsgi.websocket"]``
    (:class:`~sockio.http.rawsocket.OfferedWebSocket`).
    """

    #: How many there are, by the resource.
    _made: ClassVar[dict[str, int]] = {}
    #: Those that take part in a mesh or a backplane, by that and what they are called there.
    _named: ClassVar[weakref.WeakValueDictionary[tuple[str, str], SocketIOMiddleware]] = (
        weakref.WeakValueDictionary()
    )

    #: The applications that were wrapped while a request was answered, and whether it was said
    #: that one is wrapped again and again.
    _wrapped: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()
    _told: ClassVar[bool] = False

    def __init__(
        self,
        app: WSGIApp,
        namespaces: NamespaceMap | None = None,
        *,
        runtime: Runtime | None = None,
        **settings: Any,
    ) -> None:
        if not callable(app):
            raise UsageError(
                f"SocketIOMiddleware wraps a WSGI application, and {app!r} is not callable. "
                "Pass the application first: SocketIOMiddleware(app, {'/chat': ChatNamespace})."
            )
        check_wsgi(app)
        self.app = app
        self.settings = Settings.make(settings)
        self.namespaces = None if namespaces is None else check_namespaces(namespaces)
        self.runtime: Runtime = runtime or GeventRuntime(self.settings.without)
        json_dumps = self.settings.json_dumps
        json_default = self.settings.json_default or json_default_of(app)
        if json_dumps is None and json_default is not None:
            json_dumps = dumps_with(json_default)
        codec = Codec(
            V09,
            self.settings.json_loads,
            json_dumps,
            base64=self.settings.bytes_to_09 == "base64",
        )
        engines = make_engines(self.settings, json_dumps)
        rooms: Rooms[Socket] = Rooms(self.settings.max_rooms)
        self._local = LocalBackplane(
            lambda *whom: self.registry.members(*whom),
            lambda: self.registry.recovery,
            self.runtime.begin_turn,
        )
        #: The living sessions: ``registry.sockets``, ``registry.get_socket(sessid)``.
        self.registry = SessionRegistry(
            self.settings,
            self.runtime,
            codec,
            rooms,
            self._local,
            lambda socket: Dispatcher(socket, self.runtime, rooms),
            engines,
            make_packing(self.settings, engines),
        )
        if self.namespaces is not None:
            self.registry.known.update(self.namespaces)
            self.registry.known_patterns.update(self.namespaces.patterns)
        transports = make_transports(self.settings, self.runtime, codec)
        #: The middlewares inside of ``app``, as far as requests have met them.
        self.inside = Inside(self.settings.resource)
        self.inside.when_found(self._give_way)
        if isinstance(app, SocketIOMiddleware):
            self.inside.found(app, same_place=app.settings.resource == self.settings.resource)
        self.endpoint = Endpoint(
            self.settings, self.registry, transports, app, self.namespaces, self.inside
        )
        registry = self.registry
        self._terms = Terms(self.settings, registry.complaints.say, lambda: registry.closing)
        self._joins = True
        # What it is called in each worker. Those without a name are told apart by the order in
        # which they are made, and a request makes one worker's first what is another's second.
        self._group = called(self.settings.group)
        within = is_within_request()
        if within:
            self._look_at_repetition()
        self._alone = not self._group and within
        if not self._group and not self._alone:
            resource = self.settings.resource
            number = self._made[resource] = self._made.get(resource, 0) + 1
            self._group = resource if number == 1 else f"{resource}#{number}"
        self._server_side: dict[str, Callable[..., Any]] = {}
        self._on_start: list[Callable[[], object]] = []
        self._mount = "/" + self.settings.resource

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            path = environ["PATH_INFO"]
        except KeyError:
            # A server may leave out what is empty.
            path = ""
        if path[:1] != "/":
            path = in_origin_form(environ)
        if path.startswith(self._mount):
            route = route_at(self._mount, path, environ.get("QUERY_STRING", ""))
            if route is not None:
                claim = self._claim_of(environ)
                if claim is not None:
                    self._take(claim, environ)
                    if claim.only_asking:
                        start_response("204 No Content", [])
                        return []
                if WEBSOCKET in environ:
                    withdraw(environ)
                self.runtime.bind()
                if self._joins:
                    self.join()
                if is_pywsgi(environ):
                    # Here and not in the server alone: any gevent.pywsgi may be around.
                    no_delay(connection_of(environ))
                answer = self.endpoint.respond(route, Request(environ))
                return answer(environ, _say_close(environ, start_response))
        if self.inside.watchful:
            claim = self._claim_of(environ)
            if self.inside.stands_in:
                Claim(self.inside, environ, outer=claim)
        if "HTTP_UPGRADE" in environ:
            return self._terms.offer(self.app, environ, start_response)
        return self.app(environ, start_response)

    def _claim_of(self, environ: dict[str, Any]) -> Claim | None:
        """The claim of a request, which is told whom it has reached."""
        claim = claim_of(environ) if Claim.made else None
        if claim is None:
            return None
        if claim.asker is not self.inside:
            environ[CLAIM] = claim
            claim.reached(self, environ)
        elif CLAIM not in environ:
            # One of its own of an earlier request, on the same connection.
            return None
        return claim

    def _take(self, claim: Claim, environ: dict[str, Any]) -> None:
        """Another middleware, outside of this one, asks who serves: this one, as if alone."""
        if claim.asker is self.inside:
            raise UsageError(
                "the application that SocketIOMiddleware wraps calls that middleware again: "
                "requests would go round for ever."
            )
        claim.take(self)
        # What that one offers to a view.
        for name in ("socketio", "sockio"):
            environ.pop(name, None)

    def _give_way(self, found: SocketIOMiddleware | None) -> None:
        if self.inside.gives_way and self.namespaces is not None:
            # Whoever is in came past the gate of the other one, which may be in another thread.
            if self.runtime.here():
                self.registry.close_all()
            else:
                self.runtime.from_thread(self.registry.close_all)

    @property
    def serving(self) -> SocketIOMiddleware:
        """The middleware that serves the clients: this one, or one inside of it."""
        heir = self.inside.heir
        return self if heir is None else heir.serving

    def stand_in(self, *given: str) -> None:
        """Say that this one was made by a server, which could not see whether the application is
        wrapped already: it gives way to any that is met inside. ``given`` are the names of what the
        server was told, and what nobody is told then. For servers.
        """
        self.inside.stands_in = self.inside.watchful = True
        self.inside.given = given
        # It serves for the first of the application's, or that one does.
        self._group = called(self.settings.group) or self.settings.resource
        self._alone = False

    def join(self) -> None:
        """Be one process among those that have the setting ``mesh`` in common (or ``SOCKIO_MESH``
        in their environment), or ``backplane``; nothing happens without them, and the second time.
        For servers: a middleware joins with its first request otherwise.

        Raises ``SettingsError`` for a directory that cannot be used, and ``UsageError`` for a URL
        that cannot.
        """
        if not self._joins:
            return
        self._joins = False
        settings = self.settings
        path = settings.mesh or os.environ.get(MESH, "")
        if path == "off":
            path = ""
        if self._alone:
            if path or settings.backplane:
                log.warning(_ALONE, settings.resource)
        else:
            if not self.inside.stands_in:
                self._check_name(path, settings.backplane)
            join(path, self._group, self.endpoint, self._local, self._server_side)
        for function in self._on_start:
            tell(self.runtime, "the function of on_start", function)

    def _look_at_repetition(self) -> None:
        """Say it, once, where an application is wrapped anew by another request: what the one
        before knows, this one does not."""
        *_, innermost = layers(self.app)
        try:
            before = innermost in self._wrapped
            self._wrapped.add(innermost)
        except TypeError:
            # It cannot be referred to so.
            return
        if before and not self._told:
            SocketIOMiddleware._told = True
            log.warning(_ANEW, self.settings.resource)

    def _check_name(self, *places: str) -> None:
        """Raise ``UsageError`` where another one that takes part there is called alike."""
        for place in filter(None, places):
            other = self._named.setdefault((place, self._group), self)
            if other is not self and not other.registry.closing:
                raise UsageError(
                    f"two middlewares of this process have the setting "
                    f"group={self.settings.group!r}, and would get each other's clients in mesh or "
                    "backplane: give one of them another name."
                )
            self._named[place, self._group] = self

    def of(self, namespace: str) -> Emitter:
        """Emit to a namespace from anywhere in the process, other native threads included:
        ``middleware.of("/chat").to("lobby").emit("event", ...)``."""
        if namespace and not namespace.startswith("/"):
            raise UsageError(f"of({namespace!r}): namespaces start with a slash: '/{namespace}'.")
        return Emitter(self.serving.registry, "" if namespace == "/" else namespace)

    def on_start(self, function: F) -> F:
        """Have a function called once in every process that serves, in a task of its own: when it
        has joined the others, and so never before it was forked. That is before the first request
        where the server is sockio's, or is gunicorn with sockio's worker, and with it elsewhere. A
        decorator."""
        check_plain(function, "the function of on_start")
        self._on_start.append(function)
        return function

    def on_server_side(self, event: str) -> Callable[[F], F]:
        """Have a function called when another worker says ``event`` by :meth:`server_side_emit` or
        :meth:`server_side_call`: in a task of its own, with the arguments from there. Its value, of
        JSON and bytes, is the answer. A decorator."""

        def register(function: F) -> F:
            check_plain(function, f"the function for {event!r}")
            self._server_side[event] = function
            return function

        return register

    def server_side_emit(self, event: str, *args: Any) -> None:
        """Have the function for ``event`` called in every other worker (:meth:`on_server_side`),
        those of other hosts among them (setting ``backplane``).

        Does not block, and says nothing of what came of it. Raises ``UsageError`` for arguments
        that are not JSON and bytes, and by a backplane for more than 1 MB of them."""
        self._to_workers().notify(event, list(args))

    def server_side_call(self, event: str, *args: Any, timeout: float | None = None) -> Answers:
        """The same, and what the functions gave, by the worker's name.

        Blocks the calling task until all have answered, or for ``timeout`` seconds (5 when None);
        who has not is among the ``missing``, and so is where the
        function failed."""
        seconds = ANSWERED if timeout is None else timeout
        values = (event, list(args))
        question = Question("server-side", "", None, frozenset(), seconds, values)
        asked = self._to_workers().ask(question)
        if asked is None:
            return Answers({}, [])
        answers: Answers = asked.wait(seconds)
        return Answers({boot: said[0] for boot, said in answers.values.items()}, answers.missing)

    def _to_workers(self) -> Any:
        if not self.runtime.here():
            raise UsageError("server_side_... belongs in the server's own thread.")
        self.serving.join()
        return self.serving.registry.backplane

    def hand_over(self, seconds: float, somebody_comes: Callable[[], bool] | None = None) -> bool:
        """Have another worker of this host keep what the clients of this one may come back for
        (setting ``recovery``), and end their sessions with that; whether one does. For servers,
        which call :meth:`close` next.

        Blocks for ``seconds`` at most, 2 or so where somebody is there to keep it: where nobody is
        it returns at once, unless ``somebody_comes()``.
        """
        recovery = self.registry.recovery
        if recovery is None or recovery.hand_over is None or not self.runtime.here():
            return False
        return recovery.hand_over(seconds, somebody_comes)

    def close(self, timeout: float = 0) -> None:
        """End every session and refuse new ones: for the end of the server. The application's own
        websockets are closed, too.

        Queued packets are still delivered and the namespaces told, for which it blocks ``timeout``
        seconds at most; by default it does not wait. With the setting ``recovery`` another worker
        of this host gets half of that time to take what the clients may come back for.
        """
        if timeout:
            self.hand_over(timeout / 2)
        self.registry.close_all()
        if self.runtime.here():
            self._terms.farewell.say()
        if timeout:
            self.registry.wait_until_empty(timeout)


def _say_close(environ: dict[str, Any], start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Make gevent.pywsgi say that it closes when the client asked for that.

    It closes without the header, and clients that keep connections then write their next request
    into a dead one.
    """
    if environ.get("HTTP_CONNECTION", "").lower() != "close" or not closes_silently(environ):
        return start_response

    def saying_close(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if not any(name.lower() == "connection" for name, _ in headers):
            headers = [*headers, ("Connection", "close")]
        write: Callable[[bytes], object] = start_response(status, headers, exc_info)
        return write

    return saying_close
