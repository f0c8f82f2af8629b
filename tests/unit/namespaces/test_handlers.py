"""How a namespace class is read: names, signatures, decorators."""

from __future__ import annotations

import functools
import gc
import inspect
import weakref
from collections.abc import Callable
from typing import Any
from xmlrpc.client import ServerProxy  # has every attribute one asks for

import pytest
from webob import Request

from sockio import (
    BaseNamespace,
    SocketIOMiddleware,
    UsageError,
    allow,
    concurrent,
    limit,
    on,
    socketio_manage,
)
from sockio.namespaces.handlers import HandlerTable, handlers_of, method_name_for

# ---- names


@pytest.mark.parametrize(
    ("event", "method"),
    [
        pytest.param("hello", "on_hello", id="a word"),
        pytest.param("user message", "on_user_message", id="spaces become underscores"),
        pytest.param("user_message", "on_user_message", id="underscores stay"),
        pytest.param("Move2", "on_Move2", id="capitals and digits"),
        pytest.param("x", "on_x", id="one letter"),
        pytest.param("", None, id="empty"),
        pytest.param("2fast", "on_2fast", id="a digit first"),
        pytest.param("404", "on_404", id="digits alone"),
        pytest.param("_private", None, id="an underscore first"),
        pytest.param(" x", None, id="a space first"),
        pytest.param("user:message", None, id="a colon"),
        pytest.param("user-message", None, id="a hyphen"),
        pytest.param("user.message", None, id="a dot"),
        pytest.param("hello\n", None, id="d47: a newline at the end"),
        pytest.param("grüße", "on_grüße", id="other letters"),
        pytest.param("gru\u0308ße", "on_grüße", id="... in two parts, which Python joins"),
        pytest.param("новое сообщение", "on_новое_сообщение", id="another script"),
        pytest.param("संदेश", "on_संदेश", id="... with marks beside its letters"),
        pytest.param("消息", "on_消息", id="... without an alphabet"),
        pytest.param("ﬁle", "on_file", id="a ligature, as Python reads it"),
        pytest.param("x٣", "on_x٣", id="other digits"),
        pytest.param("٣", "on_٣", id="other digits alone"),
        pytest.param("новое\u00a0сообщение", None, id="a space that is none"),
        pytest.param("\u0301x", None, id="a mark first"),
        pytest.param("привет!", None, id="another script, and a sign"),
        pytest.param("𝒳" * 101, None, id="longer than any method's name"),
        pytest.param("*", None, id="the catch-all's own name"),
    ],
)
def test_d47_an_event_name_maps_to_a_method_or_to_none(event: str, method: str | None) -> None:
    assert method_name_for(event) == method


# ---- signatures


def logged(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as found in applications: it takes whatever comes."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


def bare(fn: Callable[..., Any]) -> Callable[..., Any]:
    """One that hides what it wraps."""
    return lambda *args: fn(*args)


class CountCalls:
    """A decorator that is an object, and binds as functions do."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return functools.partial(self, obj)


class Signatures(BaseNamespace):
    def on_none(self) -> None: ...
    def on_one(self, text: str) -> None: ...
    def on_two(self, a: int, b: int) -> None: ...
    def on_default(self, a: int, b: int = 2) -> None: ...
    def on_all_default(self, a: int = 1, b: int = 2) -> None: ...
    def on_any(self, *args: int) -> None: ...
    def on_some(self, a: int, *args: int) -> None: ...
    def on_keywords(self, a: int, *, flag: bool = False, **rest: int) -> None: ...
    def on_positional(self, a: int, b: int, /) -> None: ...
    def on_packet(self, packet: Any) -> None: ...
    def on_packet_default(self, packet: Any = None) -> None: ...
    def on_packet_and(self, packet: Any, text: str) -> None: ...
    def on_packet_star(self, packet: Any, *rest: Any) -> None: ...
    def on_this(this, text: str) -> None: ...  # noqa: N805
    @logged
    def on_logged(self, text: str) -> None: ...
    @logged
    def on_logged_packet(self, packet: Any) -> None: ...
    @logged
    @logged
    def on_logged_twice(self, a: int, b: int = 2) -> None: ...
    @bare
    def on_bare(self, text: str) -> None: ...
    @functools.lru_cache  # noqa: B019
    def on_cached(self, text: str) -> None: ...
    @staticmethod
    def on_static(text: str) -> None: ...
    @classmethod
    def on_class(cls, a: int, b: int) -> None: ...

    on_counted = CountCalls(lambda self, a, b: None)
    on_lambda = lambda self, a: None  # noqa: E731
    on_alias = on_two


@pytest.mark.parametrize(
    ("method", "least", "most", "wanted", "whole_packet"),
    [
        ("on_none", 0, 0, "0", False),
        ("on_one", 1, 1, "1", False),
        ("on_two", 2, 2, "2", False),
        ("on_default", 1, 2, "1 to 2", False),
        ("on_all_default", 0, 2, "0 to 2", False),
        ("on_any", 0, None, "0 or more", False),
        ("on_some", 1, None, "1 or more", False),
        ("on_keywords", 1, 1, "1", False),
        ("on_positional", 2, 2, "2", False),
        ("on_packet", 1, 1, "1", True),
        ("on_packet_default", 0, 1, "0 to 1", True),
        ("on_packet_and", 2, 2, "2", False),
        ("on_packet_star", 1, None, "1 or more", False),
        ("on_this", 1, 1, "1", False),
        ("on_logged", 1, 1, "1", False),
        ("on_logged_packet", 1, 1, "1", True),
        ("on_logged_twice", 1, 2, "1 to 2", False),
        ("on_bare", 0, None, "0 or more", False),
        ("on_cached", 1, 1, "1", False),
        ("on_static", 1, 1, "1", False),
        ("on_class", 2, 2, "2", False),
        ("on_counted", 2, 2, "2", False),
        ("on_lambda", 1, 1, "1", False),
        ("on_alias", 2, 2, "2", False),
    ],
)
def test_d45_d46_a_signature_says_how_many_arguments_are_taken(
    method: str, least: int, most: int | None, wanted: str, whole_packet: bool
) -> None:
    handler = handlers_of(Signatures, BaseNamespace).method(method)
    assert handler is not None
    assert (handler.least, handler.most, handler.wants_packet) == (least, most, whole_packet)
    assert handler.wanted() == wanted
    accepted = [count for count in range(5) if handler.accepts(count)]
    assert accepted == list(range(least, 5 if most is None else most + 1))


# ---- what is a handler at all


class Lookalikes(BaseNamespace):
    on_air = True
    on_duty: list[str] = []  # noqa: RUF012
    on_nothing = None
    on_builtin = len
    on_remote = ServerProxy("http://localhost")
    on_partial = functools.partial(print, "x")

    class on_class:  # noqa: N801
        pass

    @property
    def on_property(self) -> Callable[[], None]:
        raise AssertionError("a property must not even be looked at")

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


@pytest.mark.parametrize(
    "name",
    [
        "on_air",
        "on_duty",
        "on_nothing",
        "on_builtin",
        "on_remote",
        "on_partial",
        "on_class",
        "on_property",
        "on_anything_else",
    ],
)
def test_d48_only_methods_are_handlers(name: str) -> None:
    assert handlers_of(Lookalikes, BaseNamespace).method(name) is None


def test_a_subclass_may_take_a_handler_away() -> None:
    class Quiet(Signatures):
        on_one = None  # type: ignore[assignment]

    assert handlers_of(Quiet, BaseNamespace).method("on_one") is None
    assert handlers_of(Quiet, BaseNamespace).method("on_two") is not None


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    class Ns(BaseNamespace):
        def on_late(self) -> None: ...

    table = handlers_of(Ns, BaseNamespace)
    for number in range(1_500):
        assert table.method(f"on_made_up_{number}") is None
    assert len(table._methods) <= 1_000
    assert table.method("on_late") is not None


# ---- @on


class Marked(BaseNamespace):
    @on("user:message")
    @on("user-message")
    def said(self, text: str) -> None: ...

    @on("shout")
    def loudly(self, text: str) -> None: ...

    def on_shout(self, text: str) -> None: ...
    def on_plain(self) -> None: ...

    @staticmethod
    @on("sum:static")
    def add(a: int, b: int) -> None: ...

    @on("sum:class")
    @classmethod
    def add_up(cls, a: int, b: int) -> None: ...


class CatchAll(Marked):
    @on("*")
    def anything(self, name: str, *args: Any) -> None: ...


@pytest.mark.parametrize(
    ("cls", "event", "method", "catch_all"),
    [
        pytest.param(Marked, "user:message", "said", False, id="any characters"),
        pytest.param(Marked, "user-message", "said", False, id="two names for one method"),
        pytest.param(Marked, "shout", "loudly", False, id="a mark goes before the name"),
        pytest.param(Marked, "plain", "on_plain", False, id="by name"),
        pytest.param(Marked, "sum:static", "add", False, id="a static method"),
        pytest.param(Marked, "sum:class", "add_up", False, id="a class method"),
        pytest.param(Marked, "said", "on_said", False, id="a marked method's own name is no event"),
        pytest.param(Marked, "other:one", None, False, id="nobody's event, odd name"),
        pytest.param(Marked, "*", None, False, id="a star without a catch-all"),
        pytest.param(CatchAll, "user:message", "said", False, id="marks are inherited"),
        pytest.param(CatchAll, "plain", "on_plain", False, id="a handler by name goes first"),
        pytest.param(CatchAll, "unknown", "anything", True, id="what nobody handles"),
        pytest.param(CatchAll, "other:one", "anything", True, id="... with an odd name"),
        pytest.param(CatchAll, "", "anything", True, id="... with no name"),
        pytest.param(CatchAll, "*", "anything", True, id="an event that is called star"),
    ],
)
def test_which_method_handles_an_event(
    cls: type[BaseNamespace], event: str, method: str | None, catch_all: bool
) -> None:
    assert handlers_of(cls, BaseNamespace).event(event) == (method, catch_all)


def test_an_override_keeps_the_mark_of_the_method_it_overrides() -> None:
    class Louder(Marked):
        def said(self, text: str, volume: int) -> None:  # type: ignore[override]
            ...

    table = handlers_of(Louder, BaseNamespace)
    assert table.event("user:message") == ("said", False)
    handler = table.method("said")
    assert handler is not None
    assert handler.least == 2


def nobody(namespace: Any) -> bool:
    return False


def everybody(namespace: Any) -> bool:
    return True


class Closed(BaseNamespace):
    @allow(nobody)
    @limit("1/60s")
    def on_kick(self) -> None: ...

    @allow(nobody)
    @on("user:ban")
    def ban(self) -> None: ...

    @allow(nobody)
    @on("*")
    def anything(self, name: str) -> None: ...

    @allow(nobody)
    def recv_message(self, data: Any) -> None: ...


class Again(Closed):
    def on_kick(self) -> None: ...
    def ban(self) -> None: ...
    def recv_message(self, data: Any) -> None: ...


class AgainAndAgain(Again):
    @concurrent
    def on_kick(self) -> None: ...


class Kicks:
    def on_kick(self) -> None: ...


class Mixed(Kicks, Closed):
    pass


class Behind(Kicks, BaseNamespace):
    pass


class MixedBehind(Behind, Closed):
    pass


class Static(Closed):
    @staticmethod
    def on_kick() -> None: ...


class Elsewhere(Closed):
    @on("kick")
    def kicks(self) -> None: ...

    @on("user:ban")
    def bans(self) -> None: ...

    @on("*")
    def all_else(self, name: str) -> None: ...


class ElsewhereAgain(Elsewhere):
    @on("kick")
    def kicked(self) -> None: ...


class Opened(Closed):
    @allow(everybody)
    def on_kick(self) -> None: ...


class OpenedAgain(Opened):
    def on_kick(self) -> None: ...


class ClosedToo(BaseNamespace):
    @allow(everybody)
    @limit("2/s")
    def on_kick(self) -> None: ...


class Both(Closed, ClosedToo):
    pass


class BothAgain(Both):
    def on_kick(self) -> None: ...


class BothOpened(Both):
    @allow(everybody)
    def on_kick(self) -> None: ...


class Diamond(Opened, Closed):
    pass


@pytest.mark.parametrize(
    ("cls", "event", "conditions", "limits"),
    [
        (Again, "kick", [nobody], 1),
        (Again, "user:ban", [nobody], 0),
        (AgainAndAgain, "kick", [nobody], 1),
        (Mixed, "kick", [nobody], 1),
        (MixedBehind, "kick", [nobody], 1),
        (Static, "kick", [nobody], 1),
        (Elsewhere, "kick", [nobody], 1),
        (Elsewhere, "user:ban", [nobody], 0),
        (Elsewhere, "whatever", [nobody], 0),
        (ElsewhereAgain, "kick", [nobody], 1),
        (Opened, "kick", [everybody], 1),
        (OpenedAgain, "kick", [everybody], 1),
        (Both, "kick", [nobody, everybody], 2),
        (BothAgain, "kick", [nobody, everybody], 2),
        (BothOpened, "kick", [everybody], 2),
        (Diamond, "kick", [everybody], 1),
        (Behind, "kick", [], 0),
    ],
)
def test_what_was_closed_is_not_opened_by_an_override(
    cls: type[BaseNamespace], event: str, conditions: list[Any], limits: int
) -> None:
    table = HandlerTable(cls, BaseNamespace)
    method, _ = table.event(event)
    assert method is not None
    handler = table.method(method)
    assert handler is not None
    assert (list(handler.conditions), len(handler.limits)) == (conditions, limits)
    assert handler.simple == (not conditions)


def test_neither_is_what_hears_messages() -> None:
    handler = HandlerTable(Again, BaseNamespace).method("recv_message")
    assert handler is not None
    assert handler.conditions == (nobody,)


class ClosedToMessages(BaseNamespace):
    @allow(nobody)
    def recv_message(self, data: Any) -> None: ...


class ClosedToJson(BaseNamespace):
    @allow(nobody)
    def recv_json(self, data: Any) -> None: ...


@pytest.mark.parametrize("base", [ClosedToMessages, ClosedToJson])
def test_what_gets_the_events_of_closed_messages_is_closed_with_them(base: Any) -> None:
    class ByName(base):  # type: ignore[misc]
        def on_message(self, data: Any) -> None: ...

    class ByMark(base):  # type: ignore[misc]
        @on("message")
        def on_words(self, data: Any) -> None: ...

    class Opened(base):  # type: ignore[misc]
        @allow(everybody)
        def on_message(self, data: Any) -> None: ...

    for cls, conditions in ((ByName, [nobody]), (ByMark, [nobody]), (Opened, [everybody])):
        table = HandlerTable(cls, BaseNamespace)
        method, _ = table.event("message")
        assert method is not None
        handler = table.method(method)
        assert handler is not None
        assert list(handler.conditions) == conditions


@pytest.mark.parametrize("mark", [allow(nobody), limit("1/s"), on("x"), concurrent])
def test_a_class_cannot_be_marked(mark: Any) -> None:
    with pytest.raises(UsageError, match="stand above a method, and Chat is a class"):
        mark(type("Chat", (BaseNamespace,), {}))


def test_a_handler_may_be_called_in_any_script() -> None:
    class Chat(BaseNamespace):
        def on_сообщение(self, text: str) -> None: ...
        def on_ﬁle(self) -> None: ...

    table = handlers_of(Chat, BaseNamespace)
    for event, count in (("сообщение", 1), ("ﬁle", 0), ("file", 0)):
        method, catch_all = table.event(event)
        assert method is not None
        assert (table.method(method) is not None, catch_all) == (True, False)
        assert table.plain_event(event, count) is table.method(method)


def test_marks_leave_the_function_as_it_is() -> None:
    def say(self: Any, text: str) -> str:
        """Docs."""
        return text

    assert on("x:y")(allow(lambda ns: True)(say)) is say
    assert list(inspect.signature(say).parameters) == ["self", "text"]
    assert say(None, "hi") == "hi"


# ---- @allow


def admins(ns: Any) -> bool:
    return bool(ns)


def grown_ups(ns: Any) -> bool:
    return bool(ns)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda fn: allow(admins)(allow(grown_ups)(fn)), id="directly"),
        pytest.param(
            lambda fn: logged(allow(admins)(allow(grown_ups)(fn))), id="below a decorator"
        ),
        pytest.param(
            lambda fn: allow(admins)(allow(grown_ups)(logged(fn))), id="above a decorator"
        ),
        pytest.param(lambda fn: allow(admins)(on("k")(allow(grown_ups)(fn))), id="around a mark"),
        pytest.param(
            lambda fn: staticmethod(allow(admins)(allow(grown_ups)(fn))), id="in a static method"
        ),
        pytest.param(
            lambda fn: allow(admins)(allow(grown_ups)(classmethod(fn))),  # type: ignore[type-var]
            id="around a class method",
        ),
    ],
)
def test_conditions_of_allow_stay_with_the_handler(make: Callable[..., Any]) -> None:
    cls = type("Ns", (BaseNamespace,), {"on_kick": make(lambda self, who: None)})
    handler = handlers_of(cls, BaseNamespace).method("on_kick")
    assert handler is not None
    assert set(handler.conditions) == {admins, grown_ups}


# ---- the table


def test_d45_a_class_is_read_once() -> None:
    class Ns(BaseNamespace):
        def on_x(self) -> None: ...

    table = handlers_of(Ns, BaseNamespace)
    assert handlers_of(Ns, BaseNamespace) is table
    assert table.method("on_x") is table.method("on_x")


def test_a_table_belongs_to_one_class() -> None:
    class Child(Signatures):
        def on_one(self) -> None:  # type: ignore[override]
            ...

    ours, theirs = (
        handlers_of(each, BaseNamespace).method("on_one") for each in (Child, Signatures)
    )
    assert ours is not None
    assert theirs is not None
    assert (ours.most, theirs.most) == (0, 1)


def test_d23_every_initialize_of_the_chain_is_listed_once_bases_first() -> None:
    class Mixin:
        def initialize(self) -> None: ...

    class Base(BaseNamespace):
        def initialize(self) -> None: ...

    class Between(Base):
        pass

    class Ns(Between, Mixin):
        def initialize(self) -> None: ...

    table = HandlerTable(Ns, BaseNamespace)
    assert table.initializers == (Mixin.initialize, Base.initialize, Ns.initialize)
    assert HandlerTable(Between, BaseNamespace).initializers == (Base.initialize,)
    assert HandlerTable(BaseNamespace, BaseNamespace).initializers == ()


def test_the_table_knows_whether_errors_are_handled_by_the_application() -> None:
    class Ns(BaseNamespace):
        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            return fn

    assert HandlerTable(Ns, BaseNamespace).wraps
    assert not HandlerTable(Signatures, BaseNamespace).wraps


def test_a_class_that_a_view_makes_goes_with_its_client() -> None:
    kept = []

    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        class Chat(BaseNamespace):
            @allow(lambda namespace: True)
            def on_x(self) -> None: ...

        kept.append(weakref.ref(Chat))
        socketio_manage(environ, {"": Chat})
        start_response("200 OK", [])
        return []

    middleware = SocketIOMiddleware(view)
    Request.blank("/socket.io/1/").get_response(middleware)
    (socket,) = middleware.registry.sockets.values()
    handlers = handlers_of(socket.namespaces[""], BaseNamespace)
    assert handlers_of(socket.namespaces[""], BaseNamespace) is handlers
    socket.close("")
    del socket, handlers
    gc.collect()
    assert [each() for each in kept] == [None]


def test_a_class_that_is_made_of_another_has_a_table_of_its_own() -> None:
    class One(BaseNamespace):
        def on_x(self) -> None: ...

    handlers_of(One, BaseNamespace)
    names = {name: value for name, value in vars(One).items() if name != "__dict__"}
    two = type("Two", (BaseNamespace,), names)
    assert handlers_of(two, BaseNamespace).is_of(two)
    assert handlers_of(type("Sub", (One,), {}), BaseNamespace) is not handlers_of(
        One, BaseNamespace
    )
