"""One packet of Engine.IO, revisions 3 and 4, as a pair and as what travels on a websocket.

::

    TYPE [DATA]

=  =======  ==============  ===================================================
0  open     ``0{...}``      the handshake: :mod:`sockio.protocol.engine_handshake`
1  close    ``1``
2  ping     ``2``           ``2probe`` when a websocket is tried out
3  pong     ``3``           ``3probe``
4  message  ``4hello``      what Engine.IO is for
5  upgrade  ``5``           from now on by this websocket
6  noop     ``6``           ends a poll that has nothing to say
=  =======  ==============  ===================================================

A packet is a pair of its type's name and its data: a ``str``, or ``bytes``, which only messages
can have. Text is written alike in both revisions. Bytes are not:

==================  ====================  ==========================
binary message      revision 4 (EIO=4)    revision 3 (EIO=3)
==================  ====================  ==========================
binary frame        the bytes             ``04`` (a byte), the bytes
text                ``b`` and base64      ``b4`` and base64
==================  ====================  ==========================

The text form is what polling uses, and websockets of clients that asked for ``b64``. It is accepted
wherever text is.

Facts: Engine.IO protocol, revisions 3 and 4; engine.io-parser 5.2.3 and 2.2.1. They forgive more:
base64 of any kind, and in revision 3 binary data of any type. Here it has to be standard base64
with its padding, and a message.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from typing import Literal

from ..exceptions import PacketError, UsageError
from .echo import echo

__all__ = [
    "PACKET_TYPES",
    "EnginePacket",
    "EngineType",
    "decode_packet_v3",
    "decode_packet_v4",
    "encode_packet",
    "in_base64_v3",
    "in_base64_v4",
    "in_binary_v3",
]

EngineType = Literal["open", "close", "ping", "pong", "message", "upgrade", "noop"]

EnginePacket = tuple[EngineType, str | bytes]
"""The type and the data, which is "" where there is none."""

PACKET_TYPES: dict[EngineType, str] = {
    "open": "0",
    "close": "1",
    "ping": "2",
    "pong": "3",
    "message": "4",
    "upgrade": "5",
    "noop": "6",
}
_NAMES: dict[str, EngineType] = {digit: name for name, digit in PACKET_TYPES.items()}

_MESSAGE_BYTE = b"\x04"
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def encode_packet(kind: EngineType, data: str = "") -> str:
    """The text of a packet, such as ``4hello``, in either revision."""
    try:
        digit = PACKET_TYPES[kind]
    except (KeyError, TypeError):
        known = ", ".join(PACKET_TYPES)
        raise UsageError(
            f"the type of an Engine.IO packet is one of {known}; got {kind!r}"
        ) from None
    if not isinstance(data, str):
        raise UsageError(
            f"the data of an Engine.IO packet is a str here, not {type(data).__name__}; "
            "bytes are written by in_base64_v3, in_base64_v4 or in_binary_v3"
        )
    return digit + data


def in_base64_v4(data: bytes) -> str:
    """A binary message as text in revision 4: ``bAQIDBA==``."""
    return "b" + b2a_base64(data, newline=False).decode("ascii")


def in_base64_v3(data: bytes) -> str:
    """A binary message as text in revision 3: ``b4AQIDBA==``."""
    return "b4" + b2a_base64(data, newline=False).decode("ascii")


def in_binary_v3(data: bytes) -> bytes:
    """A binary message as a binary frame in revision 3. (In revision 4 the frame is the data.)"""
    return _MESSAGE_BYTE + data


def decode_packet_v4(frame: str | bytes) -> EnginePacket:
    """The packet in a text frame (a ``str``) or a binary frame (``bytes``) of revision 4.

    Total: anything gives a packet or one :class:`~sockio.exceptions.PacketError`. An empty text is
    no packet, an empty binary frame is an empty message.
    """
    if not isinstance(frame, str):
        return "message", frame
    try:
        return _NAMES[frame[0]], frame[1:]
    except (KeyError, IndexError):
        if frame[:1] == "b":
            return "message", _from_base64(frame[1:])
        raise _no_packet(frame) from None


def decode_packet_v3(frame: str | bytes) -> EnginePacket:
    """The packet in a text frame (a ``str``) or a binary frame (``bytes``) of revision 3.

    Total: anything gives a packet or one :class:`~sockio.exceptions.PacketError`. No frame is empty
    here, because each begins with its type.
    """
    if not isinstance(frame, str):
        if frame[:1] != _MESSAGE_BYTE:
            raise PacketError(
                f"a binary packet of Engine.IO 3 starts with the byte 4 of a message: {echo(frame)}"
            )
        return "message", frame[1:]
    try:
        return _NAMES[frame[0]], frame[1:]
    except (KeyError, IndexError):
        if frame[:2] == "b4":
            return "message", _from_base64(frame[2:])
        raise _no_packet(frame) from None


def _from_base64(text: str) -> bytes:
    # What binascii (and base64, with validate) overlooks differs from Python to Python.
    if len(text) % 4 or not _BASE64.fullmatch(text):
        raise PacketError(f"a binary message is not standard base64 with its padding: {echo(text)}")
    return a2b_base64(text)


def _no_packet(frame: str) -> PacketError:
    return PacketError(f"an Engine.IO packet starts with a type from 0 to 6: {echo(frame)}")
