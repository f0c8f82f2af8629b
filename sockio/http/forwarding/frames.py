"""What two workers say to each other about a request.

Each frame begins with the number that the asking worker has given the request, in four bytes.

=========  =====  ==========================================================================
``ASK``    to     the request's head, with its length before it, and its body
``GIVEN``  from   the whole answer: a flag, its head, an empty line, its body
``BEGUN``  from   the head of an answer that comes in pieces
``PIECE``  from   one of them
``NEXT``   to     the piece has been written: the next one, please
``ENDED``  from   there are no more
``FATE``   to     whether an answer that carried packets was written
``CANCEL`` to     the client hung up
``PASS``   to     the connection of a websocket that was said to be opened, and what was read of it
``PING``   to     is anybody there? without a number
``PONG``   from   somebody is
=========  =====  ==========================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from ...backplane.mesh.link import CARRIES
from ...exceptions import PacketError

__all__ = [
    "ASK",
    "BEGUN",
    "CANCEL",
    "ENDED",
    "FATE",
    "GIVEN",
    "NEXT",
    "NUMBER",
    "PASS",
    "PIECE",
    "PING",
    "PONG",
    "head_of_answer",
    "head_of_request",
    "read_answer",
    "read_request",
]

ASK, GIVEN, CANCEL, FATE, BEGUN, PIECE, ENDED, NEXT, PING, PONG = range(16, 26)
PASS = CARRIES + 1

#: What each frame begins with.
NUMBER = struct.Struct(">I")

#: First letters of what a request's environ has in capitals: CONTENT_, HTTP_, PATH_INFO and so on.
_CAPITALS = frozenset("CHPQRS")
_SCHEME = "wsgi.url_scheme"


def head_of_request(environ: Mapping[str, Any]) -> bytes:
    """The environ of a request as bytes: what the client and the server have said in it."""
    parts = [environ.get(_SCHEME, "http")]
    for name, value in environ.items():
        if type(value) is str and name[0] in _CAPITALS:
            parts.append(name)
            parts.append(value)
    text = "\0".join(parts)
    if text.count("\0") != len(parts) - 1:
        # What has such a character in it was in no header.
        parts = [part.replace("\0", "") for part in parts]
        text = "\0".join(parts)
    head = text.encode("utf-8", "surrogatepass")
    return NUMBER.pack(len(head)) + head


def read_request(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The environ of an ``ASK`` and the body. Raises ``PacketError`` for what is none."""
    try:
        (size,) = NUMBER.unpack_from(data, NUMBER.size)
        end = 2 * NUMBER.size + size
        scheme, *rest = data[2 * NUMBER.size : end].decode("utf-8", "surrogatepass").split("\0")
        environ: dict[str, Any] = dict(zip(rest[::2], rest[1::2], strict=True))
    except (ValueError, struct.error) as error:
        raise PacketError(f"a request that cannot be read: {error}") from None
    environ[_SCHEME] = scheme
    if "REQUEST_METHOD" not in environ or "PATH_INFO" not in environ:
        raise PacketError("a request without a method or a path")
    return environ, data[end:]


def head_of_answer(status: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """Status and headers as bytes."""
    lines = [status, *[f"{name}: {value}" for name, value in headers]]
    return "\n".join(lines).encode("latin-1", "replace") + b"\n\n"


def read_answer(data: bytes, at: int) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status, headers and body of an answer. Raises ``PacketError`` for what is none."""
    head, end, body = data[at:].partition(b"\n\n")
    if not end:
        raise PacketError("an answer without an end")
    status, *lines = head.decode("latin-1").split("\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(": ")
        if not colon:
            raise PacketError("a header without a colon")
        headers.append((name, value))
    return status, headers, body
