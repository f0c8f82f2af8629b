"""JSON in ASCII, whoever wrote it: clients 1.x garble anything else when they poll."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

__all__ = ["ascii_json"]


def ascii_json(text: str) -> str:
    r"""The same JSON with ``\u`` escapes for all that is not ASCII."""
    if text.isascii():
        return text
    # The escapes of the standard library, which are made in C, but for what is ASCII already. Two
    # characters that cannot occur in JSON stand for those that it would escape as well; what ends
    # a line is only between values.
    hidden = text.replace("\\", "\x01").replace('"', "\x02")
    escaped = encode_basestring_ascii(hidden)[1:-1]
    for escape, character in _ESCAPES:
        escaped = escaped.replace(escape, character)
    return escaped


_ESCAPES = (
    ("\\n", "\n"),
    ("\\r", "\r"),
    ("\\t", "\t"),
    ("\\u007f", "\x7f"),
    ("\\u0002", '"'),
    ("\\u0001", "\\"),
)
