"""Texts that are read piece by piece, as JavaScript counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sockio.protocol.code_units import Pieces, to_utf16, utf16_length

FACE = "\N{GRINNING FACE}"
#: As a body has them: without halves of characters.
TEXT = st.text(st.sampled_from(["a", "1", ":", "é", "\ufffd", FACE, "\U0010ffff"]), max_size=8)


@given(st.lists(TEXT))
def test_pieces_are_what_was_joined(texts: list[str]) -> None:
    pieces = Pieces("".join(texts))
    assert pieces.size == sum(map(utf16_length, texts))
    assert [pieces.take(utf16_length(text)) for text in texts] == texts
    assert pieces.position == pieces.size


@given(TEXT, TEXT, st.integers(0, 20))
def test_a_piece_ends_between_characters_or_is_none(before: str, text: str, length: int) -> None:
    pieces = Pieces(before + text)
    pieces.take(utf16_length(before))
    length = min(length, utf16_length(text))
    whole = [text[:end] for end in range(len(text) + 1)]
    expected = [each for each in whole if utf16_length(each) == length]
    assert pieces.take(length) == (expected[0] if expected else None)


def test_a_head_is_looked_at_and_left_out() -> None:
    pieces = Pieces(f"12:{FACE}a")
    assert pieces.ahead(2) == "12"
    assert pieces.ahead(99) == f"12:{FACE}a"
    pieces.skip(3)
    assert (pieces.position, pieces.size) == (3, 6)
    assert pieces.take(2) == FACE
    assert pieces.take(1) == "a"


def test_a_half_of_a_character_counts_one() -> None:
    assert len(to_utf16("\ud83d")) == 2
    assert utf16_length("\ud83da") == 2
