"""Websockets of the application's own: ``environ["wsgi.websocket"]`` of requests that ask for one.

::

    def application(environ, start_response):
        websocket = environ.get("wsgi.websocket")
        if websocket is None:
            ...
        for message in websocket:
            websocket.send(message)
        return []

Nothing is answered before the application uses it, so a view that does not is answered as any
other: 404, 403, a login. :class:`Door` is what carries the upgrade there from the WSGI server.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..config.forwarded import client_of
from ..config.settings import Settings
from ..exceptions import RequestRefused, UsageError, WebSocketClosed
from ..runtime.blocking import cooperative, lock
from ..runtime.gevent_runtime import ENDS_A_TASK
from ..sessions.sayings import at_length
from ..transports.answers import Answer, Head
from ..transports.base import WSGIApplication
from ..transports.connection import (
    answer_at_once,
    cut,
    handed_out,
    read_early,
    server_of,
    upgradable,
)
from ..transports.framing import SWITCHING, negotiate, refuse_body
from ..transports.http import refusal
from ..transports.rawsocket import ForeignWebSocket, Message, Say, WebSocket
from ..transports.upgrades import NO_UPGRADE, why_not
from .admission import check_host, check_origin
from .farewell import Farewell

__all__ = [
    "DOOR",
    "WEBSOCKET",
    "Door",
    "OfferedWebSocket",
    "Terms",
    "asks_for_websocket",
    "withdraw",
]

log = logging.getLogger("sockio.websocket")

#: Where servers put a websocket into the environ that they have opened, and we one that may be.
WEBSOCKET = "wsgi.websocket"
#: Where the environ has the door to one, for integrations that open it themselves.
DOOR = "sockio.websocket_door"


def asks_for_websocket(environ: dict[str, Any]) -> bool:
    """Whether a request wants to become a websocket, or has been made one by the server."""
    asked: str = environ.get("HTTP_UPGRADE", "")
    return asked.strip().lower() == "websocket" or environ.get(WEBSOCKET) is not None


def withdraw(environ: dict[str, Any]) -> None:
    """Take out of a request's environ what was offered to a view that it does not come to."""
    if isinstance(environ.get(WEBSOCKET), OfferedWebSocket):
        del environ[WEBSOCKET]
    environ.pop(DOOR, None)


class Terms:
    """On which terms one application has websockets: the settings, where its log lines go, and what
    tells that it is ``closing``."""

    def __init__(self, settings: Settings, say: Say, closing: Callable[[], bool]) -> None:
        self.settings = settings
        self.say = say
        self.farewell = Farewell(closing)

    def offer(
        self, app: WSGIApplication, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Pass a request on that asks for a websocket. One that somebody else has made stays."""
        if not asks_for_websocket(environ):
            return app(environ, start_response)
        found = environ.get(WEBSOCKET)
        if isinstance(found, OfferedWebSocket):
            # Of a middleware outside, which sees to its end. Who is nearer to the view decides.
            found.door.terms = self
        if found is not None:
            return app(environ, start_response)
        door = Door(environ, start_response, self)
        environ[WEBSOCKET] = OfferedWebSocket(door, environ)
        return door.pass_through(app)


class Door:
    """The way of one upgrade request. A view opens it, or answers as to any other request."""

    def __init__(
        self, environ: dict[str, Any], start_response: Callable[..., Any], terms: Terms
    ) -> None:
        self.terms = terms
        self._environ = environ
        self._start_response = start_response
        #: What was opened, and why it was not.
        self.websocket: WebSocket | None = None
        self.refused: RequestRefused | None = None
        # The view has begun to answer as to any other request, or has.
        self._answers = False
        self._status = ""
        self._hang_up: Callable[[], object] = lambda: None

    @staticmethod
    def of(environ: dict[str, Any]) -> Door | None:
        """The door of a request; None where nobody has made one."""
        found = environ.get(WEBSOCKET)
        door = found.door if isinstance(found, OfferedWebSocket) else environ.get(DOOR)
        return door if isinstance(door, Door) else None

    @property
    def client(self) -> str:
        """The address of the client, "" where it comes over a Unix socket."""
        return client_of(self._environ, self.terms.settings.trusted_proxies)

    @property
    def used(self) -> bool:
        """Whether the view took the request for a websocket: what it answers interests nobody."""
        return self.websocket is not None or self.refused is not None

    # ---- around the view

    def pass_through(self, app: WSGIApplication) -> Iterable[bytes]:
        """Run the application, and see to the end of what it has opened."""
        try:
            body = app(self._environ, self._answer)
        except BaseException as error:
            if not self._forgives(error):
                raise
            body = []
        if not self.used and isinstance(body, (list, tuple)):
            self._withdraw()
            return body
        rest = _Rest(self, body)
        if not self.used:
            # A generator has not begun: it may still be a websocket.
            return rest
        try:
            return list(rest)
        finally:
            rest.close()

    def parts(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """What is answered."""
        try:
            for part in body:
                if not self.used:
                    self._answers = self._answers or bool(part)
                    yield part
        except BaseException as error:
            if not self._forgives(error):
                raise
        # A page that says it has failed is nobody's answer, but a fact.
        self.end(1011 if self._status.startswith("5") else 1000)
        if self.refused is not None:
            yield from _answer_to(self.refused)(self._environ, self._start_response)

    def _forgives(self, error: BaseException) -> bool:
        """End what was opened; whether what ended the view is no failure."""
        if self.used and isinstance(error, WebSocketClosed):
            # The visitor left while the view was sending.
            return True
        killed = isinstance(error, ENDS_A_TASK)
        self.end(1001 if killed else 1011, wait=not killed)
        return False

    def end(self, code: int = 1000, *, wait: bool = True) -> None:
        """The request ends, and the connection with it if it is a websocket. Blocks a moment, to
        ``wait`` for its peer: whose task was killed has no time for that."""
        self._withdraw()
        if self.websocket is not None:
            self.terms.farewell.remove(self.websocket)
            if wait:
                self.websocket.close(code)
            else:
                self.websocket.say_closed(code)
            self._hang_up()

    def _withdraw(self) -> None:
        # Tasks may keep it, and the connection is the next request's.
        self._answers = True
        # They know each other, and would all wait for the garbage collector.
        if self.of(self._environ) is self:
            withdraw(self._environ)

    def _answer(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        if self.used:
            self._status = status
            return lambda data: None
        write = (
            self._start_response(status, headers)
            if exc_info is None
            else self._start_response(status, headers, exc_info)
        )

        def write_unless_used(data: bytes) -> None:
            if not self.used:
                self._answers = True
                write(data)

        return write_unless_used

    # ---- the upgrade

    def open(self, subprotocols: Iterable[str] = ()) -> WebSocket:
        """Answer the upgrade. Raises ``RequestRefused`` before anything was sent: a foreign host or
        origin, a malformed request, or a server that cannot."""
        if self._answers:
            raise UsageError(
                "this request is being answered as a page; use its websocket before anything is "
                "written."
            )
        environ = self._environ
        check_host(self.terms.settings, environ)
        # Browsers send cookies along whoever's page it is, and no CSRF token.
        check_origin(self.terms.settings, environ)
        ready_made = environ.get(WEBSOCKET)
        if ready_made is None or isinstance(ready_made, OfferedWebSocket):
            websocket = self._upgrade(subprotocols)
        else:
            websocket = self._over(ready_made)
        self.websocket = websocket
        self.terms.farewell.add(websocket, server_of(self._start_response))
        return websocket

    def refuse(self, refused: RequestRefused) -> None:
        """Answer with that, whatever the view says."""
        self.tell_refused(refused)
        # Its traceback knows the frames of the view, and these the environ.
        self.refused = refused.with_traceback(None)

    def tell_refused(self, refused: RequestRefused) -> None:
        """Log why it was not opened."""
        environ, client = self._environ, self.client
        self.terms.say(
            log,
            logging.WARNING,
            refused.code,
            client,
            "refused %s %s from %s: %s [%s]%s",
            environ.get("REQUEST_METHOD", "?"),
            environ.get("PATH_INFO", ""),
            client or "?",
            at_length(str(refused)),
            refused.code,
            at_length(f" ({refused.detail})" if refused.detail else ""),
        )

    def _over(self, ready_made: Any) -> WebSocket:
        settings, say = self.terms.settings, self.terms.say
        handler = getattr(ready_made, "handler", None)
        sock, reader = getattr(handler, "socket", None), getattr(handler, "rfile", None)
        if not hasattr(sock, "recv") or reader is None:
            return ForeignWebSocket(ready_made, settings, say, self.client)

        def hang_up() -> None:
            # Its owner would send a close frame of its own behind ours.
            ready_made.closed = True

        self._hang_up = hang_up
        return WebSocket(sock, read_early(reader, sock), settings, say, self.client)

    def _upgrade(self, subprotocols: Iterable[str]) -> WebSocket:
        environ = self._environ
        if environ.get("REQUEST_METHOD") != "GET":
            raise RequestRefused(
                "405 Method Not Allowed",
                "A websocket is opened by GET.",
                code="method-not-allowed",
                headers=[("Allow", "GET")],
            )
        if "upgrade" not in environ.get("HTTP_CONNECTION", "").lower():
            raise RequestRefused("400 Bad Request", NO_UPGRADE, code="no-upgrade")
        refuse_body(environ)
        native, take = upgradable(environ), handed_out(environ)
        if native is None and take is None:
            raise RequestRefused(
                "501 Not Implemented",
                "This server cannot open websockets.",
                code="server-cannot-upgrade",
                detail=why_not(environ),
            )
        headers = negotiate(environ)
        offered = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").replace(" ", "").split(",")
        chosen = next((each for each in subprotocols if each in offered), "")
        if chosen:
            headers = [*headers, ("Sec-WebSocket-Protocol", chosen)]
        settings, say = self.terms.settings, self.terms.say
        if take is not None:
            ours = cooperative(take(headers))

            def give_up() -> None:
                cut(ours)
                ours.close()

            self._hang_up = give_up
            return WebSocket(ours, b"", settings, say, self.client, chosen)
        assert native is not None
        reader, sock = native
        answer_at_once(self._start_response, SWITCHING, headers, reader)

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                sock.shutdown(2)
            # For the server the end of the connection: it asks for no other request.
            reader.close()

        self._hang_up = hang_up
        early = read_early(reader, sock)
        return WebSocket(sock, early, settings, say, self.client, chosen)


class _Rest:
    """An answer as it comes, which may turn out to be a websocket."""

    def __init__(self, door: Door, body: Iterable[bytes]) -> None:
        self._door = door
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._door.parts(self._body)

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._door.end()


def _answer_to(refused: RequestRefused) -> Answer:
    more = [*refused.headers, refusal(refused.code)]
    if refused.close:
        more.append(("Connection", "close"))
    head = Head(refused.status, "text/plain; charset=UTF-8")
    return Answer(head, refused.body.encode(), more)


class OfferedWebSocket:
    """``environ["wsgi.websocket"]``: a websocket that opens when it is used.

    The first call of :meth:`receive`, :meth:`send`, :meth:`ping`, :meth:`close`, :meth:`fileno` or
    :meth:`open`, or the beginning of an iteration, answers the upgrade. Where that may not be (a
    foreign origin, a request that is none) the client gets the refusal, whatever the view returns,
    and to the view the websocket is closed. It ends with the request: the client gets close code
    1000 when the view returned, 1011 when it failed, 1001 at the end of the server.

    Pings are answered, and sent, while one waits for a message. Several tasks may send, one may
    receive. It has what gevent-websocket's object has.
    """

    def __init__(self, door: Door, environ: dict[str, Any]) -> None:
        self.door = door
        #: The request's.
        self.environ = environ
        #: The header ``Origin``, or None. The drafts 7 and 8 call it ``Sec-WebSocket-Origin``.
        self.origin: str | None = environ.get("HTTP_ORIGIN") or environ.get(
            "HTTP_SEC_WEBSOCKET_ORIGIN"
        )
        #: The version of the protocol that the client asks for, as it wrote it: "13".
        self.version: str | None = environ.get("HTTP_SEC_WEBSOCKET_VERSION")
        #: The subprotocols that the client speaks, as it wrote them, or None.
        self.protocol: str | None = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL")
        #: The path below where the application is mounted.
        self.path: str = environ.get("PATH_INFO", "")
        self._opening = lock()
        self._told_end = False

    def open(self, subprotocols: Iterable[str] = ()) -> bool:
        """Answer the upgrade now, unless it was; whether the websocket is open.

        Of ``subprotocols``, those that the view speaks, the first that the client knows is agreed
        on. Raises ``UsageError`` when the view has begun to answer as a page."""
        return self._socket(subprotocols) is not None and not self.closed

    def _socket(self, subprotocols: Iterable[str] = ()) -> WebSocket | None:
        """The websocket; None when it was refused."""
        door = self.door
        if door.used:
            return door.websocket
        with self._opening:
            if not door.used:
                try:
                    return door.open(subprotocols)
                except RequestRefused as refused:
                    door.refuse(refused)
        return door.websocket

    def _opened(self) -> WebSocket:
        websocket = self._socket()
        if websocket is None:
            raise WebSocketClosed("the websocket was refused")
        return websocket

    @property
    def closed(self) -> bool:
        """Whether it is over, and all that had arrived was received. False before its first use."""
        websocket = self.door.websocket
        return self.door.refused is not None if websocket is None else websocket.closed

    @property
    def close_code(self) -> int | None:
        """The code of the peer's close frame; 1006 when it went without one, None before that."""
        websocket = self.door.websocket
        return None if websocket is None else websocket.close_code

    @property
    def subprotocol(self) -> str:
        """The subprotocol that was agreed on, or ""."""
        websocket = self.door.websocket
        return "" if websocket is None else websocket.subprotocol

    @property
    def handler(self) -> Any:
        """``handler.socket`` is the connection."""
        return self._opened().handler

    def fileno(self) -> int:
        """The descriptor of the connection, for ``select``; see :meth:`has_messages`."""
        return self._opened().fileno()

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, ``str`` or ``bytes``; once None when the websocket is closed, and
        :class:`~sockio.WebSocketClosed` from then on.

        Blocks until then. Raises ``TimeoutError`` when ``timeout`` seconds have passed."""
        websocket = self._socket()
        message = None if websocket is None else websocket.receive(timeout)
        if message is None:
            if self._told_end:
                # A loop that does not look would never let anybody else work.
                raise WebSocketClosed("the websocket is closed")
            self._told_end = True
        return message

    wait = receive

    def read(self, fallback: Message | None = None) -> Message | None:
        """The next message if there is one, or ``fallback``. Does not wait."""
        websocket = self._socket()
        return fallback if websocket is None else websocket.read(fallback)

    def has_messages(self) -> bool:
        """Whether a message can be received without waiting: ``select`` does not see those that
        arrived together with one before."""
        websocket = self._socket()
        return websocket is not None and websocket.has_messages()

    def __iter__(self) -> Iterator[Message]:
        """All messages until the websocket is closed."""
        websocket = self._socket()
        return iter(()) if websocket is None else iter(websocket)

    def send(self, message: Any, binary: bool | None = None) -> None:
        """Send a message: ``bytes`` as binary, anything else as text, unless ``binary`` says which.
        Blocks until the connection took it. Raises :class:`~sockio.WebSocketClosed`."""
        self._opened().send(message, binary)

    def ping(self, data: Message = b"") -> None:
        """Send a ping with up to 125 bytes. The answer is taken for a sign of life, and not shown.
        Raises ``ValueError`` for more, and :class:`~sockio.WebSocketClosed`."""
        self._opened().ping(data)

    def close(self, code: int = 1000, reason: Message = "") -> None:
        """Close it, and wait a moment for the peer to do the same. Twice is once."""
        websocket = self._socket()
        if websocket is not None:
            websocket.close(code, reason)
