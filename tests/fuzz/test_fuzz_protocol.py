"""The protocol under many more inputs than the unit tests draw: ``nox -s fuzz``.

Good text is taken and spoiled: characters are changed, cut out, doubled, moved. Whatever comes of
it, the outcome is a value that can be written again, or a ``PacketError``.

How many inputs each test gets is up to the Hypothesis profile in force.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sockio.exceptions import PacketError
from sockio.protocol.handshake import decode_handshake
from sockio.protocol.packet import MSG_TYPES, decode, encode
from sockio.protocol.payload import decode_payload, encode_payload
from sockio.protocol.strict_json import dumps, loads

pytestmark = pytest.mark.fuzz

unhurried = settings(
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

GOOD = [
    "0::",
    "0::/chat",
    "1::",
    "1::/chat:?a=b&c=d:e",
    "2::",
    "3:1+:/chat:text: \ufffd\n\U0001f600",
    "3::",
    '4:12:/chat:{"a":[1,2.5e3,-0.0,true,null,"\\ud83d\\ude00"]}',
    '5:9999999999999999+:/chat:{"name":"user message","args":["a+b",{"c":[[]]}]}',
    '5:::{"name":"x"}',
    "6::/chat:12",
    '6:::12+["a+b",[1],{"c":"\\u2028"}]',
    "7::/chat:2+0",
    "7:::1",
    "8::",
    "sid:60:60.5:websocket,xhr-polling",
]
JUNK = st.sampled_from(
    [
        *':+,"[]{}\\019-. \n\x00\ufffd\ud800\udc00\U0001f600\u0661',
        "NaN",
        "1e999",
        "[" * 2000,
        "9" * 5000,
    ]
)


@st.composite
def spoiled(draw: st.DrawFn, source: st.SearchStrategy[str]) -> str:
    text = draw(source)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 6)))
        what = draw(st.sampled_from(["cut", "put", "double", "move", "swap case"]))
        if what == "cut":
            text = text[:start] + text[stop:]
        elif what == "put":
            text = text[:start] + draw(JUNK | st.text(max_size=3)) + text[stop:]
        elif what == "double":
            text = text[:stop] + text[start:]
        elif what == "move":
            text = text[start:] + text[:start]
        else:
            text = text[:start] + text[start:stop].swapcase() + text[stop:]
    return text


good = st.sampled_from(GOOD)
bodies = st.lists(good, min_size=2, max_size=6).map(encode_payload)


@unhurried
@given(spoiled(good) | st.text())
def test_decode_is_total(text: str) -> None:
    try:
        packet = decode(text)
    except PacketError as refusal:
        check_refusal(refusal)
        return
    assert packet["type"] in MSG_TYPES
    assert decode(encode(packet)) == packet


def check_refusal(refusal: PacketError) -> None:
    assert ":" not in refusal.endpoint
    assert refusal.ack_id is None or 0 <= refusal.ack_id < 10**16
    assert str(refusal).isascii()
    assert str(refusal).isprintable()
    assert len(str(refusal)) < 600


@unhurried
@given(st.binary(max_size=200), spoiled(good))
def test_decode_of_bytes_is_total(junk: bytes, text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    for data in (junk, encoded, encoded + junk, encoded[: len(junk)]):
        try:
            expected: Any = decode(data.decode())
        except ValueError:
            expected = PacketError
        try:
            found: Any = decode(data)
        except PacketError:
            found = PacketError
        assert found == expected


@unhurried
@given(spoiled(good))
def test_decode_is_total_with_the_json_of_python(text: str) -> None:
    try:
        packet = decode(text, json.loads)
    except PacketError:
        return
    assert packet["type"] in MSG_TYPES


@unhurried
@given(spoiled(bodies))
def test_payloads_are_whole_or_refused(body: str) -> None:
    try:
        found = decode_payload(body)
    except PacketError:
        return
    assert all(
        decode_payload(encode_payload([packet, "2::"])) == [packet, "2::"] for packet in found
    )


@unhurried
@given(spoiled(good.filter(lambda text: "{" in text).map(lambda text: text[text.index("{") :])))
def test_json_is_a_value_that_can_be_written_or_a_value_error(text: str) -> None:
    try:
        value = loads(text)
    except ValueError:
        return
    assert loads(dumps(value)) == value


@unhurried
@given(spoiled(good))
def test_handshake_is_total(line: str) -> None:
    try:
        handshake = decode_handshake(line)
    except PacketError:
        return
    assert handshake.sid
    assert handshake.heartbeat_timeout >= 0
