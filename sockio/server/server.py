"""gevent.pywsgi, configured for Socket.IO.

Any server that can run the middleware will do; this one comes with its settings made. Its one logic
is at the door: where ``fast_http`` can be, connections begin there, and pywsgi goes on with those
that are handed over.
"""

from __future__ import annotations

import errno
import functools
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import gevent
import gevent.event
import gevent.socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ..config.settings import OPTIONS, Settings
from ..exceptions import SettingsError
from ..http.middleware import SocketIOMiddleware
from ..http.workers import connections_passed
from ..namespaces.functions import NamespaceMap
from ..runtime.gevent_runtime import GeventRuntime
from ..runtime.patching import warn_about_patching
from ..runtime.process import make_ready
from ..transports.connection import is_gone, no_delay
from .access_log import AccessLog
from .door import Door, KernelSocket
from .flash_policy import FlashPolicyServer
from .pywsgi_handler import Handler, Reader, Wait
from .tls import context_in, shake_hands
from .tls_records import count_records, watch_records

try:
    from .fast_http.service import Service
except ImportError:
    # Without httptools every connection is gevent.pywsgi's from the beginning.
    _HAS_PARSER = False
else:
    _HAS_PARSER = True

__all__ = ["SocketIOServer", "find_middleware", "say_address", "serve", "serve_until_stopped"]

#: How the system says that it has no place for another connection.
_USED_UP = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: Idle connections that are closed when there are no descriptors.
DESCRIPTORS = 16
#: Seconds that requests under way get at the end of the server, when its clients took all others.
LAST_MOMENT = 0.1
#: Seconds in which those who were accepted last may say what they came for, before a server ends
#: whose successor accepts all others; and between two looks whether they have.
FIRST_WORDS, LOOK = 2.0, 0.02


#: Options of gevent-socketio's server that have no counterpart, and what takes their place.
_REPLACED = {
    "namespace": "resource='...' is its name now",
    "log_file": "pass log=open(path, 'a') for the access log; sockio itself logs by logging",
    "ws_handler_class": "leave it out: websockets need no handler any more",
}


class SocketIOServer(WSGIServer):
    """A ``gevent.pywsgi.WSGIServer`` for an application with Socket.IO.

    ``listener`` is ``(host, port)`` or a listening socket. ``app`` is a WSGI application; one that
    is not wrapped in :class:`~sockio.SocketIOMiddleware` yet is wrapped, with ``namespaces`` and
    with those keyword arguments that are sockio's settings. Where the application has a middleware
    that cannot be seen from outside, that one serves from the first request on that reaches it
    (:mod:`sockio.http.claims`), and these are not used. All others go to gevent's server, but
    for ``policy_listener=(host, port)``, short for two settings of the flash policy server, and
    ``access_log=True``, which has the logger ``sockio.access`` write a line for each request.

    Requests under the resource are answered from the event loop where that is possible, and
    gevent's server gets all others: not with TLS, ``log``, ``spawn`` or ``handler_class``, not in a
    subclass with a ``handle`` or ``get_environ`` of its own, not where something is around the
    middleware that has to see its requests, and not where ``httptools`` cannot be
    imported.
    """

    handler_class = Handler
    #: The handler of requests that does nothing which the event loop would leave out. With another
    #: one gevent's server gets all of them.
    fast_handler: type[WSGIHandler] = Handler
    #: What its connections share: deadlines, and what is logged about them.
    door: Door
    _start_accepting_if_started: Any

    def __init__(
        self,
        listener: Any,
        app: Callable[..., Any],
        namespaces: NamespaceMap | None = None,
        **options: Any,
    ) -> None:
        if "policy_listener" in options:
            listener_of_policy = options.pop("policy_listener")
            try:
                host, port = listener_of_policy
            except (TypeError, ValueError):
                raise SettingsError(
                    f"policy_listener={listener_of_policy!r}: must be (host, port), such as "
                    "('', 10843)."
                ) from None
            options.update(policy_listener_host=host, policy_listener_port=port)
        for name in options:
            if name in _REPLACED:
                raise SettingsError(f"SocketIOServer({name}=...): {_REPLACED[name]}.")
        settings = {name: options.pop(name) for name in list(options) if name in OPTIONS}
        found = find_middleware(app)
        given = (*settings, *(["namespaces"] if namespaces is not None else []))
        if found is None:
            app = found = SocketIOMiddleware(app, namespaces, **settings)
            found.stand_in(*given)
        elif given:
            raise TypeError(
                "the application is wrapped in SocketIOMiddleware already; pass "
                f"{', '.join(given)} there."
            )
        #: The outermost middleware.
        self.outermost = found
        self._logs_access = bool(options.pop("access_log", False))
        #: What writes a line for each request, if anything does.
        self.access_log: AccessLog | None = None
        #: What connections speak TLS by, if they do.
        self._tls = context_in(options)
        options.setdefault("log", None)
        self._fast_allowed = options["log"] is None and "spawn" not in options
        # With a pool, unlike without, stop() waits for requests and ends what is left of them.
        options.setdefault("spawn", Pool())
        # One that was accepted and has no place yet.
        self._next: tuple[int, Any] | None = None
        super().__init__(listener, app, **options)
        # Not the pool's own: who came is accepted first, and then waits for a place.
        self.full: Callable[[], bool] = _never
        #: How many connections there may be.
        self._limit = self.middleware.settings.max_connections
        self._ended: gevent.event.Event | None = None
        # Another process accepts, from the same listener.
        self._left = False
        #: The flash policy server, where the setting ``policy_server`` asks for one.
        self.policy_server: FlashPolicyServer | None = None
        #: The connections that are answered from the event loop, and how many requests were; None
        #: where that cannot be.
        self.fast: Service | None = None
        found.inside.when_found(self._found)
        GeventRuntime.server_made = True

    @property
    def middleware(self) -> SocketIOMiddleware:
        """The middleware that serves the clients. One that the application hides from the server
        (in a closure, behind ``ProxyFix``) is known from the first request that reaches it; until
        then this is one that the server has made."""
        return self.outermost.serving

    @property
    def middlewares(self) -> list[SocketIOMiddleware]:
        """Every middleware that requests have met, the outermost first."""
        return [self.outermost, *self.outermost.inside]

    def _found(self, middleware: SocketIOMiddleware | None) -> None:
        """A request has met a middleware inside of the application: what this server does by
        settings, it does by those of that one."""
        serving = self.middleware
        self._limit = serving.settings.max_connections
        if hasattr(self, "door"):
            self._let_door_obey(serving)
        self._open_access_log()
        if self.fast is not None and self.outermost.inside.gives_way:
            self.fast.step_aside()
        if self.started:
            self._offer_policy(serving.settings)
            if middleware is not None:
                # It may have been closed with a server before this one.
                middleware.registry.reopen()

    def _open_access_log(self) -> None:
        if self._logs_access:
            self.access_log = AccessLog(self.middleware.settings.trusted_proxies)
            if self.fast is not None:
                self.fast.access_log = self.access_log

    def _make_fast(self) -> Service | None:
        middleware = self.outermost
        if (
            not self._fast_allowed
            or middleware.inside.gives_way
            or not _is_outermost(middleware, self.application)
            or not _HAS_PARSER
            or self.pool is None
            or "http" in middleware.settings.without
            or self.ssl_enabled
            or self.handler_class is not self.fast_handler
            or type(self).handle is not SocketIOServer.handle
            or type(self).get_environ is not WSGIServer.get_environ
        ):
            return None
        middleware.runtime.bind()
        return self._make_service(
            middleware.endpoint,
            middleware.runtime,
            self.loop,
            door=self.door,
            environ=self._begun_environ(),
            run=self.pool.spawn,
            hand_over=self._hand_over,
            access_log=self.access_log,
        )

    def _make_service(self, *args: Any, **options: Any) -> Service:
        return Service(*args, **options)

    def _begun_environ(self) -> dict[str, Any]:
        """What the environ of every request begins with, as gevent's handler makes it."""
        environ: dict[str, Any] = self.get_environ()
        environ["SCRIPT_NAME"] = ""
        environ["SERVER_PROTOCOL"] = "HTTP/1.1"
        environ["wsgi.input_terminated"] = True
        return environ

    @property
    def sockets(self) -> dict[str, Any]:
        """A snapshot of the living sessions by session id."""
        found: dict[str, Any] = {}
        for each in self.middlewares:
            found |= each.registry.sockets
        return found

    def get_socket(self, sessid: str = "") -> Any:
        """The session with that id, or None."""
        for each in self.middlewares:
            socket = each.registry.get_socket(sessid)
            if socket is not None:
                return socket
        return None

    def start(self) -> None:
        """Serve, for the first time or again; does not block."""
        self._ended = None
        self._left = False
        # Those who were here when it was stopped were told to go.
        if self.fast is not None:
            self.fast.stopping = False
        if hasattr(self, "door"):
            self.door.stopping = self.door.last = False
        # Closed with this server when it was stopped, or with another around the same application.
        for each in self.middlewares:
            each.registry.reopen()
        super().start()

    def start_accepting(self) -> None:
        if self._left:
            return
        warn_about_patching()
        # Before anybody can ask here for a session of another worker.
        self.outermost.runtime.bind()
        self.outermost.join()
        if not hasattr(self, "door"):
            self.door = self._make_door()
        if self.access_log is None:
            self._open_access_log()
        if self.fast is None:
            self.fast = self._make_fast()
        super().start_accepting()
        self._offer_policy(self.middleware.settings)

    def _offer_policy(self, settings: Settings) -> None:
        if settings.policy_server and self.policy_server is None:
            host = settings.policy_listener_host or self.server_host
            policy_server = FlashPolicyServer(
                (host, settings.policy_listener_port),
                settings.policy_domains,
                ports=str(self.server_port),
                complaints=self.middleware.registry.complaints,
                # Another process that serves the same clients has one on the same port.
                shared=bool(self.get_environ()["wsgi.multiprocess"]),
            )
            # May fail, for a port that is taken; what is not running is not kept.
            policy_server.start()
            self.policy_server = policy_server

    def _make_door(self) -> Door:
        middleware = self.middleware
        # Whoever takes turns has to be known to be of this thread, before the first request is.
        middleware.runtime.bind()
        return Door(middleware.settings, middleware.runtime, middleware.registry.complaints)

    def _let_door_obey(self, middleware: SocketIOMiddleware) -> None:
        self.door.obey(middleware.settings, middleware.registry.complaints)

    # ---- accepting

    @property
    def connections(self) -> int:
        """How many are open, as far as this server knows: websockets, too."""
        return self.door.opened + self._in_tasks + connections_passed()

    @property
    def _in_tasks(self) -> int:
        """How many of them gevent's server has."""
        tasks = 0 if self.pool is None else len(self.pool)
        # Those that answer for a connection of the event loop are in the pool, too.
        return tasks if self.fast is None else tasks - self.fast.tasks

    def _has_place(self) -> bool:
        limit, pool = self._limit, self.pool
        return not (limit and self.connections >= limit) and not (pool is not None and pool.full())

    def do_read(self) -> Any:
        taken, self._next = self._next, None
        taken = taken or self._accept()
        if taken is None or self._has_place():
            return taken and self._begin(*taken)
        # Only now, when somebody is there who needs the place.
        closed = self.door.close_idle(max(1, self.connections // 50))
        if self._has_place():
            return self._begin(*taken)
        self._next = taken
        self._rest("too-many-connections", "all places for connections are", closed)
        return None

    def _accept(self) -> tuple[int, Any] | None:
        """The descriptor of a new connection, and whose it is; None when there is none."""
        if self._left:
            return None
        listener: Any = self.socket
        try:
            accepted: tuple[int, Any] = listener._accept()
            return accepted
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno not in _USED_UP:
                raise
            closed = self.door.close_idle(DESCRIPTORS)
            self._rest("no-descriptors", f"what the system gives is ({error})", closed)
            return None

    def _begin(self, descriptor: int, address: Any) -> tuple[Any, Any]:
        listener: Any = self.socket
        if self.fast is None:
            return gevent.socket.socket(
                listener.family, listener.type, listener.proto, fileno=descriptor
            ), address
        sock = KernelSocket(self.door, listener, descriptor)
        sock.setblocking(False)
        return sock, address

    def _rest(self, kind: str, what: str, closed: int) -> None:
        """Accept nobody for a moment: there is no place."""
        self.door.tell(
            logging.WARNING,
            kind,
            "",
            f"no new connection is accepted while {what} used up [{kind}]; %d idle ones closed",
            closed,
        )
        self.stop_accepting()
        timer: Any = self.loop.timer(0.01 if closed else 0.1)
        timer.start(self._accept_again)
        self._timer = timer

    def _accept_again(self) -> None:
        self._start_accepting_if_started()
        if self._next is not None and self.started:
            # The listener does not say that there is one: it has been taken from it.
            this: Any = self
            this._do_read()

    def close(self) -> None:
        """Stop accepting."""
        taken, self._next = self._next, None
        if taken is not None:
            os.close(taken[0])
        super().close()

    def do_handle(self, sock: Any, address: Any, *begun: Any) -> None:
        if self.fast is not None and not begun:
            no_delay(sock)
            self.fast.accept(sock, address)
        else:
            super().do_handle(sock, address, *begun)

    def _hand_over(self, sock: Any, address: Any, early: bytes, until: float) -> None:
        """Let pywsgi go on with a connection of which ``early`` has been read. The rest of its head
        has to arrive by ``until``."""
        if self.closed:
            sock.close()
            return
        family, kind, proto = sock.family, sock.type, sock.proto
        self.do_handle(
            gevent.socket.socket(family, kind, proto, fileno=sock.detach()),
            address,
            _Begun(early, until),
        )

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        door, this = self.door, cast(Any, self)
        # Until it says something it costs no more than its socket.
        wait = Wait(client_socket, time.monotonic() + door.head_time, idle=True)
        line = door.turnstile_of_newcomers(client_socket, address)
        door.expect(wait)
        try:
            # What it says first is what costs: a signature of ours. Those of many who come at once
            # are not made one after the other, and whoever is in is not behind them.
            line.wait()
            if is_gone(client_socket):
                self._tell_no_tls(address, "the client has gone")
                return None
            try:
                # In two steps, because the first one takes the connection away from the socket.
                options = {**this.ssl_args, "do_handshake_on_connect": False}
                watch_records(self._tls)
                sock = wait.sock = this.wrap_socket(client_socket, **options)
            except OSError as error:
                # Reset just now. Anything else is a fault of the settings.
                if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                    raise
                self._tell_no_tls(address, error)
                return None
            with sock:
                try:
                    count_records(sock, functools.partial(self._tell_cut, address))
                    shake_hands(sock, line)
                except (OSError, ValueError) as error:
                    self._tell_no_tls(address, error)
                    return None
                finally:
                    door.forget(wait)
                    line.close()
                return self.handle(sock, address)
        finally:
            door.forget(wait)
            line.close()

    def _tell_no_tls(self, address: Any, error: object) -> None:
        host = _host(address)
        self.door.tell(logging.DEBUG, "tls-failed", host, "no TLS with %s: %s", host, error)

    def _tell_cut(self, address: Any, code: str, what: str) -> None:
        host = _host(address)
        self.door.tell(logging.WARNING, code, host, "ended TLS with %s: %s [%s]", host, what, code)

    def handle(self, sock: Any, address: Any, early: bytes = b"") -> None:
        self.door.runtime.work_for(self.door.account_of(address))
        no_delay(sock)
        if early:
            reader = Reader(sock, self.door, early)
            reader.until = getattr(early, "until", None)
            handler_class: Any = self.handler_class
            handler_class(sock, address, self, io.BufferedReader(reader)).handle()
        else:
            super().handle(sock, address)

    def stop(self, timeout: float | None = None) -> None:
        """End every session and stop accepting: what is queued is delivered, websockets are closed
        with code 1001, namespaces are told, idle connections are closed.

        Waits ``timeout`` seconds at most (``stop_timeout``, 1, when None): for clients that fetch
        what waits for them, over new connections too, and for requests to end. Then the rest is
        cut."""
        if self._ended is not None:
            # serve_forever() does it once more, beside whoever does it or behind.
            self._ended.wait()
            return
        self._ended = ended = gevent.event.Event()
        try:
            self._stop(self.stop_timeout if timeout is None else timeout)
        except BaseException:
            self._ended = None
            raise
        finally:
            ended.set()

    def leave(self, timeout: float | None = None) -> None:
        """As :meth:`stop`, of a server with a successor in another process that accepts from the
        same listener: whoever comes from now on is left to that one, and nobody of them is
        refused."""
        self.leave_listener()
        self.stop(timeout)

    def leave_listener(self) -> None:
        """Accept nobody any more, and hear from those who were accepted last what they came for: to
        close their connections would be to reset them. Blocks for :data:`FIRST_WORDS` at most, from
        when they came."""
        self._left = True
        self.stop_accepting()
        self.door.last = True
        taken, self._next = self._next, None
        if taken is not None:
            # Above the limit: nobody else can serve it any more.
            self.do_handle(*self._begin(*taken))
        # Those who are to be served by a task are known to the door when it has begun; where the
        # loop stood still meanwhile, not by the end of the first wait.
        gevent.sleep(LOOK)
        gevent.sleep(LOOK)
        while self.door.has_newcomers(FIRST_WORDS):
            gevent.sleep(LOOK)

    def _stop(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        if self.policy_server is not None:
            self.policy_server.stop(seconds)
            self.policy_server = None
        # New connections are accepted meanwhile: a client may come back over one.
        self._bequeath(seconds / 2)
        self._say_goodbye(max(0.0, end - time.monotonic()))
        self.stop_accepting()
        self.hang_up_idle()
        moment = time.monotonic() + LAST_MOMENT
        while self.fast is not None and self.fast.reads() and time.monotonic() < moment:
            gevent.sleep(0.001)
        super().stop(max(LAST_MOMENT, end - time.monotonic()))
        if self.fast is not None:
            self.fast.close()
        if hasattr(self, "door"):
            self.door.close()

    def hang_up_idle(self) -> None:
        """Take no further request on the connections there are, and close those without one."""
        if self.fast is not None:
            self.fast.stop()
        if hasattr(self, "door"):
            self.door.hang_up()

    #: Whether another process is about to serve the same clients.
    _somebody_comes: Callable[[], bool] | None = None

    def _bequeath(self, timeout: float) -> None:
        """Have another worker keep what the clients may come back for, if one does in that time."""
        end = time.monotonic() + timeout
        for each in self.middlewares:
            each.hand_over(end - time.monotonic(), self._somebody_comes)

    def _say_goodbye(self, timeout: float) -> None:
        """End every session, and wait so long at most until that is done."""
        end = time.monotonic() + timeout
        middlewares = self.middlewares
        for each in middlewares:
            each.close()
        for each in middlewares:
            each.registry.wait_until_empty(max(0.0, end - time.monotonic()))


def _host(address: Any) -> str:
    return str(address[0]) if isinstance(address, tuple) else ""


def _never() -> bool:
    return False


class _Begun(bytes):
    """What somebody else has read from a connection, and when the rest of the head has to be
    there."""

    until: float

    def __new__(cls, early: bytes, until: float) -> _Begun:
        begun = super().__new__(cls, early)
        begun.until = until
        return begun


def find_middleware(app: Any) -> SocketIOMiddleware | None:
    """The middleware that an application is: itself, or Flask's ``app.wsgi_app``.

    None where something else is outermost, whatever is inside of that: see
    :mod:`sockio.http.claims`.
    """
    if _is_flask(app):
        app = app.wsgi_app
    return app if isinstance(app, SocketIOMiddleware) else None


def _is_flask(app: Any) -> bool:
    """Whether calling it is calling its ``wsgi_app``, and nothing else."""
    flask: Any = sys.modules.get("flask")
    kind = getattr(flask, "Flask", None)
    return kind is not None and isinstance(app, kind) and type(app).__call__ is kind.__call__


def _is_outermost(middleware: SocketIOMiddleware, app: Any) -> bool:
    """Whether nobody sees the requests of ``app`` before the middleware does, not even a subclass
    of it."""
    return (
        find_middleware(app) is middleware
        and type(middleware).__call__ is SocketIOMiddleware.__call__
    )


def serve(
    app: Callable[..., Any],
    host: str = "127.0.0.1",
    port: int = 8080,
    namespaces: NamespaceMap | None = None,
    *,
    _quiet: bool = False,
    _stop_timeout: float | None = None,
    **options: Any,
) -> None:
    """Serve ``app`` until SIGINT or SIGTERM. Blocks. ``options`` as for :class:`SocketIOServer`.

    Says its address on standard error, unless ``_quiet``; with ``port=0`` the system chooses one.
    In this one process: several are made by the command, ``sockio serve --workers N``.
    The process is taken to be the server's: what is imported is frozen for the garbage collector
    (:func:`gc.freeze`), which walks through the rest when there is time (:func:`gc.set_threshold`),
    and native threads switch more often (:func:`sys.setswitchinterval`).
    Must be called in the main thread, as everything that handles signals.
    """
    server = SocketIOServer((host, port), app, namespaces, **options)
    if _stop_timeout is not None:
        server.stop_timeout = _stop_timeout
    said = (lambda: None) if _quiet else functools.partial(say_address, host, server)
    serve_until_stopped(server, said)


def serve_until_stopped(server: SocketIOServer, accepting: Callable[[], object]) -> None:
    """The same with a server that is made already; ``accepting`` is called when it accepts
    connections."""
    server.start()
    make_ready()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    accepting()
    server.serve_forever()


def say_address(host: str, server: SocketIOServer) -> None:
    """Say on standard error where ``server`` is reached, by the name that it was given."""
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if server.ssl_enabled else "http"
    sys.stderr.write(f"serving on {scheme}://{shown}:{server.server_port}\n")
    sys.stderr.flush()
