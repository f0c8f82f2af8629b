"""What a transport is, and what all of them share.

A transport answers the requests under ``/socket.io/1/NAME/SID``. It knows HTTP and framing; what a
packet means it leaves to the socket.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ..config.settings import Settings
from ..protocol.dialect import Codec
from ..runtime.interfaces import Runtime
from ..sessions.socket import Socket
from .request import Request

__all__ = ["Transport", "WSGIApplication"]

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Transport(ABC):
    """One way to carry packets. One instance per middleware; sockets come and go."""

    #: As in the URL and in the handshake's list.
    name: ClassVar[str]
    #: Whether it is offered when the setting ``transports`` names none.
    by_default: ClassVar[bool] = True
    #: Whether its GETs can be answered from an event loop, without a task that waits.
    evented: ClassVar[bool] = False

    def __init__(self, settings: Settings, runtime: Runtime, codec: Codec) -> None:
        self.settings = settings
        self.runtime = runtime
        self.codec = codec
        # Said so often that encoding them each time would be waste.
        self.noop = codec.encode(codec.dialect.noop)
        self.unknown_session = codec.encode(codec.dialect.unknown_session)

    @classmethod
    def works_in(cls, environ: Mapping[str, Any]) -> bool:
        """Whether the server that made ``environ`` lets this transport work at all."""
        return True

    @abstractmethod
    def respond(self, request: Request, socket: Socket | None) -> WSGIApplication:
        """Answer one request of an established session; ``socket`` is None for an unknown one.

        Raises ``RequestRefused`` for requests that make no sense. May block the request's task, but
        not where ``request.may_block`` is false: there it raises ``WouldBlock``, before it changes
        anything. The WSGI application that it returns may block in any case.
        """
