"""The packets of Engine.IO 3 and 4: rows of (packet, frame), read in both directions."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.engine_packet import (
    PACKET_TYPES,
    EnginePacket,
    EngineType,
    decode_packet_v3,
    decode_packet_v4,
    encode_packet,
    in_base64_v3,
    in_base64_v4,
    in_binary_v3,
)

DECODERS = [
    pytest.param(decode_packet_v3, id="revision 3"),
    pytest.param(decode_packet_v4, id="revision 4"),
]

TEXTS: list[Any] = [
    pytest.param(("open", '{"sid":"a"}'), '0{"sid":"a"}', id="open"),
    pytest.param(("close", ""), "1", id="close"),
    pytest.param(("ping", ""), "2", id="ping"),
    pytest.param(("ping", "probe"), "2probe", id="probe"),
    pytest.param(("pong", ""), "3", id="pong"),
    pytest.param(("pong", "probe"), "3probe", id="answer to a probe"),
    pytest.param(("message", ""), "4", id="message, empty"),
    pytest.param(("message", "hello"), "4hello", id="message"),
    pytest.param(("message", "4"), "44", id="message of a digit"),
    pytest.param(("message", "b4"), "4b4", id="message like base64"),
    pytest.param(("message", "\x1e"), "4\x1e", id="message of a separator"),
    pytest.param(("message", "1:a"), "41:a", id="message like a payload"),
    pytest.param(("message", "ñ☃\U0001f600"), "4ñ☃\U0001f600", id="message, Unicode"),
    pytest.param(("message", "\ud800"), "4\ud800", id="message, lone surrogate"),
    pytest.param(("upgrade", ""), "5", id="upgrade"),
    pytest.param(("noop", ""), "6", id="noop"),
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(("packet", "frame"), TEXTS)
def test_decode_text(decode: Any, packet: EnginePacket, frame: str) -> None:
    assert decode(frame) == packet


@pytest.mark.parametrize(("packet", "frame"), TEXTS)
def test_encode_text(packet: tuple[EngineType, str], frame: str) -> None:
    assert encode_packet(*packet) == frame


def test_no_data_is_empty_data() -> None:
    assert encode_packet("noop") == "6"


def test_each_type_has_its_digit() -> None:
    assert tuple(PACKET_TYPES) == get_args(EngineType)
    assert "".join(PACKET_TYPES.values()) == "0123456"


BINARY = [
    pytest.param(b"\x01\x02\x03\x04", "AQIDBA==", id="two signs of padding"),
    pytest.param(b"\x01\x02\x03\x04\x05", "AQIDBAU=", id="one sign of padding"),
    pytest.param(b"\x01\x02\x03", "AQID", id="no padding"),
    pytest.param(b"", "", id="empty"),
    pytest.param(b"\xfb\xff\xfe", "+//+", id="plus and slash"),
]


@pytest.mark.parametrize(("data", "base64"), BINARY)
def test_binary_messages_of_revision_4(data: bytes, base64: str) -> None:
    assert in_base64_v4(data) == "b" + base64
    assert decode_packet_v4("b" + base64) == ("message", data)
    assert decode_packet_v4(data) == ("message", data)  # a binary frame is the data


@pytest.mark.parametrize(("data", "base64"), BINARY)
def test_binary_messages_of_revision_3(data: bytes, base64: str) -> None:
    assert in_base64_v3(data) == "b4" + base64
    assert decode_packet_v3("b4" + base64) == ("message", data)
    assert in_binary_v3(data) == b"\x04" + data
    assert decode_packet_v3(b"\x04" + data) == ("message", data)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("", id="nothing"),
        pytest.param("7", id="type 7"),
        pytest.param("-1", id="type -1"),
        pytest.param(" 4hello", id="a space first"),
        pytest.param("hello", id="no type"),
        pytest.param("\ufeff4", id="a byte order mark"),
        pytest.param("\u0664", id="an Arabic four"),
        pytest.param("\uff14", id="a fullwidth four"),
        pytest.param("\x1e", id="a separator"),
        pytest.param("B4AQID", id="capital b"),
    ],
)
def test_both_refuse(decode: Any, frame: str) -> None:
    with pytest.raises(PacketError):
        decode(frame)


@pytest.mark.parametrize(
    ("decode", "start"),
    [
        pytest.param(decode_packet_v3, "b4", id="revision 3"),
        pytest.param(decode_packet_v4, "b", id="revision 4"),
    ],
)
@pytest.mark.parametrize(
    "base64",
    [
        pytest.param("AQIDB", id="base64 cut short"),
        pytest.param("AQIDBA", id="base64 cut short by two"),
        pytest.param("AQIDBA=", id="padding missing"),
        pytest.param("AQID====", id="too much padding"),
        pytest.param("====", id="padding alone"),
        pytest.param("AQ==AQID", id="padding inside"),
        pytest.param("A===", id="one letter"),
        pytest.param("-__-", id="base64 for URLs"),
        pytest.param("AQ ID", id="a space inside"),
        pytest.param("AQID\n", id="a newline behind"),
        pytest.param("AQIñ", id="no ASCII"),
        pytest.param("\ud800AAA", id="a surrogate"),
    ],
)
def test_base64_is_standard_and_whole(decode: Any, start: str, base64: str) -> None:
    assert decode(start + "AQIDBAU=") == ("message", b"\x01\x02\x03\x04\x05")
    with pytest.raises(PacketError, match="base64"):
        decode(start + base64)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("b", id="nothing behind b"),
        pytest.param("bAQID", id="no type"),
        pytest.param("b3AQID", id="a pong"),
        pytest.param("b7AQID", id="type 7"),
        pytest.param(b"", id="an empty frame"),
        pytest.param(b"\x02", id="a ping"),
        pytest.param(b"\x07a", id="byte 7"),
        pytest.param(b"4a", id="the character 4"),
        pytest.param(b"\xff" * 1000, id="others"),
    ],
)
def test_revision_3_refuses(frame: str | bytes) -> None:
    with pytest.raises(PacketError):
        decode_packet_v3(frame)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("filling", ["@", "\n", "\x1b", "\U0001f600", "\ud800"])
@pytest.mark.parametrize("start", ["", "b4"])
def test_a_refusal_repeats_little_and_escapes_it(decode: Any, start: str, filling: str) -> None:
    with pytest.raises(PacketError) as refusal:
        decode(start + filling * 10_000)
    text = str(refusal.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 600


@pytest.mark.parametrize("kind", ["shout", "", None, 4, ["message"]])
def test_encode_refuses_types(kind: Any) -> None:
    with pytest.raises(UsageError, match=r"open, close, ping"):
        encode_packet(kind)


def test_encode_refuses_bytes_and_says_what_writes_them() -> None:
    data: Any = b"a"
    with pytest.raises(UsageError, match="in_base64_v4"):
        encode_packet("message", data)
