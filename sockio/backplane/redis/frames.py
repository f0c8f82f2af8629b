"""The frame around each payload on a channel.

::

    VERSION (1 byte)  PUBLISHER (16, ASCII, filled up with zeros)  SERIES (4)  NUMBER (8)  PAYLOAD

Numbers are big-endian and unsigned. A publisher counts apart for each channel, from 1 in each
*series*, so that who receives some channels only can tell what it has missed of those. A series
begins when the publisher begins with a channel, or again with one that it had forgotten; later ones
have higher numbers. What is not counted, a *word*, has zeros there.
"""

from __future__ import annotations

import re
from struct import Struct

from ...exceptions import UsageError

__all__ = [
    "HEADER",
    "MAX_PAYLOAD",
    "VERSION",
    "begin_frame",
    "begin_word",
    "check_size",
    "name_of",
    "publisher_bytes",
    "read_head",
]

VERSION = 1
#: Bytes of a payload: one of 34 MB would have Redis cut every subscriber's connection.
MAX_PAYLOAD = 1_000_000

_HEAD = Struct(">B16sIQ")
_BEGINNING = Struct(">B16sI")
#: Bytes in front of a payload.
HEADER = _HEAD.size
#: (version, publisher, series, number) of a frame that has at least :data:`HEADER` bytes.
read_head = _HEAD.unpack_from

_NAME = re.compile(rb"([A-Za-z0-9_-]{1,16})\0*\Z")


def publisher_bytes(name: str) -> bytes:
    """A publisher's name as it stands in its frames. Raises ``ValueError`` for what can be none:
    it has 1 to 16 characters of ``A-Z a-z 0-9 _ -``."""
    raw = name.encode("ascii", "replace")
    if name_of(raw) != name:
        raise ValueError(f"a publisher's name has 1 to 16 letters, digits, _ or -, not {name!r}")
    return raw.ljust(16, b"\0")


def name_of(publisher: bytes) -> str | None:
    """The name that stands in a frame; None where it can be none."""
    found = _NAME.match(publisher)
    return None if found is None else found[1].decode("ascii")


def check_size(payload: bytes) -> None:
    """Raise ``UsageError`` for a payload that is too long."""
    if len(payload) > MAX_PAYLOAD:
        raise UsageError(
            f"a publication may have {MAX_PAYLOAD} bytes, and this has {len(payload)}. Send what "
            "is that large by other means (a URL to fetch it from), or in pieces."
        )


def begin_word(publisher: bytes) -> bytes:
    """What stands before the payload of a word."""
    return _HEAD.pack(VERSION, publisher, 0, 0)


def begin_frame(publisher: bytes, series: int) -> bytes:
    """What all frames of a series begin with: the number, in 8 bytes, comes behind it."""
    return _BEGINNING.pack(VERSION, publisher, series)
