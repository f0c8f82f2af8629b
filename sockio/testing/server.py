"""An application behind a real server on loopback, for the length of a test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from wsgiref.util import setup_testing_defaults

import gevent

from ..exceptions import UsageError
from ..http.middleware import SocketIOMiddleware
from ..runtime.interfaces import Runtime
from ..server.server import SocketIOServer, find_middleware
from ..sessions.registry import SessionRegistry
from .browser import Browser
from .client import Client
from .errors import NothingCame

__all__ = ["LiveServer", "eventually", "not_ours"]


def not_ours(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application of a server that was given none: says which path it was asked for."""
    body = f"app:{environ.get('PATH_INFO')}".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


class LiveServer:
    """A server for ``app`` on 127.0.0.1, on a port that the system chooses.

    ``app`` is any WSGI application, wrapped in the middleware or not; ``namespaces`` and
    ``options`` are those of :class:`~sockio.server.SocketIOServer`. Without an application there is
    one that says ``app:/its/path``. ``runtime`` replaces the clock of a middleware that is made
    here, see :class:`ManualRuntime`. ``generation`` is that of the clients that connect here and do
    not say another, see :meth:`Browser.connect`.

    Runs inside a ``with`` block, at whose end the server's books are checked (a session in an index
    where it does not belong fails the test), or between :meth:`start` and :meth:`stop`. Its
    greenlets belong to the thread that starts it, and everything that talks to it from that thread
    has to be cooperative: these clients are, ``requests`` is after ``monkey.patch_all()``.
    """

    def __init__(
        self,
        app: Callable[..., Any] = not_ours,
        namespaces: Mapping[str, Any] | None = None,
        *,
        runtime: Runtime | None = None,
        generation: str = "",
        **options: Any,
    ) -> None:
        self._generation = generation
        if runtime is not None:
            if find_middleware(app) is not None:
                raise UsageError(
                    "the application is wrapped in SocketIOMiddleware already; pass the runtime "
                    "there: SocketIOMiddleware(app, ..., runtime=runtime)."
                )
            middleware = SocketIOMiddleware(app, namespaces, runtime=runtime, **options)
            middleware.stand_in(*options, *(["namespaces"] if namespaces is not None else []))
            app, namespaces, options = middleware, None, {}
        self.server = SocketIOServer(("127.0.0.1", 0), app, namespaces, **options)
        self._asked = app is not_ours or not self.server.outermost.inside.stands_in
        # One that is met later may have been closed with another server.
        self.server.outermost.inside.when_found(self._reopen)
        self._browsers: list[Browser] = []

    @property
    def middleware(self) -> SocketIOMiddleware:
        """The middleware that serves the clients.

        Where it cannot be seen whether the application has one, that is asked, once, by a request
        for ``/socket.io`` (or where else the setting ``resource`` is) that goes by no wire.
        """
        outermost = self.server.outermost
        if not self._asked:
            self._asked = True
            environ = {"PATH_INFO": f"/{outermost.settings.resource}", "QUERY_STRING": ""}
            setup_testing_defaults(environ)
            with suppress(Exception):
                outermost.endpoint.asking.look_inside(environ)
        return outermost.serving

    @property
    def registry(self) -> SessionRegistry:
        """The sessions of that."""
        return self.middleware.registry

    def _reopen(self, middleware: SocketIOMiddleware | None) -> None:
        if middleware is not None and self.server.started:
            middleware.registry.reopen()

    def start(self) -> LiveServer:
        """Serve. An application may be served again after :meth:`stop`, by another of these."""
        for middleware in self.server.middlewares:
            middleware.registry.reopen()
        self.server.start()
        return self

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                for middleware in self.server.middlewares:
                    middleware.registry.check()
        finally:
            self.stop()

    @property
    def port(self) -> int:
        port = self.server.server_port
        assert port is not None
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Hang up on everybody who came through this object, and stop."""
        for browser in self._browsers:
            browser.close()
        self._browsers.clear()
        # Others keep connections open; nobody needs them to be waited for.
        self.server.stop(timeout=0.1)

    # ---- clients

    def browser(self) -> Browser:
        """Somebody who has cookies of their own, and may log in before connecting."""
        browser = Browser(
            self.url,
            resource=self.middleware.settings.resource,
            generation=self._generation,
        )
        self._browsers.append(browser)
        return browser

    def connect(self, namespace: str = "", **options: Any) -> Client:
        """A client that is connected to ``namespace``, in a browser of its own. ``options`` are
        those of :meth:`Browser.connect`: ``transport``, ``generation``, ``auth``, ``query``,
        ``headers``, ``timeout``."""
        return self.browser().connect(namespace, **options)

    def socket_of(self, client: Client) -> Any:
        """The server's side of a client: a :class:`~sockio.Socket`, or None when it is over."""
        return self.server.get_socket(client.sid)

    def wait_until(
        self, condition: Callable[[], object], what: str = "", timeout: float = 10.0
    ) -> None:
        """Return as soon as ``condition()`` is true; for what nobody announces, such as
        ``lambda: not server.registry.sockets``. Raises :class:`NothingCame`."""
        eventually(condition, what or "the condition is met", timeout)


def eventually(condition: Callable[[], object], what: str, timeout: float = 10.0) -> None:
    """Ask ``condition`` again and again, letting greenlets run, until it is true."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise NothingCame(f"waited {timeout:g} s in vain until {what}")
        gevent.sleep(0.002)
