"""One method around each event: ``around_event``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, EventRefused, allow, limit, on
from sockio.namespaces.handlers import handlers_of

from ...support.carriers import Client
from ..conftest import MakeHouse

GoOn = Callable[..., Any]


class Watched(BaseNamespace):
    def initialize(self) -> None:
        self.story: list[Any] = []

    def around_event(self, name: str, args: list[Any], go_on: GoOn) -> Any:
        self.story.append((name, args))
        if name == "forbidden":
            raise EventRefused("login_first", "Log in first.")
        if name == "instead":
            return "not asked"
        if name == "twice":
            args = [args[0] * 2]
        elif name == "many":
            args = [1, 2, 3]
        elif args == ["two messages"]:
            args = ["a", "b"]
        try:
            answer = go_on(*args)
        except EventRefused as refused:
            self.story.append(refused.code)
            raise
        self.story.append(answer)
        return answer

    def on_say(self, text: str) -> str:
        return text.upper()

    def on_twice(self, text: str) -> str:
        return text

    def on_forbidden(self) -> None:
        self.story.append("never")

    def on_instead(self) -> None:
        self.story.append("never")

    def on_many(self, packet: Any) -> Any:
        return packet["args"]

    @on("odd:name")
    def odd(self) -> str:
        return "odd"

    @allow(lambda ns: False)
    def on_closed(self) -> None: ...

    @limit("1/h")
    def on_rare(self) -> None: ...

    def recv_message(self, data: str) -> str:
        return f"text {data}"

    def recv_json(self, data: Any) -> Any:
        return data


@pytest.fixture
def client(house: MakeHouse) -> Client:
    return house({"/chat": Watched}).client("/chat")


def sent(name: str, args: str = "") -> str:
    return f'5:1+:/chat:{{"name":"{name}","args":[{args}]}}'


def error(code: str, message: str) -> str:
    return f'6::/chat:1+[{{"error":"{code}","message":"{message}"}}]'


@pytest.mark.parametrize(
    ("packet", "answer", "story"),
    [
        pytest.param(
            sent("say", '"hi"'), '6::/chat:1+["HI"]', [("say", ["hi"]), "HI"], id="an event"
        ),
        pytest.param(
            sent("twice", '"ab"'),
            '6::/chat:1+["abab"]',
            [("twice", ["ab"]), "abab"],
            id="with other arguments",
        ),
        pytest.param(
            sent("many"),
            "6::/chat:1+[[1,2,3]]",
            [("many", []), [1, 2, 3]],
            id="... which are those of the packet, too",
        ),
        pytest.param(
            sent("odd:name"), '6::/chat:1+["odd"]', [("odd:name", []), "odd"], id="by its mark"
        ),
        pytest.param(
            sent("forbidden"),
            error("login_first", "Log in first."),
            [("forbidden", [])],
            id="refused",
        ),
        pytest.param(sent("instead"), '6::/chat:1+["not asked"]', [("instead", [])], id="answered"),
        pytest.param(
            sent("nobody"),
            error("no_such_method", "Nothing handles this."),
            [("nobody", []), "no_such_method"],
            id="nobody's",
        ),
        pytest.param(
            sent("closed"),
            error("method_access_denied", "You may not do that."),
            [("closed", []), "method_access_denied"],
            id="one that @allow refuses",
        ),
        pytest.param(
            "3:1+:/chat:hi",
            '6::/chat:1+["text hi"]',
            [("message", ["hi"]), "text hi"],
            id="a message",
        ),
        pytest.param(
            "4:1+:/chat:[1]", "6::/chat:1+[[1]]", [("message", [[1]]), [1]], id="a JSON message"
        ),
        pytest.param(
            sent("message", '"hi"'),
            '6::/chat:1+["text hi"]',
            [("message", ["hi"]), "text hi"],
            id="a message as later clients send it",
        ),
        pytest.param(
            "3:1+:/chat:two messages",
            error("invalid_arguments", "A message is one value, not 2."),
            [("message", ["two messages"]), "invalid_arguments"],
            id="a message of two",
        ),
    ],
)
def test_it_is_around_each_event(
    client: Client, packet: str, answer: str, story: list[Any]
) -> None:
    assert client.sends(packet) == [answer]
    namespace = client["/chat"]
    assert namespace.story == story


def test_limits_are_kept_inside_of_it(client: Client) -> None:
    client.sends(sent("rare"), sent("rare"))
    assert client["/chat"].story == [("rare", []), None, ("rare", []), "rate_limited"]


def test_bases_are_asked_in_turn(house: MakeHouse) -> None:
    class Outer(Watched):
        def around_event(self, name: str, args: list[Any], go_on: GoOn) -> Any:
            return [super().around_event(name, args, go_on)]

    client = house({"/chat": Outer}).client("/chat")
    assert client.sends(sent("say", '"hi"')) == ['6::/chat:1+[["HI"]]']


def test_it_runs_inside_of_the_setting_context(house: MakeHouse) -> None:

    @contextlib.contextmanager
    def context(namespace: Any) -> Any:
        entered.append("in")
        yield
        entered.append("out")

    class Inside(BaseNamespace):
        def around_event(self, name: str, args: list[Any], go_on: GoOn) -> Any:
            entered.append(name)
            return go_on(*args)

        def on_say(self) -> None: ...

    entered: list[str] = []
    client = house({"/chat": Inside}, context=context).client("/chat")
    entered.clear()
    client.sends(sent("say"))
    assert entered == ["in", "say", "out"]


def test_a_class_without_it_takes_the_short_way() -> None:

    class Plain(BaseNamespace):
        def on_say(self) -> None: ...

    assert (handlers_of(Plain, BaseNamespace).plain, handlers_of(Watched, BaseNamespace).plain) == (
        True,
        False,
    )
