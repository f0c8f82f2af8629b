"""Much at once: everything arrives, once, whole and in order."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.node import Client, Node
from ..support.recorded import Recorded
from ..support.transcript import Transcript
from .conftest import Start

pytestmark = pytest.mark.e2e

SNOW = "\u2603" * 70_000  # 210 kB of UTF-8, cut by every segment and buffer on the way


class Chat(Recorded):
    def on_number(self, number: int) -> None:
        self.journal.add("number", number)

    def on_count(self, times: int) -> None:
        for number in range(times):
            self.emit("number", number)

    def on_echo(self, text: str) -> str:
        return text

    def recv_message(self, data: str) -> None:
        self.send(data)


@pytest.fixture
def chat(start: Start, node: Node, transport: str) -> Client:
    client = node.connect(start({"/chat": Chat}).url + "/chat", transport)
    client.next("connect")
    return client


def test_200_events_from_the_page(chat: Client, journal: Transcript) -> None:
    chat.emit_many("number", 200)
    assert [journal.next("number") for _ in range(200)] == [(number,) for number in range(200)]


def test_200_events_to_the_page(chat: Client) -> None:
    chat.emit("count", 200)
    assert [chat.next("number") for _ in range(200)] == [[number] for number in range(200)]


def test_200_questions_and_their_answers(chat: Client) -> None:
    """Both directions at once."""
    chat.emit("count", 200)
    assert [chat.ask("echo", number) for number in range(200)] == [[n] for n in range(200)]
    assert [chat.next("number") for _ in range(200)] == [[number] for number in range(200)]


@pytest.mark.parametrize("say", ["event", "message"])
def test_a_large_message_both_ways(chat: Client, say: str) -> None:
    heard: list[Any]
    if say == "event":
        heard = chat.ask("echo", SNOW)
    else:
        chat.send(SNOW)
        heard = chat.next("message")
    assert heard == [SNOW]


def test_small_ones_behind_a_large_one_keep_their_place(chat: Client) -> None:
    chat.send(SNOW)
    chat.send("small")
    chat.send(SNOW[:50_000])
    assert [chat.next("message") for _ in range(3)] == [[SNOW], ["small"], [SNOW[:50_000]]]
