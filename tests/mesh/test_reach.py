"""What is said in one worker reaches the clients of all: rooms, names, orders, in order."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import pytest

from ..support.engine_client import EngineWire
from ..support.node import LATER, Client, Node
from ..support.processes import STARTS
from ..support.raw_websocket import open_session
from ..support.workers import Wire, Worker, Workers

WORDS = ["Grüße ☃ \U0001f388", [1, None, {"a": 0.5}]]


@pytest.fixture
def here_and_there(pair: list[Worker]) -> Any:
    wires = [Wire(worker) for worker in pair]
    yield wires
    for each in wires:
        each.wire.close()


def test_a_broadcast_reaches_all_workers(here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    assert here.pid != there.pid
    here.ask("say", *WORDS)
    assert here.hear() == there.hear() == ["said", *WORDS]


def test_a_client_of_another_worker_is_reached_by_its_name(here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    # 20 characters, of which four say where it is.
    assert len(there.name) == 20
    assert there.name[:4] != here.name[:4]
    here.ask("tell", there.name, "psst")
    assert there.hear() == ["told", "psst"]
    here.hear_nothing()


@pytest.mark.parametrize("generation", ["4.x", "0.9"])
def test_a_name_is_nobody_else_s_room(
    pair: list[Worker], here_and_there: list[Wire], generation: str
) -> None:
    """Clients often choose names of rooms: nobody hears what is for one client alone."""
    here, there = here_and_there
    if generation == "0.9":
        ada = open_session(pair[0].port)
        name = ada.sid
    else:
        name = here.name
    there.wire.say(f"42{json.dumps(['enter', name])}")
    assert there.hear()[0] == "error"
    pair[1].find("is another client's name")
    here.ask("tell", name, "for one")
    there.hear_nothing()
    if generation == "0.9":
        assert ada.hear() == '5:::{"name":"told","args":["for one"]}'
        ada.close()
    else:
        assert here.hear() == ["told", "for one"]


def test_what_is_local_stays_in_its_worker(here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    assert here.ask("tell_here", "lobby", "among us") == [here.name]
    assert here.hear() == ["told", "among us"]
    here.ask("tell", "here", "and nobody else")
    assert here.hear() == ["told", "and nobody else"]
    there.hear_nothing()


def test_a_worker_that_starts_asks_those_who_are_there(workers: Workers) -> None:
    """Without a request, and once."""
    (first,) = workers.start(1, asks=True)
    first.find(r"started beside \[\]", STARTS)
    (second,) = workers.start(1, asks=True)
    second.find(rf"started beside \[{first.pid}\]", STARTS)
    wire = Wire(second)
    wire.ask("who")
    assert second.output.count("started beside") == 1
    wire.wire.close()


def test_orders_are_carried_out_in_all_workers(here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    here.ask("move", there.name, "attic")
    here.ask("tell", "attic", "hello")
    assert there.hear() == ["told", "hello"]
    here.hear_nothing()
    here.ask("leave", "lobby")
    there.wire.say('42["leave","attic"]')
    here.ask("throw_out", there.name)
    while (packet := there.wire.hear()) != "41":
        assert packet.startswith("42")


def test_a_room_whose_name_means_nothing_elsewhere_is_refused(here_and_there: list[Wire]) -> None:
    here, _ = here_and_there
    assert "has to be a string or a number" in here.ask("odd")


def test_what_is_for_several_generations_comes_to_each_in_its_form(pair: list[Worker]) -> None:
    talker = Wire(pair[0])
    old, third = open_session(pair[1].port), EngineWire(pair[1].port, revision=3)
    assert third.join() == "40"
    # Both are in the room by then.
    third.say('421["who"]')
    assert third.hear().startswith("431")
    old.say('5:1+::{"name":"who"}')
    assert old.hear().startswith("6:::1")
    talker.ask("say", "x", 1)
    assert json.loads(third.hear()[2:]) == ["said", "x", 1]
    assert json.loads(old.hear().removeprefix("5:::")) == {"name": "said", "args": ["x", 1]}
    for each in (talker.wire, old, third):
        each.close()


def test_what_each_worker_says_comes_in_its_order(pair: list[Worker]) -> None:
    """10 000 numbered emits of each of two publishers, heard by a client of each."""
    count, step = 10_000, 100
    talkers = [Wire(worker) for worker in pair]
    ears = [Wire(worker) for worker in pair]
    mistakes: list[Any] = []

    def listen(ear: Wire) -> None:
        following = {talker.pid: 0 for talker in talkers}
        while any(each < count for each in following.values()):
            name, pid, number = ear.hear()
            if name != "number" or following[pid] != number:
                mistakes.append((ear.pid, pid, number, following[pid]))
                return
            following[pid] += 1

    def talk(talker: Wire) -> None:
        for first in range(0, count, step):
            talker.ask("count", first, first + step)
            talker.heard.clear()

    tasks = [threading.Thread(target=listen, args=(ear,)) for ear in ears]
    tasks += [threading.Thread(target=talk, args=(talker,)) for talker in talkers]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert mistakes == []
    for each in (*talkers, *ears):
        each.wire.close()


# ---- questions


def answering(wire: Wire, answer: str) -> threading.Thread:
    """Have the next question answered, beside what the test does."""

    def answer_it() -> None:
        packet = wire.wire.hear()
        assert packet.startswith("451-"), packet
        number = packet[len("451-") : packet.index("[")]
        assert wire.wire.hear_bytes() == b"\0\xff"
        wire.wire.say(f"43{number}{answer}")

    task = threading.Thread(target=answer_it)
    task.start()
    return task


def test_all_workers_clients_are_asked(here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    # Two in the room, one of them in the other worker; and one that is silent.
    silent = EngineWire(int(there.wire.sock.getpeername()[1]))
    silent.join()
    silent.say('421["who"]')
    name = json.loads(silent.hear()[3:])[0][1]
    for member in (there.name, name):
        here.ask("move", member, "asked")
    tasks = [answering(there, '["fine",2]')]
    answers, missing = here.ask("ask_all", "asked", 0.5)
    assert answers == {there.name: ["fine", 2]}
    assert missing == [name]
    for task in tasks:
        task.join()
    silent.close()


def test_all_workers_clients_are_listed(here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    for member in (here.name, there.name):
        here.ask("move", member, "listed")
    found, missing = here.ask("fetch", "listed")
    assert missing == []
    rooms = ["listed", "lobby"]
    assert found == sorted([[here.name, rooms, ""], [there.name, rooms, there.name[:4]]])


def test_workers_talk_to_each_other(pair: list[Worker], here_and_there: list[Wire]) -> None:
    here, there = here_and_there
    assert here.ask("between", "ab") == [[[there.pid, "abab"]], []]
    pair[1].find("noted ab")
    assert here.ask("between", "fail") == [[], [there.name[:4]]]
    pair[1].find("could not be answered")


def test_whoever_dies_or_stands_still_is_named_as_missing(workers: Workers) -> None:
    first, second, third = workers.start(3)
    here, dying, still = Wire(first), Wire(second), Wire(third)
    second.send(signal.SIGKILL)
    third.pause()
    found, missing = here.ask("fetch", "lobby")
    assert [each[0] for each in found] == [here.name]
    assert still.name[:4] in missing
    assert {*missing} <= {still.name[:4], dying.name[:4]}
    third.go_on()
    for each in (here, dying, still):
        each.wire.close()


def test_a_worker_that_comes_later_belongs_to_them(workers: Workers) -> None:
    (first,) = workers.start(1)
    early = Wire(first)
    (second,) = workers.start(1)
    late = Wire(second)
    early.ask("say", "welcome")
    assert late.hear() == ["said", "welcome"]
    late.ask("say", "thanks")
    assert early.hear() == ["said", "welcome"]
    assert early.hear() == ["said", "thanks"]
    for each in (early, late):
        each.wire.close()


@pytest.mark.e2e
def test_real_clients_talk_through_one_port(workers: Workers, node: Node) -> None:
    """Each connection, and so each poll, reaches whatever worker the kernel chooses."""
    workers.start(3)
    url = f"http://127.0.0.1:{workers.shared}"
    room: dict[str, Client] = {}
    for transport in ("xhr-polling", "jsonp-polling", "websocket"):
        if transport != "jsonp-polling":
            room[f"0.9 {transport}"] = node.connect(url, transport)
    for version in LATER:
        for ways in (["polling"], ["websocket"], ["polling", "websocket"]):
            room[f"{version} {'+'.join(ways)}"] = node.join(version, url, ways)
    for client in room.values():
        client.next("connect")
    homes = {client.ask("who")[0][0] for client in room.values()}
    assert len(homes) > 1
    for name, client in room.items():
        client.ask("say", name, *WORDS)
        for listener in room.values():
            assert listener.next("said") == [name, *WORDS]
