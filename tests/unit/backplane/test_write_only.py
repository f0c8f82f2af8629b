"""What python-socketio's managers publish, in all the ways of its releases."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from sockio.backplane import Emission
from sockio.backplane.commands import (
    CommandError,
    Disconnect,
    JoinRooms,
    LeaveRooms,
    Selection,
)
from sockio.backplane.interop.write_only import read


def command(method: Any = "emit", **fields: Any) -> bytes:
    common = {
        "method": method,
        "event": "x",
        "data": [],
        "namespace": "/",
        "room": None,
        "skip_sid": None,
        "callback": None,
        "host_id": "0" * 32,
    }
    return json.dumps({**common, **fields}).encode()


def args(**fields: Any) -> list[Any]:
    found = read(command(**fields))
    assert isinstance(found, Emission)
    whole: list[Any] = found.packet["args"]
    return whole


HOLE = {"_placeholder": True, "num": 0}
OTHER_HOLE = {"_placeholder": True, "num": 1}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # since 5.15.1
        pytest.param({"data": [{"a": 1}]}, [{"a": 1}], id="a value"),
        pytest.param({"data": [[1, 2]]}, [[1, 2]], id="a list"),
        pytest.param({"data": [1, "b"]}, [1, "b"], id="several"),
        pytest.param({"data": [None]}, [], id="nothing"),
        pytest.param({"data": [None, 1]}, [None, 1], id="nothing, and more"),
        pytest.param({"data": [[HOLE], "AAE="], "binary": True}, [b"\0\1"], id="bytes"),
        pytest.param(
            {"data": [[{"a": [HOLE]}, OTHER_HOLE, 5], "", "/w=="], "binary": True},
            [{"a": [b""]}, b"\xff", 5],
            id="bytes among others",
        ),
        # before
        pytest.param({"data": "text"}, ["text"], id="5.14: a value"),
        pytest.param({"data": None}, [], id="5.14: nothing"),
        pytest.param({"data": {"a": [1]}}, [{"a": [1]}], id="5.14: an object"),
        pytest.param({"data": [1, 2]}, [1, 2], id="5.14: several, or a list"),
        pytest.param({"data": 5, "binary": False}, [5], id="5.14.2: a value"),
        pytest.param({"data": [HOLE, "AAE="], "binary": True}, [b"\0\1"], id="5.14.2: bytes"),
        pytest.param(
            {"data": [{"b": HOLE}, "AAE="], "binary": True}, [{"b": b"\0\1"}], id="5.14.2: inside"
        ),
    ],
)
def test_the_arguments_of_an_event(fields: dict[str, Any], expected: list[Any]) -> None:
    assert args(**fields) == expected


def test_whom_an_event_is_for() -> None:
    def emission(**fields: Any) -> Any:
        return read(command(**fields))

    packet = {"type": "event", "name": "x", "args": [], "endpoint": "/chat"}
    assert emission(namespace="/chat") == Emission("/chat", packet)
    assert emission(namespace="/chat", room="a") == Emission("/chat", packet, ("a",))
    assert emission(namespace="/chat", room=["a", 5]) == Emission("/chat", packet, ("a", 5))
    assert emission(namespace="/chat", skip_sid="s").skip == {"s"}
    assert emission(namespace="/chat", skip_sid=["s", "t"]).skip == {"s", "t"}
    assert emission(namespace=None).namespace == emission(namespace="/").namespace == ""


def test_the_other_methods() -> None:
    sid = {"sid": "s", "namespace": "/chat"}
    whom = Selection("/chat", ("s",), frozenset())
    assert read(command("enter_room", **sid, room="r")) == JoinRooms(whom, ("r",))
    assert read(command("leave_room", **sid, room=5)) == LeaveRooms(whom, (5,))
    assert read(command("disconnect", **sid)) == Disconnect(whom, close=False)
    room = Selection("", ("r",), frozenset())
    assert read(command("close_room", room="r")) == LeaveRooms(room, ("r",))
    assert read(command("callback", sid="s", id=1, args=[])) is None


def test_pickle_is_never_read() -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was read",)

    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(CommandError, match=r"before 5\.14.*Update the process") as refusal:
            read(pickle.dumps({"method": "emit", "data": Harm()}, protocol))
        assert refusal.value.kind == "pickle"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"garbage", id="text"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(command(event=None), id="no name"),
        pytest.param(command(event="disconnect"), id="a reserved name"),
        pytest.param(command(namespace="chat"), id="no namespace"),
        pytest.param(command(namespace=["/"]), id="a list for a namespace"),
        pytest.param(command(room={"a": 1}), id="no room"),
        pytest.param(command(room=[[]]), id="a list for a room"),
        pytest.param(command(room=True), id="true for a room"),
        pytest.param(command(room=[0] * 100_000), id="many rooms"),
        pytest.param(command(skip_sid=[None]), id="no sid"),
        pytest.param(command(data=5, binary=True), id="bytes that are no list"),
        pytest.param(command(data=[], binary=True), id="bytes that are nothing"),
        pytest.param(command(data=[[HOLE]], binary=True), id="missing bytes"),
        pytest.param(command(data=[[HOLE], 5], binary=True), id="bytes that are no text"),
        pytest.param(command(data=[[HOLE], "?"], binary=True), id="no base64"),
        pytest.param(command(data=[[HOLE], "ä"], binary=True), id="no ASCII"),
        pytest.param(command(data=[[], *["AA=="] * 2000], binary=True), id="much of it"),
        pytest.param(command(data="X").replace(b'"X"', b"NaN"), id="NaN"),
        pytest.param(command(data="X").replace(b'"X"', b"1e999"), id="infinity"),
        pytest.param(
            command(data="X").replace(b'"X"', b"[" * 500 + b"]" * 500), id="deeply nested"
        ),
        pytest.param(command("enter_room"), id="nobody"),
        pytest.param(command("enter_room", sid="s", room=[]), id="into no room"),
        pytest.param(command("disconnect", sid=None), id="nobody to disconnect"),
    ],
)
def test_bad_commands(payload: bytes) -> None:
    with pytest.raises(CommandError) as refusal:
        read(payload)
    assert refusal.value.kind == "garbage"
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("method", ["shutdown", None, [], 5])
def test_methods_of_another_release(method: Any) -> None:
    with pytest.raises(CommandError) as refusal:
        read(command(method))
    assert refusal.value.kind == "version"
