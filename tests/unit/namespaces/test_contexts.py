"""A setting ``context`` that swallows what was raised inside: it is told all the same."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from sockio import BaseNamespace, EventRefused, Handlers

from ...support.carriers import Client
from ..conftest import MakeHouse

FAILED = '[{"error":"internal_error","message":"The server failed to handle this."}]'


class Failing(BaseNamespace):
    def recv_connect(self) -> None:
        if self.ns_name == "/gate":
            raise LookupError("of the gate")

    def recv_disconnect(self) -> None:
        raise LookupError("of the end")

    def on_fail(self) -> None:
        raise LookupError("of the event")

    def on_refuse(self) -> None:
        raise EventRefused("too_late", "The game is over.")

    def on_ask(self) -> None:
        self.emit("question", callback=self.answered)

    def on_spawn(self) -> None:
        self.spawn(self.answered)

    def answered(self) -> None:
        raise LookupError("of the task")


@pytest.fixture
def client(house: MakeHouse) -> Client:
    def swallow(namespace: Any) -> Any:
        return contextlib.suppress(Exception)

    home = house(
        {"": Handlers().namespace, "/n": Failing, "/gate": Failing},
        context=swallow,
        job_context=swallow,
    )
    return home.client("/n")


@pytest.mark.parametrize(
    ("packet", "answer", "line"),
    [
        ('5:1+:/n:{"name":"fail"}', [f"6::/n:1+{FAILED}"], "of the event"),
        (
            '5:1+:/n:{"name":"refuse"}',
            ['6::/n:1+[{"error":"too_late","message":"The game is over."}]'],
            "too_late: The game is over.",
        ),
        ("1::/gate", ["7::/gate:2"], "of the gate"),
        ('5::/n:{"name":"spawn"}', [], "of the task"),
        ("0::/n", [], "of the end"),
    ],
)
def test_what_a_context_swallows_is_told(
    client: Client, caplog: pytest.LogCaptureFixture, packet: str, answer: list[str], line: str
) -> None:
    assert client.sends(packet) == answer
    assert line in caplog.text
    assert "UnboundLocalError" not in caplog.text


def test_that_of_a_callback_too(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.sends('5::/n:{"name":"ask"}') == ['5:1+:/n:{"name":"question"}']
    client.sends("6::/n:1")
    assert "of the task" in caplog.text
