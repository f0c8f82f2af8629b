"""What is left of a request that another worker had, when it is over."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import pytest
from webob import Request

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.backplane.mesh.directory import Directory
from sockio.backplane.mesh.link import Frame, Link
from sockio.backplane.mesh.mesh import Mesh
from sockio.http.forwarding.frames import ASK, CANCEL, FATE, GIVEN, NUMBER, head_of_request
from sockio.http.forwarding.owner import Asked, Owner
from sockio.http.route import route_at
from sockio.runtime.gevent_runtime import GeventRuntime

PATIENCE = 10.0


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]


class Other:
    """Another worker, which asks."""

    def __init__(self, mesh: Mesh, owner: str) -> None:
        self._mesh, self._owner = mesh, owner
        self._heard: list[bytes] = []
        self._changed = gevent.event.Event()
        mesh.take(GIVEN, self._given)

    def _given(self, link: Link, frame: Frame) -> None:
        self._heard.append(frame.payload)
        self._changed.set()

    def ask(self, number: int, method: str, path: str, body: bytes = b"") -> None:
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.url_scheme": "http"}
        data = NUMBER.pack(number) + head_of_request("", environ) + body
        assert self._mesh.send(self._owner, ASK, data, first=True)

    def answer(self) -> bytes:
        with gevent.Timeout(PATIENCE):
            while not self._heard:
                self._changed.wait()
                self._changed.clear()
        return self._heard.pop(0)

    def cancel(self, number: int) -> None:
        self._mesh.send(self._owner, CANCEL, NUMBER.pack(number), first=True)

    def tell_fate(self, number: int) -> None:
        self._mesh.send(self._owner, FATE, NUMBER.pack(number) + b"\1", first=True)


@pytest.fixture
def app() -> SocketIOMiddleware:
    transports = ["xhr-polling", "htmlfile"]
    return SocketIOMiddleware(page, {"": BaseNamespace}, transports=transports)


@pytest.fixture
def other(app: SocketIOMiddleware) -> Iterator[Other]:
    runtime = app.runtime
    assert isinstance(runtime, GeventRuntime)
    runtime.bind()
    folder = tempfile.mkdtemp(prefix="mesh")
    here, there = (Mesh(Directory(Path(folder, "m")), runtime) for _ in range(2))

    def endpoint_of(place: str, path: str, query: str) -> Any:
        route = route_at("/socket.io", path, query)
        return None if route is None else (app.endpoint, route)

    Owner(here, runtime, endpoint_of)
    yield Other(there, here.boot)
    for each in (here, there):
        each.close()
    shutil.rmtree(folder)


def test_who_hangs_up_at_once_costs_nothing(
    app: SocketIOMiddleware, other: Other, caplog: pytest.LogCaptureFixture
) -> None:
    sid = Request.blank("/socket.io/1/").get_response(app).text.split(":")[0]
    other.ask(1, "GET", f"/socket.io/1/htmlfile/{sid}")
    # What has come whole is handled, in a task, though nobody waits for that to begin.
    other.ask(2, "POST", f"/socket.io/1/xhr-polling/{sid}", b"\xff")
    for number in (1, 2):
        other.cancel(number)
    with gevent.Timeout(PATIENCE):
        while "bad-payload" not in caplog.text:
            gevent.sleep(0)


def test_nothing_waits_for_the_garbage_collector(app: SocketIOMiddleware, other: Other) -> None:
    sid = Request.blank("/socket.io/1/").get_response(app).text.split(":")[0]
    path = f"/socket.io/1/xhr-polling/{sid}"
    gc.collect()
    gc.disable()
    try:
        other.ask(1, "GET", path)
        assert other.answer().endswith(b"1::")
        other.tell_fate(1)
        # Answered in the loop, and in a task, for what is wrong is logged.
        for number, body in enumerate((b"5:::{}", b"\xff"), 2):
            other.ask(number, "POST", path, body * 1000)
            other.answer()
        other.ask(4, "GET", path)
        # Which is told what was wrong.
        assert other.answer().endswith(b"7::")
        other.tell_fate(4)
        # What was sent before has been read when this is answered.
        other.ask(5, "GET", "/socket.io/")
        other.answer()
        with gevent.Timeout(PATIENCE):
            while left := [each for each in gc.get_objects() if type(each) is Asked]:
                del left
                gevent.sleep(0)
    finally:
        gc.enable()
