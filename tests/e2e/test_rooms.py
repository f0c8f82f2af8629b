"""Several clients: who hears what, and who does not."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.node import Client, Node
from ..support.recorded import Recorded
from ..support.servers import Served
from .conftest import Start

pytestmark = pytest.mark.e2e


class Chat(Recorded):
    def on_join(self, room: str) -> list[str]:
        self.join(room)
        return sorted(str(each) for each in self.rooms)

    def on_leave(self, room: str) -> None:
        self.leave(room)

    def on_tell_room(self, room: str, text: str) -> None:
        self.emit_to_room(room, "told", text)

    def on_tell_room_and_me(self, room: str, text: str) -> None:
        self.emit_to_room(room, "told", text, include_self=True)

    def on_tell_all(self, text: str) -> None:
        self.broadcast_event("told", text)

    def on_tell_others(self, text: str) -> None:
        self.broadcast_event_not_me("told", text)

    def on_fence(self) -> str:
        """Its answer comes behind everything that was sent to this client before."""
        return "all heard"


class Visitors:
    """Clients of one server."""

    def __init__(self, node: Node, server: Served, transport: str) -> None:
        self.node, self.server, self.transport = node, server, transport

    def enter(self, namespace: str, transport: str | None = None) -> Client:
        client = self.node.connect(self.server.url + namespace, transport or self.transport)
        client.next("connect")
        return client


def heard(client: Client) -> list[Any]:
    """What the client was told so far; what is still on its way is waited for."""
    assert client.ask("fence") == ["all heard"]
    return [text for (text,) in client.got("told")]


@pytest.fixture
def visitors(start: Start, node: Node, transport: str) -> Visitors:
    return Visitors(node, start({"/chat": Chat, "/chat_tea": Chat, "/other": Chat}), transport)


def test_a_room_hears_its_members_and_nobody_else_hears_them(visitors: Visitors) -> None:
    ada, bob, eve = (visitors.enter("/chat") for _ in range(3))
    assert ada.ask("join", "tea") == [["tea"]]
    assert bob.ask("join", "tea") == [["tea"]]
    assert eve.ask("join", "coffee") == [["coffee"]]
    ada.emit("tell_room", "tea", "one")
    ada.emit("tell_room_and_me", "tea", "two")
    assert heard(ada) == ["two"]
    assert heard(bob) == ["one", "two"]
    assert heard(eve) == []


def test_who_has_left_a_room_hears_it_no_more(visitors: Visitors) -> None:
    ada, bob = visitors.enter("/chat"), visitors.enter("/chat")
    bob.ask("join", "tea")
    ada.emit("tell_room", "tea", "one")
    assert ada.ask("fence") == ["all heard"]
    assert bob.ask("leave", "tea") == []
    ada.emit("tell_room", "tea", "two")
    assert ada.ask("fence") == ["all heard"]
    assert heard(bob) == ["one"]


def test_a_broadcast_reaches_all_of_the_namespace(visitors: Visitors) -> None:
    ada, bob = visitors.enter("/chat"), visitors.enter("/chat")
    ada.emit("tell_all", "everybody")
    ada.emit("tell_others", "everybody else")
    assert heard(ada) == ["everybody"]
    assert heard(bob) == ["everybody", "everybody else"]


def test_d81_a_broadcast_stays_in_its_namespace(visitors: Visitors, node: Node) -> None:
    ada, stranger = visitors.enter("/chat"), visitors.enter("/other")
    not_connected = node.open(stranger, "/never-opened")
    not_connected.next("connect_failed")
    ada.emit("tell_all", "secret")
    assert heard(ada) == ["secret"]
    assert heard(stranger) == []
    assert not_connected.got("told") == []


def test_d82_rooms_of_two_namespaces_never_meet(visitors: Visitors) -> None:
    """Whatever their names: /chat + "tea_x" and /chat_tea + "x" were one."""
    ada, stranger = visitors.enter("/chat"), visitors.enter("/chat_tea")
    ada.ask("join", "tea_x")
    stranger.ask("join", "x")
    ada.emit("tell_room_and_me", "tea_x", "secret")
    assert heard(ada) == ["secret"]
    assert heard(stranger) == []


def test_members_over_different_transports_hear_the_same(visitors: Visitors) -> None:
    ada = visitors.enter("/chat", "websocket")
    bob = visitors.enter("/chat", "xhr-polling")
    for client in (ada, bob):
        client.ask("join", "tea")
    ada.emit("tell_room_and_me", "tea", "\u2603 one")
    assert ada.ask("fence") == ["all heard"]
    bob.emit("tell_room_and_me", "tea", "two")
    assert bob.ask("fence") == ["all heard"]
    assert heard(ada) == heard(bob) == ["\u2603 one", "two"]


def test_the_middleware_emits_from_outside_of_any_client(visitors: Visitors) -> None:
    ada, bob = visitors.enter("/chat"), visitors.enter("/chat")
    ada.ask("join", "tea")
    of_chat = visitors.server.middleware.of("/chat")
    of_chat.to("tea").emit("told", "the room")
    of_chat.emit("told", "all")
    of_chat.skip(ada.sid).emit("told", "all but one")
    assert heard(ada) == ["the room", "all"]
    assert heard(bob) == ["all", "all but one"]
