"""Websockets without Socket.IO: what a ``@websocket`` view talks through.

Blocking calls, one client each, in the view's own greenlet. The upgrade happens inside of the view,
so that middleware, login and decorators decide before it; :class:`Door` is what carries it there
from the WSGI server.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
from gevent.exceptions import ConcurrentObjectUseError
from gevent.lock import RLock
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ...config.forwarded import client_of
from ...config.origins import host_of, is_allowed, source_of
from ...config.settings import Settings
from ...exceptions import RequestRefused
from ...runtime.gevent_runtime import GeventRuntime
from ...runtime.pace import Pace
from ...sessions.complaints import at_length, debug_logger
from ...transports.connection import answer_at_once, cut, read_early, server_of, upgradable
from ...transports.foreign import is_larger
from ...transports.framing import SWITCHING, negotiate, refuse_body
from ...transports.streams import hand_on
from ...transports.unreadable import TOO_LARGE, describe
from .farewell import Farewell
from .outside import complain

__all__ = ["Door", "WebSocket", "WebSocketClosed", "WebSocketDoor", "asks_for_websocket"]

Message = str | bytes

#: Seconds in which the peer has to take what is sent.
SEND_PATIENCE = 60.0
#: Seconds the peer gets to answer our close frame.
CLOSE_WAIT = 2.0

#: Bytes that are taken apart in one go. The library takes thirty times as long for a frame as the
#: sessions' own reader, and the smallest has six bytes.
CHUNK = 4096

_DOOR = "sockio.websocket_door"

# For giving way alone: a view is a request's own task, and waits by itself.
_runtime = GeventRuntime()

log = logging.getLogger("sockio.websocket")
# The library says at INFO and ERROR what is only a client's mistake here.
_quiet = debug_logger("sockio.websocket.frames")


class WebSocketClosed(ConnectionError):
    """Sent to a websocket that is closed. A view may let it pass: its visitor has left."""


class WebSocket:
    """An open websocket.

    Pings are answered, and sent, while one waits for a message; a peer that does not answer for
    ``heartbeat_timeout`` seconds counts as gone. Several greenlets may send, one may receive.
    """

    def __init__(
        self, sock: Any, early: bytes, settings: Settings, address: str, subprotocol: str = ""
    ) -> None:
        #: The client's, for the log.
        self.address = address
        #: The subprotocol that was agreed on, or "".
        self.subprotocol = subprotocol
        #: The code of the peer's close frame; 1006 when it went without one, None before the end.
        self.close_code: int | None = None
        #: ``websocket.handler.socket`` is the connection, for ``select``: but see
        #: :meth:`has_messages`.
        self.handler = SimpleNamespace(socket=sock)
        self._sock = sock
        self._protocol = ServerProtocol(state=OPEN, max_size=settings.max_payload, logger=_quiet)
        self._max_payload = settings.max_payload
        self._interval = settings.heartbeat_interval
        self._timeout = settings.heartbeat_timeout
        self._messages: deque[Message] = deque()
        self._parts: bytearray | None = None
        self._is_text = True
        self._writing = RLock()
        self._heard = time.monotonic()
        self._pinged = False
        self._leaving = False
        self._ended = False
        _runtime.bind()
        # Neither receiving nor taking a message waits while the peer sends fast enough.
        self._pace = Pace(_runtime)
        # Read only when nothing is left to receive: more is never kept for a view that is slow.
        self._chunk = CHUNK
        # What came with the request, as far as it has not been taken apart.
        self._early = early

    @property
    def closed(self) -> bool:
        """Whether it is over: the view has closed it, or it has ended and all that arrived before
        was received. Sending raises as soon as it has ended."""
        return self._ended and (self._leaving or not self._messages)

    def fileno(self) -> int:
        """The descriptor of the connection, for ``select``."""
        return int(self._sock.fileno())

    # ---- receiving

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, ``str`` or ``bytes``; None when the websocket is closed.

        Blocks until then. Raises ``TimeoutError`` when ``timeout`` seconds have passed. What had
        arrived before the end can be received after it.
        """
        until = None if timeout is None else time.monotonic() + timeout
        self._pace.keep()
        while not self._messages:
            if self._ended:
                return None
            if not self._read(until):
                raise TimeoutError(f"no message within {timeout:g} s")
        return self._messages.popleft()

    wait = receive

    def read(self, fallback: Message | None = None) -> Message | None:
        """The next message if there is one, or ``fallback``. Does not wait."""
        return self._messages.popleft() if self.has_messages() else fallback

    def has_messages(self) -> bool:
        """Whether a message can be received without waiting. What ``select`` cannot see, messages
        that arrived together with one before, counts here."""
        self._read_what_is_there()
        return bool(self._messages)

    def count_messages(self) -> int:
        """How many messages can be received without waiting."""
        self._read_what_is_there()
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        """All messages until the websocket is closed."""
        while (message := self.receive()) is not None:
            yield message

    def _read_what_is_there(self) -> None:
        self._pace.keep()
        if not self._messages and not self._ended:
            self._read(time.monotonic())

    def _read(self, until: float | None) -> bool:
        """Read once; False when the time is over. Keeps the heartbeat going meanwhile."""
        while True:
            now = time.monotonic()
            due = self._heard + (self._timeout if self._pinged else self._interval)
            wait = due - now if until is None else min(due, until) - now
            data: bytes | None = None
            self._pace.keep()
            try:
                # Not the socket's own timeout, which would be that of a sender as well.
                with _at_most(wait):
                    data = self._more()
            except (OSError, ValueError):  # ValueError: the TLS layer has been shut down
                data = b""
            if data is not None:
                self._heard = time.monotonic()
                self._pinged = False
                self._hand_on(data)
                return True
            now = time.monotonic()
            if now >= due and self._pinged:
                self._over(1006)
                return True
            if now >= due:
                self._pinged = True
                with self._writing:
                    self._protocol.send_ping(b"")
                    self._flush()
                if self._ended:
                    return True
            if until is not None and now >= until:
                return False

    def _more(self) -> bytes:
        """As much as is taken apart in one go; waits for it."""
        chunk, early = self._chunk, self._early
        if early:
            self._early = early[chunk:]
            return early[:chunk]
        data: bytes = self._sock.recv(chunk)
        return data

    def _hand_on(self, data: bytes) -> None:
        """Take it apart, and less the next time if that takes long."""
        self._chunk = hand_on(_runtime, self._take, data, self._chunk, CHUNK)

    def _take(self, data: bytes) -> None:
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        for frame in protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in _DATA:
                self._add(frame)
        with self._writing:
            self._flush()
        said = protocol.close_rcvd
        if said is not None or not data:
            self._over(said.code if said is not None else 1006)
        elif protocol.state is not OPEN and not self._leaving:
            # The peer broke the protocol; the close frame that says so is written.
            sent = protocol.close_sent
            code = sent.code if sent is not None else 1006
            self._over(code)
            self._say_why(code)

    def _add(self, frame: Frame) -> None:
        if self._leaving:
            # Nobody will receive it.
            self._parts = None
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            self._parts = bytearray()
        if self._parts is None:
            return
        self._parts += frame.data
        if not frame.fin:
            return
        payload, self._parts = bytes(self._parts), None
        if not self._is_text:
            self._messages.append(payload)
            return
        try:
            self._messages.append(payload.decode())
        except UnicodeDecodeError:
            self._protocol.fail(1007, "invalid UTF-8")

    # ---- sending

    def send(self, message: Any) -> None:
        """Send a message: ``bytes`` as binary, anything else as text. Blocks until the connection
        took it. Raises :class:`WebSocketClosed`."""
        with self._writing:
            if self._ended or self._protocol.state is not OPEN:
                raise WebSocketClosed("the websocket is closed")
            if isinstance(message, (bytes, bytearray, memoryview)):
                self._protocol.send_binary(bytes(message))
            else:
                self._protocol.send_text(str(message).encode())
            self._flush()
            if self._ended:
                raise WebSocketClosed("the websocket broke")

    def _flush(self) -> None:
        """Write what the protocol has to say. The caller has the lock: there is one writer."""
        data = b"".join(self._protocol.data_to_send())
        if not data:
            return
        try:
            with gevent.Timeout(SEND_PATIENCE, TimeoutError("the peer does not read")):
                self._sock.sendall(data)
        except (OSError, ValueError):
            self._over(1006)

    # ---- the end

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, and wait a moment for the peer to do the same. Twice is once.

        What still comes meanwhile is forgotten."""
        if self._ended:
            return
        self._leaving = True
        with self._writing:
            if self._protocol.state is OPEN:
                self._protocol.send_close(code, reason)
                self._flush()
        with _at_most(CLOSE_WAIT):
            while not self._ended:
                self._pace.keep()
                try:
                    data = self._more()
                except ConcurrentObjectUseError:
                    # Another greenlet waits for messages: the peer's answer goes there.
                    gevent.sleep(0.01)
                    continue
                except (OSError, ValueError):
                    data = b""
                self._hand_on(data)
        self._over(1006)

    def hang_up(self) -> None:
        """End the connection, under whoever waits for the peer."""
        cut(self._sock)

    def _say_why(self, close_code: int) -> None:
        """Log what the peer sent that cannot be taken."""
        code, what = describe(close_code, self._max_payload)
        complain(
            log,
            logging.WARNING,
            code,
            self.address,
            "a websocket of %s is closed (%d): its client sent %s",
            self.address or "?",
            close_code,
            at_length(what),
        )

    def _over(self, code: int) -> None:
        if not self._ended:
            self._ended = True
            self.close_code = code


def _at_most(seconds: float) -> contextlib.AbstractContextManager[object]:
    """Leave the block after so many seconds, without an exception."""
    return gevent.Timeout(max(0.0, seconds), False)  # type: ignore[arg-type]  # gevent's own way


_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class ForeignWebSocket(WebSocket):
    """A websocket of a server that shows only ``receive``, ``send`` and ``close``.

    Its own heartbeat, if it has one; and it can only be waited for.
    """

    def __init__(self, websocket: Any, settings: Settings, address: str) -> None:
        super().__init__(None, b"", settings, address)
        self._websocket = websocket

    def fileno(self) -> int:
        raise NotImplementedError("this server does not show the connection of its websockets")

    def _read(self, until: float | None) -> bool:
        if until is not None:
            raise NotImplementedError(
                "this server's websockets can only be waited for: use receive() without a timeout"
            )
        self._pace.keep()
        try:
            message = self._websocket.receive()
        except Exception as error:
            # Each library has its own; all of them mean that the connection is over.
            _quiet.debug("receive() failed: %s", error)
            message = None
        if message is None:
            self._over(1006)
        elif is_larger(message, self._max_payload):
            self._say_why(TOO_LARGE)
            self.close(TOO_LARGE)
        else:
            self._messages.append(message if isinstance(message, str) else bytes(message))
        return True

    def send(self, message: Any) -> None:
        if not isinstance(message, (bytes, bytearray, memoryview)):
            message = str(message)
        with self._writing:
            if self._ended:
                raise WebSocketClosed("the websocket is closed")
            try:
                self._websocket.send(message)
            except Exception as error:
                self._over(1006)
                raise WebSocketClosed(f"the websocket broke: {error}") from error

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self._ended:
            self._leaving = True
            self._over(code)
            with contextlib.suppress(Exception):
                self._websocket.close()


def asks_for_websocket(environ: dict[str, Any]) -> bool:
    """Whether a request wants to become a websocket, or has been made one by the server."""
    asked: str = environ.get("HTTP_UPGRADE", "")
    return asked.strip().lower() == "websocket" or environ.get("wsgi.websocket") is not None


class WebSocketDoor:
    """WSGI middleware: lets the views behind it open websockets.

    ``closing`` tells, when it is asked, that the application is being closed."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        settings: Settings,
        closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app = app
        self.settings = settings
        self._farewell = Farewell(closing)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if not asks_for_websocket(environ):
            return self.app(environ, start_response)
        door = Door(environ, start_response, self.settings, self._farewell)
        environ[_DOOR] = door
        return door.pass_through(self.app)


class Door:
    """The way of one upgrade request. A view opens it, or answers as to any other request."""

    def __init__(
        self,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        settings: Settings,
        farewell: Farewell,
    ) -> None:
        self._farewell = farewell
        self._environ = environ
        self._start_response = start_response
        self._settings = settings
        self._websocket: WebSocket | None = None
        self._hang_up: Callable[[], object] = lambda: None

    @staticmethod
    def of(environ: dict[str, Any]) -> Door | None:
        door = environ.get(_DOOR)
        return door if isinstance(door, Door) else None

    @property
    def client(self) -> str:
        """The address of the client, "" where it comes over a Unix socket."""
        return client_of(self._environ, self._settings.trusted_proxies)

    def pass_through(self, app: Callable[..., Iterable[bytes]]) -> Iterable[bytes]:
        """Run the application; what it answers after the door was opened interests nobody."""
        try:
            body = app(self._environ, self._answer)
            if self._websocket is None:
                return body
            try:
                for _ in body:
                    pass
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        finally:
            if self._websocket is not None:
                self._farewell.remove(self._websocket)
                self._websocket.close()
                self._hang_up()
        return []

    def _answer(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        if self._websocket is not None:
            return lambda data: None
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def open(self, subprotocols: Iterable[str] = ()) -> WebSocket:
        """Answer the upgrade. Raises ``RequestRefused`` before anything was sent: a foreign origin,
        a malformed request, or a server that cannot."""
        environ = self._environ
        settings = self._settings
        proxies = settings.trusted_proxies
        if settings.hosts is not None and not settings.hosts.have(host_of(environ, proxies)):
            raise RequestRefused(
                "403 Forbidden",
                "bad host",
                code="host-not-allowed",
                detail=f"{host_of(environ, proxies)[:100]!r} is not among "
                "SOCKETIO = {'hosts': [...]}",
            )
        if not is_allowed(settings.origins, environ, proxies):
            # Browsers send cookies along whoever's page it is, and no CSRF token.
            source = source_of(environ)
            raise RequestRefused(
                "403 Forbidden",
                "bad origin",
                code="origin-not-allowed",
                detail=f"origin {(source or 'none')[:100]!r} may not open websockets; allow it by "
                "SOCKETIO = {'origins': [...]}, or let the proxy pass Host and X-Forwarded-Proto, "
                "and name it in 'trusted_proxies'",
            )
        ready_made = environ.get("wsgi.websocket")
        if ready_made is not None:
            self._websocket = self._over(ready_made)
        else:
            self._websocket = self._upgrade(subprotocols)
        self._farewell.add(self._websocket, server_of(self._start_response))
        return self._websocket

    def _over(self, ready_made: Any) -> WebSocket:
        handler = getattr(ready_made, "handler", None)
        sock, reader = getattr(handler, "socket", None), getattr(handler, "rfile", None)
        if not hasattr(sock, "recv") or reader is None:
            return ForeignWebSocket(ready_made, self._settings, self.client)

        def hang_up() -> None:
            # Its owner would send a close frame of its own behind ours.
            ready_made.closed = True

        self._hang_up = hang_up
        return WebSocket(sock, read_early(reader, sock), self._settings, self.client)

    def _upgrade(self, subprotocols: Iterable[str]) -> WebSocket:
        environ = self._environ
        if environ.get("REQUEST_METHOD") != "GET":
            raise RequestRefused(
                "405 Method Not Allowed",
                "A websocket is opened by GET.",
                code="method-not-allowed",
                headers=[("Allow", "GET")],
            )
        refuse_body(environ)
        native = upgradable(environ)
        if native is None:
            raise RequestRefused(
                "501 Not Implemented",
                "This server cannot open websockets.",
                code="server-cannot-upgrade",
                detail="serve by runserver_socketio, sockio serve, or gunicorn -k gevent_pywsgi",
            )
        headers = negotiate(environ)
        offered = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").replace(" ", "").split(",")
        chosen = next((each for each in subprotocols if each in offered), "")
        extra = [("Sec-WebSocket-Protocol", chosen)] if chosen else []
        answer_at_once(self._start_response, SWITCHING, [*headers, *extra])
        reader, sock = native

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                sock.shutdown(2)
            # For the server the end of the connection: it asks for no other request.
            reader.close()

        self._hang_up = hang_up
        early = read_early(reader, sock)
        return WebSocket(sock, early, self._settings, self.client, chosen)
