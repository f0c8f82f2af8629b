"""Bytes toward clients of 0.9, which have none (D16)."""

from __future__ import annotations

from typing import Any

import pytest

from sockio import BaseNamespace, UsageError
from sockio.protocol.bytes_v09 import in_base64
from sockio.protocol.generations import EIO4

from ...support.carriers import Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted


class Talk(BaseNamespace):
    def on_bytes(self) -> Any:
        return {"deep": [b"\x01\x02\x03"]}


IN_09 = '{"base64":"AQID"}'


@pytest.mark.parametrize("data", [b"\x01\x02\x03", bytearray(b"\x01\x02\x03")])
def test_they_have_one_form(house: MakeHouse, data: bytes) -> None:
    client = house({"": Talk}).client()
    client[""].emit("news", data, [memoryview(data)])
    assert client.hears() == [f'5:::{{"name":"news","args":[{IN_09},[{IN_09}]]}}']
    client[""].send(data)
    assert client.hears() == [f"4:::{IN_09}"]
    client[""].send([data], json=True)
    assert client.hears() == [f"4:::[{IN_09}]"]
    assert client.sends('5:1+::{"name":"bytes"}') == [f'6:::1+[{{"deep":[{IN_09}]}}]']


def test_each_generation_has_its_own(house: MakeHouse) -> None:
    home = house({"": Talk})
    client = home.client()
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    stream.packets.clear()
    home.middleware.of("").emit("news", b"\x01\x02\x03")
    assert stream.packets == ['451-["news",{"_placeholder":true,"num":0}]']
    assert client.hears() == [f'5:::{{"name":"news","args":[{IN_09}]}}']
    stream.hangs_up()
    home.runtime.settle()


def test_they_are_refused_where_that_is_set(house: MakeHouse) -> None:
    home = house({"": Talk}, bytes_to_09="refuse")
    client = home.client()
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    home.runtime.settle()
    stream.packets.clear()
    with pytest.raises(UsageError, match="news"):
        client[""].emit("news", b"\x01")
    with pytest.raises(UsageError, match="news"):
        home.middleware.of("").emit("news", b"\x01")
    # Who can have them has them.
    assert stream.packets == ['451-["news",{"_placeholder":true,"num":0}]']
    assert client.hears() == []
    stream.hangs_up()
    home.runtime.settle()


def test_what_has_none_is_left_alone() -> None:
    packet = {"type": "event", "name": "x", "args": [1, "a", [None, {"b": ()}]]}
    assert in_base64(packet) is None
    knot: list[Any] = []
    knot.append(knot)
    assert in_base64({"type": "event", "name": "x", "args": knot}) is None
