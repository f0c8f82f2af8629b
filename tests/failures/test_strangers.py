"""Strangers on the channels of the backplane: whoever publishes what makes no sense, and servers of
Node's, whom nothing that workers send may end."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

from sockio import Emitter

from ..support.engine_client import EngineWire
from ..support.node import Program
from ..support.redis import RedisServer
from ..support.transcript import eventually
from ..support.workers import Wire, Worker, Workers

INPUTS = ["redis-emitter", "python-socketio"]
OWN, PYTHON, NODE, REQUESTS = (
    "sockio:socket.io:",
    "socketio",
    "socket.io#/#",
    "socket.io-request#/#",
)


def heard_by(wire: Wire, tell: Callable[[], object]) -> None:
    """Have something told again and again until it comes."""

    def comes() -> bool:
        tell()
        wire.ask("who")
        return bool(wire.events())

    eventually(comes, "it is heard", 30)
    wire.hear_rest()


def emit(**more: object) -> bytes:
    return json.dumps(
        {"method": "emit", "event": "said", "data": ["x"], "room": "lobby", **more}
    ).encode()


def packed(*values: bytes) -> bytes:
    """An array of MessagePack."""
    return bytes([0x90 | len(values)]) + b"".join(values)


def text(value: str) -> bytes:
    return bytes([0xA0 | len(value)]) + value.encode()


#: A publication of a process, by the name of ``eve``: version, publisher, series, number.
FRAME = b"\1" + b"eve".ljust(16, b"\0") + b"\0\0\0\1"
#: A million rooms.
ROOMS = json.dumps([str(number) for number in range(1_000_000)])
HOSTILE: dict[str, list[tuple[str, bytes]]] = {
    "garbage": [(channel, b"\xff" * 100) for channel in (OWN, PYTHON, NODE, REQUESTS)],
    "nothing": [(channel, b"") for channel in (OWN, PYTHON, NODE, REQUESTS)],
    "pickle": [(channel, pickle.dumps({"method": "emit"})) for channel in (OWN, PYTHON, NODE)],
    "nil": [(NODE, b"\xc0"), (REQUESTS, b"\xc0"), (PYTHON, b"null"), (OWN, b"\xc0" * 40)],
    "wrong types": [
        (PYTHON, emit(room={"a": 1})),
        (PYTHON, emit(event=[1])),
        (PYTHON, emit(namespace=5)),
        (NODE, packed(text("eve"), text("x"), text("y"))),
        (REQUESTS, b'{"type":2,"opts":[],"rooms":{}}'),
        (REQUESTS, b'{"type":6,"data":5}'),
        (OWN, FRAME + (1).to_bytes(8, "big") + b'elsewher\1["socket.io",5,{},0,0,0]\n'),
        (OWN, FRAME + (2).to_bytes(8, "big") + b'elsewher\2["socket.io","join","",[[1]],[],[{}]]'),
    ],
    "NaN": [
        (PYTHON, b'{"method":"emit","event":"said","data":[NaN],"room":"lobby"}'),
        (REQUESTS, b'{"type":2,"opts":{"rooms":[],"except":[]},"rooms":[NaN]}'),
    ],
    "a million rooms": [
        (PYTHON, emit(room="ROOMS").replace(b'"ROOMS"', ROOMS.encode())),
        (REQUESTS, b'{"type":2,"opts":{"rooms":%b,"except":[]},"rooms":["x"]}' % ROOMS.encode()),
    ],
    "as many as fit": [
        (PYTHON, emit(room=[str(number) for number in range(100_000)])),
        (REQUESTS, b'{"type":2,"opts":{"rooms":[],"except":[]},"rooms":%b}'
         % json.dumps([str(number) for number in range(100_000)]).encode()),
    ],
    "an unknown type": [
        (PYTHON, b'{"method":"eval","event":"1"}'),
        (REQUESTS, b'{"type":77}'),
        (OWN, FRAME + (3).to_bytes(8, "big") + b"elsewher\x63anything"),
    ],
}  # fmt: skip


def warnings(worker: Worker) -> int:
    return worker.output.count("WARNING ")


def test_a_hostile_channel(workers: Workers, server: RedisServer) -> None:
    """Each kind of what makes no sense is dropped with one line; the worker hears on as before, and
    nobody in it is disturbed."""
    (worker,) = workers.start(1, backplane=server.url, backplane_inputs=INPUTS, log_lines=1000)
    here = Wire(worker)
    heard_by(here, lambda: server.command("PUBLISH", PYTHON, emit()))
    for kind, publications in HOSTILE.items():
        for number, (channel, payload) in enumerate(publications):
            before = warnings(worker)
            server.command("PUBLISH", channel, payload)
            # What comes behind it is heard, and nothing else.
            fence = f"{kind} {number}"
            server.command("PUBLISH", PYTHON, emit(data=[fence]))
            assert here.hear() == ["said", fence]
            eventually(lambda: warnings(worker) > before, f"{fence} is said")  # noqa: B023
    here.hear_nothing()
    assert warnings(worker) == sum(map(len, HOSTILE.values()))
    assert "Traceback" not in worker.output
    here.wire.close()


def test_what_was_published_is_published_again_by_somebody_else(
    workers: Workers, server: RedisServer
) -> None:
    """With the name and the numbers of who published it: nobody hears it twice."""
    import redis

    other = Workers()
    try:
        (far,) = other.start(1, backplane=server.url)
        there = Wire(far)
        (near,) = workers.start(1, backplane=server.url)
        here = Wire(near)
        heard_by(here, lambda: there.ask("say", "ready?"))
        heard_by(there, lambda: here.ask("say", "ready?"))
        here.hear_rest()
        with redis.Redis.from_url(server.url) as client, client.pubsub() as spy:
            spy.subscribe(OWN)
            assert spy.get_message(timeout=10)["type"] == "subscribe"
            there.ask("say", "once")
            assert here.hear() == there.hear() == ["said", "once"]
            frame = spy.get_message(timeout=10)["data"]
            for _ in range(3):
                client.publish(OWN, frame)
            here.ask("say", "behind it")
            for each in (here, there):
                assert each.hear() == ["said", "behind it"]
        near.find(r"\[redis-late\]|late")
        assert "Traceback" not in near.output + far.output
        for each in (here, there):
            each.wire.close()
    finally:
        other.close()


def test_an_emission_of_34_mb_is_refused_where_it_is_emitted(
    workers: Workers, server: RedisServer
) -> None:
    """It would cut off all who subscribe. Nobody is: what is emitted behind it comes."""
    other = Workers()
    try:
        here, there = (Wire(host.start(1, backplane=server.url)[0]) for host in (workers, other))
        heard_by(there, lambda: here.ask("say", "ready?"))
        here.hear_rest()
        assert "a publication may have 1000000 bytes" in here.ask("say_much", 34_000_000)
        there.hear_nothing()
        here.ask("say", "behind it")
        assert there.hear() == ["said", "behind it"]
        for worker in (workers.all[0], other.all[0]):
            assert "there is no connection to" not in worker.output
        here.wire.close()
        there.wire.close()
    finally:
        other.close()


class NodeServer(Program):
    """tests/js/server.js, and a client of it."""

    def __init__(self, redis: RedisServer) -> None:
        super().__init__("server.js", str(redis.port), needs="@socket.io/redis-adapter")
        self.port = int(self.read().removeprefix("port "))


def test_what_workers_send_never_ends_a_server_of_nodes(
    workers: Workers, server: RedisServer
) -> None:
    """On one Redis, with the real adapter: it does not wait for them in its questions, its clients
    hear nothing of theirs, and whatever they emit, order and ask, it lives."""
    node = NodeServer(server)
    try:
        client = EngineWire(node.port)
        client.join()
        here, beside = (
            Wire(each) for each in workers.start(2, backplane=server.url, backplane_inputs=INPUTS)
        )
        heard_by(here, lambda: server.command("PUBLISH", PYTHON, emit()))
        assert node.ask("ask") == {"sockets": 1, "others": []}
        for wire in (here, beside):
            wire.ask("say", {"a": [None, 1.5, "Gr\u00fc\u00dfe \U0001f388"]}, "x" * 100_000)
            wire.ask("tell", "lobby", "hello")
            wire.ask("move", here.name, "attic")
            wire.ask("fetch", "lobby")
            wire.ask("between", "ab")
            wire.ask("leave", "attic")
            wire.ask("throw_out", "nobody")
        emitter = Emitter(server.url)
        for namespace in ("/", "/chat", "/nobody"):
            to = emitter.of(namespace)
            to.emit("said", b"\0\xff", 1)
            to.to("lobby", 5).skip("x").emit("said", {})
            to.to("lobby").join("cellar")
            to.to("lobby").leave("cellar")
            to.to("nobody").disconnect()
        emitter.close()
        assert node.ask("ask") == {"sockets": 1, "others": []}
        assert node.lives
        # It has heard what its own server said, and only that.
        for _ in range(2):
            assert client.hear() == '42["said","by node"]'
        here.wire.close()
        beside.wire.close()
        client.close()
    finally:
        node.close()
