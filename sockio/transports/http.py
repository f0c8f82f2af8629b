"""What every transport over plain HTTP shares: a POST that brings packets, and how it is answered.

Kin differ in what a GET does, in how packets are wrapped in bodies, and in their headers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from ..config.origins import cors_headers, preflight_headers
from ..config.settings import Settings
from ..exceptions import PacketError, RequestRefused
from ..protocol.dialect import Codec
from ..runtime.interfaces import Runtime
from ..sessions.socket import Socket
from .answers import Answer, Head, Header
from .base import Transport, WSGIApplication
from .body import announced, read_body
from .request import Request
from .taking_in import take_in

__all__ = ["HTTPTransport", "preflight", "refusal"]

_NO_CONTENT = Head("204 No Content", None)
#: The answer to a POST, which browsers may take for a page of their own.
_NO_FILTER = ("X-XSS-Protection", "0")


def refusal(code: str) -> Header:
    """The header that says by which code ``docs/refusals.md`` explains the answer."""
    return ("X-Sockio-Refusal", code)


def preflight(request: Request, cors: list[Header]) -> Answer:
    """The answer to a preflight: granted, with the headers ``cors`` for the page's origin."""
    return Answer(_NO_CONTENT, more=cors + preflight_headers(request.environ))


class HTTPTransport(Transport):
    """GET carries packets to the client, POST brings packets from it."""

    #: Whether pages of other origins read the answers (and so need CORS headers).
    cors: ClassVar[bool] = True
    #: The content type of the answer to a GET.
    content_type: ClassVar[str] = "text/plain; charset=UTF-8"
    #: Headers of all answers.
    headers: ClassVar[tuple[Header, ...]] = ()
    #: What a POST is answered with.
    taken: ClassVar[bytes] = b"1"

    def __init__(self, settings: Settings, runtime: Runtime, codec: Codec) -> None:
        super().__init__(settings, runtime, codec)
        self._got = Head("200 OK", self.content_type, self.headers)
        self._posted = Head("200 OK", "text/plain; charset=UTF-8", self.headers)

    @abstractmethod
    def get(self, request: Request, socket: Socket | None) -> WSGIApplication:
        """Answer a GET, which is what carries packets to the client."""

    def unwrap(self, body: bytes, request: Request) -> str:
        """The payload in the body of a POST. Raises ``PacketError``."""
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise PacketError(f"the body is not UTF-8 (at byte {error.start})") from None

    def respond(self, request: Request, socket: Socket | None) -> WSGIApplication:
        if request.method == "GET":
            return self.get(request, socket)
        if request.method == "POST":
            return self.post(request, socket)
        if request.method == "OPTIONS":
            return preflight(request, self._cors(request))
        raise RequestRefused(
            "405 Method Not Allowed",
            "Use GET to receive and POST to send.",
            code="method-not-allowed",
            headers=[("Allow", "GET, POST, OPTIONS")],
        )

    def post(self, request: Request, socket: Socket | None) -> Answer:
        """Take in the packets of one body, all of them or none.

        Answered before they are handled, whatever they are, and for an unknown session too (fact
        sheet, section 6), or one that has ended: but that one's body is nobody's, and not read.
        """
        if socket is None or socket.close_reason is not None:
            announced(request, self.settings)
            return self.unknown(self._took(request))
        body = read_body(request, self.settings, self.runtime)
        packets = self._packets(request, body)
        take_in(packets, socket.receive, request, socket, self.runtime, len(body))
        return self._took(request)

    def _took(self, request: Request) -> Answer:
        cors = self._cors(request)
        return Answer(self._posted, self.taken, [*cors, _NO_FILTER] if cors else ())

    def _packets(self, request: Request, body: bytes) -> list[str]:
        """The packets in a body, which is taken apart once, however often that is asked for."""
        packets = request.packets
        if packets is None:
            try:
                packets = self.codec.dialect.decode_payload(
                    self.unwrap(body, request), self.settings.max_packets
                )
            except PacketError as error:
                # Whole or nothing: of a body that cannot be trusted no packet counts.
                # What is wrong with it alone: the exception knows the frames that know the request.
                packets = f"bad payload: {error}"
            request.packets = packets
        if isinstance(packets, str):
            raise RequestRefused("400 Bad Request", packets, code="bad-payload")
        return packets

    def answer(self, request: Request, body: bytes) -> Answer:
        """A complete answer to a GET."""
        return Answer(self._got, body, self._cors(request))

    def unknown(self, answer: Answer) -> Answer:
        """``answer``, which tells a client that its session is not known (any more)."""
        answer.more = [*answer.more, refusal("session-unknown")]
        return answer

    def _cors(self, request: Request) -> list[Header]:
        return cors_headers(request.environ) if self.cors else []
