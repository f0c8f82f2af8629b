"""Packets in MessagePack, as socket.io-msgpack-parser 3.0.2 writes and reads them.

What the client's own code makes of them is in ``tests/e2e/test_later_clients.py``.
"""

from __future__ import annotations

import contextlib
import math
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sockio.exceptions import PacketError, UsageError
from sockio.protocol import msgpack_codec
from sockio.protocol.engine_codec import MAX_NESTS_BESIDE_BYTES, Attached, EngineCodec
from sockio.protocol.generations import EIO4
from sockio.protocol.msgpack_codec import VALUES, MsgpackCodec

msgpack = pytest.importorskip("msgpack")

PLAIN = EngineCodec(EIO4)
CODEC = MsgpackCodec(PLAIN)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Halves of pairs have a test of their own.
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def attachments(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return sum(map(attachments, value))
    return isinstance(value, bytes)


#: Arguments that an event may have: of bytes there are ten at most.
arguments = st.lists(values, max_size=4).filter(lambda args: attachments(args) <= 10)


def packed(**fields: Any) -> bytes:
    """A packet as a client packs it."""
    data: bytes = msgpack.packb(fields)
    return data


def event(*data: Any, **more: Any) -> bytes:
    return packed(type=2, nsp="/", data=list(data), **more)


def raw_event(count: int, body: bytes) -> bytes:
    """An event with ``count`` arguments, which are packed already."""
    head = packed(type=2, nsp="/", data=None)[:-1]
    return b"".join([head, b"\xdd", struct.pack(">I", count + 1), msgpack.packb("name"), body])


def written(packet: dict[str, Any]) -> Any:
    """What a client unpacks."""
    text = CODEC.encode(packet)
    assert isinstance(text, Attached)
    assert not text
    (message,) = text.attachments
    return msgpack.unpackb(message)


def read(message: bytes) -> Any:
    return CODEC.read(CODEC.opened(message))


# ---- what is written


@pytest.mark.parametrize(
    ("packet", "fields"),
    [
        (
            {"type": "event", "endpoint": "/chat", "name": "say", "args": ["hi", 1]},
            {"type": 2, "nsp": "/chat", "data": ["say", "hi", 1]},
        ),
        (
            {"type": "event", "endpoint": "", "name": "say", "args": [], "id": 3, "ack": "data"},
            {"type": 2, "nsp": "/", "data": ["say"], "id": 3},
        ),
        (
            {"type": "ack", "endpoint": "", "ackId": 7, "args": [b"\0\1"]},
            {"type": 3, "nsp": "/", "data": [b"\0\1"], "id": 7},
        ),
        (
            {"type": "connect", "endpoint": "/chat", "data": {"sid": "x"}},
            {"type": 0, "nsp": "/chat", "data": {"sid": "x"}},
        ),
        ({"type": "disconnect", "endpoint": "/chat"}, {"type": 1, "nsp": "/chat"}),
        (
            {"type": "error", "endpoint": "", "message": "no", "data": {"why": 1}},
            {"type": 4, "nsp": "/", "data": {"message": "no", "data": {"why": 1}}},
        ),
        (
            {"type": "message", "endpoint": "", "data": b"raw"},
            {"type": 2, "nsp": "/", "data": ["message", b"raw"]},
        ),
    ],
)
def test_what_is_written(packet: dict[str, Any], fields: dict[str, Any]) -> None:
    assert written(packet) == fields


@given(arguments)
def test_a_client_gets_what_one_with_json_would_get(args: list[Any]) -> None:
    packet = {"type": "event", "endpoint": "/chat", "name": "say", "args": args}
    as_json = PLAIN.copy(packet)[0]["args"]
    assert written(packet)["data"][1:] == [rounded(each) for each in as_json]


def rounded(value: Any) -> Any:
    """JavaScript reads an integer of any size as the nearest float."""
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    large = type(value) is int and not -(2**63) <= value < 2**64
    return float(value) if large else value


def test_the_applications_json_decides_what_its_objects_become() -> None:
    codec = MsgpackCodec(PLAIN.with_json(None, lambda value: '["name","in words"]'))
    text = codec.encode({"type": "event", "endpoint": "", "name": "name", "args": [object()]})
    assert isinstance(text, Attached)
    assert msgpack.unpackb(text.attachments[0])["data"] == ["name", "in words"]


def test_halves_of_pairs_are_repaired() -> None:
    packet = {"type": "event", "endpoint": "", "name": "n", "args": ["\ud83d\ude00", "a\ud800b"]}
    assert written(packet)["data"] == ["n", "\U0001f600", "a\ufffdb"]


@pytest.mark.parametrize("value", [object(), float("nan"), 10**400, {1, 2}])
def test_what_cannot_be_written(value: object) -> None:
    with pytest.raises(UsageError):
        CODEC.encode({"type": "event", "endpoint": "", "name": "n", "args": [value]})


# ---- what is read


@pytest.mark.parametrize(
    ("message", "packet"),
    [
        (
            packed(type=2, data=["say", "hi", b"\1"], options={"compress": True}, nsp="/chat"),
            {"type": "event", "endpoint": "/chat", "name": "say", "args": ["hi", b"\1"]},
        ),
        (
            event("say", id=4),
            {"type": "event", "endpoint": "", "name": "say", "args": [], "id": 4, "ack": "data"},
        ),
        (event(1, 2), {"type": "event", "endpoint": "", "name": "1", "args": [2]}),
        (
            packed(type=3, id=5, data=[None], nsp="/"),
            {"type": "ack", "endpoint": "", "ackId": 5, "args": [None]},
        ),
        (packed(type=0, nsp="/chat"), {"type": "connect", "endpoint": "/chat"}),
        (
            packed(type=0, nsp="/", data={"token": "x"}),
            {"type": "connect", "endpoint": "", "data": {"token": "x"}},
        ),
        (packed(type=1, nsp="/chat"), {"type": "disconnect", "endpoint": "/chat"}),
    ],
)
def test_what_is_read(message: bytes, packet: dict[str, Any]) -> None:
    assert read(message) == packet


UNDEFINED = msgpack.ExtType(0, b"\0")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (UNDEFINED, None),
        (msgpack.ExtType(0, struct.pack(">q", 1_790_000_000_123)), "2026-09-21T14:13:20.123Z"),
        (msgpack.ExtType(0, struct.pack(">q", -1)), "1969-12-31T23:59:59.999Z"),
        # Ten bytes of an ArrayBuffer, and eight that are no date.
        (msgpack.ExtType(0, b"0123456789"), b"0123456789"),
        (msgpack.ExtType(0, b"\xff\0\0\0\0\0\0\0"), b"\xff\0\0\0\0\0\0\0"),
        # A date that JavaScript has and Python has not.
        (msgpack.ExtType(0, struct.pack(">q", 8 * 10**15)), struct.pack(">q", 8 * 10**15)),
        # As JSON.stringify() writes them, wherever they stand; bytes that look like them stay.
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ({"a": [-math.inf, 1.5], "b": math.nan}, {"a": [None, 1.5], "b": None}),
        ([[[math.nan]], "\u07ff"], [[[None]], "\u07ff"]),
        (b"\xcb\x7f\xd7\xff", b"\xcb\x7f\xd7\xff"),
        (1.7976931348623157e308, 1.7976931348623157e308),
    ],
)
def test_values_that_json_has_not(value: Any, found: Any) -> None:
    assert read(event("name", value))["args"] == [found]


def test_numbers_of_four_bytes_that_json_has_not() -> None:
    for number in (math.nan, math.inf, -math.inf):
        message = msgpack.packb(
            {"type": 3, "nsp": "/", "id": 1, "data": [number]}, use_single_float=True
        )
        assert read(message)["args"] == [None]


def test_what_a_connect_brings_has_none_of_them_either() -> None:
    assert read(packed(type=0, nsp="/", data={"n": math.nan}))["data"] == {"n": None}


def test_undefined_fields_are_none() -> None:
    message = packed(type=1, nsp="/chat", data=UNDEFINED, id=UNDEFINED)
    assert read(message) == {"type": "disconnect", "endpoint": "/chat"}


BAD = {
    "nothing": b"",
    "no map": msgpack.packb([2, "/"]),
    "half of one": event("name")[:-1],
    "more behind it": event("name") + b"\xc0",
    "no type": packed(nsp="/", data=["n"]),
    "a type of 5": packed(type=5, nsp="/", data=["n"]),
    "a type that is true": packed(type=True, nsp="/", data=["n"]),
    "a type that is a list": packed(type=[2], nsp="/", data=["n"]),
    "no namespace": packed(type=2, data=["n"]),
    "a namespace without its slash": packed(type=2, nsp="chat", data=["n"]),
    "a long namespace": packed(type=2, nsp="/" + "n" * 1000, data=["n"]),
    "an id of a text": packed(type=2, nsp="/", id="1", data=["n"]),
    "an id below 0": packed(type=2, nsp="/", id=-1, data=["n"]),
    "a huge id": packed(type=2, nsp="/", id=2**60, data=["n"]),
    "an ack without an id": packed(type=3, nsp="/", data=[]),
    "no data": packed(type=2, nsp="/"),
    "data that is no list": packed(type=2, nsp="/", data={"name": "n"}),
    "an empty list": event(),
    "a name of bytes": event(b"name"),
    "a reserved name": event("disconnect"),
    "a long name": event("n" * 10_000),
    "a connect with a list": packed(type=0, nsp="/", data=[]),
    "a disconnect with data": packed(type=1, nsp="/", data=[]),
    "many fields": packed(type=2, nsp="/", data=["n"], **{f"f{n}": n for n in range(20)}),
    "a map whose keys are bytes": event("n", {b"k": 1}),
    "a map whose keys are numbers": event("n", {1: 1}),
    "no UTF-8": event("name").replace(b"name", b"n\xff\xffe"),
    "another extension": event("n", msgpack.ExtType(5, b"x")),
    "a timestamp": event("n", msgpack.Timestamp(1)),
    "one of eight bytes": event("n", msgpack.Timestamp(2**33)),
    "one of twelve bytes": event("n", msgpack.Timestamp(2**40, 5)),
    "very many timestamps": event("n", *[msgpack.Timestamp(1)] * 6000),
    "very many that are longer": event("n", [msgpack.Timestamp(2**40, 5)] * 6000),
    "timestamps inside": event("n", {"k": ["text", [msgpack.Timestamp(1)]]}),
    "a timestamp in an ack": packed(type=3, nsp="/", id=1, data=[msgpack.Timestamp(1)]),
    "a timestamp in a connect": packed(type=0, nsp="/", data={"t": msgpack.Timestamp(1)}),
    "deep": raw_event(1, b"\x91" * 5000 + b"\xc0"),
    "a list that says it is long": raw_event(2**31, b""),
    "a type of many lists": b"\x81\xa4type" + b"\x91" * 5000,
}


def test_bytes_that_look_like_many_timestamps_are_read() -> None:
    looks = [b"\xd6\xff" * 6000, *[0xD6FF] * 6000, "x" * 0xD6FF]
    assert read(event("n", *looks))["args"] == looks


def test_very_many_timestamps_are_refused_at_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    message = event("n", *[msgpack.Timestamp(1)] * 6000)
    asked: list[int] = []
    marked = msgpack_codec._Counted.marked

    def asking(self: Any, code: int, data: bytes) -> Any:
        asked.append(code)
        return marked(self, code, data)

    monkeypatch.setattr(msgpack_codec._Counted, "marked", asking)
    with pytest.raises(PacketError, match="type -1"):
        read(message)
    assert len(asked) == 1


@pytest.mark.parametrize("message", BAD.values(), ids=BAD.keys())
def test_what_is_refused(message: bytes) -> None:
    with pytest.raises(PacketError):
        read(message)


def test_who_waits_for_an_ack_is_told_what_is_wrong() -> None:
    with pytest.raises(PacketError) as caught:
        read(packed(type=2, nsp="/chat", id=9, data=["disconnect"]))
    assert (caught.value.endpoint, caught.value.ack_id) == ("/chat", 9)


@pytest.mark.parametrize(
    ("count", "item"),
    [
        (1, b"\x90"),
        (1, b"\x80"),
        (10, b"\xd7\0" + struct.pack(">q", 0)),
        (0, b"\xa2\xc3\xa9"),
        (2, b"\x98" + b"\xc0" * VALUES),
    ],
    ids=["lists", "maps", "dates", "values", "lists of values"],
)
def test_how_much_one_packet_may_hold(count: int, item: bytes) -> None:
    # Of the packet's own there are a map with three keys and a list, which holds them and a name.
    most = next(
        number
        for number in range(VALUES * MAX_NESTS_BESIDE_BYTES, 0, -1)
        if VALUES * (3.5 + number * count) + number + 1 <= VALUES * MAX_NESTS_BESIDE_BYTES
    )
    assert len(read(raw_event(most, item * most))["args"]) == most
    with pytest.raises(PacketError, match="lists and maps"):
        read(raw_event(most + VALUES, item * (most + VALUES)))


def test_keys_count_too() -> None:
    keys = 2 * MAX_NESTS_BESIDE_BYTES + 10
    large = b"\xdf" + struct.pack(">I", keys) + b"".join(b"\xa6%06d\xc0" % n for n in range(keys))
    with pytest.raises(PacketError, match="lists and maps"):
        read(raw_event(1, large))


@pytest.mark.parametrize("nest", [b"\x91", b"\x81\xa1k"], ids=["lists", "maps"])
def test_how_deep_it_may_be(nest: bytes) -> None:
    """As deep as JSON may be: what is read can be written, for clients of either kind."""
    deep = read(raw_event(1, nest * 98 + b"\x90"))["args"]
    assert written({"type": "event", "endpoint": "", "name": "e", "args": deep})["data"][1:] == deep
    with pytest.raises(PacketError, match="100 deep"):
        read(raw_event(1, nest * 99 + b"\x90"))


def test_what_is_too_deep_to_be_written_is_a_mistake_of_whoever_sends_it() -> None:
    deep: list[Any] = []
    for _ in range(120):
        deep = [deep]
    packet = {"type": "event", "endpoint": "", "name": "e", "args": deep}
    PLAIN.encode(packet)
    with pytest.raises(UsageError, match="msgpack"):
        CODEC.encode(packet)


@given(st.binary(max_size=60))
@example(b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc0")
def test_any_bytes_are_a_packet_or_a_packet_error(message: bytes) -> None:
    try:
        packet = read(message)
    except PacketError:
        return
    assert packet["type"] in ("connect", "disconnect", "event", "ack", "error")


@given(arguments, st.integers(min_value=0, max_value=100), st.binary(max_size=3))
def test_any_spoilt_packet_is_a_packet_or_a_packet_error(
    args: list[Any], place: int, junk: bytes
) -> None:
    text = CODEC.encode({"type": "event", "endpoint": "", "name": "n", "args": args})
    assert isinstance(text, Attached)
    message = bytearray(text.attachments[0])
    message[place : place + len(junk)] = junk
    with contextlib.suppress(PacketError):
        read(bytes(message))


@given(arguments)
def test_both_ways(args: list[Any]) -> None:
    packet = {"type": "event", "endpoint": "/chat", "name": "say", "args": args}
    text = CODEC.encode(packet)
    assert isinstance(text, Attached)
    (message,) = text.attachments
    found = read(message)
    assert found["endpoint"] == "/chat"
    assert found["args"] == [rounded(each) for each in PLAIN.copy(packet)[0]["args"]]
