"""One room of one namespace, and in it a client of every generation."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.node import LATER, Client, Node
from ..support.recorded import Recorded
from ..support.transcript import Transcript
from .conftest import Start

pytestmark = pytest.mark.e2e

WORDS = "Grüße ☃ \U0001f388"
#: What bytes are to a client of 0.9.
AS_0_9 = {"base64": "AAH/"}


class Chat(Recorded):
    def on_enter(self, name: str) -> None:
        self.session["name"] = name
        self.join("tea")

    def on_say(self, *words: Any) -> int:
        self.emit_to_room("tea", "said", self.session["name"], *words, include_self=True)
        return len(words)

    def on_ask_all(self) -> None:
        for name, namespace in self.journal.all("connect"):
            namespace.emit("question", name, callback=self.heard)

    def heard(self, answer: Any) -> None:
        self.journal.add("answered", answer)


def test_all_talk_to_all(start: Start, node: Node, journal: Transcript) -> None:
    server = start({"/chat": Chat}, msgpack=True)
    room: dict[str, Client] = {}
    for transport in ("xhr-polling", "websocket"):
        room[f"0.9 {transport}"] = node.connect(server.url + "/chat", transport)
    for version in (*LATER, "4.8.4 msgpack"):
        for ways in (["polling"], ["websocket"], ["polling", "websocket"]):
            client = node.join(version, server.url + "/chat", ways)
            room[f"{version} {'+'.join(ways)}"] = client
    for name, client in room.items():
        client.next("connect")
        assert client.ask("enter", name) == []
        client.answer("question", name)
    assert len(server.registry) == len(room) == 17

    for name, client in room.items():
        assert client.ask("say", WORDS, [1, None, {"a": 0.5}]) == [2]
        for listener in room.values():
            assert listener.next("said") == [name, WORDS, [1, None, {"a": 0.5}]]
    for name, client in room.items():
        if name[0] != "0":
            client.emit("say", {"deep": [b"\x00\x01\xff"]})
            for other, listener in room.items():
                seen = AS_0_9 if other[0] == "0" else b"\x00\x01\xff"
                assert listener.next("said") == [name, {"deep": [seen]}]

    room["4.8.4 websocket"].emit("ask all")
    answered = [journal.next("answered")[0] for _ in room]
    assert sorted(answered) == sorted(room)
