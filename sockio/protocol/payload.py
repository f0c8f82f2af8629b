"""Payloads: several packets in the body of one HTTP request or answer.

A single packet is sent as it is. Two or more are each preceded by a mark, their length and a mark::

    U+FFFD 5 U+FFFD 3:::a U+FFFD 5 U+FFFD 3:::b

The length is what JavaScript takes for the length of a string: a number of UTF-16 code units, in
which a character beyond U+FFFF counts two (0.9 client 0.9.17, ``lib/parser.js``). WebSocket carries
one packet in each message and never a payload.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..exceptions import PacketError

__all__ = [
    "MARK",
    "decode_payload",
    "encode_payload",
    "from_utf16",
    "to_utf16",
    "utf16_length",
]

MARK = "\ufffd"

_MAX_DIGITS = 10
_LONGEST_HEADER = 1 + _MAX_DIGITS + 1  # mark, digits, mark


def utf16_length(text: str) -> int:
    """The number of UTF-16 code units in a text; a lone surrogate counts as one."""
    if text.isascii():
        return len(text)
    return len(to_utf16(text)) // 2


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
    units = to_utf16(text)
    size = len(units) // 2
    if size == len(text):  # no character counts two, so an index into the text is a count of units
        return _split(lambda start, stop: text[start:stop], size, max_packets)
    return _split(lambda start, stop: from_utf16(units[2 * start : 2 * stop]), size, max_packets)


def _split(read: Callable[[int, int], str], size: int, max_packets: int) -> list[str]:
    """Walk the frames; `read` gives the text between two positions, both counted in code units."""
    packets: list[str] = []
    position = 0
    while position < size:
        if len(packets) == max_packets:
            raise PacketError(f"more than {max_packets} packets in one payload")
        header = read(position, position + _LONGEST_HEADER)
        digits_end = header.find(MARK, 1)
        digits = header[1:digits_end]
        # A length that cut a character in two is found here as well: what follows is not a mark.
        if header[0] != MARK or digits_end < 0 or not (digits.isascii() and digits.isdigit()):
            raise PacketError(
                f"packet {len(packets) + 1} of the payload, at code unit {position}, "
                f"does not start with mark, length, mark: {header!a}"
            )
        start = position + digits_end + 1
        position = start + int(digits)
        if position > size:
            raise PacketError(
                f"packet {len(packets) + 1} of the payload says it is {digits} code units long, "
                f"but {size - start} are left"
            )
        packets.append(read(start, position))
    return packets


# A str may hold lone surrogates (they arrive as "\ud800" in JSON); counting must not fail on them.
def to_utf16(text: str) -> bytes:
    """The code units of a text, two bytes each; a lone surrogate is one of them."""
    return text.encode("utf-16-le", "surrogatepass")


def from_utf16(units: bytes) -> str:
    """The text that :func:`to_utf16` was given; any even number of bytes gives some text."""
    return units.decode("utf-16-le", "surrogatepass")
