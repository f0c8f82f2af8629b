"""What a gate says before it throws a client out, and answers larger than the outbox: they arrive,
over every transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, BroadcastMixin

from ..support.servers import Served, not_ours
from ..support.transports import CLIENTS, Client

Connect = Callable[[Served], Client]


class Full(BaseNamespace, BroadcastMixin):
    """Lets the client in, says why it may not stay, and ends its session."""

    def recv_connect(self) -> None:
        self.emit("sorry", 1)
        self.broadcast_event("sorry", 2)
        self.socket.disconnect()


class FullHere(BaseNamespace):
    """The same of one namespace; of the global one it is the session."""

    def recv_connect(self) -> None:
        self.emit("sorry", 1)
        self.emit("sorry", 2)
        self.disconnect()


class Talks(BaseNamespace):
    """Says too much before it says no."""

    def recv_connect(self) -> bool:
        self.emit("sorry", 1)
        return False


class Large(BaseNamespace):
    def on_large(self, size: int) -> str:
        self.emit("soon")
        return "x" * size

    def on_large_between_small(self, size: int) -> None:
        self.emit("soon")
        self.emit("large", "x" * size)
        self.emit("more")

    def on_large_and_more(self, size: int) -> None:
        self.emit("large", "x" * size)
        for number in range(3):
            self.emit("more", number)


@pytest.fixture
def start(serve: Callable[..., Served]) -> Callable[..., Served]:
    def start(namespaces: dict[str, type[BaseNamespace]], **settings: Any) -> Served:
        return serve(not_ours, namespaces, transports=[*CLIENTS], **settings)

    return start


def sorry(endpoint: str = "") -> list[str]:
    return [f'5::{endpoint}:{{"name":"sorry","args":[{number}]}}' for number in (1, 2)]


@pytest.mark.parametrize("cls", [Full, FullHere])
def test_the_gate_of_the_global_namespace_says_something_and_ends_it(
    start: Callable[..., Served], connect: Connect, cls: type[BaseNamespace]
) -> None:
    client = connect(start({"": cls})).listen()
    assert [client.hear() for _ in range(4)] == ["1::", *sorry(), "0::"]
    assert client.ended()


@pytest.mark.parametrize(("cls", "goodbye"), [(Full, "0::"), (FullHere, "0::/chat")])
def test_the_gate_of_another_one_does(
    start: Callable[..., Served], connect: Connect, cls: type[BaseNamespace], goodbye: str
) -> None:
    client = connect(start({"/chat": cls})).open()
    client.send("1::/chat")
    heard = [client.hear() for _ in range(4)]
    assert heard == ["1::/chat", *sorry("/chat"), goodbye]
    if goodbye == "0::":
        assert client.ended()


def test_a_refused_client_hears_of_the_refusal_only(
    start: Callable[..., Served], connect: Connect
) -> None:
    client = connect(start({"": Talks})).listen()
    assert [client.hear(), client.hear()] == ["7:::2", "0::"]
    assert client.ended()


def test_answers_larger_than_the_outbox(start: Callable[..., Served], connect: Connect) -> None:
    server = start({"": Large}, max_outbox=(100, 10_000))
    client = connect(server).open()
    for number in range(3):
        client.send(f'5:{number}+::{{"name":"large and more","args":[1000000]}}')
        assert len(client.hear()) > 1_000_000
        more = [f'5:::{{"name":"more","args":[{each}]}}' for each in range(3)]
        assert [client.hear() for _ in range(4)] == [*more, f"6:::{number}"]
    assert client.socket.dropped == 0


def test_one_behind_something_small(start: Callable[..., Served], connect: Connect) -> None:
    server = start({"": Large}, max_outbox=(100, 2_000_000))
    client = connect(server).open()
    for number in range(3):
        client.send(f'5:{number}+::{{"name":"large","args":[1500000]}}')
        assert client.hear() == '5:::{"name":"soon"}'
        assert len(client.hear()) > 1_500_000


@pytest.mark.parametrize("size", [9_900, 9_999, 10_000, 10_001, 30_000])
def test_one_of_about_the_size_of_the_outbox_between_small_ones(
    start: Callable[..., Served], connect: Connect, size: int
) -> None:
    server = start({"": Large}, max_outbox=(100, 10_000))
    client = connect(server).open()
    for number in range(3):
        client.keep_listening()
        args = size - len(f'6:::{number}+[""]')
        client.send(f'5:{number}+::{{"name":"large between small","args":[{args}]}}')
        assert client.hear() == '5:::{"name":"soon"}'
        assert len(client.hear()) > size
        assert client.hear() == '5:::{"name":"more"}'
        assert client.hear() == f"6:::{number}"
    assert client.socket.dropped == 0


class Welcoming(BaseNamespace):
    """Has much to say at the gate."""

    def recv_connect(self) -> None:
        self.emit("soon")
        self.emit("large", "x" * 30_000)
        self.emit("more")


@pytest.mark.parametrize("endpoint", ["", "/chat"])
def test_the_gate_says_something_larger_than_the_outbox_between_small_ones(
    start: Callable[..., Served], connect: Connect, endpoint: str
) -> None:
    client = connect(start({endpoint: Welcoming}, max_outbox=(100, 10_000))).listen()
    assert client.hear() == "1::"
    if endpoint:
        client.send("1::/chat")
        assert client.hear() == "1::/chat"
    assert client.hear() == f'5::{endpoint}:{{"name":"soon"}}'
    assert len(client.hear()) > 30_000
    assert client.hear() == f'5::{endpoint}:{{"name":"more"}}'


class GoesOn(BaseNamespace, BroadcastMixin):
    """Says more when it has thrown the client out, by every way there is."""

    def recv_connect(self) -> None:
        self.emit("sorry", 1)
        self.emit("sorry", 2)
        self.disconnect()
        assert self.emit("late") is False
        self.broadcast_event("late")
        self.socket.send_packet({"type": "message", "data": "late", "endpoint": self.ns_name})

    def recv_disconnect(self) -> None:
        self.broadcast_event("late")


@pytest.mark.parametrize("endpoint", ["", "/chat"])
def test_nothing_comes_behind_the_goodbye_of_a_gate(
    start: Callable[..., Served], connect: Connect, endpoint: str
) -> None:
    client = connect(start({endpoint: GoesOn, "/other": BaseNamespace})).listen()
    heard = [client.hear()]
    if endpoint:
        client.send(f"1::{endpoint}")
        heard += [client.hear() for _ in range(4)]
        client.keep_listening()
        client.send("1::/other")
        assert client.hear() == "1::/other"
        assert heard == ["1::", "1::/chat", *sorry("/chat"), "0::/chat"]
    else:
        heard += [client.hear() for _ in range(3)]
        assert heard == ["1::", *sorry(), "0::"]
        assert client.ended()
