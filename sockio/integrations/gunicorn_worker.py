"""gunicorn with sockio's own worker::

    gunicorn -k sockio.integrations.gunicorn_worker.GeventSocketIOWorker module:app

It is gunicorn's ``gevent_pywsgi`` with :class:`~sockio.server.SocketIOServer` in it: requests under
the resource are answered from the event loop, and when the worker is told to stop or to reload,
its clients' queued packets are delivered, websockets are closed with code 1001, and their
namespaces are told, within gunicorn's ``graceful_timeout``. Needs ``gunicorn[gevent]``.

Requests are read as :class:`~sockio.server.SocketIOServer` reads them: strictly, with limits and
deadlines (``max_head``, ``head_timeout``); gunicorn's own ``limit_request_*`` do not apply.

gunicorn's settings that matter: ``graceful_timeout``; ``keepalive``, the seconds that a connection
may be idle between two requests; ``worker_connections``, which counts all connections of a listener
but websockets; ``max_requests``; ``certfile`` and its kin, with which gevent.pywsgi answers all
requests, as it does with ``pre_request`` and ``post_request``. Several ``workers`` are one server
to their clients. ``preload_app`` has to be off, so that gevent patches before the application is
imported.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn.workers.ggevent import GeventPyWSGIWorker, PyWSGIHandler

from ..backplane.mesh.directory import announce, directory_for, somebody_comes
from ..exceptions import SettingsError
from ..http.middleware import MESH, SocketIOMiddleware
from ..runtime.process import make_ready
from ..server.door import Door
from ..server.pywsgi_handler import Handler
from ..server.server import LAST_MOMENT, SocketIOServer
from .gunicorn_requests import Request, Requests, Response

if TYPE_CHECKING:
    from ..server.fast_http.service import Service

__all__ = ["GeventSocketIOWorker"]

#: Seconds between two looks at the connections of which the last answers are written.
LOOK = 0.05
#: Seconds in which clients fetch what waits for them. Who polls is back by then; who is gone for
#: good is not to keep a worker for all of ``graceful_timeout``, which is for requests.
FETCHED = 5.0
#: Seconds in which a process that was begun has said so, whatever else the machine has to do, and
#: in which it is known when it says that no more.
BEGUN = 1.0


class GeventSocketIOWorker(GeventPyWSGIWorker):  # type: ignore[misc]
    """The worker. An application that is not wrapped in the middleware is wrapped, so that its own
    view at ``/socket.io/*`` decides who gets in."""

    def init_process(self) -> None:
        #: One for each listener.
        self.servers: list[_Server] = []
        # The same for the master that takes over (USR2), whose workers have the same listeners.
        if self.cfg.workers > 1 and MESH not in os.environ:
            os.environ[MESH] = str(
                directory_for([each.getsockname() for each in self.sockets], self.cfg.uid)
            )
        if self.cfg.uid == os.geteuid():
            self._announce()
        super().init_process()

    def load_wsgi(self) -> None:
        # By the user that the worker is from now on, should it be another.
        self._announce()
        super().load_wsgi()

    def _announce(self) -> None:
        """Say that it comes, before the application is imported, which takes a while: at a reload
        the others have something to leave, and end at the same time."""
        path = os.environ.get(MESH, "off") if self.cfg.workers > 1 else "off"
        if path != "off":
            with contextlib.suppress(SettingsError):
                announce(path)

    def run(self) -> None:
        self.server_class = functools.partial(_Server, self, Requests(self))
        self.wsgi_handler = _Handler
        # The application is imported by now.
        make_ready()
        super().run()

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        # Not within a signal, which comes at any time.
        gevent.get_hub().loop.run_callback_threadsafe(self.leave)

    def leave(self) -> None:
        """Begin the end now, and not when gunicorn looks the next time, which may take a second: of
        several workers that are told to go, none shall get the clients of another. Does not
        block."""
        self.alive = False
        for server in self.servers:
            server.leave_soon()


class _Handler(Handler, PyWSGIHandler):  # type: ignore[misc]
    """sockio's reading of requests, and what gunicorn's settings say about them."""

    server: Any
    _hooked: Request | None = None

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        self.server.requests.begin(environ, self.path, self.socket, self.client_address)
        return environ

    def run_application(self) -> None:
        hooks = self.server.requests.hooks
        if hooks is not None:
            assert self.environ is not None
            self._hooked = Request(self.environ)
            hooks.before(self._hooked)
        super().run_application()

    def handle_one_response(self) -> None:
        super().handle_one_response()
        request, self._hooked = self._hooked, None
        if request is not None:
            self.server.requests.hooks.after(request, self.environ, self._response())

    def log_request(self) -> None:
        lines = self.server.requests.lines
        if lines is not None and self.environ is not None:
            seconds = self.time_finish - self.time_start
            lines.write(self.environ, self._response(), seconds)

    def _response(self) -> Response:
        this: Any = self
        # Text where gevent itself has written it.
        status = this.status or "000"
        if isinstance(status, bytes):
            status = status.decode("latin-1")
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in this.response_headers or ()
        ]
        return Response(status, headers, self.response_length)


class _Server(SocketIOServer):
    """One listener of the worker, made with the arguments that gunicorn has for pywsgi's server."""

    fast_handler = _Handler

    def __init__(
        self,
        worker: GeventSocketIOWorker,
        requests: Requests,
        listener: Any,
        *,
        application: Any,
        log: Any,
        spawn: Any,
        **options: Any,
    ) -> None:
        self.requests = requests
        self.keepalive: float = worker.cfg.keepalive
        self.graceful_timeout: float = worker.cfg.graceful_timeout
        #: How many connections there may be, but for websockets: ``worker_connections``.
        self.places: int = spawn.size
        self._leaving = False
        # gunicorn waits for what is in the pool of a server, and sees by its size when it is empty.
        # It is no bound: who comes waits at the door, and nobody may wait for a task in the loop.
        super().__init__(listener, application, **options)
        assert self.pool is not None
        self.pool.size = self.places
        # For whoever looks for it there; our handlers know the way.
        self.log = log
        if requests.hooks is not None:
            self._fast_allowed = False
        worker.servers.append(self)

    def do_handle(self, sock: Any, address: Any, *begun: Any) -> None:
        sources, go_on = self.requests.sources, super().do_handle
        if sources is None or begun:
            go_on(sock, address, *begun)
        else:
            sources.read(sock, address, self.door, self.loop, go_on)

    def _make_door(self) -> Door:
        door = super()._make_door()
        door.keep_alive = self.keepalive
        return door

    def _let_door_obey(self, middleware: SocketIOMiddleware) -> None:
        super()._let_door_obey(middleware)
        self.door.keep_alive = self.keepalive

    def _make_service(self, *args: Any, **options: Any) -> Service:
        # Only where httptools is there.
        from .gunicorn_service import GunicornService

        return GunicornService(self.requests, *args, **options)

    def _has_place(self) -> bool:
        here = self._in_tasks + (0 if self.fast is None else len(self.fast.connections))
        return here < self.places and super()._has_place()

    def close(self) -> None:
        """Begin the end. gunicorn then waits until the pool is empty, and the clients' farewell is
        one of the things in it. Until that is over new connections are accepted: a client may fetch
        its last packets over one."""
        if self.started and self._ended is None:
            self.leave_soon()
        else:
            super().close()

    def leave_soon(self) -> None:
        """The same; twice is once. Does not block."""
        if self.started and not self._leaving:
            self._leaving = True
            assert self.pool is not None
            self.pool.spawn(self._say_farewell)

    def _say_farewell(self) -> None:
        begun = time.monotonic()
        end = begun + self.graceful_timeout

        def comes() -> bool:
            nonlocal begun
            if somebody_comes(os.environ[MESH]):
                begun = time.monotonic()
            return time.monotonic() < begun + BEGUN

        if MESH in os.environ:
            self._somebody_comes = comes
        try:
            self._bequeath(self.graceful_timeout / 2)
            self._say_goodbye(min(FETCHED, self.graceful_timeout))
            # Which the next worker has, too, and gunicorn's master keeps until there is one.
            self.leave_listener()
        finally:
            super().close()
            self.hang_up_idle()
        # These are in no pool. What is not here by now is for sessions that have ended.
        moment = time.monotonic() + LAST_MOMENT
        while self.fast is not None and self.fast.connections and time.monotonic() < end:
            if time.monotonic() > moment and not self.fast.answers():
                break
            gevent.sleep(LOOK)
