"""JavaScript that carries text to a page, written so that nothing in the text can end it early."""

from __future__ import annotations

import re

from ..protocol.strict_json import default_json_dumps

__all__ = ["INDEX", "callback_index", "string_literal"]

#: Digits only: a callback index that is reflected must not be able to say anything else.
INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)


def callback_index(value: str | None) -> str | None:
    """A JSONP callback index from a query, or None for anything that is none."""
    return value if value and INDEX.fullmatch(value) else None


def string_literal(text: str) -> str:
    """``text`` as a JavaScript string in double quotes, non-ASCII characters as they are.

    JSON is JavaScript but for two line separators, which end a string in older engines; and inside
    a script element ``</`` and ``<!--`` would mean something to the HTML parser.
    """
    literal = default_json_dumps(text)
    return (
        literal.replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
        .replace("</", "<\\/")
        .replace("<!--", "\\u003c!--")
    )
