"""``sockio serve`` as somebody uses it: what it takes, and what it says of what is wrong."""

from __future__ import annotations

import contextlib
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sockio.config.settings import OPTIONS
from sockio.server.tls_records import RECORDS

from ..support.processes import Process, need_module, running
from ..support.raw_http import Connection, get
from ..support.tls import make_certificate
from ..support.tls_client import in_pieces
from .contract import PYTHON

pytestmark = pytest.mark.e2e

SITE = """
import time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        print("waiting", flush=True)
        time.sleep(1000)
    if environ["PATH_INFO"] == "/compute":
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            sum(range(1000))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [GREETING.encode()]

GREETING = "hello"

def create_app(greeting="made", *, loud=False):
    global GREETING
    GREETING = greeting.upper() if loud else greeting
    return application

def breaks():
    raise LookupError("no database")
"""
LIMITS = Path(__file__).resolve().parents[2] / "docs" / "limits.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_of_mine.py").write_text(SITE)
    return tmp_path


def command(*options: str) -> list[str]:
    return [PYTHON, "-m", "sockio.cli", *options]


@contextmanager
def serving(folder: Path, app: str = "application", *options: str) -> Iterator[tuple[Process, int]]:
    said = command("serve", f"site_of_mine:{app}", "--port", "0", *options)
    with running(said, folder) as process:
        yield process, int(process.find(r"serving on https?://127\.0\.0\.1:(\d+)")[1])


def output_of(folder: Path, *options: str) -> tuple[int, str]:
    """Exit status and output of a command that ends by itself."""
    process = Process(command(*options), folder)
    try:
        return process.wait(), process.output
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("app", "body"),
    [
        ("application", "hello"),
        ("create_app()", "made"),
        ('create_app("given", loud=True)', "GIVEN"),
    ],
)
def test_an_application_or_what_makes_one(folder: Path, app: str, body: str) -> None:
    with serving(folder, app) as (_, port):
        assert get(port, "/").body == body


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["create_app"], r"write site_of_mine:create_app\(\)", id="a factory"),
        pytest.param(["nothing"], "has no 'nothing'", id="no such name"),
        pytest.param(
            ["application", "--port", "65536"], "a number from 0 to 65535", id="a port too high"
        ),
        pytest.param(["application", "--port", "-1"], "port", id="a port too low"),
        pytest.param(["application", "--port", "http"], "a number from 0 to 65535", id="a word"),
        pytest.param(
            ["application", "--host", "192.0.2.1"],
            "--host names an address of this machine",
            id="another machine's address",
        ),
        pytest.param(
            ["application", "--host", "no host"], "there is no such address", id="no address"
        ),
        pytest.param(["application", "--blocked", "long"], "number of seconds", id="no seconds"),
        pytest.param(
            ["application", "--certfile", "none.pem"],
            "--certfile=none.pem: there is no such file",
            id="no certificate",
        ),
        pytest.param(
            ["application", "--certfile", "site_of_mine.py"],
            "no certificates with their key, both in PEM",
            id="a certificate that is none",
        ),
        pytest.param(
            ["application", "--keyfile", "site_of_mine.py"],
            "needs certfile",
            id="a key alone",
        ),
        pytest.param(
            ["application", "--access-log", "nowhere/log"],
            "--access-log nowhere/log: No such file",
            id="no folder for the log",
        ),
        pytest.param(
            ["application", "--ping-interval", "soon"], "ping_interval", id="a setting's value"
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder: Path, options: list[str], message: str) -> None:
    app, *rest = options
    status, output = output_of(folder, "serve", f"site_of_mine:{app}", *rest)
    assert status == 2
    assert re.search(message, output)
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("site_of_mine.py:application", "without .py: site_of_mine:application"),
        ("./site_of_mine:application", "without a path"),
        (":application", "is no module"),
        ("no_site:application", "there is no module 'no_site'"),
        ("site_of_mine.inner:application", "there is no module 'site_of_mine.inner'"),
        ("site_of_mine:create_app(1, 2)", "too many positional arguments"),
        ("site_of_mine:Chat", "is the class Chat"),
    ],
)
def test_a_slip_in_the_name_is_said_in_a_line(folder: Path, name: str, message: str) -> None:
    with (folder / "site_of_mine.py").open("a") as site:
        site.write(
            "from sockio import BaseNamespace, SocketIOMiddleware\n"
            "class Chat(BaseNamespace): ...\n"
            "wrapped = SocketIOMiddleware(application, {'/chat': Chat})\n"
        )
    status, output = output_of(folder, "serve", name)
    assert status == 2
    assert message in output
    assert "Traceback" not in output


def test_who_names_the_plain_application_beside_its_wrapped_one_is_told(folder: Path) -> None:
    with (folder / "site_of_mine.py").open("a") as site:
        site.write(
            "from sockio import BaseNamespace, SocketIOMiddleware\n"
            "class Chat(BaseNamespace): ...\n"
            "wrapped = SocketIOMiddleware(application, {'/chat': Chat})\n"
        )
    with serving(folder, "application") as (process, port):
        process.find("Name that one: sockio serve site_of_mine:wrapped")
        assert get(port, "/page").code == 200


def test_what_a_factory_raises_is_shown_whole(folder: Path) -> None:
    status, output = output_of(folder, "serve", "site_of_mine:breaks()")
    assert status == 1
    assert "LookupError: no database" in output


def test_a_port_that_is_taken(folder: Path) -> None:
    with serving(folder) as (_, port):
        status, output = output_of(folder, "serve", "site_of_mine:application", "--port", str(port))
        assert status == 2
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in output


def test_an_access_log_on_standard_output(folder: Path) -> None:
    with serving(folder, "application", "--access-log") as (process, port):
        get(port, "/page")
        process.find(r'127\.0\.0\.1 - - \[.*\] "GET /page HTTP/1\.1" 200 \d+ 0\.\d+')


def test_an_access_log_in_a_file(folder: Path) -> None:
    log = folder / "access.log"
    with serving(folder, "application", "--access-log", str(log)) as (process, port):
        get(port, "/page")
        process.stop()
        assert "GET /page" in log.read_text()
        assert "GET /page" not in process.output


def test_the_graceful_timeout_ends_a_request(folder: Path) -> None:
    options = ["--graceful-timeout", "0"]
    with serving(folder, "application", *options) as (process, port), Connection(port) as page:
        page.request("GET", "/wait")
        process.find("waiting")
        assert process.stop() == 0
        assert page.answer().code == 500


def test_tls(folder: Path) -> None:
    certificate = make_certificate(folder)
    options = ["--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile)]
    with serving(folder, "application", *options) as (process, port):
        assert "serving on https://" in process.output
        context: ssl.SSLContext = certificate.client_context()
        with Connection(port, context) as connection:
            assert connection.ask("GET", "/").body == "hello"
        with Connection(port) as connection:
            connection.send(in_pieces(b"\x01\x00\xff\xff" + bytes(RECORDS)))
            process.find("too-many-records")


def test_a_blocked_loop_is_told_with_the_place(folder: Path) -> None:
    with serving(folder, "application", "--blocked", "0.2") as (process, port):
        get(port, "/compute")
        process.find(r"the event loop has been blocked for 0\.\d s.*by application \(.*mine\.py:\d")
        process.find("the event loop goes on, after")


def test_nobody_is_blamed_for_a_loop_that_has_nothing_to_do(folder: Path) -> None:
    with serving(folder, "application", "--blocked", "0.05") as (process, port):
        for _ in range(20):
            get(port, "/")
        assert process.stop() == 0
        assert "blocked" not in process.output


def test_reload_says_which_file(folder: Path) -> None:
    need_module("watchfiles", requirement=".[reload]")
    said = command("serve", "site_of_mine:application", "--port", "0", "--reload")
    with running(said, folder) as process:
        process.find("serving on")
        # The watching begins a moment later, and nothing tells when.
        for number in range(100):
            (folder / "site_of_mine.py").write_text(SITE + f"# {number}\n")
            with contextlib.suppress(AssertionError):
                process.find(r"sockio: site_of_mine\.py changed, restarting", patience=0.3)
                break
        process.find(r"changed, restarting[\s\S]*serving on")


def test_a_reloader_that_is_killed_leaves_nobody_on_the_port(folder: Path) -> None:
    need_module("watchfiles", requirement=".[reload]")
    said = command("serve", "site_of_mine:application", "--port", "0", "--reload")
    with running(said, folder) as process:
        process.find("serving on")
        # Waits for the end of what it says, which the server has a part in.
        process.kill()


def test_the_version() -> None:
    said = subprocess.run(command("--version"), capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"sockio \d+\.\d+\S* \(Python 3\.\d+\.\d+\)\n", said)


def test_every_setting_of_the_page_is_an_option_and_the_other_way_round() -> None:
    said = subprocess.run(command("serve", "--help"), capture_output=True, text=True, check=True)
    options = set(re.findall(r"^  --([a-z0-9-]+)", said.stdout, re.MULTILINE))
    table = LIMITS.read_text("utf-8").partition("## Settings")[2].partition("\n## ")[0]
    documented = {
        name.replace("_", "-")
        for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
        for name in re.findall(r"`([a-z0-9_]+)`", row)
    }
    own = {"host", "port", "verbose", "reload", "access-log", "certfile", "keyfile", "blocked"}
    own |= {"workers", "graceful-timeout"}
    assert options - own == {name.replace("_", "-") for name in OPTIONS}
    assert documented == options - own
