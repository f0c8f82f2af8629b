"""One of the processes of ``sockio serve --workers``, seen from inside.

Serving is the same as with one process. What differs: it is given its listener, it says when it
accepts, and it ends when its successor does, or the supervisor is gone.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

import gevent
import gevent.socket

from ..server.server import SocketIOServer
from .child import ACCEPTING, LEAVE
from .listening import BALANCED

__all__ = ["Worker"]

log = logging.getLogger("sockio.supervisor")


class Worker:
    """What the supervisor has given to this process. ``given`` is the hidden option's value:
    number, listener and line to the supervisor."""

    def __init__(self, given: str) -> None:
        self.number, listener, line = map(int, given.split(":"))
        for descriptor in (listener, line):
            # What the application starts is not to keep them.
            os.set_inheritable(descriptor, False)
        self._listener = gevent.socket.socket(fileno=listener)
        self._line = gevent.socket.socket(fileno=line)
        # Meant for the supervisor. A handler and not SIG_IGN, which programs would inherit that
        # the application starts.
        signal.signal(signal.SIGHUP, lambda *_: None)

    def server(self, app: Any, **options: Any) -> SocketIOServer:
        """A server on the listener."""
        self._listener.setblocking(False)
        # The successors of one place do it again, on the same socket, which changes nothing.
        self._listener.listen(SocketIOServer.backlog)
        environ = {"wsgi.multiprocess": True}
        server = SocketIOServer(self._listener, app, environ=environ, **options)
        if BALANCED:
            # gevent's accepts one at a time from a listener that others might have, too.
            server.max_accept = SocketIOServer.max_accept
        return server

    def accepts(self, server: SocketIOServer) -> None:
        """Say so, and from now on do what the supervisor says."""
        self._line.sendall(ACCEPTING)
        gevent.spawn(self._listen, server)

    def _listen(self, server: SocketIOServer) -> None:
        try:
            word = self._line.recv(100)
        except OSError:
            word = b""
        if word == LEAVE:
            server.leave()
        else:
            log.warning("the supervisor has gone: this worker ends [supervisor-gone]")
            server.stop()
