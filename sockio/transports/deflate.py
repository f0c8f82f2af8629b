"""permessage-deflate (RFC 7692), agreed on so that a message compressed once serves everybody.

No side keeps its window from one message to the next: a connection costs no memory for it while
nothing is said, and a broadcast is compressed once for all who have agreed.
"""

from __future__ import annotations

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from .answers import Header

__all__ = ["agreed", "deflated_frame"]

#: Characters of offers that are looked at: browsers send fifty, and a head of them takes as long to
#: read as a megabyte of anything else.
LONGEST = 1000

#: What reads the messages of one client.
Extension = PerMessageDeflate

_FACTORY = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True
)
#: The largest window there is: who wants a smaller one would need frames of its own.
_BITS = 15
#: Writes for everybody: it keeps nothing from one message to the next. At the fastest level, since
#: the time is the event loop's.
_SHARED = PerMessageDeflate(True, True, _BITS, _BITS, {"level": 1})


def agreed(offers: str) -> tuple[Header, Extension] | None:
    """What is agreed on by the offers in a request's ``Sec-WebSocket-Extensions``: the header that
    says so, and what reads the client's messages; None where nothing is."""
    if len(offers) > LONGEST:
        return None
    try:
        parsed = parse_extension(offers)
    except InvalidHeader:
        return None
    for name, params in parsed:
        if name != _FACTORY.name:
            continue
        try:
            said, extension = _FACTORY.process_request_params(params, [])
        except NegotiationError:
            continue
        if extension.local_max_window_bits == _BITS:
            return ("Sec-WebSocket-Extensions", build_extension([(name, list(said))])), extension
    return None


def deflated_frame(data: bytes, *, binary: bool) -> bytes:
    """One unmasked frame that holds a compressed message."""
    opcode = Opcode.BINARY if binary else Opcode.TEXT
    return Frame(opcode, data).serialize(mask=False, extensions=[_SHARED])
