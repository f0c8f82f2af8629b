"""The PROXY protocol, versions 1 and 2: a proxy that passes on bytes as they are says first whose
they are (HAProxy, ``doc/proxy-protocol.txt``).

:func:`read_source` knows the bytes; :class:`Sources` waits for them on a connection, before anybody
else reads from it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket as stdlib_socket
import struct
import time
from collections.abc import Callable
from typing import Any

from ..config.forwarded import TrustedProxies
from ..transports.connection import has_unread
from .door import Door
from .heads import BadHead, answer, malformed

__all__ = ["Source", "Sources", "read_source"]

V1, V2 = b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"
#: Bytes of a header of version 1, its end included, and of one of version 2 that is taken.
LONGEST_V1, LONGEST_V2 = 107, 4096
#: Seconds until it is looked for the rest of a header, which is sent in one piece; each time twice
#: as many as before.
LOOK = 0.01

#: By the family: the name in version 1, and the bytes of an address.
_TCP = {1: ("TCP4", 4), 2: ("TCP6", 16)}
_VERSIONS = {"v1": (V1,), "v2": (V2,)}


class Source(tuple[str, int]):
    """The address of a client, as the proxy saw it: stands where the peer's would."""

    #: The proxy's own address.
    peer: Any
    #: Such as ``TCP4``, and the address that the client connected to.
    protocol: str
    at: tuple[str, int]

    @classmethod
    def make(cls, protocol: str, source: tuple[str, int], at: tuple[str, int]) -> Source:
        found = cls(source)
        found.protocol, found.at = protocol, at
        return found


def read_source(data: bytes, versions: tuple[bytes, ...] = (V1, V2)) -> tuple[int, Source | None]:
    """The size of the header that ``data`` begins with, and the address in it, which is None where
    the proxy speaks for itself or does not know. (0, None) where there is no header, and (-1, None)
    where the rest of one is missing. Raises :class:`BadHead` for what is malformed."""
    for mark in versions:
        if data.startswith(mark):
            return _read_v1(data) if mark is V1 else _read_v2(data)
        if mark.startswith(data):
            return -1, None
    return 0, None


def _read_v1(data: bytes) -> tuple[int, Source | None]:
    line, end, _ = data[:LONGEST_V1].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST_V1:
            raise _bad()
        return -1, None
    size = len(line) + 2
    words = line.decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return size, None
    try:
        _, protocol, source, at, port, port_at = words
        wanted = {"TCP4": 4, "TCP6": 6}[protocol]
        for address in (source, at):
            if ipaddress.ip_address(address).version != wanted:
                raise ValueError
        found = Source.make(protocol, (source, _port(port)), (at, _port(port_at)))
    except (KeyError, ValueError):
        raise _bad() from None
    return size, found


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 0xFFFF):
        raise ValueError
    return int(text)


def _read_v2(data: bytes) -> tuple[int, Source | None]:
    if len(data) < 16:
        return -1, None
    command, family, length = struct.unpack_from("!BBH", data, 12)
    size = 16 + length
    if command not in (0x20, 0x21) or size > LONGEST_V2:
        raise _bad()
    if len(data) < size:
        return -1, None
    if command == 0x20 or family >> 4 == 0:
        return size, None
    name, width = _TCP.get(family >> 4, ("", 0))
    if not name or family & 15 != 1 or length < 2 * width + 4:
        raise _bad()
    source, at = (
        str(ipaddress.ip_address(data[begin : begin + width])) for begin in (16, 16 + width)
    )
    ports: tuple[int, int] = struct.unpack_from("!HH", data, 16 + 2 * width)
    return size, Source.make(name, (source, ports[0]), (at, ports[1]))


def _bad(reason: str = "a malformed header of the PROXY protocol") -> BadHead:
    return malformed(reason)


class Sources:
    """Reads the headers of one server's connections.

    ``version`` is ``v1``, ``v2``, or anything else for both. ``allowed`` are those who may send
    one; a connection without is what it seems to be.
    """

    def __init__(self, version: str, allowed: TrustedProxies | None) -> None:
        self.versions = _VERSIONS.get(version, (V1, V2))
        self._allowed = allowed

    def allows(self, address: Any) -> bool:
        """Whether who connects from there may say whose connection it is."""
        peer = {"REMOTE_ADDR": address[0]} if isinstance(address, tuple) else {}
        return self._allowed is not None and self._allowed.trusts(peer)

    def read(
        self, sock: Any, address: Any, door: Door, loop: Any, go_on: Callable[[Any, Any], object]
    ) -> None:
        """Wait for the beginning of a connection; then call ``go_on(sock, address)`` in the hub,
        with the header taken from it and the address in that."""
        _Waiting(self, sock, address, door, loop, go_on)


class _Waiting:
    """A connection of which the first bytes have not arrived."""

    wheel_slot: int | None = None
    idle = new = True

    def __init__(
        self,
        sources: Sources,
        sock: Any,
        address: Any,
        door: Door,
        loop: Any,
        go_on: Callable[[Any, Any], object],
    ) -> None:
        self._sources, self._sock, self._address = sources, sock, address
        # The kernel's own, below gevent's.
        self._raw = getattr(sock, "_sock", sock)
        self._door, self._go_on = door, go_on
        self._due = time.monotonic() + door.head_time
        self._readable = loop.io(sock.fileno(), 1)
        self._loop, self._pause = loop, LOOK
        self._again: Any = None
        door.expect(self)
        self._readable.start(self._look)

    def _look(self) -> None:
        # What is left in the kernel stays readable: it would be looked at again and again.
        self._readable.stop()
        try:
            data = self._raw.recv(LONGEST_V2, stdlib_socket.MSG_PEEK)
            if not data:
                self.give_up()
                return
            size, source = read_source(data, self._sources.versions)
            if size < 0:
                self._again = self._loop.timer(self._pause)
                self._again.start(self._look)
                self._pause *= 2
                return
            if size:
                if not self._sources.allows(self._address):
                    raise _bad("the PROXY protocol from an address that may not speak it")
                self._raw.recv(size)
        except (BlockingIOError, InterruptedError):
            self._readable.start(self._look)
        except BadHead as bad:
            self._refuse(bad)
        except OSError:
            self.give_up()
        else:
            self._let_go()
            if source is not None:
                source.peer = self._address
            self._go_on(self._sock, self._address if source is None else source)

    def _refuse(self, bad: BadHead) -> None:
        host = str(self._address[0]) if isinstance(self._address, tuple) else ""
        self._door.tell_refused(host, bad)
        with contextlib.suppress(OSError):
            self._raw.send(answer(bad))
            # Closing would reset the connection under the answer, where something is unread.
            self._raw.recv(LONGEST_V2)
        self.give_up()

    def _let_go(self) -> None:
        for watcher in (self._readable, self._again):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._door.forget(self)

    def deadline(self) -> float:
        return self._due

    def arrives(self) -> bool:
        return has_unread(self._sock)

    def overdue(self) -> None:
        self.give_up()

    def give_up(self) -> None:
        self._let_go()
        self._sock.close()
