"""What is kept for those who come back takes no more of memory than ``recovery`` says."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest

from sockio import BaseNamespace
from sockio.sessions.outbox import Outgoing
from sockio.sessions.recovery import Recovery

from ...support.carriers import House
from ..conftest import MakeHouse
from ..sessions.test_recovery import Client, ended
from ..sessions.test_returning_socket import TOKEN
from .measuring import BINARY, FACTOR, SHAPES, Grown, measuring

LIMIT = 150_000


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": BaseNamespace, "/chat": BaseNamespace}, recovery=(120, LIMIT))


def recovery_of(home: House) -> Recovery:
    assert home.registry.recovery is not None
    return home.registry.recovery


def is_bounded(recovery: Recovery, grown: Grown) -> None:
    assert recovery.size <= LIMIT
    assert grown.bytes <= LIMIT * FACTOR
    # Nor is it so careful that little is kept.
    assert recovery.size >= LIMIT * 0.75
    assert grown.bytes >= LIMIT * 0.4


@pytest.mark.parametrize("shape", [*SHAPES, *BINARY])
@pytest.mark.parametrize("whom", ["all", "rooms", "one"])
def test_events(home: House, shape: str, whom: str) -> None:
    values = {**SHAPES, **BINARY}[shape]
    recovery = recovery_of(home)
    # Somebody may come back, of either kind.
    recovery.expect()
    chat = home.middleware.of("/chat")
    with measuring() as grown:
        for number in range(1000):
            to = chat
            if whom == "rooms":
                to = chat.to(f"room {number}", number + 1000).skip(f"room {number + 1}")
            elif whom == "one":
                to = chat.socket(f"somebody {number}")
            to.emit("event", *values(number))
            if number % 100 == 0 and recovery.size > LIMIT * 0.98 and number > 200:
                break
        is_bounded(recovery, grown)
    recovery.expected()
    assert recovery.size == 0


#: What one client makes large: its namespace, token, names of rooms, data, and what waits for it.
CLIENTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "nothing": lambda number: {},
    "an address": lambda number: {"address": f"2001:db8:{number:x}::1"},
    "a namespace": lambda number: {"namespace": f"/{number}".ljust(1000, "x")},
    "rooms": lambda number: {"rooms": [f"room {number} {each}" for each in range(40)]},
    "wide rooms": lambda number: {"rooms": [f"\U0001f600 {number} {each}" for each in range(40)]},
    "rooms that are tuples": lambda number: {"rooms": [(f"r{number}", each) for each in range(9)]},
    "data": lambda number: {"data": {f"key {each} {number}": [number, {}] for each in range(20)}},
    "a long text": lambda number: {"data": {"text": str(number) * 2000}},
    "tiny packets": lambda number: {"queued": [f"5::/a:{number}{each}" for each in range(50)]},
    "wide packets": lambda number: {"queued": ["\U0001f600" + "x" * 500 + str(number)] * 1},
}


@pytest.mark.parametrize("shape", CLIENTS)
@pytest.mark.parametrize("counts", [True, False], ids=["with offsets", "with tokens"])
def test_clients(home: House, shape: str, counts: bool) -> None:
    recovery = recovery_of(home)
    # Everybody else may be at one address: then it has all of it.
    with measuring() as grown:
        for number in range(400):
            state = CLIENTS[shape](number)
            token = None if counts else f"{number:0100}"
            stay = recovery.begin(f"somebody {number:020}", token)
            marks: dict[Hashable, int] = dict.fromkeys(state.get("rooms", ()), number)
            recovery.keep(
                stay,
                state.get("namespace", "/chat"),
                marks,
                state.get("data") or {},
                state.get("address", f"10.0.{number % 30}.1"),
                [Outgoing(each, "/chat") for each in state.get("queued", ())],
            )
            del stay, state, marks
        is_bounded(recovery, grown)
    recovery.check([])
    recovery.close()
    recovery.reopen()


def test_the_data_of_a_client_in_many_namespaces_counts_once(house: MakeHouse) -> None:
    spaces = [f"/{each}" for each in range(20)]
    home = house(dict.fromkeys(["", *spaces], BaseNamespace), recovery=(120, LIMIT))
    client = home.client(*spaces, token=TOKEN)
    client.socket.session["text"] = "x" * (LIMIT // 8)
    client.hangs_up()
    home.runtime.advance(61)
    recovery = recovery_of(home)
    assert len(recovery) == 21
    assert LIMIT // 8 < recovery.size < LIMIT // 2


def test_data_that_is_too_much_is_not_kept(home: House) -> None:
    ada = Client(home)
    ada.socket.session["text"] = "\U0001f600" + "x" * (LIMIT // SHARE_IN_CHARACTERS)
    ada.hangs_up()
    ada.connect()
    assert not ada.recovered
    ended(ada)


#: Of which a quarter of what may be kept is one more than has room, four bytes each.
SHARE_IN_CHARACTERS = 16


def test_rooms_that_somebody_is_put_into_while_away_count(home: House) -> None:
    recovery = recovery_of(home)
    ada = Client(home)
    ada.hangs_up()
    before = recovery.size
    home.middleware.of("/chat").join("x" * 1000)
    assert recovery.size > before + 1000
    home.middleware.of("/chat").join("x" * 1000)
    assert recovery.size < before + 2000
    ada.connect()
    assert ada.recovered
    ended(ada)


class Hostile:
    def __sizeof__(self) -> int:
        raise ValueError("no size")


def test_data_that_cannot_say_its_size_is_kept(home: House) -> None:
    ada = Client(home)
    around: list[Any] = [Hostile()]
    around.append(around)
    ada.socket.session["odd"] = around
    ada.hangs_up()
    ada.connect()
    assert ada.recovered
    ended(ada)
