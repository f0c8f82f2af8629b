"""polling: Engine.IO over GETs that wait and POSTs, for clients since 1.0.

One GET and one POST at a time: a second one beside it ends the session. Bodies hold packets as the
generation writes them; with ``j`` in the query they travel in scripts and forms.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from ..config.origins import cors_headers
from ..config.settings import Settings
from ..exceptions import PacketError, RequestRefused
from ..protocol.engine_limits import Decoded, PayloadLimits, stopped
from ..protocol.generations import Generation
from ..protocol.jsonp import decode_form, encode_script
from ..runtime.interfaces import Runtime
from ..sessions.engine_socket import EngineSocket
from ..sessions.outbox import Batch
from ..sessions.reasons import Reason
from .answers import Answer, Head, Header
from .base import WSGIApplication
from .body import read_body
from .http import preflight
from .polling import Poll
from .request import Request, WouldBlock
from .taking_in import take_in

__all__ = ["EnginePolling", "check_callback"]

log = logging.getLogger("sockio.polling")

_TEXT = Head("200 OK", "text/plain; charset=UTF-8")
_BINARY = Head("200 OK", "application/octet-stream")
_SCRIPT = Head("200 OK", "text/javascript; charset=UTF-8")
#: The answer to a POST; browsers may take a form's for a page.
_TAKEN = Head("200 OK", "text/html", (("X-XSS-Protection", "0"),))

_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
_OCTETS = "application/octet-stream"


class EnginePolling:
    """The polling of one generation of Engine.IO. One instance per middleware and generation."""

    name = "polling"
    evented = True

    def __init__(self, settings: Settings, runtime: Runtime, generation: Generation) -> None:
        self.settings = settings
        self.runtime = runtime
        self.generation = generation
        self._limits = PayloadLimits(settings.max_payload, settings.max_packets)

    def open(
        self, request: Request, socket: EngineSocket, more: Sequence[Header]
    ) -> WSGIApplication:
        """Answer a handshake: the first poll of its session, which finds the open packet."""
        return Poll(self, request, socket, more)

    def respond(self, request: Request, socket: EngineSocket) -> WSGIApplication:
        """Answer one request of an established session that polls."""
        method = request.method
        if method == "GET":
            if socket.polled:
                if not request.may_block:
                    # The refusal is logged; nothing may have changed before.
                    raise WouldBlock
                socket.violate(PacketError("a poll came while another was held"), logged=True)
                raise _second("poll")
            return Poll(self, request, socket)
        if method == "POST":
            return self._post(request, socket)
        if method == "OPTIONS":
            return preflight(request, cors_headers(request.environ))
        raise RequestRefused(
            "405 Method Not Allowed",
            "Use GET to receive and POST to send.",
            code="method-not-allowed",
            headers=[("Allow", "GET, POST, OPTIONS")],
        )

    # ---- from the client

    def _post(self, request: Request, socket: EngineSocket) -> Answer:
        another = socket.posting is not None and socket.posting is not request
        if not request.may_block and (another or request.body is None):
            raise WouldBlock
        if another:
            socket.violate(PacketError("a POST came while another was read"), logged=True)
            raise _second("POST")
        # Until it is answered: only then may the client send the next.
        socket.posting = request
        try:
            answer = self._take(request, socket)
        except WouldBlock:
            # Its task begins at once.
            raise
        except BaseException:
            socket.posting = None
            raise
        socket.posting = None
        return answer

    def _take(self, request: Request, socket: EngineSocket) -> Answer:
        body = request.body if request.body is not None else self._read(request, socket)
        packets, error = self._packets(request, body)
        if error is not None and not request.may_block:
            raise WouldBlock
        take_in(
            packets,
            lambda packet: socket.receive_packet(*packet),
            request,
            socket,
            self.runtime,
            len(body),
        )
        if error is not None:
            socket.violate(error, Reason.PARSE_ERROR, logged=True)
            raise RequestRefused("400 Bad Request", f"bad payload: {error}", code="bad-payload")
        return Answer(_TAKEN, b"ok", cors_headers(request.environ))

    def _read(self, request: Request, socket: EngineSocket) -> bytes:
        try:
            return read_body(request, self.settings, self.runtime)
        except RequestRefused as refused:
            # What was in it is lost, and nobody can tell the client which of its packets.
            socket.violate(PacketError(str(refused)), Reason.TRANSPORT_ERROR, logged=True)
            raise

    def _packets(self, request: Request, body: bytes) -> Decoded:
        """The packets in a body, which is taken apart once, however often that is asked for."""
        packets = request.engine_packets
        if packets is None:
            packets = request.engine_packets = self._decode(request, body)
        return packets

    def _decode(self, request: Request, body: bytes) -> Decoded:
        generation = self.generation
        content_type = request.environ.get("CONTENT_TYPE", "")
        if content_type == _OCTETS:
            if generation.read_binary_payload is None:
                return [], PacketError("bodies of this revision of Engine.IO are text")
            return generation.read_binary_payload(body, self._limits)
        try:
            if request.callback is not None:
                return generation.read_payload(decode_form(body), self._limits)
        except PacketError as error:
            return stopped([], error)
        return generation.read_payload(body, self._limits)

    # ---- to the client

    def nothing(self, request: Request, socket: EngineSocket) -> Answer:
        return self._answer(request, socket, [socket.last_word])

    def carry(self, request: Request, socket: EngineSocket, batch: Batch) -> Answer:
        packets: list[str | bytes] = []
        for packet in batch.packets:
            if packet.text:
                packets.append(packet.text)
            if packet.attachments:
                packets += packet.attachments
        if socket.says_close:
            packets.append("1")
        return self._answer(request, socket, packets)

    def _answer(self, request: Request, socket: EngineSocket, packets: list[str | bytes]) -> Answer:
        index = request.callback
        text_only = socket.base64 or index is not None
        payload = self.generation.payload(packets, not text_only)
        cors = cors_headers(request.environ)
        if isinstance(payload, bytes):
            return Answer(_BINARY, payload, cors)
        if index is not None:
            return Answer(_SCRIPT, encode_script(index, payload).encode(), cors)
        return Answer(_TEXT, payload.encode(), cors)


def check_callback(request: Request) -> None:
    """Raise ``RequestRefused`` where the answer is to be a script that calls no callback."""
    index = request.callback
    if index is not None and not _INDEX.fullmatch(index):
        raise RequestRefused(
            "400 Bad Request", "Bad request", code="bad-callback", detail="j has to be a number"
        )


def _second(what: str) -> RequestRefused:
    return RequestRefused(
        "400 Bad Request",
        "Bad request",
        code="second-request",
        detail=f"a client has one {what} at a time; the session has ended",
    )
