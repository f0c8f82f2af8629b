"""A connection to publish by, for programs without a loop: it blocks, and says what came of it."""

from __future__ import annotations

import secrets
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from ...exceptions import UsageError
from .address import Address, Connects
from .frames import MAX_PAYLOAD, publisher_bytes
from .library import reader
from .numbering import Numbering
from .topology import Place, Topology, slot_of

__all__ = ["BlockingPublisher"]

#: Seconds without a word after which the connection is tried out before it is used.
IDLE = 5.0
_NOTHING = object()
_NUMBER = struct.Struct(">Q")


class _Connection:
    """One, which is there."""

    def __init__(self, address: Connects, label: str) -> None:
        self._label = label
        self._sock = address.connect()
        self._sock.setblocking(True)
        self._sock.settimeout(5.0)
        self._reader = reader(_NOTHING)
        self._used = time.monotonic()

    def ask(self, data: bytes) -> Any:
        """The answer; an exception where that is an error."""
        self._sock.sendall(data)
        while (answer := self._reader.gets()) is _NOTHING:
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionError(f"{self._label} has closed the connection")
            self._reader.feed(data)
        self._used = time.monotonic()
        return answer

    def is_there(self) -> bool:
        """Whether it is, as far as anybody can tell."""
        if time.monotonic() - self._used <= IDLE:
            return True
        # The server, or somebody between, may have closed it: nothing is lost in that.
        try:
            self.ask(b"*1\r\n$4\r\nPING\r\n")
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._sock.close()


class BlockingPublisher:
    """Connections to the server, or to the nodes of a cluster, for all threads of a process; made
    when they are needed."""

    def __init__(self, url: str) -> None:
        self.address = Address(url)
        self._lock = threading.Lock()
        #: By the node; None where there is one server, or any node will do.
        self._connections: dict[Place | None, _Connection] = {}
        self._topology: Topology | None = None
        self._stale = False
        self._begin()

    def _begin(self) -> None:
        sharded = self._topology is not None and self._topology.shards
        name = secrets.token_urlsafe(9)
        self._numbering = Numbering(publisher_bytes(name), b"SPUBLISH" if sharded else b"PUBLISH")
        # Begins as no host does.
        self._name, self._number = f"~{name}", 0

    def publish(self, channel: str, payload: Callable[[str, int], bytes]) -> None:
        """``payload`` makes what is published, of a name and a number: those of one name are
        published in the order of their numbers, and no other connection ever has it."""
        with self._lock:
            answer = self._publish(channel, payload)
            if self._topology is not None and str(answer).startswith("MOVED"):
                # So it was not published.
                self._look()
                answer = self._publish(channel, payload)
            if isinstance(answer, Exception):
                raise answer

    def _publish(self, channel: str, make: Callable[[str, int], bytes]) -> Any:
        place = self._place_of(channel)
        connection = self._connections.get(place)
        if connection is not None and not connection.is_there():
            self._close(place)
            connection = None
        if connection is None:
            where = self.address if place is None else self.address.at(place)
            connection = self._connections[place] = _Connection(where, self.address.label)
            # What became of the last one is not known: it is not to be counted as missing.
            self._begin()
        self._number += 1
        payload = make(self._name, self._number)
        if len(payload) > MAX_PAYLOAD:
            raise UsageError(
                f"an emission of {len(payload)} bytes: more than {MAX_PAYLOAD} would cut off every "
                "process that is subscribed. Emit where the large part can be fetched."
            )
        counter = self._numbering.young.get(channel) or self._numbering.of(channel)
        counter.number += 1
        frame = counter.frame + _NUMBER.pack(counter.number) + payload
        try:
            return connection.ask(b"%b%d\r\n%b\r\n" % (counter.command, len(frame), frame))
        except BaseException:
            # Sent twice is worse than not known to be sent.
            self._close(place)
            raise

    def _place_of(self, channel: str) -> Place | None:
        if not self.address.sharded:
            return None
        if self._topology is None or self._stale:
            self._look()
        assert self._topology is not None
        if not self._topology.shards:
            return None
        place = self._topology.places[slot_of(channel.encode("utf-8", "surrogatepass"))]
        if place is None:
            self._stale = True
            raise ConnectionError(f"{self.address.label}: no node has the slot of {channel!r}")
        return place

    def _look(self) -> None:
        known = [] if self._topology is None else self._topology.nodes
        try:
            self._topology = self.address.topology(known)
        except ValueError as error:
            raise ConnectionError(f"{self.address.label}: {error}") from None
        masters = set(self._topology.places)
        for place in [*self._connections]:
            if place is not None and place not in masters:
                self._close(place)
        self._stale = False

    def _close(self, place: Place | None) -> None:
        connection = self._connections.pop(place, None)
        if connection is not None:
            connection.close()
            # A node that is gone may have a successor.
            self._stale = True

    def close(self) -> None:
        with self._lock:
            for place in [*self._connections]:
                self._close(place)
