"""What comes over the mesh is judged, whoever it comes from: one line, and nobody is disturbed."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from ..support.liars import Liar, request
from ..support.workers import Wire, Worker, Workers

NUMBER = struct.pack(">I", 7)
EMISSION, ORDER, QUESTION, ANSWER = 1, 2, 3, 4
ASK, GIVEN, CANCEL, FATE, BEGUN, PIECE, ENDED, NEXT, PING, PONG = range(16, 26)
PASS = 0x81
MANY = [str(number) for number in range(100_000)]
DEEP = b"[" * 200_000


def values(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def question(*head: object, brings: bytes = b"430[]") -> bytes:
    return NUMBER + json.dumps(head).encode() + b"\n" + values(brings)


def emission(*head: object) -> bytes:
    return json.dumps(head).encode() + b"\n42"


def order(*head: object) -> bytes:
    return json.dumps(["socket.io", *head]).encode()


GARBAGE = {
    "an emission without a head": (EMISSION, b""),
    "an emission to no namespace": (
        EMISSION,
        emission("socket.io", ["x"], None, [], 0, {"eio4": [2]}),
    ),
    "an emission to too many rooms": (EMISSION, emission("socket.io", "", MANY, [], 0, {})),
    "a deep emission": (EMISSION, DEEP + b"\n"),
    "no order": (ORDER, b"\xff\xfe\xfa"),
    "an order for too many rooms": (ORDER, order("join", "", None, [], MANY)),
    "an order without its value": (ORDER, order("disconnect", "", None, [], [])),
    "an order for rooms that are none": (ORDER, order("join", "", [[1]], [], ["a"])),
    "a deep order": (ORDER, DEEP),
    "a question of another kind": (QUESTION, question("socket.io", "eval", "", None, [], 1)),
    "a question to others": (QUESTION, question("others", "sockets", "", None, [], 1)),
    "a call without an event": (QUESTION, question("socket.io", "call", "", None, [], 1)),
    "a call for ever": (
        QUESTION,
        question("socket.io", "call", "", None, [], float("inf"), brings=b'430["who",[]]'),
    ),
    "an event that has no name": (
        QUESTION,
        question("socket.io", "server-side", "", None, [], 1, brings=b"430[{},[]]"),
    ),
    "values that end early": (QUESTION, question("socket.io", "sockets", "", None, [], 1)[:-3]),
    **{
        f"a frame of kind {kind} without a number": (kind, b"\0")
        for kind in (ANSWER, ASK, GIVEN, CANCEL, FATE, BEGUN, PIECE, ENDED, NEXT)
    },
    "a request without a head": (ASK, NUMBER + b"\xff" * 20),
}

#: Nothing that somebody waits for, and no mistake either: it may have been cancelled.
NEVER_ASKED = [(kind, NUMBER + b"\1200 OK\n\n") for kind in (ANSWER, GIVEN, BEGUN, PIECE, ENDED)]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    some = Workers()
    some.start(2)
    yield some
    some.close()


@pytest.fixture
def wires(workers: Workers) -> Iterator[list[Wire]]:
    some = [Wire(worker) for worker in workers.all]
    yield some
    for each in some:
        each.wire.close()


Connect = Callable[[], Liar]


@pytest.fixture
def liar(workers: Workers, wires: list[Wire]) -> Iterator[Connect]:
    some: list[Liar] = []

    def connect() -> Liar:
        some.append(Liar(workers.mesh, wires[0].name[:4]))
        return some[-1]

    yield connect
    for one in some:
        one.close()
    # Nobody was disturbed, and the workers know each other.
    here, there = wires
    for wire in wires:
        wire.hear_rest()
    there.ask("say", "still here")
    assert here.hear() == ["said", "still here"]
    worker = workers.all[0]
    assert "Traceback" not in worker.output


def lines(worker: Worker, code: str) -> int:
    return worker.output.count(code)


def settled(liar: Liar) -> None:
    """What it has sent before has been read."""
    liar.send(PING)
    while liar.hear()[0] != PONG:
        pass


def test_garbage_is_dropped_and_said_once(workers: Workers, liar: Connect) -> None:
    worker = workers.all[0]
    for kind, payload in GARBAGE.values():
        one, before = liar().greet(), lines(worker, "[mesh-garbage]")
        for _ in range(20):
            one.send(kind, payload)
        settled(one)
        worker.find(f"worker {one.name} sent what makes no sense")
        assert lines(worker, "[mesh-garbage]") == before + 1


def test_answers_that_nobody_waits_for_change_nothing(workers: Workers, liar: Connect) -> None:
    worker, one = workers.all[0], liar().greet()
    before = lines(worker, "[mesh-garbage]")
    for kind, payload in NEVER_ASKED:
        one.send(kind, payload)
    settled(one)
    assert lines(worker, "[mesh-garbage]") == before


@pytest.mark.parametrize("given", [b'430["x"]', b'430[["a",[[]],""]]', b"\xff"])
def test_who_answers_what_is_no_answer_is_missing(
    workers: Workers, wires: list[Wire], liar: Connect, given: bytes
) -> None:
    one = liar().greet()
    settled(one)

    def answer() -> None:
        kind, payload = one.hear()
        while kind != QUESTION:
            kind, payload = one.hear()
        one.send(ANSWER, payload[:4] + b"\1" + values(given))

    task = threading.Thread(target=answer)
    task.start()
    found, missing = wires[0].ask("fetch", "lobby")
    task.join()
    assert [each[0] for each in found] == sorted(wire.name for wire in wires)
    assert missing == [one.name]
    workers.all[0].find(f"worker {one.name} sent what makes no sense: an answer that cannot")


@pytest.mark.parametrize("size", [64_000_001, 0xFFFFFFFF])
def test_a_frame_that_is_too_long_ends_it(workers: Workers, liar: Connect, size: int) -> None:
    one = liar().greet()
    one.say_size(size)
    one.hear_end()
    workers.all[0].find(f"WARNING worker {one.name} is gone: it sent a frame of {size} bytes")


def test_nobody_has_the_name_of_another(workers: Workers, wires: list[Wire], liar: Connect) -> None:
    for name in (wires[0].name[:4], wires[1].name[:4]):
        liar().greet(name).hear_end()
    workers.all[0].find("it sent the name of another")


def test_strangers_make_room_for_others(workers: Workers, liar: Connect) -> None:
    before = workers.all[0].descriptors
    silent = [liar() for _ in range(100)]
    one = liar().greet()
    settled(one)
    # Those that came first have gone.
    for each in silent[:30]:
        each.hear_end()
    for each in silent:
        each.close()
    settled(one)
    assert workers.all[0].descriptors <= before + 65


def upgrade_of(sid: str) -> bytes:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": "EIO=4&transport=websocket" + (f"&sid={sid}" if sid else ""),
        "wsgi.url_scheme": "http",
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "upgrade",
        "HTTP_SEC_WEBSOCKET_KEY": base64.b64encode(b"k" * 16).decode(),
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
    }
    return request(7, environ)


def _pipe() -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


THINGS: dict[str, Callable[[], int]] = {
    "file": lambda: os.open(__file__, os.O_RDONLY),
    "directory": lambda: os.open("/", os.O_RDONLY),
    "pipe": _pipe,
    "datagrams": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(),
}


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_no_connection_is_closed(workers: Workers, liar: Connect, thing: str) -> None:
    one, before = liar().greet(), workers.all[0].descriptors
    settled(one)
    one.send(ASK, upgrade_of(""))
    kind, answer = one.hear()
    while kind != GIVEN:
        kind, answer = one.hear()
    assert b"101 Switching" in answer
    for _ in range(2):
        descriptor = THINGS[thing]()
        one.send(PASS, NUMBER, [descriptor])
        os.close(descriptor)
    settled(one)
    workers.all[0].find("what is no connection")
    assert workers.all[0].descriptors <= before + 1


def test_descriptors_without_frames_are_closed(workers: Workers, liar: Connect) -> None:
    one = liar().greet()
    try:
        for _ in range(100):
            one.send(PING, b"", [0] * 8)
    except OSError:
        pass
    one.hear_end()
    workers.all[0].find("it sent descriptors without their frames")


def test_more_rooms_than_may_travel_are_refused_where_somebody_emits(wires: list[Wire]) -> None:
    here, there = wires
    assert "may name 10000" in here.ask("many", 10_001)
    assert here.ask("many", 10_000) == "sent"
    there.hear_nothing()
