"""Messages that a class has no method for are as any other event that nobody handles: the client is
told, and the log. ``send("hi")`` is the first thing that a page tries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, Handlers, on
from sockio.protocol.generations import EIO3, EIO4, EIO4_BARE, Generation

from ...support.carriers import Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted

NOBODY = '[{"error":"no_such_method","message":"Nothing handles this."}]'


class Plain(BaseNamespace):
    def on_user_message(self, text: str) -> None: ...


class Texts(BaseNamespace):
    def recv_message(self, data: Any) -> Any:
        # What a class hands up to ours is handled.
        return super().recv_message(data)


class Mixin:
    def recv_json(self, data: Any) -> Any:
        return data


class Mixed(Mixin, BaseNamespace): ...


class CatchAll(BaseNamespace):
    @on("*")
    def anything(self, name: str, *args: Any) -> str:
        return name


class OfItsOwn(BaseNamespace):
    def initialize(self) -> None:
        self.recv_message: Any = lambda data: data


class Around(BaseNamespace):
    def around_event(self, name: str, args: list[Any], go_on: Callable[..., Any]) -> Any:
        return go_on(*args)


FUNCTIONS = Handlers("Functions")

#: Who handles no text, and who no other JSON; with what the log says to do.
NO_TEXT: list[type[BaseNamespace]] = [Plain, Mixed, Around, FUNCTIONS.namespace]
NO_JSON: list[type[BaseNamespace]] = [Plain, Texts, Around, OfItsOwn, FUNCTIONS.namespace]
UNHEARD = [
    *(pytest.param(cls, '"hi"', "recv_message", id=f"{cls.__name__}: text") for cls in NO_TEXT),
    *(pytest.param(cls, '{"a":1}', "recv_json", id=f"{cls.__name__}: JSON") for cls in NO_JSON),
]


@pytest.mark.parametrize(("cls", "data", "method"), UNHEARD)
@pytest.mark.parametrize("name", ["", "message"])
def test_a_message_that_nobody_handles_to_0_9(
    house: MakeHouse, caplog: Any, cls: Any, data: str, method: str, name: str
) -> None:
    client = house({"": BaseNamespace, "/n": cls}).client("/n")
    packet = f'5:1+:/n:{{"name":"message","args":[{data}]}}'
    if not name:
        packet = f"3:1+:/n:{data}" if method == "recv_message" else f"4:1+:/n:{data}"
    assert client.sends(packet) == [f"6::/n:1+{NOBODY}"]
    assert f"no_such_method: Nothing handles this. (define {cls.__name__}.{method})" in caplog.text


@pytest.mark.parametrize(("cls", "data", "method"), UNHEARD)
@pytest.mark.parametrize("generation", [EIO3, EIO4])
def test_and_to_later_clients(
    house: MakeHouse, caplog: Any, cls: Any, data: str, method: str, generation: Generation
) -> None:
    home = house({"": BaseNamespace, "/n": cls})
    socket = admitted(home, generation)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40/n,")
    home.runtime.settle()
    before = len(stream.packets)
    socket.receive(f'42/n,1["message",{data}]')
    socket.receive(f'42/n,["message",{data}]')
    home.runtime.settle()
    assert stream.packets[before:] == [
        f"43/n,1{NOBODY}",
        '42/n,["error","no_such_method","Nothing handles this."]',
    ]
    assert f"no_such_method: Nothing handles this. (define {cls.__name__}.{method})" in caplog.text


@pytest.mark.parametrize(
    ("cls", "packet", "answer"),
    [
        (Texts, "3:1+:/n:hi", ""),
        (Texts, '5:1+:/n:{"name":"message","args":["hi"]}', ""),
        (Mixed, "4:1+:/n:[1]", "[[1]]"),
        (OfItsOwn, "3:1+:/n:hi", '["hi"]'),
        (CatchAll, '5:1+:/n:{"name":"message","args":["hi"]}', '["message"]'),
    ],
)
def test_what_a_class_does_handle(
    house: MakeHouse, caplog: Any, cls: type[BaseNamespace], packet: str, answer: str
) -> None:
    client = house({"": BaseNamespace, "/n": cls}).client("/n")
    assert client.sends(packet) == [
        f"6::/n:1+{answer}".removesuffix("+") if not answer else f"6::/n:1+{answer}"
    ]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_an_engine_alone_has_no_form_for_an_error_and_the_log_says_it(
    house: MakeHouse, caplog: Any
) -> None:
    home = house({"": Plain}, bare=True)
    socket = admitted(home, EIO4_BARE)
    stream = Stream(socket)
    socket.attach(stream)
    home.runtime.settle()
    before = len(stream.packets)
    socket.receive("4hi")
    home.runtime.settle()
    assert stream.packets[before:] == []
    assert "define Plain.recv_message" in caplog.text
    assert "Traceback" not in caplog.text
