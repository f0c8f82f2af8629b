"""A namespace made of functions: ``Handlers``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sockio import (
    BaseNamespace,
    ConnectionRefused,
    Handlers,
    SocketIOMiddleware,
    UsageError,
    allow,
    concurrent,
    limit,
)
from sockio.http.manage import check_namespaces

from ...support.carriers import House
from ...support.servers import not_ours
from ..conftest import MakeHouse


@pytest.fixture
def chat() -> Handlers:
    chat = Handlers("Chat")

    @chat.connect
    def let_in(client: BaseNamespace, auth: dict[str, Any]) -> None:
        if auth.get("who") == "eve":
            raise ConnectionRefused("not you")
        client.session["story"] = ["in"]
        client.join("lobby")

    @chat.on("user message")
    def said(client: BaseNamespace, text: str) -> str:
        client.emit_to_room("lobby", "said", text)
        return text.upper()

    @chat.on("odd:name")
    @limit("1/h")
    def odd(client: BaseNamespace) -> str:
        return "odd"

    @chat.on("kick")
    @allow(lambda client: False)
    @concurrent
    def emit(client: BaseNamespace) -> None: ...

    @chat.on("*")
    def whatever(client: BaseNamespace, name: str, *args: Any) -> Any:
        return name, *args

    @chat.message
    def message(client: BaseNamespace, data: Any) -> Any:
        return data

    @chat.disconnect
    def gone(client: BaseNamespace, reason: str) -> None:
        client.session["story"].append(reason)

    return chat


@pytest.fixture
def home(house: MakeHouse, chat: Handlers) -> House:
    return house({"/chat": chat})


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        pytest.param(
            '5:1+:/chat:{"name":"user message","args":["hi"]}', '6::/chat:1+["HI"]', id="an event"
        ),
        pytest.param('5:1+:/chat:{"name":"odd:name"}', '6::/chat:1+["odd"]', id="an odd name"),
        pytest.param(
            '5:1+:/chat:{"name":"said","args":["hi"]}',
            '6::/chat:1+["said","hi"]',
            id="a function's own name is no event",
        ),
        pytest.param("3:1+:/chat:hi", '6::/chat:1+["hi"]', id="a message"),
        pytest.param("4:1+:/chat:[1]", "6::/chat:1+[[1]]", id="a JSON message"),
        pytest.param(
            '5:1+:/chat:{"name":"kick"}',
            '6::/chat:1+[{"error":"method_access_denied","message":"You may not do that."}]',
            id="what @allow refuses",
        ),
    ],
)
def test_functions_handle_what_methods_would(home: House, packet: str, answer: str) -> None:
    client = home.client("/chat")
    assert client.sends(packet) == [answer]


def test_they_are_given_the_client(home: House) -> None:
    ann, bob = home.client("/chat"), home.client("/chat")
    ann.sends('5::/chat:{"name":"user message","args":["hi"]}')
    assert bob.hears() == ['5::/chat:{"name":"said","args":["hi"]}']
    story = ann["/chat"].session["story"]
    ann.sends("0::/chat")
    assert story == ["in", "client namespace disconnect"]
    assert bob.sends('5:1+:/chat:{"name":"odd:name"}') == ['6::/chat:1+["odd"]']
    assert "rate_limited" in bob.sends('5:2+:/chat:{"name":"odd:name"}')[0]


def test_who_is_refused_stays_out(home: House) -> None:
    assert home.client().sends("1::/chat:?who=eve") == ["7::/chat:2"]


def test_decorators_give_the_function_back(chat: Handlers) -> None:
    def plain(client: Any) -> str:
        return "plain"

    assert chat.on("plain")(plain) is plain
    assert plain(None) == "plain"


def test_functions_of_one_name_are_all_there(house: MakeHouse) -> None:
    chat = Handlers()
    for name in ("a", "b"):

        @chat.on(name)
        def on_emit(client: BaseNamespace, name: str = name) -> str:
            return name

    chat.on("c")(lambda client: "c")
    client = house({"": chat}).client()
    for number, name in enumerate("abc", 1):
        assert client.sends(f'5:{number}+::{{"name":"{name}"}}') == [f'6:::{number}+["{name}"]']
    assert "no_such_method" in client.sends('5:4+::{"name":"emit"}')[0]


def test_what_is_added_later_is_there_for_who_comes_later(home: House, chat: Handlers) -> None:
    home.client("/chat")

    @chat.on("late")
    def late(client: BaseNamespace) -> str:
        return "late"

    client = home.client("/chat")
    assert client.sends('5:1+:/chat:{"name":"late"}') == ['6::/chat:1+["late"]']


def test_around_event_is_there_too(house: MakeHouse) -> None:
    chat = Handlers()

    @chat.around_event
    def around(client: Any, name: str, args: list[Any], go_on: Callable[..., Any]) -> Any:
        return [name, go_on(*args)]

    @chat.on("say")
    def say(client: Any) -> str:
        return "said"

    client = house({"": chat}).client()
    assert client.sends('5:1+::{"name":"say"}') == ['6:::1+[["say","said"]]']


def twice_one_event(chat: Handlers) -> None:
    chat.on("say")(lambda client: None)
    chat.on("say")(lambda client: None)


def twice_a_gate(chat: Handlers) -> None:
    chat.connect(lambda client: None)
    chat.connect(lambda client: None)


def a_gate_with_other_parameters(chat: Handlers) -> None:
    chat.connect(lambda client, token: None)


def no_name(chat: Handlers) -> None:
    chat.on(lambda client: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        (twice_one_event, "Chat: two functions want to handle 'say'"),
        (twice_a_gate, "Chat: two functions want to handle 'recv_connect'"),
        (a_gate_with_other_parameters, "it may take packet and auth, by these names"),
        (no_name, 'takes the name of the event: @chat.on("user message")'),
    ],
)
def test_mistakes_are_said_where_they_are_made(
    mistake: Callable[[Handlers], None], complaint: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        mistake(Handlers("Chat"))


def test_they_stand_wherever_a_class_does(chat: Handlers) -> None:
    pattern = re.compile("/room-.*")
    found = check_namespaces({"/chat": chat, pattern: chat})
    assert found.get("/chat") is found.get("/room-1") is chat.namespace
    middleware = SocketIOMiddleware(not_ours, {"/chat": chat})
    assert middleware.namespaces is not None
    assert middleware.namespaces.get("/chat") is chat.namespace


def bare(fn: Callable[..., Any]) -> Callable[..., Any]:
    """It does not say what it is around."""
    return lambda *args: fn(*args)


def test_a_decorator_between_opens_nothing(house: MakeHouse) -> None:
    chat, called = Handlers("Chat"), []

    @chat.on("kick")
    @bare
    @allow(lambda client: False)
    def kick(client: BaseNamespace) -> None:
        called.append("kick")

    @chat.on("lim")
    @bare
    @bare
    @limit("1/h")
    def lim(client: BaseNamespace) -> None:
        called.append("lim")

    @chat.on("open")
    @bare
    def opened(client: BaseNamespace) -> None:
        called.append("open")

    client = house({"/chat": chat}).client("/chat")
    for name in ("kick", "lim", "lim", "open"):
        client.sends(f'5::/chat:{{"name":"{name}"}}')
    assert called == ["lim", "open"]
