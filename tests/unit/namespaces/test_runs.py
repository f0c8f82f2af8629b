"""What sockio calls in a namespace runs when it is called, or is refused: where the class is given,
and where that cannot be seen, at the call."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import BaseNamespace, Handlers, SocketIOMiddleware, allow, on
from sockio.exceptions import ConnectionRefused, UsageError
from sockio.namespaces.hooks import CALLED
from sockio.namespaces.mixins import RoomsMixin

from ..conftest import MakeHouse


async def coroutine(self: Any, *args: Any) -> bool:
    return False


def generator(self: Any, *args: Any) -> Iterator[bool]:
    yield False


def bare(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator by which nobody sees what it is around."""
    return lambda self, *args: fn(self, *args)


@pytest.fixture(autouse=True)
def no_noise() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


#: The values of the one that is left out are iterated over.
CALLED_AT_ONCE = [name for name in CALLED if name != "get_initial_acl"]


def pages(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return []


@pytest.mark.parametrize("function", [coroutine, generator])
@pytest.mark.parametrize("name", ["on_say", *CALLED_AT_ONCE])
def test_a_class_with_one_that_would_not_is_refused(name: str, function: Any) -> None:
    cls = type("Late", (BaseNamespace,), {name: function})
    words = rf"Late\.{name} is a \w+ function, of which a call runs nothing.*plain"
    for _ in range(2):
        with pytest.raises(UsageError, match=words):
            SocketIOMiddleware(pages, {"/late": cls})


def test_the_acl_may_be_a_generator_and_no_coroutine() -> None:
    SocketIOMiddleware(
        pages, {"/x": type("Fine", (BaseNamespace,), {"get_initial_acl": generator})}
    )
    cls = type("Late", (BaseNamespace,), {"get_initial_acl": coroutine})
    with pytest.raises(UsageError, match="get_initial_acl is a coroutine function"):
        SocketIOMiddleware(pages, {"/x": cls})


def test_whatever_a_base_has_that_nobody_calls_does_not_count() -> None:
    base: Any = type("Base", (BaseNamespace,), {"recv_connect": coroutine, "on_x": generator})

    class Plain(base):  # type: ignore[misc]
        def recv_connect(self) -> None: ...

        def on_x(self) -> None: ...

        async def helper(self) -> None: ...

    SocketIOMiddleware(pages, {"/x": Plain})

    late: Any = type("Late", (BaseNamespace,), {"initialize": coroutine})

    class Up(late):  # type: ignore[misc]
        def initialize(self) -> None: ...

    # Each class of the chain has its own called.
    with pytest.raises(UsageError, match="initialize"):
        SocketIOMiddleware(pages, {"/x": Up})


def test_events_by_a_mark_and_static_methods_are_looked_at() -> None:
    with pytest.raises(UsageError, match=r"Late\.said is a coroutine function"):
        SocketIOMiddleware(
            pages, {"/x": type("Late", (BaseNamespace,), {"said": on("a:b")(_copy(coroutine))})}
        )
    cls = type("Late", (BaseNamespace,), {"on_x": staticmethod(generator)})
    with pytest.raises(UsageError, match=r"Late\.on_x is a generator function"):
        SocketIOMiddleware(pages, {"/x": cls})


def _copy(fn: Any) -> Any:
    async def copied(*args: Any) -> Any: ...

    return copied


def test_functions_are_refused_by_their_decorators() -> None:
    chat = Handlers()
    decorators = (chat.on("x"), chat.connect, chat.disconnect, chat.message, chat.around_event)
    for decorate in decorators:
        for function in (coroutine, generator):
            with pytest.raises(UsageError, match=r"is a \w+ function"):
                decorate(_copy(function) if function is coroutine else function)


@pytest.mark.parametrize("condition", [coroutine, generator, None, "admin", BaseNamespace])
def test_a_condition_that_says_nothing_is_refused_where_it_stands(condition: Any) -> None:
    with pytest.raises(UsageError, match="allow"):
        allow(condition)


def test_decorators_without_their_parentheses() -> None:
    with pytest.raises(UsageError, match='@on\\("user message"\\)'):
        on(lambda self: None)  # type: ignore[arg-type]

    class Bare(BaseNamespace):
        @allow
        def on_kick(self) -> None: ...  # type: ignore[misc]

    with pytest.raises(UsageError, match=r"Bare\.on_kick: @allow was written without"):
        SocketIOMiddleware(pages, {"/x": Bare})


def test_so_are_those_of_test_clients(serve: Callable[..., Any]) -> None:
    client = serve(SocketIOMiddleware(pages, {"": BaseNamespace})).connect()
    with pytest.raises(UsageError, match="the handler of 'x' is a generator function"):
        client.on("x", generator)


# ---- what shows only in the value


class Chat(BaseNamespace, RoomsMixin):
    def on_say(self, text: str) -> str:
        self.session.setdefault("said", []).append(text)
        return text


@pytest.mark.parametrize("function", [coroutine, generator])
@pytest.mark.parametrize(
    "name", ["recv_connect", "initialize", "exception_handler_decorator", "get_initial_acl"]
)
def test_a_gate_that_gives_no_answer_lets_nobody_in(
    house: MakeHouse, name: str, function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cls = type("Late", (Chat,), {name: bare(function)})
    if name == "get_initial_acl" and function is generator:
        return
    if name == "exception_handler_decorator":
        cls = type("Late", (Chat,), {name: lambda self, fn: lambda *args: function(self)})
    with caplog.at_level(logging.INFO):
        assert house({"/b": cls}).client().sends("1::/b", "3::/b:x") == ["7::/b:2"]
    assert "which nothing awaits" in caplog.text or "of which nothing has run" in caplog.text


@pytest.mark.parametrize("name", ["recv_connect", "initialize"])
@pytest.mark.parametrize("refusal", [ConnectionRefused("no"), ConnectionRefused])
def test_a_refusal_that_is_returned_lets_nobody_in(
    house: MakeHouse, name: str, refusal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cls = type("Slip", (Chat,), {name: lambda self: refusal})
    assert house({"/b": cls}).client().sends("1::/b", "3::/b:x") == ["7::/b:2"]
    assert "returned ConnectionRefused, which has to be raised" in caplog.text


@pytest.mark.parametrize("function", [coroutine, generator])
def test_a_condition_that_gives_no_answer_lets_no_event_in(
    house: MakeHouse, function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Kicking(Chat):
        on_kick = allow(bare(function))(lambda self: self.session.setdefault("kicked", True))

    client = house({"/b": Kicking}).client("/b")
    (answer,) = client.sends('5:1+:/b:{"name":"kick"}')
    assert "internal_error" in answer
    assert "kicked" not in client.socket.session
    assert "a condition of @allow on on_kick returned a" in caplog.text


def test_a_step_that_gives_no_answer_lets_no_event_in(house: MakeHouse) -> None:
    cls = type("Late", (Chat,), {"is_method_allowed": bare(coroutine)})
    client = house({"/b": cls}).client("/b")
    (answer,) = client.sends('5:1+:/b:{"name":"say","args":["x"]}')
    assert "internal_error" in answer
    assert "said" not in client.socket.session


@pytest.mark.parametrize("function", [coroutine, generator])
@pytest.mark.parametrize("ack", ["", "1+"])
def test_a_handler_of_which_nothing_ran_has_failed(
    house: MakeHouse, function: Any, ack: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/b": type("Late", (Chat,), {"on_x": bare(function)})}).client("/b")
    client.sends(f'5:{ack}:/b:{{"name":"x"}}')
    assert "on_x returned a" in caplog.text
    assert "nothing was done" in caplog.text


def test_nothing_is_spawned_that_would_not_run(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/b": Chat}).client("/b")
    for spawn in (client.socket.spawn, client.socket["/b"].spawn):
        with pytest.raises(UsageError, match=r"what spawn\(\) is given is a coroutine function"):
            spawn(coroutine)
        spawn(bare(coroutine), None)
        client.hears()
    assert "a spawned task failed" in caplog.text
    assert "nothing was done" in caplog.text


def test_a_callback_of_which_nothing_ran_has_failed(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/b": Chat}).client("/b")
    client.socket["/b"].emit("ask", callback=bare(coroutine))
    (asked,) = client.hears()
    number = asked.split(":")[1].rstrip("+")
    client.sends(f"6::/b:{number}+[1]")
    assert "the ack callback" in caplog.text
    assert "nothing was done" in caplog.text
