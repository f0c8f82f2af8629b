"""Payloads of Engine.IO 3: the packets of one polling body, each behind its length.

As text, where nothing is binary or the client asked for ``b64``; the length is a number of UTF-16
code units, in which a character beyond U+FFFF counts two::

    6:4hello 2:40 10:b4AQIDBA==

As bytes (``application/octet-stream``), where one of the packets is binary: a byte 0 before text
and 1 before what is binary, the length as one byte for each digit, a byte 255, the packet. The
length is a number of bytes::

    00 06 ff 34 68 65 6c 6c 6f     4hello
    01 05 ff 04 01 02 03 04        the message 01 02 03 04

Facts: Engine.IO protocol, revision 3; engine.io-parser 2.2.1. It reads lengths by JavaScript's
``Number()`` and takes ``0x2``, `` 2``, ``2e0`` or ``002``, in bytes also a length that runs past
the end, and any marker. Here a length is decimal, without leading zeros, and what it says is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..exceptions import PacketError
from .code_units import Pieces, to_utf16, utf16_length
from .double_utf8 import encode_twice, is_encoded_twice, undo_double
from .echo import echo
from .engine_limits import DEFAULT_LIMITS, Decoded, PayloadLimits, body_text, check_count, stopped
from .engine_packet import EnginePacket, decode_packet_v3, in_base64_v3, in_binary_v3

__all__ = [
    "decode_binary_payload_v3",
    "decode_payload_v3",
    "encode_binary_payload_v3",
    "encode_payload_v3",
]

_TEXT, _BINARY, _END = b"\x00", b"\x01", b"\xff"
# Digits as byte values and as characters; whatever is no digit becomes "x".
_AS_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_AS_CHARACTERS = bytes(range(48, 58)) + b"x" * 246
#: The body without a packet, as the reference writes it.
_NO_PACKETS = "0:"


def encode_payload_v3(packets: Sequence[str | bytes], *, twice: bool = False) -> str:
    """The text body that carries these packets: each the text of a packet, or a binary message's
    data, which becomes base64.

    ``twice`` is for clients 1.x (see :mod:`sockio.protocol.double_utf8`): text in UTF-8, as
    characters, the lengths counted so. Without it they read ASCII only.
    """
    texts = [packet if isinstance(packet, str) else in_base64_v3(packet) for packet in packets]
    if twice:
        texts = [encode_twice(text) for text in texts]
    return "".join([f"{utf16_length(text)}:{text}" for text in texts]) or _NO_PACKETS


def encode_binary_payload_v3(packets: Sequence[str | bytes]) -> bytes:
    """The binary body that carries these packets: each the text of a packet, or a binary message's
    data. Clients of 1.x and 2.x read it alike. Lone surrogates become U+FFFD."""
    parts: list[bytes] = []
    for packet in packets:
        text = isinstance(packet, str)
        data = _utf8(packet) if isinstance(packet, str) else in_binary_v3(packet)
        digits = str(len(data)).encode().translate(_AS_VALUES)
        parts += (_TEXT if text else _BINARY, digits, _END, data)
    return b"".join(parts)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return to_utf16(text).decode("utf-16-le", "replace").encode()


def decode_payload_v3(
    body: str | bytes, limits: PayloadLimits = DEFAULT_LIMITS, *, twice: bool | None = None
) -> Decoded:
    """The packets of a text body, and the error that ended it or None.

    Total, and nothing is raised. Reading stops at the first bad packet; a body that is too large,
    not UTF-8 or empty gives none at all. ``twice`` says whether the client encodes in UTF-8 twice;
    None looks at the body. The work grows with the length of the body and no faster.
    """
    packets: list[EnginePacket] = []
    try:
        text = body_text(body, limits)
        if text != _NO_PACKETS:
            undo = twice if twice is not None else is_encoded_twice(text)
            for packet in _split_text(text, limits):
                packets.append(decode_packet_v3(_undone(packet) if undo else packet))
    except PacketError as error:
        return stopped(packets, error)
    return packets, None


def _undone(packet: str) -> str:
    try:
        return undo_double(packet)
    except ValueError:
        raise PacketError(f"a packet is not in UTF-8 twice: {echo(packet)}") from None


def _split_text(text: str, limits: PayloadLimits) -> Iterator[str]:
    pieces = Pieces(text)
    count = 0
    while pieces.position < pieces.size:
        check_count(count, limits)
        count += 1
        header = pieces.ahead(limits.max_digits + 1)
        digits, colon, _ = header.partition(":")
        if not colon:
            raise PacketError(f"packet {count} of the payload has no length: {echo(header)}")
        pieces.skip(len(digits) + 1)
        packet = pieces.take(_length(digits, pieces.size - pieces.position, count))
        if packet is None:
            raise PacketError(f"packet {count} of the payload ends inside a character")
        yield packet


def decode_binary_payload_v3(body: bytes, limits: PayloadLimits = DEFAULT_LIMITS) -> Decoded:
    """The packets of a binary body, and the error that ended it or None.

    As :func:`decode_payload_v3`, but an empty body is one without packets and no error.
    """
    packets: list[EnginePacket] = []
    try:
        if len(body) > limits.max_bytes:
            raise PacketError(f"a payload of {len(body)} bytes is larger than {limits.max_bytes}")
        for packet in _binary_frames(body, limits):
            packets.append(decode_packet_v3(packet))
    except PacketError as error:
        return stopped(packets, error)
    return packets, None


def _binary_frames(body: bytes, limits: PayloadLimits) -> Iterator[str | bytes]:
    position = count = 0
    while position < len(body):
        check_count(count, limits)
        count += 1
        marker = body[position : position + 1]
        end = body.find(_END, position + 1, position + limits.max_digits + 2)
        if end < 0 or marker not in (_TEXT, _BINARY):
            raise PacketError(
                f"packet {count} of the payload does not start with 0 or 1, digits and 255: "
                f"{echo(body[position : position + limits.max_digits + 2])}"
            )
        digits = body[position + 1 : end].translate(_AS_CHARACTERS).decode("ascii")
        start = end + 1
        position = start + _length(digits, len(body) - start, count)
        data = body[start:position]
        if marker == _BINARY:
            yield data
        else:
            try:
                yield data.decode()
            except UnicodeDecodeError:
                raise PacketError(
                    f"packet {count} of the payload is not UTF-8: {echo(data)}"
                ) from None


def _length(digits: str, left: int, count: int) -> int:
    # Leading zeros are refused, and with them packets of no length.
    if not (digits.isascii() and digits.isdigit()) or digits[0] == "0":
        raise PacketError(
            f"the length of packet {count} of the payload is no decimal number: {echo(digits)}"
        )
    length = int(digits)
    if length > left:
        raise PacketError(
            f"packet {count} of the payload says it is {digits} long, but {left} are left"
        )
    return length
