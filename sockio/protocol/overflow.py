"""Numbers in a JSON text that are too large for a float, found before it is read.

Python's reader takes ``1e999`` for infinity. It can be told to ask somebody about each number,
which takes four times as long as to read it; here a look for what such a number is written with
comes first, and most texts have nothing of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isinf

from .json_depth import outside_strings

__all__ = ["overflows"]

# Digits are all alike, exponents as well; of whatever else can be in no number nothing is left.
_ALIKE = bytes(
    ord("0") if chr(each) in "0123456789"
    else ord("e") if chr(each) in "eE"
    else each if chr(each) in "+-."
    else ord(" ")
    for each in range(256)
)  # fmt: skip
#: So many digits with an exponent of two have not come to 1e308 yet.
_LONG = b"0" * 200
#: What a number that is too large has one of.
_SIGNS = (b"e000", b"e+000", _LONG)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)


def overflows(text: str) -> bool:
    """Whether a number in ``text`` would be read as infinity. For text that is no JSON the answer
    may be either. The work grows with the length of the text and no faster."""
    alike = _alike(text)
    if not any(sign in alike for sign in _SIGNS):
        return False
    # It may be inside of a string: a hash often has something like it.
    text = outside_strings(text)
    for number in _suspects(text, _alike(text)):
        if _NUMBER.fullmatch(number) is None:
            return False  # no JSON, which is for the reader to say
        # Integers have no bound.
        if not number.strip("-").isdigit() and isinf(float(number)):
            return True
    return False


def _alike(text: str) -> bytes:
    """As many bytes as ``text`` has characters."""
    return text.encode("latin-1", "replace").translate(_ALIKE)


def _suspects(text: str, alike: bytes) -> Iterator[str]:
    for sign in _SIGNS:
        end = 0
        while (found := alike.find(sign, end)) >= 0:
            begin = alike.rfind(b" ", end, found) + 1 or end
            end = alike.find(b" ", found)
            if end < 0:
                end = len(text)
            yield text[begin:end]
