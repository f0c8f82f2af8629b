"""How deeply a JSON text is nested, found out before it is read.

Python's reader recurses, and so does whatever walks through the value later; where that ends is up
to the interpreter and to how deep in calls it was already. This limit is the same everywhere.
"""

from __future__ import annotations

import re
from itertools import accumulate

__all__ = ["MAX_DEPTH", "check_depth"]

MAX_DEPTH = 100
"""Arrays and objects inside each other. A function that calls itself for each level, by way of a
few others, stays below Python's recursion limit of 1000."""

# A string, be it cut short: in text that is no JSON its end may be missing.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
# One more level and one less, as signed bytes; everything else is left out.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_STEPS = bytes(set(range(256)) - set(b"[{]}"))


def check_depth(text: str, max_depth: int = MAX_DEPTH) -> None:
    """Raise :exc:`ValueError` if ``text`` is nested more deeply than ``max_depth``.

    For text that is no JSON the answer may be either; it is for a reader to say what it is. The
    work grows with the length of the text and no faster, and is next to none for most.
    """
    # Each level has two brackets, if it is JSON.
    if len(text) <= 2 * max_depth or text.count("[") + text.count("{") <= max_depth:
        return
    steps = _STRING.sub("", text).encode("utf-8", "replace").translate(_STEPS, _NO_STEPS)
    # Signed bytes: each step is 1 or -1, and all of it happens outside of Python's own code.
    if max(accumulate(memoryview(steps).cast("b")), default=0) > max_depth:
        raise ValueError(f"the JSON text is nested more than {max_depth} deep")
