"""How deeply a JSON text is nested, found out before it is read.

Python's reader recurses, and so does whatever walks through the value later; where that ends is up
to the interpreter and to how deep in calls it was already. This limit is the same everywhere.
"""

from __future__ import annotations

from itertools import accumulate

__all__ = ["MAX_DEPTH", "check_depth", "outside_strings"]

MAX_DEPTH = 100
"""Arrays and objects inside each other. A function that calls itself for each level, by way of a
few others, stays below Python's recursion limit of 1000."""

# Brackets alone, all of one kind; everything else is left out.
_BRACKETS = bytes.maketrans(b"[{]}", b"(())")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
# One more level and one less, as signed bytes.
_STEPS = bytes.maketrans(b"()", b"\x01\xff")
#: How many levels are taken off at once: most that is large is flat.
_AT_ONCE = 4


def check_depth(text: str, max_depth: int = MAX_DEPTH) -> None:
    """Raise :exc:`ValueError` if ``text`` is nested more deeply than ``max_depth``.

    For text that is no JSON the answer may be either; it is for a reader to say what it is. The
    work grows with the length of the text and no faster, and is next to none for most.
    """
    # Each level has two brackets, if it is JSON.
    if len(text) <= 2 * max_depth or text.count("[") + text.count("{") <= max_depth:
        return
    allowed = max_depth
    brackets = outside_strings(text).encode("utf-8", "replace").translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(min(_AT_ONCE, max_depth)):
        # Whatever has nothing inside.
        brackets = brackets.replace(b"()", b"")
        max_depth -= 1
        if not brackets:
            return
    steps = memoryview(brackets.translate(_STEPS)).cast("b")
    # Signed bytes: each step is 1 or -1, and all of it happens outside of Python's own code.
    if max(accumulate(steps), default=0) > max_depth:
        raise ValueError(f"the JSON text is nested more than {allowed} deep")


def outside_strings(text: str) -> str:
    """What of a JSON text is in no string: brackets, numbers, and what is between them."""
    if "\\" in text:
        # Escapes of what would end a string, or seem to escape its end.
        text = text.replace("\\\\", "").replace('\\"', "")
    # A string that is cut short goes to the end.
    return "".join(text.split('"')[::2])
