"""What a client gives with its connects: its gates see all of it, its namespaces keep a little."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace
from sockio.namespaces.entering import KEPT
from sockio.protocol.generations import EIO4

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted


class Asking(BaseNamespace):
    def recv_connect(self, auth: Any) -> None:
        assert auth == self.auth
        self.session.setdefault("seen", []).append(len(auth["token"]))


Join = Callable[[str, int], dict[str, Any]]


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Asking, re.compile(r"/room-\d+"): Asking})


@pytest.fixture
def join(home: House) -> Join:
    socket = admitted(home, EIO4)
    socket.attach(Stream(socket))

    def join(name: str, size: int) -> dict[str, Any]:
        """Connect with a token of that size; what the namespace keeps."""
        socket.receive(f"40{name}," + json.dumps({"token": "x" * size}))
        home.runtime.settle()
        assert socket.session["seen"][-1] == size
        auth: dict[str, Any] = socket[name.rstrip("/")].auth
        return auth

    return join


def test_a_token_is_kept(join: Join) -> None:
    assert join("/", 4000) == {"token": "x" * 4000}
    assert join("/room-1", 60) == {"token": "x" * 60}


def test_a_megabyte_is_seen_by_the_gate_and_not_kept(
    join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    assert join("/", 900_000) == {}
    assert "auth-too-large" in caplog.text
    assert join("/room-1", 4000) == {"token": "x" * 4000}


def test_what_is_kept_is_bounded_for_all_namespaces_together(home: House, join: Join) -> None:
    kept = [join(f"/room-{number}", KEPT // 4) for number in range(20)]
    assert [bool(each) for each in kept] == [True] * 3 + [False] * 17
    (socket,) = home.registry.sockets.values()
    socket.receive("41/room-0,")
    home.runtime.settle()
    # Its place is free again.
    assert join("/room-50", KEPT // 4)
    assert not join("/room-51", KEPT // 4)


@pytest.mark.parametrize(
    "auth", [[{}] * 2000, {str(number): number for number in range(2000)}, ["\U0001f600"] * 1000]
)
def test_what_is_small_on_the_wire_and_large_in_memory_is_not_kept(home: House, auth: Any) -> None:
    socket = admitted(home, EIO4)
    socket.attach(Stream(socket))
    text = json.dumps({"token": "", "more": auth}, ensure_ascii=False)
    assert len(text.encode()) < KEPT
    socket.receive("40" + text)
    home.runtime.settle()
    assert socket[""].auth == {}


def test_queries_of_connects_count_for_all_namespaces_together(house: MakeHouse) -> None:
    home = house({re.compile(r"/room-\d+"): BaseNamespace})
    client = home.client()
    client.sends(*(f"1::/room-{number}:?a={'b' * 8000}" for number in range(10)))
    rooms = [client.socket[f"/room-{number}"] for number in range(10)]
    # As it came, and by its fields.
    assert [len(each.qs) for each in rooms] == [8003] * 4 + [0] * 6
    assert [len(each.query) for each in rooms] == [1] * 4 + [0] * 6
    assert not rooms[-1].auth
