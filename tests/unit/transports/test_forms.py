"""Forms, read as the standard library reads them and in the time of a copy."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.transports.forms import MAX_FIELDS, MAX_SIGNS, first_value


def by_the_library(form: bytes) -> str | None:
    fields = parse_qsl(form.decode(), keep_blank_values=True, errors="strict")
    return next((value for key, value in fields if key == "d"), None)


PIECES = st.sampled_from(
    ["d", "=", "&", "+", "%", "%64", "%C3%A9", "%c3", "%0", "%zz", "é", '"', "\\", "\n", "=3D", ";"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_they_are_read_as_the_standard_library_reads_them(form: str) -> None:
    try:
        expected = by_the_library(form.encode())
    except UnicodeDecodeError:
        # It reads all the fields, and this one those before the first "d".
        return
    assert first_value(form.encode(), "d") == expected


@pytest.mark.parametrize(
    ("form", "why"),
    [
        pytest.param(b"d=" + b"%" * (MAX_SIGNS + 1), "percent signs", id="percent signs"),
        pytest.param(b"a&" * MAX_FIELDS + b"d=1", "fields", id="fields"),
        pytest.param(b"d=%ff", "utf-8", id="no UTF-8"),
        pytest.param(b"%ff=1&d=1", "utf-8", id="no UTF-8 in a name"),
    ],
)
def test_what_no_browser_sends_is_refused(form: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        first_value(form, "d")


def test_some_signs_that_are_no_escapes_stand_for_themselves() -> None:
    assert first_value(b"d=" + b"%" * MAX_SIGNS, "d") == "%" * MAX_SIGNS
