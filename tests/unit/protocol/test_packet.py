"""The packets of protocol 0.9: rows of (packet, wire text), read in both directions."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, get_args

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol import packet as packet_module
from sockio.protocol.engine_codec import EngineCodec
from sockio.protocol.generations import EIO4
from sockio.protocol.packet import (
    ERROR_ADVICES,
    ERROR_REASONS,
    MSG_TYPES,
    Packet,
    PacketType,
    decode,
    encode,
    socketio_packet_attributes,
)
from sockio.protocol.socketio_writer import make_writer
from sockio.protocol.strict_json import dumps_with

# The words of the protocol. `ask` is the pair that asks for an ack: RECEIPT or DATA_ACK.

RECEIPT: Packet = {"id": 1, "ack": True}
DATA_ACK: Packet = {"id": 1, "ack": "data"}
NOTHING: Packet = {}


def disconnect(endpoint: str = "") -> Packet:
    return {"type": "disconnect", "endpoint": endpoint}


def connect(endpoint: str = "", qs: str = "") -> Packet:
    return {"type": "connect", "endpoint": endpoint, "qs": qs}


def heartbeat() -> Packet:
    return {"type": "heartbeat", "endpoint": ""}


def message(data: str, endpoint: str = "", ask: Packet = NOTHING) -> Packet:
    return {"type": "message", "endpoint": endpoint, "data": data, **ask}


def json_packet(data: Any, endpoint: str = "", ask: Packet = NOTHING) -> Packet:
    return {"type": "json", "endpoint": endpoint, "data": data, **ask}


def event(name: str, *args: Any, endpoint: str = "", ask: Packet = NOTHING) -> Packet:
    return {"type": "event", "endpoint": endpoint, "name": name, "args": list(args), **ask}


def ack(number: int, *args: Any, endpoint: str = "") -> Packet:
    return {"type": "ack", "endpoint": endpoint, "ackId": number, "args": list(args)}


def error(reason: str = "", advice: str = "", endpoint: str = "") -> Packet:
    return {"type": "error", "endpoint": endpoint, "reason": reason, "advice": advice}


def noop() -> Packet:
    return {"type": "noop", "endpoint": ""}


BOTH_WAYS = [
    pytest.param(disconnect(), "0::", id="disconnect the session"),
    pytest.param(disconnect("/chat"), "0::/chat", id="disconnect one endpoint"),
    pytest.param(connect(), "1::", id="connect the global endpoint"),
    pytest.param(connect("/chat"), "1::/chat", id="connect an endpoint"),
    pytest.param(connect("/chat", "?a=b"), "1::/chat:?a=b", id="connect with a query"),
    pytest.param(connect("", "?a=b"), "1:::?a=b", id="connect globally with a query"),
    pytest.param(connect("/chat", "?u=http://h:1"), "1::/chat:?u=http://h:1", id="query, colons"),
    pytest.param(connect("/chat?a=b"), "1::/chat?a=b", id="question mark inside the endpoint"),
    pytest.param(heartbeat(), "2::", id="heartbeat"),
    pytest.param(message("woot"), "3:::woot", id="message"),
    pytest.param(message(""), "3::", id="message, empty"),
    pytest.param(message("", "/chat"), "3::/chat", id="message, empty, to an endpoint"),
    pytest.param(message("woot", "/chat"), "3::/chat:woot", id="message to an endpoint"),
    pytest.param(message("a:b::c"), "3:::a:b::c", id="message with colons"),
    pytest.param(message(":"), "3::::", id="message of one colon"),
    pytest.param(message("a\nb\r\n\n"), "3:::a\nb\r\n\n", id="message with newlines"),
    pytest.param(
        message("ñ ☃ \U0001f600 \ufffd"), "3:::ñ ☃ \U0001f600 \ufffd", id="message, Unicode"
    ),
    pytest.param(message("\x00"), "3:::\x00", id="message with a zero byte"),
    pytest.param(message("a", "", RECEIPT), "3:1::a", id="message that asks for a receipt"),
    pytest.param(message("a", "/chat", DATA_ACK), "3:1+:/chat:a", id="message that asks for data"),
    pytest.param(
        message("", "/chat", RECEIPT), "3:1:/chat", id="message, empty, asks for a receipt"
    ),
    pytest.param(json_packet("2"), '4:::"2"', id="json string"),
    pytest.param(json_packet({"a": "b"}), '4:::{"a":"b"}', id="json object"),
    pytest.param(json_packet({"b": 1, "a": 2}), '4:::{"b":1,"a":2}', id="json keeps its order"),
    pytest.param(json_packet(None), "4:::null", id="json null"),
    pytest.param(json_packet(False), "4:::false", id="json false"),
    pytest.param(json_packet([1, 2.5, "a:b"]), '4:::[1,2.5,"a:b"]', id="json array"),
    pytest.param(json_packet({"ñ": "☃"}, "/chat"), '4::/chat:{"ñ":"☃"}', id="json, non-ASCII raw"),
    pytest.param(json_packet(1, "", RECEIPT), "4:1::1", id="json that asks for a receipt"),
    pytest.param(
        json_packet({"a": "b"}, "/x", DATA_ACK), '4:1+:/x:{"a":"b"}', id="json asks for data"
    ),
    pytest.param(event("woot"), '5:::{"name":"woot"}', id="event without arguments"),
    pytest.param(event("woot", "a"), '5:::{"name":"woot","args":["a"]}', id="event"),
    pytest.param(
        event("user message", "a:b", {"c": [1, None]}, endpoint="/chat"),
        '5::/chat:{"name":"user message","args":["a:b",{"c":[1,null]}]}',
        id="event to an endpoint",
    ),
    pytest.param(
        event("a", [1, 2]), '5:::{"name":"a","args":[[1,2]]}', id="event, a list argument"
    ),
    pytest.param(event("edwald", ask=RECEIPT), '5:1::{"name":"edwald"}', id="event, plain id"),
    pytest.param(
        event("edwald", {"a": "b"}, endpoint="/chat", ask=DATA_ACK),
        '5:1+:/chat:{"name":"edwald","args":[{"a":"b"}]}',
        id="event that asks for data",
    ),
    pytest.param(event(""), '5:::{"name":""}', id="event with an empty name"),
    pytest.param(event("a", ask={"id": 0, "ack": True}), '5:0::{"name":"a"}', id="id zero"),
    pytest.param(
        event("a", ask={"id": 10**16 - 1, "ack": "data"}),
        '5:9999999999999999+::{"name":"a"}',
        id="id of sixteen digits",
    ),
    pytest.param(ack(140), "6:::140", id="ack"),
    pytest.param(ack(140, endpoint="/chat"), "6::/chat:140", id="ack from an endpoint"),
    pytest.param(ack(12, "woot", "wa"), '6:::12+["woot","wa"]', id="ack with arguments"),
    pytest.param(ack(1, [1, 2]), "6:::1+[[1,2]]", id="ack, a list argument"),
    pytest.param(ack(1, None, endpoint="/chat"), "6::/chat:1+[null]", id="ack with null"),
    pytest.param(ack(1, "a+b"), '6:::1+["a+b"]', id="plus sign inside the arguments"),
    pytest.param(ack(1, ":", "\n"), '6:::1+[":","\\n"]', id="ack, colon and newline"),
    pytest.param(error(), "7::", id="error"),
    pytest.param(error(endpoint="/chat"), "7::/chat", id="error of an endpoint"),
    pytest.param(error("transport not supported"), "7:::0", id="transport not supported"),
    pytest.param(error("client not handshaken", "reconnect"), "7:::1+0", id="not handshaken"),
    pytest.param(error("unauthorized", endpoint="/chat"), "7::/chat:2", id="unauthorized"),
    pytest.param(error("", "reconnect"), "7:::+0", id="advice without a reason"),
    pytest.param(noop(), "8::", id="noop"),
]


@pytest.mark.parametrize(("packet", "wire"), BOTH_WAYS)
def test_decode(packet: Packet, wire: str) -> None:
    assert decode(wire) == packet


@pytest.mark.parametrize(("packet", "wire"), BOTH_WAYS)
def test_decode_bytes(packet: Packet, wire: str) -> None:
    assert decode(wire.encode()) == packet


@pytest.mark.parametrize(("packet", "wire"), BOTH_WAYS)
def test_encode(packet: Packet, wire: str) -> None:
    assert encode(packet) == wire


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        pytest.param("3:::", message(""), id="empty message with its third colon"),
        pytest.param("1:::", connect(), id="connect with its third colon"),
        pytest.param("2:::", heartbeat(), id="heartbeat with its third colon"),
        pytest.param("2:::junk:", heartbeat(), id="heartbeat with data"),
        pytest.param("8:::junk", noop(), id="noop with data"),
        pytest.param("0::/chat:junk", disconnect("/chat"), id="disconnect with data"),
        pytest.param('5::: {"args" : [1], "name" : "a"} ', event("a", 1), id="spaces in JSON"),
        pytest.param('5:::{"name":"a","args":[]}', event("a"), id="event, arguments empty"),
        pytest.param('5:::{"name":"a","x":1}', event("a"), id="event with another key"),
        pytest.param(
            '5:007::{"name":"a"}', event("a", ask={"id": 7, "ack": True}), id="leading zeros"
        ),
        pytest.param('5:+::{"name":"a"}', event("a"), id="plus sign without an id"),
        pytest.param("1:1:/chat", {**connect("/chat"), **RECEIPT}, id="connect with an id"),
        pytest.param("6:1+::2", {**ack(2), **DATA_ACK}, id="ack with an id of its own"),
        pytest.param("6:::1+", ack(1), id="ack, nothing after the plus sign"),
        pytest.param("6:::1+[]", ack(1), id="ack, arguments empty"),
        pytest.param("7:::9", error(), id="unknown reason"),
        pytest.param("7:::2+9", error("unauthorized"), id="unknown advice"),
        pytest.param("7:::02", error(), id="reason with a leading zero"),
        pytest.param("7:::sorry", error(), id="reason in words"),
        pytest.param("7:::1+0+0", error("client not handshaken"), id="more than one advice"),
        pytest.param("1::\ufffd", connect("\ufffd"), id="mark as an endpoint"),
    ],
)
def test_decode_forgives(wire: str, packet: Packet) -> None:
    assert decode(wire) == packet


@pytest.mark.parametrize(
    ("packet", "wire"),
    [
        pytest.param({"type": "connect"}, "1::", id="no endpoint"),
        pytest.param({"type": "error"}, "7::", id="no reason"),
        pytest.param(
            {"type": "error", "endpoint": "/a", "reason": "unauthorized"}, "7::/a:2", id="no advice"
        ),
        pytest.param({"type": "event", "name": "a"}, '5:::{"name":"a"}', id="no args"),
        pytest.param(
            {"type": "event", "name": "a", "args": ("b",)},
            '5:::{"name":"a","args":["b"]}',
            id="tuple",
        ),
        pytest.param({"type": "ack", "ackId": 1}, "6:::1", id="ack without args"),
        pytest.param({"type": "ack", "ackId": 1, "args": ("b",)}, '6:::1+["b"]', id="ack, tuple"),
        pytest.param({"type": "message", "data": "", "id": None, "ack": None}, "3::", id="id None"),
        pytest.param(
            {"type": "heartbeat", "data": "x", "args": [1]}, "2::", id="keys of other types"
        ),
        pytest.param({"type": "json", "data": (1, 2)}, "4:::[1,2]", id="json tuple"),
    ],
)
def test_encode_fills_in(packet: dict[str, Any], wire: str) -> None:
    assert encode(packet) == wire


REFUSED_TEXTS = [
    pytest.param("", id="nothing"),
    pytest.param(":", id="a colon"),
    pytest.param(":::", id="colons"),
    pytest.param("garbage", id="garbage"),
    pytest.param("9::", id="type 9"),
    pytest.param("-1::", id="type -1"),
    pytest.param("10::", id="type 10"),
    pytest.param(" 1::", id="a space first"),
    pytest.param("1 ::", id="a space after the type"),
    pytest.param("\u0661::", id="an Arabic one"),
    pytest.param("\uff11::", id="a fullwidth one"),
    pytest.param("\ufffd3\ufffd1::", id="a payload"),
    pytest.param("\ufeff1::", id="a byte order mark"),
    pytest.param("3", id="message, no colons"),
    pytest.param("3:", id="message, one colon"),
    pytest.param("3:1", id="message, ends with its id"),
    pytest.param("7", id="error, no colons"),
    pytest.param("3:x::a", id="id of letters"),
    pytest.param("3:-1::a", id="negative id"),
    pytest.param("3:1.0::a", id="fraction as id"),
    pytest.param("3: 1::a", id="id with a space"),
    pytest.param("3:1_0::a", id="id with an underscore"),
    pytest.param("3:1++::a", id="two plus signs"),
    pytest.param("3:++::a", id="two plus signs, no id"),
    pytest.param("3:+1::a", id="plus sign first"),
    pytest.param("3:\u0661::a", id="id in Arabic"),
    pytest.param("3:\u00b2::a", id="superscript id"),
    pytest.param("3:" + "1" * 17 + "::a", id="id of seventeen digits"),
    pytest.param("4::", id="json without data"),
    pytest.param("4:::", id="json, empty data"),
    pytest.param("4:::{", id="json, bad"),
    pytest.param("4:::{'a':1}", id="json, single quotes"),
    pytest.param("4:::1 2", id="json, two values"),
    pytest.param("4:::NaN", id="json NaN"),
    pytest.param("4:::[-Infinity]", id="json infinity"),
    pytest.param("4:::1e999", id="json, too large"),
    pytest.param("4:::" + "1" * 100_000, id="json, too many digits"),
    pytest.param("4:::" + "[" * 100_000, id="json, too deep"),
    pytest.param("4:::" + '{"a":' * 100_000, id="json objects, too deep"),
    pytest.param("5::", id="event without data"),
    pytest.param("5:::null", id="event null"),
    pytest.param('5:::"a"', id="event a string"),
    pytest.param('5:::["a"]', id="event an array"),
    pytest.param("5:::{}", id="event without a name"),
    pytest.param('5:::{"args":[1]}', id="event with arguments only"),
    pytest.param('5:::{"name":null}', id="event name null"),
    pytest.param('5:::{"name":1}', id="event name a number"),
    pytest.param('5:::{"name":["a"]}', id="event name an array"),
    pytest.param('5:::{"name":"a","args":null}', id="arguments null"),
    pytest.param('5:::{"name":"a","args":[1e999]}', id="argument too large"),
    pytest.param("6::", id="ack without data"),
    pytest.param("6:::+[1]", id="ack without a number"),
    pytest.param("6:::a", id="ack of letters"),
    pytest.param("6:::-1", id="ack, negative"),
    pytest.param("6:::1[2]", id="ack without the plus sign"),
    pytest.param("6:::\u0661", id="ack in Arabic"),
    pytest.param("6:::" + "1" * 17, id="ack of seventeen digits"),
    pytest.param("6:::1+x", id="ack, bad JSON"),
    pytest.param("6:::1++[1]", id="ack, two plus signs"),
    pytest.param('6:::1+{"a":1}', id="ack, an object"),
    pytest.param("6:::1+1", id="ack, a number"),
    pytest.param("6:::1+null", id="ack null"),
]


@pytest.mark.parametrize("wire", REFUSED_TEXTS)
def test_decode_refuses(wire: str) -> None:
    with pytest.raises(PacketError) as refusal:
        decode(wire)
    assert type(refusal.value) is PacketError


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"3:::\xff", id="no UTF-8"),
        pytest.param(b"3:::\xc3", id="a character cut short"),
        pytest.param(b"3:::\xed\xa0\x80", id="a surrogate"),
        pytest.param(b"3:::\xc0\x80", id="overlong zero"),
    ],
)
def test_decode_refuses_what_is_not_utf8(wire: bytes) -> None:
    with pytest.raises(PacketError, match="UTF-8"):
        decode(wire)


@pytest.mark.parametrize(
    ("wire", "endpoint", "ack_id"),
    [
        pytest.param('5:5+:/chat:{"name":"a","args":1}', "/chat", 5, id="waits for data"),
        pytest.param('5:5:/chat:{"name":"a","args":1}', "/chat", None, id="wants a receipt"),
        pytest.param("5::/chat:{", "/chat", None, id="bad JSON"),
        pytest.param("4:5+::{", "", 5, id="global endpoint"),
        pytest.param("3:x:/chat:a", "/chat", None, id="bad id"),
        pytest.param("6::/chat:x", "/chat", None, id="bad ack"),
        pytest.param("9:5+:/chat:a", "", None, id="unknown type"),
        pytest.param("", "", None, id="nothing"),
    ],
)
def test_a_refusal_says_whom_to_answer(wire: str, endpoint: str, ack_id: int | None) -> None:
    with pytest.raises(PacketError) as refusal:
        decode(wire)
    assert refusal.value.endpoint == endpoint
    assert refusal.value.ack_id == ack_id


@pytest.mark.parametrize(
    "start",
    ["", "3:", "3", "5:::", '5:::{"name":"', "4:::", "6:::", "6:::1+", "7", "\x1b[2J\n"],
)
@pytest.mark.parametrize("filling", ["@", "\n", "\x1b", "\u2028", "\U0001f600", "\ud800"])
def test_a_refusal_repeats_little_and_escapes_it(start: str, filling: str) -> None:
    with pytest.raises(PacketError) as refusal:
        decode(start + filling * 10_000)
    text = str(refusal.value)
    assert text.isascii()
    assert text.isprintable()
    assert text.count(ascii(filling)[1:-1]) <= 40


REFUSED_PACKETS = [
    pytest.param({}, "'type'.*disconnect, connect", id="no type"),
    pytest.param({"type": "shout"}, "'shout'", id="unknown type"),
    pytest.param({"type": 5}, "'type'", id="type as a number"),
    pytest.param({"type": ["event"]}, "'type'", id="type in a list"),
    pytest.param(
        {"type": "connect", "endpoint": "/a:b"}, "colons.*'/a:b'", id="colon in the endpoint"
    ),
    pytest.param({"type": "connect", "endpoint": None}, "endpoint", id="endpoint None"),
    pytest.param({"type": "connect", "endpoint": b"/a"}, "endpoint", id="endpoint bytes"),
    pytest.param({"type": "connect", "qs": {"a": "b"}}, "'qs'", id="query as a dict"),
    pytest.param({"type": "message"}, "'data' of a message", id="message without data"),
    pytest.param({"type": "message", "data": 5}, "not int.*json", id="message of an int"),
    pytest.param({"type": "message", "data": b"a"}, "not bytes", id="message of bytes"),
    pytest.param({"type": "message", "data": "a", "id": "1"}, "'id'.*int", id="id a str"),
    pytest.param({"type": "message", "data": "a", "id": -1}, "'id'", id="id negative"),
    pytest.param(
        {"type": "message", "data": "a", "id": 10**16}, "'id'.*16 digits", id="id too large"
    ),
    pytest.param({"type": "message", "data": "a", "id": True}, "'id'", id="id True"),
    pytest.param(
        {"type": "message", "data": "a", "ack": "data"}, "needs an 'id'", id="ack without id"
    ),
    pytest.param({"type": "json"}, "needs 'data'.*None", id="json without data"),
    pytest.param({"type": "json", "data": {1, 2}}, "json.*set.*json_dumps", id="json of a set"),
    pytest.param({"type": "event"}, "'name'", id="event without a name"),
    pytest.param({"type": "event", "name": None}, "'name'", id="event name None"),
    pytest.param(
        {"type": "event", "name": "a", "args": "bc"},
        "event 'a'.*not str.*into a list",
        id="args a str",
    ),
    pytest.param(
        {"type": "event", "name": "a", "args": {"b": 1}}, "event 'a'.*not dict", id="args a dict"
    ),
    pytest.param(
        {"type": "event", "name": "a", "args": None}, "event 'a'.*NoneType", id="args None"
    ),
    pytest.param(
        {"type": "event", "name": "a", "args": [b"x"]}, "event 'a'.*bytes.*json_dumps", id="bytes"
    ),
    pytest.param(
        {"type": "event", "name": "a", "args": [{(1, 2): 3}]}, "event 'a'.*keys", id="tuple as key"
    ),
    pytest.param({"type": "ack"}, "'ackId'", id="ack without a number"),
    pytest.param({"type": "ack", "ackId": "1"}, "'ackId'.*'1'", id="ack number a str"),
    pytest.param({"type": "ack", "ackId": -1}, "'ackId'", id="ack number negative"),
    pytest.param({"type": "ack", "ackId": 10**16}, "'ackId'", id="ack number too large"),
    pytest.param({"type": "ack", "ackId": 1, "args": "a"}, "'args'.*not str", id="ack args a str"),
    pytest.param({"type": "ack", "ackId": 1, "args": [{1}]}, "'ack'.*set", id="ack args a set"),
    pytest.param(
        {"type": "error", "reason": "tired"}, "'reason'.*'unauthorized'.*'tired'", id="reason"
    ),
    pytest.param({"type": "error", "reason": 2}, "'reason'", id="reason a number"),
    pytest.param({"type": "error", "reason": ["unauthorized"]}, "'reason'", id="reason in a list"),
    pytest.param({"type": "error", "advice": "give up"}, "'advice'.*'reconnect'", id="advice"),
]


@pytest.mark.parametrize(("packet", "hint"), REFUSED_PACKETS)
def test_encode_refuses_and_says_what_to_do(packet: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        encode(packet)


def test_encode_refuses_a_value_that_holds_itself() -> None:
    args: list[Any] = []
    args.append(args)
    with pytest.raises(UsageError, match="event 'knot'"):
        encode({"type": "event", "name": "knot", "args": args})


def test_encode_refuses_what_is_nested_too_deeply() -> None:
    args: list[Any] = []
    for _ in range(100_000):
        args = [args]
    with pytest.raises(UsageError, match=r"event 'deep'.*RecursionError"):
        encode({"type": "event", "name": "deep", "args": args})


# Codecs of the user's own.


KNOT: list[Any] = []
KNOT.append(KNOT)


def by_writer(dumps: Callable[[Any], str]) -> Callable[[Any], Any]:
    return make_writer(5, dumps)


class Strange(Exception):
    pass


def raising(exception: type[Exception]) -> Callable[[Any], Any]:
    def codec(_: Any) -> Any:
        raise exception("as asked: \n" + "x" * 1000)

    return codec


EXCEPTIONS = [ValueError, TypeError, RecursionError, KeyError, UnicodeError, MemoryError, Strange]


@pytest.mark.parametrize("exception", EXCEPTIONS)
@pytest.mark.parametrize("wire", ["4::/a:1", '5::/a:{"name":"b"}', "6::/a:1+[1]"])
def test_whatever_json_loads_raises_is_a_packet_error(
    wire: str, exception: type[Exception]
) -> None:
    with pytest.raises(PacketError) as refusal:
        decode(wire, raising(exception))
    assert refusal.value.endpoint == "/a"
    assert isinstance(refusal.value.__cause__, exception)
    assert "asked" not in str(refusal.value)


@pytest.mark.parametrize("exception", EXCEPTIONS)
@pytest.mark.parametrize("packet", [json_packet(1), event("b", 1), ack(1, 1)])
def test_whatever_json_dumps_raises_is_a_usage_error(
    packet: Packet, exception: type[Exception]
) -> None:
    with pytest.raises(UsageError, match=exception.__name__) as refusal:
        encode(packet, raising(exception))
    assert isinstance(refusal.value.__cause__, exception)


def of_the_applications(value: Any) -> Any:
    raise TypeError("not today")


@pytest.mark.parametrize("write", [encode, make_writer(5), EngineCodec(EIO4).encode])
@pytest.mark.parametrize("value", [object(), float("nan"), KNOT], ids=["type", "nan", "knot"])
def test_a_value_that_json_has_not_is_told_without_how_it_was_found_out(
    write: Callable[[Any], Any], value: Any
) -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON") as refusal:
        write(event("b", value))
    told = "".join(traceback.format_exception(refusal.value))
    assert "direct cause" not in told
    assert "During handling" not in told


@pytest.mark.parametrize("make", [lambda dumps: partial(encode, json_dumps=dumps), by_writer])
def test_a_json_default_that_fails_is_seen_with_its_lines(make: Any) -> None:
    write = make(dumps_with(of_the_applications))
    with pytest.raises(UsageError, match="not today") as refusal:
        write(event("b", object()))
    assert "in of_the_applications" in "".join(traceback.format_exception(refusal.value))


def test_what_is_no_exception_of_a_codec_passes() -> None:
    def interrupted(_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode("4:::1", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode(json_packet(1), interrupted)


@pytest.mark.parametrize("packet", [json_packet(1), event("b", 1), ack(1, 1)])
def test_json_dumps_that_gives_bytes_is_refused(packet: Packet) -> None:
    def to_bytes(value: Any) -> Any:
        return json.dumps(value).encode()

    with pytest.raises(UsageError, match=r"json_dumps.*str, not bytes"):
        encode(packet, to_bytes)


def test_codecs_of_the_user_are_used() -> None:
    def loads(text: str) -> Any:
        return json.loads(text, parse_float=Decimal)

    def dumps(value: Any) -> str:
        return json.dumps(value, default=str)

    assert decode('5:::{"name":"a","args":[0.10]}', loads) == event("a", Decimal("0.10"))
    assert encode(event("a", Decimal("0.10")), dumps) == '5:::{"name": "a", "args": ["0.10"]}'


@pytest.mark.parametrize(
    ("argument", "wire"),
    [
        pytest.param("a\u2028b", '6:::1+["a\\u2028b"]', id="line separator"),
        pytest.param("a\u2029b", '6:::1+["a\\u2029b"]', id="paragraph separator"),
        pytest.param("a\r\nb", '6:::1+["a\\r\\nb"]', id="newline"),
    ],
)
def test_an_ack_stays_on_one_line_for_the_pattern_of_the_client(argument: str, wire: str) -> None:
    assert encode(ack(1, argument)) == wire
    assert decode(wire) == ack(1, argument)


def test_an_ack_stays_on_one_line_even_if_json_dumps_indents() -> None:
    def indented(value: Any) -> str:
        return json.dumps(value, indent=1).replace("\n", "\r\n")

    wire = encode(ack(1, {"a": "\n"}), indented)
    assert not {"\n", "\r"} & set(wire)
    assert decode(wire) == ack(1, {"a": "\n"})


# The tables.


def test_the_tables_are_those_of_the_protocol() -> None:
    assert MSG_TYPES == {
        "disconnect": 0,
        "connect": 1,
        "heartbeat": 2,
        "message": 3,
        "json": 4,
        "event": 5,
        "ack": 6,
        "error": 7,
        "noop": 8,
    }
    assert ERROR_REASONS == {
        "transport not supported": 0,
        "client not handshaken": 1,
        "unauthorized": 2,
    }
    assert ERROR_ADVICES == {"reconnect": 0}


def test_every_type_has_rows() -> None:
    assert tuple(MSG_TYPES) == get_args(PacketType)
    assert {row.values[0]["type"] for row in BOTH_WAYS} == set(MSG_TYPES)  # type: ignore[index]


def test_the_attributes_are_those_of_a_packet() -> None:
    assert set(socketio_packet_attributes) == set(Packet.__annotations__)
    assert len(socketio_packet_attributes) == len(Packet.__annotations__)


def test_the_names_of_gevent_socketio_are_there() -> None:
    for name in ("encode", "decode", "default_json_loads", "default_json_dumps"):
        assert callable(getattr(packet_module, name))


# The defects of gevent-socketio's packet.py.


def test_d07_plus_inside_ack_arguments() -> None:
    assert decode('6:::1+["a+b","+"]') == ack(1, "a+b", "+")


def test_d08_error_packet_has_its_endpoint_before_the_reason() -> None:
    wire = encode(error("unauthorized", "reconnect", "/a"))
    assert wire == "7::/a:2+0"
    assert decode(wire) == error("unauthorized", "reconnect", "/a")


@pytest.mark.parametrize("kind", ["message", "json", "event"])
def test_d09_an_id_without_ack_asks_for_a_receipt(kind: str) -> None:
    packet = {"type": kind, "name": "a", "data": "a", "endpoint": "/a", "id": 3}
    assert encode(packet).split(":")[1] == "3"
    assert decode(encode(packet))["ack"] is True


@pytest.mark.parametrize("wire", ["garbage", "2", "6:::x", "6:::1+a+b", "5:::", "\x00", "::::"])
def test_d10_junk_is_a_packet_or_one_kind_of_error(wire: str) -> None:
    try:
        packet = decode(wire)
    except PacketError:
        return
    assert packet["type"] in MSG_TYPES
    assert packet["endpoint"] == ""


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        pytest.param("0", disconnect(), id="0"),
        pytest.param("0:", disconnect(), id="0:"),
        pytest.param("1", connect(), id="1"),
        pytest.param("1:", connect(), id="1:"),
        pytest.param("2", heartbeat(), id="2"),
        pytest.param("2:", heartbeat(), id="2:"),
        pytest.param("8", noop(), id="8"),
        pytest.param("8:", noop(), id="8:"),
    ],
)
def test_d11_short_packets(wire: str, packet: Packet) -> None:
    assert decode(wire) == packet


def test_d12_bad_event_json_is_refused_and_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PacketError, match="event packet: bad JSON"):
        decode('5:::{"name":"a"')
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("args", ["1", '"ab"', '{"a":1}', "null", "true"])
def test_d13_event_arguments_are_an_array(args: str) -> None:
    with pytest.raises(PacketError, match="array"):
        decode('5:::{"name":"a","args":' + args + "}")


@pytest.mark.parametrize(("packet", "wire"), BOTH_WAYS)
def test_d14_encode_is_pure(packet: Packet, wire: str) -> None:
    without_endpoint = {key: value for key, value in packet.items() if key != "endpoint"}
    before = json.dumps(without_endpoint)
    encode(MappingProxyType(without_endpoint))
    assert json.dumps(without_endpoint) == before


def test_d15_message_and_args_have_types() -> None:
    with pytest.raises(UsageError, match="a str, not int"):
        encode({"type": "message", "data": 5})
    assert encode({"type": "event", "name": "a", "args": ()}) == '5:::{"name":"a"}'
    assert encode({"type": "ack", "ackId": 1, "args": ()}) == "6:::1"
    assert decode(encode(message("", "/a"))) == message("", "/a")


def test_d16_keys_keep_their_order_and_may_be_mixed() -> None:
    assert (
        encode(event("a", {"b": 1, 2: 3, "a": 4}))
        == '5:::{"name":"a","args":[{"b":1,"2":3,"a":4}]}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("0.1"), b"a", {1}])
def test_d16_what_is_not_json_is_refused_by_event_name(value: Any) -> None:
    with pytest.raises(UsageError, match="event 'news'"):
        encode(event("news", [value]))


@pytest.mark.parametrize("wire", ["01::", "00::", "11::", "1a::", "+1::", "001"])
def test_d17_the_type_is_one_digit(wire: str) -> None:
    with pytest.raises(PacketError, match="type"):
        decode(wire)


def test_d17_reasons_outside_the_table_are_no_key_error() -> None:
    assert decode("7::/a:7+7") == error(endpoint="/a")
    with pytest.raises(UsageError, match="'reason'"):
        encode({"type": "error", "reason": "7"})


# Size. These end at once, or not at all where work grows with the square of the length.

MARKS = "\ufffd" * 300_000


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(MARKS, id="marks"),
        pytest.param("5:::" + MARKS, id="marks as JSON"),
        pytest.param("5" * 300_000, id="digits"),
        pytest.param("5:" + "1" * 300_000 + "::", id="digits as id"),
        pytest.param("6:::" + "1" * 300_000, id="digits as ack"),
        pytest.param("6:::" + "1+" * 300_000, id="plus signs"),
        pytest.param('5:::{"name":"a","args":[' + "[]," * 100_000, id="arrays without an end"),
        pytest.param('4:::"' + "\\" * 300_001, id="backslashes"),
        pytest.param("4:::" + " " * 300_000, id="spaces"),
        pytest.param("1::" + MARKS, id="marks as an endpoint"),
        pytest.param("1:::" + MARKS, id="marks as a query"),
        pytest.param('5:::{"name":"' + MARKS + '"}', id="marks as an event's name"),
    ],
)
def test_long_junk_is_refused(wire: str) -> None:
    with pytest.raises(PacketError):
        decode(wire)


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        pytest.param("3:::" + MARKS, message(MARKS), id="marks as a message"),
        pytest.param("3:::" + ":" * 300_000, message(":" * 300_000), id="colons"),
        pytest.param("7:::" + "+" * 300_000, error(), id="plus signs"),
        pytest.param("2" + ":" * 300_000, heartbeat(), id="colons after a heartbeat"),
    ],
)
def test_long_packets_are_read(wire: str, packet: Packet) -> None:
    assert decode(wire) == packet
