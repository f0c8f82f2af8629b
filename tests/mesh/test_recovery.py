"""The setting ``recovery`` where several workers serve: a client finds again what it had, wherever
its next request lands."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ..support.engine_client import EngineWire
from ..support.raw_http import get
from ..support.raw_websocket import RawWebSocket
from ..support.workers import Wire, Worker, Workers


@pytest.fixture(scope="module")
def some() -> Iterator[Workers]:
    some = Workers()
    some.start(3, recovery=60)
    yield some
    some.close()


class Client:
    """One of 4.x, which counts events and goes from worker to worker."""

    def __init__(self, worker: Worker, namespace: str = "") -> None:
        self._of = namespace + "," if namespace else ""
        self.offset: str | None = None
        self.pid = ""
        self.recovered = False
        #: What it has heard, without offsets.
        self.events: list[list[Any]] = []
        self.come(worker)

    def come(self, worker: Worker) -> Client:
        self.wire = EngineWire(worker.port)
        told: dict[str, str] = {"pid": self.pid} if self.pid else {}
        if self.offset is not None:
            told["offset"] = self.offset
        self.wire.say(f"40{self._of}" + (json.dumps(told) if told else ""))
        # What was missed comes first.
        while not (packet := self._packet()).startswith(f"40{self._of}"):
            self._take(packet)
        answer = json.loads(packet[len(f"40{self._of}") :])
        self.recovered = answer["pid"] == self.pid
        self.pid, self.name = answer["pid"], answer["sid"]
        return self

    def go(self) -> Client:
        """Be gone without a word."""
        self.wire.reset()
        return self

    def say(self, *event: Any) -> None:
        self.wire.say(f"42{self._of}{json.dumps(event)}")

    def ask(self, *event: Any) -> Any:
        """Emit, and give the ack; what comes before is heard."""
        self.wire.say(f"42{self._of}7{json.dumps(event)}")
        while not (packet := self._packet()).startswith(f"43{self._of}7"):
            self._take(packet)
        values = json.loads(packet[len(f"43{self._of}7") :])
        return values[0] if values else None

    def hear(self) -> list[Any]:
        """The next event."""
        self._take(self._packet())
        return self.events.pop()

    def heard(self) -> list[list[Any]]:
        """What has come, which is forgotten here."""
        events, self.events = self.events, []
        return events

    def _packet(self) -> str:
        while (packet := self.wire.hear()) == "2":
            self.wire.say("3")
        return packet

    def _take(self, packet: str) -> None:
        attachments = 0
        if match := re.match(r"45(\d)-", packet):
            attachments, packet = int(match[1]), "42" + packet[match.end() :]
        assert packet.startswith(f"42{self._of}"), packet
        *event, self.offset = json.loads(packet[len(f"42{self._of}") :])
        event += [self.wire.hear_bytes() for _ in range(attachments)]
        self.events.append(event)


@pytest.fixture
def talkers(some: Workers) -> Iterator[list[Wire]]:
    made = [Wire(each) for each in some.all]
    yield made
    for each in made:
        each.wire.close()


def test_it_finds_all_that_it_had(some: Workers, talkers: list[Wire]) -> None:
    first, second, third = some.all
    ada = Client(first)
    ada.ask("enter", "cave")
    ada.ask("remember", "user", {"id": 7, "tags": ["a", None, 1.5]})
    name = ada.name
    talkers[1].ask("tell", "cave", "before")
    assert ada.hear() == ["told", "before"]
    ada.go()
    first.find("disconnected websocket.*transport close")
    for each in talkers:
        each.ask("tell", "cave", f"by {each.pid}")
    talkers[0].ask("tell", name, "to you")
    talkers[0].ask("tell", "elsewhere", "not you")
    ada.come(second)
    assert ada.recovered
    assert ada.name == name
    said = [["told", f"by {each.pid}"] for each in talkers]
    heard = ada.heard()
    assert sorted(heard[:3]) == sorted(said)
    assert heard[3:] == [["told", "to you"]]
    assert ada.ask("recall") == [
        True,
        {"user": {"id": 7, "tags": ["a", None, 1.5]}},
        ["cave", "lobby"],
    ]
    # It is nowhere else, and here it is a member as before.
    talkers[0].ask("tell", "cave", "after")
    talkers[2].ask("tell", name, "to you")
    assert sorted([ada.hear(), ada.hear()]) == [["told", "after"], ["told", "to you"]]
    # It goes on from there as well: to the next one, and back.
    talkers[2].hear_rest()
    for worker in (third, first, second):
        ada.go()
        talkers[2].ask("tell", "cave", "again")
        ada.come(worker)
        assert ada.recovered
        if not ada.events:
            ada.events.append(ada.hear())
        assert ada.heard() == [["told", "again"]]
    ada.go()


def test_one_that_has_heard_nothing_since_it_came_goes_on(
    some: Workers, talkers: list[Wire]
) -> None:
    first, second, third = some.all
    ada = Client(first)
    ada.ask("enter", "quiet")
    for worker in (second, third):
        # It says the offset, or none, that it had at the first.
        assert ada.go().come(worker).recovered
    talkers[0].ask("tell", "quiet", "now")
    assert ada.hear() == ["told", "now"]
    for worker in (first, third):
        assert ada.go().come(worker).recovered
    talkers[0].ask("tell", "quiet", "then")
    assert ada.hear() == ["told", "then"]
    ada.go()


def test_namespaces_of_one_session_share_its_data(some: Workers) -> None:
    first, second, _ = some.all
    ada = Client(first)
    wire = ada.wire
    wire.say("40/chat,")
    pid = json.loads(wire.hear()[len("40/chat,") :])["pid"]
    ada.ask("remember", "user", "ada")
    ada.go().come(second)
    wire = ada.wire
    wire.say(f"40/chat,{json.dumps({'pid': pid})}")
    assert json.loads(wire.hear()[len("40/chat,") :])["pid"] == pid
    wire.say('42/chat,7["recall"]')
    assert json.loads(wire.hear()[len("43/chat,7") :]) == [[True, {"user": "ada"}, ["lobby"]]]
    ada.go()


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (("remember", "tags", "a set"), r"self.session\['tags'\], with a set cannot .*: keep None"),
        (("enter", ["a", 1]), r"one of its rooms cannot .*: \('a', 1\) can be no room"),
    ],
    ids=["data", "a room"],
)
def test_what_is_not_the_same_in_each_worker_stays(
    some: Workers, event: tuple[Any, ...], why: str
) -> None:
    first, second, _ = some.all
    ada = Client(first)
    ada.ask(*event)
    ada.go().come(second)
    assert not ada.recovered
    assert ada.ask("recall") == [False, {}, ["lobby"]]
    first.find(rf"begins anew there, for {why}.*\[recovery-elsewhere\]")
    ada.go()


def test_an_invented_pid_is_asked_of_nobody(some: Workers) -> None:
    ada = Client(some.all[0])
    ada.pid = ada.pid[:-1] + ("a" if ada.pid[-1] != "a" else "b")
    ada.go().come(some.all[1])
    assert not ada.recovered
    ada.go()


def test_it_hears_all_once_and_in_order_wherever_it_comes(
    some: Workers, talkers: list[Wire]
) -> None:
    """It is lost again and again while three workers talk."""
    chance = random.Random(7)
    ada = Client(some.all[0])
    heard: dict[int, list[int]] = {each.pid: [] for each in talkers}
    for first in range(0, 600, 40):
        for talker in talkers:
            # Without waiting, so that some of it is under way wherever she is looked for.
            for number in range(first, first + 40, 4):
                talker.wire.say(f'42["count",{number},{number + 4}]')
        for _ in range(chance.randrange(60)):
            ada.events.append(ada.hear())
        ada.go().come(chance.choice(some.all))
        assert ada.recovered
        last = [first + 39] * len(talkers)
        while True:
            for _, pid, number in ada.heard():
                heard[pid].append(number)
            if [each[-1] if each else None for each in heard.values()] == last:
                break
            ada.events.append(ada.hear())
    assert all(each == list(range(600)) for each in heard.values())
    ada.ask("recall")
    assert ada.heard() == []
    ada.go()


# ---- 0.9

TOKEN = "a-token-of-a-page-%04d"


class OldClient:
    """One of 0.9, which says a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def come(self, worker: Worker) -> OldClient:
        self.open(worker)
        assert self.hear() == "1::"
        return self

    def open(self, worker: Worker) -> None:
        answer = get(worker.port, f"/socket.io/1/?recovery={self._token}")
        self.wire = RawWebSocket(worker.port, answer.body.split(":")[0])

    def go(self) -> OldClient:
        self.wire.reset()
        return self

    def hear(self) -> str:
        return self.wire.hear()

    def ask(self, *event: Any) -> Any:
        name, *args = event
        self.wire.say(f"5:7+::{json.dumps({'name': name, 'args': args})}")
        answer = self.hear()
        assert answer.startswith("6:::7"), answer
        return json.loads(answer[len("6:::7+") :])[0] if "+" in answer else None


def said(text: str) -> str:
    return f'5:::{{"name":"told","args":["{text}"]}}'


def test_one_of_0_9_finds_all_that_it_had(some: Workers, talkers: list[Wire]) -> None:
    first, second, _ = some.all
    bob = OldClient(TOKEN % 1).come(first)
    bob.ask("enter", "cellar")
    bob.ask("remember", "user", "bob")
    _, name = bob.ask("who")
    bob.go()
    first.find("disconnected websocket.*transport close")
    for number, each in enumerate(talkers):
        each.ask("tell", "cellar", f"{number}")
    talkers[0].ask("tell", name, "by name")
    bob.come(second)
    heard = [bob.hear() for _ in range(4)]
    assert sorted(heard) == sorted([said("0"), said("1"), said("2"), said("by name")])
    assert bob.ask("recall") == [True, {"user": "bob"}, ["cellar", "lobby"]]
    talkers[2].ask("tell", "cellar", "then")
    assert bob.hear() == said("then")
    bob.go()


def test_one_of_0_9_is_in_one_place(some: Workers, talkers: list[Wire]) -> None:
    first, second, _ = some.all
    bob = OldClient(TOKEN % 2).come(first)
    bob.ask("enter", "attic")
    there = OldClient(TOKEN % 2).come(second)
    assert bob.hear() == "0::"
    bob.go()
    assert there.ask("recall")[0] is True
    talkers[0].ask("tell", "attic", "once")
    assert there.hear() == said("once")
    there.go().come(first)
    talkers[1].ask("tell", "attic", "then")
    assert there.hear() == said("then")
    there.go()


@pytest.mark.parametrize("number", range(5))
def test_one_that_opens_in_two_workers_at_once_stays_in_one(
    some: Workers, talkers: list[Wire], number: int
) -> None:
    """Each hears of the other as of one that comes later."""
    clients = [OldClient(TOKEN % (100 + number)) for _ in range(2)]
    together = threading.Barrier(2)

    def come(client: OldClient, worker: Worker) -> None:
        together.wait()
        client.open(worker)

    pairs = zip(clients, some.all, strict=False)
    threads = [threading.Thread(target=come, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = [client.hear() for client in clients]
    # What each worker says to the others has come there when that has.
    for talker in talkers[:2]:
        talker.ask("tell", "lobby", "last")

    def hears_all(client: OldClient, text: str) -> bool:
        heard = [text]
        while heard.count(said("last")) < 2 and "0::" not in heard:
            heard.append(client.hear())
        return "0::" not in heard

    stays = [hears_all(*each) for each in zip(clients, first, strict=True)]
    assert sorted(stays) == [False, True]
    client = clients[stays.index(True)]
    client.ask("enter", "attic")
    assert client.ask("recall")[2] == ["attic", "lobby"]
    for client in clients:
        client.go()


def test_a_worker_that_stands_still_is_not_waited_for_for_long(workers: Workers) -> None:
    first, second, third = workers.start(3, recovery=60)
    ada, bob = Client(first), Client(third)
    bob.go()
    third.find("disconnected websocket.*transport close")
    third.pause()
    # The one that has it says so, and that is enough.
    assert ada.go().come(second).recovered
    # Nobody says anything else about the other one.
    assert not bob.come(second).recovered
    third.go_on()
    for each in (ada, bob):
        each.go()
