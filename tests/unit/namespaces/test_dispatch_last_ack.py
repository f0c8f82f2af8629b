"""A handler that disconnects its own client and then returns: the client gets the answer, and hears
of the end behind it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, Reason, concurrent
from sockio.exceptions import EventRefused
from sockio.namespaces.dispatch import PATIENCE
from sockio.virtsocket import State

from ...support.carriers import Client
from ..conftest import MakeHouse


class Exit(BaseNamespace):
    def on_quit(self) -> str:
        self.disconnect()
        self.emit("too late")
        return "bye"

    def on_quit_silently(self) -> str:
        self.disconnect(silent=True)
        return "bye"

    def on_quit_all(self) -> str:
        self.socket.disconnect()
        self.emit("too late")
        return "bye"

    def on_quit_both(self) -> str:
        self.disconnect()
        self.socket.disconnect()
        return "bye"

    def on_quit_another(self) -> str:
        self.socket["/other"].disconnect()
        return "bye"

    def on_quit_slowly(self) -> str:
        self.disconnect()
        self.session["door"].wait()
        return "bye"

    def on_quit_slowly_and_fail(self) -> None:
        self.on_quit_slowly()
        raise RuntimeError

    def on_quit_and_fail(self) -> None:
        self.disconnect()
        raise RuntimeError

    def on_quit_all_and_fail(self) -> None:
        self.socket.disconnect()
        raise RuntimeError

    def on_quit_and_refuse(self) -> None:
        self.disconnect()
        raise EventRefused("no_more", "That was it.")

    def on_quit_unwritably(self) -> object:
        self.disconnect()
        return object()

    def on_wait(self) -> str:
        self.session["door"].wait()
        return "waited"

    def on_spawn(self) -> str:
        self.spawn(self.disconnect)
        self.session["door"].wait()
        return "bye"

    def recv_message(self, data: str) -> None: ...

    def recv_disconnect(self, reason: str) -> None:
        self.session.setdefault("told", []).append((self.ns_name, reason))


FAILED = '[{"error":"internal_error","message":"The server failed to handle this."}]'
REFUSED = '[{"error":"no_more","message":"That was it."}]'


def beside(handler: Callable[[Any], object]) -> Callable[[Any], object]:
    @functools.wraps(handler)
    def another(self: Any) -> object:
        return handler(self)

    return concurrent(another)


#: The same handlers, each in a task of its own.
Beside: type[Exit] = type(
    "Beside",
    (Exit,),
    {name: beside(value) for name, value in vars(Exit).items() if name.startswith("on_quit")},
)


@pytest.fixture(params=[Exit, Beside], ids=["one at a time", "beside each other"])
def kind(request: pytest.FixtureRequest) -> type[Exit]:
    kind: type[Exit] = request.param
    return kind


@pytest.fixture
def client(house: MakeHouse) -> Client:
    client = house({"": Exit, "/s": Exit, "/other": Exit}).client("/s", "/other")
    client.socket.session["door"] = client.house.door()
    return client


def ask(name: str, endpoint: str = "/s", number: str = "1+") -> str:
    return f'5:{number}:{endpoint}:{{"name":"{name}"}}'


@pytest.mark.parametrize(
    ("name", "endpoint", "heard"),
    [
        ("quit", "/s", ['6::/s:1+["bye"]', "0::/s"]),
        ("quit", "", ['6:::1+["bye"]', "0::"]),
        ("quit_silently", "/s", ['6::/s:1+["bye"]']),
        ("quit_silently", "", ['6:::1+["bye"]']),
        ("quit_all", "/s", ['6::/s:1+["bye"]', "0::"]),
        ("quit_both", "/s", ['6::/s:1+["bye"]', "0::"]),
        ("quit_another", "/s", ["0::/other", '6::/s:1+["bye"]']),
        ("quit_and_fail", "/s", [f"6::/s:1+{FAILED}", "0::/s"]),
        ("quit_and_fail", "", [f"6:::1+{FAILED}", "0::"]),
        ("quit_all_and_fail", "/s", [f"6::/s:1+{FAILED}", "0::"]),
        ("quit_unwritably", "/s", [f"6::/s:1+{FAILED}", "0::/s"]),
        ("quit_unwritably", "", [f"6:::1+{FAILED}", "0::"]),
        ("quit_and_refuse", "/s", [f"6::/s:1+{REFUSED}", "0::/s"]),
        ("quit_and_refuse", "", [f"6:::1+{REFUSED}", "0::"]),
    ],
)
def test_the_ack_goes_out_before_the_goodbye(
    house: MakeHouse, kind: type[Exit], name: str, endpoint: str, heard: list[str]
) -> None:
    client = house({"": kind, "/s": kind, "/other": kind}).client("/s", "/other")
    assert client.sends(ask(name, endpoint)) == heard
    assert client.socket.connected == (endpoint != "" and "0::" not in heard)


@pytest.mark.parametrize(("endpoint", "heard"), [("/s", "0::/s"), ("", "0::")])
def test_one_that_runs_beside_others_and_goes_on_is_ended(
    house: MakeHouse, endpoint: str, heard: str
) -> None:
    """As every such one by the end of its namespace: the client is told without an answer."""
    client = house({"": Beside, "/s": Beside}).client("/s")
    client.socket.session["door"] = client.house.door()
    assert client.sends(ask("quit_slowly", endpoint)) == [heard]
    if endpoint:
        assert client.sends("1::/s", ask("quit", number="2+")) == [
            "1::/s",
            '6::/s:2+["bye"]',
            "0::/s",
        ]


@pytest.mark.parametrize(("endpoint", "heard"), [("/s", "0::/s"), ("", "0::")])
def test_nobody_waits_for_an_answer_that_was_not_asked_for(
    client: Client, endpoint: str, heard: str
) -> None:
    assert client.sends(ask("quit_slowly", endpoint, number="")) == [heard]


def test_over_polling_too(house: MakeHouse) -> None:
    client = Client(house({"": Exit}))
    client.polls()
    poll = client.polls()
    client.posts(ask("quit", ""))
    assert poll.answer == ['6:::1+["bye"]', "0::"]
    client.house.runtime.settle()
    assert client.state() is State.DISCONNECTED


@pytest.mark.parametrize(
    ("endpoint", "goodbye", "reason"),
    [("/s", "0::/s", Reason.NAMESPACE_SERVER), ("", "0::", Reason.SERVER)],
    ids=["a namespace", "all"],
)
def test_a_handler_that_goes_on_delays_it_for_a_moment_only(
    client: Client, endpoint: str, goodbye: str, reason: str
) -> None:
    assert client.sends(ask("quit_slowly", endpoint)) == []
    client.house.runtime.advance(PATIENCE + 0.1)
    assert client.hears() == [goodbye]
    assert (endpoint, reason) in client.socket.session["told"]


@pytest.mark.parametrize("name", ["quit_slowly", "quit_slowly_and_fail"])
@pytest.mark.parametrize("number", ["1+", ""])
def test_what_comes_of_it_then_is_not_said_behind_the_goodbye(
    client: Client, name: str, number: str
) -> None:
    heard = client.sends(ask(name, number=number))
    client.house.runtime.advance(PATIENCE + 0.1)
    assert heard + client.hears() == ["0::/s"]
    dropped = client.socket.dropped
    client.socket.session["door"].set()
    assert client.hears() == []
    assert client.socket.dropped == dropped + (number != "" or name != "quit_slowly")
    # Nor to whom has come again.
    assert client.sends("1::/s", ask("quit", number="2+")) == ["1::/s", '6::/s:2+["bye"]', "0::/s"]


def test_nor_behind_the_clients_own(client: Client) -> None:
    client.sends(ask("wait"), "0::/s")
    client.house.runtime.advance(PATIENCE + 0.1)
    client.socket.session["door"].set()
    assert client.hears() == []


def test_an_error_handler_of_the_applications_own_has_the_last_word(house: MakeHouse) -> None:
    def tell(socket: Any, name: str, message: str, endpoint: str, msg_id: Any, quiet: bool) -> None:
        socket.send_packet({"type": "event", "name": name, "args": [], "endpoint": endpoint})

    client = house({"": Exit, "/s": Exit}, error_handler=tell).client("/s")
    failed = '5::/s:{"name":"internal_error"}'
    assert client.sends(ask("quit_and_fail")) == [failed, "0::/s"]
    assert client.sends("1::/s", ask("quit_all_and_fail")) == ["1::/s", failed, "0::"]


def test_so_has_a_namespaces_own_error(house: MakeHouse) -> None:
    class Telling(Exit):
        def error(
            self, error_name: str, error_message: str, msg_id: Any = None, quiet: bool = False
        ) -> None:
            self.emit("oh", error_name)

    client = house({"": Telling}).client()
    assert client.sends(ask("quit_and_fail", "")) == [
        '5:::{"name":"oh","args":["internal_error"]}',
        "0::",
    ]


def test_whom_the_client_forestalls_it_does_not_hear(client: Client) -> None:
    client.sends(ask("quit_slowly", ""))
    client.hangs_up()
    client.socket.session["door"].set()
    assert client.hears() == []
    assert client.socket.session["told"].count(("", Reason.SERVER)) == 1


def test_who_disconnects_from_elsewhere_waits_for_no_handler(client: Client) -> None:
    client.sends(ask("wait"))
    client["/s"].disconnect()
    assert client.hears() == ["0::/s"]


def test_nor_does_a_task_of_the_handlers(client: Client) -> None:
    assert client.sends(ask("spawn")) == ["0::/s"]


@pytest.mark.parametrize(("endpoint", "goodbye"), [("/s", "0::/s"), ("", "0::")])
def test_a_receipt_meanwhile_is_not_taken_for_it(
    client: Client, endpoint: str, goodbye: str
) -> None:
    client.sends(ask("quit_slowly", endpoint))
    receipts = client.sends("3:9:/other:x")
    assert receipts == (["6::/other:9"] if endpoint else [])
    client.socket.session["door"].set()
    assert client.hears() == [f'6::{endpoint}:1+["bye"]', goodbye]
