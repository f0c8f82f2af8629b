"""What a peer may have TLS do before it comes back to us.

A read over TLS comes back with data, or when the kernel has no more: what carries none is worked
off inside of OpenSSL, one record after the other, for as long as the peer sends it. Updates of its
key in TLS 1.3, greetings in 1.2 that ask to begin anew, a handshake in pieces of a byte: nothing of
ours has a say between two of them, and there is no way to have Python's TLS return. So they are
counted, by what Python calls for each record, and who sends too many is cut there and then: OpenSSL
finds that the connection has ended, and so does everybody above it.

The same place sees a client's greeting before OpenSSL answers it. What one costs is a matter of
the key exchange that the client chooses: one by finite fields of 8192 bits takes a hundred times as
long as any other.

OpenSSL itself ends a connection over 32 empty records in a row, five warnings, and data ahead of
the handshake.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
import types
import weakref
from collections.abc import Callable
from typing import Any

from ..transports.connection import cut_dry
from .tls_hello import key_shares

__all__ = ["RECORDS", "WINDOW", "Told", "count_records", "watch_records"]

#: Records without data of one connection in so many seconds. A handshake takes about four, and a
#: client updates its key once in 24 million records.
RECORDS, WINDOW = 250, 60.0
#: Groups of key exchanges that are refused, ffdhe6144 and 8192. No client guesses that a server
#: wants one of these.
COSTLY = {0x0103, 0x0104}

#: Called with a code and what was wrong when a connection is ended; within a read, so it must not
#: block.
Told = Callable[[str, str], object]

# Kinds (openssl/ssl3.h): the five bytes in front of a record, and what TLS 1.3 encrypts of them.
# All others are of what a record holds.
_HEADER, _INNER, _HANDSHAKE = 256, 257, 22
_CLIENT_HELLO = 1
#: In TLS 1.3 also in front of what is something else inside.
_DATA = 23


class _Peer:
    """What one peer has sent."""

    __slots__ = ("_ends", "_left", "_sock", "_tell")

    def __init__(self, sock: Any, tell: Told) -> None:
        self._sock = weakref.ref(sock)
        self._tell: Told | None = tell
        self._left = RECORDS
        self._ends = 0.0

    def sent(self, conn: Any) -> None:
        """A record without data."""
        now = time.monotonic()
        if now >= self._ends:
            self._left, self._ends = RECORDS, now + WINDOW
        self._left -= 1
        if self._left < 0:
            cut_dry(conn)
            self._say(
                "too-many-records", f"more than {RECORDS} records without data in {WINDOW:.0f} s"
            )

    def greets(self, hello: bytes) -> None:
        sock = self._sock()
        if sock is not None and not COSTLY.isdisjoint(key_shares(hello)):
            # OpenSSL asks it next, and tells the client.
            sock.context = _refusing()
            self._say("costly-key-exchange", "a key exchange of more than 4096 bits")

    def _say(self, code: str, what: str) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(code, what)


@functools.cache
def _refusing() -> ssl.SSLContext:
    """A context with which no handshake goes on: it has no certificate, and lets nobody choose
    another context that has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
    return context


#: Those that are watched, by the sockets that OpenSSL reads from.
_peers: weakref.WeakKeyDictionary[Any, _Peer] = weakref.WeakKeyDictionary()


# Called for each record twice, both ways, within reads and writes: it must not switch to another
# task, nor raise.
def _seen(conn: Any, direction: str, version: int, kind: int, what: int, data: bytes) -> None:
    if what == _DATA or direction == "write":
        return
    peer = None if conn is None else _peers.get(conn)
    if peer is None:
        return
    if kind >= _HEADER:
        peer.sent(conn)
    elif kind == _HANDSHAKE and what == _CLIENT_HELLO:
        peer.greets(data)


# What Python's own property in front of the one below looks for.
_seen.user_function = None  # type: ignore[attr-defined]


def watch_records(context: Any) -> None:
    """Have the records of each connection that is made with ``context`` from now on looked at;
    again and again is once. A callback of the application's (``_msg_callback``) is called, too, and
    a context that its ``sni_callback`` chooses is looked at as well.

    Does nothing to what is none of Python's own contexts.
    """
    callback = _callback_of(context)
    if callback is None:
        return
    by_name = context.sni_callback
    if by_name is not None and not hasattr(by_name, "watches_records"):
        context.sni_callback = _following(by_name)
    before = callback.__get__(context)
    if before is None:
        callback.__set__(context, _seen)
    elif before is not _seen and not hasattr(before, "watches_records"):
        callback.__set__(context, _both(before))


def _both(before: Callable[..., Any]) -> Callable[..., Any]:
    def seen(*args: Any) -> Any:
        _seen(*args)
        return before(*args)

    seen.user_function = getattr(before, "user_function", before)  # type: ignore[attr-defined]
    seen.watches_records = True  # type: ignore[attr-defined]
    return seen


def _following(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Have what the application chooses by the name that a client asks for watched at once: within
    the same call of OpenSSL the client may have sent more."""

    @functools.wraps(choose)
    def chosen(sock: Any, name: str | None, asked: Any) -> Any:
        result = choose(sock, name, asked)
        context = sock.context
        if context is not asked:
            watch_records(context)
            # It counts when it is set.
            sock.context = context
        return result

    chosen.watches_records = True  # type: ignore[attr-defined]
    return chosen


def _callback_of(context: Any) -> Any:
    """The property that OpenSSL's callback is set by: below Python's, which makes enums of numbers
    before it calls anybody."""
    for each in reversed(type(context).__mro__):
        found = vars(each).get("_msg_callback")
        if found is not None:
            return found if isinstance(found, types.GetSetDescriptorType) else None
    return None


def count_records(sock: Any, tell: Told) -> None:
    """End a connection, and ``tell``, when its peer sends more than :data:`RECORDS` without data in
    :data:`WINDOW` seconds, or wants a key exchange that is :data:`COSTLY`. ``sock`` has been made
    by a context that is watched."""
    with contextlib.suppress(TypeError):  # no weak reference to it: a TLS that is not Python's
        _peers[getattr(sock, "_sock", sock)] = _Peer(sock, tell)
