"""Engine.IO 3 and 4, Socket.IO 4 and 5 under many more inputs than the unit tests draw.

Good text is taken and spoiled, as in ``test_fuzz_protocol.py``. Whatever comes of it, the outcome
is packets, or a ``PacketError``, or packets and then a ``PacketError``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sockio.exceptions import PacketError
from sockio.protocol.assembler import Assembler
from sockio.protocol.engine_handshake import decode_engine_handshake
from sockio.protocol.engine_packet import PACKET_TYPES, EnginePacket, encode_packet
from sockio.protocol.engine_payload_v3 import (
    decode_binary_payload_v3,
    decode_payload_v3,
    encode_binary_payload_v3,
    encode_payload_v3,
)
from sockio.protocol.engine_payload_v4 import decode_payload_v4, encode_payload_v4
from sockio.protocol.generations import EIO3, EIO3_BARE, EIO4, EIO4_BARE, Generation
from sockio.protocol.jsonp import decode_form, decode_script
from sockio.protocol.socketio_packet import RESERVED_EVENTS
from sockio.protocol.socketio_reader import make_reader
from sockio.protocol.socketio_writer import make_writer

pytestmark = pytest.mark.fuzz

unhurried = settings(
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

READ = {revision: make_reader(revision) for revision in (4, 5)}
WRITE = {revision: make_writer(revision) for revision in (4, 5)}

SOCKETIO = [
    "0",
    '0{"token":"x"}',
    "0/chat?a=b,",
    "1/chat,",
    '2["a",{"b":[1,2.5e3,-0.0,true,null,"\\ud83d\\ude00"]}]',
    '2/chat,9999999999999999["user message","a"]',
    '312["a",[1],{"c":"\\u2028"}]',
    "3/chat,0[null]",
    '4/chat,{"message":"no","data":{"a":1}}',
    '51-["a",{"_placeholder":true,"num":0}]',
    '52-/chat,7["a",[{"_placeholder":true,"num":1}],{"b":{"_placeholder":true,"num":0}}]',
    '61-12[{"_placeholder":true,"num":0}]',
]
ENGINE = [
    '0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1}',
    "1",
    "2probe",
    "3",
    "5",
    "6",
    "4\U0001f600 ñ",
    *["4" + text for text in SOCKETIO],
]
JUNK = st.sampled_from(
    [
        *':+-,"[]{}\\/?019b \n\x00\x01\x04\x1e\xff\ufffd\ud800\udc00\U0001f600\u0661=&%',
        "NaN",
        "1e999",
        "[" * 2000,
        "9" * 5000,
        "_placeholder",
        *RESERVED_EVENTS,
    ]
)


@st.composite
def spoiled(draw: st.DrawFn, source: st.SearchStrategy[str]) -> str:
    text = draw(source)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 6)))
        what = draw(st.sampled_from(["cut", "put", "double", "move"]))
        if what == "cut":
            text = text[:start] + text[stop:]
        elif what == "put":
            text = text[:start] + draw(JUNK | st.text(max_size=3)) + text[stop:]
        elif what == "double":
            text = text[:stop] + text[start:]
        else:
            text = text[start:] + text[:start]
    return text


@st.composite
def spoiled_bytes(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    text = draw(spoiled(source.map(lambda body: body.decode("latin-1"))))
    return text.encode("latin-1", "ignore")


def check_refusal(refusal: PacketError) -> None:
    assert type(refusal) is PacketError
    assert refusal.ack_id is None or 0 <= refusal.ack_id < 10**16
    assert str(refusal).isascii()
    assert str(refusal).isprintable()
    assert len(str(refusal)) < 600


socketio = st.sampled_from(SOCKETIO)
engine = st.sampled_from(ENGINE)
messages = spoiled(socketio) | st.text() | st.binary(max_size=20)


@unhurried
@given(st.sampled_from([4, 5]), st.lists(messages, max_size=8))
def test_messages_are_packets_or_refused(revision: int, sequence: list[str | bytes]) -> None:
    assembler = Assembler(READ[revision])
    for message in sequence:
        try:
            packet: Any = assembler.feed(message)
        except PacketError as refusal:
            check_refusal(refusal)
            assert assembler.due == assembler.held == 0
            continue
        assert (packet is None) == (assembler.due > 0)
        if packet is None or packet["type"] == "error":
            continue
        frames = WRITE[revision](packet)
        if frames.attachments:
            assert isinstance(message, bytes)
        else:
            assert READ[revision](frames.text) == (packet, 0)


def check_packets(packets: list[EnginePacket]) -> list[str | bytes]:
    assert all(kind in PACKET_TYPES for kind, _ in packets)
    return [
        data if isinstance(data, bytes) else encode_packet(kind, data) for kind, data in packets
    ]


packets = st.lists(engine | st.binary(max_size=20), min_size=1, max_size=6)
TEXT_PAYLOADS: list[Any] = [
    pytest.param(decode_payload_v3, encode_payload_v3, id="revision 3"),
    pytest.param(decode_payload_v4, encode_payload_v4, id="revision 4"),
]


@pytest.mark.parametrize(("decode", "encode"), TEXT_PAYLOADS)
@unhurried
@given(st.data())
def test_bodies_of_text_are_packets_and_maybe_an_error(
    decode: Callable[..., Any], encode: Callable[..., str], data: st.DataObject
) -> None:
    body = data.draw(spoiled(packets.map(encode)) | st.text())
    found, error = decode(body)
    whole = check_packets(found)
    if error is not None:
        check_refusal(error)
    elif found and decode(encode(whole))[1] is None:
        assert decode(encode(whole)) == (found, None)
    raw = body.encode("utf-8", "surrogatepass")
    found_in_bytes, error = decode(raw)
    if error is None:
        assert found_in_bytes == found
    else:
        check_refusal(error)


@unhurried
@given(spoiled_bytes(packets.map(encode_binary_payload_v3)) | st.binary())
def test_bodies_of_bytes_are_packets_and_maybe_an_error(body: bytes) -> None:
    for decode in (decode_binary_payload_v3, decode_payload_v3, decode_payload_v4):
        found, error = decode(body)
        check_packets(found)
        if error is not None:
            check_refusal(error)


EVERY = [EIO3, EIO4, EIO3_BARE, EIO4_BARE]


@pytest.mark.parametrize("generation", EVERY, ids=lambda generation: generation.name)
@unhurried
@given(st.lists(spoiled(engine) | st.text() | st.binary(max_size=20), max_size=6))
def test_frames_are_packets_or_refused(generation: Generation, frames: list[str | bytes]) -> None:
    feed = generation.feeds()()
    for frame in frames:
        try:
            kind, data = generation.read_frame(frame)
            if kind == "message":
                feed(data)
        except PacketError as refusal:
            check_refusal(refusal)


@unhurried
@given(spoiled_bytes(st.sampled_from([b"d=6%3A4hello", b"x=1&d=%5C%5Cn+%F0%9F%98%80&y"])))
def test_forms_are_payloads_or_refused(body: bytes) -> None:
    try:
        payload = decode_form(body)
    except PacketError as refusal:
        check_refusal(refusal)
    else:
        assert isinstance(payload.encode(), bytes)


@unhurried
@given(spoiled(st.just('___eio[7]("2:40");')))
def test_scripts_are_payloads_or_refused(script: str) -> None:
    try:
        decode_script(script)
    except PacketError as refusal:
        check_refusal(refusal)


@unhurried
@given(spoiled(st.just(ENGINE[0])))
def test_handshakes_are_such_or_refused(packet: str) -> None:
    try:
        handshake = decode_engine_handshake(packet)
    except PacketError as refusal:
        check_refusal(refusal)
    else:
        assert handshake.sid
        assert handshake.ping_interval > 0
