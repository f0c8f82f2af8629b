"""What clients make workers say to each other keeps out nobody: it waits for room, in bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ..support.liars import Liar, request
from ..support.raw_http import Connection, get, handshake
from ..support.workers import Wire, Worker, Workers

EMISSION = 1
ASK, GIVEN = 16, 17
PONG = 25
MEGABYTE = b"x" * 990_000


@pytest.fixture
def worker() -> Iterator[Worker]:
    some = Workers()
    (one,) = some.start(1)
    yield one
    some.close()


@pytest.fixture
def talker(worker: Worker) -> Iterator[Wire]:
    wire = Wire(worker)
    yield wire
    wire.wire.close()


@pytest.fixture
def other(worker: Worker, talker: Wire) -> Iterator[Liar]:
    """Another worker, which reads when it is told to."""
    one = Liar(worker.mesh, talker.name[:4]).greet()
    yield one
    one.close()


def test_bodies_for_another_worker_keep_nothing_out(
    worker: Worker, talker: Wire, other: Liar
) -> None:
    """Twenty megabytes are on their way to one that does not read; 16 may wait for it."""
    clients = []
    for _ in range(20):
        client = Connection(worker.port)
        client.request("POST", f"/socket.io/1/xhr-polling/{other.session()}", MEGABYTE)
        clients.append(client)
        # It lives.
        other.send(PONG)
    # The worker reads on with each turn of its loop.
    for _ in range(200):
        talker.ask("who")
        other.send(PONG)
    talker.ask("say", "meanwhile")
    poll = Connection(worker.port)
    poll.request("GET", f"/socket.io/1/xhr-polling/{other.session()}")
    kinds, asked = [], 0
    while asked < 21:
        kind, payload = other.hear()
        kinds.append(kind)
        if kind == ASK:
            asked += 1
            other.send(GIVEN, payload[:4] + b"\0200 OK\nX-Size: %d\n\n" % len(payload))
        other.send(PONG)
    assert EMISSION in kinds
    sizes = [int(client.answer().headers["x-size"]) for client in [poll, *clients]]
    assert sizes[0] < 1000
    assert min(sizes[1:]) > len(MEGABYTE)
    assert "mesh-full" not in worker.output
    assert "worker-stuck" not in worker.output
    for client in [poll, *clients]:
        client.close()


def test_every_poll_is_answered_though_much_is_on_its_way(
    worker: Worker, talker: Wire, other: Liar
) -> None:
    """Twenty answers of a megabyte each, for one that does not read yet."""
    for number in range(20):
        sid = handshake(worker.port)
        path = f"/socket.io/1/xhr-polling/{sid}"
        assert get(worker.port, path).body == "1::"
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "wsgi.url_scheme": "http",
        }
        other.send(ASK, request(number, environ))
    text = MEGABYTE.decode()
    talker.ask("tell", "lobby", text)
    answered: set[int] = set()
    while len(answered) < 20:
        kind, payload = other.hear()
        if kind == GIVEN:
            answered.add(int.from_bytes(payload[:4], "big"))
            packet = payload[payload.index(b"\n\n") + 2 :].removeprefix(b"5:::")
            assert json.loads(packet) == {"name": "told", "args": [text]}
