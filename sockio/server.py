"""gevent.pywsgi, configured for Socket.IO: no logic of its own.

Any server that can run the middleware will do; this one comes with its settings made.
"""

from __future__ import annotations

import signal
import socket as stdlib_socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from .config import OPTIONS
from .exceptions import SettingsError
from .flash_policy import FlashPolicyServer
from .middleware import SocketIOMiddleware
from .runtime import warn_if_unpatched

__all__ = ["SocketIOServer", "find_middleware", "serve"]


class SocketIOServer(WSGIServer):
    """A ``gevent.pywsgi.WSGIServer`` for an application with Socket.IO.

    ``listener`` is ``(host, port)`` or a listening socket. ``app`` is a WSGI application; one that
    is not wrapped in :class:`~sockio.SocketIOMiddleware` yet is wrapped, with ``namespaces`` and
    with those keyword arguments that are sockio's settings. All others go to gevent's server, but
    for ``policy_listener=(host, port)``, short for two settings of the flash policy server.
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
        # With a pool, unlike without, stop() waits for requests and ends what is left of them.
        options.setdefault("spawn", Pool())
        super().__init__(listener, app, **options)
        #: The flash policy server, where the setting ``policy_server`` asks for one.
        self.policy_server: FlashPolicyServer | None = None

    @property
    def sockets(self) -> dict[str, Any]:
        """A snapshot of the living sessions by session id."""
        return self.middleware.registry.sockets

    def get_socket(self, sessid: str = "") -> Any:
        """The session with that id, or None."""
        return self.middleware.registry.get_socket(sessid)

    def start_accepting(self) -> None:
        warn_if_unpatched()
        super().start_accepting()
        settings = self.middleware.settings
        if settings.policy_server and self.policy_server is None:
            host = settings.policy_listener_host or self.server_host
            policy_server = FlashPolicyServer(
                (host, settings.policy_listener_port),
                settings.policy_domains,
                ports=str(self.server_port),
            )
            # May fail, for a port that is taken; what is not running is not kept.
            policy_server.start()
            self.policy_server = policy_server

    def handle(self, sock: Any, address: Any) -> None:
        # Headers and body leave in two writes; without this the second waits for the client's
        # delayed acknowledgement of the first, some 40 ms on a kept connection.
        if sock.family != getattr(stdlib_socket, "AF_UNIX", None):
            sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
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
        super().stop(timeout)


def find_middleware(app: Any) -> SocketIOMiddleware | None:
    """The middleware that an application is wrapped in: itself, or Flask's ``app.wsgi_app``."""
    for candidate in (app, getattr(app, "wsgi_app", None)):
        if isinstance(candidate, SocketIOMiddleware):
            return candidate
    return None


def serve(
    app: Callable[..., Any],
    host: str = "127.0.0.1",
    port: int = 8080,
    namespaces: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Serve ``app`` until SIGINT or SIGTERM. Blocks. ``options`` as for :class:`SocketIOServer`.

    Says its address on standard error; with ``port=0`` the system chooses one. Must be called in
    the main thread, as everything that handles signals.
    """
    server = SocketIOServer((host, port), app, namespaces, **options)
    server.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"serving on http://{shown}:{server.server_port}\n")
    sys.stderr.flush()
    server.serve_forever()
