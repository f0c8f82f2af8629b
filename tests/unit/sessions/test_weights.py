"""What values take of memory, counted many at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sockio.sessions.weights import weight_of

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=30,
)


def one_by_one(value: Any) -> int:
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple)):
        inner = value
    return sys.getsizeof(value) + sum(map(one_by_one, inner))


def fresh(value: Any) -> Any:
    """The same without anything in two places."""
    if isinstance(value, dict):
        return {name: fresh(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([fresh(each) for each in value])
    return value


@given(JSON)
def test_everything_inside_is_counted(value: Any) -> None:
    value = fresh(value)
    assert weight_of(value) == one_by_one(value)


def test_what_is_in_two_places_is_counted_once() -> None:
    inner = ["x" * 1000]
    once = weight_of([inner])
    twice = weight_of([inner, inner])
    # Another place, and the list itself, which is not looked into again.
    assert twice - once <= sys.getsizeof(inner) + 8
    itself: list[Any] = []
    itself.append(itself)
    assert weight_of(itself) < 1000


def test_it_stops_beyond_what_matters() -> None:
    assert weight_of(["x" * 100] * 100_000, most=1000) < 1_000_000


class Liar:
    def __sizeof__(self) -> int:
        raise ValueError


def test_who_does_not_say_its_size_has_one() -> None:
    assert weight_of([Liar(), 1.5]) > weight_of([1.5])
