"""Short cuts that have no switch: that they are taken, and that the long way does the same."""

from __future__ import annotations

from typing import Any

import pytest

from sockio import BaseNamespace, BroadcastMixin, allow, on
from sockio.namespaces.handlers import handlers_of
from sockio.protocol import strict_json
from sockio.sessions.outbox import Outgoing

from ..support.carriers import House
from .conftest import MakeHouse

# ---- straight to the carrier


class Chat(BaseNamespace, BroadcastMixin):
    pass


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Chat, "/a": Chat})


def test_a_packet_that_met_nothing_opens_the_direct_way(home: House) -> None:
    client = home.client().opens("/a")
    client.hears()
    socket = client.socket
    socket._direct = None
    client["/a"].emit("first")
    assert socket._direct is client.stream
    client["/a"].emit("second")
    assert client.hears() == ['5::/a:{"name":"first"}', '5::/a:{"name":"second"}']
    assert socket.sent == 4  # and two connects


@pytest.mark.parametrize("way", ["direct", "careful"])
def test_what_comes_into_the_way_closes_it(home: House, way: str) -> None:
    client = home.client().opens("/a")
    client.hears()
    socket = client.socket

    def say(text: str, endpoint: str = "") -> bool:
        if way == "careful":
            socket._direct = None
        return socket.deliver(Outgoing(f"3::{endpoint}:{text}", endpoint))

    assert say("1")
    # A namespace is being entered: its packets wait, those of others do not.
    socket.hold("/a")
    assert say("3", "/a")
    assert say("2")
    socket.release("/a", Outgoing("1::/a", "/a"), deliver=True)
    assert client.hears() == ["3:::1", "3:::2", "1::/a", "3::/a:3"]
    # One is being left.
    socket.seal("/a")
    assert not say("never", "/a")
    socket.unseal("/a")
    # The client does not read.
    client.stream.stuck = True
    assert say("4")
    client.stream.stuck = False
    assert say("5")
    client.stream.reads_again()
    assert client.hears() == ["3:::4", "3:::5"]
    # It goes on by polling, and is gone.
    poll = client.polls()
    assert say("6")
    home.runtime.settle()
    assert poll.answer == ["3:::6"]
    socket.close("booted", say=False)
    assert not say("never")


# ---- from an event to its handler


class Plain(BaseNamespace):
    def on_one(self, value: Any) -> Any:
        return value

    def on_packet(self, packet: Any) -> Any:
        return packet["name"]

    @allow(lambda namespace: False)
    def on_closed(self) -> None:
        raise AssertionError("not reachable")

    @on("with:mark")
    def marked(self, *args: Any) -> int:
        return len(args)

    @on("*")
    def any_other(self, name: str, *args: Any) -> str:
        return f"{name}/{len(args)}"


class Longer(Plain):
    """Leaves no step as it is, and changes nothing."""

    def call_method_with_acl(self, method_name: str, packet: Any, *args: Any) -> Any:
        return super().call_method_with_acl(method_name, packet, *args)


EVENTS = [
    '{"name":"one","args":[1]}',
    '{"name":"one","args":[]}',
    '{"name":"one","args":[1,2]}',
    '{"name":"packet","args":["x"]}',
    '{"name":"closed"}',
    '{"name":"with:mark","args":[1,2,3]}',
    '{"name":"else","args":[1]}',
    '{"name":"*"}',
]


def test_a_plain_class_is_known_as_such() -> None:
    assert handlers_of(Plain, BaseNamespace).plain
    assert not handlers_of(Longer, BaseNamespace).plain


@pytest.mark.parametrize("acl", [None, ["on_one"], []], ids=["no acl", "some", "none"])
def test_both_ways_from_an_event_to_its_handler(house: MakeHouse, acl: list[str] | None) -> None:
    client = house({"/short": Plain, "/long": Longer}).client().opens("/short", "/long")
    client.hears()
    for name in ("/short", "/long"):
        client[name].allowed_methods = None if acl is None else set(acl)
    for event in EVENTS:
        # Twice: the first one is looked up, the second one is known.
        for _ in range(2):
            short = client.sends(f"5:1+:/short:{event}")
            long = client.sends(f"5:1+:/long:{event}")
            assert [text.replace("/short", "/long") for text in short] == long
            assert len(long) == 1


# ---- the inside of the JSON encoder


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, None, True, "ü\u2028\ud800"]}, [], "", -0.0, 1e300, {1: 2}, (1, (2,))],
    ids=repr,
)
def test_json_is_written_the_same_by_the_encoder_and_by_its_inside(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert strict_json._encode is not None, "this interpreter has it"
    shortly = strict_json.dumps(value)
    monkeypatch.setattr(strict_json, "_encode", None)
    assert strict_json.dumps(value) == shortly
