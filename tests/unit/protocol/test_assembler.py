"""Packets and their attachments, message by message."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import pytest

from sockio.exceptions import PacketError
from sockio.protocol.assembler import Assembler
from sockio.protocol.socketio_packet import PacketLimits
from sockio.protocol.socketio_reader import make_reader
from sockio.protocol.socketio_writer import make_writer

P0, P1 = '{"_placeholder":true,"num":0}', '{"_placeholder":true,"num":1}'


@pytest.fixture(params=[4, 5], ids=["revision 4", "revision 5"])
def assembler(request: pytest.FixtureRequest) -> Assembler:
    return Assembler(make_reader(request.param))


def event(*args: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "event", "endpoint": "", "name": "a", "args": list(args), **fields}


def feed(assembler: Assembler, *messages: str | bytes) -> list[Any]:
    return [packet for message in messages if (packet := assembler.feed(message)) is not None]


@pytest.mark.parametrize(
    ("messages", "packets"),
    [
        pytest.param(['2["a"]', '2["a",1]'], [event(), event(1)], id="texts"),
        pytest.param([f'51-["a",{P0}]', b"x"], [event(b"x")], id="one attachment"),
        pytest.param([f'52-["a",{P0},{P1}]', b"x", b"y"], [event(b"x", b"y")], id="two"),
        pytest.param([f'52-["a",{P1},{P0}]', b"x", b"y"], [event(b"y", b"x")], id="crosswise"),
        pytest.param([f'51-["a",{P0},{P0}]', b"x"], [event(b"x", b"x")], id="one used twice"),
        pytest.param(['52-["a"]', b"x", b"y"], [event()], id="none used"),
        pytest.param([f'51-["a",{P0}]', b""], [event(b"")], id="empty"),
        pytest.param(
            [f'51-["a",{{"b":[[{P0}]],"c":{{"d":{P0}}}}}]', b"x"],
            [event({"b": [[b"x"]], "c": {"d": b"x"}})],
            id="inside",
        ),
        pytest.param(
            [f'61-12[{P0},"b"]', b"x"],
            [{"type": "ack", "endpoint": "", "ackId": 12, "args": [b"x", "b"]}],
            id="ack",
        ),
        pytest.param(
            [f'51-/chat,7["a",{P0}]', b"x"],
            [event(b"x", endpoint="/chat", id=7, ack="data")],
            id="with an id, in a namespace",
        ),
        pytest.param(
            [f'51-["a",{P0}]', b"x", '2["a"]', f'51-["a",{P0}]', b"y"],
            [event(b"x"), event(), event(b"y")],
            id="one after the other",
        ),
        pytest.param([f'2["a",{P0}]'], [event({"_placeholder": True, "num": 0})], id="plain data"),
        pytest.param(
            [f"31[{P0}]"],
            [
                {
                    "type": "ack",
                    "endpoint": "",
                    "ackId": 1,
                    "args": [{"_placeholder": True, "num": 0}],
                }
            ],
            id="plain data in an ack",
        ),
        pytest.param(
            ['51-["a",{"_placeholder":false,"num":9},{"_placeholder":1},{"num":0}]', b"x"],
            [event({"_placeholder": False, "num": 9}, {"_placeholder": 1}, {"num": 0})],
            id="what only looks like one",
        ),
        pytest.param(
            ['51-["a",{"_placeholder":true,"num":0,"x":1}]', b"x"], [event(b"x")], id="more keys"
        ),
    ],
)
def test_whole_packets(
    assembler: Assembler, messages: list[str | bytes], packets: list[Any]
) -> None:
    assert feed(assembler, *messages) == packets
    assert assembler.due == assembler.held == 0


@pytest.mark.parametrize(
    "num", ["1", "-1", "0.0", "0.5", '"0"', "true", "null", "[]", "1e999", "9" * 400]
)
def test_a_placeholder_has_the_number_of_an_attachment(assembler: Assembler, num: str) -> None:
    # Before the attachment is there: nothing is waited for that will not do.
    with pytest.raises(PacketError):
        assembler.feed(f'51-["a",{{"_placeholder":true,"num":{num}}}]')
    assert assembler.due == assembler.held == 0


def test_a_placeholder_without_a_number(assembler: Assembler) -> None:
    with pytest.raises(PacketError, match="placeholder"):
        assembler.feed('51-["a",[{"_placeholder":true}]]')


def test_bytes_that_nothing_announced(assembler: Assembler) -> None:
    for before in ([], ['2["a"]'], [f'51-["a",{P0}]', b"x"]):
        feed(assembler, *before)
        with pytest.raises(PacketError, match="no packet announced"):
            assembler.feed(b"y")


@pytest.mark.parametrize("text", ['2["a"]', "0", "1", "3[]", f'51-["a",{P0}]', "", "x"])
@pytest.mark.parametrize("before", [[], [b"x"]])
def test_text_where_an_attachment_is_due(
    assembler: Assembler, text: str, before: list[bytes]
) -> None:
    feed(assembler, f'52-/chat,7["a",{P0}]', *before)
    with pytest.raises(PacketError, match="due") as refusal:
        assembler.feed(text)
    assert refusal.value.endpoint == "/chat"
    assert refusal.value.ack_id == 7
    assert assembler.due == assembler.held == 0


def test_a_text_that_is_no_packet(assembler: Assembler) -> None:
    with pytest.raises(PacketError):
        assembler.feed("x")


def test_what_it_holds_is_known_and_bounded() -> None:
    limits = PacketLimits(max_bytes=100)
    assembler = Assembler(make_reader(5, limits=limits), limits)
    text = f'53-["a",{P0}]'
    for _ in range(2):
        assert assembler.feed(text) is None
        assert (assembler.due, assembler.held) == (3, len(text))
        assert assembler.feed(b"x" * 20) is None
        assert (assembler.due, assembler.held) == (2, len(text) + 20)
        with pytest.raises(PacketError, match="larger than 100"):
            assembler.feed(b"x" * 100)
        assert (assembler.due, assembler.held) == (0, 0)
    with pytest.raises(PacketError, match="larger than 100"):
        assembler.feed(f'51-["a",{P0},"{"x" * 100}"]')


def test_the_default_bound_is_what_messages_of_a_megabyte_allow() -> None:
    limits = PacketLimits()
    assert limits.max_bytes == (limits.max_attachments + 1) * 1_000_000


def test_an_attachment_stays_the_same_object(assembler: Assembler) -> None:
    data = b"x" * 1000
    (packet,) = feed(assembler, f'51-["a",{P0},{P0}]', data)
    assert packet["args"][0] is packet["args"][1] is data


def test_what_was_written_is_put_together_again(assembler: Assembler) -> None:
    packet = event({"a": [b"x", {"b": b"y"}]}, b"", [b"z"], id=3, ack="data")
    frames = make_writer(5)(packet)
    assert feed(assembler, frames.text, *frames.attachments) == [packet]


def test_many_placeholders_are_no_more_work_each(assembler: Assembler, steps: Any) -> None:
    def work(count: int) -> int:
        text = f'51-["a",{",".join([P0] * count)}]'
        found: int = steps(feed, assembler, text, b"x")
        return found

    assert work(2000) < 4.1 * work(500)


def test_objects_of_a_reader_of_the_applications_own_are_looked_through() -> None:
    def loads(text: str) -> Any:
        return json.loads(text, object_pairs_hook=OrderedDict)

    assembler = Assembler(make_reader(5, loads))
    (packet,) = feed(assembler, f'52-["a",[{P0}],{{"b":[{P1}]}}]', b"x", b"y")
    assert packet["args"] == [[b"x"], {"b": [b"y"]}]
