"""What differs between the generations: the table, and packets through all of their codecs."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.engine_limits import DEFAULT_LIMITS
from sockio.protocol.generations import (
    EIO3,
    EIO3_BARE,
    EIO4,
    EIO4_BARE,
    Generation,
    Side,
)

ALL = [EIO3, EIO4]
EVERY = [*ALL, EIO3_BARE, EIO4_BARE]

every = pytest.mark.parametrize("generation", EVERY, ids=lambda generation: generation.name)


def answers(question: Any) -> list[Any]:
    return [question(generation) for generation in ALL]


# The table, row by row: EIO=3, EIO=4.


def test_who_starts_heartbeats() -> None:
    starts = [Side.CLIENT, Side.SERVER]
    assert answers(lambda each: each.heartbeat.starts) == starts


def test_how_long_silence_may_be_after_the_last_heartbeat_of_who_starts_them() -> None:
    assert answers(lambda each: each.heartbeat.silence.seconds(25, 20)) == [45, 20]


def test_who_has_to_ask_for_the_global_namespace() -> None:
    assert answers(lambda each: each.global_namespace.asked_for) == [False, True]


def test_bare_is_the_same_engine_without_namespaces() -> None:
    for engine, bare in ((EIO3, EIO3_BARE), (EIO4, EIO4_BARE)):
        assert bare.engine == engine.engine
        assert bare.heartbeat == engine.heartbeat
        assert bare.global_namespace is None


def test_each_is_itself_only() -> None:
    assert len(set(EVERY)) == len({each.name for each in EVERY}) == 4
    assert all((a == b) == (a is b) for a in EVERY for b in EVERY)


# One event from end to end.

EVENT = {"type": "event", "endpoint": "/chat", "name": "a", "args": ["ñ"]}
MESSAGE = {"type": "message", "endpoint": "", "data": "ñ\U0001f600"}
BYTES = {"type": "event", "endpoint": "", "name": "a", "args": [b"x"]}
P0 = '{"_placeholder":true,"num":0}'


@pytest.mark.parametrize(
    ("generation", "body"),
    [
        pytest.param(EIO3, '17:42/chat,["a","ñ"]', id="eio3"),
        pytest.param(EIO4, '42/chat,["a","ñ"]', id="eio4"),
    ],
)
def test_an_event_in_a_body(generation: Generation, body: str) -> None:
    packets = generation.packets(generation.encoder()(EVENT))
    assert generation.payload(packets, True) == body


@pytest.mark.parametrize(
    ("generation", "base64", "frames"),
    [
        pytest.param(EIO3, False, [f'451-["a",{P0}]', b"\x04x"], id="eio3"),
        pytest.param(EIO3, True, [f'451-["a",{P0}]', "b4eA=="], id="eio3 with b64"),
        pytest.param(EIO4, False, [f'451-["a",{P0}]', b"x"], id="eio4"),
        pytest.param(EIO4, True, [f'451-["a",{P0}]', "beA=="], id="eio4 with b64"),
        pytest.param(EIO4_BARE, False, [b"x"], id="bare"),
    ],
)
def test_bytes_in_websocket_frames(
    generation: Generation, base64: bool, frames: list[str | bytes]
) -> None:
    packet = BYTES if generation.global_namespace else {"type": "message", "data": b"x"}
    packets = generation.packets(generation.encoder()(packet))
    assert [generation.frame(each, base64) for each in packets] == frames


@pytest.mark.parametrize(
    ("generation", "binary", "body"),
    [
        pytest.param(EIO4, True, f'451-["a",{P0}]\x1ebeA==', id="eio4"),
        pytest.param(EIO3, False, f'39:451-["a",{P0}]6:b4eA==', id="eio3, text"),
        pytest.param(
            EIO3,
            True,
            b'\x00\x03\x09\xff451-["a",' + P0.encode() + b"]\x01\x02\xff\x04x",
            id="eio3, binary",
        ),
    ],
)
def test_bytes_in_bodies(generation: Generation, binary: bool, body: str | bytes) -> None:
    packets = generation.packets(generation.encoder()(BYTES))
    assert generation.payload(packets, binary) == body


@every
@pytest.mark.parametrize("base64", [False, True])
@pytest.mark.parametrize("way", ["frames", "body", "binary body"])
def test_what_is_sent_arrives(generation: Generation, base64: bool, way: str) -> None:
    if generation.global_namespace is None:
        sent: list[dict[str, Any]] = [MESSAGE, {**MESSAGE, "data": b"x\xff"}]
    else:
        sent = [EVENT, BYTES, EVENT]
    encode, feed = generation.encoder(), generation.feeds()()
    packets = [each for packet in sent for each in generation.packets(encode(packet))]
    if way == "frames":
        read = [generation.read_frame(generation.frame(each, base64)) for each in packets]
    else:
        body = generation.payload(packets, way == "binary body")
        if isinstance(body, bytes):
            assert generation.read_binary_payload is not None
            read, error = generation.read_binary_payload(body, DEFAULT_LIMITS)
        else:
            read, error = generation.read_payload(body, DEFAULT_LIMITS)
        assert error is None
    assert {kind for kind, _ in read} == {"message"}
    assert [found for _, data in read if (found := feed(data)) is not None] == sent


@every
def test_each_session_has_its_own_feed(generation: Generation) -> None:
    if generation.global_namespace is not None:
        make = generation.feeds()
        one, other = make(), make()
        assert one(f'51-["a",{P0}]') is None
        assert other('2["a"]') is not None
        with pytest.raises(PacketError):
            other(b"x")
        assert one(b"x") is not None


def test_only_eio3_has_binary_bodies() -> None:
    binary = [each.name for each in EVERY if each.read_binary_payload is not None]
    assert binary == ["eio3", "eio3 bare"]


@every
def test_a_bad_body_is_an_error_that_is_returned(generation: Generation) -> None:
    for body in (b"\xff", "\ufffd1\ufffd", "x" * 1_000_001, "\ufffd" * 10):
        packets, error = generation.read_payload(body, DEFAULT_LIMITS)
        assert packets == []
        assert isinstance(error, PacketError)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param({"type": "event", "name": "a"}, id="an event"),
        pytest.param({"type": "message"}, id="no data"),
        pytest.param({"type": "message", "data": 5}, id="a number"),
        pytest.param({}, id="nothing"),
    ],
)
def test_bare_sends_messages_only(packet: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"bare Engine\.IO"):
        EIO4_BARE.encoder()(packet)


def test_clients_1_are_sent_json_in_ascii() -> None:
    (text,) = EIO3.encoder(ascii_only=True)(EVENT)
    assert text == '2/chat,["a","\\u00f1"]'
