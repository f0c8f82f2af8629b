"""The packets of Socket.IO 4 and 5: rows of (packet, text), read in both directions."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.attachments import Frames
from sockio.protocol.packet import Packet
from sockio.protocol.socketio_packet import RESERVED_EVENTS, ModernPacket, PacketLimits
from sockio.protocol.socketio_reader import make_opener, make_reader
from sockio.protocol.socketio_writer import make_writer

READ = {4: make_reader(4), 5: make_reader(5)}
OPEN = {4: make_opener(4), 5: make_opener(5)}
WRITE = {4: make_writer(4), 5: make_writer(5)}

REVISIONS = pytest.mark.parametrize("revision", [4, 5])


def connect(endpoint: str = "", **fields: Any) -> ModernPacket:
    packet: Any = {"type": "connect", "endpoint": endpoint, **fields}
    return packet  # type: ignore[no-any-return]


def disconnect(endpoint: str = "") -> ModernPacket:
    return {"type": "disconnect", "endpoint": endpoint}


def event(name: str, *args: Any, endpoint: str = "", ask: int | None = None) -> ModernPacket:
    packet: ModernPacket = {"type": "event", "endpoint": endpoint, "name": name, "args": [*args]}
    if ask is not None:
        packet["id"] = ask
        packet["ack"] = "data"
    return packet


def ack(number: int, *args: Any, endpoint: str = "") -> ModernPacket:
    return {"type": "ack", "endpoint": endpoint, "ackId": number, "args": [*args]}


def error(message: str, endpoint: str = "", **fields: Any) -> ModernPacket:
    packet: Any = {"type": "error", "endpoint": endpoint, "message": message, **fields}
    return packet  # type: ignore[no-any-return]


BOTH = [
    pytest.param(disconnect(), "1", id="disconnect"),
    pytest.param(disconnect("/chat"), "1/chat,", id="disconnect a namespace"),
    pytest.param(event("a"), '2["a"]', id="event"),
    pytest.param(event("a", "b", 1), '2["a","b",1]', id="event with arguments"),
    pytest.param(event("a", endpoint="/chat"), '2/chat,["a"]', id="event to a namespace"),
    pytest.param(event("a", ask=12), '212["a"]', id="event that asks for an ack"),
    pytest.param(event("a", ask=0, endpoint="/chat"), '2/chat,0["a"]', id="... in a namespace"),
    pytest.param(event("a", ask=10**16 - 1), '29999999999999999["a"]', id="sixteen digits"),
    pytest.param(event("", None), '2["",null]', id="empty name"),
    pytest.param(event("1"), '2["1"]', id="digit as a name"),
    pytest.param(event("x" * 1000), f'2["{"x" * 1000}"]', id="the longest name"),
    pytest.param(event("error", "x"), '2["error","x"]', id="a name that is not reserved"),
    pytest.param(event("message", "x"), '2["message","x"]', id="message"),
    pytest.param(event("a", [], {}, [[1]]), '2["a",[],{},[[1]]]', id="event, containers"),
    pytest.param(
        event("ñ", "☃\U0001f600", endpoint="/ñ"), '2/ñ,["ñ","☃\U0001f600"]', id="event, Unicode"
    ),
    pytest.param(event("a", "\u2028\n"), '2["a","\u2028\\n"]', id="event, line ends"),
    pytest.param(
        event("a", {"_placeholder": True, "num": 0}),
        '2["a",{"_placeholder":true,"num":0}]',
        id="a placeholder that is data",
    ),
    pytest.param(event("a", 2**53 + 1), '2["a",9007199254740993]', id="integer beyond doubles"),
    pytest.param(ack(12), "312[]", id="ack"),
    pytest.param(ack(12, "a", {"b": [1]}), '312["a",{"b":[1]}]', id="ack with arguments"),
    pytest.param(ack(0, endpoint="/chat"), "3/chat,0[]", id="ack of a namespace"),
    pytest.param(ack(1, None), "31[null]", id="ack with null"),
    pytest.param(ack(1, "connect"), '31["connect"]', id="nothing is reserved in an ack"),
    pytest.param(event("a", endpoint="/a/b-c_d"), '2/a/b-c_d,["a"]', id="a namespace's path"),
    pytest.param(event("a", endpoint="/1"), '2/1,["a"]', id="a namespace of a digit"),
    pytest.param(event("a", endpoint="//"), '2//,["a"]', id="a namespace of two slashes"),
    pytest.param(event("a", endpoint='/["'), '2/[",["a"]', id="a namespace like JSON"),
]

V5: list[Any] = [
    pytest.param(connect(), "0", id="connect"),
    pytest.param(connect("/chat"), "0/chat,", id="connect a namespace"),
    pytest.param(connect(data={"token": "x"}), '0{"token":"x"}', id="connect with auth"),
    pytest.param(connect("/ns", data={"sid": "a"}), '0/ns,{"sid":"a"}', id="connected"),
    pytest.param(connect(data={}), "0{}", id="connect with an empty object"),
    pytest.param(connect(data={"pid": "p", "offset": "o"}), '0{"pid":"p","offset":"o"}', id="pid"),
    pytest.param(connect("/custom?a=b"), "0/custom?a=b,", id="a query is part of the name"),
    pytest.param(event("a", endpoint="/x?y"), '2/x?y,["a"]', id="... in an event, too"),
    pytest.param(
        error("Invalid namespace", "/random"),
        '4/random,{"message":"Invalid namespace"}',
        id="invalid namespace",
    ),
    pytest.param(
        error("no", data={"a": [1]}), '4{"message":"no","data":{"a":[1]}}', id="error with data"
    ),
    pytest.param(error("no", data=None), '4{"message":"no","data":null}', id="error with null"),
    pytest.param(error(""), '4{"message":""}', id="error without a word"),
]

V4: list[Any] = [
    pytest.param(connect(qs=""), "0", id="connect"),
    pytest.param(connect("/chat", qs=""), "0/chat,", id="connect a namespace"),
    pytest.param(connect("/ns", qs="?query=1"), "0/ns?query=1,", id="connect with a query"),
    pytest.param(connect("/ns", qs="?"), "0/ns?,", id="connect with a question mark"),
    pytest.param(connect("/ns", qs="?a=b?c&d"), "0/ns?a=b?c&d,", id="connect, two of them"),
    pytest.param(connect(qs="?a=b"), "0/?a=b,", id="connect the global one with a query"),
    pytest.param(error("Invalid namespace", "/x"), '4/x,"Invalid namespace"', id="error"),
    pytest.param(error("", data={"a": 1}), '4{"a":1}', id="error with an object"),
    pytest.param(error("", data=[1]), "4[1]", id="error with an array"),
]

ALL = [
    pytest.param(revision, *row.values, id=f"{revision}: {row.id}")
    for revision, rows in ((4, BOTH + V4), (5, BOTH + V5))
    for row in rows
]


@pytest.mark.parametrize(("revision", "packet", "text"), ALL)
def test_read(revision: int, packet: ModernPacket, text: str) -> None:
    assert READ[revision](text) == (packet, 0)


@pytest.mark.parametrize(("revision", "packet", "text"), ALL)
def test_write(revision: int, packet: ModernPacket, text: str) -> None:
    assert WRITE[revision](packet) == Frames(text, ())


@pytest.mark.parametrize(
    ("revision", "text", "packet"),
    [
        pytest.param(5, "0/chat", connect("/chat"), id="no comma"),
        pytest.param(4, "0/chat", connect("/chat", qs=""), id="no comma, revision 4"),
        pytest.param(4, "0/chat?a=b", connect("/chat", qs="?a=b"), id="... and a query"),
        pytest.param(5, "1/chat", disconnect("/chat"), id="disconnect without a comma"),
        pytest.param(5, "0/,", connect(), id="the global namespace by name"),
        pytest.param(5, "0/", connect(), id="... without a comma"),
        pytest.param(5, '2/,["a"]', event("a"), id="... in an event"),
        pytest.param(4, '2/chat?a=b,["a"]', event("a", endpoint="/chat"), id="query of an event"),
        pytest.param(4, "1/chat?a=b,", disconnect("/chat"), id="query of a disconnect"),
        pytest.param(4, '0/x,{"a":1}', connect("/x", qs=""), id="auth in revision 4"),
        pytest.param(5, '2007["a"]', event("a", ask=7), id="leading zeros"),
        pytest.param(5, "2[1]", event("1"), id="a number as a name"),
        pytest.param(5, '2[0,"a"]', event("0", "a"), id="zero as a name"),
        pytest.param(5, "2[1.0]", event("1"), id="a whole float as a name"),
        pytest.param(5, "2[-0.0]", event("0"), id="minus zero as a name"),
        pytest.param(5, "2[1.5]", event("1.5"), id="a fraction as a name"),
        pytest.param(5, "2[1e300]", event("1e+300"), id="a large float as a name"),
        pytest.param(5, '2[ "a" , 1 ]\n', event("a", 1), id="spaces in JSON"),
        pytest.param(5, '4"Not authorized"', error("Not authorized"), id="error of a string"),
        pytest.param(5, '4{"a":1}', error("", data={"a": 1}), id="error of another object"),
        pytest.param(4, "4null", error("", data=None), id="error of null"),
        pytest.param(4, '4{"message":"no"}', error("no"), id="error of node 4.8 for revision 4"),
        pytest.param(5, '4{"message":"no","x":1}', error("no"), id="error with another key"),
    ],
)
def test_read_only(revision: int, text: str, packet: ModernPacket) -> None:
    assert READ[revision](text) == (packet, 0)


@pytest.mark.parametrize(
    ("revision", "packet", "text"),
    [
        pytest.param(5, {"type": "connect"}, "0", id="no endpoint"),
        pytest.param(5, {"type": "connect", "endpoint": "/"}, "0", id="a slash"),
        pytest.param(5, {"type": "connect", "endpoint": None}, "0", id="endpoint None"),
        pytest.param(5, {"type": "connect", "data": None}, "0", id="auth None"),
        pytest.param(5, {"type": "connect", "qs": "?a=b"}, "0", id="a query in revision 5"),
        pytest.param(4, {"type": "connect", "data": {"sid": "a"}}, "0", id="a sid in revision 4"),
        pytest.param(4, {"type": "event", "name": "a", "endpoint": "/"}, '2["a"]', id="no args"),
        pytest.param(5, {"type": "event", "name": "a", "args": ("b",)}, '2["a","b"]', id="tuple"),
        pytest.param(
            5, {"type": "event", "name": "a", "id": None, "ack": None}, '2["a"]', id="id None"
        ),
        pytest.param(5, {"type": "event", "name": "a", "id": 1, "ack": True}, '21["a"]', id="True"),
        pytest.param(5, {"type": "ack", "ackId": 1}, "31[]", id="ack without args"),
        pytest.param(5, {"type": "message", "data": "x"}, '2["message","x"]', id="message"),
        pytest.param(
            4,
            {"type": "json", "data": {"a": 1}, "endpoint": "/b", "id": 3, "ack": "data"},
            '2/b,3["message",{"a":1}]',
            id="json",
        ),
        pytest.param(
            5,
            {"type": "error", "endpoint": "/a", "reason": "unauthorized", "advice": ""},
            '4/a,{"message":"unauthorized"}',
            id="an error of 0.9",
        ),
        pytest.param(
            4,
            {"type": "error", "reason": "unauthorized", "message": "Invalid namespace"},
            '4"Invalid namespace"',
            id="an error for all",
        ),
        pytest.param(
            4, {"type": "error", "message": "no", "data": {"a": 1}}, '4{"a":1}', id="data instead"
        ),
        pytest.param(4, {"type": "error", "message": "no", "data": None}, '4"no"', id="data None"),
        *[
            pytest.param(
                4,
                {"type": "error", "message": "no", "data": data},
                f'4{{"message":"no","data":{text}}}',
                id=f"data {text}, which would be read as something else",
            )
            for data, text in [(1, "1"), (-0.5, "-0.5"), (True, "true"), (False, "false")]
        ],
        pytest.param(
            5, {"type": "event", "name": "a", "args": [(1, (2,))]}, '2["a",[1,[2]]]', id="tuples"
        ),
        pytest.param(
            5,
            {"type": "event", "name": "a", "args": [{1: 1, None: 2, False: 3, 0.5: 4}]},
            '2["a",{"1":1,"null":2,"false":3,"0.5":4}]',
            id="keys of other types",
        ),
        pytest.param(
            5, {"type": "event", "name": "a", "args": [True, 1]}, '2["a",true,1]', id="bool"
        ),
    ],
)
def test_write_fills_in(revision: int, packet: dict[str, Any], text: str) -> None:
    assert WRITE[revision](packet) == (text, ())
    assert WRITE[revision](MappingProxyType(packet)) == (text, ())


REFUSED_BY_BOTH = [
    pytest.param("", id="nothing"),
    pytest.param("abc", id="no type"),
    pytest.param("7", id="type 7"),
    pytest.param('9["a"]', id="type 9"),
    pytest.param(' 2["a"]', id="a space first"),
    pytest.param('\u0662["a"]', id="an Arabic two"),
    pytest.param('5::/chat:{"name":"a"}', id="a packet of 0.9"),
    pytest.param('42["a"]', id="a packet of Engine.IO"),
    pytest.param("0[1]", id="connect with an array"),
    pytest.param('0"x"', id="connect with a string"),
    pytest.param("01", id="connect with a number"),
    pytest.param("0null", id="connect with null"),
    pytest.param("0{", id="connect with bad JSON"),
    pytest.param("0/chat,[]", id="connect a namespace with an array"),
    pytest.param("0x", id="connect with something"),
    pytest.param("1{}", id="disconnect with an object"),
    pytest.param("112", id="disconnect with an id"),
    pytest.param("1/chat,{}", id="disconnect a namespace with an object"),
    pytest.param("2", id="event without anything"),
    pytest.param("212", id="event of an id alone"),
    pytest.param("2/chat,", id="event of a namespace alone"),
    pytest.param('2/chat["a"]', id="event without the comma"),
    pytest.param("2{}", id="event of an object"),
    pytest.param("2[]", id="event of an empty array"),
    pytest.param("2null", id="event of null"),
    pytest.param('2"a"', id="event of a string"),
    pytest.param("2abc[..]", id="event of letters"),
    pytest.param('2["a"', id="event cut short"),
    pytest.param('2["a"]x', id="event with something behind"),
    pytest.param('2["a"]["b"]', id="two events"),
    pytest.param("2[null]", id="name null"),
    pytest.param("2[true]", id="name true"),
    pytest.param('2[["a"]]', id="name an array"),
    pytest.param('2[{"a":1}]', id="name an object"),
    pytest.param('2[{"_placeholder":true,"num":0}]', id="name a placeholder"),
    pytest.param("2[NaN]", id="name NaN"),
    pytest.param('2["a",NaN]', id="argument NaN"),
    pytest.param('2["a",1e999]', id="argument too large"),
    pytest.param('2["a",' + "1" * 5000 + "]", id="argument of too many digits"),
    pytest.param('2["a",' + "[" * 100_000, id="argument too deep, cut short"),
    pytest.param('2["a",' + "[" * 100 + "]" * 100 + "]", id="argument just too deep"),
    pytest.param('2-1["a"]', id="negative id"),
    pytest.param('21.0["a"]', id="fraction as an id"),
    pytest.param('2 1["a"]', id="space in an id"),
    pytest.param('2 ["a"]', id="space as an id"),
    pytest.param('21e3["a"]', id="exponent in an id"),
    pytest.param('2\u0661["a"]', id="id in Arabic"),
    pytest.param('2\u00b2["a"]', id="id superscript"),
    pytest.param("2" + "1" * 17 + '["a"]', id="id of seventeen digits"),
    pytest.param("2" + "1" * 100_000 + '["a"]', id="id without end"),
    pytest.param("2Infinity[]", id="id infinity"),
    pytest.param("3", id="ack without anything"),
    pytest.param("3[]", id="ack without an id"),
    pytest.param("3/chat,[]", id="ack of a namespace without an id"),
    pytest.param("31", id="ack without an array"),
    pytest.param("31{}", id="ack of an object"),
    pytest.param("31null", id="ack of null"),
    pytest.param("31[", id="ack of bad JSON"),
    pytest.param("3x[]", id="ack of letters"),
    pytest.param("3" + "1" * 17 + "[]", id="ack of seventeen digits"),
    pytest.param("4", id="error without anything"),
    pytest.param("4abc", id="error of letters"),
    pytest.param("5", id="binary event without anything"),
    pytest.param('5["a"]', id="binary event without a number"),
    pytest.param('5-["a"]', id="binary event of no number"),
    pytest.param('51["a"]', id="binary event without the dash"),
    pytest.param('50-["a"]', id="binary event of none"),
    pytest.param('511-["a"]', id="binary event of eleven"),
    pytest.param('5-1-["a"]', id="binary event of minus one"),
    pytest.param('51.0-["a"]', id="binary event of a fraction"),
    pytest.param('51e0-["a"]', id="binary event of an exponent"),
    pytest.param('5 1-["a"]', id="binary event with a space"),
    pytest.param('5\u0661-["a"]', id="binary event in Arabic"),
    pytest.param("5" + "1" * 100_000, id="binary event of a number without end"),
    pytest.param("5" + "0" * 17 + '1-["a"]', id="binary event of too many zeros"),
    pytest.param("51-", id="binary event, no array"),
    pytest.param("51-[]", id="binary event, empty array"),
    pytest.param("51-{}", id="binary event, an object"),
    pytest.param('51-[{"_placeholder":true,"num":0}]', id="binary event, bytes as its name"),
    pytest.param('60-1["a"]', id="binary ack of none"),
    pytest.param("61-[]", id="binary ack without an id"),
    pytest.param("61-1", id="binary ack without an array"),
    pytest.param("61-1{}", id="binary ack of an object"),
    *[
        pytest.param(f'{start}["{name}"]', id=f"{start} {name}")
        for name in sorted(RESERVED_EVENTS)
        for start in ("2", "51-")
    ],
]


@REVISIONS
@pytest.mark.parametrize("text", REFUSED_BY_BOTH)
def test_read_refuses(revision: int, text: str) -> None:
    with pytest.raises(PacketError) as refusal:
        READ[revision](text)
    assert type(refusal.value) is PacketError
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("text", ["4[1]", "4null", "41", "4true"])
def test_an_error_of_revision_5_is_a_string_or_an_object(text: str) -> None:
    with pytest.raises(PacketError):
        READ[5](text)
    assert READ[4](text)[0]["message"] == ""


def test_the_reserved_names() -> None:
    names = ["connect", "connect_error", "disconnect", "disconnecting"]
    assert sorted(RESERVED_EVENTS) == sorted([*names, "newListener", "removeListener"])


@pytest.mark.parametrize(
    ("text", "endpoint", "ack_id"),
    [
        pytest.param('2/chat,5["connect"]', "/chat", 5, id="reserved name"),
        pytest.param("2/chat,5[1", "/chat", 5, id="bad JSON"),
        pytest.param("2/chat,5[]", "/chat", 5, id="no name"),
        pytest.param("2/chat,x[]", "/chat", None, id="bad id"),
        pytest.param("3/chat,5[", "/chat", None, id="bad ack: nobody waits for an answer"),
        pytest.param("0/chat,[]", "/chat", None, id="bad connect"),
        pytest.param("25[", "", 5, id="global namespace"),
        pytest.param("9/chat,", "", None, id="unknown type"),
    ],
)
def test_a_refusal_says_whom_it_concerns(text: str, endpoint: str, ack_id: int | None) -> None:
    with pytest.raises(PacketError) as refusal:
        READ[5](text)
    assert refusal.value.endpoint == endpoint
    assert refusal.value.ack_id == ack_id


@pytest.mark.parametrize("filling", ["@", "\n", "\x1b", "\u2028", "\U0001f600", "\ud800"])
@pytest.mark.parametrize("start", ["", "0", "1", "2", '2["a",', "2/", "3", "31[", "4", "5", "51-"])
def test_a_refusal_repeats_little_and_escapes_it(start: str, filling: str) -> None:
    with pytest.raises(PacketError) as refusal:
        READ[5](start + filling * 10_000)
    text = str(refusal.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 600


def test_limits_can_be_others() -> None:
    read = make_reader(5, limits=PacketLimits(max_attachments=2, max_depth=2, max_digits=3))
    assert read('52-999["a",[0]]')[1] == 2
    for text in ('53-["a"]', '21000["a"]', '2["a",[[0]]]', '0{"a":{"b":{}}}'):
        with pytest.raises(PacketError):
            read(text)


def test_a_json_loads_of_the_users_may_raise_anything() -> None:
    def loads(text: str) -> Any:
        raise KeyError(text)

    for text in ('2["a"]', "0{}", "31[]", "4{}"):
        with pytest.raises(PacketError, match="bad JSON"):
            make_reader(5, loads)(text)


def test_python_s_own_json_will_do() -> None:
    assert make_reader(5, json.loads)('2["a",1]') == (event("a", 1), 0)
    with pytest.raises(PacketError, match="its name"):
        make_reader(5, json.loads)("2[NaN]")


# Bytes.

PLACEHOLDER = '{"_placeholder":true,"num":%d}'
P0, P1, P2 = (PLACEHOLDER % number for number in range(3))

BINARY = [
    pytest.param(event("a", b"x"), Frames(f'51-["a",{P0}]', (b"x",)), id="event"),
    pytest.param(
        event("a", b"x", "y", b"z", endpoint="/chat", ask=12),
        Frames(f'52-/chat,12["a",{P0},"y",{P1}]', (b"x", b"z")),
        id="event to a namespace that asks for an ack",
    ),
    pytest.param(
        event("a", {"b": [b"x", {"c": b"y"}], "d": b"z"}),
        Frames(f'53-["a",{{"b":[{P0},{{"c":{P1}}}],"d":{P2}}}]', (b"x", b"y", b"z")),
        id="depth first",
    ),
    pytest.param(ack(12, b"x"), Frames(f"61-12[{P0}]", (b"x",)), id="ack"),
    pytest.param(
        ack(0, [b""], endpoint="/chat"), Frames(f"61-/chat,0[[{P0}]]", (b"",)), id="ack, empty"
    ),
    pytest.param(
        event("a", *[b"x"] * 10),
        Frames(
            '510-["a",' + ",".join(PLACEHOLDER % number for number in range(10)) + "]",
            (b"x",) * 10,
        ),
        id="ten",
    ),
]


@REVISIONS
@pytest.mark.parametrize(("packet", "frames"), BINARY)
def test_write_bytes(revision: int, packet: ModernPacket, frames: Frames) -> None:
    assert WRITE[revision](packet) == frames


@REVISIONS
@pytest.mark.parametrize(("packet", "frames"), BINARY)
def test_read_says_how_many_have_to_follow(
    revision: int, packet: ModernPacket, frames: Frames
) -> None:
    found, due = READ[revision](frames.text)
    assert due == len(frames.attachments)
    assert {**found, "args": packet["args"]} == packet


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), memoryview(b"a-b-c")[::2]])
def test_whatever_holds_bytes_is_copied(data: Any) -> None:
    frames = WRITE[5](event("a", (data,)))
    assert frames == Frames(f'51-["a",[{P0}]]', (b"abc",))
    assert type(frames.attachments[0]) is bytes


def test_bytes_in_a_message() -> None:
    assert WRITE[5]({"type": "message", "data": b"x"}) == (f'51-["message",{P0}]', (b"x",))


def test_the_packet_is_left_as_it_was() -> None:
    args = [{"a": [b"x"]}, [b"y"]]
    packet = event("a", *args)
    WRITE[5](packet)
    assert packet == event("a", {"a": [b"x"]}, [b"y"])


def test_a_json_dumps_that_would_take_bytes_is_not_given_any() -> None:
    def dumps(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), default=lambda data: bytes(data).hex())

    assert make_writer(5, dumps)(event("a", b"x")) == (f'51-["a",{P0}]', (b"x",))
    assert make_writer(5, dumps)(event("a", {1: b"x"})) == (f'51-["a",{{"1":{P0}}}]', (b"x",))


def test_frames_do_not_change() -> None:
    frames: Any = WRITE[5](event("a"))
    with pytest.raises(AttributeError):
        frames.text = "b"


# What clients 1.x read.


@pytest.mark.parametrize("dumps", [None, lambda value: json.dumps(value, ensure_ascii=False)])
def test_json_in_ascii(dumps: Callable[[Any], str] | None) -> None:
    write = (
        make_writer(4, ascii_only=True) if dumps is None else make_writer(4, dumps, ascii_only=True)
    )
    for packet in (event("ñ", "\U0001f600"), ack(1, "☃"), event("a", "ñ", b"x"), error("ñ")):
        text = write(packet).text
        assert text.isascii()
        found = READ[4](text)[0]
        assert found.get("name") == packet.get("name")
        assert found.get("message") == packet.get("message")


# Misuse.

REFUSED_PACKETS = [
    pytest.param(event("x" * 1001), "1000 characters: 'x{40}'$", id="a long name"),
    pytest.param(event("a", endpoint="/" + "x" * 1000), "1000 characters", id="a long namespace"),
    pytest.param({}, "'type'.*connect, disconnect", id="no type"),
    pytest.param({"type": "heartbeat"}, "'heartbeat'", id="heartbeat"),
    pytest.param({"type": ["event"]}, "'type'", id="type in a list"),
    pytest.param({"type": "connect", "endpoint": "chat"}, "slash.*'chat'", id="no slash"),
    pytest.param({"type": "connect", "endpoint": "/a,b"}, "commas.*'/a,b'", id="comma"),
    pytest.param({"type": "connect", "endpoint": 5}, "endpoint", id="endpoint a number"),
    pytest.param({"type": "event", "name": "a", "endpoint": b"/a"}, "endpoint", id="bytes"),
    pytest.param({"type": "event"}, "'name'", id="event without a name"),
    pytest.param({"type": "event", "name": 1}, "'name'", id="name a number"),
    pytest.param({"type": "event", "name": "connect"}, "'connect'.*another", id="reserved name"),
    pytest.param({"type": "event", "name": "a", "args": "b"}, "event 'a'.*into a list", id="args"),
    pytest.param({"type": "event", "name": "a", "args": None}, "NoneType", id="args None"),
    pytest.param({"type": "event", "name": "a", "args": b"b"}, "bytes.*list", id="args bytes"),
    pytest.param({"type": "event", "name": "a", "id": "1"}, "'id'.*'1'", id="id a str"),
    pytest.param({"type": "event", "name": "a", "id": -1}, "'id'", id="id negative"),
    pytest.param({"type": "event", "name": "a", "id": True}, "'id'", id="id True"),
    pytest.param({"type": "event", "name": "a", "id": 10**16}, "16 digits", id="id too large"),
    pytest.param({"type": "event", "name": "a", "ack": "data"}, "needs an 'id'", id="no id"),
    pytest.param(
        {"type": "event", "name": "a", "args": [{1, 2}]}, "event 'a'.*set.*json_dumps", id="set"
    ),
    pytest.param({"type": "event", "name": "a", "args": [b"", {1}]}, "event 'a'.*set", id="both"),
    pytest.param({"type": "event", "name": "a", "args": [{b"k": 1}]}, "keys", id="bytes as a key"),
    pytest.param({"type": "event", "name": "a", "args": [float("nan")]}, "'a'.*JSON", id="NaN"),
    pytest.param(
        {"type": "event", "name": "a", "args": [b""] * 11}, "11 attachments.*10.*join", id="eleven"
    ),
    pytest.param(
        {"type": "event", "name": "a", "args": [b"", {"_placeholder": True, "num": 7}]},
        "_placeholder.*under another key",
        id="a placeholder of the user's, beside bytes",
    ),
    pytest.param({"type": "message"}, "'message' needs 'data'", id="message without data"),
    pytest.param({"type": "ack"}, "'ackId'", id="ack without a number"),
    pytest.param({"type": "ack", "ackId": "1"}, "'ackId'.*'1'", id="ack number a str"),
    pytest.param({"type": "ack", "ackId": 1, "args": [{1}]}, "'ack'.*set", id="ack of a set"),
    pytest.param({"type": "error", "message": 5}, "'message'", id="message a number"),
    pytest.param({"type": "error", "message": "a", "data": {1}}, "set", id="error, data a set"),
]


@REVISIONS
@pytest.mark.parametrize(("packet", "hint"), REFUSED_PACKETS)
def test_write_refuses_and_says_what_to_do(
    revision: int, packet: dict[str, Any], hint: str
) -> None:
    with pytest.raises(UsageError, match=f"(?s){hint}"):
        WRITE[revision](packet)


@pytest.mark.parametrize(
    ("revision", "packet", "hint"),
    [
        pytest.param(5, {"type": "connect", "data": [1]}, "dict", id="auth a list"),
        pytest.param(5, {"type": "connect", "data": {"a": b""}}, "bytes", id="auth with bytes"),
        pytest.param(4, {"type": "connect", "endpoint": "/a?b"}, "question", id="question mark"),
        pytest.param(4, {"type": "connect", "qs": "a=b"}, "'qs'", id="query without a mark"),
        pytest.param(4, {"type": "connect", "qs": {"a": "b"}}, "'qs'", id="query a dict"),
        pytest.param(4, {"type": "connect", "qs": "?a,b"}, "'qs'", id="comma in a query"),
    ],
)
def test_each_revision_refuses_its_own(revision: int, packet: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        WRITE[revision](packet)


@pytest.mark.parametrize("data", [b"x", "x"])
def test_write_refuses_a_value_that_holds_itself(data: Any) -> None:
    args: list[Any] = [data]
    args.append(args)
    with pytest.raises(UsageError, match="event 'knot'"):
        WRITE[5]({"type": "event", "name": "knot", "args": args})


def test_write_refuses_a_memoryview_that_was_released() -> None:
    view = memoryview(b"x")
    view.release()
    with pytest.raises(UsageError, match=r"event 'a'.*released"):
        WRITE[5](event("a", view))


def test_write_refuses_what_is_nested_too_deeply() -> None:
    args: list[Any] = [b"x"]
    for _ in range(100_000):
        args = [args]
    with pytest.raises(UsageError, match=r"event 'deep'.*RecursionError"):
        WRITE[5]({"type": "event", "name": "deep", "args": args})


def test_write_refuses_a_json_dumps_that_returns_bytes() -> None:
    dumps: Any = lambda value: b"[]"  # noqa: E731
    with pytest.raises(UsageError, match="return a str, not bytes"):
        make_writer(5, dumps)(event("a"))


def test_more_attachments_are_written_for_clients_that_take_them() -> None:
    frames = make_writer(5, max_attachments=11)(event("a", *[b""] * 11))
    assert len(frames.attachments) == 11


# One vocabulary.


def test_what_0_9_reads_these_write_and_the_other_way_round() -> None:
    from sockio.protocol.packet import decode, encode

    rows: list[Packet] = [
        {"type": "disconnect", "endpoint": "/chat"},
        {"type": "event", "endpoint": "/chat", "name": "a", "args": [1], "id": 1, "ack": "data"},
        {"type": "event", "endpoint": "", "name": "a", "args": []},
        {"type": "ack", "endpoint": "/chat", "ackId": 1, "args": [None]},
    ]
    for packet in rows:
        for revision in (4, 5):
            assert READ[revision](WRITE[revision](decode(encode(packet))).text)[0] == packet


@REVISIONS
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param("2", "1", id="digits of an id"),
        pytest.param("5", "1", id="digits of a number of attachments"),
        pytest.param("2/", "x", id="a namespace"),
        pytest.param("0/", "?", id="queries"),
        pytest.param("2", "/", id="slashes"),
        pytest.param("2", ",", id="commas"),
        pytest.param("2", "[", id="brackets"),
        pytest.param('2["a",', "[],", id="arrays"),
        pytest.param('2["', "a", id="a name"),
        pytest.param('2["', '\\"', id="escapes"),
        pytest.param('0{"a":', '{"a":', id="objects"),
        pytest.param("51-[", "-", id="dashes"),
    ],
)
def test_nonsense_is_no_more_work_for_being_long(
    revision: int, start: str, piece: str, steps: Any
) -> None:
    assert steps(READ[revision], start + piece * 50_000) < 200
    assert steps(OPEN[revision], start + piece * 50_000) < 200
