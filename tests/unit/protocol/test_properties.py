"""What holds for every packet and every text, with inputs drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sockio.exceptions import PacketError
from sockio.protocol.code_units import utf16_length
from sockio.protocol.handshake import Handshake, decode_handshake, encode_handshake
from sockio.protocol.packet import (
    ERROR_ADVICES,
    ERROR_REASONS,
    MSG_TYPES,
    Packet,
    decode,
    encode,
)
from sockio.protocol.payload import MARK, decode_payload, encode_payload
from sockio.protocol.strict_json import dumps, loads

unhurried = settings(deadline=None)  # a busy machine is no failure

texts = st.text(st.characters())  # lone surrogates included
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
numbers = st.integers(0, 10**16 - 1)
endpoints = st.just("") | texts.map(lambda text: "/" + text.replace(":", ""))
asks: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.fixed_dictionaries(
    {"id": numbers, "ack": st.sampled_from(["data", True])}
)


def packets_of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    bare = st.fixed_dictionaries({"type": st.just(kind), "endpoint": endpoints, **fields})
    return st.builds(lambda packet, ask: {**packet, **ask}, bare, asks)


packets = st.one_of(
    packets_of("disconnect"),
    packets_of("connect", qs=texts),
    packets_of("heartbeat"),
    packets_of("message", data=texts),
    packets_of("json", data=values),
    packets_of("event", name=texts, args=st.lists(values, max_size=4)),
    packets_of("ack", ackId=numbers, args=st.lists(values, max_size=4)),
    packets_of(
        "error",
        reason=st.sampled_from(["", *ERROR_REASONS]),
        advice=st.sampled_from(["", *ERROR_ADVICES]),
    ),
    packets_of("noop"),
)

# Text that is nearly a packet finds more than text at random.
pieces = st.sampled_from(
    [*'0123456789:+-,/[]{}"\\ \n\ufffd', "5:::", '{"name":"a"', '"args":', "[1]", "1e999", "NaN"]
)
near_packets = st.lists(pieces | texts, max_size=12).map("".join)


@unhurried
@given(packets)
def test_what_was_encoded_decodes_to_itself(packet: dict[str, Any]) -> None:
    assert decode(encode(packet)) == packet


@unhurried
@given(near_packets)
def test_any_text_is_a_packet_or_a_packet_error(text: str) -> None:
    try:
        packet = decode(text)
    except PacketError:
        return
    check(packet)


@unhurried
@given(st.binary() | near_packets.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_packet_or_a_packet_error(data: bytes) -> None:
    try:
        packet = decode(data)
    except PacketError:
        return
    check(packet)


def check(packet: Packet) -> None:
    """Everything its type calls for is there, and it can be sent again."""
    assert packet["type"] in MSG_TYPES
    assert ":" not in packet["endpoint"]
    assert ("id" in packet) == ("ack" in packet)
    assert decode(encode(packet)) == packet


@unhurried
@given(values)
def test_json_both_ways(value: Any) -> None:
    assert loads(dumps(value)) == value


@unhurried
@given(near_packets)
def test_any_text_is_json_or_a_value_error(text: str) -> None:
    try:
        value = loads(text)
    except ValueError:
        return
    assert loads(dumps(value)) == value


@unhurried
@given(st.lists(st.text().map(lambda text: "3:::" + text)))
def test_payload_both_ways(bodies: list[str]) -> None:
    assert decode_payload(encode_payload(bodies)) == bodies


@unhurried
@given(st.text())
def test_utf16_length_is_the_number_of_code_units(text: str) -> None:
    assert utf16_length(text) == sum(2 if character > "\uffff" else 1 for character in text)


frames = st.lists(
    st.tuples(
        st.integers(-3, 12), st.text(st.sampled_from("2:\ufffdñ\U0001f600\ud83d\ude00"), max_size=9)
    ),
    max_size=4,
)


@unhurried
@given(frames)
def test_any_frames_are_a_payload_or_a_packet_error(frames: list[tuple[int, str]]) -> None:
    body = "".join(f"{MARK}{length}{MARK}{text}" for length, text in frames)
    try:
        found = decode_payload(body)
    except PacketError:
        return
    whole = "".join(f"{MARK}{utf16_length(packet)}{MARK}{packet}" for packet in found)
    assert in_utf16(whole) == in_utf16(body)


def in_utf16(text: str) -> bytes:
    # Two lone surrogates that meet become one character; the code units stay what they were.
    return text.encode("utf-16-le", "surrogatepass")


names = st.text(st.characters(codec="utf-8", exclude_characters=":/?,"), min_size=1)
timeouts = st.integers(1, 2_147_483_000).map(lambda milliseconds: milliseconds / 1000)


@unhurried
@given(names, timeouts, timeouts, st.lists(names, min_size=1, max_size=4))
def test_handshake_both_ways(
    sid: str, heartbeat: float, close: float, transports: list[str]
) -> None:
    line = encode_handshake(sid, heartbeat, close, transports)
    handshake = decode_handshake(line)
    assert handshake == Handshake(sid, heartbeat, close, tuple(transports))


@unhurried
@given(near_packets)
def test_any_line_is_a_handshake_or_a_packet_error(line: str) -> None:
    try:
        handshake = decode_handshake(line)
    except PacketError:
        return
    assert handshake.sid
    assert handshake.heartbeat_timeout >= 0
    assert handshake.close_timeout >= 0
