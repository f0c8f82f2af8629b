"""What the fast connections of one server share: which requests are theirs, and everything else
that a connection asks of its server."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import gevent

from ...http.endpoint import Endpoint
from ...http.route import Route, route_of
from ...runtime.interfaces import Runtime
from ...runtime.jobs import Jobs
from ...runtime.rota import rota_of
from ...transports import WebSocket
from ...transports.answers import Answer
from ...transports.engine_websocket import EngineWebSocket
from ..access_log import RequestLog
from ..door import Door
from .connection import FastConnection, State
from .reader import MAX_HEAD, RequestReader

__all__ = ["Service"]


#: What a request may say of its connection. An upgrade to nothing is what proxies say that are told
#: to say it always.
_PLAIN = frozenset(
    ("keep-alive", "close", "upgrade", "keep-alive, upgrade", "upgrade, keep-alive", "")
)


class Service:
    """The fast connections of one server.

    ``environ`` is what every environ begins with, ``run`` starts a task that the server
    waits for when it stops, and ``hand_over(sock, address, early, until)`` lets the WSGI server go
    on with a connection of which the bytes ``early`` have been read.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        runtime: Runtime,
        loop: Any,
        *,
        door: Door,
        environ: dict[str, Any],
        run: Callable[..., object],
        hand_over: Callable[[Any, Any, bytes, float], object],
        access_log: RequestLog | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.runtime = runtime
        self.loop = loop
        #: A copy of what every environ begins with.
        self.make_environ: Callable[[], dict[str, Any]] = environ.copy
        self._run = run
        self._hand_over = hand_over
        settings = endpoint.settings
        self.door = door
        self.access_log = access_log
        self.connections: set[FastConnection] = set()
        #: Requests answered here, connections handed over, and websockets that began here.
        self.answered = 0
        self.handed_over = 0
        self.upgraded = 0
        #: Tasks that answer for connections of these.
        self.tasks = 0
        # Those that have not begun.
        self._jobs = Jobs()
        self._rota = rota_of(gevent.get_hub())
        self._rota.enlist(self, self._jobs)
        self.stopping = False
        self._detach = "detach" not in settings.without
        self._max_payload = settings.max_payload
        self._below = f"/{settings.resource}/"
        self._second = 0
        self._date = b""

    @property
    def max_head(self) -> int:
        """Bytes: longer heads are handed over, to be refused or not."""
        return min(MAX_HEAD, self.door.max_head)

    def step_aside(self) -> None:
        """Answer nothing from now on: a middleware inside of the application serves, and what is
        around that one has to see the requests. Each goes to the WSGI server."""
        self._below = "\0"

    def run(self, fn: Callable[..., object], *args: Any) -> object:
        """Start a task that the server waits for when it stops."""
        self.tasks += 1
        self._jobs.append(fn)
        if self._jobs.crowded:
            self._rota.crowd()
        return self._run(self._do, fn, *args)

    def _do(self, fn: Callable[..., object], *args: Any) -> None:
        loop, jobs = self.loop, self._jobs
        jobs.popleft()
        began, number = time.monotonic(), loop.iteration
        try:
            fn(*args)
        finally:
            self.tasks -= 1
            if loop.iteration == number:
                # Else it waited for something, and what it took itself is not known.
                jobs.took(time.monotonic() - began)

    def hand_over(self, sock: Any, address: Any, early: bytes, until: float) -> object:
        """Let the WSGI server go on with a connection of which ``early`` has been read; a head that
        is not complete has to be by ``until``."""
        return self._hand_over(sock, address, early, until)

    def accept(self, sock: Any, address: Any) -> None:
        """Begin a connection on the kernel's own socket, which must not block."""
        self.connections.add(FastConnection(self, sock, address))

    def route_of(self, reader: RequestReader, known: Route | None = None) -> Route | None:
        """What the request asks for; None when it is not for us, or not plainly enough.

        ``known`` is what its path is known to ask for.
        """
        environ = reader.environ
        path: str = environ["PATH_INFO"]
        if not path.startswith(self._below) or "%" in path or "#" in path:
            return None
        if "HTTP_EXPECT" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            return None
        route = known
        if route is None or route.version == Route.ENGINE:
            route = route_of(path[len(self._below) :], environ.get("QUERY_STRING", ""))
        if route is None:
            return None
        endpoint = self.endpoint
        if endpoint.others is not None and route.sid and endpoint.may_be_hidden(route, environ):
            return None
        if reader.upgrade or "HTTP_UPGRADE" in environ:
            return route if self._opens_websocket(route, reader) else None
        connection = environ.get("HTTP_CONNECTION")
        if connection is not None and connection.lower() not in _PLAIN:
            return None
        method = environ["REQUEST_METHOD"]
        length = environ.get("CONTENT_LENGTH")
        if method == "GET" and length is None:
            transport = self.endpoint.transport_of(route) if route.sid else None
            return route if transport is None or transport.evented else None
        if method == "POST" and length is not None and route.sid:
            return route if int(length) <= self._max_payload else None
        return None

    def _opens_websocket(self, route: Route, reader: RequestReader) -> bool:
        environ = reader.environ
        return (
            self._detach
            and reader.upgrade
            and environ["REQUEST_METHOD"] == "GET"
            and "CONTENT_LENGTH" not in environ
            and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
            and isinstance(self.endpoint.transport_of(route), (WebSocket, EngineWebSocket))
            and (
                bool(route.sid)
                # A middleware inside opens its own, which takes a request that can be passed on.
                or (route.version == Route.ENGINE and self.endpoint.asking.serves_alone(environ))
            )
        )

    def account_of(self, address: Any) -> str:
        """Whose account of the loop's time a connection is on."""
        return self.door.account_of(address)

    def wire(self, answer: Answer, closing: bool) -> bytes:
        """The answer as it goes over the wire, in the order that gevent.pywsgi gives it."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = b"Date: %b\r\n\r\n" % formatdate(second, usegmt=True).encode()
        return answer.wire(self._date, closing)

    def stop(self) -> None:
        """Close what is idle; what is under way is closed when it has been answered."""
        self.stopping = True
        for connection in list(self.connections):
            connection.stop()

    def reads(self) -> bool:
        """Whether a request is about to be read."""
        return any(each.state is State.READING for each in self.connections)

    def answers(self) -> bool:
        """Whether a request is being answered."""
        return any(each.state is not State.READING for each in self.connections)

    def close(self) -> None:
        """Close what is left."""
        for connection in list(self.connections):
            connection.close()
