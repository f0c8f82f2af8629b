"""Where the relays of one worker meet those of the others: by a key that a middleware's have in
common, over the worker's mesh."""

from __future__ import annotations

import hashlib
import struct
from typing import Protocol

from ...exceptions import PacketError
from ..mesh.link import Frame, Link
from ..mesh.mesh import Mesh
from .frames import KEY, KIND

__all__ = ["Place", "Relays", "key_of"]


class Place(Protocol):
    """What a middleware has here."""

    def joined(self, boot: str) -> None:
        """A worker has come."""
        ...

    def left(self, boot: str) -> None:
        """A worker is gone."""
        ...

    def take(self, boot: str, what: int, payload: bytes) -> None:
        """A worker has sent something. Raises ``PacketError`` or ``struct.error`` for what makes no
        sense."""
        ...


def key_of(group: str, url: str) -> bytes:
    """The key of those who share ``group``, and hear the same server."""
    named = f"{group}\n{url}".encode("utf-8", "surrogatepass")
    return hashlib.blake2s(named, digest_size=KEY).digest()


class Relays:
    """Those of one worker, one for each of its middlewares with such a backplane."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._places: dict[bytes, Place] = {}
        mesh.take(KIND, self._take)
        mesh.on_join.append(self._joined)
        mesh.on_leave.append(self._left)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def add(self, key: bytes, place: Place) -> None:
        self._places[key] = place

    def remove(self, key: bytes) -> None:
        self._places.pop(key, None)

    def send(self, key: bytes, boot: str, what: int, payload: bytes = b"") -> bool:
        """Send something to the same place of another worker; whether that was possible."""
        return self.mesh.send(boot, KIND, b"%b%c%b" % (key, what, payload))

    def _take(self, link: Link, frame: Frame) -> None:
        payload = frame.payload
        place = self._places.get(payload[:KEY])
        if place is None:
            return  # the other has a middleware that this one lacks, or has it later
        try:
            place.take(link.peer, payload[KEY], payload[KEY + 1 :])
        except (IndexError, struct.error) as error:
            raise PacketError("a frame of a relay that ends too early") from error

    def _joined(self, boot: str) -> None:
        for place in list(self._places.values()):
            place.joined(boot)

    def _left(self, boot: str) -> None:
        for place in list(self._places.values()):
            place.left(boot)
