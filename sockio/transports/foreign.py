"""Websocket objects of other libraries: anything with ``receive``, ``send`` and ``close``.

The slow way, message by message, for servers whose connection cannot be reached: the request's task
receives, and a task that exists only while there is something to send sends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from ..runtime.interfaces import Runtime
from ..runtime.pace import Pace
from ..sessions.outbox import Outgoing
from ..sessions.reasons import Reason
from ..sessions.socket import Socket
from .base import WSGIApplication
from .connection import connection_of, taken_of
from .streams import CutUnlessRead
from .unreadable import TOO_LARGE, say_why

__all__ = ["ForeignCarrier", "is_larger", "serve_foreign"]

log = logging.getLogger("sockio.websocket")

#: Seconds until a websocket that another one replaced is closed, when its peer does not read.
CLOSE_WAIT = 2.0


def serve_foreign(
    websocket: Any, name: str, runtime: Runtime, unknown_session: str, socket: Socket | None
) -> WSGIApplication:
    """The WSGI application that carries a session over ``websocket`` until that ends."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if socket is None:
            websocket.send(unknown_session)
            websocket.close()
        else:
            carrier = ForeignCarrier(name, websocket, socket, runtime, connection_of(environ))
            socket.attach(carrier)
            carrier.run()
        return []

    return serve


def is_larger(message: str | bytes, limit: int) -> bool:
    """Whether a message has more bytes than ``limit``; a str may have four for each character."""
    if len(message) <= limit // 4:
        return False
    return len(message) > limit or (isinstance(message, str) and len(message.encode()) > limit)


class ForeignCarrier:
    """One open websocket of somebody else's making."""

    streaming = True

    __slots__ = (
        "_busy",
        "_closed",
        "_connection",
        "_ending",
        "_go_on",
        "_over",
        "_paused",
        "_runtime",
        "_sent",
        "_socket",
        "_ws",
        "name",
        "waits",
    )

    def __init__(
        self, name: str, websocket: Any, socket: Socket, runtime: Runtime, connection: Any = None
    ) -> None:
        """``connection`` is what ``websocket`` is of, where it is known."""
        self.name = name
        self._ws = websocket
        self._connection = connection
        self._socket = socket
        self._runtime = runtime
        self._busy = False
        #: The writer was called, and has not begun.
        self.waits = False
        self._ending = False
        self._paused = False
        self._go_on = runtime.signal()
        self._closed = False
        # Messages that were sent, which the peer had room for.
        self._sent = 0
        self._over = runtime.signal()

    def run(self) -> None:
        """Receive until the websocket ends. Blocks the request's task for as long as that takes."""
        reason = Reason.TRANSPORT_CLOSE
        pace = Pace(self._runtime)
        limit = self._socket.config.max_payload
        while not self._ending:
            # Whatever it is made of returns at once while there is something to read.
            pace.keep()
            if self._paused:
                self._go_on.wait()
                continue
            try:
                message = self._ws.receive()
            except Exception as error:
                # Each library has its own; all of them mean that the connection is over.
                self._say("receive", error)
                reason = Reason.TRANSPORT_ERROR
                break
            if message is None:
                break
            if is_larger(message, limit):
                say_why(self._socket, TOO_LARGE)
                reason = Reason.TRANSPORT_ERROR
                break
            self._socket.receive(message if isinstance(message, str) else bytes(message))
            # The next one may be long in coming, and this one a megabyte.
            message = None
            self._socket.pause_if_busy()
        if self._ending:
            # The connection may go with the request: what is still to be sent is sent before.
            self._over.wait()
        else:
            self._socket.lost(self, reason)

    def serve(self, socket: Socket) -> None:
        """Carry that session from now on, in place of what stood for it."""
        self._socket = socket
        socket.attach(self)

    def say(self, text: bytes) -> None:
        """Write a text that is no packet of the session."""
        self.write(Outgoing(text.decode()))

    def write(self, packet: Outgoing) -> bool:
        if self._busy or self._ending:
            return False
        self._busy = self.waits = True
        self._runtime.run(self._send, packet)
        return True

    def ready(self) -> None:
        if not self._busy:
            self._busy = self.waits = True
            self._runtime.run(self._send, None)

    def _send(self, packet: Outgoing | None) -> None:
        """The one writer: this packet, then what waits in the outbox."""
        self.waits = False
        packets = [packet] if packet is not None else []
        pace = Pace(self._runtime)
        try:
            while packets or (packets := self._socket.take(self, 65536)):
                packet = packets.pop(0)
                for message in self._socket.messages_of(packet):
                    self._ws.send(message)
                    self._sent += 1
                pace.keep()
        except Exception as error:
            self._say("send", error)
            self._socket.lost(self, Reason.TRANSPORT_ERROR)
            self._ending = True
        finally:
            self._busy = False
        if self._ending:
            self._close()
            self._socket.lost(self, Reason.SERVER)

    def taken(self) -> object:
        """What changes whenever the client has taken more of what was sent."""
        return self._sent, taken_of(self._connection)

    def idle(self) -> None:
        """A websocket has no poll duration."""

    def finish(self) -> None:
        self._ending = True
        self._go_on.set()
        self.ready()

    def replaced(self) -> None:
        self.finish()
        # No deadline of the session is ours any more, and the peer may not read.
        CutUnlessRead(self._runtime, CLOSE_WAIT, self.taken, self._close)

    def abort(self) -> None:
        self._ending = True
        self._go_on.set()
        self._runtime.run(self._close)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._ws.close()
        except Exception as error:
            self._say("close", error)
        finally:
            self._go_on.set()
            self._over.set()

    def _say(self, what: str, error: Exception) -> None:
        self._socket.complain(
            log, logging.DEBUG, f"{what}-failed", f"%s: {what}() failed: %s", self._socket, error
        )

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._go_on = self._runtime.signal()

    def resume(self) -> None:
        self._paused = False
        self._go_on.set()
