"""What holds for every packet and every text of Engine.IO and Socket.IO, with inputs drawn by
Hypothesis."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any
from urllib.parse import quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.ascii_json import ascii_json
from sockio.protocol.assembler import Assembler
from sockio.protocol.double_utf8 import encode_twice, is_encoded_twice, undo_double
from sockio.protocol.engine_packet import (
    PACKET_TYPES,
    decode_packet_v3,
    decode_packet_v4,
    encode_packet,
    in_base64_v3,
    in_base64_v4,
    in_binary_v3,
)
from sockio.protocol.engine_payload_v3 import (
    decode_binary_payload_v3,
    decode_payload_v3,
    encode_binary_payload_v3,
    encode_payload_v3,
)
from sockio.protocol.engine_payload_v4 import decode_payload_v4, encode_payload_v4
from sockio.protocol.json_depth import check_depth
from sockio.protocol.jsonp import decode_form, decode_script, encode_form, encode_script
from sockio.protocol.socketio_packet import RESERVED_EVENTS
from sockio.protocol.socketio_reader import make_head, make_opener, make_reader
from sockio.protocol.socketio_writer import make_writer
from sockio.protocol.strict_json import dumps, loads

unhurried = settings(deadline=None, max_examples=50)  # a busy machine is no failure

READ = {revision: make_reader(revision) for revision in (4, 5)}
OPEN = {revision: make_opener(revision) for revision in (4, 5)}
HEAD = {revision: make_head(revision) for revision in (4, 5)}
WRITE = {revision: make_writer(revision) for revision in (4, 5)}
WRITE_ASCII = make_writer(4, ascii_only=True)

revisions = st.sampled_from([4, 5])
anything = st.text(st.characters())  # lone surrogates included
scalars = st.text()
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | anything,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=12,
)
with_bytes = st.recursive(
    values | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=8,
)
numbers = st.integers(0, 10**16 - 1)
endpoints = st.just("") | anything.filter(bool).map(
    lambda text: "/" + text.replace(",", "").replace("?", "")
).filter(lambda text: text != "/")
names = anything.filter(lambda name: name not in RESERVED_EVENTS)


def packets_of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), "endpoint": endpoints, **fields})


asks: st.SearchStrategy[dict[str, Any]] = st.just({}) | numbers.map(
    lambda number: {"id": number, "ack": "data"}
)
events = st.builds(
    lambda packet, ask: {**packet, **ask},
    packets_of("event", name=names, args=st.lists(with_bytes, max_size=4)),
    asks,
)
packets = st.one_of(
    packets_of("disconnect"),
    events,
    packets_of("ack", ackId=numbers, args=st.lists(with_bytes, max_size=4)),
    packets_of("error", message=anything),
)
connects = {
    4: packets_of("connect", qs=st.just("") | anything.map(lambda t: "?" + t.replace(",", ""))),
    5: packets_of("connect") | packets_of("connect", data=st.dictionaries(anything, values)),
}


@unhurried
@given(revisions, st.data())
def test_what_was_written_is_read_again(revision: int, data: st.DataObject) -> None:
    packet = data.draw(packets | connects[revision])
    try:
        frames = WRITE[revision](packet)
    except UsageError:  # more attachments than ten
        return
    assembler = Assembler(READ[revision])
    messages: list[str | bytes] = [frames.text, *frames.attachments]
    found = [assembler.feed(message) for message in messages]
    assert found == [None] * len(frames.attachments) + [packet]


@unhurried
@given(packets)
def test_in_ascii_it_is_the_same_packet(packet: dict[str, Any]) -> None:
    packet["endpoint"] = ""
    try:
        frames = WRITE_ASCII(packet)
    except UsageError:
        return
    assert frames.text.isascii()
    assembler = Assembler(READ[4])
    messages: list[str | bytes] = [frames.text, *frames.attachments]
    for message in messages:
        found = assembler.feed(message)
    # Two lone surrogates beside each other are one character to who reads their escapes.
    assert joined(found) == joined(packet)


def joined(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if isinstance(value, dict):
        return {joined(key): joined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [joined(item) for item in value]
    return value


# Text that is nearly a packet finds more than text at random.
pieces = st.sampled_from(
    [
        *'0123456789-,/[]{}"\\ \n\x1e:b?',
        '2["a"',
        "51-",
        "/chat,",
        '{"_placeholder":true,"num":',
        "[1]",
        "1e999",
        "NaN",
        '"connect"',
        "b4AQID",
    ]
)
near_packets = st.lists(pieces | anything, max_size=12).map("".join)
any_messages = near_packets | st.binary(max_size=9)


@unhurried
@given(revisions, st.lists(any_messages, max_size=6))
def test_any_messages_are_packets_or_a_packet_error(
    revision: int, sequence: list[str | bytes]
) -> None:
    assembler = Assembler(READ[revision])
    for message in sequence:
        try:
            packet: Any = assembler.feed(message)
        except PacketError:
            assert assembler.due == assembler.held == 0
            return
        if packet is not None:
            again = WRITE[revision](packet) if packet["type"] != "error" else None
            if again and not again.attachments:
                assert READ[revision](again.text) == (packet, 0)


def outcome(read: Any, *args: Any) -> Any:
    """What comes of reading: the packet, or all that the error tells."""
    try:
        return read(*args)
    except PacketError as error:
        return str(error), error.endpoint, error.ack_id


plain_texts = st.builds(
    lambda start, namespace, digits, args: f"{start}{namespace}{digits}{args}",
    st.sampled_from(["2", "3", "21-"]),
    st.sampled_from(["", "/,", "/chat,", "/chat", "/a?b=c,", "/" + "n" * 1001 + ","]),
    st.sampled_from(["", "0", "12", "9" * 16, "9" * 17, "\u0661"]),
    st.lists(values, max_size=3).map(dumps) | near_packets,
)


@unhurried
@given(revisions, plain_texts | near_packets)
def test_reading_in_two_steps_is_reading_in_one(revision: int, text: str) -> None:
    opened = OPEN[revision](text)
    whole = outcome(lambda: READ[revision](text)[0])
    if opened is None:
        return
    packet, read, data = opened
    assert packet == HEAD[revision](text)

    def rest() -> Any:
        read(packet, data, loads)
        return packet

    assert outcome(rest) == whole


@given(revisions, events)
def test_plain_events_are_read_in_two_steps(revision: int, packet: dict[str, Any]) -> None:
    frames = None
    with contextlib.suppress(UsageError):
        frames = WRITE[revision](packet)
    if frames is not None and not frames.attachments and len(packet["endpoint"]) < 1000:
        assert OPEN[revision](frames.text) is not None


engine_packets = st.lists(
    st.binary(max_size=20) | st.builds(encode_packet, st.sampled_from(list(PACKET_TYPES)), scalars),
    min_size=1,
    max_size=5,
)


def as_pairs(sequence: list[str | bytes]) -> list[Any]:
    return [
        ("message", each) if isinstance(each, bytes) else decode_packet_v4(each)
        for each in sequence
    ]


@unhurried
@given(engine_packets)
def test_payloads_both_ways(sequence: list[str | bytes]) -> None:
    whole = (as_pairs(sequence), None)
    assert decode_payload_v3(encode_payload_v3(sequence), twice=False) == whole
    assert decode_payload_v3(encode_payload_v3(sequence, twice=True), twice=True) == whole
    assert decode_payload_v3(encode_payload_v3(sequence).encode(), twice=False) == whole
    assert decode_binary_payload_v3(encode_binary_payload_v3(sequence)) == whole
    if not any("\x1e" in each for each in sequence if isinstance(each, str)):
        assert decode_payload_v4(encode_payload_v4(sequence)) == whole


@unhurried
@given(near_packets | st.lists(st.sampled_from("0123456789:4b\U0001f600ñÃ©")).map("".join))
def test_any_body_of_text_gives_packets_and_maybe_an_error(body: str) -> None:
    for decode in (decode_payload_v3, decode_payload_v4):
        packets, error = decode(body)
        assert error is None or type(error) is PacketError
        assert all(kind in PACKET_TYPES for kind, _ in packets)


@unhurried
@given(st.binary() | st.lists(st.sampled_from(b"\x00\x01\x02\x09\xff\x0443")).map(bytes))
def test_any_body_of_bytes_gives_packets_and_maybe_an_error(body: bytes) -> None:
    packets, error = decode_binary_payload_v3(body)
    assert error is None or type(error) is PacketError
    # What was read is what the body begins with.
    read: list[str | bytes] = [
        data if isinstance(data, bytes) else encode_packet(kind, data) for kind, data in packets
    ]
    assert body.startswith(encode_binary_payload_v3(read))


@unhurried
@given(near_packets)
def test_any_frame_is_a_packet_or_a_packet_error(frame: str) -> None:
    for decode in (decode_packet_v3, decode_packet_v4):
        try:
            kind, data = decode(frame)
        except PacketError:
            continue
        if isinstance(data, str):
            assert encode_packet(kind, data) == frame


@unhurried
@given(st.binary())
def test_binary_messages_both_ways(data: bytes) -> None:
    assert decode_packet_v3(in_base64_v3(data)) == ("message", data)
    assert decode_packet_v4(in_base64_v4(data)) == ("message", data)
    assert decode_packet_v3(in_binary_v3(data)) == ("message", data)


@unhurried
@given(scalars, st.integers(0, 10**9 - 1).map(str))
def test_jsonp_both_ways(payload: str, index: str) -> None:
    assert decode_script(encode_script(index, payload)) == (index, payload)
    if "\\\n" not in payload:  # this the reference's own client does not bring home
        assert decode_form(encode_form(payload)) == payload


@unhurried
@given(st.lists(st.sampled_from(["\\", "n", "\n", "%", "+", "é", "=", "&"])).map("".join))
def test_jsonp_forms_are_read_as_the_reference_reads_them(text: str) -> None:
    # engine.io 6.6.11, lib/transports/polling-jsonp.ts, onData
    once = re.sub(r"(\\)?\\n", lambda match: match[0] if match[1] else "\n", text)
    expected = once.replace("\\\\n", "\\n")
    assert decode_form(b"d=" + quote_plus(text).encode()) == expected


@unhurried
@given(st.binary() | st.lists(st.sampled_from([b"%", b"d=", b"4", b"1", b"&", b"+"])).map(b"".join))
def test_any_form_is_a_payload_or_a_packet_error(body: bytes) -> None:
    try:
        payload = decode_form(body)
    except PacketError:
        return
    assert isinstance(payload.encode(), bytes)


@unhurried
@given(scalars)
def test_double_utf8_both_ways(text: str) -> None:
    twice = encode_twice(text)
    assert undo_double(twice) == text
    assert is_encoded_twice(twice) is (None if text.isascii() else True)


@unhurried
@given(values)
def test_ascii_json_is_the_same_value(value: Any) -> None:
    text = dumps(value)
    assert ascii_json(text).isascii()
    assert json.loads(ascii_json(text)) == joined(value)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inner), default=0) if isinstance(value, (list, dict)) else 0


@unhurried
@given(values, st.integers(0, 6))
def test_depth_is_what_the_value_has(value: Any, limit: int) -> None:
    try:
        check_depth(dumps(value), limit)
    except ValueError:
        assert depth_of(value) > limit
    else:
        assert depth_of(value) <= limit


@unhurried
@given(near_packets)
def test_a_text_that_passes_is_no_deeper(text: str) -> None:
    try:
        value = loads(text)
        check_depth(text, 3)
    except ValueError:
        return
    assert depth_of(value) <= 3
