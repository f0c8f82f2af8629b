"""Websockets without Socket.IO: what a view of the application talks through.

Blocking calls, one client each, in the task of the view's own request.
:mod:`sockio.http.rawsocket` opens them.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ..config.settings import Settings
from ..exceptions import WebSocketClosed
from ..runtime.blocking import IN_USE, at_most, lock, pause
from ..runtime.gevent_runtime import GeventRuntime
from ..runtime.pace import Pace
from ..sessions.complaints import debug_logger
from ..sessions.patience import Patience
from ..sessions.sayings import at_length
from .connection import cut, taken_of
from .foreign import is_larger
from .framing import frame_head
from .streams import LEAST, PART, hand_on, send_in_parts
from .unreadable import TOO_LARGE, describe

__all__ = ["ForeignWebSocket", "Message", "Say", "WebSocket"]

Message = str | bytes

#: :meth:`sockio.sessions.complaints.Complaints.say`, or what does the same.
Say = Callable[..., None]

#: Seconds in which the peer has to take some of what is sent.
SEND_PATIENCE = 60.0
#: Seconds the peer gets to answer our close frame, when it reads nothing that was sent before.
CLOSE_WAIT = 2.0
#: Bytes that are taken apart in one go. The library takes thirty times as long for a frame as the
#: sessions' own reader, and the smallest has six bytes.
CHUNK = 4096
#: Bytes that a ping may carry (RFC 6455, 5.5).
LONGEST_PING = 125

# For giving way alone: a view is a request's own task, and waits by itself.
_runtime = GeventRuntime()

log = logging.getLogger("sockio.websocket")
# The library says at INFO and ERROR what is only a client's mistake here.
_quiet = debug_logger("sockio.websocket.frames")


class WebSocket:
    """An open websocket.

    Pings are answered, and sent, while one waits for a message; a peer that does not answer for
    ``heartbeat_timeout`` seconds counts as gone. Several greenlets may send, one may receive.
    """

    def __init__(
        self,
        sock: Any,
        early: bytes,
        settings: Settings,
        say: Say,
        address: str = "",
        subprotocol: str = "",
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
        self._say = say
        self._protocol = ServerProtocol(state=OPEN, max_size=settings.max_payload, logger=_quiet)
        self._max_payload = settings.max_payload
        self._interval = settings.heartbeat_interval
        self._timeout = settings.heartbeat_timeout
        self._messages: deque[Message] = deque()
        self._parts: bytearray | None = None
        self._is_text = True
        self._writing = lock()
        self._heard = time.monotonic()
        self._pinged = False
        self._leaving = False
        self._ended = False
        _runtime.bind()
        # Neither receiving nor taking a message waits while the peer sends fast enough, and no
        # sending while it reads fast enough.
        self._pace = Pace(_runtime)
        # Read only when nothing is left to receive: more is never kept for a view that is slow.
        # A little at first: what it will be made of is not known.
        self._chunk = LEAST
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
                with at_most(wait):
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
        while not self._early:
            data: bytes = self._sock.recv(self._chunk)
            if not data:
                return data
            # Many may have been woken at once. Whoever is called off meanwhile loses nothing, and
            # another greenlet may take it.
            self._early = data
            self._pace.give_way()
        chunk, early = self._chunk, self._early
        self._early = early[chunk:]
        return early[:chunk]

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

    def send(self, message: Any, binary: bool | None = None) -> None:
        """Send a message: ``bytes`` as binary, anything else as text, unless ``binary`` says which.
        Blocks until the connection took it. Raises :class:`WebSocketClosed`. Whoever gives up
        meanwhile, by a Timeout, ends the websocket."""
        payload, binary = _payload(message, binary)
        with self._one_writer():
            if len(payload) <= PART:
                (self._protocol.send_binary if binary else self._protocol.send_text)(payload)
                self._flush()
            else:
                # The library would copy it twice, and 50 MB of that hold everybody up.
                self._flush(frame_head(Opcode.BINARY if binary else Opcode.TEXT, len(payload)))
                self._send(payload)

    def ping(self, data: Message = b"") -> None:
        """Send a ping with up to 125 bytes. The answer is taken for a sign of life, and not shown.
        Raises ``ValueError`` for more, and :class:`WebSocketClosed`."""
        payload, _ = _payload(data, True)
        if len(payload) > LONGEST_PING:
            raise ValueError(f"a ping carries {LONGEST_PING} bytes at most, not {len(payload)}")
        with self._one_writer():
            self._protocol.send_ping(payload)
            self._flush()

    @contextlib.contextmanager
    def _one_writer(self) -> Iterator[None]:
        """Around what the view sends. Raises :class:`WebSocketClosed`."""
        self._pace.keep()
        with self._writing:
            if self._ended or self._protocol.state is not OPEN:
                raise WebSocketClosed("the websocket is closed")
            yield
            if self._ended:
                raise WebSocketClosed("the websocket broke")

    def _flush(self, more: bytes = b"") -> None:
        """Write what the protocol has to say, and ``more`` behind it. The caller has the lock:
        there is one writer."""
        data = b"".join([*self._protocol.data_to_send(), more])
        if data:
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            if not self._ended:
                # Each part by itself: who goes on reading is not given up, however long it takes.
                send_in_parts(data, self._pace, self._send_part)
        except (OSError, ValueError):
            self._over(1006)
        except BaseException:
            # The view's own Timeout, or its end: perhaps within a frame, and the next one would be
            # taken for its rest.
            self._over(1006)
            raise

    def _send_part(self, part: memoryview) -> None:
        _runtime.limit(SEND_PATIENCE, self._sock.sendall, part)

    # ---- the end

    def close(self, code: int = 1000, reason: Message = "") -> None:
        """Close it, and wait a moment for the peer to do the same. Twice is once.

        What still comes meanwhile is forgotten."""
        if self._ended:
            return
        self.say_closed(code, reason)
        now, taken = _runtime.now(), taken_of(self._sock)
        patience = Patience(now, CLOSE_WAIT, taken)
        # Who is still reading what was sent before has not come to our end yet.
        closed = False
        while not closed and (left := patience.left(_runtime.now(), taken_of(self._sock))):
            with at_most(left):
                closed = self._await_end()
        self._over(1006)

    def _await_end(self) -> bool:
        """Read until the peer has closed its side: true."""
        while not self._ended:
            self._pace.keep()
            try:
                data = self._more()
            except IN_USE:
                # Another greenlet waits for messages: the peer's answer goes there.
                pause(0.01)
                continue
            except (OSError, ValueError):
                data = b""
            self._hand_on(data)
        return True

    def say_closed(self, code: int, reason: Message = "") -> None:
        """Tell the peer so, and wait for nothing."""
        if self._ended:
            return
        self._leaving = True
        with self._writing:
            if self._protocol.state is OPEN:
                self._protocol.send_close(
                    code, _payload(reason, True)[0].decode("utf-8", "replace")
                )
                self._flush()

    def hang_up(self) -> None:
        """End the connection, under whoever waits for the peer."""
        cut(self._sock)

    def _say_why(self, close_code: int) -> None:
        """Log what the peer sent that cannot be taken."""
        code, what = describe(close_code, self._max_payload)
        self._say(
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


def _payload(message: Any, binary: bool | None) -> tuple[bytes, bool]:
    """A message as bytes, and whether it is sent as such."""
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message), binary is None or binary
    return str(message).encode(), bool(binary)


_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class ForeignWebSocket(WebSocket):
    """A websocket of a server that shows only ``receive``, ``send`` and ``close``.

    Its own heartbeat, if it has one; and it can only be waited for.
    """

    def __init__(self, websocket: Any, settings: Settings, say: Say, address: str = "") -> None:
        super().__init__(None, b"", settings, say, address)
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

    def send(self, message: Any, binary: bool | None = None) -> None:
        payload, binary = _payload(message, binary)
        message = payload if binary else payload.decode()
        self._pace.keep()
        with self._writing:
            if self._ended:
                raise WebSocketClosed("the websocket is closed")
            try:
                self._websocket.send(message)
            except Exception as error:
                self._over(1006)
                raise WebSocketClosed(f"the websocket broke: {error}") from error

    def ping(self, data: Message = b"") -> None:
        raise NotImplementedError("this server's websockets have no ping of their own")

    def close(self, code: int = 1000, reason: Message = "") -> None:
        self.say_closed(code, reason)

    def say_closed(self, code: int, reason: Message = "") -> None:
        if not self._ended:
            self._leaving = True
            self._over(code)
            with contextlib.suppress(Exception):
                self._websocket.close()
