"""An ``error()`` of the application's own: it sees what it reports, and what sockio refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sockio import BaseNamespace

from ...support.carriers import Client
from ..conftest import MakeHouse


class Own(BaseNamespace):
    """Writes down each error, and tells the client what ``tell`` says."""

    tell = True

    def initialize(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def get_initial_acl(self) -> list[str]:
        return ["on_ask", "on_fail", "on_own", "on_two", "recv_message"]

    def on_ask(self) -> str:
        return "answer"

    def on_two(self, one: int, two: int) -> None: ...
    def on_secret(self) -> None: ...
    def on_fail(self) -> None:
        raise RuntimeError

    def on_own(self) -> None:
        self.error("mine", "It is busy.")

    def error(
        self, error_name: str, error_message: str, msg_id: int | None = None, quiet: bool = False
    ) -> None:
        self.seen.append((error_name, msg_id, quiet))
        if self.tell:
            super().error(error_name, error_message, msg_id, quiet)


@pytest.fixture
def client(house: MakeHouse) -> Client:
    return house({"/n": Own}).client("/n")


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        pytest.param('{"name":"secret"}', "method_access_denied", id="not in the ACL"),
        pytest.param('{"name":"two","args":[1]}', "invalid_arguments", id="arguments"),
        pytest.param('{"name":"odd:name"}', "unallowed_event_name", id="a name"),
        pytest.param('{"name":"fail"}', "internal_error", id="a failure"),
        pytest.param('{"name":', "invalid_packet", id="no packet"),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("tell", [True, False])
def test_it_sees_refusals_and_decides_what_the_client_hears(
    client: Client,
    packet: str,
    code: str,
    asked: bool,
    tell: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client["/n"].tell = tell
    heard = client.sends(f"5:{'7+' if asked else ''}:/n:{packet}")
    assert client["/n"].seen == [(code, 7 if asked else None, False)]
    if not tell:
        assert heard == []
    elif asked:
        assert heard[0].startswith(f'6::/n:7+[{{"error":"{code}"')
    else:
        assert heard == ["7::/n"]
    # One line, as without it; what it reports itself has its own.
    assert len(caplog.records) == 1
    assert client.sends('5:8+:/n:{"name":"ask"}') == ['6::/n:8+["answer"]']


def test_a_handler_that_is_missing(house: MakeHouse) -> None:
    client = house({"/n": type("All", (Own,), {"get_initial_acl": lambda self: None})}).client("/n")
    client.sends('5:7+:/n:{"name":"nobody"}')
    assert client["/n"].seen == [("no_such_method", 7, False)]


def test_its_own_errors_are_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.sends('5:7+:/n:{"name":"own"}') == [
        '5::/n:{"name":"error","args":["mine","It is busy."]}',
        "6::/n:7",
    ]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_one_that_fails_is_logged_and_ends_nothing(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client["/n"].seen = None
    assert client.sends('5:7+:/n:{"name":"secret"}', '5:8+:/n:{"name":"ask"}') == [
        '6::/n:8+["answer"]'
    ]
    assert "the error handler failed" in caplog.text


def test_it_runs_in_the_context_of_the_namespace(house: MakeHouse) -> None:
    entered: list[str] = []

    @contextmanager
    def context(namespace: BaseNamespace) -> Iterator[None]:
        entered.append("in")
        yield
        entered.append("out")

    class Inside(Own):
        def error(self, *args: Any, **kwargs: Any) -> None:
            entered.append("error")

    client = house({"/n": Inside}, context=context).client("/n")
    entered.clear()
    client.sends("5:7+:/n:no packet")
    assert entered == ["in", "error", "out"]


def test_who_is_not_in_has_none(client: Client) -> None:
    client.sends("0::/n", "5:7+:/n:no packet", '5:8+:/n:{"name":"ask"}')
    assert "/n" not in client.socket
