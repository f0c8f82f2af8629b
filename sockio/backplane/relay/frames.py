"""What workers say to each other about a relay.

::

    KEY (8 bytes)  what it is (1 byte)  payload

The key is the same for a middleware in each worker of a host, and for no other.

    HERE      for all: takes part; when its process began to (8 bytes, big-endian), and whether the
              other is to say it, too
    GONE      for all: takes part no more

from one who listens to one who feeds it

    ATTACH    is going to listen: what was wanted before is not. A number (4 bytes), that what comes
              back on account of it begins with
    COMMANDS  what it wants, as the server is told
    LIVE      say it from now on; with a 1, where something was heard, say again before that what
              came behind the first of these marks (length in a byte, mark; the last one that was
              heard first) that is known, or all that is kept
    HOLD      say no more, and be prepared for LIVE: all that is wanted has been said
    LEAVE     does not listen any more
    PING      is to be answered

and back, all but the last behind the number of the ATTACH

    STANDS    whether the server is heard (1 byte)
    FROM      the mark behind which it goes on; empty where that is not known
    REPLIES   what the server has said, as it says it
    TICK      a mark that has come, where nothing else is said
    END       nothing is said any more: ATTACH
    PONG
"""

from __future__ import annotations

from struct import Struct

from ...exceptions import PacketError

__all__ = [
    "ATTACH",
    "COMMANDS",
    "END",
    "FROM",
    "GONE",
    "HEARD",
    "HERE",
    "HOLD",
    "KEY",
    "KIND",
    "LEAVE",
    "LIVE",
    "NUMBER",
    "PING",
    "PONG",
    "REPLIES",
    "STANDS",
    "TICK",
    "confirmed",
    "head_of_message",
    "marks_from",
    "marks_to",
    "overheard",
    "read_here",
    "write_here",
]

#: The kind of these frames on a link, and the bytes of a key.
KIND, KEY = 8, 8
HERE, GONE, ATTACH, COMMANDS, LIVE, HOLD, LEAVE, PING = range(1, 9)
STANDS, FROM, REPLIES, TICK, END, PONG = range(9, 15)
#: What a LIVE begins with where something was heard.
HEARD = b"\1"

_HERE = Struct(">Q?")
NUMBER = Struct(">I")


def write_here(began: int, asks: bool) -> bytes:
    return _HERE.pack(began, asks)


def read_here(payload: bytes) -> tuple[int, bool]:
    """Raises ``struct.error`` for what is none."""
    began, asks = _HERE.unpack_from(payload)
    return began, asks


def marks_to(marks: list[bytes]) -> bytes:
    return b"".join([bytes((len(mark),)) + mark for mark in marks])


def marks_from(payload: bytes) -> list[bytes]:
    """Raises ``PacketError`` for what are none."""
    marks, at = [], 0
    while at < len(payload):
        end = at + 1 + payload[at]
        if end > len(payload):
            raise PacketError("marks that end too early")
        marks.append(payload[at + 1 : end])
        at = end
    return marks


def head_of_message(channel: bytes) -> bytes:
    """What a publication begins with, as the server says it to a subscriber: its length and the
    payload follow."""
    return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$" % (len(channel), channel)


def overheard(pattern: bytes, channel: bytes, payload: bytes) -> bytes:
    """A publication, as the server says it to who is subscribed to a pattern."""
    return b"*4\r\n$8\r\npmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
        len(pattern),
        pattern,
        len(channel),
        channel,
        len(payload),
        payload,
    )


def confirmed(kind: bytes, name: bytes) -> bytes:
    """That it is subscribed; the number at its end means nothing."""
    return b"*3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n:1\r\n" % (len(kind), kind, len(name), name)
