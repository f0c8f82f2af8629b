"""Payloads of Engine.IO 4: the packets of one polling body, joined by U+001E.

::

    4hello U+001E 2 U+001E bAQIDBA==

Bodies are UTF-8 text in both directions; what is binary is base64. Nothing escapes the separator:
a message of text that holds one cannot be carried by a poll. (In JSON it cannot occur.)

Facts: Engine.IO protocol, revision 4; engine.io-parser 5.2.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import PacketError
from .engine_limits import DEFAULT_LIMITS, Decoded, PayloadLimits, body_text, check_count, stopped
from .engine_packet import EnginePacket, decode_packet_v4, in_base64_v4

__all__ = ["SEPARATOR", "decode_payload_v4", "encode_payload_v4"]

SEPARATOR = "\x1e"


def encode_payload_v4(packets: Sequence[str | bytes]) -> str:
    """The body that carries these packets: each the text of a packet, or a binary message's data.

    No packets would make an empty body, which to a client is an error.
    """
    return SEPARATOR.join(
        [packet if isinstance(packet, str) else in_base64_v4(packet) for packet in packets]
    )


def decode_payload_v4(body: str | bytes, limits: PayloadLimits = DEFAULT_LIMITS) -> Decoded:
    """The packets of a body, and the error that ended it or None.

    Total, and nothing is raised. Reading stops at the first bad packet; a body that is too large,
    not UTF-8 or empty gives none at all. The work grows with the length of
    the body and no faster.
    """
    packets: list[EnginePacket] = []
    try:
        text = body_text(body, limits)
        for number, packet in enumerate(text.split(SEPARATOR, limits.max_packets)):
            check_count(number, limits)
            packets.append(decode_packet_v4(packet))
    except PacketError as error:
        return stopped(packets, error)
    return packets, None
