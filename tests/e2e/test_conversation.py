"""What a page and a namespace say to each other."""

from __future__ import annotations

from typing import Any

import pytest

from sockio import ConnectionRefused, EventRefused

from ..support.node import Client, Node
from ..support.recorded import Recorded
from ..support.transcript import Transcript
from .conftest import Start

pytestmark = pytest.mark.e2e

#: What breaks where lengths, quotes, lines or signs of the protocol are taken for something else.
AWKWARD = [
    pytest.param("Grüße ☃", id="beyond ASCII"),
    pytest.param("🎈 in the 🌬", id="beyond the BMP"),
    pytest.param("line\u2028separator\u2029s", id="line separators of JavaScript"),
    pytest.param("a+b 1++", id="plus signs"),
    pytest.param('"quoted" \\ and \\" more', id="quotes and backslashes"),
    pytest.param("one\ntwo\r\nthree\x00", id="lines and a null"),
    pytest.param("5:1+:/chat:{}", id="what looks like a packet"),
    pytest.param("\ufffd3\ufffdabc", id="what looks like a payload"),
    pytest.param(":::", id="colons"),
]


class Chat(Recorded):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_say_back(self, event: str, *args: Any) -> None:
        self.emit(event, *args)

    def on_nothing(self) -> None:
        self.journal.add("nothing")

    def on_fail(self) -> None:
        raise ValueError("the application's own trouble")

    def on_refuse(self) -> None:
        raise EventRefused("too_early", "Not before noon.")

    def on_two(self, first: Any, second: Any) -> list[Any]:
        return [first, second]

    def on_ask(self, question: str, *args: Any) -> Any:
        answer = self.call(question, *args)
        self.journal.add("returned", answer)
        return answer

    def on_ask_later(self, question: str) -> None:
        self.emit(question, callback=lambda *args: self.journal.add("answered", args))

    def on_send_with_receipt(self, text: str) -> None:
        self.send(text, callback=lambda: self.journal.add("received"))

    def recv_message(self, data: str) -> str:
        self.journal.add("message", data)
        self.send(data)
        return "not for automatic acks"

    def recv_json(self, data: Any) -> None:
        self.journal.add("json", data)
        self.send(data, json=True)


class Closed(Recorded):
    def recv_connect(self) -> bool:
        self.emit("secret")
        return False


class Members(Recorded):
    def recv_connect(self) -> None:
        raise ConnectionRefused("members only")


@pytest.fixture
def chat(start: Start, node: Node, transport: str) -> Client:
    """A client in /chat."""
    server = start({"": Recorded, "/chat": Chat, "/closed": Closed, "/members": Members})
    client = node.connect(server.url + "/chat", transport)
    client.next("connect")
    return client


# ---- Namespaces


def test_the_client_connects_over_the_transport_it_wants(chat: Client, transport: str) -> None:
    assert chat.transport == transport


def test_without_a_path_the_client_is_in_the_global_namespace(
    start: Start, node: Node, transport: str, journal: Transcript
) -> None:
    """Also D-27: its connect is told without a packet of the client's."""
    client = node.connect(start({"": Chat}).url, transport)
    journal.next("connect", "")
    client.next("connect")
    assert client.ask("echo", 1) == [1]


def test_several_namespaces_share_one_connection(
    chat: Client, node: Node, start: Start, journal: Transcript
) -> None:
    everything = node.open(chat, "")
    everything.send("to the global namespace")
    assert chat.ask("echo", 1) == [1]
    _, of_chat = journal.next("connect", "/chat")
    _, of_global = journal.next("connect", "")
    assert of_chat.socket is of_global.socket
    assert of_chat.session is of_global.session


@pytest.mark.parametrize("name", ["/closed", "/members", "/never-heard-of"])
def test_a_refused_namespace_costs_nothing_else(chat: Client, node: Node, name: str) -> None:
    refused = node.open(chat, name)
    assert refused.next("connect_failed") == ["unauthorized"]
    assert chat.ask("echo", "still here") == ["still here"]
    assert refused.got("connect") == refused.got("secret") == []


def test_a_namespace_that_was_left_can_be_connected_again(
    start: Start, node: Node, transport: str, journal: Transcript
) -> None:
    server = start({"": Recorded, "/chat": Chat})
    chat = node.connect(server.url + "/chat", transport)
    chat.next("connect")
    chat.leave()
    journal.next("disconnect", "/chat", "client namespace disconnect")
    chat.rejoin()
    chat.next("connect")
    assert chat.ask("echo", 2) == [2]
    assert len(journal.all("connect")) == 3


# ---- Events and messages, both ways


@pytest.mark.parametrize("text", AWKWARD)
def test_text_arrives_unchanged_in_events(chat: Client, text: str) -> None:
    chat.emit("say back", "heard", text, {text: [text]})
    assert chat.next("heard") == [text, {text: [text]}]


@pytest.mark.parametrize("text", AWKWARD)
def test_text_arrives_unchanged_in_acks(chat: Client, text: str) -> None:
    """Also D-07: a plus sign inside the arguments."""
    assert chat.ask("echo", text, [text]) == [text, [text]]
    chat.answer("question", text, [text])
    assert chat.ask("ask", "question") == [text, [text]]


@pytest.mark.parametrize("text", [*AWKWARD, pytest.param("", id="empty")])
def test_text_arrives_unchanged_in_messages(chat: Client, journal: Transcript, text: str) -> None:
    chat.send(text)
    assert journal.next("message") == (text,)
    assert chat.next("message") == [text]


@pytest.mark.parametrize("value", [None, 0, False, "a+b", [], {"☃": [1, {"🎈": None}]}, 1.5])
def test_json_messages_arrive_unchanged(chat: Client, journal: Transcript, value: Any) -> None:
    chat.send_json(value)
    assert journal.next("json") == (value,)
    assert chat.next("message") == [value]


@pytest.mark.parametrize("text", AWKWARD)
def test_d52_characters_beyond_the_bmp_in_a_batch(chat: Client, text: str) -> None:
    """Several packets in one body, both ways: what follows the awkward one is where it breaks."""
    chat.emit_many("echo", 3)
    chat.emit("say back", "first", text)
    chat.emit("say back", "second", text + text)
    chat.emit("say back", "third")
    assert chat.next("first") == [text]
    assert chat.next("second") == [text + text]
    assert chat.next("third") == []


# ---- Acknowledgements, client to server


@pytest.mark.parametrize(
    "args",
    [
        pytest.param([], id="none"),
        pytest.param(["one"], id="one"),
        pytest.param([1, "two", {"three": 3}], id="several"),
        pytest.param([[1, 2]], id="one that is a list"),
        pytest.param([None], id="null"),
    ],
)
def test_a_handler_answers_with_its_return_value(chat: Client, args: list[Any]) -> None:
    assert chat.ask("echo", *args) == args


def test_a_handler_that_returns_nothing_answers_with_nothing(chat: Client) -> None:
    assert chat.ask("nothing") == []


def test_d29_a_message_is_acknowledged_without_arguments(chat: Client) -> None:
    assert chat.send_and_wait("did you get this?") == []


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        pytest.param("fail", [], "internal_error", id="the handler raises"),
        pytest.param("refuse", [], "too_early", id="the handler refuses"),
        pytest.param("two", ["only one"], "invalid_arguments", id="wrong number of arguments"),
        pytest.param("unheard of", [], "no_such_method", id="no such handler"),
    ],
)
def test_d28_what_fails_is_not_acknowledged_as_success(
    chat: Client, event: str, args: list[Any], code: str
) -> None:
    (answer,) = chat.ask(event, *args)
    assert answer["error"] == code
    assert answer["message"]


@pytest.mark.parametrize(
    ("event", "args"),
    [
        pytest.param("fail", [], id="the handler raises"),
        pytest.param("two", [], id="wrong number of arguments"),
        pytest.param("unheard of", [1], id="no such handler"),
    ],
)
def test_d20_a_failing_event_costs_nothing_but_itself(
    chat: Client, event: str, args: list[Any]
) -> None:
    chat.emit(event, *args)
    chat.next("error")
    assert chat.ask("echo", "still here") == ["still here"]


# ---- Acknowledgements, server to client


@pytest.mark.parametrize(
    ("args", "returned"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["one"], "one", id="one"),
        pytest.param([[1]], [1], id="one that is a list"),
        pytest.param([1, "two"], (1, "two"), id="several"),
    ],
)
def test_call_waits_for_the_answer_of_the_page(
    chat: Client, journal: Transcript, args: list[Any], returned: Any
) -> None:
    chat.answer("question", *args)
    chat.emit("ask", "question", "with", "arguments")
    assert journal.next("returned") == (returned,)
    assert chat.next("question") == ["with", "arguments"]


def test_a_callback_gets_the_answer_of_the_page(chat: Client, journal: Transcript) -> None:
    chat.answer("question", "a", {"b": 1})
    chat.emit("ask_later", "question")
    assert journal.next("answered") == (("a", {"b": 1}),)


def test_a_callback_of_send_is_called_when_the_message_has_arrived(
    chat: Client, journal: Transcript
) -> None:
    chat.emit("send with receipt", "hello")
    journal.next("received")
    assert chat.next("message") == ["hello"]


# ---- What the handshake tells the namespace


def test_the_query_of_the_url_is_in_the_environ(
    start: Start, node: Node, transport: str, journal: Transcript
) -> None:
    server = start({"/chat": Chat})
    node.connect(server.url + "/chat?room=tea%20room&x=1", transport).next("connect")
    _, namespace = journal.next("connect", "/chat")
    assert namespace.environ["QUERY_STRING"].startswith("room=tea%20room&x=1&t=")
    assert namespace.request.GET["room"] == "tea room"


def test_a_page_that_forgot_the_namespace_is_answered(
    node: Node, start: Start, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = start({"/chat": Chat, "/news": Chat})
    page = node.connect(server.url, transport)
    page.next("connect")
    refused = [{"error": "not_connected", "message": "This namespace is not connected."}]
    assert page.ask("echo", "x") == refused
    assert page.send_and_wait("x") == refused
    page.emit("echo", "x")
    assert page.ask("echo", "x") == refused
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len([each for each in warnings if "the page must io.connect('/chat')" in each]) == 1
