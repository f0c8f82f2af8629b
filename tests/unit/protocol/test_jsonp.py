"""Polling by scripts and forms: rows of (payload, script) and (payload, form), both ways."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.jsonp import decode_form, decode_script, encode_form, encode_script

SCRIPTS = [
    pytest.param("7", "2:40", '___eio[7]("2:40");', id="as ever"),
    pytest.param("0", "", '___eio[0]("");', id="empty"),
    pytest.param("123456789", '5:4"\\x', '___eio[123456789]("5:4\\"\\\\x");', id="escapes"),
    pytest.param("1", "\u2028\u2029", '___eio[1]("\\u2028\\u2029");', id="line separators"),
    pytest.param("1", "4ñ☃\U0001f600", '___eio[1]("4ñ☃\U0001f600");', id="Unicode"),
    pytest.param("1", "\r\n\x00", '___eio[1]("\\r\\n\\u0000");', id="control characters"),
    pytest.param("1", '");alert("', '___eio[1]("\\");alert(\\"");', id="an escape tried"),
]


@pytest.mark.parametrize(("index", "payload", "script"), SCRIPTS)
def test_encode_script(index: str, payload: str, script: str) -> None:
    assert encode_script(index, payload) == script


@pytest.mark.parametrize(("index", "payload", "script"), SCRIPTS)
def test_decode_script(index: str, payload: str, script: str) -> None:
    assert decode_script(script) == (index, payload)


@pytest.mark.parametrize(
    "index", ["", "abc", "1a", "-1", "1.0", " 1", "1\n", "\u0661", "1];alert(1);[", "1" * 10]
)
def test_an_index_is_digits_or_nothing_is_written(index: str) -> None:
    with pytest.raises(UsageError, match="digits"):
        encode_script(index, "2:40")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("", id="nothing"),
        pytest.param("2:40", id="a payload"),
        pytest.param('io.j[0]("8::");', id="0.9's"),
        pytest.param("___eio[0]();", id="no argument"),
        pytest.param("___eio[0](1);", id="a number"),
        pytest.param('___eio[]("a");', id="no index"),
        pytest.param('___eio[a]("a");', id="index of letters"),
        pytest.param('___eio[0]("a")', id="cut short"),
        pytest.param('___eio[0]("a");alert(1);', id="more behind"),
        pytest.param('___eio[0]("a","b");', id="two arguments"),
        pytest.param('___eio[0]("\n");', id="raw newline"),
        pytest.param("___eio[0](" + '"' * 100_000, id="quotes"),
    ],
)
def test_decode_script_refuses(script: str) -> None:
    with pytest.raises(PacketError):
        decode_script(script)


FORMS = [
    pytest.param("6:4hello", b"d=6%3A4hello", id="as ever"),
    pytest.param("", b"d=", id="empty"),
    pytest.param("a b+c%d&e=f", b"d=a+b%2Bc%25d%26e%3Df", id="signs of forms"),
    pytest.param("3:4\U0001f600", b"d=3%3A4%F0%9F%98%80", id="Unicode"),
    pytest.param("a\nb", b"d=a%5Cnb", id="newline"),
    pytest.param("a\\nb", b"d=a%5C%5Cnb", id="backslash and n"),
    pytest.param("a\\\\nb", b"d=a%5C%5C%5Cnb", id="two backslashes and n"),
    pytest.param("\\\\\\n", b"d=%5C%5C%5C%5Cn", id="three backslashes and n"),
    pytest.param("\n\n\\n\\n", b"d=%5Cn%5Cn%5C%5Cn%5C%5Cn", id="several"),
    pytest.param("\\t\\", b"d=%5Ct%5C", id="other backslashes"),
    pytest.param('42["a","\\n"]', b"d=42%5B%22a%22%2C%22%5C%5Cn%22%5D", id="a newline in JSON"),
]


@pytest.mark.parametrize(("payload", "form"), FORMS)
def test_encode_form(payload: str, form: bytes) -> None:
    assert encode_form(payload) == form


@pytest.mark.parametrize(("payload", "form"), FORMS)
def test_decode_form(payload: str, form: bytes) -> None:
    assert decode_form(form) == payload


@pytest.mark.parametrize(
    ("form", "payload"),
    [
        pytest.param(b"d=6%3a4hello", "6:4hello", id="small hexadecimal digits"),
        pytest.param(b"d=6:4hello", "6:4hello", id="less escaped"),
        pytest.param(b"d=a=b", "a=b", id="equals sign as such"),
        pytest.param(b"d=a%20b", "a b", id="escaped space"),
        pytest.param(b"x=1&d=a&y=2", "a", id="among others"),
        pytest.param(b"xd=1&d=a", "a", id="behind one that ends alike"),
        pytest.param(b"d=a&d=b", "a", id="twice"),
        pytest.param("d=ñ".encode(), "ñ", id="raw UTF-8"),
        pytest.param(b"d=a%00_%3D", "a\x00_=", id="others"),
        pytest.param(b"d=a\r\nb ", "a\r\nb ", id="raw line ends"),
        pytest.param(b"x=%&d=a", "a", id="nonsense elsewhere"),
    ],
)
def test_decode_form_forgives(form: bytes, payload: str) -> None:
    assert decode_form(form) == payload


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"6:4hello", id="a payload"),
        pytest.param(b"D=a", id="capital D"),
        pytest.param(b"dd=a", id="another name"),
        pytest.param(b"d", id="no value"),
        pytest.param(b"d=%", id="percent at the end"),
        pytest.param(b"d=%4", id="one digit"),
        pytest.param(b"d=%4G", id="no digit"),
        pytest.param(b"d=%%41", id="two percents"),
        pytest.param(b"d=%u0041", id="escape of old"),
        pytest.param(b"d=%FF", id="not UTF-8"),
        pytest.param(b"d=\xff", id="not UTF-8, raw"),
        pytest.param(b"d=%ED%A0%80", id="a surrogate"),
        pytest.param(b"d=" + b"%" * 1_000_000, id="a megabyte of percents"),
        pytest.param(b"&" * 1_000_000, id="a megabyte of ampersands"),
    ],
)
def test_decode_form_refuses(form: bytes) -> None:
    with pytest.raises(PacketError) as refusal:
        decode_form(form)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("%", id="percents"),
        pytest.param("\\n", id="newlines"),
        pytest.param("\\\\n", id="backslashes and n"),
        pytest.param("\\", id="backslashes"),
        pytest.param("=", id="equals signs"),
    ],
)
def test_a_megabyte_is_read_without_a_step_of_python_for_each_sign(text: str, steps: Any) -> None:
    few, many = (b"d=" + quote_plus(text * count).encode() for count in (10, 100_000))
    assert steps(decode_form, many) == steps(decode_form, few)
