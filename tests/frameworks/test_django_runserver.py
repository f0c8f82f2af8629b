"""``manage.py runserver_socketio``: what runserver does, with Socket.IO and websockets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import gevent
import pytest

from sockio.testing import Client

from ..support.generations import ways
from ..support.transcript import PATIENCE
from .django_site import RUNSERVER, SITE, Site, WebSocketClient, run, serving
from .django_site import start as start_program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project, to write in."""
    copy = tmp_path / "site"
    shutil.copytree(SITE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def port() -> int:
    """One that is free, for servers that come back to it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")
    # The reloader compares times of change, which some file systems round.
    now = time.time() + 2
    os.utime(path, (now, now))


def page_says(port: int, text: str) -> None:
    """Return when the page says so."""
    with gevent.Timeout(PATIENCE * 4, AssertionError(f"no page says {text!r}")):
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
                    if text in answer.read().decode():
                        return
            except (URLError, ConnectionError):
                pass
            gevent.sleep(0.1)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until_nobody_listens(port: int) -> None:
    with gevent.Timeout(PATIENCE * 4, AssertionError("somebody still listens")):
        while is_listening(port):
            gevent.sleep(0.05)


def everybody(site: Site) -> list[Client]:
    """A client of each kind, in a channel."""
    browser = site.visit("ada")
    clients = [browser.connect(**each.values[0]) for each in ways()]
    for client in clients:
        client.call("subscribe", "room-1")
    return clients


def they_are_told(clients: list[Client]) -> None:
    """Of the end of the server, which may be before they poll again."""
    for client in clients:
        end = client.expect_end()
        assert end in ("server disconnect", "transport close") or "polling" in client.transport


# ---- Reloading


def test_ds14_ds05_a_change_restarts_it_and_the_clients_are_told(folder: Path, port: int) -> None:
    with serving(folder=folder, command=[*RUNSERVER, f"127.0.0.1:{port}"]) as site:
        clients = everybody(site)
        echo = WebSocketClient(site, "/echo")
        edit(folder / "rooms" / "views.py", "version 1", "version 2")
        site.program.tells("(views.py changed, reloading)", 4 * PATIENCE)
        assert echo.closing() == 1001
        echo.close()
        they_are_told(clients)
        page_says(port, "version 2")
        site.program.tells(r"(?s)reloading.*event: finish ada.*(development server at)")
        edit(folder / "rooms" / "views.py", "version 2", "version 3")
        page_says(port, "version 3")
        assert site.program.stop() == 0
        until_nobody_listens(port)


def test_ds14_half_a_line_of_code_is_waited_for(folder: Path, port: int) -> None:
    sockets = folder / "rooms" / "sockets.py"
    with serving(folder=folder, command=[*RUNSERVER, f"127.0.0.1:{port}"]) as site:
        edit(sockets, "class StaffNamespace", "class StaffNamespace(((")
        site.program.tells("(SyntaxError)", 4 * PATIENCE)
        site.program.tells("(Waiting for a change)", 4 * PATIENCE)
        edit(sockets, "class StaffNamespace(((", "class StaffNamespace")
        page_says(port, "version 1")


def test_ds14_it_ends_with_the_process_that_started_it(folder: Path, port: int) -> None:
    with serving(folder=folder, command=[*RUNSERVER, f"127.0.0.1:{port}"]) as site:
        assert is_listening(port)
        os.kill(site.program.pid, signal.SIGKILL)
        until_nobody_listens(port)


@pytest.mark.parametrize("options", [(), ("--noreload",)], ids=["with reloader", "--noreload"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_ds14_ds05_a_signal_ends_it_politely(
    port: int, options: tuple[str, ...], number: signal.Signals
) -> None:
    command = [*RUNSERVER, f"127.0.0.1:{port}"]
    with serving(*options, command=command, new_session=True) as site:
        clients = everybody(site)
        # As a terminal does, to the whole group; SIGTERM as a service manager does, to one.
        if number is signal.SIGINT:
            os.killpg(site.program.pid, number)
        else:
            os.kill(site.program.pid, number)
        assert site.program.wait() == 0
        assert site.program.output.count("event: finish ada") == len(clients)
        they_are_told(clients)
        assert "Traceback" not in site.program.output
        until_nobody_listens(port)


# ---- Where it listens, and from where it is started


def test_ds15_address_and_port_come_from_the_settings(port: int) -> None:
    with serving("--noreload", command=RUNSERVER, SOCKETIO_PORT=str(port)) as site:
        assert site.url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("options", [(), ("--noreload",)], ids=["with reloader", "--noreload"])
def test_a_taken_port_is_said(options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        status, output = run("runserver_socketio", where, *options)
    assert status != 0
    assert "That port is already in use. Choose another" in output
    assert "Waiting for a change" not in output


@pytest.mark.parametrize("where", ["nonsense", "127.0.0.1:", "127.0.0.1:x"])
def test_an_address_that_is_none_is_said(where: str) -> None:
    status, output = run("runserver_socketio", where)
    assert status == 1
    assert "is not a valid port number or address:port pair" in output


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, str(SITE / "manage.py")], id="manage.py, from elsewhere"),
        pytest.param([sys.executable, "-m", "django"], id="python -m django"),
    ],
)
def test_it_can_be_started_from_anywhere(tmp_path: Path, command: list[str]) -> None:
    with serving(
        command=[*command, "runserver_socketio", "127.0.0.1:0", "--noreload"],
        folder=tmp_path,
        DJANGO_SETTINGS_MODULE="project.settings",
        PYTHONPATH=os.pathsep.join([str(SITE), *filter(None, sys.path)]),
    ) as site:
        assert site.connect("/rooms").call("count") == 0


@pytest.mark.parametrize("module", ["unwrapped", "wrapped_inside"])
def test_an_application_is_wrapped_once(module: str) -> None:
    """Not at all by ``startproject``; and with something around it, as WhiteNoise is."""
    with serving("--noreload", WSGI_APPLICATION=f"project.{module}.application") as site:
        assert site.connect("/rooms", "ada").call("whoami") == ["ada", True]
        echo = WebSocketClient(site, "/echo")
        echo.say("hello")
        assert echo.hear() == "hello"
        echo.close()


def test_djangos_own_application_under_another_server_is_told_once_what_it_lacks() -> None:
    command = [sys.executable, "-m", "sockio.cli", "serve", "project.unwrapped:application"]
    module = "project.settings"
    with serving("--port", "0", command=command, DJANGO_SETTINGS_MODULE=module) as site:
        for _ in range(2):
            assert site.connect("/rooms", "ada").call("whoami") == ["ada", True]
        site.program.tells("(nothing closes the database connections of handlers)")
        assert site.program.output.count("application = get_wsgi_application()") == 1


# ---- What else it serves


@pytest.mark.parametrize(
    ("options", "debug", "status"),
    [
        pytest.param(("--nostatic",), "1", 404, id="--nostatic"),
        pytest.param((), "0", 404, id="DEBUG = False"),
        pytest.param(("--insecure",), "0", 200, id="DEBUG = False, --insecure"),
    ],
)
def test_ds14_static_files(options: tuple[str, ...], debug: str, status: int) -> None:
    with serving("--noreload", *options, DEBUG=debug) as site:
        assert site.visit().get("/static/rooms/socket.io.js").status == status
        assert site.visit().get("/static/sockio/channels.js").status == status


def test_ds14_static_files_and_the_debug_page_while_developing() -> None:
    with serving("--noreload") as site:
        assert site.visit().get("/static/rooms/socket.io.js").status == 200
        page = site.visit().get("/boom")
        assert page.status == 500
        assert "shown by debuggers" in page.text
        assert "<title>RuntimeError" in page.text
        # D-90: a session id lets in whoever reads it in the access log.
        client = site.connect("/rooms", transport="xhr-polling")
        client.call("count")
        sid = client.sid
        site.program.tells(rf'("GET /socket.io/1/xhr-polling/{sid[:6]}…)')
        assert sid not in site.program.output
        told = site.visit().get("/socket.io/?EIO=3&transport=polling").text
        sid = json.loads(told[told.index("{") :])["sid"]
        site.visit().get(f"/socket.io/?EIO=3&transport=polling&sid={sid}&t=x")
        site.program.tells(rf"(&sid={sid[:6]}…&t=x)")
        assert sid not in site.program.output


def test_ws05_werkzeugs_debugger() -> None:
    pytest.importorskip("werkzeug")
    with serving("--noreload", "--debugger") as site:
        page = site.visit().get("/boom")
        assert page.status == 500
        assert "Werkzeug Debugger" in page.text or "werkzeug" in page.text.lower()
        assert "EVALEX = true" in page.text
        site.program.tells(r"Debugger PIN: ([\d-]+)")
        # The rest of the site does not notice.
        assert site.connect("/rooms").call("count") == 0
        assert site.visit().get("/nowhere").status == 404
        assert site.visit().get("/static/rooms/socket.io.js").status == 200


def test_the_debugger_is_for_development_only() -> None:
    status, output = run("runserver_socketio", "--debugger", DEBUG="0")
    assert status == 4
    assert "it needs DEBUG = True" in output


# ---- At the start


def test_ds08_modules_are_found_and_their_errors_are_not_swallowed(folder: Path) -> None:
    with start_program([sys.executable, "manage.py", "check"], folder) as program:
        assert program.wait() == 0
    for module in ("sockets", "events"):
        path = folder / "rooms" / f"{module}.py"
        text = path.read_text("utf-8")
        path.write_text("import nothing_of_the_kind\n" + text, "utf-8")
        with start_program([sys.executable, "manage.py", "check"], folder) as program:
            assert program.wait() == 1
            assert "No module named 'nothing_of_the_kind'" in program.output
        path.write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("file", "before", "after", "complaint"),
    [
        pytest.param(
            "project/settings.py",
            '"heartbeat_interval"',
            '"hartbeat_interval"',
            "(sockio.E001) SOCKETIO: there is no setting 'hartbeat_interval'. Did you mean",
            id="ds15: a setting that does not exist",
        ),
        pytest.param(
            "project/urls.py",
            'path("", include("sockio.integrations.django.urls")),',
            "",
            "(sockio.W001) No view answers at /socket.io/",
            id="ds17: no route",
        ),
        pytest.param(
            "project/settings.py",
            '"sockio.integrations.django.middleware.WebSocketURLConfMiddleware",',
            "",
            "(sockio.W002) WEBSOCKET_URLCONF is set, and nothing routes by it",
            id="routes of websockets that nobody uses",
        ),
        pytest.param(
            "project/settings.py",
            '"project.websocket_urls"',
            '"project.no_such_urls"',
            "(sockio.E003) WEBSOCKET_URLCONF='project.no_such_urls' cannot be imported",
            id="routes of websockets that are not there",
        ),
    ],
)
def test_mistakes_are_said_by_the_system_checks(
    folder: Path, file: str, before: str, after: str, complaint: str
) -> None:
    edit(folder / file, before, after)
    with start_program([sys.executable, "manage.py", "check"], folder) as program:
        program.wait()
        assert complaint in program.output


def test_gevent_that_patches_too_late_is_said(folder: Path) -> None:
    (folder / "late.py").write_text(
        """\
import os
from project.wsgi import application
from gevent import monkey
monkey.patch_all()
from sockio.server import serve
serve(application, port=0)
""",
        "utf-8",
    )
    with start_program([sys.executable, "late.py"], folder) as program:
        site = Site(program)
        assert site.visit().get("/socket.io/1/").status == 500
        program.tells("(gevent patched the standard library after Django was imported)")
        site.close()
