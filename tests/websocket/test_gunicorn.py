"""gunicorn's two gevent workers that can open websockets, each as a process of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import gevent
import pytest

from ..support.raw_http import Connection, get, handshake
from ..support.raw_websocket import TEXT, RawWebSocket, frame, open_session
from ..support.transcript import PATIENCE, Transcript

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gunicorn") is None or importlib.util.find_spec("packaging") is None,
    reason="needs gunicorn: pip install 'gunicorn[gevent]'",
)

APPLICATION = """
from sockio import BaseNamespace, SocketIOMiddleware

class Echo(BaseNamespace):
    def recv_message(self, data):
        self.send(data)

    def recv_disconnect(self, reason):
        print("disconnect:", reason, flush=True)

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]

app = SocketIOMiddleware(hello, {"": Echo})
"""

WORKERS = [
    pytest.param("gevent_pywsgi", id="gevent_pywsgi"),
    pytest.param("geventwebsocket.gunicorn.workers.GeventWebSocketWorker", id="gevent-websocket"),
]


class Gunicorn(NamedTuple):
    port: int
    said: Transcript


@pytest.fixture(scope="module", params=WORKERS)
def gunicorn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gunicorn]:
    folder = tmp_path_factory.mktemp("gunicorn")
    (folder / "application.py").write_text(APPLICATION)
    # The same sockio that this process imports: the installed wheel, or the checkout.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    options = f"--bind 127.0.0.1:0 --worker-class {request.param} --graceful-timeout 2"
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options.split(), "application:app"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environ,
    )
    said = Transcript(f"gunicorn -k {request.param}")

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.add("line", line.rstrip())
        said.end()

    def listening() -> int | None:
        lines = [str(line) for (line,) in said.all("line")]
        if not any("Booting worker" in line for line in lines):
            return None
        found = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", "\n".join(lines))
        return int(found[1]) if found else None

    listener = gevent.spawn(listen)
    try:
        yield Gunicorn(said.wait(listening, "gunicorn to listen"), said)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            listener.join()
            assert process.stdout is not None
            process.stdout.close()


def told(gunicorn: Gunicorn, reason: str) -> None:
    gunicorn.said.next("line", f"disconnect: {reason}")


def test_a_websocket(gunicorn: Gunicorn) -> None:
    with open_session(gunicorn.port) as websocket:
        websocket.say("3:::\u2603")
        assert websocket.hear() == "3:::\u2603"
        websocket.say("3:::" + "x" * 200_000)
        assert websocket.hear() == "3:::" + "x" * 200_000
        websocket.say("0::")
        assert websocket.hear() == "0::"
        assert websocket.closing() == 1000
    told(gunicorn, "client disconnect")


def test_a_websocket_that_is_cut(gunicorn: Gunicorn) -> None:
    open_session(gunicorn.port).reset()
    told(gunicorn, "transport close")


def test_frames_in_one_segment_with_the_request_are_not_lost(gunicorn: Gunicorn) -> None:
    early = frame(TEXT, "3:::early")
    with RawWebSocket(gunicorn.port, handshake(gunicorn.port), behind=early) as websocket:
        assert [websocket.hear(), websocket.hear()] == ["1::", "3:::early"]
    told(gunicorn, "transport close")


def test_polling(gunicorn: Gunicorn) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(gunicorn.port)}"
    with Connection(gunicorn.port) as kept:
        assert kept.ask("GET", path).body == "1::"
        assert kept.ask("POST", path, "3:::\u2603").body == "1"
        assert kept.ask("GET", path).body == "3:::\u2603"
    assert get(gunicorn.port, f"{path}?disconnect").code == 200
    told(gunicorn, "client disconnect")


def test_the_wrapped_application(gunicorn: Gunicorn) -> None:
    assert get(gunicorn.port, "/").body == "hello"


def test_no_tracebacks(gunicorn: Gunicorn) -> None:
    """Behind the others, to which the same process has answered."""
    assert "Traceback" not in str(gunicorn.said)
