"""Lengths as JavaScript counts them: in UTF-16 code units, of which a character beyond U+FFFF has
two."""

from __future__ import annotations

__all__ = ["Pieces", "to_utf16", "utf16_length"]


# A str may hold lone surrogates (they arrive as "\ud800" in JSON); counting must not fail on them.
def to_utf16(text: str) -> bytes:
    """The code units of a text, two bytes each; a lone surrogate is one of them."""
    return text.encode("utf-16-le", "surrogatepass")


def utf16_length(text: str) -> int:
    """The number of UTF-16 code units in a text; a lone surrogate counts as one."""
    if text.isascii():
        return len(text)
    return len(to_utf16(text)) // 2


class Pieces:
    """A text that is read piece by piece, each as long as a number of code units says."""

    __slots__ = ("_index", "_text", "_units", "position", "size")

    def __init__(self, text: str) -> None:
        self._text = text
        units = b"" if text.isascii() else to_utf16(text)
        #: Its length, in code units, and how far it has been read.
        self.size = len(units) // 2 or len(text)
        self.position = 0
        # Where no character counts two, an index into the text is a count of units.
        self._units = b"" if self.size == len(text) else units
        self._index = 0

    def ahead(self, most: int) -> str:
        """Up to so many of the characters that come next, which stay to be read."""
        return self._text[self._index : self._index + most]

    def skip(self, characters: int) -> None:
        """Leave out so many, of which none counts two."""
        self._index += characters
        self.position += characters

    def take(self, length: int) -> str | None:
        """The next piece, of so many code units; None where it would end inside a character.

        There have to be as many.
        """
        index, begin = self._index, self.position
        end = begin + length
        piece = self._text[index : index + length]
        # Each costs to be decoded, and most are ASCII.
        if self._units and not piece.isascii():
            piece = self._units[2 * begin : 2 * end].decode("utf-16-le", "surrogatepass")
            if not self._text.startswith(piece, index):
                return None
        self.position = end
        self._index = index + len(piece)
        return piece
