"""JSON without Python's additions, in both directions."""

from __future__ import annotations

import contextlib
import datetime
import gc
import json
from decimal import Decimal
from typing import Any

import pytest

from sockio.protocol import fast_json, strict_json
from sockio.protocol.strict_json import (
    LARGE,
    default_json_dumps,
    default_json_loads,
    dumps,
    dumps_with,
    loads,
)

BOTH_WAYS = [
    pytest.param(None, "null", id="null"),
    pytest.param(True, "true", id="true"),
    pytest.param(0, "0", id="zero"),
    pytest.param(-12, "-12", id="negative"),
    pytest.param(2**70, "1180591620717411303424", id="large int"),
    pytest.param(0.1, "0.1", id="float"),
    pytest.param(1.7976931348623157e308, "1.7976931348623157e+308", id="largest float"),
    pytest.param(5e-324, "5e-324", id="smallest float"),
    pytest.param("", '""', id="empty string"),
    pytest.param('"\\/\b\n\x00', '"\\"\\\\/\\b\\n\\u0000"', id="escapes"),
    pytest.param("ñ☃\U0001f600", '"ñ☃\U0001f600"', id="non-ASCII as such"),
    pytest.param("\u2028", '"\u2028"', id="line separator"),
    pytest.param([], "[]", id="empty array"),
    pytest.param([1, [2, []]], "[1,[2,[]]]", id="arrays, compact"),
    pytest.param({}, "{}", id="empty object"),
    pytest.param({"b": 1, "a": {"c": None}}, '{"b":1,"a":{"c":null}}', id="object in its order"),
]


@pytest.mark.parametrize(("value", "text"), BOTH_WAYS)
def test_loads(value: Any, text: str) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(("value", "text"), BOTH_WAYS)
def test_dumps(value: Any, text: str) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(" [ 1 , 2 ]\r\n\t", [1, 2], id="white space"),
        pytest.param('"\\ud83d\\ude00"', "\U0001f600", id="escaped pair"),
        pytest.param('"\\ud800"', "\ud800", id="lone surrogate"),
        pytest.param('{"a":1,"a":2}', {"a": 2}, id="a name given twice"),
        pytest.param('{"__proto__":1}', {"__proto__": 1}, id="proto is a name"),
        pytest.param("1e-999", 0.0, id="too small a float is zero"),
        pytest.param("9" * 4300, int("9" * 4300), id="4300 digits"),
        pytest.param("[" * 200 + "]" * 200, json.loads("[" * 200 + "]" * 200), id="200 levels"),
    ],
)
def test_loads_only(text: str, value: Any) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(" ", id="white space"),
        pytest.param("[1", id="no end"),
        pytest.param("[1,]", id="trailing comma"),
        pytest.param("1 2", id="two values"),
        pytest.param("01", id="leading zero"),
        pytest.param(".5", id="no digit before the point"),
        pytest.param("'a'", id="single quotes"),
        pytest.param("{a:1}", id="bare name"),
        pytest.param("{1:1}", id="number as name"),
        pytest.param('"\n"', id="raw newline in a string"),
        pytest.param('"\\x"', id="unknown escape"),
        pytest.param('"\\u12"', id="short escape"),
        pytest.param("\ufeff1", id="byte order mark"),
        pytest.param("\u0661", id="Arabic digit"),
        pytest.param("\xa01", id="no-break space"),
        pytest.param("undefined", id="undefined"),
        pytest.param("NaN", id="NaN"),
        pytest.param("Infinity", id="Infinity"),
        pytest.param("-Infinity", id="-Infinity"),
        pytest.param("[[NaN]]", id="NaN inside"),
        pytest.param("1e999", id="beyond a float"),
        pytest.param("-1e999", id="beyond a float, negative"),
        pytest.param('{"a":[1.5E+400]}', id="beyond a float, inside"),
        pytest.param("1" * 400 + ".0", id="beyond a float, written out"),
        pytest.param("1" * 4301, id="4301 digits"),
        pytest.param("1" * 1_000_000, id="a million digits"),
        pytest.param("[" * 100_000, id="deep, no end"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="deep"),
        pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, id="deep objects"),
    ],
)
def test_loads_refuses(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it is all that is promised
        loads(text)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"a", id="bytes"),
        pytest.param({1}, id="set"),
        pytest.param(Decimal("0.1"), id="Decimal"),
        pytest.param(datetime.date(2012, 1, 1), id="date"),
        pytest.param(1j, id="complex"),
        pytest.param({(1, 2): 3}, id="tuple as a key"),
        pytest.param([object()], id="object inside"),
    ],
)
def test_dumps_refuses_types(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [-float("inf")], {"a": float("nan")}]
)
def test_dumps_refuses_numbers_that_json_has_not(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        dumps(value)


def test_dumps_refuses_a_value_that_holds_itself() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(ValueError, match="Circular"):
        dumps(knot)


def test_dumps_after_a_refusal_is_as_before() -> None:
    shared = [1]
    for _ in range(2):
        with pytest.raises(TypeError):
            dumps([shared, b"a"])
        assert dumps([shared, shared]) == "[[1],[1]]"


def test_dumps_refuses_depth() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(RecursionError):
        dumps(value)


def test_dumps_writes_keys_as_json_does() -> None:
    assert dumps({1: 1, None: 2, False: 3, 0.5: 4}) == '{"1":1,"null":2,"false":3,"0.5":4}'


def test_a_tuple_is_an_array() -> None:
    assert dumps((1, (2,))) == "[1,[2]]"


def test_the_defaults_are_these() -> None:
    assert default_json_loads is strict_json.loads
    assert default_json_dumps is strict_json.dumps


SPACED = ["{} [1] {}", "{}{{}}{}", "{}1.5{}", '{}"a"{}', "{}null{}"]


@pytest.mark.parametrize("text", SPACED)
@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_space_around_a_value_is_none_of_it(text: str, size: int) -> None:
    space = "\t\n \r" * size
    inside = text.format("", "")
    assert loads(text.format(space, space)) == json.loads(inside)


WRONG = ["", " ", " \n", "[1] x", "[1][2]", "x", " x", "[1", "\ufeff1", "\xa01"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_as_the_standard_library_says_it(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as theirs:
        json.JSONDecoder().decode(text)
    with pytest.raises(json.JSONDecodeError, match=theirs.value.msg):
        loads(text)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("end", ["]", "", "]]", ",NaN]"])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool, end: str) -> None:
    text = "[" + "[]," * LARGE + "1" + end
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with contextlib.suppress(ValueError):
            loads(text)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


# ---- what JSON does not have


def test_dumps_with_asks_about_what_json_does_not_have() -> None:
    asked: list[Any] = []

    def default(value: Any) -> Any:
        asked.append(value)
        return [str(value)]

    write = dumps_with(default)
    assert write({"a": [1, None, "ü", 1.5]}) == '{"a":[1,null,"ü",1.5]}'
    assert asked == []
    assert write({"price": Decimal("1.50")}) == '{"price":["1.50"]}'
    assert asked == [Decimal("1.50")]


@pytest.mark.parametrize("value", [b"", bytearray(), memoryview(b"")], ids=repr)
def test_dumps_with_does_not_ask_about_bytes(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps_with(lambda value: "guessed")([value])


def test_dumps_with_stays_strict() -> None:
    def default(value: Any) -> Any:
        if isinstance(value, set):
            raise TypeError("no sets, please")
        return float("nan")

    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps_with(default)([Decimal(1)])
    with pytest.raises(TypeError, match="no sets, please"):
        dumps_with(default)([{1}])


NUMPY = [
    ("int64", 7, "7"),
    ("uint8", 7, "7"),
    ("int32", -7, "-7"),
    ("float64", 1.5, "1.5"),
    ("float32", 1.5, "1.5"),
    ("float16", 1.5, "1.5"),
    ("longdouble", 1.5, "1.5"),
    ("bool_", True, "true"),
    ("str_", "ü", '"ü"'),
]


@pytest.mark.parametrize(("kind", "value", "text"), NUMPY)
def test_scalars_of_numpy_are_written_all_or_none(kind: str, value: Any, text: str) -> None:
    numpy = pytest.importorskip("numpy")
    scalar = getattr(numpy, kind)(value)
    for write in (dumps, dumps_with(repr), fast_json.dumps):
        assert write([scalar, {"a": scalar}]) == f'[{text},{{"a":{text}}}]'


@pytest.mark.parametrize("kind", ["float64", "float32", "longdouble"])
def test_what_is_no_number_in_numpy_is_none_in_json(kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(getattr(numpy, kind)("nan"))


def test_what_numpy_has_and_json_has_not_is_refused() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.complex64(1), numpy.datetime64("2026-01-01"), numpy.zeros(2)):
        with pytest.raises(TypeError):
            dumps([value])
