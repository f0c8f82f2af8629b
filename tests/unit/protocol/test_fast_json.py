"""orjson for packets: the same values as the strict functions give, but where it says otherwise."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.protocol import fast_json
from sockio.protocol.strict_json import default_json_dumps, default_json_loads

from ...support.servers import Served, not_ours

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    assert default_json_loads(fast_json.dumps(value)) == value
    assert fast_json.loads(default_json_dumps(value)) == value


@given(st.text())
def test_text_is_read_or_refused_as_strictly(text: str) -> None:
    def result(loads: Callable[[str], Any]) -> Any:
        try:
            return loads(text)
        except ValueError:
            return ValueError

    assert result(fast_json.loads) == as_read(result(default_json_loads))


def as_read(value: Any) -> Any:
    """A value with floats for integers beyond 64 bits, the documented difference."""
    if isinstance(value, list):
        return [as_read(each) for each in value]
    if isinstance(value, dict):
        return {name: as_read(each) for name, each in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 20_000_000_000_000_000_001])
def test_a_larger_integer_is_read_as_a_float(number: int) -> None:
    read = fast_json.loads(f"[{number}]")[0]
    assert isinstance(read, float)
    assert read == float(number)
    assert fast_json.loads(f"[{2**64 - 1},{-(2**63)}]") == [2**64 - 1, -(2**63)]


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e999", "", "{", "[1,]", "'x'", '"\n"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        fast_json.loads(text)


@pytest.mark.parametrize(
    "value",
    [b"bytes", {1, 2}, datetime.datetime(2020, 1, 1), decimal.Decimal(1), object()],
    ids=lambda value: type(value).__name__,
)
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        fast_json.dumps(value)


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: 2}], ids=["surrogate", "large", "key"])
def test_what_orjson_refuses_the_strict_functions_decide(value: Any) -> None:
    assert fast_json.dumps(value) == default_json_dumps(value)


def test_a_lone_surrogate_is_read() -> None:
    assert fast_json.loads('"\\ud800"') == "\ud800"


def test_it_is_there() -> None:
    """Every environment that runs the tests has the extra "fast"."""
    assert fast_json.available


def test_it_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_json, "_orjson", None)
    assert fast_json.dumps({"a": [1.5, "ü"]}) == '{"a":[1.5,"ü"]}'
    assert fast_json.loads('{"a":1}') == {"a": 1}


def test_an_ini_file_can_name_it(serve: Callable[..., Served]) -> None:
    server = serve(
        not_ours, json_loads="sockio.fast_json:loads", json_dumps="sockio.fast_json:dumps"
    )
    assert server.registry.codec.json_loads is fast_json.loads
    assert server.registry.codec.json_dumps is fast_json.dumps
