"""Numbers that are too large for a float are found before a text is read."""

from __future__ import annotations

import json
from json import JSONDecodeError
from math import isinf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.protocol import strict_json
from sockio.protocol.overflow import overflows

INFINITE = ["1e309", "-1E+309", "9.9e308", "1e0000400", "1" * 310 + ".5", "1" * 250 + "e60"]
FINITE = ["1e308", "1e+0000308", "1e-999", "0e999", "1" * 308 + ".5", "1" * 400, "-" + "1" * 400]
#: What looks like one, and is in a string.
WORDS = ["1e999", 'a"1e999', "\\", '\\"1e999', "é1e999", "1" * 310 + ".5", "\N{GRINNING FACE}e000"]


def has_infinity(value: Any) -> bool:
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        return any(map(has_infinity, value))
    return isinstance(value, float) and isinf(value)


def large(text: str) -> str:
    """A list of it and of more than is read without this look."""
    return f"[{text},{'1.5,' * (strict_json.LARGE // 4)}true]"


@pytest.mark.parametrize("number", INFINITE)
def test_a_number_too_large_is_found_in_a_large_text(number: str) -> None:
    assert overflows(number)
    with pytest.raises(ValueError, match="too large for a float"):
        strict_json.loads(large(number))


@pytest.mark.parametrize("text", [*FINITE, *map(json.dumps, WORDS)])
def test_what_only_looks_like_one_is_read(text: str) -> None:
    assert not overflows(text)
    assert strict_json.loads(large(text)) == json.loads(large(text))


@pytest.mark.parametrize("text", ["e000 1e999", "-.e000 1e999", "5.e000,1e999", "01e000 1e999"])
def test_what_is_no_json_is_not_looked_through(text: str) -> None:
    assert not overflows(text)
    with pytest.raises(JSONDecodeError):
        strict_json.loads(large(text))


NUMBERS = st.one_of(
    st.sampled_from([*INFINITE, *FINITE]),
    st.builds(
        "{}{}{}".format,
        st.integers(1, 320).map("1".__mul__),
        st.sampled_from(["", ".5", ".00"]),
        st.sampled_from(["", "e1", "E+99", "e-5", "e100", "E108", "e0200", "e-300", "e308"]),
    ),
)
TEXTS = st.lists(
    st.one_of(
        NUMBERS,
        st.sampled_from(WORDS).map(json.dumps),
        NUMBERS.map('{{"e000": [ {} ]}}'.format),
    ),
    max_size=6,
).map(lambda parts: f"[{','.join(parts)}]")


@given(TEXTS)
def test_it_says_what_reading_would(text: str) -> None:
    assert overflows(text) == has_infinity(json.loads(text))
