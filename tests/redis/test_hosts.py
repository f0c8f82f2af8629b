"""Workers of several hosts, joined by a Redis server; and programs that serve nobody."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import Emitter, UsageError
from sockio.backplane.questions import OTHER_HOSTS

from ..support.engine_client import EngineWire
from ..support.node import NODE_MODULES, find_client
from ..support.processes import STARTS
from ..support.redis import RedisServer
from ..support.workers import Wire, Workers
from .conftest import known_to_each_other

WORDS = ["Grüße ☃ \U0001f388", [1, None, {"a": 0.5}]]


@pytest.fixture(scope="module", params=[False, True], ids=["", "by room"])
def four(shared: RedisServer, request: pytest.FixtureRequest) -> Iterator[list[Wire]]:
    """A client of each worker, of two hosts with two of them."""
    made = [Workers(), Workers()]
    inputs = ["redis-emitter", "python-socketio"]
    workers = [
        worker
        for host in made
        for worker in host.start(
            2, backplane=shared.url, backplane_inputs=inputs, backplane_rooms=request.param
        )
    ]
    known_to_each_other(*[host.all for host in made])
    wires = [Wire(worker) for worker in workers]
    # Until each is subscribed: what is said before is for who is there.
    for wire in wires:
        for other in wires:
            while other is not wire and not heard_of(wire, other):
                pass
    for wire in wires:
        wire.hear_rest()
    yield wires
    for wire in wires:
        wire.wire.close()
    for host in made:
        host.close()


def heard_of(wire: Wire, other: Wire) -> bool:
    """Whether what the one says comes to the other."""
    wire.ask("tell", other.name, "ready?")
    for _ in range(20):
        other.ask("who")
        if ["told", "ready?"] in other.events():
            return True
    return False


def test_what_one_says_comes_to_all_hosts_once(four: list[Wire]) -> None:
    for talker in four:
        talker.ask("say", talker.name, *WORDS)
        for wire in four:
            assert wire.hear() == ["said", talker.name, *WORDS]
    for wire in four:
        wire.hear_nothing()


def test_rooms_and_orders_reach_other_hosts(four: list[Wire]) -> None:
    here, beside, there, far = four
    for member in (beside, far):
        here.ask("move", member.name, "attic")
    here.ask("say", "behind the order")
    for wire in four:
        assert wire.hear() == ["said", "behind the order"]
    here.ask("tell", "attic", "hello")
    assert beside.hear() == far.hear() == ["told", "hello"]
    there.hear_nothing()
    here.hear_nothing()


def test_workers_of_all_hosts_are_told(hosts: Callable[[], Workers], server: RedisServer) -> None:
    """What the application says to itself: once to each, to those of its own host without Redis."""
    here, there = hosts(), hosts()
    workers = [*here.start(2, backplane=server.url), *there.start(1, backplane=server.url)]
    wire, far = Wire(workers[0]), Wire(workers[2])
    while not heard_of(wire, far):
        pass
    wire.ask(
        "note",
        {"a": [1, None]},
    )
    wire.ask("note", "the last")
    for worker in workers[1:]:
        worker.find("noted the last", STARTS)
        assert worker.output.count("noted {'a': [1, None]}") == 1
    assert "noted" not in workers[0].output
    # Its handler takes one argument.
    wire.ask("note", "too", "many")
    workers[2].find("takes 1 positional argument", STARTS)
    wire.ask("note", "goes on")
    workers[2].find("noted goes on", STARTS)
    for each in (wire, far):
        each.wire.close()


def test_an_emitter_outside_reaches_all(four: list[Wire], shared: RedisServer) -> None:
    emitter = Emitter(shared.url)
    emitter.to("lobby").emit("said", b"\0\xff", 1)
    for wire in four:
        assert wire.wire.hear() == '451-["said",{"_placeholder":true,"num":0},1]'
        assert wire.wire.hear_bytes() == b"\0\xff"
    emitter.to(four[0].name, four[3].name).skip(four[3].name).emit("told", "you alone")
    assert four[0].hear() == ["told", "you alone"]
    emitter.to(four[2].name).join("cellar")
    emitter.to("cellar").send("down here", json=True)
    assert four[2].hear() == ["message", "down here"]
    emitter.to(four[2].name).leave("cellar")
    emitter.to("cellar").emit("told", "nobody")
    emitter.emit("told", "everybody")
    for wire in four:
        assert wire.hear() == ["told", "everybody"]
    with pytest.raises(UsageError, match="cut off"):
        emitter.emit("told", "x" * 1_000_000)
    with pytest.raises(UsageError, match="string or a number"):
        emitter.to(("a", 1))
    emitter.close()


@pytest.mark.parametrize(
    ("at", "group"),
    [
        pytest.param("?db=1", "", id="another database: publications have none in Redis"),
        pytest.param("", "other", id="another name"),
        pytest.param("", "socket.io", id="a name that is the resource of others"),
    ],
)
def test_applications_that_share_a_server_do_not_meet(
    four: list[Wire], shared: RedisServer, at: str, group: str
) -> None:
    other = Workers()
    try:
        (worker,) = other.start(1, backplane=shared.url + at, group=group)
        wire = Wire(worker)
        first, second = Emitter(shared.url), Emitter(shared.url + at, group=group)
        # Until it is subscribed.
        while not wire.heard:
            second.emit("told", "ready?")
            wire.ask("who")
        wire.hear_rest()
        wire.ask("say", "said in the second")
        assert wire.hear() == ["said", "said in the second"]
        second.emit("told", "the second alone")
        first.emit("told", "the first alone")
        assert wire.hear() == ["told", "the second alone"]
        for each in four:
            assert each.hear() == ["told", "the first alone"]
        # It would have come before its own answer.
        second.emit("told", "once more")
        assert wire.hear() == ["told", "once more"]
        wire.wire.close()
        first.close()
        second.close()
    finally:
        other.close()


def test_an_emitter_needs_no_loop(four: list[Wire], shared: RedisServer) -> None:
    code = (
        "import sys, sockio; emitter = sockio.Emitter(sys.argv[1]);"
        "[emitter.of('/').emit('told', number) for number in range(3)]"
    )
    subprocess.run([sys.executable, "-c", code, shared.url], check=True, timeout=60)
    for wire in four:
        assert [wire.hear() for _ in range(3)] == [["told", number] for number in range(3)]


def test_the_emitters_of_others_reach_all(four: list[Wire], shared: RedisServer) -> None:
    socketio: Any = pytest.importorskip("socketio")
    manager = socketio.RedisManager(f"redis://127.0.0.1:{shared.port}", write_only=True)
    manager.emit("told", {"a": 1}, room="lobby")
    for wire in four:
        assert wire.hear() == ["told", {"a": 1}]
    node = find_client("@socket.io/redis-emitter")
    script = """
        const [modules, socket] = process.argv.slice(1);
        const { Emitter } = require(modules + '/@socket.io/redis-emitter');
        const connection = require('net').connect(socket);
        connection.on('data', () => connection.end());
        const publish = (...words) => {
          const parts = ['PUBLISH', ...words].map((each) => Buffer.from(each));
          const bulk = parts.flatMap((each) => [Buffer.from(`$${each.length}\\r\\n`), each,
            Buffer.from('\\r\\n')]);
          connection.write(Buffer.concat([Buffer.from('*3\\r\\n'), ...bulk]));
        };
        new Emitter({ publish }).to('lobby').emit('told', [2]);
    """
    command = [node, "-e", script, str(NODE_MODULES), str(shared.path)]
    subprocess.run(command, check=True, timeout=60)
    for wire in four:
        assert wire.hear() == ["told", [2]]


def test_a_hostile_publisher_disturbs_nobody(four: list[Wire], shared: RedisServer) -> None:
    for channel in ("sockio:socket.io:", "socketio", "socket.io#/#", "socket.io-request#/#"):
        for payload in (b"", b"\x80\x04N.", b"\xc0", b"null", b"[]", b"{}", b"\xff" * 100,
                        b'{"method":"emit","room":[NaN]}'):  # fmt: skip
            shared.command("PUBLISH", channel, payload)
    four[0].ask("say", "all is well")
    for wire in four:
        assert wire.hear() == ["said", "all is well"]


def test_the_clients_of_all_hosts_are_listed(four: list[Wire]) -> None:
    here, beside, there, far = four
    found, missing = here.ask("fetch", "lobby")
    assert missing == []
    assert sorted(name for name, _, _ in found) == sorted(wire.name for wire in four)
    workers = {name: worker for name, _, worker in found}
    assert workers[here.name] == ""
    assert workers[beside.name] == beside.name[:4]
    assert len({workers[there.name], workers[far.name]}) == 2
    (only,), _ = there.ask("fetch", here.name)
    assert only[:2] == [here.name, ["lobby"]]


def test_the_clients_of_all_hosts_are_asked(four: list[Wire]) -> None:
    here, _, there, far = four
    for member in (there, far):
        here.ask("move", member.name, "asked")

    def answer() -> None:
        packet = there.wire.hear()
        number = packet[len("451-") : packet.index("[")]
        assert there.wire.hear_bytes() == b"\0\xff"
        there.wire.say(f'43{number}["fine",2]')

    task = threading.Thread(target=answer)
    task.start()
    answers, missing = here.ask("ask_all", "asked", 0.5)
    task.join()
    assert answers == {there.name: ["fine", 2]}
    assert missing == [far.name]
    assert far.wire.hear().startswith("451-")
    far.wire.hear_bytes()


def test_the_processes_of_all_hosts_talk_to_each_other(four: list[Wire]) -> None:
    here, *others = four
    answers, missing = here.ask("between", "ab")
    assert answers == sorted([wire.pid, "abab"] for wire in others)
    assert missing == []
    assert len(here.ask("between", "fail")[1]) == 3


def test_who_dies_or_stands_still_is_missing_and_who_ends_is_not(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    one, other = hosts(), hosts()
    (first,) = one.start(1, backplane=server.url)
    dying, still, ending = there = other.start(3, backplane=server.url)
    names = known_to_each_other([first], there)
    wire = Wire(first)
    ending.stop(signal.SIGINT)
    first.find(f"process {names[ending]} of another host is gone: it has ended")
    dying.send(signal.SIGKILL)
    still.pause()
    found, missing = wire.ask("fetch", "lobby")
    assert [each[0] for each in found] == [wire.name]
    assert sorted(missing) == sorted([names[dying], names[still]])
    still.go_on()
    wire.wire.close()


@pytest.mark.parametrize("by_room", [False, True])
def test_a_namespace_is_heard_while_somebody_may_come_back_to_it(
    hosts: Callable[[], Workers], shared: RedisServer, by_room: bool
) -> None:
    """Where it is found by a pattern, and so heard only while somebody is in it."""
    options = {"backplane": shared.url, "backplane_rooms": by_room, "recovery": 60}
    both = [hosts().start(1, **options) for _ in range(2)]
    known_to_each_other(*both)
    (here,), (there,) = both
    ada, bob = EngineWire(here.port), EngineWire(there.port)
    told = json.loads(ada.join("/room-7")[len("40/room-7,") :])
    bob.join("/room-7")
    heard: list[str] = []
    while not heard:
        # Until both are subscribed.
        bob.say('42/room-7,1["say","early"]')
        bob.hear_until("43/room-7,1")
        ada.say('42/room-7,1["who"]')
        heard = ada.hear_until("43/room-7,1")
    offset = json.loads(heard[-1][len("42/room-7,") :])[-1]
    ada.reset()
    here.find("disconnected websocket.*transport close")
    bob.say('42/room-7,2["say","late"]')
    bob.hear_until("43/room-7,2")
    again = EngineWire(here.port)
    # What was published before this is answered has come.
    again.join()
    again.say('421["fetch","lobby"]')
    again.hear_until("431")
    again.say(f"40/room-7,{json.dumps({'pid': told['pid'], 'offset': offset})}")
    missed = again.hear_until("40/room-7,")
    # Some of the first words may be among it.
    assert json.loads(missed[-1][len("42/room-7,") :])[:2] == ["said", "late"]
    for each in (again, bob):
        each.close()


def test_what_did_not_arrive_is_counted_and_told(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    (worker,) = hosts().start(1, backplane=server.url)
    wire = Wire(worker)
    emitter = Emitter(server.url)
    while True:
        emitter.emit("told", "ready?")
        wire.ask("who")
        if wire.events():
            break
    # Three that were sent and have not come.
    for counter in emitter._connection._numbering.young.values():
        counter.number += 3
    emitter.emit("told", "after all")
    assert wire.hear() == ["told", "after all"]
    worker.find(r"3 emissions of the process \S+ did not arrive here.*backplane-gap")
    worker.find("told of a gap: 3")
    emitter.close()
    wire.wire.close()


def test_when_redis_is_gone_the_own_host_goes_on(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    one, other = hosts(), hosts()
    workers = [*one.start(2, backplane=server.url), *other.start(1, backplane=server.url)]
    here, beside, there = wires = [Wire(worker) for worker in workers]
    while not heard_of(here, there):
        pass
    names = known_to_each_other([workers[0]], [workers[2]])
    server.kill()
    workers[0].find("redis.*(lost|no connection|gone|down)")
    here.ask("say", "still here")
    assert beside.hear() == ["said", "still here"]
    there.hear_nothing()
    # The own host answers still.
    found, missing = here.ask("fetch", "lobby")
    assert {each[0] for each in found} == {here.name, beside.name}
    assert sorted(missing) == sorted([OTHER_HOSTS, names[workers[2]]])
    assert OTHER_HOSTS in here.ask("ask_all", "nobody", 0.2)[1]
    server.start()
    while not heard_of(here, there):
        pass
    while missing:
        found, missing = here.ask("fetch", "lobby")
    assert {each[0] for each in found} == {wire.name for wire in wires}
    for wire in wires:
        wire.wire.close()


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from sockio import SocketIOMiddleware
    from sockio.backplane.redis import library

    def app(environ: Any, start_response: Any) -> list[bytes]:
        return []

    monkeypatch.setattr(library, "_missing", ImportError("no redis"))
    middleware = SocketIOMiddleware(app, {}, backplane="redis://localhost")
    with pytest.raises(UsageError, match=r"pip install 'sockio-wsgi\[redis\]'"):
        middleware.join()
