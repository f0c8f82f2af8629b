"""websocket: one text frame per packet, both ways (fact sheet, section 7).

The upgrade comes from where it can (see :mod:`sockio.transports.upgrades`); after it, one
:class:`WebSocketCarrier` reads frames from a byte stream and writes frames to it. Everything that
goes out passes through the carrier and nothing in it blocks, so there is one writer always.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from ..config.settings import Settings
from ..exceptions import RequestRefused
from ..protocol.dialect import Codec
from ..runtime.interfaces import Runtime
from ..sessions.crowd import network_of
from ..sessions.outbox import Outgoing
from ..sessions.reasons import Reason
from ..sessions.socket import Socket
from .base import Transport, WSGIApplication
from .connection import can_upgrade
from .foreign import serve_foreign
from .framing import FrameReader, close_frame, text_frame
from .request import Request
from .streams import WOULD_WAIT, CutUnlessRead, Stream
from .unreadable import say_why
from .upgrades import is_foreign, upgrade

__all__ = ["WebSocket", "WebSocketCarrier"]

log = logging.getLogger("sockio.websocket")

#: Bytes of queued packets that are joined into one write.
JOIN = 65536
#: Frames of one turn that are joined into one write, and the size in bytes from which one is not
#: worth joining.
COLLECT, LARGE = 64, 16384
#: Seconds in which the peer takes nothing of what is left, or does not close its side after we
#: closed ours.
CLOSE_WAIT = 2.0


class WebSocket(Transport):
    """RFC 6455, and the drafts before it that share its framing."""

    name = "websocket"

    def __init__(self, settings: Settings, runtime: Runtime, codec: Codec) -> None:
        super().__init__(settings, runtime, codec)
        self.reads_frames_shortly = "frames" not in settings.without

    def make_reader(self) -> FrameReader:
        """A reader for the frames of one client."""
        return FrameReader(self.settings.max_payload, short_way=self.reads_frames_shortly)

    def frame_of(self, packet: Outgoing) -> bytes:
        """What a packet is on the wire."""
        return text_frame(packet.data)

    @classmethod
    def works_in(cls, environ: Mapping[str, Any]) -> bool:
        return can_upgrade(environ)

    def respond(self, request: Request, socket: Socket | None) -> WSGIApplication:
        if request.method != "GET":
            raise RequestRefused(
                "405 Method Not Allowed",
                "A websocket is opened by GET.",
                code="method-not-allowed",
                headers=[("Allow", "GET")],
            )

        ready_made = request.environ.get("wsgi.websocket")
        if ready_made is not None and is_foreign(ready_made):
            return serve_foreign(ready_made, self.name, self.runtime, self.unknown_session, socket)

        def connected(stream: Stream, early: bytes) -> None:
            carrier = WebSocketCarrier(self, stream, socket)
            carrier.start(early)

        detach = "detach" not in self.settings.without
        address = "" if socket is None else network_of(socket.address)
        return upgrade(request.environ, self.runtime, connected, detach=detach, address=address)


#: The tail where all of it has been written, and more is to come.
_NOTHING = memoryview(b"")


class Frames(Protocol):
    """The transport of a websocket, of any generation: it says what packets are in frames."""

    @property
    def name(self) -> str: ...

    runtime: Runtime
    #: Said to who asks for a session that there is not.
    unknown_session: str

    def make_reader(self) -> FrameReader: ...

    def frame_of(self, packet: Outgoing) -> bytes: ...


class WebSocketCarrier:
    """One open websocket."""

    streaming = True
    #: What it does not take at once waits for a client that reads.
    waits = False
    #: Whether it takes long to make what is written of a packet.
    _costly = False

    __slots__ = (
        "_answers",
        "_close_code",
        "_collected",
        "_reader",
        "_runtime",
        "_said_goodbye",
        "_send",
        "_socket",
        "_stream",
        "_tail",
        "_transport",
        "_turn",
        "name",
    )

    def __init__(
        self,
        transport: Frames,
        stream: Stream,
        socket: Socket | None,
        reader: FrameReader | None = None,
    ) -> None:
        self.name = transport.name
        self._transport = transport
        self._runtime: Runtime = transport.runtime
        self._stream = stream
        self._send = stream.send
        self._turn = self._runtime.turn
        # What leaves at the end of the present turn, if anything.
        self._collected: bytes | list[bytes] | None = None
        self._socket = socket
        self._reader = transport.make_reader() if reader is None else reader
        # What the kernel did not take of the frame (or joined frames) being written.
        self._tail: memoryview | None = None
        # Pongs that come behind the tail.
        self._answers = b""
        #: Set when the end has begun: what is queued is written, then a close frame with this code.
        self._close_code: int | None = None
        self._said_goodbye = False

    def start(self, early: bytes) -> None:
        """Take over the session. ``early`` is what the client sent behind its request."""
        self._stream.start(self._received, self._hung_up)
        if self._socket is None:
            # The fact sheet's answer to an unknown session: the client handshakes anew.
            self._write(text_frame(self._transport.unknown_session.encode()))
            self._end(1000)
            return
        self._socket.attach(self)
        if early:
            self._stream.unread(early)

    def serve(self, socket: Socket) -> None:
        """Carry that session from now on, in place of what stood for it."""
        self._socket = socket
        socket.attach(self)

    def say(self, text: bytes) -> None:
        """Write a text that is no packet of the session."""
        self._write(text_frame(text))

    # ---- reading

    def _received(self, data: bytes) -> None:
        socket = self._socket
        if socket is None or self._close_code is not None:
            # We are leaving; what still comes is read only so that the peer can finish.
            return
        try:
            for message in self._reader.feed(data):
                socket.receive(message)
            answers = self._reader.answers()
        except Exception:
            # In the hub nobody else would catch it, and the connection would never be read again.
            socket.complain(
                log,
                logging.ERROR,
                "reading-failed",
                "%s: reading failed",
                socket,
                exc_info=True,
                quiet=True,
            )
            self._broken()
            return
        if answers:
            if self._tail is None or self._reader.over:
                self._answers = b""
                self._write(answers)
            else:
                # Only the latest: a peer that pings and does not read must not fill the memory
                # (RFC 6455, 5.5.3, allows to answer the most recent ping alone).
                self._answers = answers
        if self._reader.over:
            failure = self._reader.failure
            if failure:
                say_why(socket, failure)
            reason = Reason.TRANSPORT_ERROR if failure else Reason.TRANSPORT_CLOSE
            self._close_code = 1000
            self._said_goodbye = True
            self._reader.forget()
            if self._tail is None:
                self._shut_down(reason)
            else:
                self._give_up_soon()
            socket.lost(self, reason)
        else:
            socket.pause_if_busy()

    def _hung_up(self) -> None:
        self._collected = None
        self._reader.forget()
        self._stream.close()
        self._tell_lost(Reason.TRANSPORT_CLOSE)

    def _tell_lost(self, reason: str) -> None:
        if self._socket is not None:
            self._socket.lost(self, reason)

    def pause(self) -> None:
        self._stream.pause()

    def resume(self) -> None:
        self._stream.resume()

    # ---- writing

    def write(self, packet: Outgoing) -> bool:
        if self._tail is not None or self._close_code is not None:
            return False
        frame = packet.frame
        if frame is None:
            frame = packet.frame = (
                self._transport.frame_of(packet)
                if packet.attachments
                else text_frame(packet.text.encode())
            )
        collected = self._collected
        if collected is None:
            if self._turn.open:
                self._collected = frame
                self._turn.at_end(self)
            else:
                self._write(frame)
        elif len(frame) > LARGE or (len(collected) > LARGE and type(collected) is bytes):
            # Joined, it would be a copy for this client alone.
            self.flush()
            if self._tail is not None:
                return False
            self._collected = frame
        elif isinstance(collected, list):
            collected.append(frame)
            if len(collected) == COLLECT:
                self.flush()
        else:
            self._collected = [collected, frame]
        return True

    @property
    def writes(self) -> bool:
        """Whether it takes a packet now."""
        return self._tail is None and self._close_code is None

    def flush(self) -> None:
        """Write what was collected in this turn."""
        data = self._collected
        if data is None:
            return
        self._collected = None
        if isinstance(data, list):
            data = b"".join(data)
        if self._tail is not None:
            # Behind what is being written.
            self._tail = memoryview(bytes(self._tail) + data)
            return
        try:
            sent = self._send(data)
            if sent == len(data):
                return
        except WOULD_WAIT:
            sent = 0
        except OSError:
            self._broken()
            return
        self._tail = memoryview(data)[sent:]
        self._stream.call_when_writable(self._writable)

    def ready(self) -> None:
        if self._tail is None:
            self._drain()

    def _write(self, data: bytes) -> None:
        """Write now, or behind what is being written."""
        if self._collected is not None:
            self.flush()
        self._collected = data
        self.flush()

    def _writable(self) -> None:
        # As many others may be as the loop finds, and what it takes is only known for what is sent
        # as it is.
        self._drain(patient=self._costly)

    def _drain(self, *, patient: bool = False) -> None:
        """Write what was collected and the tail, then what waits in the outbox, as far as the
        kernel takes it, and as long as others need not wait: at least something of it, unless
        ``patient``."""
        if self._collected is not None:
            self.flush()
        tail = self._tail
        try:
            while True:
                if tail:
                    try:
                        sent = self._send(tail)
                    except WOULD_WAIT:
                        sent = 0
                    if sent < len(tail):
                        if self._tail is None:
                            self._stream.call_when_writable(self._writable)
                        self._tail = tail[sent:]
                        return
                if patient and self._runtime.busy_for_long():
                    # Behind the next look for input: nothing is written in between.
                    self._tail = _NOTHING
                    self._stream.call_when_writable(self._writable)
                    return
                patient = True
                tail = self._next()
                if tail is None:
                    break
        except OSError:
            self._broken()
            return
        if self._tail is not None:
            self._tail = None
            self._stream.call_when_writable(None)
        if self._said_goodbye:
            self._shut_down()

    def _frame_of(self, packet: Outgoing) -> bytes:
        # Not remembered: it may still wait for others, and counts for them without that.
        return packet.frame or self._transport.frame_of(packet)

    def _next(self) -> memoryview | None:
        """Pongs; queued packets, joined; the close frame, if it is time for one; then None."""
        if self._answers:
            answers, self._answers = self._answers, b""
            return memoryview(answers)
        packets = self._socket.take(self, JOIN) if self._socket is not None else []
        if packets:
            return memoryview(b"".join([self._frame_of(packet) for packet in packets]))
        if self._close_code is None or self._said_goodbye:
            return None
        self._said_goodbye = True
        return memoryview(close_frame(self._close_code))

    def _broken(self) -> None:
        self._tail = self._collected = None
        self._reader.forget()
        self._stream.close()
        self._tell_lost(Reason.TRANSPORT_ERROR)

    def taken(self) -> object:
        """What changes whenever the client has taken more of what was written."""
        return 0 if self._tail is None else len(self._tail), self._stream.taken()

    # ---- the end

    def idle(self) -> None:
        """A websocket has no poll duration."""

    def replaced(self) -> None:
        self._end(1000)
        if self._tail is not None:
            self._give_up_soon()

    def finish(self) -> None:
        socket = self._socket
        away = socket is not None and socket.close_reason == Reason.SHUTDOWN
        self._end(1001 if away else 1000)

    def _end(self, code: int) -> None:
        """Close once everything that is waiting has been written."""
        if self._close_code is None:
            self._close_code = code
            self._reader.forget()
            # Whoever paused the reading is gone; the peer's FIN has to be seen.
            self._stream.resume()
            self.flush()
            if self._tail is None:
                self._drain()

    def _give_up_soon(self) -> None:
        """The session goes on, or ends, without this connection, so its deadlines are not ours: a
        peer that does not read what is left would keep it open for ever."""
        CutUnlessRead(self._runtime, CLOSE_WAIT, self.taken, self.abort)

    def _shut_down(self, reason: str = Reason.SERVER) -> None:
        """Everything is written. Close our side and wait a little for the peer to close its own:
        closing at once with unread input would reset the connection and lose what was just sent."""
        try:
            self._stream.end_writing()
        except OSError:
            self._stream.close()
        else:
            # The kernel may have much of it still: closed by then, whatever the peer says
            # meanwhile would have it thrown away.
            CutUnlessRead(self._runtime, CLOSE_WAIT, self._stream.taken, self._stream.close)
        self._tell_lost(reason)

    def abort(self) -> None:
        self._close_code = 1000
        self._tail = self._collected = None
        self._reader.forget()
        self._stream.close()
