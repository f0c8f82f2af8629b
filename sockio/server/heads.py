"""The head of a request, read strictly: where one ends must not depend on who reads it.

A proxy in front and this server have to agree about every byte. So what the grammar of HTTP/1.1
(RFC 9112) lets a server refuse is refused: lines that end in LF alone, folded lines, a space before
the colon, control characters, two lengths, a length beside chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "MAX_LINES",
    "BadHead",
    "Head",
    "answer",
    "malformed",
    "read_head",
    "target_too_long",
    "too_large",
    "too_many_lines",
]

#: Lines of headers in one request.
MAX_LINES = 100

Fields = list[tuple[str, str]]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEAD = re.compile(
    rb"(?P<method>%b) (?P<target>[\x21-\x7e\x80-\xff]+) HTTP/1\.(?P<minor>[01])\r\n"
    rb"(?P<lines>(?:%b:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n" % (_TOKEN, _TOKEN)
)
_NAME, _TARGET = re.compile(_TOKEN), re.compile(rb"[\x21-\x7e\x80-\xff]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_MALFORMED = "the head is malformed"
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
#: A target as proxies are given it, with the host in it.
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?#@]+)(/[^#]*|\?[^#]*|)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

#: Headers that decide where a request ends or whom it is for: told twice, who reads decides.
_ONCE = frozenset(("content-length", "host", "transfer-encoding"))


class BadHead(Exception):
    """A request that is answered ``status`` and whose connection is closed: nobody can say where it
    ends. ``code`` is the refusal's, ``reason`` is for the log and holds nothing of the request."""

    def __init__(self, status: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason


class Head:
    """A request line, taken apart, and the headers in their order."""

    __slots__ = ("fields", "line", "version")

    def __init__(self, line: str, version: str, fields: Fields) -> None:
        #: The request line, without its end.
        self.line = line
        self.version = version
        self.fields = fields


def read_head(data: bytes) -> Head:
    """The head that ``data`` is, with the empty line at its end. Raises :class:`BadHead`."""
    match = _HEAD.fullmatch(data)
    if match is None:
        raise malformed(_what_is_wrong(data))
    line, *lines = data[:-4].decode("latin-1").split("\r\n")
    if len(lines) > MAX_LINES:
        raise too_many_lines()
    fields = []
    for each in lines:
        name, _, value = each.partition(":")
        fields.append((name, value.strip(" \t")))
    _check_end(fields, match["minor"])
    target = match["target"].decode("latin-1")
    if _SCHEME.match(target):
        line, fields = _in_origin_form(line, target, fields)
    return Head(line, "HTTP/1." + match["minor"].decode(), fields)


def _what_is_wrong(data: bytes) -> str:
    """Why ``data`` is no head, in words that hold nothing of it."""
    if not data.endswith(b"\r\n\r\n"):
        return _MALFORMED
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    for number, line in enumerate((first, *lines)):
        where = f"line {number + 1}"
        if b"\n" in line:
            return f"{where} ends in LF alone"
        if b"\r" in line:
            return f"{where} has a CR inside"
        if number == 0:
            if (wrong := _what_is_wrong_with(line)) is not None:
                return wrong
            continue
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            return f"{where} is folded: it begins with a space"
        if not colon:
            return f"{where} has no colon"
        if name != name.rstrip(b" \t"):
            return f"{where} has a space before its colon"
        if not _NAME.fullmatch(name):
            return f"{where} has no name of a header"
        if not _VALUE.fullmatch(value):
            return f"{where} has a control character"
    return _MALFORMED


def _what_is_wrong_with(line: bytes) -> str | None:
    words = line.split(b" ")
    if len(words) != 3:
        return "the request line is not a method, a target and a version, with a space between"
    method, target, version = words
    if not _NAME.fullmatch(method):
        return "the method is none"
    if not _TARGET.fullmatch(target):
        return "the target is empty, or has a control character"
    if version not in (b"HTTP/1.0", b"HTTP/1.1"):
        return "the version is neither HTTP/1.0 nor HTTP/1.1"
    return None


def _in_origin_form(line: str, target: str, fields: Fields) -> tuple[str, Fields]:
    """A request line and headers that ask for the same by a path. Every server has to take the
    absolute form, and believe it rather than the header (RFC 9112, 3.2.2)."""
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise malformed("an absolute target that is none of this server's")
    host, path = found.groups()
    if not path.startswith("/"):
        path = f"/{path}"
    fields = [field for field in fields if field[0].lower() != "host"]
    return line.replace(target, path, 1), [("Host", host), *fields]


def _check_end(fields: Iterable[tuple[str, str]], minor: bytes) -> None:
    """Where the body ends must be told once, in one way."""
    once: dict[str, str] = {}
    for name, value in fields:
        lower = name.lower()
        if lower in _ONCE:
            if lower in once:
                raise malformed(f"two headers {lower}")
            once[lower] = value
    length, coding = once.get("content-length"), once.get("transfer-encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        raise malformed("a content-length that is no number of up to 18 digits")
    if coding is not None:
        if length is not None:
            raise malformed("a content-length beside a transfer-encoding")
        if coding.lower() != "chunked":
            raise malformed("a transfer-encoding that is not chunked")
        if minor == b"0":
            raise malformed("a transfer-encoding in HTTP/1.0")


def malformed(reason: str) -> BadHead:
    """The refusal of a request that is none."""
    return BadHead("400 Bad Request", "bad-request", reason)


def too_large(limit: int) -> BadHead:
    """The refusal of a head that is larger than ``limit``, in bytes."""
    return _too_large(f"the head is larger than {limit} bytes")


def too_many_lines() -> BadHead:
    """The refusal of a head that has more lines than it may have."""
    return _too_large(f"the head has more than {MAX_LINES} lines of headers")


def _too_large(reason: str) -> BadHead:
    return BadHead("431 Request Header Fields Too Large", "head-too-large", reason)


def target_too_long(limit: int) -> BadHead:
    """The refusal of a request line of ``limit`` bytes or more."""
    reason = f"the request line has {limit} bytes or more"
    return BadHead("414 URI Too Long", "target-too-long", reason)


def answer(bad: BadHead) -> bytes:
    """The whole answer to a request that cannot be trusted; the connection closes behind it."""
    return (
        f"HTTP/1.1 {bad.status}\r\nConnection: close\r\nX-Sockio-Refusal: {bad.code}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
