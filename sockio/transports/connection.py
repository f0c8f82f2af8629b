"""The TCP connection behind a WSGI request, where the server lets it be found.

Everything that knows a server's private places is in this module. Each function takes "not found"
for an answer; what then does not work is said by its caller.
"""

from __future__ import annotations

import _socket
import contextlib
import io
import socket as stdlib_socket
import struct
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from ..runtime.gevent_runtime import frames_of_beginners
from ..runtime.interfaces import Cancellable, Runtime

__all__ = [
    "FAST",
    "LEND",
    "Watched",
    "answer_at_once",
    "can_upgrade",
    "closes_silently",
    "connection_of",
    "cut",
    "cut_dry",
    "handed_out",
    "hang_up_soon",
    "has_arrived",
    "has_unread",
    "is_established",
    "is_gone",
    "is_known_unread",
    "is_pywsgi",
    "no_delay",
    "read_early",
    "reads_bodies_twice",
    "server_of",
    "take_over",
    "taken_of",
    "upgradable",
    "watch_for_hangup",
    "with_tls",
]

#: Where the environ has the connection of a request that no WSGI server has read.
FAST = "sockio.connection"

Headers = list[tuple[str, str]]

#: The state of a TCP connection whose peer has sent its FIN.
_CLOSE_WAIT = b"\x08"
#: ... and of one that is open both ways.
_ESTABLISHED = b"\x01"

#: Seconds in which a client can read the answer to a request whose body is not wanted.
GRACE = 2.0
#: In the environ, by the integration of a server that gives no socket: what gives the connection's
#: descriptor, for as long as the request waits.
LEND = "sockio.lend_connection"


def connection_of(environ: Mapping[str, Any]) -> Any:
    """The request's (cooperative) socket, or None.

    gevent.pywsgi keeps it under ``wsgi.input``: its ``Input`` wraps a buffered reader over the
    socket, and upgrade requests get that reader itself. gunicorn hands it out by name; that of a
    request which is answered from the event loop is that one's to watch, and None here.
    """
    reader = environ.get("wsgi.input")
    reader = getattr(reader, "rfile", reader)
    sock = getattr(getattr(reader, "raw", None), "_sock", None)
    if sock is None and FAST not in environ:
        sock = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    return sock if hasattr(sock, "fileno") else None


def upgradable(environ: Mapping[str, Any]) -> tuple[io.BufferedReader, Any] | None:
    """Reader and socket of an upgrade request that can be answered ``101`` through plain WSGI.

    That is gevent.pywsgi's way (see its ``finalize_headers``): the reader holds what
    the client sent right behind its request, and ``start_response("101 ...")`` adds no length.
    Others hand out such a reader too, for example wsgiref, and then fail over the answer.
    """
    reader = environ.get("wsgi.input")
    if not (isinstance(reader, io.BufferedReader) and is_pywsgi(environ)):
        return None
    sock = getattr(reader.raw, "_sock", None)
    return (reader, sock) if hasattr(sock, "detach") else None


def is_pywsgi(environ: Mapping[str, Any]) -> bool:
    """Whether gevent.pywsgi serves the request, alone or as a worker of gunicorn."""
    software: str = environ.get("SERVER_SOFTWARE", "")
    return software.startswith("gevent")


def server_of(start_response: Callable[..., Any]) -> Any:
    """The gevent.pywsgi server of a request, alone or as a worker of gunicorn, by the function that
    it gave with the request; None where another layer has put one of its own in that place."""
    server = getattr(getattr(start_response, "__self__", None), "server", None)
    return server if hasattr(server, "started") else None


def answer_at_once(
    start_response: Callable[..., Any], status: str, headers: Headers, reader: io.BufferedReader
) -> None:
    """Write a head without a body to the connection of an :func:`upgradable` request, now.
    ``reader`` is what that found.

    A layer around may keep what it is told until it has the whole answer, as WebOb's
    ``get_response()`` does, or give nothing to write by, as Paste's ``ErrorMiddleware``. It is
    told, may add headers where it passes them on at once, and is not waited for: what it says later
    finds the answer given.
    """
    handler = _handler_of(start_response, reader)
    write = start_response(status, headers)
    if handler is None:
        write(b"")
        return
    if not handler.status:
        handler.start_response(status, headers)
    if not handler.headers_sent:
        handler.write(b"")


def _handler_of(start_response: Callable[..., Any], reader: io.BufferedReader) -> Any:
    """gevent.pywsgi's handler of a request: by what it gave with the request; by the reader, where
    the server is ours; or by its frame, below those of the layers that gave something else, in the
    calling task or in those that wait for it. Or None."""
    handler = getattr(start_response, "__self__", None)
    if hasattr(handler, "headers_sent"):
        return handler
    serving: Callable[[], Any] | None = getattr(reader.raw, "handler", None)
    if serving is not None:
        return serving()
    handler = _handler_in(sys._getframe(2))
    for frame in frames_of_beginners() if handler is None else ():
        handler = _handler_in(frame)
        if handler is not None:
            break
    return handler


def _handler_in(frame: FrameType | None) -> Any:
    while frame is not None:
        if frame.f_code.co_name == "run_application":
            handler = frame.f_locals.get("self")
            if hasattr(handler, "headers_sent"):
                return handler
        frame = frame.f_back
    return None


def handed_out(environ: Mapping[str, Any]) -> Callable[[Headers], Any] | None:
    """What the integration of a server has put into the environ to open websockets by, or None.

    Called with the headers of the ``101`` it sends that answer by the server's own means, and
    returns the plain, non-blocking socket of the connection, which is the caller's from then on.
    """
    take: Callable[[Headers], Any] | None = environ.get("sockio.take_connection")
    return take


def can_upgrade(environ: Mapping[str, Any]) -> bool:
    """Whether the server behind a *plain* request would let an upgrade request be answered.

    gevent.pywsgi shows in both: what is the reader itself for an upgrade is wrapped otherwise.
    """
    if FAST in environ or handed_out(environ) is not None:
        return True
    reader = getattr(environ.get("wsgi.input"), "rfile", environ.get("wsgi.input"))
    return upgradable({**environ, "wsgi.input": reader}) is not None


def with_tls(sock: Any) -> bool:
    """Whether reads and writes pass through a TLS layer in this process."""
    return hasattr(sock, "do_handshake")


def is_gone(sock: Any) -> bool:
    """Whether the peer has closed or reset the connection, as far as the kernel knows now."""
    if sock is None:
        return False
    try:
        if sock.fileno() < 0:
            return True
        raw = getattr(sock, "_sock", sock)
        if not raw.recv(1, stdlib_socket.MSG_PEEK | stdlib_socket.MSG_DONTWAIT):
            return True
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
    # Something can be read, and the end may be behind it: TLS says goodbye before it hangs up.
    return _tcp_info(sock)[:1] == _CLOSE_WAIT


def has_unread(sock: Any) -> bool:
    """Whether something has arrived that nobody has read: closing would throw it away, and reset
    the connection."""
    try:
        raw = getattr(sock, "_sock", sock)
        return bool(raw.recv(1, stdlib_socket.MSG_PEEK | stdlib_socket.MSG_DONTWAIT))
    except (OSError, ValueError):
        return False


def is_established(sock: Any) -> bool:
    """The opposite of :func:`is_gone`, in a third of the time where the kernel tells the state of a
    connection."""
    if sock.family in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
        try:
            state = sock.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_INFO, 1)
        except (OSError, AttributeError):
            return not is_gone(sock)
        return bool(state == _ESTABLISHED)
    return not is_gone(sock)


def watch_for_hangup(
    runtime: Runtime, sock: Any, hung_up: Callable[[], object]
) -> Cancellable | None:
    """Call ``hung_up`` in the hub as soon as the peer of a request that waits closes or resets.

    None where the server hides the connection. The watch must be cancelled before the server reads
    from the connection again.
    """
    if sock is None or sock.fileno() < 0:
        return None

    def readable() -> None:
        watch.cancel()
        # Readable without being gone: the client sent its next request early. It is not read here.
        if is_gone(sock):
            hung_up()

    watch = runtime.watch(sock, readable)
    return watch


class Watched:
    """The connection of a request that waits, from now on until :meth:`end`: ``hung_up`` is called
    as by :func:`watch_for_hangup`.

    ``connection`` is what :func:`connection_of` gives. Where that is None, the integration of a
    server may lend the descriptor meanwhile: ``environ[LEND]()`` gives it.
    """

    __slots__ = ("_lent", "_sock", "_watch")

    def __init__(
        self,
        runtime: Runtime,
        environ: Mapping[str, Any],
        connection: Any,
        hung_up: Callable[[], object],
    ) -> None:
        lend = environ.get(LEND) if connection is None else None
        self._lent = None if lend is None else _of_descriptor(lend())
        self._sock = connection if lend is None else self._lent
        self._watch = watch_for_hangup(runtime, self._sock, hung_up)

    def end(self) -> bool:
        """Look away; whether the peer has gone, as far as the kernel knows."""
        if self._watch is not None:
            self._watch.cancel()
        gone = is_gone(self._sock)
        if self._lent is not None:
            # The server closes it.
            self._lent.detach()
        return gone


def is_known_unread(sock: Any) -> bool:
    """Whether what was written to the connection is *known* not to have reached its reader.

    Over TCP, bytes without an acknowledgement prove nothing by themselves: a client may have read
    them and be asking for more over another connection while its kernel still delays the
    acknowledgement (up to 200 ms). They count once this side's kernel has sent them again, twice,
    in vain. A local socket's bytes are gone from the queue as soon as they are read.
    """
    try:
        descriptor = sock.fileno()
        if descriptor < 0:
            return False
        # Not on every system: without them nothing is known.
        import fcntl
        import termios

        (waiting,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4))
        if not waiting or sock.family not in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
            return bool(waiting)
        return _tcp_info(sock)[2] >= 2
    except (OSError, AttributeError, ImportError):
        return False


def taken_of(sock: Any) -> object:
    """What changes whenever the peer has taken more of what was written to the connection, as far
    as the kernel tells: what a peer that does not read has room for counts, too. None where nothing
    is left to be taken, or nothing is known."""
    try:
        descriptor = sock.fileno()
        if descriptor < 0:
            return None
        # Not on every system.
        import fcntl
        import termios

        waiting = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4)
        if not any(waiting):
            return None
        if sock.family in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
            # Bytes that were acknowledged, a number that only grows (linux/tcp.h, since 4.1).
            acked: bytes = sock.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_INFO, 128)
            return acked[120:]
        return waiting
    except (OSError, AttributeError, ImportError, ValueError):
        return None


def _tcp_info(sock: Any) -> bytes:
    """The beginning of ``struct tcp_info`` (linux/tcp.h): the state, another byte, how many times
    in a row data has been sent again without an answer. Zeros where there is none."""
    try:
        info: bytes = sock.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_INFO, 8)
        return info
    except (OSError, AttributeError):
        return bytes(8)


def closes_silently(environ: Mapping[str, Any]) -> bool:
    """Whether the server leaves it to the application to say ``Connection: close``.

    gevent.pywsgi does. To others the header is theirs alone, as PEP 3333 has it, and some of them
    take it from an application for a crash.
    """
    return is_pywsgi(environ)


def no_delay(sock: Any) -> None:
    """Let what is written to a connection leave at once; nothing happens to what has no such thing.

    gevent.pywsgi writes the headers and the body of an answer one after the other; without this the
    second waits for the client's delayed acknowledgement of the first, 40 ms on a kept connection.
    """
    # OSError: the peer has gone already, or it is no TCP. AttributeError, TypeError: not found, or
    # not a socket of the kernel's own.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)


def hang_up_soon(environ: Mapping[str, Any], runtime: Runtime) -> None:
    """Cut the connection of a refused request after :data:`GRACE` seconds.

    Closing it at once would reset it under the answer; left alone, the server would go on reading
    for as long as the client cares to send the body that nobody wants.
    """
    sock = connection_of(environ)
    if sock is None:
        return

    runtime.at(runtime.now() + GRACE, lambda: cut(sock))


def reads_bodies_twice(environ: Mapping[str, Any]) -> bool:
    """Whether the server will read as many bytes again as the body had that was read here.

    gevent.pywsgi by itself hands out its bare reader where a request says ``Connection: Upgrade``,
    which nginx may be told to say with every request, and keeps no book of what is read from it.
    """
    return isinstance(environ.get("wsgi.input"), io.BufferedReader) and is_pywsgi(environ)


def has_arrived(environ: Mapping[str, Any], size: int) -> bool:
    """Whether so many bytes of a request's body are here already, so that whoever reads them does
    not wait. False where the server does not show it, and for more than its buffer holds."""
    reader = getattr(environ.get("wsgi.input"), "rfile", None)
    sock = connection_of(environ)
    if not isinstance(reader, io.BufferedReader) or not hasattr(sock, "settimeout"):
        return False
    before = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return len(reader.peek(size)) >= size
    except (OSError, ValueError):
        return False
    finally:
        sock.settimeout(before)


def cut(sock: Any) -> None:
    """End a connection both ways, under whoever reads from it or is stuck in a write to it."""
    # The plain socket below gevent's: that one would raise an error of its own in the other task,
    # which servers log with a traceback, where the kernel's is what any lost connection gives.
    # AttributeError: it was not found.
    with contextlib.suppress(OSError, AttributeError):
        getattr(sock, "_sock", sock).shutdown(stdlib_socket.SHUT_RDWR)


def cut_dry(sock: Any) -> None:
    """:func:`cut`, and throw away what has arrived: whoever is reading finds the end at once, and
    not behind what the kernel had for it. For a socket of the kernel's, or of Python's TLS; does
    not block."""
    raw, forgotten = _socket.socket, bytearray(65_536)
    # Below TLS, which would be taken from whoever is using it.
    with contextlib.suppress(OSError):
        raw.shutdown(sock, stdlib_socket.SHUT_RDWR)
    # Nothing is added any more: as much as the kernel keeps for a connection is the most.
    with contextlib.suppress(OSError):
        while raw.recv_into(sock, forgotten, 0, stdlib_socket.MSG_DONTWAIT):
            pass


def take_over(reader: io.BufferedReader, sock: Any) -> tuple[Any, bytes]:
    """Separate a connection from its request: a plain non-blocking socket, and bytes already read.

    The descriptor itself moves, so that nothing of the event loop's books about it goes stale and
    no second descriptor has to be closed; the server is left with a socket that is closed, which it
    takes for the end of the connection.
    """
    early = read_early(reader, sock)
    # A server of ours counts it; any other has no such method.
    make: Callable[[int], Any] = getattr(reader.raw, "kernel_socket", _of_descriptor)
    raw = make(sock.detach())
    raw.setblocking(False)
    reader.close()
    return raw, early


def _of_descriptor(descriptor: int) -> Any:
    return _socket.socket(fileno=descriptor)


def read_early(reader: io.BufferedReader, sock: Any) -> bytes:
    """What has arrived behind the request, without waiting for more."""
    before = sock.gettimeout()
    sock.settimeout(0.0)
    early = b""
    try:
        early = reader.read1(65536) or b""
        # A server of ours may have more of it than fitted into the reader.
        while getattr(reader.raw, "begun", False):
            early += reader.read1(65536) or b""
        return early
    except (BlockingIOError, OSError):
        return early
    finally:
        sock.settimeout(before)
