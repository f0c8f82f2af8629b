"""JSON as text: how deep it is, and how it gets into ASCII."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sockio.protocol.ascii_json import ascii_json
from sockio.protocol.json_depth import MAX_DEPTH, check_depth

FLAT = [
    pytest.param("", id="nothing"),
    pytest.param("1", id="a number"),
    pytest.param("[" * 100 + "]" * 100, id="a hundred"),
    pytest.param('{"a":' * 100 + "1" + "}" * 100, id="a hundred objects"),
    pytest.param('[{"a":' * 50 + "1" + "}]" * 50, id="a hundred of both"),
    pytest.param("[" + "[]," * 1000 + "[]]", id="many side by side"),
    pytest.param('["' + "[" * 1000 + '"]', id="brackets in a string"),
    pytest.param('"' + "[" * 1000 + '"', id="brackets in nothing but a string"),
    pytest.param('["\\"' + "[" * 1000 + '"]', id="... behind an escaped quote"),
    pytest.param('["\\\\","' + "{" * 1000 + '"]', id="... behind an escaped backslash"),
    pytest.param('{"' + "{" * 1000 + '":1}', id="brackets in a name"),
    pytest.param('["ñ☃\U0001f600\ud800' + "[" * 200 + '"]', id="... behind Unicode"),
    pytest.param('["' + "[" * 1000, id="a string cut short"),
    pytest.param("]" * 1000 + "[" * 200, id="closed before"),
]

DEEP = [
    pytest.param("[" * 101 + "]" * 101, id="a hundred and one"),
    pytest.param("[" * 201, id="without their ends"),
    pytest.param('{"a":' * 101 + "1" + "}" * 101, id="objects"),
    pytest.param("[" + "[]," * 1000 + "[" * 100 + "]" * 101, id="after many side by side"),
    pytest.param('["' + "]" * 1000 + '",' + "[" * 101, id="ends in a string do not count"),
    pytest.param("[" * 1_000_000, id="a million"),
    pytest.param('[" ",' * 100_000, id="strings between"),
]


@pytest.mark.parametrize("text", FLAT)
def test_flat(text: str) -> None:
    check_depth(text)


@pytest.mark.parametrize("text", DEEP)
def test_deep(text: str) -> None:
    with pytest.raises(ValueError, match="more than 100 deep"):
        check_depth(text)


def test_the_limit_can_be_another() -> None:
    check_depth("[[]]", 2)
    with pytest.raises(ValueError, match="more than 1 deep"):
        check_depth("[[]]", 1)
    check_depth("1", 0)
    with pytest.raises(ValueError, match="more than 0 deep"):
        check_depth("[]", 0)
    assert MAX_DEPTH == 100


@pytest.mark.parametrize("text", ["[]", "[", '""', '"\\"', '{"":[]}', "é[", '"'])
def test_there_is_no_step_of_python_for_each_sign(text: str, steps: Callable[..., int]) -> None:
    assert steps(check_depth, text * 50_000) <= steps(check_depth, "[" * 1000)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param('["a",1]', '["a",1]', id="ASCII"),
        pytest.param('["ñ"]', '["\\u00f1"]', id="Latin"),
        pytest.param('["☃ €"]', '["\\u2603 \\u20ac"]', id="three bytes"),
        pytest.param('["\U0001f600"]', '["\\ud83d\\ude00"]', id="a pair"),
        pytest.param('["\ud800"]', '["\\ud800"]', id="lone surrogate"),
        pytest.param('{"ñ":"é"}', '{"\\u00f1":"\\u00e9"}', id="names"),
        pytest.param('["ñ\\"\\\\\\n"]', '["\\u00f1\\"\\\\\\n"]', id="escapes stay"),
        pytest.param('["ñ\\u00f1"]', '["\\u00f1\\u00f1"]', id="so do these"),
        pytest.param('[\n\t"ñ"\r\n]', '[\n\t"\\u00f1"\r\n]', id="what is between values stays"),
        pytest.param('["ñ\x7f\\u0001\\u0002"]', '["\\u00f1\x7f\\u0001\\u0002"]', id="others"),
    ],
)
def test_json_in_ascii(text: str, escaped: str) -> None:
    assert ascii_json(text) == escaped
    assert json.loads(escaped) == json.loads(text)
