"""What a client's greeting in TLS asks for (RFC 8446, 4.1.2)."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["key_shares"]

#: The extension in which a client has its half of a key exchange, of each group that it guesses.
_KEY_SHARE = 51


def key_shares(hello: bytes) -> list[int]:
    """The groups of which the client sends a key, by their numbers in RFC 8446, 4.2.7; none where
    the greeting is of TLS 1.2, or cannot be read: OpenSSL says so then."""
    try:
        # Kind, length, version, random; then three lists, of which each says its bytes.
        at = 4 + 2 + 32
        at += 1 + hello[at]
        at += 2 + _number(hello, at)
        at += 1 + hello[at]
        for kind, value in _parts(hello[at + 2 : at + 2 + _number(hello, at)]):
            if kind == _KEY_SHARE:
                return [group for group, _ in _parts(value[2:])]
    except IndexError:
        pass
    return []


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Values, each behind its number and its length."""
    at = 0
    while at < len(data):
        size = _number(data, at + 2)
        yield _number(data, at), data[at + 4 : at + 4 + size]
        at += 4 + size


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
