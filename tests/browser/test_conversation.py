"""What a page and a namespace say to each other."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.recorded import Recorded
from ..support.transcript import Transcript
from .conftest import StartVisit, Visit
from .remote import Client

pytestmark = pytest.mark.browser

#: What breaks where lengths, quotes, lines or markup are taken for something else.
AWKWARD = [
    "Grüße ☃",
    "🎈 beyond the BMP 🌬",
    "line\u2028separator\u2029s",
    "</script><script>document.body.remove()</script><!--",
    "a+b 1++ %2B &d=1",
    '"quoted" \\ and \\" more',
    "one\ntwo\r\nthree\ttabs\x00",
    "\ufffd3\ufffdabc",
    "5:1+:/chat:{}",
]


class Chat(Recorded):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_say_back(self, event: str, *args: Any) -> None:
        self.emit(event, *args)

    def on_ask(self, question: str, *args: Any) -> None:
        self.journal.add("answer", self.call(question, *args))

    def on_count(self, number: int) -> None:
        self.journal.add("count", number)

    def on_count_to(self, end: int) -> None:
        for number in range(end):
            self.emit("number", number)

    def recv_message(self, data: str) -> None:
        self.send(data)

    def recv_json(self, data: Any) -> None:
        self.send(data, json=True)


class Closed(Recorded):
    def recv_connect(self) -> bool:
        self.emit("secret")
        return False


@pytest.fixture
def visited(visit: StartVisit) -> Visit:
    return visit({"": Chat, "/chat": Chat, "/closed": Closed})


@pytest.fixture
def chat(visited: Visit) -> Client:
    return visited.enter()


def test_the_page_connects_over_the_transport_it_wants(
    visited: Visit, chat: Client, transport: str, journal: Transcript
) -> None:
    assert chat.transport == transport
    _, of_chat = journal.next("connect", "/chat")
    assert of_chat.socket.sessid == chat.sid
    assert chat.ask("echo", 1, {"two": [None, True]}) == [1, {"two": [None, True]}]
    assert visited.tab.heard("page error") == []


def test_text_arrives_unchanged_in_events_and_acks_both_ways(
    chat: Client, journal: Transcript
) -> None:
    for text in AWKWARD:
        assert chat.ask("echo", text) == [text]
        chat.emit("say back", "heard", text, {text: [text]})
        assert chat.next("heard") == [text, {text: [text]}]
        chat.answer("what?", text)
        chat.emit("ask", "what?", text)
        assert chat.next("what?") == [text]
        assert journal.next("answer") == (text,)


def test_messages_and_json_arrive_unchanged(chat: Client) -> None:
    for text in AWKWARD[:4]:
        chat.send(text)
        assert chat.next("message") == [text]
        chat.send_json({text: [text]})
        assert chat.next("message") == [{text: [text]}]


def test_bursts_arrive_whole_and_in_order(chat: Client, journal: Transcript) -> None:
    """Both at once: polls and posts cross each other."""
    chat.emit("count to", 100)
    chat.emit_many("count", 100)
    assert [journal.next("count") for _ in range(100)] == [(number,) for number in range(100)]
    assert [chat.next("number") for _ in range(100)] == [[number] for number in range(100)]
    assert len(chat.got("number")) == len(journal.all("count")) == 100


def test_several_namespaces_share_one_connection(chat: Client, journal: Transcript) -> None:
    everything = chat.open("")
    assert everything.ask("echo", "global") == ["global"]
    assert chat.ask("echo", "chat") == ["chat"]
    _, of_chat = journal.next("connect", "/chat")
    _, of_global = journal.next("connect", "")
    assert of_chat.socket is of_global.socket


def test_a_refused_namespace_costs_nothing_else(chat: Client) -> None:
    for name in ("/closed", "/never-heard-of"):
        refused = chat.open(name)
        assert refused.next("connect_failed") == ["unauthorized"]
        assert chat.ask("echo", "still here") == ["still here"]
        assert refused.got("connect") == refused.got("secret") == []
