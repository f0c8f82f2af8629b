"""What two workers say to each other about a request.

Each frame begins with the number that the asking worker has given the request, in four bytes.

=========  =====  ==========================================================================
``ASK``    to     the middleware it came to, the request's head, both behind their lengths, its body
``GIVEN``  from   the whole answer: a flag, its head, an empty line, its body
``BEGUN``  from   the head of an answer that comes in pieces
``PIECE``  from   one of them
``NEXT``   to     the piece has been written: the next one, please
``ENDED``  from   there are no more
``FATE``   to     whether an answer that carried packets was written
``NOBODY`` from   there is no such session, nor a place where it could be
``CANCEL`` to     the client hung up
``PASS``   to     the connection of a websocket that was said to be opened, and what was read of it
``PING``   to     is anybody there? without a number
``PONG``   from   somebody is
=========  =====  ==========================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Mapping
from operator import itemgetter
from typing import Any, TypeVar

from ...backplane.mesh.link import CARRIES
from ...exceptions import PacketError
from ...transports.answers import Answer, Head, Header

__all__ = [
    "ASK",
    "BEGUN",
    "CANCEL",
    "ENDED",
    "FATE",
    "GIVEN",
    "NEXT",
    "NOBODY",
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

ASK, GIVEN, CANCEL, FATE, BEGUN, PIECE, ENDED, NEXT, PING, PONG, NOBODY = range(16, 27)
PASS = CARRIES + 1

#: What each frame begins with.
NUMBER = struct.Struct(">I")
#: Bytes of the middleware's name, of the names and of the values in the head of a request.
_SIZES = struct.Struct(">HII")

#: First letters of what a request's environ has in capitals: CONTENT_, HTTP_, PATH_INFO and so on.
_CAPITALS = frozenset("CHPQRS")
_SCHEME = "wsgi.url_scheme"


#: Heads of a kind that are remembered, as nearly all have one of a few; and their bytes: what
#: clients make up is not kept, but for as much.
REMEMBERED, SHORT = 128, 2048

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(dict[K, V]):
    """What was made of what came before."""

    def put(self, key: K, value: V, size: int) -> V:
        """Remember it, if it is short; the value."""
        if size <= SHORT:
            if len(self) >= REMEMBERED:
                self.clear()
            self[key] = value
        return value


_Names = tuple[Callable[[Mapping[str, Any]], Any], bytes, int]
_names: Remembered[tuple[str, ...], _Names] = Remembered()
_names_read: Remembered[bytes, list[str]] = Remembered()
_answers: Remembered[tuple[str, tuple[Header, ...]], bytes] = Remembered()
_answers_read: Remembered[bytes, tuple[Head, tuple[Header, ...]]] = Remembered()


def _names_in(keys: tuple[str, ...]) -> _Names:
    """What gives the values of an environ with these keys that are sent, the names of those, and
    how many."""
    known = _names.get(keys)
    if known is not None:
        return known
    names = (_SCHEME, *[key for key in keys if key[:1] in _CAPITALS])
    # With another behind it, as it gives a tuple only for two.
    data = "\0".join(names).encode("utf-8", "surrogatepass")
    made = itemgetter(*names, _SCHEME), data, len(names)
    return _names.put(keys, made, sum(map(len, keys)))


def head_of_request(place: str, environ: Mapping[str, Any]) -> bytes:
    """The environ of a request to the middleware ``place`` as bytes: what the client and the server
    have said in it."""
    values, names, count = _names_in(tuple(environ))
    try:
        text = "\0".join(values(environ))
    except (KeyError, TypeError):
        # A server that says no scheme, or has something else under such a name.
        plain = {key: value for key, value in environ.items() if type(value) is str}
        return head_of_request(place, {_SCHEME: "http", **plain})
    if text.count("\0") != count:
        # What has such a character in it was in no header.
        plain = {key: environ[key].replace("\0", "") for key in names.decode().split("\0")}
        return head_of_request(place, plain)
    data = text.encode("utf-8", "surrogatepass")
    where = place.encode("utf-8", "surrogatepass")
    return b"%b%b%b%b" % (_SIZES.pack(len(where), len(names), len(data)), where, names, data)


def _read_names(data: bytes) -> list[str]:
    known = _names_read.get(data)
    if known is not None:
        return known
    names = data.decode("utf-8", "surrogatepass").split("\0")
    return _names_read.put(data, names, len(data))


def read_request(data: bytes) -> tuple[str, dict[str, Any], bytes]:
    """The place of an ``ASK``, its environ, its body. Raises ``PacketError`` for what is none."""
    at = NUMBER.size + _SIZES.size
    try:
        place_size, names_size, size = _SIZES.unpack_from(data, NUMBER.size)
        place = data[at : at + place_size].decode("utf-8", "surrogatepass")
        at += place_size
        end = at + names_size + size
        names = _read_names(data[at : at + names_size])
        values = data[at + names_size : end].decode("utf-8", "surrogatepass").split("\0")
        # The last is there for the sake of the writer.
        environ: dict[str, Any] = dict(zip(names, values[:-1], strict=True))
    except (ValueError, struct.error) as error:
        raise PacketError(f"a request that cannot be read: {error}") from None
    if "REQUEST_METHOD" not in environ or "PATH_INFO" not in environ:
        raise PacketError("a request without a method or a path")
    return place, environ, data[end:]


def head_of_answer(status: str, headers: tuple[Header, ...]) -> bytes:
    """Status and headers as bytes."""
    known = _answers.get((status, headers))
    if known is not None:
        return known
    lines = [status, *[f"{name}: {value}" for name, value in headers]]
    data = "\n".join(lines).encode("latin-1", "replace") + b"\n\n"
    return _answers.put((status, headers), data, len(data))


def read_answer(data: bytes, at: int) -> Answer:
    """An answer, whole or the beginning of one. Raises ``PacketError`` for what is none."""
    end = data.find(b"\n\n", at)
    if end < 0:
        raise PacketError("an answer without an end")
    head, more = _read_head(data[at:end])
    return Answer(head, data[end + 2 :], more)


def _read_head(data: bytes) -> tuple[Head, tuple[Header, ...]]:
    known = _answers_read.get(data)
    if known is not None:
        return known
    status, *lines = data.decode("latin-1").split("\n")
    headers: list[Header] = []
    more: list[Header] = []
    for line in lines:
        name, colon, value = line.partition(": ")
        if not colon:
            raise PacketError("a header without a colon")
        # By this whoever writes the answer sees that the connection ends with it.
        (more if name == "Connection" and status[:3] != "101" else headers).append((name, value))
    return _answers_read.put(data, (Head.bare(status, headers), tuple(more)), len(data))
