"""PasteDeploy: the keys of its sections, and ``pserve`` with the real JavaScript client."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..support.node import Node
from ..support.processes import Process, need_distribution, need_module, running
from ..support.raw_http import get, handshake
from ..support.raw_websocket import open_session
from ..support.tls import make_certificate
from ..support.transcript import eventually
from .contract import FOLDER, PYTHON, EndingContract, Served, WebSocketContract

pytestmark = pytest.mark.e2e

FILTERED = """
[app:main]
use = call:ini_project:page_factory
filter-with = sockio

[filter:sockio]
use = egg:sockio-wsgi
namespaces = ini_project:NAMESPACES
heartbeat_interval = 15
"""
SERVER = """
[server:main]
use = egg:sockio-wsgi#paster
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    need_distribution("sockio-wsgi")  # eggs are found by it
    return with_project(tmp_path)


def with_project(folder: Path) -> Path:
    for name in ("chat.py", "ini_project.py"):
        shutil.copy(FOLDER / name, folder)
    return folder


@contextmanager
def pserve(folder: Path, ini: str, *options: str) -> Iterator[Served]:
    need_module("pyramid", "hupper", requirement=".[pyramid-demo]")
    (folder / "site.ini").write_text(ini)
    command = [PYTHON, "-W", "ignore", "-m", "pyramid.scripts.pserve", str(folder / "site.ini")]
    # From another folder: "here" is that of the ini file.
    with running([*command, *options], Path("/")) as process:
        port = process.find(r"serving on https?://127\.0\.0\.1:(\d+)")[1]
        yield Served(process, int(port))


class TestPserve(WebSocketContract):
    @staticmethod
    @contextmanager
    def serving() -> Iterator[Served]:
        with (
            tempfile.TemporaryDirectory() as folder,
            pserve(with_project(Path(folder)), FILTERED + SERVER, "port=0") as server,
        ):
            yield server


class TestPserveEnding(EndingContract):
    @pytest.fixture
    def doomed(self, folder: Path) -> Iterator[Served]:
        with pserve(folder, FILTERED + SERVER + "port = 0\n") as server:
            yield server


def test_gs14_gevent_has_patched_before_the_application_is_imported(folder: Path) -> None:
    with pserve(folder, FILTERED + SERVER + "port = 0\n") as server:
        assert "patched: True" in server.process.output
        assert "MonkeyPatchWarning" not in server.process.output


def test_gs14_keys_of_the_server(folder: Path, node: Node) -> None:
    """All that the ancestor had, in a server that wraps the application itself."""
    ini = """
[app:main]
use = call:ini_project:view_factory

[server:main]
use = egg:sockio-wsgi#paster
host = 127.0.0.1
port = 0
backlog = 16
resource = live/io
transports = xhr-polling, websocket
policy_server = true
policy_listener_host = 127.0.0.1
policy_listener_port = 0
policy_domains = *
heartbeat_interval = 7
heartbeat_timeout = 33
close_timeout = 44
"""
    with pserve(folder, ini) as server:
        assert get(server.port, "/live/io/1/").body.split(":")[1:] == [
            "33",
            "44",
            "xhr-polling,websocket",
        ]
        ada = node.connect(f"{server.url}/chat", "websocket", resource="live/io")
        ada.next("connect")
        assert ada.ask("echo", 1) == [1]


def test_gs14_the_filter_as_filter_app_and_another_one_around_it(folder: Path, node: Node) -> None:
    ini = """
[pipeline:main]
pipeline = around live

[filter:around]
paste.filter_app_factory = ini_project:around_factory

[filter-app:live]
use = egg:sockio-wsgi
next = pages
namespaces = ini_project:NAMESPACES

[app:pages]
use = call:ini_project:page_factory

[server:main]
use = egg:sockio-wsgi#paster
port = 0
"""
    with pserve(folder, ini) as server:
        ada = node.connect(f"{server.url}/chat", "xhr-polling")
        ada.next("connect")
        assert ada.ask("echo", 1) == [1]
        assert "around: /socket.io/1/xhr-polling/" in server.process.output
        with open_session(server.port, "/chat") as websocket:
            assert server.process.stop() == 0
            assert websocket.closing() == 1001


def test_gs14_the_filter_under_another_server(folder: Path, node: Node) -> None:
    need_module("gunicorn", "packaging", requirement="gunicorn[gevent]")
    (folder / "site.ini").write_text(FILTERED)
    command = [PYTHON, "-m", "gunicorn", "--paste", "site.ini", "--pythonpath", str(folder)]
    worker = "sockio.integrations.gunicorn_worker.GeventSocketIOWorker"
    with running([*command, "-k", worker, "--bind", "127.0.0.1:0"], folder) as process:
        port = process.find(r"Listening at: http://127\.0\.0\.1:(\d+)")[1]
        process.find("Booting worker")
        ada = node.connect(f"http://127.0.0.1:{port}/chat", "websocket")
        ada.next("connect")
        assert ada.ask("echo", 1) == [1]


def test_tls_by_certfile_and_keyfile(folder: Path) -> None:
    certificate = make_certificate(folder)
    files = "certfile = %(here)s/certificate.pem\nkeyfile = %(here)s/key.pem\n"
    with pserve(folder, f"{FILTERED}{SERVER}port = 0\n{files}") as server:
        assert "serving on https://" in server.process.output
        with open_session(server.port, "/chat", tls=certificate.client_context()) as websocket:
            websocket.say("3::/chat:hello")
            assert websocket.hear() == "3::/chat:hello"


def test_reload_restarts_the_worker_and_tells_the_clients(folder: Path) -> None:
    with pserve(folder, FILTERED + SERVER, "port=0", "--reload", "--reload-interval", "1") as first:
        with open_session(first.port, "/chat") as websocket:
            changed = (folder / "ini_project.py").read_text().replace("patched:", "patched again:")

            def noticed() -> bool:
                # hupper looks once a second, also at which files there are to be looked at.
                (folder / "ini_project.py").write_text(changed)
                return "ini_project.py changed; reloading" in first.process.output

            eventually(noticed, "the change is noticed")
            assert websocket.closing() == 1001
        first.told("server shutting down")
        output = first.process.find(r"patched again: True\n[^$]*serving on (\S+)")
        with_new = Served(first.process, int(output[1].rpartition(":")[2]))
        handshake(with_new.port)
    said = first.process.output
    assert "Traceback" not in said
    assert "MonkeyPatchWarning" not in said


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        pytest.param(
            FILTERED + SERVER + "hart_beat = 1\n",
            "no key 'hart_beat'",
            id="an unknown key of the server",
        ),
        pytest.param(
            FILTERED + SERVER + "heartbeat_intervall = 1\n",
            "Did you mean heartbeat_interval?",
            id="a slip of the pen",
        ),
        pytest.param(
            FILTERED + SERVER + "workers = 4\n",
            "gunicorn --paste FILE.ini --workers 4",
            id="several workers",
        ),
        pytest.param(
            FILTERED + SERVER + "port = http\n", "port = http: must be a number", id="port"
        ),
        pytest.param(
            FILTERED + SERVER + "resource = io\n",
            "Move these keys from [server:...] to where that is done",
            id="a setting in the wrong section",
        ),
        pytest.param(
            FILTERED + "max_payload = lots\n" + SERVER,
            "setting max_payload='lots'",
            id="a value of the filter",
        ),
        pytest.param(
            FILTERED.replace("NAMESPACES", "NOTHING") + SERVER,
            "dotted name of a mapping",
            id="no such namespaces",
        ),
        pytest.param(
            FILTERED.replace("NAMESPACES", "NOT_A_MAPPING") + SERVER,
            "not a mapping",
            id="namespaces that are none",
        ),
        pytest.param(
            FILTERED + SERVER + "certfile = nowhere.pem\n", "path of a PEM file", id="certificate"
        ),
    ],
)
def test_a_mistake_in_the_file_is_explained(folder: Path, ini: str, message: str) -> None:
    need_module("pyramid", requirement=".[pyramid-demo]")
    (folder / "site.ini").write_text(ini)
    command = [PYTHON, "-W", "ignore", "-m", "pyramid.scripts.pserve", str(folder / "site.ini")]
    process = Process(command, folder)
    try:
        assert process.wait() == 1
    finally:
        process.kill()
    last = [line for line in process.output.splitlines() if "SettingsError" in line][-1]
    assert message in last
