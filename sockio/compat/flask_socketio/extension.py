"""The extension: handlers by decorators, emitting, rooms, and a server."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar

import flask
import gevent

from ...config.plain import check_plain
from ...exceptions import AckTimeout, EventRefused, UsageError
from ...http.manage import check_namespaces
from ...http.middleware import SocketIOMiddleware
from ...namespaces.emitter import Emitter
from .handling import Bridge, ConcurrentBridge, ConnectionRefusedError, in_context, name_of, takes
from .marked import Marks, check_marks, nobody
from .namespace import Namespace
from .options import settings_of
from .running import run

__all__ = ["Server", "SocketIO"]

log = logging.getLogger("sockio.compat")

#: Handlers of one client that run side by side, unless ``max_concurrent`` says otherwise.
MAX_HANDLERS = 100

F = TypeVar("F", bound=Callable[..., Any])


class SocketIO:
    """``SocketIO(app, **options)``, or ``init_app(app, **options)`` later.

    ``options`` are Flask-SocketIO's, as far as they mean something here, and sockio's settings.
    What means nothing is left out, what somebody would miss raises ``UsageError``.
    """

    def __init__(self, app: flask.Flask | None = None, **options: Any) -> None:
        self.app: flask.Flask | None = None
        self.server = Server(self)
        self.server_options: dict[str, Any] = dict(options)
        self.manage_session = True
        self.async_handlers = True
        self.async_mode = "gevent"
        self.middleware: SocketIOMiddleware | None = None
        self.exception_handlers: dict[str, Callable[[Exception], Any]] = {}
        self.default_exception_handler: Callable[[Exception], Any] | None = None
        self._handlers: dict[str, dict[str, Callable[..., Any]]] = {}
        self._objects: dict[str, Namespace] = {}
        self._accepted: list[str] | str = ["/"]
        self._marks = Marks()
        self._json: Any = None
        self._server: Any = None
        #: What handlers have raised, for clients of tests; None where there is none.
        self.raised: list[Exception] | None = None
        if app is not None or "message_queue" in options:
            self.init_app(app, **options)

    def init_app(self, app: flask.Flask | None, **options: Any) -> None:
        """Serve Socket.IO to the clients of ``app``."""
        self.server_options |= options
        settings, own = settings_of(self.server_options)
        self.manage_session = own.pop("manage_session", self.manage_session)
        self.async_handlers = own.pop("async_handlers", self.async_handlers)
        self._accepted = own.pop("namespaces", self._accepted)
        if app is None:
            raise UsageError(
                "SocketIO(None): there is no application to serve. To emit from a process without "
                "one takes a message queue, which sockio does not have yet."
            )
        self.app = app
        app.extensions["socketio"] = self
        settings.setdefault("max_concurrent", MAX_HANDLERS)
        self.middleware = SocketIOMiddleware(app.wsgi_app, {}, **settings)
        app.wsgi_app = self.middleware  # type: ignore[method-assign]
        accepted = [self._accepted] if isinstance(self._accepted, str) else self._accepted
        # No name is any name, too.
        always = ["/"] if "*" in accepted else []
        for name in [*always, *accepted, *self._handlers, *self._objects]:
            self._serve(name)

    def _serve(self, name: str) -> None:
        """Let clients connect to a namespace; ``*`` is any."""
        middleware = self.middleware
        if middleware is None:
            return
        served: Any = middleware.namespaces
        base = ConcurrentBridge if self.async_handlers else Bridge
        kind = type(base.__name__, (base,), {"extension": self})
        key: Any = re.compile("/.*") if name == "*" else name_of(name)
        if key not in served.patterns and key not in list(served):
            served.add(check_namespaces({key: kind}))
            if isinstance(key, str):
                middleware.registry.known.add(key)
            else:
                middleware.registry.known_patterns.add(key)

    # ---- handlers

    def on(self, message: str, namespace: str | None = None) -> Callable[[F], F]:
        """``@socketio.on("my event", namespace="/chat")``; the event ``*`` and the namespace ``*``
        are all for which there is no other handler."""

        def register(handler: F) -> F:
            check_plain(handler, f"the handler of {message!r}")
            check_marks(handler, message, f"the handler of {message!r}")
            of_namespace = self._handlers.setdefault(namespace or "/", {})
            self._tell_replaced(of_namespace.get(message), handler, f"the event {message!r}")
            of_namespace[message] = handler
            if namespace != "*":
                self._serve(namespace or "/")
            return handler

        return register

    def on_event(
        self, message: str, handler: Callable[..., Any], namespace: str | None = None
    ) -> None:
        """:meth:`on` without a decorator."""
        self.on(message, namespace)(handler)

    def event(self, *args: Any, **options: Any) -> Any:
        """``@socketio.event``: the function's name is the event's."""
        if len(args) == 1 and not options and callable(args[0]):
            return self.on(args[0].__name__)(args[0])

        def register(handler: F) -> F:
            return self.on(handler.__name__, *args, **options)(handler)

        return register

    def on_namespace(self, namespace_handler: Namespace) -> None:
        """Handle a namespace's events by the methods of an object."""
        if not isinstance(namespace_handler, Namespace):
            raise ValueError("on_namespace() takes an object of a subclass of Namespace")
        namespace_handler._check()
        namespace_handler._set_socketio(self)
        name = namespace_handler.namespace
        self._tell_replaced(self._objects.get(name), namespace_handler, f"the namespace {name!r}")
        self._objects[name] = namespace_handler
        self._serve(name)

    def _tell_replaced(self, before: Any, now: Any, what: str) -> None:
        """Flask-SocketIO lets the last one have it; the first is not heard of any more."""
        if before is not None and before is not now:
            log.warning(
                "%s has another handler by now: %r, and %r is called no more. Remove one of them",
                what,
                now,
                before,
            )

    def on_error(self, namespace: str | None = None) -> Callable[[F], F]:
        """What handlers of a namespace raise goes to the decorated function, whose value becomes
        the answer."""

        def register(handler: F) -> F:
            if not callable(handler):
                raise ValueError("on_error() decorates a function")
            check_plain(handler, "the function of on_error()")
            check_marks(handler, None, "the function of on_error()")
            self.exception_handlers[namespace or "/"] = handler
            return handler

        return register

    def on_error_default(self, exception_handler: F) -> F:
        """:meth:`on_error` for the namespaces that have none."""
        if not callable(exception_handler):
            raise ValueError("on_error_default decorates a function")
        check_plain(exception_handler, "the function of on_error_default")
        check_marks(exception_handler, None, "the function of on_error_default")
        self.default_exception_handler = exception_handler
        return exception_handler

    # ---- what comes in

    def _handle(self, bridge: Bridge, event: str, args: tuple[Any, ...]) -> Any:
        """Find who handles an event, and have it handled in Flask's context."""
        name = bridge.ns_name or "/"
        own, anywhere = self._handlers.get(name, {}), self._handlers.get("*", {})
        found, given = own.get(event), args
        life = event in ("connect", "disconnect")
        this = self._objects.get(name)
        if found is None and not life and "*" in own:
            found, given = own["*"], (event, *args)
        if found is None and this is None:
            found = anywhere.get(event)
            if found is None and not life and "*" in anywhere:
                found, given = anywhere["*"], (event, *args)
        if found is None and this is None:
            try:
                return nobody(event, f"@socketio.on({event[:60]!r}, namespace={name[:60]!r})")
            except EventRefused as refused:
                if self.raised is not None:
                    self.raised.append(refused)
                raise
        assert self.app is not None
        with in_context(self.app, bridge, event, args, managed=self.manage_session):
            try:
                if found is None:
                    assert this is not None
                    return this.trigger_event(event, *args)
                return self._call(found, event, given)
            except ConnectionRefusedError:
                raise
            except EventRefused as refused:
                # It is for the client: no failure.
                if self.raised is not None:
                    self.raised.append(refused)
                raise
            except Exception as error:
                on_error = self.exception_handlers.get(name, self.default_exception_handler)
                try:
                    if on_error is None:
                        raise
                    answer = on_error(error)
                    # What failed has not said that the client may come in.
                    return False if event == "connect" else answer
                except Exception as unhandled:
                    if self.raised is not None:
                        self.raised.append(unhandled)
                    raise

    def _call(
        self, handler: Callable[..., Any], event: str, args: tuple[Any, ...], owner: Any = None
    ) -> Any:
        """Call a handler, a function or a method of ``owner``, if its marks allow it; those of
        connect and disconnect need not take what there is to say."""
        this: Any = flask.request
        if not self._marks.admit(this.sockio_client, handler, event, owner):
            return False
        if event in ("connect", "disconnect") and not takes(handler, *args):
            return handler()
        return handler(*args)

    # ---- what goes out

    def of(self, namespace: str | None = None) -> Emitter:
        """sockio's own way to emit to a namespace."""
        if self.middleware is None:
            raise UsageError("call init_app(app) first.")
        emitter: Emitter = self.middleware.of(name_of(namespace))
        return emitter

    def emit(
        self,
        event: str,
        *args: Any,
        namespace: str | None = None,
        to: Any = None,
        room: Any = None,
        include_self: bool = True,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> None:
        """Send an event to everybody in a namespace, or ``to`` rooms or clients. From anywhere."""
        this: Any = flask.request
        if not include_self and not skip_sid:
            skip_sid = this.sid
        whom = to or room
        if callback is not None:
            self._emit_asking(event, args, namespace, whom, callback)
            return
        emitter = self.of(namespace)
        if whom is not None:
            emitter = emitter.to(*(whom if isinstance(whom, list) else [whom]))
        if skip_sid:
            emitter = emitter.skip(*(skip_sid if isinstance(skip_sid, list) else [skip_sid]))
        emitter.emit(event, *_values(args))

    def _emit_asking(
        self,
        event: str,
        args: tuple[Any, ...],
        namespace: str | None,
        whom: Any,
        callback: Callable[..., Any],
    ) -> None:
        check_plain(callback, "the callback")
        bridge = self.server.bridge(whom, namespace)
        if bridge is None:
            raise ValueError("a callback takes one client: emit(..., to=request.sid)")
        app = self.app
        has_event = flask.has_request_context() and hasattr(flask.request, "sid")

        def answered(*values: Any) -> None:
            if not has_event or app is None:
                callback(*values)
                return
            with in_context(app, bridge, None, values, managed=self.manage_session):
                callback(*values)

        bridge.emit(event, *_values(args), callback=answered)

    def send(
        self, data: Any, json: bool = False, namespace: str | None = None, **options: Any
    ) -> None:
        """Send the event ``message``, or with ``json`` the event ``json``."""
        self.emit("json" if json else "message", data, namespace=namespace, **options)

    def call(
        self,
        event: str,
        *args: Any,
        namespace: str | None = None,
        to: Any = None,
        room: Any = None,
        timeout: float = 60,
        ignore_queue: bool = False,
    ) -> Any:
        """Send an event to one client and wait for its answer. Raises ``TimeoutError``."""
        bridge = self.server.bridge(to or room, namespace)
        if bridge is None:
            raise ValueError("call() takes one client: call(..., to=request.sid)")
        try:
            return bridge.call(event, *_values(args), timeout=timeout)
        except AckTimeout as error:
            raise TimeoutError(str(error)) from error

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everybody out of a room."""
        self.server.close_room(room, namespace)

    # ---- tasks, and a server

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **options: Any
    ) -> gevent.Greenlet[..., Any]:
        """Run a function beside everything else; what is returned has ``join()``."""
        check_plain(target, "what start_background_task() is given")
        return gevent.spawn(target, *args, **options)

    def sleep(self, seconds: float = 0) -> None:
        """Let others go on for so long."""
        gevent.sleep(seconds)

    def run(
        self, app: flask.Flask, host: str | None = None, port: int | None = None, **options: Any
    ) -> None:
        """Serve until SIGINT or SIGTERM, on 127.0.0.1:5000 unless told otherwise.

        ``debug`` and ``use_reloader`` are Werkzeug's; ``log_output`` writes a line for each
        request. All others go to :class:`~sockio.server.SocketIOServer`, ``certfile`` and
        ``keyfile`` among them. Patch the standard library first: ``from gevent import monkey;
        monkey.patch_all()``.
        """
        run(self, app, host, port, options)

    def stop(self) -> None:
        """End the server that :meth:`run` started. From a handler or a view."""
        if self._server is not None:
            gevent.spawn(self._server.stop)

    def test_client(
        self,
        app: flask.Flask,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
        flask_test_client: Any = None,
    ) -> Any:
        """A client inside the process: :class:`~.test_client.SocketIOTestClient`."""
        from .test_client import SocketIOTestClient

        return SocketIOTestClient(
            app, self, namespace, query_string, headers, auth, flask_test_client
        )


class Server:
    """What applications use of python-socketio's server: ``socketio.server``."""

    def __init__(self, extension: SocketIO) -> None:
        self._extension = extension

    @property
    def async_mode(self) -> str:
        return self._extension.async_mode

    @property
    def environ(self) -> dict[str, dict[str, Any]]:
        """The environs of the handshakes, by session id. That id is a credential."""
        middleware = self._extension.middleware
        return (
            {}
            if middleware is None
            else {sid: socket.environ for sid, socket in middleware.registry.sockets.items()}
        )

    def bridge(self, sid: Any, namespace: str | None = None) -> Bridge | None:
        """What stands for a client in a namespace; None for one that is not there."""
        middleware = self._extension.middleware
        if middleware is None or not isinstance(sid, str):
            return None
        socket = middleware.registry.find(name_of(namespace), sid)
        found = None if socket is None else socket.get(name_of(namespace))
        return found if isinstance(found, Bridge) else None

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room."""
        bridge = self._needed(sid, namespace)
        self._extension.of(namespace).to(bridge.id).join(room)

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room."""
        bridge = self._needed(sid, namespace)
        self._extension.of(namespace).to(bridge.id).leave(room)

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everybody out of a room."""
        self._extension.of(namespace).to(room).leave(room)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms that a client is in; the first is its own."""
        bridge = self._needed(sid, namespace)
        assert self._extension.middleware is not None
        rooms = self._extension.middleware.registry.rooms
        return [sid, *rooms.rooms_of(bridge.socket, bridge.ns_name)]

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Disconnect a client from a namespace; one that is not there is none."""
        bridge = self.bridge(sid, namespace)
        if bridge is not None:
            bridge.disconnect()

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The environ of a client's handshake."""
        bridge = self.bridge(sid, namespace)
        return None if bridge is None else bridge.environ

    def start_background_task(self, target: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return self._extension.start_background_task(target, *args, **more)

    def sleep(self, seconds: float = 0) -> None:
        self._extension.sleep(seconds)

    def emit(self, event: str, data: Any = None, **options: Any) -> None:
        options.pop("ignore_queue", None)
        self._extension.emit(event, data, **options)

    def _needed(self, sid: str, namespace: str | None) -> Bridge:
        bridge = self.bridge(sid, namespace)
        if bridge is None:
            raise ValueError(f"there is no client {sid[:6]}… in the namespace {namespace or '/'}")
        return bridge


def _values(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of an event, as python-socketio has them: a tuple is several, None is none, and
    of what follows the first nothing is sent."""
    if not args or args[0] is None:
        return ()
    data = args[0]
    return data if isinstance(data, tuple) else (data,)
