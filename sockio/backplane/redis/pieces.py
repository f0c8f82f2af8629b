"""An answer that is longer than one publication may be.

::

    how many pieces there are, which one this is (a byte each, from 0), and the piece
"""

from __future__ import annotations

from ...exceptions import PacketError, UsageError

__all__ = ["MOST_BYTES", "Pieces", "in_pieces"]

#: Bytes of a piece, of an answer, and of all answers that are not complete.
_PIECE, MOST_BYTES, _MOST_WAITING = 900_000, 10_000_000, 50_000_000
_MOST_PIECES = -(-MOST_BYTES // _PIECE)


def in_pieces(data: bytes) -> list[bytes]:
    """Raises ``UsageError`` for what is too long."""
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"an answer of {len(data)} bytes: more than {MOST_BYTES} do not go to another host. "
            "Ask for fewer clients at a time."
        )
    count = max(1, -(-len(data) // _PIECE))
    return [
        bytes((count, number)) + data[number * _PIECE : (number + 1) * _PIECE]
        for number in range(count)
    ]


class Pieces:
    """Those that have come, by their sender: each sends an answer's pieces one behind the other."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[bytes]] = {}
        self._size = 0

    def add(self, name: str, payload: bytes) -> bytes | None:
        """The whole, when this was the last. Raises ``PacketError`` for what is no piece, or does
        not follow those that came before."""
        if len(payload) < 2:
            raise PacketError("an answer that ends too early")
        count, number, piece = payload[0], payload[1], payload[2:]
        if number == 0:
            self.forget(name)
        some = self._by_name.get(name, [])
        if not number < count <= _MOST_PIECES or number != len(some) or len(piece) > _PIECE:
            raise PacketError("a piece of an answer that does not follow")
        if number + 1 == count:
            self.forget(name)
            return b"".join([*some, piece])
        if self._size + len(piece) > _MOST_WAITING:
            raise PacketError("a piece of an answer, and too many others are not complete")
        self._size += len(piece)
        self._by_name.setdefault(name, []).append(piece)
        return None

    def forget(self, name: str) -> None:
        """It will not send the rest."""
        self._size -= sum(map(len, self._by_name.pop(name, ())))
