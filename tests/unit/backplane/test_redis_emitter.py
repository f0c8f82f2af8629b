"""What @socket.io/redis-emitter 5.1.0 publishes, byte for byte, and what others might."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest

from sockio.backplane import Emission, Order
from sockio.backplane.commands import (
    CommandError,
    Disconnect,
    JoinRooms,
    LeaveRooms,
    Selection,
    ServerEvent,
    order_of,
)
from sockio.backplane.interop.redis_emitter import patterns, read
from sockio.backplane.wire import MOST_ROOMS

msgpack = pytest.importorskip("msgpack")


def event(name: str, *args: Any, of: str = "") -> dict[str, Any]:
    return {"type": "event", "name": name, "args": [*args], "endpoint": of}


def broadcast(
    *data: Any, nsp: Any = "/", kind: Any = 2, uid: Any = "emitter", **options: Any
) -> bytes:
    opts = {"rooms": [], "flags": {}, "except": options.pop("skip", []), **options}
    whole: bytes = msgpack.packb([uid, {"type": kind, "data": [*data], "nsp": nsp}, opts])
    return whole


def emitted(payload: bytes, channel: str = "socket.io#/#") -> Emission:
    found = read(channel, payload)
    assert isinstance(found, Emission)
    return found


def test_the_bytes_of_an_event() -> None:
    payload = bytes.fromhex(
        "93a7656d697474657283a47479706502a46461746192a46e65777381a16101a36e7370a12f"
        "83a5726f6f6d7390a5666c61677380a665786365707490"
    )
    assert emitted(payload) == Emission("", event("news", {"a": 1}))


@pytest.mark.parametrize(
    ("payload", "emission"),
    [
        pytest.param(
            broadcast("x", rooms=["a", 5]), Emission("", event("x"), ("a", 5)), id="rooms"
        ),
        pytest.param(
            broadcast("x", skip=["b", 7]),
            Emission("", event("x"), None, frozenset({"b", 7})),
            id="all but these",
        ),
        pytest.param(
            broadcast("x", flags={"volatile": True, "compress": False, "timeout": 5}),
            Emission("", event("x"), volatile=True),
            id="flags",
        ),
        pytest.param(
            broadcast("x", b"\0\xff", kind=5), Emission("", event("x", b"\0\xff")), id="bytes"
        ),
        pytest.param(broadcast(7, None), Emission("", event("7", None)), id="a name of digits"),
        pytest.param(
            msgpack.packb(["u", {"type": 2, "data": ["x"]}, {"rooms": []}]),
            Emission("", event("x")),
            id="only what has to be there",
        ),
        pytest.param(
            broadcast("x", {1: 2, False: 3, None: 4, b"k": 5}),
            Emission("", event("x", {"1": 2, "false": 3, "null": 4, "k": 5})),
            id="keys that are no texts",
        ),
        pytest.param(
            broadcast("x", msgpack.Timestamp(1700000000, 123_000_000)),
            Emission("", event("x", "2023-11-14T22:13:20.123Z")),
            id="a date",
        ),
        pytest.param(
            broadcast("x", [msgpack.Timestamp(-1, 0)]),
            Emission("", event("x", ["1969-12-31T23:59:59.000Z"])),
            id="a date before 1970",
        ),
    ],
)
def test_events(payload: bytes, emission: Emission) -> None:
    assert emitted(payload) == emission


@pytest.mark.parametrize(
    ("channel", "nsp"),
    [
        ("socket.io#/chat#", "/chat"),
        ("socket.io#/chat#a room#with#hashes#", "/chat"),
        ("socket.io#/chat#5#", "/chat"),
        ("socket.io#/#lobby#", "/"),
        ("socket.io#/a#b#", "/a#b"),
    ],
)
def test_channels(channel: str, nsp: str) -> None:
    assert emitted(broadcast("x", nsp=nsp), channel).namespace == nsp.rstrip("/")
    other = channel.replace("socket.io", "other")
    assert read(other, broadcast("x", nsp=nsp)) is None
    assert read(other, broadcast("x", nsp=nsp), key="other") == emitted(
        broadcast("x", nsp=nsp), channel
    )


def test_patterns() -> None:
    assert patterns(["", "/chat", "/a[b]*"]) == [
        "socket.io#/#*",
        "socket.io-request#/#",
        "socket.io#/chat#*",
        "socket.io-request#/chat#",
        r"socket.io#/a\[b\]\*#*",
        r"socket.io-request#/a\[b\]\*#",
    ]
    assert patterns([""], key="my?app") == [r"my\?app#/#*", r"my\?app-request#/#"]


def test_requests() -> None:
    def asked(**request: Any) -> Any:
        return read("socket.io-request#/chat#", json.dumps(request).encode())

    opts = {"rooms": ["r1"], "except": ["r2"]}
    whom = Selection("/chat", ("r1",), frozenset({"r2"}))
    assert asked(type=2, opts=opts, rooms=["r9", 9]) == JoinRooms(whom, ("r9", 9))
    assert asked(type=3, opts=opts, rooms=["r9"]) == LeaveRooms(whom, ("r9",))
    assert asked(type=4, opts=opts, close=True) == Disconnect(whom, True)
    assert asked(type=4, opts={"rooms": []}) == Disconnect(
        Selection("/chat", None, frozenset()), False
    )
    event = asked(uid="emitter", type=6, data=["hello", 1, {"a": []}])
    assert event == ServerEvent("/chat", ("hello", 1, {"a": []}))


@pytest.mark.parametrize(
    "payload",
    [
        *[json.dumps({"type": kind, "requestId": "x", "uid": "y"}).encode() for kind in range(2)],
        b'{"type":5,"uid":"x","requestId":"y"}',
        b'{"type":2,"uid":"x","requestId":"y","sid":"z","room":"r"}',
        msgpack.packb({"uid": "x", "type": 7, "requestId": "y"}),
    ],
)
def test_what_servers_ask_each_other_is_left_to_them(payload: bytes) -> None:
    assert read("socket.io-request#/#", payload) is None


def test_as_orders() -> None:
    whom = Selection("/chat", ("r1",), frozenset({"r2"}))
    to = ("/chat", ("r1",), frozenset({"r2"}))
    assert order_of(JoinRooms(whom, ("a", "b"))) == Order("join", *to, ("a", "b"))
    assert order_of(LeaveRooms(whom, ("a",))) == Order("leave", *to, ("a",))
    assert order_of(Disconnect(whom, True)) == Order("disconnect", *to, (False, True))
    assert order_of(Disconnect(whom, False)) == Order("disconnect", *to, (False, False))


NAN = struct.pack(">Bd", 0xCB, math.nan)


def spoilt(part: bytes) -> bytes:
    """A broadcast with such bytes for its argument."""
    return broadcast("x", "HERE").replace(b"\xa4HERE", part)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc0", id="nil"),
        pytest.param(b"\xc1", id="no msgpack"),
        pytest.param(b"garbage", id="text"),
        pytest.param(b"\x80\x04\x95", id="pickle"),
        pytest.param(broadcast("x") + b"\0", id="more behind it"),
        pytest.param(broadcast("x")[:-1], id="cut"),
        pytest.param(msgpack.packb([1, 2, 3]), id="numbers"),
        pytest.param(msgpack.packb(["u", {"type": 2, "data": ["x"]}]), id="no options"),
        pytest.param(msgpack.packb(["u", {"type": 2, "data": ["x"]}, {}]), id="no rooms"),
        pytest.param(broadcast(), id="no name"),
        pytest.param(broadcast({"no": "name"}), id="no text for a name"),
        pytest.param(broadcast("connect"), id="a reserved name"),
        pytest.param(broadcast("x" * 1001), id="a long name"),
        pytest.param(broadcast("x", kind=1), id="a disconnect packet"),
        pytest.param(broadcast("x", kind=True), id="no number for a type"),
        pytest.param(broadcast("x", nsp="/other"), id="another namespace"),
        pytest.param(broadcast("x", nsp=7), id="no namespace"),
        pytest.param(broadcast("x", rooms="lobby"), id="no list of rooms"),
        pytest.param(broadcast("x", rooms=[["a"]]), id="a room that is a list"),
        pytest.param(broadcast("x", rooms=[None]), id="a room that is nil"),
        pytest.param(broadcast("x", rooms=[True]), id="a room that is true"),
        pytest.param(broadcast("x", rooms=[*range(MOST_ROOMS + 1)]), id="many rooms"),
        pytest.param(broadcast("x", rooms=[0] * 900_000), id="a million rooms"),
        pytest.param(broadcast("x", skip=[{}]), id="what cannot be left out"),
        pytest.param(spoilt(NAN), id="NaN"),
        pytest.param(spoilt(b"\x91" + NAN), id="NaN in a list"),
        pytest.param(spoilt(b"\x81\xa1k" + NAN), id="NaN in a map"),
        pytest.param(spoilt(struct.pack(">Bd", 0xCB, math.inf)), id="infinity"),
        pytest.param(spoilt(b"\x81" + NAN + b"\0"), id="NaN for a key"),
        pytest.param(spoilt(b"\x81\xc4\1\xff\0"), id="bytes for a key"),
        pytest.param(spoilt(b"\x81\x90\0"), id="a list for a key"),
        pytest.param(spoilt(b"\xd4\0\0"), id="an unknown extension"),
        pytest.param(spoilt(b"\xc7\x0c\xff" + b"\xff" * 12), id="a date that is none"),
        pytest.param(spoilt(b"\xc7\x0c\xff" + b"\0" * 4 + b"\x7f" + b"\xff" * 7), id="a late date"),
        pytest.param(spoilt(b"\x91" * 200 + b"\0"), id="deep"),
        pytest.param(spoilt(b"\x91" * 5000 + b"\0"), id="very deep"),
        pytest.param(spoilt(b"\xdd\x00\x0f\x00\x00" + b"\x90" * 0xF0000), id="many lists"),
    ],
)
def test_bad_broadcasts(payload: bytes) -> None:
    with pytest.raises(CommandError) as refusal:
        read("socket.io#/#", payload)
    assert refusal.value.kind == "garbage"
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", "garbage"),
        (b"\xc0", "garbage"),
        (b"{", "garbage"),
        (b"{}", "garbage"),
        (b"{\xff}", "garbage"),
        (b'{"type":"2"}', "garbage"),
        (b'{"type":true}', "garbage"),
        (b'{"type":2}', "garbage"),
        (b'{"type":2,"opts":{"rooms":[]}}', "garbage"),
        (b'{"type":2,"opts":{},"rooms":[]}', "garbage"),
        (b'{"type":4,"opts":{"rooms":[]},"close":1}', "garbage"),
        (b'{"type":6}', "garbage"),
        (b'{"type":6,"data":[]}', "garbage"),
        (b'{"type":6,"data":[1]}', "garbage"),
        (b'{"type":6,"data":["x",NaN]}', "garbage"),
        (b'{"type":6,"data":["x",' + b"[" * 200 + b"]" * 200 + b"]}", "garbage"),
        (b'{"type":6,"data":["x",' + b"[]," * 200_000 + b"0]}", "garbage"),
        (b'{"type":99}', "version"),
    ],
)
def test_bad_requests(payload: bytes, kind: str) -> None:
    with pytest.raises(CommandError) as refusal:
        read("socket.io-request#/#", payload)
    assert refusal.value.kind == kind


@pytest.mark.parametrize("channel", ["socket.io-request#", "socket.io-request#/", "socket.io#/x"])
def test_bad_channels(channel: str) -> None:
    with pytest.raises(CommandError):
        read(channel, b'{"type":6,"data":["x"]}' if "request" in channel else broadcast("x"))
