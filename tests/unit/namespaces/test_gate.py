"""What the answers of gates mean."""

from __future__ import annotations

from typing import Any

import pytest

from sockio import BaseNamespace, Handlers, UsageError, allow, limit
from sockio.namespaces.gate import refuses
from sockio.namespaces.hooks import CALLED, GATED
from sockio.namespaces.namespace import check_hooks

from ..conftest import MakeHouse


@pytest.mark.parametrize("answer", [False, 0, 0.0, "", [], {}, ()])
def test_what_is_false_refuses(answer: Any) -> None:
    assert refuses(answer)


@pytest.mark.parametrize("answer", [None, True, 1, "no", [0], object()])
def test_nothing_and_what_is_true_let_in(answer: Any) -> None:
    assert not refuses(answer)


class Shut(BaseNamespace):
    @allow(lambda namespace: namespace.session.get("guest"))
    def recv_connect(self) -> Any:
        self.session["in"] = True


class ShutStill(Shut):
    def recv_connect(self) -> Any:
        self.session["in"] = True


functions = Handlers()


@functions.connect
@allow(lambda namespace: namespace.session.get("guest"))
def comes(client: Any) -> None:
    client.session["in"] = True


@pytest.mark.parametrize("cls", [Shut, ShutStill, functions.namespace])
def test_a_condition_of_allow_is_asked_before_the_gate(house: MakeHouse, cls: Any) -> None:
    client = house({"/n": cls}).client()
    assert client.sends("1::/n") == ["7::/n:2"]
    assert client.socket.session == {}
    client.socket.session["guest"] = True
    assert client.sends("1::/n") == ["1::/n"]
    assert client.socket.session["in"]


@pytest.mark.parametrize(
    "condition", [lambda namespace: namespace.session["guest"], lambda namespace: ...]
)
def test_a_condition_that_fails_or_gives_no_answer_lets_nobody_in(
    house: MakeHouse, condition: Any
) -> None:
    class Closed(BaseNamespace):
        @allow(condition)
        def recv_connect(self) -> Any: ...

    assert house({"/n": Closed}).client().sends("1::/n") == ["7::/n:2"]


@pytest.mark.parametrize("mark", [allow(lambda namespace: False), limit("1/s")])
@pytest.mark.parametrize("name", sorted({*CALLED} - {*GATED}))
def test_what_nobody_asks_cannot_be_marked(name: str, mark: Any) -> None:
    def method(self: Any, *args: Any) -> None: ...

    cls = type("Chat", (BaseNamespace,), {name: mark(method)})
    with pytest.raises(UsageError, match=f"Chat.{name}: .*@limit"):
        check_hooks(cls)
