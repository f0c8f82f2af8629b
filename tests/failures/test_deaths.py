"""Workers that are killed at the worst moment: what their clients and the others see of it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..support.engine_client import EngineSession, EngineWire
from ..support.liars import Liar
from ..support.processes import Process
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import upgrade_request
from ..support.tls import make_certificate
from ..support.transcript import eventually
from ..support.workers import WORKER, Wire, Worker, Workers

#: Frames of the mesh.
ASK, GIVEN = 16, 17
SWITCHING = b"101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n\n"
RESTARTS = int(os.environ.get("SOCKIO_RESTARTS", "1000"))


def back_to(worker: Worker, number: int) -> None:
    eventually(lambda: worker.descriptors <= number, f"there are {number} descriptors")


def test_mid_poll(workers: Workers) -> None:
    """Its own clients are cut off, and learn from any other worker that they are to begin anew."""
    owner, other = workers.start()
    session, old = EngineSession(owner.port, 4), handshake(owner.port)
    path = f"/socket.io/1/xhr-polling/{old}"
    assert get(owner.port, path).body == "1::"
    polls = [Connection(owner.port), Connection(owner.port)]
    for poll, each in zip(polls, (session.path, path), strict=True):
        poll.request("GET", each)
    assert session.post('42["who"]').code == 200
    owner.send(signal.SIGKILL)
    for poll in polls:
        with pytest.raises((EOFError, ConnectionResetError)):
            poll.answer()
        poll.close()
    session.close()
    answer = get(other.port, session.path)
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 1)
    assert get(other.port, path).body.startswith("7:::1+0")
    EngineSession(other.port, 4).close()


def test_who_forwards_dies_mid_forward(workers: Workers) -> None:
    """A poll, a POST half-way, a stream: to the owner it is as if their clients had hung up."""
    owner, other = workers.start()
    before = owner.descriptors
    talker = Wire(owner)
    later, (old, streaming) = EngineSession(owner.port, 4), [handshake(owner.port) for _ in "ab"]
    path = f"/socket.io/1/xhr-polling/{old}"
    assert get(owner.port, path).body == "1::"
    with ExitStack() as stack:
        cut = [stack.enter_context(Connection(other.port)) for _ in range(4)]
        cut[0].request("GET", later.path)
        cut[1].request("GET", path)
        cut[2].send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n5:::{{".encode())
        cut[3].request("GET", f"/socket.io/1/htmlfile/{streaming}")
        cut[3].read_until(b"1::")
        # All are open at the owner: what was sent behind them has been answered.
        assert post(other.port, path, "2::").body == "1"
        other.send(signal.SIGKILL)
        for each in cut[:3]:
            assert each.at_end()
        with pytest.raises((EOFError, ConnectionResetError)):
            cut[3].read(1000)
    # What is in an answer that the dead one may have written is not sent again.
    owner.find(r"worker \S{4} is gone")
    # 0.9 goes on polling, anywhere, and has missed nothing; half a POST was not handled.
    talker.ask("say", "to whom it concerns")
    (third,) = workers.start(1)
    assert get(third.port, path).body == '5:::{"name":"said","args":["to whom it concerns"]}'
    # A later client has lost a poll: its session has ended, as if it had hung up.
    assert get(third.port, later.path).code == 400
    assert "7:::1+0" in get(third.port, f"/socket.io/1/htmlfile/{streaming}").body
    later.close()
    talker.wire.close()
    third.kill()
    back_to(owner, before)


def sid_of(liar: Liar) -> str:
    """A session id that the other workers take for one that this one has given."""
    marked = liar.name + "x" * 20
    digest = hashlib.blake2s(marked.encode(), digest_size=6, key=liar.key).digest()
    return marked + base64.urlsafe_b64encode(digest).decode()


@pytest.mark.parametrize("count", [1, 400])
def test_with_descriptors_queued(workers: Workers, count: int) -> None:
    """It has said that it opens the websockets, their connections are on the way, and it dies
    without having looked: with one in the kernel's queue, and with more than that takes."""
    (worker,) = workers.start(1)
    wire = Wire(worker)
    before = worker.descriptors
    liar = Liar(workers.mesh, wire.name[:4]).greet()
    path = f"/socket.io/?EIO=4&transport=websocket&sid={sid_of(liar)}"
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(worker.port)) for _ in range(count)]
        for connection in connections:
            # So that the queue is full with fewer of them.
            connection.send(upgrade_request(path, worker.port, {"Cookie": "x" * 2000}))
        for _ in range(count):
            kind, payload = liar.hear()
            while kind != ASK:
                kind, payload = liar.hear()
            liar.send(GIVEN, payload[:4] + b"\0" + SWITCHING)
        for connection in connections:
            assert connection.answer().code == 101
        wire.ask("who")
        liar.close()
        for connection in connections:
            assert connection.at_end()
    back_to(worker, before)
    # Who asks now is told that there is no such session.
    with Connection(worker.port) as connection:
        connection.send(upgrade_request(path, worker.port))
        assert connection.answer().code == 400
    assert wire.ask("who") == [worker.pid, wire.name]
    assert "Traceback" not in worker.output
    wire.wire.close()


@pytest.mark.parametrize("who", ["the owner", "the relay"])
def test_as_relay(workers: Workers, tmp_path: Path, who: str) -> None:
    """With TLS in the workers one goes between a websocket and its owner: either may be killed."""
    certificate = make_certificate(tmp_path)
    owner, other, third = workers.start(
        3, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile)
    )
    tls = certificate.client_context()
    before = owner.descriptors, other.descriptors
    session = EngineSession(owner.port, 4, tls=tls)
    wire = EngineWire(other.port, sid=session.sid, tls=tls)
    wire.say("2probe")
    assert wire.hear() == "3probe"
    assert session.get() == ["6"]
    wire.say("5")
    wire.say('421["who"]')
    assert str(owner.pid) in wire.hear()
    session.close()
    stays, dies = (other, owner) if who == "the owner" else (owner, other)
    dies.send(signal.SIGKILL)
    with pytest.raises((EOFError, ConnectionResetError)):
        wire.read_frame()
    wire.close()
    # Without those to the dead one.
    back_to(stays, before[stays is other])
    answer = get(third.port, session.path, tls=tls)
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 1)
    assert "Traceback" not in stays.output


# ---- questions


def asked_open(here: Wire, there: Wire) -> str:
    """Have one ask the other's room with half a minute to answer; the number of the question."""
    here.ask("move", there.name, "asked")
    here.wire.say('4277["ask_all","asked",30]')
    packet = there.wire.hear()
    assert packet.startswith("451-")
    assert there.wire.hear_bytes() == b"\0\xff"
    return packet[len("451-") : packet.index("[")]


def test_who_dies_while_it_is_asked_is_named_at_once(workers: Workers) -> None:
    first, second = workers.start()
    here, dying = Wire(first), Wire(second)
    asked_open(here, dying)
    second.send(signal.SIGKILL)
    assert here.wire.hear() == f'4377[[{{}},["worker {dying.name[:4]}"]]]'
    for each in (here, dying):
        each.wire.close()


def test_who_joins_while_others_are_asked_is_not_waited_for(workers: Workers) -> None:
    first, second = workers.start()
    here, there = Wire(first), Wire(second)
    number = asked_open(here, there)
    (third,) = workers.start(1)
    late = Wire(third)
    late.ask("move", late.name, "asked")
    there.wire.say(f'43{number}["yes"]')
    assert here.wire.hear() == f'4377[[{{"{there.name}":"yes"}},[]]]'
    late.hear_nothing()
    # The next question is for it, too.
    found, missing = here.ask("fetch", "asked")
    assert {each[0] for each in found} == {there.name, late.name}
    assert missing == []
    for each in (here, there, late):
        each.wire.close()


# ---- again and again


def test_a_thousand_restarts_leave_no_file_and_no_descriptor(workers: Workers) -> None:
    (stays,) = workers.start(1)
    program = Path(__file__).with_name("nursery.py")
    command = [sys.executable, str(program), str(WORKER), str(workers.shared), "{}"]
    nursery = Process(command, WORKER.parent, new_session=True, SOCKIO_MESH=str(workers.mesh))
    seen = 0

    def born() -> re.Match[str] | None:
        nonlocal seen
        for (line,) in nursery.said.all("line")[seen:]:
            seen += 1
            if found := re.match(r"port (\d+)", line):
                return found
        return None

    try:
        before = 0
        for number in range(RESTARTS):
            port = int(nursery.said.wait(born, "the next one")[1])
            session = EngineSession(port, 4)
            assert post(stays.port, session.path, '42["who"]').code == 200
            session.close()
            if number == 0:
                before = stays.descriptors
            os.kill(int(get(port, "/page").body), signal.SIGKILL)
        nursery.said.wait(born, "the last one")
        back_to(stays, before)
        # A name for each of two, and the key.
        assert len(list(workers.mesh.iterdir())) == 3
        assert "Traceback" not in stays.output
    finally:
        # With its child.
        os.killpg(nursery.pid, signal.SIGKILL)
        nursery.kill()
