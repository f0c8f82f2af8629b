"""websocket: Engine.IO over one websocket, for clients since 1.0.

A session is opened by one, or goes over to one from polling: the client tries it out by ``2probe``,
which is answered by ``3probe``, stops polling and sends ``5``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..config.settings import Settings
from ..protocol.generations import Generation
from ..runtime.interfaces import Cancellable, Runtime
from ..sessions.complaints import Kind
from ..sessions.crowd import network_of
from ..sessions.engine_socket import EngineSocket
from ..sessions.outbox import Outgoing
from .answers import Header
from .base import WSGIApplication
from .connection import can_upgrade
from .deflate import Extension, agreed, deflated_frame
from .foreign import serve_foreign
from .framing import FrameReader, binary_frame, text_frame
from .request import Request
from .streams import Stream
from .upgrades import is_foreign, upgrade
from .websocket import WebSocketCarrier

__all__ = ["EngineWebSocket"]

log = logging.getLogger("sockio.websocket")
#: Seconds between the 101 and the open packet without Socket.IO. Who speaks Engine.IO by hand waits
#: for the websocket to be open, and then listens: what comes in one read with the 101 is missed.
BREATH = 0.002
#: Bytes of a message above which it is not compressed: that takes 30 ms a megabyte, in one go.
LARGEST = 600_000

_PROBE, _PROBED, _UPGRADE = "2probe", b"3probe", "5"


class EngineWebSocket:
    """The websockets of one generation of Engine.IO. One instance per middleware and generation."""

    name = "websocket"
    evented = True
    unknown_session = ""

    def __init__(self, settings: Settings, runtime: Runtime, generation: Generation) -> None:
        self.settings = settings
        self.runtime = runtime
        self.generation = generation
        self.reads_frames_shortly = "frames" not in settings.without

    def works_in(self, environ: Mapping[str, Any]) -> bool:
        """Whether the server that made ``environ`` can open websockets."""
        return can_upgrade(environ)

    def open(
        self, request: Request, socket: EngineSocket, more: Sequence[Header]
    ) -> WSGIApplication:
        """Answer a handshake. Raises ``RequestRefused`` for what is no upgrade request."""
        return self._upgrade(request, socket, socket, more)

    def respond(self, request: Request, socket: EngineSocket) -> WSGIApplication:
        """Answer a request that wants an established session to go over to a websocket."""
        return self._upgrade(request, socket, Probe(socket, self), ())

    def _upgrade(
        self,
        request: Request,
        socket: EngineSocket,
        session: Any,
        more: Sequence[Header],
    ) -> WSGIApplication:
        ready_made = request.environ.get("wsgi.websocket")
        if ready_made is not None and is_foreign(ready_made):
            return serve_foreign(ready_made, self.name, self.runtime, "", session)

        kind, reader = (TextCarrier if socket.base64 else WebSocketCarrier), None
        threshold = self.settings.compression
        if threshold is not None and ready_made is None and not socket.base64:
            agreement = agreed(request.environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""))
            if agreement is not None:
                header, extension = agreement
                more = [*more, header]
                kind, reader = DeflatingCarrier, self.make_reader(extension)

        def connected(stream: Stream, early: bytes) -> None:
            carrier = kind(self, stream, session, reader)
            if self.generation.global_namespace is None and session is socket:
                runtime = self.runtime
                runtime.at(runtime.now() + BREATH, lambda: carrier.start(early))
            else:
                carrier.start(early)

        detach = "detach" not in self.settings.without
        return upgrade(
            request.environ,
            self.runtime,
            connected,
            detach=detach,
            more=more,
            address=network_of(socket.address),
        )

    def make_reader(self, extension: Extension | None = None) -> FrameReader:
        return FrameReader(
            self.settings.max_payload,
            short_way=self.reads_frames_shortly,
            binary=True,
            extension=extension,
        )

    def frame_of(self, packet: Outgoing) -> bytes:
        """A packet and its attachments on the wire: frames that stay together."""
        if not packet.attachments:
            return text_frame(packet.data)
        frames = [text_frame(packet.data)] if packet.text else []
        return b"".join(frames + [binary_frame(each) for each in self._attachments_of(packet)])

    def deflated_frames_of(self, packet: Outgoing) -> bytes:
        """The same, compressed."""
        frames = [deflated_frame(packet.data, binary=False)] if packet.text else []
        frames += [deflated_frame(each, binary=True) for each in self._attachments_of(packet)]
        return b"".join(frames)

    def _attachments_of(self, packet: Outgoing) -> list[bytes]:
        frames = [self.generation.frame(each, False) for each in packet.attachments]
        return [frame for frame in frames if isinstance(frame, bytes)]


class DeflatingCarrier(WebSocketCarrier):
    """A websocket whose client takes compressed messages, and may send some."""

    _costly = True

    __slots__ = ()

    def start(self, early: bytes) -> None:
        # A kilobyte of it may be a megabyte when it is read.
        self._stream.read_little()
        super().start(early)

    def write(self, packet: Outgoing) -> bool:
        return self.writes and super().write(self._deflated(packet))

    def _frame_of(self, packet: Outgoing) -> bytes:
        frame = super()._frame_of(self._deflated(packet))
        packet.slim()
        return frame

    def _deflated(self, packet: Outgoing) -> Outgoing:
        """The packet in compressed frames, which it shares with all who take such; itself where
        that would save nothing."""
        transport = self._transport
        assert isinstance(transport, EngineWebSocket)
        threshold = transport.settings.compression
        if threshold is None or not threshold <= packet.size <= LARGEST:
            return packet
        if packet.deflated is None:
            shared = Outgoing("", packet.endpoint, volatile=packet.volatile)
            shared.frame = transport.deflated_frames_of(packet)
            packet.deflated = shared
        return packet.deflated


class TextCarrier(WebSocketCarrier):
    """A websocket whose client takes text alone: binary is written in base64."""

    __slots__ = ()

    def write(self, packet: Outgoing) -> bool:
        return super().write(self._in_text(packet))

    def _frame_of(self, packet: Outgoing) -> bytes:
        return super()._frame_of(self._in_text(packet))

    def _in_text(self, packet: Outgoing) -> Outgoing:
        if not packet.attachments:
            return packet
        transport = self._transport
        assert isinstance(transport, EngineWebSocket)
        # For this client alone: what is shared has the frames of the others.
        alone = Outgoing("", packet.endpoint, volatile=packet.volatile)
        frames = [text_frame(packet.data)] if packet.text else []
        for attachment in packet.attachments:
            text = transport.generation.frame(attachment, True)
            assert isinstance(text, str)
            frames.append(text_frame(text.encode()))
        alone.frame = b"".join(frames)
        return alone


class Probe:
    """Stands for the session at a websocket that is being tried out."""

    __slots__ = ("_answered", "_carrier", "_socket", "_timer", "_transport", "_upgraded")

    def __init__(self, socket: EngineSocket, transport: EngineWebSocket) -> None:
        self._socket = socket
        self._transport = transport
        self._carrier: Any = None
        self._timer: Cancellable | None = None
        self._answered = False
        self._upgraded = False

    def __str__(self) -> str:
        return str(self._socket)

    @property
    def close_reason(self) -> str | None:
        return self._socket.close_reason

    @property
    def config(self) -> Settings:
        return self._socket.config

    def attach(self, carrier: Any) -> None:
        """The websocket is open."""
        socket = self._socket
        if socket.upgrading is not None or socket.transport != "polling" or not socket.connected:
            # It was another's turn meanwhile.
            carrier.finish()
            return
        self._carrier = carrier
        socket.upgrading = self
        runtime = self._transport.runtime
        self._timer = runtime.at(runtime.now() + socket.config.upgrade_timeout, self.give_up)

    def receive(self, message: str | bytes) -> None:
        if self._upgraded:
            self._socket.receive(message)
        elif self._socket.upgrading is not self:
            return
        elif message == _UPGRADE:
            self._upgraded = True
            self._finish().serve(self._socket)
        elif message == _PROBE and not self._answered:
            self._answered = True
            self._carrier.say(_PROBED)
            self._socket.end_poll()
        else:
            self.give_up()

    def give_up(self) -> None:
        """The session goes on polling."""
        if self._socket.upgrading is self:
            self._finish().finish()

    def _finish(self) -> Any:
        """It is over, one way or the other; gives the websocket, which knows its probe in turn."""
        self._socket.upgrading = None
        carrier, self._carrier = self._carrier, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return carrier

    def lost(self, carrier: Any, reason: str) -> None:
        if self._upgraded:
            self._socket.lost(carrier, reason)
        elif self._socket.upgrading is self:
            self._finish()

    def messages_of(self, packet: Outgoing) -> list[str | bytes]:
        return self._socket.messages_of(packet)

    def take(self, carrier: Any, max_bytes: int) -> list[Outgoing]:
        return self._socket.take(carrier, max_bytes) if self._upgraded else []

    def pause_if_busy(self) -> None:
        if self._upgraded:
            self._socket.pause_if_busy()

    def complain(
        self,
        logger: logging.Logger,
        level: int,
        kind: Kind,
        message: str,
        *args: Any,
        exc_info: bool | BaseException = False,
        quiet: bool = False,
    ) -> None:
        self._socket.complain(logger, level, kind, message, *args, exc_info=exc_info, quiet=quiet)
