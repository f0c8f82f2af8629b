"""What every transport over plain HTTP shares: a POST that brings packets, and how it is answered.

Kin differ in what a GET does, in how packets are wrapped in bodies, and in their headers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from webob import Request, Response

from ..exceptions import PacketError, RequestRefused
from ..origins import cors_headers, preflight_headers
from ..virtsocket import Socket
from .base import Transport
from .body import read_body

__all__ = ["HTTPTransport", "preflight"]

#: Packets of one body that are taken in before other clients get a turn.
PACKETS_PER_TURN = 250


def preflight(request: Request, cors: list[tuple[str, str]]) -> Response:
    """The answer to a preflight: granted, with the headers ``cors`` for the page's origin."""
    response = Response(status="204 No Content", content_type=None)
    response.headerlist.extend(cors + preflight_headers(request.environ))
    return response


class HTTPTransport(Transport):
    """GET carries packets to the client, POST brings packets from it."""

    #: Whether pages of other origins read the answers (and so need CORS headers).
    cors: ClassVar[bool] = True
    #: The content type of the answer to a GET.
    content_type: ClassVar[str] = "text/plain"

    @abstractmethod
    def get(self, request: Request, socket: Socket | None) -> Response:
        """Answer a GET, which is what carries packets to the client. May block."""

    def unwrap(self, body: bytes, request: Request) -> str:
        """The payload in the body of a POST. Raises ``PacketError``."""
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise PacketError(f"the body is not UTF-8 (at byte {error.start})") from None

    def respond(self, request: Request, socket: Socket | None) -> Response:
        if request.method == "GET":
            return self.get(request, socket)
        if request.method == "POST":
            return self.post(request, socket)
        if request.method == "OPTIONS":
            return preflight(request, self._cors(request))
        raise RequestRefused(
            "405 Method Not Allowed",
            "Use GET to receive and POST to send.",
            headers=[("Allow", "GET, POST, OPTIONS")],
        )

    def post(self, request: Request, socket: Socket | None) -> Response:
        """Take in the packets of one body, all of them or none.

        Answered before they are handled, whatever they are, and for an unknown session too (fact
        sheet, section 6).
        """
        body = read_body(request.environ, self.settings, self.runtime)
        if socket is not None:
            self._receive(request, socket, body)
        response = self.answer(request, b"1", "text/plain")
        if self.cors and request.environ.get("HTTP_ORIGIN"):
            response.headers["X-XSS-Protection"] = "0"
        return response

    def _receive(self, request: Request, socket: Socket, body: bytes) -> None:
        try:
            packets = self.codec.dialect.decode_payload(
                self.unwrap(body, request), self.settings.max_packets
            )
        except PacketError as error:
            # Whole or nothing: of a body that cannot be trusted no packet counts.
            raise RequestRefused("400 Bad Request", f"bad payload: {error}") from None
        if not socket.wait_for_room(self.settings.close_timeout):
            raise RequestRefused(
                "503 Service Unavailable",
                "too many events are waiting to be handled",
                detail="the handlers of this client are slower than it sends; see max_inbox",
            )
        for number, packet in enumerate(packets, 1):
            socket.receive(packet)
            if number % PACKETS_PER_TURN == 0:
                self.runtime.breathe()

    def answer(self, request: Request, body: bytes, content_type: str | None = None) -> Response:
        """A complete answer with the headers that all of them have."""
        response = Response(
            body=body, content_type=content_type or self.content_type, charset="UTF-8"
        )
        response.headerlist.extend(self._cors(request))
        return response

    def _cors(self, request: Request) -> list[tuple[str, str]]:
        return cors_headers(request.environ) if self.cors else []
