"""Text that was encoded in UTF-8 twice, as clients 1.x do when they poll.

Engine.IO clients 1.x encode each packet in UTF-8, take every byte for a character, and then the
body is encoded in UTF-8 as any other; they read answers in the same way. Clients 2.x encode once.
Both say ``EIO=3``, so the server has to look at what it got. Binary payloads and websockets are
encoded once by both (engine.io-parser 1.3.2, 2.2.1).
"""

from __future__ import annotations

__all__ = ["encode_twice", "is_encoded_twice", "undo_double"]


def is_encoded_twice(text: str) -> bool | None:
    """Whether a body, read as UTF-8 once, is UTF-8 still; None when it is ASCII and tells nothing.

    It is an inference, and nearly always right: text that a 2.x client sends is taken for a 1.x
    client's only if everything in it beyond ASCII happens to be UTF-8 read as Latin-1, such as
    ``Ã©``. As a client does not change its version, one that was found out to encode once may be
    remembered as such.
    """
    if text.isascii():
        return None
    try:
        undo_double(text)
    except ValueError:
        return False
    return True


def undo_double(text: str) -> str:
    """The text that was encoded twice. Raises ``ValueError`` for what was not."""
    # Lone surrogates pass: clients up to 1.7 wrote them as they wrote any other code point.
    return text.encode("latin-1").decode("utf-8", "surrogatepass")


def encode_twice(text: str) -> str:
    """``text`` as a client 1.x wants to read it when it polls; for a body still to be encoded."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")
