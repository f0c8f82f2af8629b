"""For tests: a server on loopback, clients of every generation over any transport, a clock by hand.

::

    def test_everybody_hears_what_one_says():
        with LiveServer(app) as server:
            ada, bob = server.connect("/chat"), server.connect("/chat")
            assert ada.call("user message", "hello") is True
            assert bob.expect("user message").args == ["hello"]

Everything is real but the browser: TCP, HTTP, the application, its login. Server and clients are
greenlets of the calling thread, and the clients' own waiting is gevent's, so nothing has to be
monkey-patched for the clients' sake; patch for what your handlers do. With pytest, see
:mod:`sockio.testing.pytest_plugin`.
"""

from __future__ import annotations

from .browser import Browser, Reply
from .client import Client, Event, Loss
from .clock import ManualRuntime
from .errors import ClientError, EventFailed, NothingCame, Refused, SessionOver
from .server import LiveServer
from .wires import WIRES

#: The names of all transports of 0.9, for ``parametrize``; later clients have ``websocket``,
#: ``polling`` and ``upgrade``.
TRANSPORTS = tuple(WIRES)

__all__ = [
    "TRANSPORTS",
    "Browser",
    "Client",
    "ClientError",
    "Event",
    "EventFailed",
    "LiveServer",
    "Loss",
    "ManualRuntime",
    "NothingCame",
    "Refused",
    "Reply",
    "SessionOver",
]
