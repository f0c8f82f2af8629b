"""Payloads: several packets in the body of one HTTP request or answer.

A single packet is sent as it is. Two or more are each preceded by a mark, their length and a mark::

    U+FFFD 5 U+FFFD 3:::a U+FFFD 5 U+FFFD 3:::b

The length is what JavaScript takes for the length of a string: a number of UTF-16 code units, in
which a character beyond U+FFFF counts two (0.9 client 0.9.17, ``lib/parser.js``). WebSocket carries
one packet in each message and never a payload.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import PacketError
from .code_units import Pieces, utf16_length

__all__ = ["MARK", "decode_payload", "encode_payload"]

MARK = "\ufffd"

_MAX_DIGITS = 10
_LONGEST_HEADER = 1 + _MAX_DIGITS + 1  # mark, digits, mark


def encode_payload(packets: Sequence[str]) -> str:
    """The body that carries these packets: framed, but for a single one, which goes bare.

    No packets make an empty body. The packets are taken as they are; none that
    :func:`sockio.protocol.packet.encode` wrote is empty or starts with a mark.
    """
    if len(packets) == 1:
        return packets[0]
    return "".join([f"{MARK}{utf16_length(packet)}{MARK}{packet}" for packet in packets])


def decode_payload(text: str, max_packets: int = 10_000) -> list[str]:
    """The packets in a body, in order; ``[]`` for an empty body.

    All or nothing: a length that is not one to ten ASCII digits, that reaches past the end or cuts
    a character in two, a missing mark, anything left over, or more packets than `max_packets` raise
    :class:`~sockio.exceptions.PacketError`, so that no part of a damaged body is acted on. The
    packets are not looked at. The work grows with the length of the body and no faster.
    """
    if not text.startswith(MARK):
        return [text] if text else []
    pieces = Pieces(text)
    packets: list[str] = []
    while pieces.position < pieces.size:
        if len(packets) == max_packets:
            raise PacketError(f"more than {max_packets} packets in one payload")
        header = pieces.ahead(_LONGEST_HEADER)
        digits_end = header.find(MARK, 1)
        digits = header[1:digits_end]
        if header[0] != MARK or digits_end < 0 or not (digits.isascii() and digits.isdigit()):
            raise PacketError(
                f"packet {len(packets) + 1} of the payload, at code unit {pieces.position}, "
                f"does not start with mark, length, mark: {header!a}"
            )
        pieces.skip(digits_end + 1)
        length, left = int(digits), pieces.size - pieces.position
        if length > left:
            raise PacketError(
                f"packet {len(packets) + 1} of the payload says it is {digits} code units long, "
                f"but {left} are left"
            )
        packet = pieces.take(length)
        if packet is None:
            raise PacketError(f"packet {len(packets) + 1} of the payload ends inside a character")
        packets.append(packet)
    return packets
