"""A connection to publish by, for programs without a loop: it blocks, and says what came of it."""

from __future__ import annotations

import secrets
import struct
import threading
import time
from typing import Any

from ...exceptions import UsageError
from .address import Address
from .frames import MAX_PAYLOAD, publisher_bytes
from .library import reader
from .numbering import Numbering

__all__ = ["BlockingPublisher"]

#: Seconds without a word after which the connection is tried out before it is used.
IDLE = 5.0
_NOTHING = object()
_NUMBER = struct.Struct(">Q")


class BlockingPublisher:
    """One connection to the server, for all threads of a process; made when it is needed."""

    def __init__(self, url: str) -> None:
        self.address = Address(url)
        self._lock = threading.Lock()
        self._sock: Any = None
        self._reader: Any = None
        self._used = 0.0
        self._numbering = self._begin()

    @staticmethod
    def _begin() -> Numbering:
        return Numbering(publisher_bytes(secrets.token_urlsafe(9)), b"PUBLISH")

    def publish(self, channel: str, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD:
            raise UsageError(
                f"an emission of {len(payload)} bytes: more than {MAX_PAYLOAD} would cut off every "
                "process that is subscribed. Emit where the large part can be fetched."
            )
        with self._lock:
            if self._sock is not None and time.monotonic() - self._used > IDLE:
                # The server, or somebody between, may have closed it: nothing is lost in that.
                try:
                    self._ask(b"*1\r\n$4\r\nPING\r\n")
                except OSError:
                    self._close()
            if self._sock is None:
                self._sock = self.address.connect()
                self._sock.setblocking(True)
                self._sock.settimeout(5.0)
                self._reader = reader(_NOTHING)
                # What became of the last one is not known: it is not to be counted as missing.
                self._numbering = self._begin()
            counter = self._numbering.young.get(channel) or self._numbering.of(channel)
            counter.number += 1
            frame = counter.frame + _NUMBER.pack(counter.number) + payload
            try:
                answer = self._ask(b"%b%d\r\n%b\r\n" % (counter.command, len(frame), frame))
            except BaseException:
                # Sent twice is worse than not known to be sent.
                self._close()
                raise
            if isinstance(answer, Exception):
                raise answer

    def _ask(self, data: bytes) -> Any:
        self._sock.sendall(data)
        while (answer := self._reader.gets()) is _NOTHING:
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionError(f"{self.address.label} has closed the connection")
            self._reader.feed(data)
        self._used = time.monotonic()
        return answer

    def _close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def close(self) -> None:
        with self._lock:
            self._close()
