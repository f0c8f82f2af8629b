"""A client that reads what is left for it at its connection's end, a little at a time."""

from __future__ import annotations

import gevent.event
import pytest

from sockio.sessions.patience import Patience

from .raw_websocket import RawWebSocket
from .transcript import PATIENCE

__all__ = ["reads_slowly"]

#: Bytes that are read between two looks of the server's.
LITTLE = 1_000_000


def reads_slowly(websocket: RawWebSocket, size: int, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Read ``size`` bytes, some whenever the server has looked whether any were read, and then all
    that comes to the end; gives the last of it."""
    looked = gevent.event.Event()
    left = Patience.left

    def look(self: Patience, now: float, taken: object) -> float:
        looked.set()
        return left(self, now, taken)

    monkeypatch.setattr(Patience, "left", look)
    sock, last = websocket.sock, b""
    while size > 0:
        assert looked.wait(PATIENCE), "the server does not look any more"
        looked.clear()
        some = LITTLE
        while some > 0 and (data := sock.recv(min(some, 65_536))):
            some -= len(data)
            size -= len(data)
            last = (last + data)[-1000:]
        assert data, f"it was cut, {size} bytes before its end"
    while data := sock.recv(65_536):
        last = (last + data)[-1000:]
    return last
