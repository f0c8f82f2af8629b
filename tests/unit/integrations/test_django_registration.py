"""The decorators of the Django app: what they register, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("django", reason="the Django app needs Django")

from sockio import BaseNamespace, Handlers, UsageError
from sockio.integrations.django import (
    NoSocket,
    broadcast,
    events,
    namespace,
    namespaces,
    of,
    outside,
)
from sockio.integrations.django import registration as registered
from sockio.integrations.django.channels import ChannelNamespace
from sockio.integrations.django.events import Event
from sockio.namespaces.table import Namespaces

from ...support.threads import in_a_native_thread


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registered, "_registered", Namespaces())
    yield
    for event in events._EVENTS:
        event.handlers.clear()


class Chat(BaseNamespace):
    pass


def handler(*args: Any) -> None:
    pass


def test_functions_may_be_a_namespace() -> None:
    chat = Handlers()
    assert namespace("/chat")(chat) is chat
    assert namespaces() == {"/chat": chat.namespace}


# ---- Namespaces


def test_gs16_a_class_is_registered_and_stays_what_it_is() -> None:
    assert namespace("/chat")(Chat) is Chat
    assert namespace()(Chat) is Chat
    assert namespaces() == {"/chat": Chat, "": Chat}


def test_a_module_that_is_imported_anew_replaces_its_class() -> None:
    again = type("Chat", (BaseNamespace,), {"__qualname__": Chat.__qualname__})
    again.__module__ = Chat.__module__
    namespace("/chat")(Chat)
    namespace("/chat")(again)
    assert namespaces() == {"/chat": again}


def without_parentheses() -> None:
    namespace(Chat)  # type: ignore[arg-type]


def twice() -> None:
    class Other(BaseNamespace):
        pass

    namespace("/chat")(Chat)
    namespace("/chat")(Other)


def two_of_functions() -> None:
    for _ in "", "/":
        namespace("/chat")(Handlers())
    namespace("/chat")(Handlers())


def without_a_slash() -> None:
    namespace("chat")(Chat)


def no_class() -> None:
    namespace("/chat")(object)  # type: ignore[type-var]


def a_hook_that_cannot_be_called() -> None:
    class Wrong(BaseNamespace):
        def recv_connect(self, name: str) -> None: ...

    namespace("/chat")(Wrong)


def both_global() -> None:
    namespace()(Chat)
    events.on_message(handler)
    namespaces()


def ds01_ds07_a_channel_before_there_can_be_one() -> None:
    events.on_connect(channel="^room-")


def ds06_a_channel_without_its_name() -> None:
    events.on_message("^room-")  # type: ignore[call-overload]


def ds06_a_channel_and_all() -> None:
    events.on_message(channel="^room-", always=True)


@pytest.mark.parametrize(
    ("mistake", "fix"),
    [
        (without_parentheses, r'@namespace\("/chat"\)'),
        (twice, r"two classes want to be the namespace '/chat': .*\.Chat and .*\.Other"),
        (two_of_functions, r"the namespace '/chat': .*\.Handlers \(line \d+\) and .*\.Handlers"),
        (without_a_slash, "starts with a slash"),
        (no_class, "is not a subclass of sockio.BaseNamespace"),
        (a_hook_that_cannot_be_called, "it may take packet and auth, by these names"),
        (both_global, r'Give the class a name: @namespace\("/site"\)'),
        (ds01_ds07_a_channel_before_there_can_be_one, "on_connect has no channel"),
        (ds06_a_channel_without_its_name, r'@on_message\(channel="\^room-"\)'),
        (ds06_a_channel_and_all, "not both"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistake_is_said_with_its_fix(mistake: Callable[[], None], fix: str) -> None:
    with pytest.raises(UsageError, match=fix):
        mistake()


# ---- Events


def test_ds07_handlers_are_kept_in_order_and_stay_functions() -> None:
    """A decorator that returned None could be stacked on nothing."""
    event = Event("on_message")

    @event
    @event(channel="^a")
    def one() -> None: ...

    @event()
    def two() -> None: ...

    assert event.handlers_for(["abc"]) == [one, one, two]


@pytest.mark.parametrize(
    ("options", "channels", "runs"),
    [
        pytest.param({"channel": "^room-"}, ["room-1"], True, id="its channel"),
        pytest.param({"channel": "room-"}, ["other", "room-1"], True, id="one of several"),
        pytest.param({"channel": "room-"}, ["my room-1"], False, id="from the beginning"),
        pytest.param({"channel": "^room-"}, [], False, id="no channel"),
        pytest.param({}, [], True, id="unbound, in no channel"),
        pytest.param({}, ["room-1"], False, id="unbound, in a channel"),
        pytest.param({"always": True}, ["room-1"], True, id="always"),
    ],
)
def test_ds06_which_handlers_of_on_message_run(
    options: dict[str, Any], channels: list[str], runs: bool
) -> None:
    events.on_message(**options)(handler)
    assert events.on_message.handlers_for(channels) == ([handler] if runs else [])


@pytest.mark.parametrize(
    "event", [events.on_error, events.on_disconnect, events.on_finish], ids=lambda each: each.name
)
def test_ds04_ds05_an_unbound_handler_of_the_end_always_runs(event: Event) -> None:
    event(handler)
    assert event.handlers_for(["room-1"]) == event.handlers_for([]) == [handler]


def test_with_handlers_the_global_namespace_is_that_of_channels() -> None:
    assert namespaces() == {}
    events.on_connect(handler)
    assert namespaces() == {"": ChannelNamespace}


# ---- Out of band


def test_ds12_a_process_without_clients_says_so() -> None:
    with pytest.raises(NoSocket, match="ask such a view by HTTP"):
        of("/chat", missing_ok=False)
    with pytest.raises(NoSocket):
        broadcast("hello")


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(outside, "_current", None)
    outside._nobody.cache_clear()
    yield
    outside._nobody.cache_clear()


def test_where_no_server_runs_nothing_is_sent_and_the_log_says_so_once(
    no_server: None, caplog: pytest.LogCaptureFixture
) -> None:
    everybody = of("/chat")
    everybody.to(("person", 7)).emit("news", "text")
    everybody.skip("x").send("text")
    everybody.join("room")
    everybody.leave("room")
    everybody.disconnect()
    in_a_native_thread(lambda: of().to("room").emit("news"))
    assert everybody.sockets() == []
    assert everybody.call("ready?") == ({}, [])
    (said,) = caplog.records
    assert "ask such a view by HTTP" in said.getMessage()
    assert (said.name, said.levelname) == ("sockio.django", "WARNING")


def test_what_can_be_no_room_is_a_mistake_there_too(no_server: None) -> None:
    with pytest.raises(UsageError, match="hashable"):
        of("/chat").to(["a list"])  # type: ignore[arg-type]


async def coroutine(*args: Any) -> bool:
    return False


def test_no_handler_may_be_one_of_which_a_call_runs_nothing() -> None:
    for event in events._EVENTS:
        with pytest.raises(UsageError, match=f"{event.name}: coroutine is a coroutine function"):
            event(coroutine)
