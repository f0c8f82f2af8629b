"""Where a websocket comes from: what each kind of server offers, behind one function.

* plain gevent.pywsgi (and gunicorn's ``gevent_pywsgi``): ``start_response("101 ...")``. The request
  is checked before, the connection is then *detached* from it: the request ends, the event loop
  watches the descriptor, and an idle client occupies no task.
* gevent-websocket's handler or worker, which upgraded before the application was asked:
  ``environ["wsgi.websocket"]``. Its connection is used and its codec is not; the request's task is
  parked until the end.
* the integration of another server, such as sockio.integrations.uwsgi_websocket, which hands the
  connection out: ``environ["sockio.take_connection"]``. It is detached likewise.

Any other object under that name is used message by message: :mod:`sockio.transports.foreign`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..exceptions import RequestRefused, UsageError
from ..runtime.interfaces import Runtime
from .answers import Answer, Head, Header
from .base import WSGIApplication
from .connection import (
    FAST,
    answer_at_once,
    handed_out,
    read_early,
    take_over,
    upgradable,
    with_tls,
)
from .framing import SWITCHING, negotiate, refuse_body
from .streams import BlockingStream, Stream, WatchedStream

__all__ = [
    "NO_SERVER",
    "NO_UPGRADE",
    "Upgraded",
    "is_foreign",
    "is_of_pywsgi",
    "upgrade",
    "why_not",
]

Connected = Callable[[Stream, bytes], None]

NO_UPGRADE = (
    "This address is for websockets, and the request does not ask for one. If your client did, a "
    "proxy in front removed it: let the headers Upgrade and Connection pass."
)
NO_SERVER = (
    "This server cannot open websockets. Run the application under gevent.pywsgi "
    "(sockio.server.SocketIOServer) or gunicorn -k gevent_pywsgi."
)


_NO_INPUT = (
    "This server can open websockets, but not by the environ that came here: a layer in front has "
    "made another of it, with a wsgi.input of its own (as webob's Request.copy() does). Put "
    "SocketIOMiddleware in front of that layer."
)


def why_not(environ: Mapping[str, Any]) -> str:
    """Why no websocket can be opened by this environ, and what to do."""
    return _NO_INPUT if is_of_pywsgi(environ) else NO_SERVER


def is_of_pywsgi(environ: Mapping[str, Any]) -> bool:
    """Whether gevent.pywsgi has made this environ, be it by what is left of it."""
    return str(environ.get("SERVER_SOFTWARE") or "").startswith("gevent/")


class Upgraded:
    """The answer to an upgrade request that no WSGI server has read: ``answer``, and then
    :meth:`open`."""

    __slots__ = ("_address", "_connected", "_runtime", "answer")

    def __init__(
        self, answer: Answer, runtime: Runtime, connected: Connected, address: str = ""
    ) -> None:
        self.answer = answer
        self._address = address
        self._runtime = runtime
        self._connected = connected

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        raise UsageError("this request has to be answered by the server that made its environ")

    def open(self, sock: Any, early: bytes) -> None:
        """Go on as a websocket over ``sock``, which does not block; ``early`` was read behind the
        request."""
        self._connected(WatchedStream(sock, self._runtime, self._address), early)


def is_foreign(websocket: Any) -> bool:
    """Whether a ready-made websocket hides its connection."""
    handler = getattr(websocket, "handler", None)
    return not (hasattr(handler, "rfile") and hasattr(getattr(handler, "socket", None), "recv"))


def upgrade(
    environ: dict[str, Any],
    runtime: Runtime,
    connected: Connected,
    *,
    detach: bool = True,
    more: Sequence[Header] = (),
    address: str = "",
) -> WSGIApplication:
    """The WSGI application that turns this request into a websocket.

    ``connected(stream, early)`` is called with the open connection, which is a client's of that
    ``address``, if it is known. The headers ``more`` go with
    the answer, where it is ours. Without ``detach`` the request goes on until the websocket ends,
    also where it need not. Raises ``RequestRefused`` before anything was answered, when there is
    nothing to upgrade or nobody who can.
    """
    ready_made = environ.get("wsgi.websocket")
    if ready_made is not None:
        return _over(ready_made, runtime, connected, address)
    asked = environ.get("HTTP_UPGRADE", "").strip().lower() == "websocket"
    if not asked or "upgrade" not in environ.get("HTTP_CONNECTION", "").lower():
        raise RequestRefused("400 Bad Request", NO_UPGRADE, code="no-upgrade")
    if FAST in environ:
        answer = Answer(Head.bare(SWITCHING, negotiate(environ)), more=more)
        return Upgraded(answer, runtime, connected, address)
    refuse_body(environ)
    take = handed_out(environ)
    native = upgradable(environ)
    if native is None and take is None:
        raise RequestRefused(
            "501 Not Implemented", NO_SERVER, code="server-cannot-upgrade", detail=why_not(environ)
        )
    headers = [*negotiate(environ), *more]
    if take is not None:

        def hand_over(
            environ: dict[str, Any], start_response: Callable[..., Any]
        ) -> Iterable[bytes]:
            connected(WatchedStream(take(headers), runtime, address), b"")
            return []

        return hand_over
    assert native is not None
    reader, sock = native

    def accept(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer_at_once(start_response, SWITCHING, headers, reader)
        if with_tls(sock) or not detach:
            early = read_early(reader, sock)
            _run_blocking(sock, early, runtime, connected, address)
            reader.close()
        else:
            raw, early = take_over(reader, sock)
            connected(WatchedStream(raw, runtime, address), early)
        return []

    return accept


def _over(websocket: Any, runtime: Runtime, connected: Connected, address: str) -> WSGIApplication:
    """Use the connection of a websocket that the server opened."""
    sock, reader = websocket.handler.socket, websocket.handler.rfile

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        early = read_early(reader, sock)
        if with_tls(sock):
            _run_blocking(sock, early, runtime, connected, address)
        else:
            parked = runtime.signal()
            stream = WatchedStream(_Borrowed(sock), runtime, address)
            stream.on_closed = parked.set
            connected(stream, early)
            parked.wait()
        # Its owner would send a close frame of its own behind ours.
        websocket.closed = True
        return []

    return serve


def _run_blocking(
    sock: Any, early: bytes, runtime: Runtime, connected: Connected, address: str
) -> None:
    stream = BlockingStream(sock, runtime, address)
    connected(stream, early)
    stream.run()


class _Borrowed:
    """A socket that belongs to the server: used without blocking, shut down instead of closed."""

    __slots__ = ("_open", "_sock")

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._open = True

    def _raw(self) -> Any:
        # The plain socket below gevent's: always non-blocking, and without gevent's own waiting.
        return getattr(self._sock, "_sock", self._sock)

    def fileno(self) -> int:
        return int(self._raw().fileno()) if self._open else -1

    def recv(self, size: int) -> Any:
        return self._raw().recv(size)

    def send(self, data: bytes | memoryview) -> Any:
        return self._raw().send(data)

    def shutdown(self, how: int) -> None:
        self._raw().shutdown(how)

    def close(self) -> None:
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                self._raw().shutdown(2)
