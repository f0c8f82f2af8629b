"""gevent.pywsgi, configured for Socket.IO.

Any server that can run the middleware will do; this one comes with its settings made. Its one logic
is at the door: where ``fast_http`` can be, connections begin there, and pywsgi goes on with those
that are handed over.
"""

from __future__ import annotations

import _socket
import io
import signal
import socket as stdlib_socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from .config import OPTIONS
from .exceptions import SettingsError
from .flash_policy import FlashPolicyServer
from .middleware import SocketIOMiddleware
from .runtime import warn_if_unpatched
from .transports.connection import no_delay

try:
    from .fast_http.service import Service
except ImportError:
    # Without httptools every connection is gevent.pywsgi's from the beginning.
    _HAS_PARSER = False
else:
    _HAS_PARSER = True

__all__ = ["SocketIOServer", "find_middleware", "serve"]


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
    with those keyword arguments that are sockio's settings. All others go to gevent's server, but
    for ``policy_listener=(host, port)``, short for two settings of the flash policy server.

    Requests under the resource are answered from the event loop where that is possible, and
    gevent's server gets all others: not with TLS, ``log``, ``spawn`` or ``handler_class``, not in a
    subclass with a ``handle`` or ``get_environ`` of its own, not where something is around the
    middleware that has to see its requests, and not where ``httptools`` cannot be
    imported.
    """

    def __init__(
        self,
        listener: Any,
        app: Callable[..., Any],
        namespaces: Mapping[str, Any] | None = None,
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
        if found is None:
            app = found = SocketIOMiddleware(app, namespaces, **settings)
        elif settings or namespaces is not None:
            given = ", ".join([*settings, *(["namespaces"] if namespaces is not None else [])])
            raise TypeError(
                f"the application is wrapped in SocketIOMiddleware already; pass {given} there."
            )
        #: The middleware that serves the clients.
        self.middleware = found
        options.setdefault("log", None)
        self._fast_allowed = (
            options["log"] is None
            and "spawn" not in options
            and not hasattr(app, "sockio_middleware")
        )
        # With a pool, unlike without, stop() waits for requests and ends what is left of them.
        options.setdefault("spawn", Pool())
        super().__init__(listener, app, **options)
        #: The flash policy server, where the setting ``policy_server`` asks for one.
        self.policy_server: FlashPolicyServer | None = None
        #: The connections that are answered from the event loop, and how many requests were; None
        #: where that cannot be.
        self.fast: Service | None = None

    def _make_fast(self) -> Service | None:
        middleware = self.middleware
        if (
            not self._fast_allowed
            or not _HAS_PARSER
            or self.pool is None
            or "http" in middleware.settings.without
            or self.ssl_enabled
            or self.handler_class is not WSGIHandler
            or type(self).handle is not SocketIOServer.handle
            or type(self).get_environ is not WSGIServer.get_environ
        ):
            return None
        middleware.runtime.bind()
        return Service(
            middleware.endpoint,
            middleware.runtime,
            self.loop,
            environ=self._begun_environ(),
            run=self.pool.spawn,
            hand_over=self._hand_over,
        )

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
        return self.middleware.registry.sockets

    def get_socket(self, sessid: str = "") -> Any:
        """The session with that id, or None."""
        return self.middleware.registry.get_socket(sessid)

    def start_accepting(self) -> None:
        warn_if_unpatched()
        if self.fast is None:
            self.fast = self._make_fast()
        super().start_accepting()
        settings = self.middleware.settings
        if settings.policy_server and self.policy_server is None:
            host = settings.policy_listener_host or self.server_host
            policy_server = FlashPolicyServer(
                (host, settings.policy_listener_port),
                settings.policy_domains,
                ports=str(self.server_port),
                complaints=self.middleware.registry.complaints,
            )
            # May fail, for a port that is taken; what is not running is not kept.
            policy_server.start()
            self.policy_server = policy_server

    def do_read(self) -> Any:
        if self.fast is None:
            return super().do_read()
        listener: Any = self.socket
        try:
            descriptor, address = listener._accept()
        except BlockingIOError:
            return None
        sock = _socket.socket(listener.family, listener.type, listener.proto, descriptor)
        sock.setblocking(False)
        return sock, address

    def do_handle(self, sock: Any, address: Any, *early: bytes) -> None:
        if self.fast is not None and not early:
            no_delay(sock)
            self.fast.accept(sock, address)
        else:
            super().do_handle(sock, address, *early)

    def _hand_over(self, sock: Any, address: Any, early: bytes) -> None:
        """Let pywsgi go on with a connection of which ``early`` has been read."""
        family, kind, proto = sock.family, sock.type, sock.proto
        self.do_handle(
            gevent.socket.socket(family, kind, proto, fileno=sock.detach()), address, early
        )

    def handle(self, sock: Any, address: Any, early: bytes = b"") -> None:
        no_delay(sock)
        if early:
            handler_class: Any = self.handler_class
            handler_class(sock, address, self, io.BufferedReader(_Begun(sock, early))).handle()
        else:
            super().handle(sock, address)

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, and end every session: what is queued is delivered, websockets are closed
        with code 1001, namespaces are told. Waits ``timeout`` seconds at most for that, and as long
        again for other requests and kept connections to end (``stop_timeout``, 1, when None); then
        those are cut."""
        self.stop_accepting()
        if self.policy_server is not None:
            self.policy_server.stop(timeout)
            self.policy_server = None
        self.middleware.close(self.stop_timeout if timeout is None else timeout)
        if self.fast is not None:
            self.fast.stop()
        super().stop(timeout)
        if self.fast is not None:
            self.fast.close()


class _Begun(stdlib_socket.SocketIO):
    """Reads from a socket, but first what somebody else has read from it."""

    def __init__(self, sock: Any, early: bytes) -> None:
        super().__init__(sock, "r")
        self._early = memoryview(early)

    def readinto(self, buffer: Any) -> int | None:
        early = self._early
        if not early:
            return super().readinto(buffer)
        size = min(len(early), len(buffer))
        buffer[:size] = early[:size]
        self._early = early[size:]
        return size


def find_middleware(app: Any) -> SocketIOMiddleware | None:
    """The middleware that an application is wrapped in: itself, or Flask's ``app.wsgi_app``; or
    ``app.sockio_middleware``, where others are around it and get the requests first."""
    inside = (getattr(app, name, None) for name in ("wsgi_app", "sockio_middleware"))
    for candidate in (app, *inside):
        if isinstance(candidate, SocketIOMiddleware):
            return candidate
    return None


def serve(
    app: Callable[..., Any],
    host: str = "127.0.0.1",
    port: int = 8080,
    namespaces: Mapping[str, Any] | None = None,
    *,
    _quiet: bool = False,
    **options: Any,
) -> None:
    """Serve ``app`` until SIGINT or SIGTERM. Blocks. ``options`` as for :class:`SocketIOServer`.

    Says its address on standard error, unless ``_quiet``; with ``port=0`` the system chooses one.
    Must be called in the main thread, as everything that handles signals.
    """
    server = SocketIOServer((host, port), app, namespaces, **options)
    server.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    if not _quiet:
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if server.ssl_enabled else "http"
        sys.stderr.write(f"serving on {scheme}://{shown}:{server.server_port}\n")
        sys.stderr.flush()
    server.serve_forever()
