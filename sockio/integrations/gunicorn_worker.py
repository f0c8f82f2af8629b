"""gunicorn with sockio's own worker::

    gunicorn -k sockio.integrations.gunicorn_worker.GeventSocketIOWorker module:app

It is gunicorn's ``gevent_pywsgi`` with an end for the clients: when the worker is told to stop or
to reload, their queued packets are delivered, websockets are closed with code 1001, and their
namespaces are told, within gunicorn's ``graceful_timeout``. Needs ``gunicorn[gevent]``.

Requests are read as :class:`~sockio.server.SocketIOServer` reads them: strictly, with limits and
deadlines (``max_head``, ``head_timeout``); gunicorn's own ``limit_request_*`` do not apply.

gunicorn's settings that matter: ``graceful_timeout``; ``keepalive``, the seconds that a connection
may be idle between two requests; ``worker_connections``, which counts open polls and requests but
no websockets; ``certfile`` and its kin. ``workers`` has to be 1, and ``preload_app`` off, so that
gevent patches before the application is imported.
"""

from __future__ import annotations

import functools
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventPyWSGIWorker, PyWSGIHandler

from ..http.surroundings import TOLD, several_processes
from ..runtime.process import make_ready
from ..server.door import Door
from ..server.pywsgi_handler import Handler
from ..server.server import SocketIOServer

__all__ = ["GeventSocketIOWorker"]


class GeventSocketIOWorker(GeventPyWSGIWorker):  # type: ignore[misc]
    """The worker. An application that is not wrapped in the middleware is wrapped, so that its own
    view at ``/socket.io/*`` decides who gets in."""

    def run(self) -> None:
        # The first worker of this gunicorn speaks for all.
        if self.age == 1 and self.cfg.workers > 1:
            self.log.error("%s", several_processes(f"gunicorn --workers {self.cfg.workers}"))
        self.server_class = functools.partial(_Server, self.cfg)
        self.wsgi_handler = _Handler
        # The application is imported by now.
        make_ready()
        super().run()


class _Handler(Handler, PyWSGIHandler):  # type: ignore[misc]
    """sockio's reading of requests, gunicorn's access log."""


class _Server(SocketIOServer):
    """One listener of the worker, made with the arguments that gunicorn has for pywsgi's server."""

    def __init__(self, cfg: Any, listener: Any, *, application: Any, **options: Any) -> None:
        self.keepalive: float = cfg.keepalive
        self.graceful_timeout: float = cfg.graceful_timeout
        self._leaving = False
        options["environ"][TOLD] = ("processes",)
        super().__init__(listener, application, **options)

    def _make_door(self) -> Door:
        door = super()._make_door()
        door.keep_alive = self.keepalive
        return door

    def close(self) -> None:
        """Begin the end. gunicorn then waits until the pool is empty, and the clients' farewell is
        one of the things in it. Until that is over new connections are accepted: a client may fetch
        its last packets over one."""
        if not self.started or self._leaving:
            super().close()
            return
        self._leaving = True
        # A full pool is waited for anyway, and would not take one more.
        assert self.pool is not None
        (gevent if self.pool.full() else self.pool).spawn(self._say_farewell)

    def _say_farewell(self) -> None:
        try:
            self._say_goodbye(self.graceful_timeout)
        finally:
            super().close()
            self.hang_up_idle()
