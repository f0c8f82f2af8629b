"""The payloads of Engine.IO 3 and 4: rows of (packets, body), read in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio.exceptions import PacketError
from sockio.protocol.engine_limits import Decoded, PayloadLimits
from sockio.protocol.engine_packet import EnginePacket, encode_packet
from sockio.protocol.engine_payload_v3 import (
    decode_binary_payload_v3,
    decode_payload_v3,
    encode_binary_payload_v3,
    encode_payload_v3,
)
from sockio.protocol.engine_payload_v4 import decode_payload_v4, encode_payload_v4

BYTES = b"\x01\x02\x03\x04"

HELLO: EnginePacket = ("message", "hello")
PING: EnginePacket = ("ping", "")
BINARY: EnginePacket = ("message", BYTES)
SMILE: EnginePacket = ("message", "\U0001f600")


def written(packets: list[EnginePacket]) -> list[str | bytes]:
    """As the encoders want them: the text of a packet, or the bytes of a binary message."""
    return [
        data if isinstance(data, bytes) else encode_packet(kind, data) for kind, data in packets
    ]


V4 = [
    pytest.param([HELLO], "4hello", id="one packet"),
    pytest.param([PING, HELLO], "2\x1e4hello", id="two packets"),
    pytest.param([BINARY], "bAQIDBA==", id="binary"),
    pytest.param([HELLO, BINARY, ("noop", "")], "4hello\x1ebAQIDBA==\x1e6", id="mixed"),
    pytest.param([("message", "")], "4", id="empty message"),
    pytest.param([("message", b"")], "b", id="empty binary message"),
    pytest.param([SMILE, ("message", "ñ\u2028")], "4\U0001f600\x1e4ñ\u2028", id="Unicode"),
    pytest.param(
        [("message", '0{"sid":"a"}'), ("message", '2["b"]')],
        '40{"sid":"a"}\x1e42["b"]',
        id="connected and told something",
    ),
    pytest.param([("close", "")], "1", id="close"),
]


@pytest.mark.parametrize(("packets", "body"), V4)
def test_decode_v4(packets: list[EnginePacket], body: str) -> None:
    assert decode_payload_v4(body) == (packets, None)
    assert decode_payload_v4(body.encode()) == (packets, None)


@pytest.mark.parametrize(("packets", "body"), V4)
def test_encode_v4(packets: list[EnginePacket], body: str) -> None:
    assert encode_payload_v4(written(packets)) == body


V3_TEXT = [
    pytest.param([HELLO], "6:4hello", id="one packet"),
    pytest.param([PING, HELLO], "1:26:4hello", id="two packets"),
    pytest.param([("message", "0"), ("noop", "")], "2:401:6", id="digits after digits"),
    pytest.param([BINARY], "10:b4AQIDBA==", id="binary"),
    pytest.param([SMILE], "3:4\U0001f600", id="a character that counts two"),
    pytest.param([SMILE, PING], "3:4\U0001f6001:2", id="... and one behind it"),
    pytest.param([("message", "ñ☃")], "3:4ñ☃", id="characters that count one"),
    pytest.param([("message", "6:4")], "4:46:4", id="like a payload"),
    pytest.param([("close", "")], "1:1", id="close"),
    pytest.param([("message", "x" * 99)], "100:4" + "x" * 99, id="three digits"),
    pytest.param([], "0:", id="none"),
]


@pytest.mark.parametrize(("packets", "body"), V3_TEXT)
def test_decode_v3(packets: list[EnginePacket], body: str) -> None:
    assert decode_payload_v3(body) == (packets, None)
    assert decode_payload_v3(body.encode()) == (packets, None)


@pytest.mark.parametrize(("packets", "body"), V3_TEXT)
def test_encode_v3(packets: list[EnginePacket], body: str) -> None:
    assert encode_payload_v3(written(packets)) == body


V3_BINARY = [
    pytest.param([BINARY], bytes.fromhex("01 05 ff 04 01 02 03 04"), id="binary"),
    pytest.param([("message", "hi")], bytes.fromhex("00 03 ff 34 68 69"), id="text"),
    pytest.param(
        [("message", "hi"), BINARY, PING],
        bytes.fromhex("00 03 ff 34 68 69 01 05 ff 04 01 02 03 04 00 01 ff 32"),
        id="mixed",
    ),
    pytest.param([SMILE], bytes.fromhex("00 05 ff 34 f0 9f 98 80"), id="length in bytes"),
    pytest.param([("message", b"")], bytes.fromhex("01 01 ff 04"), id="empty binary message"),
    pytest.param(
        [("message", b"\xff" * 110)],
        bytes.fromhex("01 01 01 01 ff 04") + b"\xff" * 110,
        id="three digits, and the sign that ends them in the data",
    ),
    pytest.param([("message", "x" * 9)], bytes.fromhex("00 01 00 ff 34") + b"x" * 9, id="digit 0"),
    pytest.param([], b"", id="none"),
]


@pytest.mark.parametrize(("packets", "body"), V3_BINARY)
def test_decode_binary_v3(packets: list[EnginePacket], body: bytes) -> None:
    assert decode_binary_payload_v3(body) == (packets, None)


@pytest.mark.parametrize(("packets", "body"), V3_BINARY)
def test_encode_binary_v3(packets: list[EnginePacket], body: bytes) -> None:
    assert encode_binary_payload_v3(written(packets)) == body


def test_a_lone_surrogate_in_a_binary_body_is_replaced() -> None:
    body = encode_binary_payload_v3(["4\ud800!", "4\ud83d\ude00"])
    assert decode_binary_payload_v3(body) == ([("message", "\ufffd!"), SMILE], None)


# Clients 1.x: UTF-8, taken for characters.

TWICE = [
    pytest.param([("message", "é")], "3:4Ã©", id="two bytes"),
    pytest.param([SMILE, PING], "5:4ð\x9f\x98\x801:2", id="four bytes"),
    pytest.param([HELLO], "6:4hello", id="ASCII"),
    pytest.param([("message", "\ud800")], "4:4í\xa0\x80", id="a lone surrogate"),
]


@pytest.mark.parametrize(("packets", "body"), TWICE)
def test_what_clients_1_encode_twice_is_recognised(packets: list[EnginePacket], body: str) -> None:
    assert decode_payload_v3(body) == (packets, None)
    assert decode_payload_v3(body, twice=True) == (packets, None)
    assert encode_payload_v3(written(packets), twice=True) == body


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("é", id="Latin-1 that is no UTF-8"),
        pytest.param("Ã©☃", id="like UTF-8, and something beside it"),
        pytest.param("Ã", id="UTF-8 cut short"),
        pytest.param("\U0001f600", id="beyond Latin-1"),
    ],
)
def test_what_clients_2_encode_once_is_left_alone(text: str) -> None:
    body = encode_payload_v3(["4" + text])
    assert decode_payload_v3(body) == ([("message", text)], None)


def test_who_is_known_to_encode_once_is_believed() -> None:
    assert decode_payload_v3("3:4Ã©", twice=False) == ([("message", "Ã©")], None)


def test_who_is_known_to_encode_twice_has_to() -> None:
    packets, error = decode_payload_v3("6:4hello2:4é", twice=True)
    assert packets == [HELLO]
    assert isinstance(error, PacketError)


# Bad bodies: what came before the bad packet is given, and then nothing.

TOO_LONG = 1_000_001

BAD_V4 = [
    pytest.param("", [], id="nothing"),
    pytest.param("\x1e", [], id="a separator"),
    pytest.param("\x1e4hello", [], id="separator first"),
    pytest.param("4hello\x1e", [HELLO], id="separator last"),
    pytest.param("4hello\x1e\x1e2", [HELLO], id="two separators"),
    pytest.param("4hello\x1eabc\x1e2", [HELLO], id="bad type in the middle"),
    pytest.param("4hello\x1ebAQ", [HELLO], id="bad base64"),
    pytest.param("6:4hello", [("noop", ":4hello")], id="a body of revision 3"),
    pytest.param("4hello\x1e9", [HELLO], id="type 9"),
    pytest.param(b"4hello\x1e4\xff", [], id="not UTF-8"),
    pytest.param(b"4\xed\xa0\x80", [], id="a surrogate"),
    pytest.param("4" * TOO_LONG, [], id="too large"),
    pytest.param(b"4" * TOO_LONG, [], id="too large, bytes"),
    pytest.param("4" + "é" * 500_000, [], id="too large in bytes only"),
]


@pytest.mark.parametrize(("body", "before"), BAD_V4)
def test_bad_bodies_of_revision_4(body: str | bytes, before: list[EnginePacket]) -> None:
    packets, error = decode_payload_v4(body)
    assert packets == before
    # The digit of a length is a type in revision 4: that body is wrong in what it says.
    assert (error is None) == (body == "6:4hello")


BAD_V3 = [
    pytest.param("", [], id="nothing"),
    pytest.param(":", [], id="a colon"),
    pytest.param("4hello", [], id="no length"),
    pytest.param("4hello\x1e2", [], id="a body of revision 4"),
    pytest.param("6", [], id="length alone"),
    pytest.param("7:4hello", [], id="longer than it is"),
    pytest.param("5:4hello", [("message", "hell")], id="shorter than it is"),
    pytest.param("6:4hello1:", [HELLO], id="the second is missing"),
    pytest.param("6:4hello1", [HELLO], id="the second's length cut short"),
    pytest.param("6:4hello1:9", [HELLO], id="the second is bad"),
    pytest.param("6:4hello9:2", [HELLO], id="the second is too long"),
    pytest.param("0:6:4hello", [], id="no packet before one"),
    pytest.param("6:4hello0:", [HELLO], id="no packet behind one"),
    pytest.param("2:4\U0001f600", [], id="a length that counts characters"),
    pytest.param("2:4\U0001f6001:2", [], id="... with another behind it"),
    pytest.param("5:4\U0001f600", [], id="a length that counts bytes"),
    pytest.param("0x2:4a", [], id="hexadecimal"),
    pytest.param(" 2:4a", [], id="a space"),
    pytest.param("2 :4a", [], id="a space behind"),
    pytest.param("2.0:4a", [], id="a fraction"),
    pytest.param("2e0:4a", [], id="an exponent"),
    pytest.param("000002:4a", [], id="leading zeros"),
    pytest.param("+2:4a", [], id="plus"),
    pytest.param("-2:4a", [], id="minus"),
    pytest.param("\u0662:4a", [], id="an Arabic two"),
    pytest.param("\u00b2:4a", [], id="superscript"),
    pytest.param("Infinity:4a", [], id="infinity"),
    pytest.param("9" * 11 + ":4a", [], id="eleven digits"),
    pytest.param("9" * 5000 + ":4a", [], id="five thousand digits"),
    pytest.param("9" * 999_990, [], id="digits without end"),
    pytest.param("6:b4AQID", [("message", b"\x01\x02\x03")], id="all is well"),
    pytest.param("5:b4AQI", [], id="bad base64"),
    pytest.param("5:bAQID", [], id="base64 without a type"),
    pytest.param(b"2:4\xff", [], id="not UTF-8"),
    pytest.param("1000001:" + "4" * TOO_LONG, [], id="too large"),
]


@pytest.mark.parametrize(("body", "before"), BAD_V3)
def test_bad_bodies_of_revision_3(body: str | bytes, before: list[EnginePacket]) -> None:
    packets, error = decode_payload_v3(body)
    assert packets == before
    assert (error is None) == (body == "6:b4AQID")


GOOD = bytes.fromhex("00 06 ff") + b"4hello"

BAD_BINARY_V3 = [
    pytest.param(b"\x00", [], id="marker alone"),
    pytest.param(b"\x00\xff", [], id="no digits"),
    pytest.param(b"\x00\x01\xff", [], id="nothing behind"),
    pytest.param(b"\x00\x00\xff", [], id="no length"),
    pytest.param(GOOD + b"\x00\x00\xff", [HELLO], id="no length behind one"),
    pytest.param(b"\x02\x02\xff4a", [], id="marker 2"),
    pytest.param(b"4hello", [], id="text"),
    pytest.param(b"6:4hello", [], id="a text body"),
    pytest.param(b"\x002\xff4a", [], id="digit as a character"),
    pytest.param(b"\x00\x0a\xff4a", [], id="digit ten"),
    pytest.param(b"\x00\x00\x02\xff4a", [], id="leading zero"),
    pytest.param(b"\x00\x03\xff4a", [], id="longer than it is"),
    pytest.param(b"\x00" + b"\x09" * 10 + b"\xff4a", [], id="ten digits, longer than it is"),
    pytest.param(b"\x00" + b"\x01" * 11 + b"\xff4a", [], id="eleven digits"),
    pytest.param(b"\x00" + b"\x01" * 100_000, [], id="digits without end"),
    pytest.param(GOOD + b"\x00\x02\xff9a", [HELLO], id="bad type behind one"),
    pytest.param(GOOD + b"\x00\x02\xff4\xff", [HELLO], id="no UTF-8 behind one"),
    pytest.param(GOOD + b"\x01\x02\xff\x03a", [HELLO], id="a binary pong behind one"),
    pytest.param(GOOD + b"\x01\x02\xff4a", [HELLO], id="binary with the character 4"),
    pytest.param(GOOD + b"x", [HELLO], id="something behind one"),
    pytest.param(b"\x00" * TOO_LONG, [], id="too large"),
]


@pytest.mark.parametrize(("body", "before"), BAD_BINARY_V3)
def test_bad_binary_bodies(body: bytes, before: list[EnginePacket]) -> None:
    packets, error = decode_binary_payload_v3(body)
    assert packets == before
    assert isinstance(error, PacketError)


@pytest.mark.parametrize(("body", "before"), BAD_V3)
def test_errors_are_short_and_printable(body: str | bytes, before: object) -> None:
    for decode in (decode_payload_v3, decode_payload_v4):
        error = decode(body)[1]
        assert error is None or (len(str(error)) < 300 and str(error).isprintable())


# Streams do not exist here, but bodies may be cut: no cut gives a packet that was not there.

DECODE: list[Any] = [
    pytest.param(decode_payload_v4, encode_payload_v4, id="revision 4"),
    pytest.param(decode_payload_v3, encode_payload_v3, id="revision 3"),
    pytest.param(decode_binary_payload_v3, encode_binary_payload_v3, id="revision 3, binary"),
]
PACKETS: list[EnginePacket] = [HELLO, SMILE, BINARY, PING, ("message", "ñ☃")]


@pytest.mark.parametrize(("decode", "encode"), DECODE[1:])
def test_a_body_cut_short_gives_the_packets_that_are_whole(
    decode: Callable[..., Decoded], encode: Any
) -> None:
    body = encode(written(PACKETS))
    ends = [len(encode(written(PACKETS[:count]))) for count in range(1, len(PACKETS) + 1)]
    for cut in range(1, len(body)):
        packets, error = decode(body[:cut])
        assert packets == PACKETS[: sum(end <= cut for end in ends)]
        assert (error is None) == (cut in ends)


@pytest.mark.parametrize(("decode", "encode"), DECODE)
def test_as_many_packets_as_allowed(decode: Callable[..., Decoded], encode: Any) -> None:
    limits = PayloadLimits(max_packets=5)
    assert decode(encode(written(PACKETS)), limits) == (PACKETS, None)
    packets, error = decode(encode([*written(PACKETS), "2", "2"]), limits)
    assert packets == PACKETS
    assert "more than 5 packets" in str(error)


@pytest.mark.parametrize(("decode", "encode"), DECODE)
def test_as_many_bytes_as_allowed(decode: Callable[..., Decoded], encode: Any) -> None:
    body = encode(written(PACKETS))
    size = len(body if isinstance(body, bytes) else body.encode())
    assert decode(body, PayloadLimits(max_bytes=size)) == (PACKETS, None)
    packets, error = decode(body, PayloadLimits(max_bytes=size - 1))
    assert packets == []
    assert f"{size} bytes" in str(error)


def test_as_many_digits_as_allowed() -> None:
    limits = PayloadLimits(max_digits=1)
    assert decode_payload_v3("9:4" + "x" * 8, limits)[1] is None
    assert decode_payload_v3("10:4" + "x" * 9, limits)[1] is not None
    assert decode_binary_payload_v3(b"\x00\x09\xff4" + b"x" * 8, limits)[1] is None
    assert decode_binary_payload_v3(b"\x00\x01\x00\xff4" + b"x" * 9, limits)[1] is not None


@pytest.mark.parametrize(("decode", "encode"), DECODE)
@pytest.mark.parametrize("packet", ["2", "4hello", b"\x01", "4\U0001f600"])
def test_many_packets_are_no_more_work_each(
    decode: Any, encode: Any, packet: str | bytes, steps: Callable[..., int]
) -> None:
    few, many = (encode([packet] * count) for count in (500, 2000))
    assert steps(decode, many) < 4.1 * steps(decode, few)


@pytest.mark.parametrize(("decode", "encode"), DECODE)
@pytest.mark.parametrize("text", ["x", "é", "\U0001f600", ":", "\x1f", "0"])
def test_a_large_packet_is_no_more_work_than_a_small_one(
    decode: Any, encode: Any, text: str, steps: Callable[..., int]
) -> None:
    # ... as far as Python's own steps go: the rest is copying.
    small, large = (encode(["4" + text * count]) for count in (10, 100_000))
    assert steps(decode, large) <= steps(decode, small) + 10


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("9", id="digits"),
        pytest.param(":", id="colons"),
        pytest.param("\x1e", id="separators"),
        pytest.param("1:", id="lengths"),
        pytest.param("b4", id="base64"),
        pytest.param("\x00", id="zeros"),
        pytest.param("\xff", id="what ends a length"),
        pytest.param("\U0001f600", id="characters that count two"),
    ],
)
def test_nonsense_is_no_more_work_for_being_long(body: str, steps: Callable[..., int]) -> None:
    for decode in (decode_payload_v3, decode_payload_v4):
        assert steps(decode, body * 100_000) < 200
    assert steps(decode_binary_payload_v3, (body * 100_000).encode("latin-1", "ignore")) < 200
