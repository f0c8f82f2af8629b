"""Several packets in one body: rows of (packets, body), read in both directions."""

from __future__ import annotations

import pytest

from sockio.exceptions import PacketError
from sockio.protocol.code_units import utf16_length
from sockio.protocol.payload import MARK, decode_payload, encode_payload

SMILE = "\U0001f600"  # beyond U+FFFF: two code units

BOTH_WAYS = [
    pytest.param([], "", id="no packets"),
    pytest.param(["1::"], "1::", id="one packet goes bare"),
    pytest.param(["3:::a\ufffdb"], "3:::a\ufffdb", id="one packet with a mark inside"),
    pytest.param(["3:::" + SMILE], "3:::" + SMILE, id="one packet with an astral character"),
    pytest.param(["3:::a", "3:::bc"], "\ufffd5\ufffd3:::a\ufffd6\ufffd3:::bc", id="two packets"),
    pytest.param(["3:::a"] * 3, "\ufffd5\ufffd3:::a" * 3, id="three packets"),
    pytest.param(
        ["3:::0123456789", "2::"], "\ufffd14\ufffd3:::0123456789\ufffd3\ufffd2::", id="two digits"
    ),
    pytest.param(["3:::ñ☃", "2::"], "\ufffd6\ufffd3:::ñ☃\ufffd3\ufffd2::", id="one unit each"),
    pytest.param(
        ["3:::\ufffd5\ufffd", "3:::\ufffd"],
        "\ufffd7\ufffd3:::\ufffd5\ufffd\ufffd5\ufffd3:::\ufffd",
        id="marks inside packets",
    ),
    pytest.param(
        ["3:::\ufffd3\ufffd2::", "3:::a\nb"],
        "\ufffd10\ufffd3:::\ufffd3\ufffd2::\ufffd7\ufffd3:::a\nb",
        id="a payload inside a packet",
    ),
    pytest.param(
        [f"3:::{SMILE}", f"3:::a{SMILE}b{SMILE}", "2::"],
        f"\ufffd6\ufffd3:::{SMILE}\ufffd10\ufffd3:::a{SMILE}b{SMILE}\ufffd3\ufffd2::",
        id="astral characters count two",
    ),
    pytest.param(
        ["3:::\ud83d", "3:::\ude00", f"3:::{SMILE}"],
        f"\ufffd5\ufffd3:::\ud83d\ufffd5\ufffd3:::\ude00\ufffd6\ufffd3:::{SMILE}",
        id="lone surrogates count one",
    ),
    pytest.param(["", ""], "\ufffd0\ufffd\ufffd0\ufffd", id="empty packets"),
]


@pytest.mark.parametrize(("packets", "body"), BOTH_WAYS)
def test_encode(packets: list[str], body: str) -> None:
    assert encode_payload(packets) == body


@pytest.mark.parametrize(("packets", "body"), BOTH_WAYS)
def test_decode(packets: list[str], body: str) -> None:
    assert decode_payload(body) == packets


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        pytest.param("\ufffd3\ufffd2::", ["2::"], id="one packet, framed"),
        pytest.param("\ufffd0000000003\ufffd2::", ["2::"], id="ten digits"),
        pytest.param("\ufffd0\ufffd", [""], id="one empty packet"),
        pytest.param("\n", ["\n"], id="junk is one packet"),
        pytest.param(" \ufffd3\ufffd2::", [" \ufffd3\ufffd2::"], id="mark not at the start"),
    ],
)
def test_decode_only(body: str, packets: list[str]) -> None:
    assert decode_payload(body) == packets


# Refused as they stand, and behind a packet that makes characters and code units differ.
REFUSED = [
    pytest.param("\ufffd", id="a mark"),
    pytest.param("\ufffd\ufffd", id="two marks"),
    pytest.param("\ufffd\ufffd\ufffd", id="three marks"),
    pytest.param("\ufffd3", id="length without its mark"),
    pytest.param("\ufffd3\ufffd", id="no packet"),
    pytest.param("\ufffd4\ufffd2::", id="length past the end"),
    pytest.param("\ufffd2\ufffd2::", id="length too short"),
    pytest.param("\ufffd3\ufffd2::x", id="one character left over"),
    pytest.param("\ufffd3\ufffd2::\ufffd", id="one mark left over"),
    pytest.param("\ufffd3\ufffd2::3\ufffd2::", id="second packet without its first mark"),
    pytest.param("\ufffd3\ufffd2::\ufffd32::", id="second packet without its second mark"),
    pytest.param("\ufffd3\ufffd2::\ufffd9\ufffd2::", id="second length past the end"),
    pytest.param("\ufffd-4\ufffd", id="negative length"),
    pytest.param("\ufffd-4\ufffd2::", id="negative length before a packet"),
    pytest.param("\ufffd+3\ufffd2::", id="plus sign"),
    pytest.param("\ufffd3.0\ufffd2::", id="fraction"),
    pytest.param("\ufffd3e0\ufffd2::", id="exponent"),
    pytest.param("\ufffd0x3\ufffd2::", id="hexadecimal"),
    pytest.param("\ufffd 3\ufffd2::", id="space before"),
    pytest.param("\ufffd3\n\ufffd2::", id="newline after"),
    pytest.param("\ufffd1_0\ufffd3:::012345", id="underscore"),
    pytest.param("\ufffd\u0663\ufffd2::", id="Arabic three"),
    pytest.param("\ufffd\u00b3\ufffd2::", id="superscript three"),
    pytest.param("\ufffd\uff13\ufffd2::", id="fullwidth three"),
    pytest.param("\ufffdNaN\ufffd2::", id="NaN"),
    pytest.param(f"\ufffd{SMILE}\ufffd2::", id="a face"),
    pytest.param("\ufffd00000000003\ufffd2::", id="eleven digits"),
    pytest.param("\ufffd9999999999\ufffd2::", id="ten gigabytes"),
    pytest.param("\ufffd" + "9" * 100_000 + "\ufffd2::", id="a length of 100 000 digits"),
]


@pytest.mark.parametrize("front", ["", f"\ufffd6\ufffd3:::{SMILE}"], ids=["alone", "astral"])
@pytest.mark.parametrize("body", REFUSED)
def test_decode_refuses(front: str, body: str) -> None:
    with pytest.raises(PacketError, match="payload"):
        decode_payload(front + body)


def test_every_cut_of_a_body_is_refused() -> None:
    packets = ["3:::a\ufffdñ", f"3:::{SMILE}", "3:::\n", "2::"]
    body = encode_payload(packets)
    ends = {len(encode_payload([*packets[:count], ""])) - 3 for count in range(1, 5)}
    whole = [cut for cut in range(1, len(body) + 1) if decodes(body[:cut])]
    assert whole == sorted(ends)


def decodes(body: str) -> bool:
    try:
        decode_payload(body)
    except PacketError:
        return False
    return True


def test_packets_are_counted() -> None:
    body = encode_payload(["2::"] * 5)
    assert decode_payload(body, max_packets=5) == ["2::"] * 5
    with pytest.raises(PacketError, match="more than 4 packets"):
        decode_payload(body, max_packets=4)
    assert len(decode_payload(encode_payload(["2::"] * 10_000))) == 10_000
    with pytest.raises(PacketError, match="more than 10000 packets"):
        decode_payload(encode_payload(["2::"] * 10_001))


@pytest.mark.parametrize(
    ("text", "length"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("abc", 3, id="ASCII"),
        pytest.param("ñ☃\uffff", 3, id="up to U+FFFF"),
        pytest.param("\U00010000\U0010ffff", 4, id="beyond"),
        pytest.param("\ud83d", 1, id="lone surrogate"),
        pytest.param("\ude00\ud83d", 2, id="surrogates in the wrong order"),
    ],
)
def test_utf16_length(text: str, length: int) -> None:
    assert utf16_length(text) == length


def test_a_refusal_repeats_little_and_escapes_it() -> None:
    with pytest.raises(PacketError) as refusal:
        decode_payload("\ufffd\x1b" + "\n" * 1000)
    assert str(refusal.value).isprintable()
    assert str(refusal.value).isascii()
    assert len(str(refusal.value)) < 200


# The defects of gevent-socketio's decode_payload and encode_payload.


@pytest.mark.parametrize("body", ["\ufffd-4\ufffd", "\ufffd-3\ufffd1::\ufffd3\ufffd2::"])
def test_d51_a_negative_length_ends(body: str) -> None:
    with pytest.raises(PacketError, match="mark, length, mark"):
        decode_payload(body)


def test_d52_lengths_count_utf16_code_units() -> None:
    packets = [f"3:::{SMILE}!", "3:::after"]
    assert encode_payload(packets) == f"\ufffd7\ufffd3:::{SMILE}!\ufffd9\ufffd3:::after"
    assert decode_payload(f"\ufffd7\ufffd3:::{SMILE}!\ufffd9\ufffd3:::after") == packets
    with pytest.raises(PacketError):
        decode_payload(f"\ufffd6\ufffd3:::{SMILE}!\ufffd9\ufffd3:::after")


@pytest.mark.parametrize("length", [5, 7, 9])
def test_d52_a_length_that_cuts_a_character_is_refused(length: int) -> None:
    body = f"\ufffd{length}\ufffd3:::{SMILE}{SMILE}{SMILE}"
    with pytest.raises(PacketError):
        decode_payload(body)
    with pytest.raises(PacketError):
        decode_payload(body + "\ufffd3\ufffd2::")


def test_d54_an_empty_body_holds_no_packets() -> None:
    assert decode_payload("") == []


def test_d54_a_damaged_body_gives_nothing() -> None:
    good = encode_payload(["3:::a", "3:::b"])
    with pytest.raises(PacketError):
        decode_payload(good + "\ufffdx\ufffd3:::c")


# Size. These end at once, or not at all where work grows with the square of the length.


def test_many_small_packets() -> None:
    packets = ["2::"] * 90_000
    assert decode_payload(encode_payload(packets), max_packets=90_000) == packets


def test_many_small_packets_with_astral_characters() -> None:
    packets = [f"3:::{SMILE}"] * 90_000
    assert decode_payload(encode_payload(packets), max_packets=90_000) == packets


def test_one_large_packet_among_small_ones() -> None:
    packets = ["3:::" + SMILE * 300_000, *["2::"] * 1000]
    assert decode_payload(encode_payload(packets)) == packets


@pytest.mark.parametrize("body", [MARK * 300_000, (MARK + "0") * 150_000, MARK + "0" * 300_000])
def test_marks_and_digits_without_an_end(body: str) -> None:
    with pytest.raises(PacketError):
        decode_payload(body)


def test_lone_surrogates_without_an_end() -> None:
    packets = ["3:::" + "\ud800" * 100_000, "3:::" + SMILE]
    assert decode_payload(encode_payload(packets)) == packets
