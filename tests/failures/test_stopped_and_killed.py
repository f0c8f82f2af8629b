"""What workers of one host promise when others are stopped, or come and are killed."""

from __future__ import annotations

import json
from pathlib import Path

from ..support.engine_client import EngineSession
from ..support.raw_http import Connection, get
from ..support.raw_websocket import upgrade_request
from ..support.workers import Wire, Worker, Workers

BIG = "x" * 500_000


def resident(worker: Worker) -> int:
    """Kilobytes."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def asks(port: int, path: str) -> int:
    with Connection(port) as connection:
        return connection.ask("POST", path, '42["who"]').code


def test_an_owner_that_stood_still_behind_a_full_queue_is_asked_again(workers: Workers) -> None:
    owner, other = workers.start()
    there, here = Wire(owner), Wire(other)
    owner.pause()
    for _ in range(60):
        here.ask("say", BIG)
        here.heard.clear()
    other.find("mesh-full")
    # What is asked now waits behind 16 MB, or does not leave at all.
    session_path = f"/socket.io/?EIO=4&transport=polling&sid={there.wire.sid}"
    websocket = f"/socket.io/?EIO=4&transport=websocket&sid={there.wire.sid}"
    with Connection(other.port) as connection:
        connection.send(upgrade_request(websocket, other.port))
        assert connection.answer().code == 503
    assert asks(other.port, session_path) == 503
    owner.go_on()
    # What fitted comes, in order, and then what is said now.
    here.ask("say", "back")
    while (heard := there.hear()) != ["said", "back"]:
        assert heard == ["said", BIG]
    session = EngineSession(owner.port, 4)
    while (code := asks(other.port, session.path)) == 503:
        pass
    assert code == 200
    session.close()
    for each in (there, here):
        each.wire.close()


def test_workers_that_come_and_are_killed_leave_nothing(workers: Workers) -> None:
    stays, other = workers.start()
    wire = Wire(stays)

    def round_(count: int) -> None:
        for new in workers.start(count):
            session = EngineSession(new.port, 4)
            assert asks(stays.port, session.path) == 200
            session.close()
            wire.ask("say", "while it lives")
            new.kill()
            assert get(stays.port, session.path).code == 400
            workers.all.remove(new)
        wire.hear_rest()

    round_(10)
    before = stays.descriptors, other.descriptors, resident(stays)
    for _ in range(5):
        round_(10)
    assert (stays.descriptors, other.descriptors) == before[:2]
    # Kilobytes for fifty workers that are gone.
    assert resident(stays) < before[2] + 2000
    wire.wire.close()
    # The key, and those two; what the last ones left goes with who comes next.
    (third,) = workers.start(1)
    assert len(list(workers.mesh.iterdir())) == 4
    assert json.loads(get(third.port, "/page").body) == third.pid
