"""What ``SocketIOServer`` has gevent.pywsgi do for it below a request, where that is careless.

* Heads are read strictly and are limited in bytes and lines: :mod:`sockio.server.heads`.
* Whatever is waited for on a connection has a deadline: :mod:`sockio.server.door`.
* A connection that brings more than the others lets the loop look for input in between.
* Only what is an upgrade is treated as one: requests with a body have it read as that.
* What a client does that goes, or never made sense, is one line for the log and no traceback. What
  a page raises is one line with its traceback, as often as ``log_lines`` allows, and a 500.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket as stdlib_socket
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import gevent
from gevent import pywsgi
from gevent.pywsgi import Input, WSGIHandler

from ..runtime.turnstile import Turnstile
from ..transports.connection import GRACE, cut, has_unread, with_tls
from .access_log import AccessLog, without_sids
from .door import Door, KernelSocket
from .heads import (
    MAX_LINES,
    BadHead,
    Head,
    answer,
    malformed,
    read_head,
    target_too_long,
    too_large,
    too_many_lines,
)

__all__ = ["Handler", "Reader", "Wait"]

log = logging.getLogger("sockio.http")

#: Bytes that are read away of what nobody wants, before the connection is cut.
UNWANTED = 262_144
#: Bytes of the lines behind the last chunk of a body.
TRAILERS = 8192
#: Bytes written in one go where a client takes its time to read.
PART = 65_536

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n")

#: What a page may raise to end more than its request.
_ENDS_THE_PROCESS = (SystemExit, KeyboardInterrupt)

#: How gevent.pywsgi's input says that the client has gone.
_ENDED = "unexpected end of file"

# Not all of it is in the stubs.
_gevents: Any = pywsgi
MAX_REQUEST_LINE: int = _gevents.MAX_REQUEST_LINE
_Message: Any = type(WSGIHandler.headers)


class Reader(stdlib_socket.SocketIO):
    """The bytes of one connection, first those that somebody else has read from it.

    Waiting for them has an end: :attr:`until`, or :attr:`silence` seconds from the beginning of
    each wait. When it comes the connection is cut, which its reader takes for the client's doing.
    """

    def __init__(self, sock: Any, door: Door, early: bytes = b"") -> None:
        super().__init__(sock, "r")
        sock._io_refs += 1
        self._cooperative = sock
        self._plain = not with_tls(sock)
        self._early = memoryview(early)
        self._door = door
        self._at = 0.0
        self.wheel_slot: int | None = None
        #: When the wait is over, whatever arrives; None for not at a fixed time.
        self.until: float | None = None
        #: Seconds that each wait may take; None for as many as it likes.
        self.silence: float | None = None
        #: Nothing of the next request has arrived.
        self.idle = False
        #: Nor of any before.
        self.new = False
        #: Who answers what is read, while there is one: for whoever opens a websocket.
        self.handler: Callable[[], Handler | None] | None = None
        #: The client has ended its side.
        self.ended = False
        #: The client's, as the server has accepted it.
        self.address: Any = None
        self._turnstile: Turnstile | None = None

    @property
    def begun(self) -> bool:
        """Somebody else has read something of the next request: it is to be answered."""
        return len(self._early) > 0

    def readinto(self, buffer: Any) -> int | None:
        early = self._early
        if early:
            size = min(len(early), len(buffer))
            buffer[:size] = early[:size]
            self._early = early[size:]
            self._arrived()
            return size
        sock = self._cooperative
        if sock.timeout == 0.0:
            # Somebody wants what is there, and no more.
            return super().readinto(buffer)
        self.take_turns()
        got: int | None
        try:
            got = self._read_now(buffer) if self._plain else None
            if got is None:
                got = self._wait(buffer)
        except OSError:
            self.ended = True
            raise
        if got:
            self._arrived()
        elif got == 0:
            self.ended = True
        return got

    def _read_now(self, buffer: Any) -> int | None:
        try:
            got: int = self._cooperative._sock.recv_into(buffer)
            return got
        except (BlockingIOError, InterruptedError):
            return None

    def _wait(self, buffer: Any) -> int | None:
        until = self.until
        if until is None:
            if self.silence is None:
                return self._block(buffer)
            until = time.monotonic() + self.silence
        self._at = until
        door = self._door
        door.expect(self)
        try:
            return self._block(buffer)
        finally:
            door.forget(self)

    def _block(self, buffer: Any) -> int | None:
        sock = self._cooperative
        # An application may have set a time of its own, which is gevent's to keep.
        if sock.timeout is None and (self._plain or not _has_read(sock)):
            self._line().wait()
        return super().readinto(buffer)

    def take_turns(self) -> None:
        """Let others have their turn, if they have to wait for it. Blocks until then."""
        if self._door.busy_for_long():
            self._line().give_way()

    def _line(self) -> Turnstile:
        turnstile = self._turnstile
        if turnstile is None:
            turnstile = self._door.turnstile(self._cooperative, self.address)
            self._turnstile = turnstile
        return turnstile

    def leave_line(self) -> None:
        """The connection ends, or is somebody else's."""
        turnstile, self._turnstile = self._turnstile, None
        if turnstile is not None:
            turnstile.close()

    def close(self) -> None:
        self.leave_line()
        super().close()

    def _arrived(self) -> None:
        if self.idle:
            self.idle = self.new = False
            self.until = time.monotonic() + self._door.head_time

    def deadline(self) -> float:
        return self._at

    def arrives(self) -> bool:
        return has_unread(self._cooperative)

    def overdue(self) -> None:
        self.give_up()

    def give_up(self) -> None:
        cut(self._cooperative)

    def kernel_socket(self, descriptor: int) -> Any:
        """The connection, when it is taken out of its request."""
        return KernelSocket(self._door, self._cooperative, descriptor)


def _has_read(sock: Any) -> bool:
    """Whether a TLS layer has something that the kernel has no more."""
    pending: Callable[[], int] | None = getattr(sock, "pending", None)
    return pending is None or pending() > 0


class Wait:
    """A wait for a client: to read, or for the handshake of TLS."""

    def __init__(self, sock: Any, at: float, *, idle: bool = False) -> None:
        self.sock = sock
        self._at = at
        self.idle = self.new = idle
        self.wheel_slot: int | None = None

    def deadline(self) -> float:
        return self._at

    def arrives(self) -> bool:
        return has_unread(self.sock)

    def overdue(self) -> None:
        self.give_up()

    def give_up(self) -> None:
        cut(self.sock)


class _BadBody(_gevents._InvalidClientInput):  # type: ignore[misc]
    """A body that cannot be read on. Its text holds nothing of the request."""


class _Input(Input):
    """A body, whose chunks are read as strictly as heads are."""

    __slots__ = ()

    def _Input__read_chunk_length(self, rfile: Any) -> int:  # noqa: N802
        """The size of the next chunk; behind the last one its trailers are read, too."""
        line = rfile.readline(MAX_REQUEST_LINE)
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise self._bad("no size of a chunk")
        size = int(match[1], 16)
        if size == 0:
            left = TRAILERS
            while (line := rfile.readline(left)) != b"\r\n":
                left -= len(line)
                if left <= 0:
                    raise self._bad(f"more than {TRAILERS} bytes of headers behind the chunks")
                if not _TRAILER.fullmatch(line):
                    raise self._bad("no header behind the chunks")
        return size

    def _bad(self, what: str) -> Exception:
        # What follows is not known to be a request: nothing of it is read.
        self._chunked_input_error = True
        return _BadBody(what)

    @property
    def unread(self) -> int:
        """Bytes of the body that are to come, as far as it is known."""
        if self.chunked_input:
            return 0
        return max(0, (self.content_length or 0) - self.position)

    def _discard(self) -> None:
        """Read away what the application did not want, up to a bound."""
        if self.socket is not None and (self.unread or self.chunked_input):
            # The client waits to be told to go on, and was told the answer: who knows what comes.
            self._chunked_input_error = True
            return
        left = UNWANTED
        if self.unread <= left:
            while left > 0 and not self._chunked_input_error:
                data = self.read(min(16384, left)) if self.unread or self.chunked_input else b""
                if not data:
                    return
                left -= len(data)
        self._chunked_input_error = True


class Handler(WSGIHandler):
    """One connection, served by gevent.pywsgi for a ``server`` that has a ``door``."""

    _send_error_response_if_possible: Any

    def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
        self._door: Door = server.door
        if rfile is None:
            rfile = io.BufferedReader(Reader(sock, self._door))
        begin: Any = super().__init__
        begin(sock, address, server, rfile)
        self._reader: Reader = rfile.raw
        self._reader.handler = weakref.ref(self)
        self._reader.address = address
        self._first = True
        self._head: Head | None = None
        self._write_error: OSError | None = None
        # There is more than the answer that the client will send.
        self._unread = False

    @property
    def _access_log(self) -> AccessLog | None:
        # Not kept: another may take its place while the connection goes on.
        server: Any = self.server
        log: AccessLog | None = server.access_log
        return log

    def log_request(self) -> None:
        access_log = self._access_log
        if access_log is None:
            super().log_request()
            return
        this: Any = self
        status = this._orig_status or this.status or "000"
        seconds = self.time_finish - self.time_start if self.time_finish else 0.0
        access_log.answered(this.environ or {}, str(status), self.response_length, seconds)

    # ---- reading

    def handle_one_request(self) -> Any:
        result = None
        try:
            result = self._handle_one_request()
            return result
        finally:
            if result is not True:
                self._reader.leave_line()

    def _handle_one_request(self) -> Any:
        if self._door.stopping and not self._reader.begun:
            return None
        self._reader.take_turns()
        try:
            result = super().handle_one_request()
        except BadHead as bad:
            self._refuse(bad)
            return None
        if self._unread and result is None:
            self._read_away()
        return result

    def read_requestline(self) -> str:
        """Read a whole head; its first line, or "" where none comes. Raises :class:`BadHead`."""
        reader, door = self._reader, self._door
        reader.silence = None
        if not self._first:
            reader.idle = True
            reader.until = time.monotonic() + door.keep_alive
        elif reader.until is None:
            reader.idle = reader.new = True
            reader.until = time.monotonic() + door.head_time
        self._first = False
        readline, left = self.rfile.readline, door.max_head
        line = readline(MAX_REQUEST_LINE)
        if line == b"\r\n":
            # One too many behind the body before, as clients of old sent it (RFC 9112, 2.2).
            line = readline(MAX_REQUEST_LINE)
        if len(line) >= MAX_REQUEST_LINE:
            raise target_too_long(MAX_REQUEST_LINE)
        lines = []
        while True:
            lines.append(line)
            left -= len(line)
            if left < 0:
                raise too_large(door.max_head)
            if len(lines) > MAX_LINES + 2:
                raise too_many_lines()
            if line[-2:] != b"\r\n":
                if line[-1:] == b"\n":
                    raise malformed(f"line {len(lines)} ends in LF alone")
                # It ended early, or was ended.
                return ""
            if len(line) == 2:
                break
            line = readline(left + 1)
        reader.idle = False
        reader.until = None
        reader.silence = door.patience
        head = self._head = read_head(b"".join(lines))
        return head.line

    def MessageClass(self, *args: Any) -> Any:  # noqa: N802
        message = _Message()
        if self._head is not None:
            for name, value in self._head.fields:
                message[name] = value
        return message

    def _headers(self) -> Iterator[tuple[str, str]]:
        for name, value in self._head.fields if self._head is not None else ():
            # With an underscore they would take the place of their twins with a dash.
            if "_" not in name:
                key = name.replace("-", "_").upper()
                if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                    yield "HTTP_" + key, value

    def _connection_upgrade_requested(self) -> bool:
        """Whether the application gets the bare connection. gevent does that for ``Connection:
        Upgrade`` alone, which proxies send with every request, and where there is a body."""
        get = self.headers.get
        words = {word.strip() for word in get("Connection", "").lower().split(",")}
        return (
            "upgrade" in words
            and get("Upgrade") is not None
            and not self.content_length
            and get("Transfer-Encoding") is None
        )

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        given: Any = self.wsgi_input
        careful = _Input(given.rfile, given.content_length, given.socket, given.chunked_input)
        self.wsgi_input = careful
        if environ["wsgi.input"] is given:
            environ["wsgi.input"] = careful
        else:
            # What is spoken from here on has its own rules.
            self._reader.silence = None
        return environ

    # ---- answering

    def finalize_headers(self) -> None:
        if self._door.last and self.code != 101:
            self.close_connection = True
            headers: Any = self.response_headers
            if not any(name.lower() == b"connection" for name, _ in headers):
                headers.append((b"Connection", b"close"))
        super().finalize_headers()
        if self.connection_upgraded:
            self.close_connection = True

    def handle_one_response(self) -> None:
        try:
            super().handle_one_response()
        finally:
            # Its traceback has this object.
            self._write_error = None
        body: Any = self.wsgi_input
        if body is not None and body._chunked_input_error:
            # Where the next request begins is not known.
            self._unread = self.close_connection = True

    def _sendall(self, data: Any) -> None:
        sock, door = self.socket, self._door
        code: int = self.code or 0
        view = memoryview(data)
        # A page of many small parts never waits for a client that reads as fast as they are made.
        reader = self._reader
        reader.take_turns()
        try:
            sent = self._send_now(view)
            while sent < len(view):
                reader.take_turns()
                writing = Wait(sock, time.monotonic() + door.patience)
                door.expect(writing)
                try:
                    sent += sock.send(view[sent : sent + PART])
                finally:
                    door.forget(writing)
        except OSError as error:
            self._write_error = error
            self.status = f"socket error: {error}"
            self.code = -abs(code)
            raise
        self.response_length += len(view)

    def _send_now(self, data: memoryview) -> int:
        sock: Any = self.socket
        if with_tls(sock):
            # Which cannot be tried without waiting.
            return 0
        try:
            sent: int = sock._sock.send(data)
            return sent
        except (BlockingIOError, InterruptedError):
            return 0

    # ---- what goes wrong

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        if isinstance(v, OSError) and (
            v is self._write_error or (self._reader.ended and str(v).startswith(_ENDED))
        ):
            self._tell(logging.DEBUG, "client-gone", "a client went: %s", v)
            self.close_connection = True
            if self._write_error is None:
                self._send_error_response_if_possible(400)
            return
        self._tell_failed(v)
        if isinstance(v, _ENDS_THE_PROCESS):
            super().handle_error(t, v, tb)
        else:
            self._send_error_response_if_possible(500)

    def _tell_failed(self, error: BaseException) -> None:
        """Log what the application raised, whatever that is: gevent would write the environ, too,
        and without an end."""
        request: Any = self.environ or {}
        killed = isinstance(error, gevent.GreenletExit)
        if killed and self._door.stopping:
            # So the server ends what does not end by itself.
            return
        address = self._address()
        self._door.complaints.say(
            log,
            logging.ERROR,
            "page-failed",
            address,
            "%s %s from %s failed: %r%s",
            request.get("REQUEST_METHOD", "?"),
            without_sids(quote(request.get("PATH_INFO", "?").encode("latin-1", "replace"))),
            address or "?",
            error,
            " (it ends the process)" if isinstance(error, _ENDS_THE_PROCESS) else "",
            exc_info=error,
        )

    def _handle_client_error(self, ex: Any) -> Any:
        what = str(ex) if isinstance(ex, _BadBody) else type(ex).__name__
        bad = malformed(f"a request that makes no sense ({what})")
        self._door.tell_refused(self._address(), bad)
        return "400", answer(bad)

    def _refuse(self, bad: BadHead) -> None:
        self._door.tell_refused(self._address(), bad)
        access_log = self._access_log
        if access_log is not None:
            access_log.line(self._address(), "-", bad.status, None, 0.0)
        with contextlib.suppress(OSError):
            self.socket.sendall(answer(bad))
            self._read_away()

    def _tell(self, level: int, kind: str, message: str, *args: Any) -> None:
        self._door.tell(level, kind, self._address(), message, *args)

    def _address(self) -> str:
        address: Any = self.client_address
        return str(address[0]) if isinstance(address, tuple) else ""

    def _read_away(self) -> None:
        """Close so that the last answer is not lost: a reset would overtake it if something was
        still unread."""
        reader = self._reader
        reader.idle, reader.until = False, time.monotonic() + GRACE
        with contextlib.suppress(OSError, ValueError):
            # Below a TLS layer, whose own goodbye would wait for the client's.
            sock: Any = self.socket
            sock._sock.shutdown(stdlib_socket.SHUT_WR)
            left = UNWANTED
            while left > 0 and (data := self.rfile.read1(PART)):
                left -= len(data)
