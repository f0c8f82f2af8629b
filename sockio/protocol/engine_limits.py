"""How much of a polling body is taken in: the bounds that both revisions of Engine.IO share."""

from __future__ import annotations

from typing import NamedTuple

from ..exceptions import PacketError
from .engine_packet import EnginePacket

__all__ = ["DEFAULT_LIMITS", "Decoded", "PayloadLimits", "body_text", "check_count", "stopped"]

Decoded = tuple[list[EnginePacket], PacketError | None]
"""The packets up to the first bad one, and what was wrong with that one, if any.

Whoever handles the packets handles them first and then ends the session, as engine.io does.
"""


class PayloadLimits(NamedTuple):
    """Bounds of one body."""

    #: Bytes of the body; a larger one gives no packet at all.
    max_bytes: int = 1_000_000
    #: Packets in it; the next one is a bad packet. engine.io has no such bound, and a body of 1 MB
    #: can hold half a million.
    max_packets: int = 10_000
    #: Digits of a length in revision 3; what has more is a bad packet.
    max_digits: int = 10


DEFAULT_LIMITS = PayloadLimits()


def body_text(body: str | bytes, limits: PayloadLimits) -> str:
    """The text of a body. Raises ``PacketError`` for one too large, empty, or not UTF-8."""
    # A str is no longer than its bytes: where it passes, they are counted only if they may not.
    size = len(body)
    if isinstance(body, str) and size <= limits.max_bytes < 4 * size and not body.isascii():
        size = len(body.encode("utf-8", "surrogatepass"))
    if size > limits.max_bytes:
        raise PacketError(f"a payload of {size} bytes is larger than {limits.max_bytes}")
    if not body:
        raise PacketError("the payload is empty")
    if isinstance(body, str):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise PacketError(f"the payload is not UTF-8 (at byte {error.start})") from None


def stopped(packets: list[EnginePacket], error: PacketError) -> Decoded:
    """What was read before ``error``, which is given without its traceback: that knows the frames
    of whoever keeps it, so a megabyte of packets would wait for the garbage collector."""
    return packets, PacketError(str(error))


def check_count(before: int, limits: PayloadLimits) -> None:
    """Raise ``PacketError`` if ``before`` packets are all that a body may have."""
    if before >= limits.max_packets:
        raise PacketError(f"more than {limits.max_packets} packets in one payload")
