"""What stands between a client and a handler stands there at every event, wherever it is written:
in the class, on the object, behind another decorator, or on the class when clients are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from sockio import BaseNamespace, allow, limit, on
from sockio.exceptions import UsageError
from sockio.namespaces.handlers import handlers_of
from sockio.namespaces.marks import CONDITIONS, marks_on
from sockio.namespaces.namespace import check_hooks

from ..conftest import MakeHouse


class Base(BaseNamespace):
    def on_x(self) -> None:
        self.session["called"] = self.session.get("called", 0) + 1

    def no(self, *args: Any) -> Any:
        return None


def calls(house: MakeHouse, cls: type[BaseNamespace]) -> int:
    """How often the handler of ``x`` is called of three events."""
    client = house({"/n": cls}).client("/n")
    for _ in range(3):
        client.sends('5::/n:{"name":"x"}')
    return int(client.socket.session.get("called", 0))


STEPS = ["is_method_allowed", "call_method_with_acl", "call_method", "around_event"]


def test_without_any_it_is_called(house: MakeHouse) -> None:
    assert calls(house, Base) == 3


@pytest.mark.parametrize("hook", ["initialize", "recv_connect"])
@pytest.mark.parametrize("step", STEPS)
def test_one_of_an_object(house: MakeHouse, step: str, hook: str) -> None:
    cls = type("Own", (Base,), {hook: lambda self: setattr(self, step, self.no)})
    assert calls(house, cls) == 0


@pytest.mark.parametrize("step", STEPS)
def test_one_that_an_object_gets_in_a_handler(house: MakeHouse, step: str) -> None:
    cls = type("Own", (Base,), {"on_shut": lambda self: setattr(self, step, self.no)})
    client = house({"/n": cls}).client("/n")
    for name in ("x", "x", "shut", "x", "x"):
        client.sends(f'5::/n:{{"name":"{name}"}}')
    assert client.socket.session["called"] == 2


#: Steps of an object that go on, by name.
GOES_ON: dict[str, Callable[[BaseNamespace], Callable[..., Any]]] = {
    "is_method_allowed": lambda self: lambda name: True,
    "call_method_with_acl": lambda self: lambda *args: self.call_method(*args),
    "call_method": lambda self: lambda *args: BaseNamespace.call_method(self, *args),
    "around_event": lambda self: lambda name, args, call: call(*args),
    "error": lambda self: lambda *args, **more: None,
    "exception_handler_decorator": lambda self: lambda fn: fn,
}


@pytest.mark.parametrize("hook", ["initialize", "recv_connect", "on_x"])
@pytest.mark.parametrize("step", GOES_ON)
def test_one_of_an_object_that_goes_on(
    house: MakeHouse, caplog: pytest.LogCaptureFixture, step: str, hook: str
) -> None:
    def replaced(self: Any) -> None:
        if hook == "on_x":
            Base.on_x(self)
        setattr(self, step, GOES_ON[step](self))

    assert calls(house, type("Own", (Base,), {hook: replaced})) == 3
    assert caplog.text.count("Error") == 0


@pytest.mark.parametrize("hook", ["initialize", "recv_connect"])
def test_an_object_that_becomes_one_of_another_class(house: MakeHouse, hook: str) -> None:
    restricted = type("Restricted", (Base,), {"is_method_allowed": Base.no})
    cls = type("Some", (Base,), {hook: lambda self: setattr(self, "__class__", restricted)})
    home = house({"/n": cls})
    for _ in range(2):
        client = home.client("/n")
        client.sends(*['5::/n:{"name":"x"}'] * 3)
        assert "called" not in client.socket.session


def test_an_object_s_own_is_not_its_sisters(house: MakeHouse) -> None:
    class Some(Base):
        def recv_connect(self) -> None:
            if "own" in self.qs:
                self.call_method = self.no  # type: ignore[method-assign, assignment]

    home = house({"/n": Some})
    for _ in range(2):
        for query, called in (("?own=1", 0), ("", 2)):
            client = home.client()
            client.sends(f"1::/n{query}", *['5::/n:{"name":"x"}'] * 2)
            assert client.socket.session.get("called", 0) == called


@pytest.mark.parametrize("step", STEPS)
def test_one_that_the_class_gets_before_anybody_comes(house: MakeHouse, step: str) -> None:
    cls = type("Late", (Base,), {})
    check_hooks(cls)
    setattr(cls, step, Base.no)
    assert calls(house, cls) == 0


@pytest.mark.parametrize("step", STEPS)
def test_a_client_goes_by_one_that_comes_with_another_client(house: MakeHouse, step: str) -> None:
    cls = type("Late", (Base,), {})
    home = house({"/n": cls})
    client = home.client("/n")
    client.sends(*['5::/n:{"name":"x"}'] * 2)
    setattr(cls, step, Base.no)
    home.client("/n")
    client.sends(*['5::/n:{"name":"x"}'] * 2)
    assert client.socket.session["called"] == 2


@pytest.mark.parametrize("step", STEPS)
def test_one_that_the_class_of_all_classes_gets(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    cls = type("Late", (Base,), {})
    check_hooks(cls)
    monkeypatch.setattr(BaseNamespace, step, Base.no)
    assert calls(house, cls) == 0


#: Handlers of ``x`` that let nobody through any more, given the one that was there.
SHUTS: dict[str, Callable[[Any], Any]] = {
    "@allow": lambda was: allow(lambda namespace: False)(was),
    "@allow, on a copy": lambda was: allow(lambda namespace: False)(lambda self: was(self)),
    "@limit": lambda was: limit("1/h")(was),
    "other parameters": lambda was: lambda self, one, more: was(self),
    "none": lambda was: None,
    "static": lambda was: staticmethod(allow(lambda namespace: False)(lambda: was(None))),
}


@pytest.mark.parametrize("own", [False, True], ids=["", "with a step of its own"])
@pytest.mark.parametrize("shut", SHUTS.values(), ids=SHUTS)
def test_a_handler_that_is_replaced_while_clients_are_there(
    house: MakeHouse, shut: Callable[[Any], Any], own: bool
) -> None:
    def on_x(self: Any) -> None:
        Base.on_x(self)

    def initialize(self: Any) -> None:
        if own:
            self.error = lambda *args, **more: None

    cls = type("Late", (Base,), {"on_x": on_x, "initialize": initialize})
    client = house({"/n": cls}).client("/n")
    client.sends(*['5::/n:{"name":"x"}'] * 2)
    cls.on_x = shut(on_x)  # type: ignore[attr-defined]
    client.sends(*['5::/n:{"name":"x"}'] * 3)
    # The limit lets one pass, as it is new.
    assert client.socket.session["called"] == 2 + (shut is SHUTS["@limit"])


def test_a_handler_that_a_base_gets_while_clients_are_there(house: MakeHouse) -> None:
    class Middle(Base): ...

    client = house({"/n": type("Late", (Middle,), {})}).client("/n")
    client.sends(*['5::/n:{"name":"x"}'] * 2)
    setattr(Middle, "on_x", allow(lambda namespace: False)(lambda self: None))  # noqa: B010
    client.sends('5::/n:{"name":"x"}')
    assert client.socket.session["called"] == 2
    delattr(Middle, "on_x")
    client.sends('5::/n:{"name":"x"}')
    assert client.socket.session["called"] == 3


def test_a_handler_of_the_class_is_the_same_at_each_look(house: MakeHouse) -> None:
    cls = type("Late", (Base,), {"on_x": classmethod(lambda cls: True)})
    client = house({"/n": cls}).client("/n")
    client.sends('5::/n:{"name":"x"}')
    handler = handlers_of(cls, BaseNamespace).method("on_x")
    client.sends('5::/n:{"name":"x"}')
    assert handlers_of(cls, BaseNamespace).method("on_x") is handler


def test_a_gate_that_is_replaced_counts_for_the_next_connect(house: MakeHouse) -> None:
    cls = type("Late", (Base,), {"recv_connect": lambda self: True})
    home = house({"/n": cls})
    home.client("/n")
    cls.recv_connect = lambda self, auth: False  # type: ignore[attr-defined]
    for _ in range(2):
        client = home.client()
        client.sends("1::/n")
        assert "/n" not in client.socket.active_ns


@pytest.mark.parametrize("allowed", [frozenset(), [], ["on_x"], {"on_x"}])
def test_an_acl_in_the_class_is_refused(allowed: Any) -> None:
    with pytest.raises(UsageError, match=r"Shut\.allowed_methods .* get_initial_acl"):
        check_hooks(type("Shut", (Base,), {"allowed_methods": allowed}))


def test_an_acl_that_is_a_property_counts(house: MakeHouse) -> None:
    shut = property(lambda self: set(), lambda self, value: None)
    assert calls(house, type("Shut", (Base,), {"allowed_methods": shut})) == 0


# ---- decorators


def bare(fn: Callable[..., Any]) -> Callable[..., Any]:
    """It does not say what it is around."""
    return lambda *args: fn(*args)


def test_a_decorator_above_opens_nothing(house: MakeHouse) -> None:
    class Shut(Base):
        @bare
        @allow(lambda ns: False)
        def on_x(self) -> None:
            super().on_x()

        @bare
        @limit("1/h")
        def on_y(self) -> None: ...

        @bare
        @on("a:b")
        def said(self) -> None: ...

    assert calls(house, Shut) == 0
    table = handlers_of(Shut, BaseNamespace)
    limited = table.method("on_y")
    assert limited is not None
    assert len(limited.limits) == 1
    assert table.event("a:b") == ("said", False)


class Held:
    """A decorator that is an object."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def __get__(self, owner: Any, cls: type) -> Callable[..., Any]:
        return lambda *args: self.fn(owner, *args)

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)


class Hiding(Held):
    """One of which nothing can be seen."""

    __slots__ = ("hidden",)

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.hidden = fn

    def __get__(self, owner: Any, cls: type) -> Callable[..., Any]:
        return lambda *args: self.hidden(owner, *args)


def staff(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorators of ours in one of the application's."""
    return limit("9/s")(allow(lambda ns: False)(fn))


def called(self: Base) -> None:
    Base.on_x(self)


class Composed(Base):
    @bare
    @staff
    def on_x(self) -> None:
        super().on_x()


class ALambda(Base):
    on_x: Any = bare(staff(lambda self: Base.on_x(self)))


class AnObject(Base):
    on_x: Any = Held(staff(lambda self: Base.on_x(self)))


class Elsewhere(Base):
    on_x: Any = bare(allow(lambda ns: False)(called))


class OfABase(Base):
    on_x: Any = bare(staff(Base.on_x))


class Alias(Base):
    @staff
    def on_y(self) -> None:
        super().on_x()

    on_x: Any = bare(on_y)


class AliasOfABase(Alias):
    on_x: Any = bare(bare(Alias.on_y))


@allow(lambda ns: False)
def outside(ns: BaseNamespace) -> None:
    Base.on_x(ns)  # type: ignore[arg-type]


class FromOutside(Base):
    on_x: Any = bare(outside)


class Named(Base):
    @Hiding
    @staff
    def on_x(self) -> None:
        super().on_x()


SHUT = [Composed, ALambda, AnObject, Elsewhere, OfABase, Alias, AliasOfABase, FromOutside, Named]


@pytest.mark.parametrize("cls", SHUT, ids=lambda cls: cls.__name__)
def test_whatever_is_around_it_a_condition_holds(
    house: MakeHouse, cls: type[BaseNamespace]
) -> None:
    assert calls(house, cls) == 0
    # Nothing of it is left where the functions come from.
    handler = handlers_of(Base, BaseNamespace).method("on_x")
    assert handler is not None
    assert handler.simple


def test_a_mark_that_would_be_lost_is_an_error() -> None:
    class Lost(Base):
        on_x: Any = Hiding(allow(lambda ns: False)(lambda self: None))

    with pytest.raises(UsageError, match=r"^Lost: .*Lost\.<lambda> \(line \d+\)"):
        check_hooks(type("Sub", (Lost,), {}))


def test_what_has_been_written_anew_has_its_own_marks(house: MakeHouse) -> None:
    class Anew(Base):
        @on("a:b")
        @staff
        def on_x(self) -> None: ...

        def on_x(self) -> None:  # type: ignore[no-redef]  # noqa: F811
            super().on_x()

    assert calls(house, Anew) == 3
    assert handlers_of(Anew, BaseNamespace).event("a:b") == (None, False)


def test_an_event_is_opened_for_nobody_else(house: MakeHouse) -> None:
    class Sub(Public): ...

    setattr(Sub, "clear", on("a:b")(Sub.purge))  # noqa: B010
    assert handlers_of(Sub, BaseNamespace).event("a:b") == ("clear", False)
    assert handlers_of(Public, BaseNamespace).event("a:b") == (None, False)


class Shut(Base):
    @allow(lambda ns: False)
    def on_x(self) -> None: ...


class StillShut(Shut):
    def on_x(self) -> None:
        Base.on_x(self)


class Opened(Shut):
    @allow(lambda ns: True)
    def on_x(self) -> None:
        Base.on_x(self)


@pytest.mark.parametrize(("cls", "times"), [(Shut, 0), (StillShut, 0), (Opened, 3)])
def test_whoever_overrides_a_method_may_say_who_may_call_it(
    house: MakeHouse, cls: type[BaseNamespace], times: int
) -> None:
    assert calls(house, cls) == times


class Public(Base):
    def purge(self) -> str:
        """All of it."""
        return "purged"


class Admin(Public):
    purge = on("purge")(Public.purge)
    on_x = allow(lambda ns: False)(Base.on_x)


@pytest.mark.parametrize(("cls", "called"), [(Public, 3), (Admin, 0)])
def test_a_method_of_a_base_that_is_marked_again_leaves_the_base_as_it_is(
    house: MakeHouse, cls: type[BaseNamespace], called: int
) -> None:
    assert handlers_of(Public, BaseNamespace).event("purge") == ("on_purge", False)
    assert handlers_of(Admin, BaseNamespace).event("purge") == ("purge", False)
    assert Admin.purge.__doc__ == "All of it."
    assert calls(house, cls) == called


class ForItself(Base):
    """Its handlers are marked on each object, which nobody would look at."""

    def initialize(self) -> None:
        self.__dict__["on_x"] = allow(lambda ns: ns is self)(self.on_x)


class GateForItself(Base):
    def initialize(self) -> None:
        self.__dict__["recv_connect"] = allow(lambda ns: False)(lambda: True)


@pytest.mark.parametrize(("cls", "name"), [(ForItself, "on_x"), (GateForItself, "recv_connect")])
def test_a_mark_on_an_objects_own_method_is_an_error_and_opens_nothing(
    house: MakeHouse, cls: type[BaseNamespace], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": cls}).client()
    client.sends("1::/n")
    assert f"its own {name} has @allow or @limit" in caplog.text
    assert not client.socket.active_ns
    # The class's function is as it was.
    assert not marks_on(Base.on_x, CONDITIONS)


class MarksLater(BaseNamespace):
    heard: ClassVar[list[str]] = []

    def on_mark(self) -> None:
        self.__dict__["on_x"] = allow(lambda ns: False)(self.on_x)

    def on_x(self) -> None:
        self.heard.append("x")


def test_a_mark_on_an_objects_own_method_is_an_error_at_each_event(house: MakeHouse) -> None:
    client = house({"/n": MarksLater}).client("/n")
    for name in ("mark", "x", "x", "x"):
        client.sends(f'5::/n:{{"name":"{name}"}}')
    assert not MarksLater.heard
    assert client.socket.connected


def test_a_handler_that_mentions_a_closed_one_is_not_closed() -> None:
    def site() -> type[BaseNamespace]:
        @allow(lambda ns: False)
        def kick(ns: Any) -> None: ...

        def leave(ns: Any) -> Any:
            return kick(ns)

        class Service:
            closed = kick

        service = Service()
        service.__dict__["inner"] = kick

        def serve(ns: Any) -> Any:
            return service

        def wrapped(fn: Any) -> Any:
            def inner(*args: Any) -> Any:
                return fn(*args)

            return inner

        names = {"on_leave": leave, "on_serve": serve, "on_kick": kick, "on_around": wrapped(kick)}
        return type("Made", (BaseNamespace,), names)

    table = handlers_of(site(), BaseNamespace)
    closed = {
        name: bool(handler.conditions)
        for name in ("on_leave", "on_serve", "on_kick", "on_around")
        if (handler := table.method(name)) is not None
    }
    assert closed == {"on_leave": False, "on_serve": False, "on_kick": True, "on_around": True}


class Said(BaseNamespace):
    @on("message")
    def heard(self, text: str) -> str:
        return text

    def recv_message(self, text: str) -> None:
        raise AssertionError("somebody else hears it")


def test_on_may_take_messages(house: MakeHouse) -> None:
    client = house({"/n": Said}).client("/n")
    said = client.sends('5:1+:/n:{"name":"message","args":["hi"]}')
    assert said == ['6::/n:1+["hi"]']
