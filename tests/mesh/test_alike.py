"""Another worker answers what the owner of the session would answer, whatever is asked."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping

import pytest

from ..support.raw_http import Answer, Connection
from ..support.workers import Worker, Workers

PAGE = "http://page.example"
HEADERS: list[Mapping[str, str]] = [
    {},
    {"Origin": PAGE},
    {"Origin": "http://elsewhere.example"},
    {"Origin": PAGE, "Access-Control-Request-Method": "POST"},
    {"Host": "elsewhere.example"},
    {"Connection": "Upgrade"},
    {"Content-Type": "application/octet-stream", "X-" + "x" * 3000: "long"},
    {"Content-Length": "2000000"},
]
OLD = [
    "xhr-polling/SID",
    "jsonp-polling/SID?i=0",
    "websocket/SID",
    "nonsense/SID",
    "/SID/?disconnect",
]
NEW = ["polling", "polling&j=0", "polling&j=x", "websocket", "nonsense", "polling&EIO=3"]
PATHS = [f"/socket.io/1/{each}" for each in OLD]
PATHS += [f"/socket.io/?EIO=4&transport={each}&sid=SID" for each in NEW]
BODIES = [b"\xff\xfe", b"2\x1e4x", b"5:::{}", b"d=3"]


@pytest.fixture(params=[(), ("http", "detach")], ids=["fast", "pywsgi"])
def workers(request: pytest.FixtureRequest) -> Iterator[list[Worker]]:
    some = Workers()
    without = list(request.param)
    yield some.start(2, without=without, origins=[PAGE], hosts=["here.example"])
    some.close()


def ask(
    worker: Worker, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
) -> Answer:
    sent = {"Host": "here.example", **headers}
    if method in ("POST", "PUT"):
        sent.setdefault("Content-Length", str(len(body)))
    lines = [f"{name}: {value}" for name, value in sent.items()]
    with Connection(worker.port) as connection:
        connection.send("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body)
        if method == "HEAD":
            head = connection.read_until(b"\r\n\r\n").decode()
            return Answer(head.split("\r\n")[0], {}, "")
        return connection.answer()


def new_session(worker: Worker, path: str) -> str:
    if path.startswith("/socket.io/1/"):
        sid = ask(worker, "GET", "/socket.io/1/").body.split(":")[0]
        assert ask(worker, "GET", f"/socket.io/1/xhr-polling/{sid}").body == "1::"
        return sid
    opened = ask(worker, "GET", "/socket.io/?EIO=4&transport=polling").body
    sid = json.loads(opened[1:])["sid"]
    assert isinstance(sid, str)
    return sid


def test_a_request_is_answered_alike(workers: list[Worker]) -> None:
    owner = workers[0]
    cases = itertools.product(("POST", "OPTIONS", "PUT", "HEAD"), PATHS, HEADERS)
    for number, (method, path, headers) in enumerate(cases):
        # Two of three are left out, and each is tried in some combination.
        if number % 3:
            continue
        body = BODIES[number % len(BODIES)] if method in ("POST", "PUT") else b""
        said = []
        for worker in workers:
            sid = new_session(owner, path)
            answer = ask(worker, method, path.replace("SID", sid), headers, body)
            answer.headers.pop("date", None)
            said.append(answer)
        assert said[0] == said[1], (method, path, headers, body)
    assert all("Traceback" not in worker.output for worker in workers)
