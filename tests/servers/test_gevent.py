"""gevent's own server, plain and with gevent-websocket's handler, and `sockio serve`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ..support.processes import need_module, running
from ..support.raw_http import Connection, get, handshake
from ..support.raw_websocket import upgrade_request
from .contract import FOLDER, PYTHON, EndingContract, Served, WebSocketContract

pytestmark = pytest.mark.e2e

PATCHED = "from gevent import monkey; monkey.patch_all()\n"

PYWSGI = """
from gevent.pywsgi import WSGIServer
from chat import application
server = WSGIServer(("127.0.0.1", 0), application)
"""

GEVENT_WEBSOCKET = """
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler
from chat import application
server = WSGIServer(("127.0.0.1", 0), application, handler_class=WebSocketHandler)
"""

SERVE = """
server.start()
print("port", server.server_port, flush=True)
server.serve_forever()
"""

#: The ancestor's own way, whose server had everything.
OLD_SERVER = """
from chat import application
from sockio.server import SocketIOServer
server = SocketIOServer(("127.0.0.1", 0), application)
"""

WSGIREF = """
from wsgiref.simple_server import make_server
from chat import application
server = make_server("127.0.0.1", 0, application)
print("port", server.server_port, flush=True)
server.serve_forever()
"""

WAITRESS = """
from waitress.server import create_server
from chat import application
server = create_server(application, host="127.0.0.1", port=0)
print("port", server.effective_port, flush=True)
server.run()
"""


@contextmanager
def program(text: str) -> Iterator[Served]:
    with running([PYTHON, "-c", "import sys; sys.path.insert(0, '')\n" + text], FOLDER) as process:
        yield Served(process, int(process.find(r"port (\d+)")[1]))


@contextmanager
def sockio_serve() -> Iterator[Served]:
    command = [PYTHON, "-m", "sockio.cli", "serve", "chat:application", "--port", "0"]
    with running(command, FOLDER) as process:
        yield Served(process, int(process.find(r"serving on http://127\.0\.0\.1:(\d+)")[1]))


class TestPywsgi(WebSocketContract):
    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return program(PATCHED + PYWSGI + SERVE)


class TestGeventWebSocket(WebSocketContract):
    asks_first = False

    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return program(PATCHED + GEVENT_WEBSOCKET + SERVE)


class TestSocketIOServer(WebSocketContract):
    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return program(PATCHED + OLD_SERVER + SERVE)


class TestSockioServe(WebSocketContract):
    @staticmethod
    def serving() -> AbstractContextManager[Served]:
        return sockio_serve()


class TestEnding(EndingContract):
    @pytest.fixture
    def doomed(self) -> Iterator[Served]:
        with sockio_serve() as server:
            yield server


def test_ws04_late_patching_is_said() -> None:
    with program(PYWSGI + SERVE) as server:
        handshake(server.port)
        server.process.find("gevent has not patched the standard library.*monkey.patch_all")


@pytest.mark.parametrize(
    ("text", "module"),
    [
        pytest.param(WSGIREF, "wsgiref", id="wsgiref, one request after the other"),
        pytest.param(WAITRESS, "waitress", id="waitress, threads"),
    ],
)
def test_ws07_a_server_without_gevent_is_said_to_be_no_place_for_clients(
    text: str, module: str
) -> None:
    need_module(module, requirement=module)
    with program(text) as server:
        sid = handshake(server.port)
        server.process.find("does not run requests as greenlets.*sockio serve module:app")
        # What works all the same: one client that polls.
        assert get(server.port, f"/socket.io/1/xhr-polling/{sid}").body == "1::"
        with Connection(server.port) as connection:
            connection.send(upgrade_request(f"/socket.io/1/websocket/{sid}", server.port))
            assert connection.answer().code == 501
        server.process.kill()


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        pytest.param([], 1, id="counted"),
        pytest.param(["--reloaded"], 5, id="in the process that --reload restarts"),
        pytest.param(["--verbose"], 5, id="verbose"),
    ],
)
def test_whoever_watches_sees_every_line(tmp_path: Path, options: list[str], lines: int) -> None:
    (tmp_path / "pages.py").write_text("from sockio.testing.server import not_ours\n")
    command = [PYTHON, "-m", "sockio.cli", "serve", "pages:not_ours", "--port", "0"]
    with running([*command, "--log-lines", "1", *options], tmp_path) as process:
        port = int(process.find(r"serving on http://127\.0\.0\.1:(\d+)")[1])
        for _ in range(5):
            assert get(port, "/socket.io/1/carrier-pigeon/sid").status == "HTTP/1.1 400 Bad Request"
        assert process.stop() == 0
        assert process.output.count("carrier-pigeon' is not among") == lines
        assert ("4 more lines of this kind" in process.output) is (lines == 1)


def test_without_the_parser_everything_is_served_by_pywsgi() -> None:
    with program("sys.modules['httptools'] = None\n" + PATCHED + OLD_SERVER + SERVE) as server:
        assert get(server.port, "/socket.io/1/").status == "HTTP/1.1 200 OK"
