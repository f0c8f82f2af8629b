"""Websockets under uWSGI::

    # wsgi.py
    from sockio.integrations.uwsgi_websocket import with_websockets

    application = with_websockets(SocketIOMiddleware(application, {"/chat": ChatNamespace}))

    uwsgi --http :8080 --http-websockets --gevent 1000 --gevent-monkey-patch --wsgi-file wsgi.py

Without it clients poll. uWSGI answers the upgrade by its own ``uwsgi.websocket_handshake()``; the
connection is then taken over as ``uwsgi.connection_fd()``, and its frames are sockio's business.
Not ``uwsgi.websocket_recv()``: in 2.0.31 the fragments of one connection's message are kept in one
place for all connections of the process, so that what one client begins another can finish
(``core/websockets.c``, ``websockets_continuation_buffer``). And a connection that is taken over
occupies no core of uWSGI, and is not what ``harakiri`` is after.

When uWSGI ends or reloads, queued packets are delivered, websockets are closed with code 1001, and
namespaces are told. Outside uWSGI :func:`with_websockets` changes nothing, so the same module can
be served by others.
"""

from __future__ import annotations

import _socket
import importlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent

from ..backplane.mesh.directory import directory_for
from ..http.claims import Claim, Inside
from ..http.middleware import MESH
from ..transports.connection import LEND

__all__ = ["with_websockets"]

log = logging.getLogger("sockio.server")

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Seconds that clients get at the end of the process; and of those until uWSGI kills one that has
#: not ended (its own default), which are for another one to take what this one keeps: half, and no
#: more than so many.
GRACE, MERCY, TAKEN = 5.0, 60.0, 15.0
#: Turns of the loop after that.
LAST_TURNS = 10

_NO_GEVENT = (
    "uWSGI runs without its gevent loop: each client would occupy a whole process or thread, so "
    "there are no websockets, and polling fails. Start it with --gevent 1000 --gevent-monkey-patch."
)


def with_websockets(application: WSGIApp, uwsgi: Any = None) -> WSGIApp:
    """``application`` with websockets, when uWSGI imports it; else ``application`` itself.

    It has to be the outermost: what it wraps contains the middleware. ``uwsgi`` is the module that
    uWSGI gives to the programs in it.
    """
    if uwsgi is None:
        try:
            uwsgi = importlib.import_module("uwsgi")
        except ImportError:
            return application
    first = uwsgi.worker_id() <= 1  # 0 is the master, who imports for all of them
    if uwsgi.numproc > 1 and MESH not in os.environ:
        # Looked at when a process gets its first request. The master is the same after a reload.
        os.environ[MESH] = str(directory_for(["uWSGI", uwsgi.masterpid()]))
    if "gevent" not in uwsgi.opt:
        if first:
            log.error("%s", _NO_GEVENT)
        return application
    return _WithWebSockets(application, uwsgi)


def _saying_close(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Say that the connection is closed behind the answer, as uWSGI does without saying so: clients
    that keep connections would write their next request into a dead one."""

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], *exc_info)

    return start


class _WithWebSockets:
    def __init__(self, application: WSGIApp, uwsgi: Any) -> None:
        self.application = application
        self._uwsgi = uwsgi
        self._worker: int | None = None
        #: The middlewares that requests have met: no other has clients.
        self._inside = Inside()
        self._keeps = bool({"http-keepalive", "http11-socket"} & uwsgi.opt.keys())

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        worker = os.getpid()
        if worker != self._worker:
            # Not before: the master imports the application, and forks.
            self._worker = worker
            self._prepare_the_end()
        Claim(self._inside, environ)
        if self._is_plain(environ):
            environ["sockio.take_connection"] = lambda headers: self._take_over(environ, headers)
        # Whoever hangs up while its poll waits is seen, and occupies a core of uWSGI no longer.
        environ[LEND] = self._uwsgi.connection_fd
        if not self._keeps:
            start_response = _saying_close(start_response)
        return self.application(environ, start_response)

    def _is_plain(self, environ: dict[str, Any]) -> bool:
        """Whether the worker's descriptor carries the client's bytes: not where the worker speaks
        TLS itself, nor where it goes on reading requests from the same connection."""
        if "UWSGI_ROUTER" in environ:
            return True
        own = {"http11-socket", "https-socket", "https-socket-modifier1", "suwsgi-socket"}
        return not own & self._uwsgi.opt.keys()

    def _take_over(self, environ: dict[str, Any], headers: Iterable[tuple[str, str]]) -> Any:
        """Answer ``101``, and duplicate the descriptor: uWSGI closes its own after the request."""
        chosen = [value for name, value in headers if name == "Sec-WebSocket-Protocol"]
        self._uwsgi.websocket_handshake(
            environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), environ.get("HTTP_ORIGIN", ""), *chosen
        )
        sock = _socket.socket(fileno=os.dup(self._uwsgi.connection_fd()))
        sock.setblocking(False)
        return sock

    # ---- the end

    def _prepare_the_end(self) -> None:
        before: Callable[[], object] | None = getattr(self._uwsgi, "atexit", None)

        def at_exit() -> None:
            self._close()
            self._wait()
            if before is not None:
                before()

        self._uwsgi.atexit = at_exit
        # A reload waits for all requests first, open polls among them: it is told here that they
        # can be answered.
        gevent.signal_handler(signal.SIGHUP, self._close)

    def _close(self) -> None:
        for middleware in self._inside:
            middleware.hand_over(min(TAKEN, self._mercy() / 2))
            middleware.close()

    def _mercy(self) -> float:
        options = self._uwsgi.opt
        given = [options.get(name) for name in ("worker-reload-mercy", "reload-mercy")]
        # Said several times it is a list.
        return min([int(each) for each in given if isinstance(each, bytes)], default=MERCY)

    def _wait(self) -> None:
        end = time.monotonic() + GRACE
        for middleware in self._inside:
            middleware.registry.wait_until_empty(max(0.0, end - time.monotonic()))
        # The requests of the last polls are awake by now, and answer in the next turns of the loop.
        for _ in range(LAST_TURNS):
            gevent.sleep(0)
