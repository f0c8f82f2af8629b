"""A middleware that no server can see: its gate holds from the first request on, its clients are
reached and told of the end, and what is around it sees the requests. By every way to serve."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import gevent
import pytest

from ..support.processes import need_distribution, need_module, running
from ..support.raw_http import Answer, Connection, get
from ..support.raw_websocket import RawWebSocket, upgrade_request
from .contract import FOLDER, PYTHON, Served
from .hidden import FRIEND, LAYERS

pytestmark = pytest.mark.e2e

WORKER = "sockio.integrations.gunicorn_worker.GeventSocketIOWorker"
KEY = {"X-Key": "open"}


@contextmanager
def start(folder: Path, layer: str, address: str, *command: str) -> Iterator[Served]:
    with running([PYTHON, "-W", "ignore", *command], folder, HIDDEN=layer) as process:
        port = int(process.find(address + r"http://127\.0\.0\.1:(\d+)", 30)[1])
        if "gunicorn" in command:
            process.find("Booting worker")
        yield Served(process, port)


def by_sockio_serve(folder: Path, layer: str) -> AbstractContextManager[Served]:
    command = ("-m", "sockio.cli", "serve", "hidden:application", "--port", "0")
    return start(folder, layer, "serving on ", *command)


def by_pserve(folder: Path, layer: str) -> AbstractContextManager[Served]:
    need_module("pyramid", "hupper", requirement=".[pyramid-demo]")
    need_distribution("sockio-wsgi")
    (folder / "site.ini").write_text(
        "[app:main]\nuse = call:hidden:paste_factory\n"
        "[server:main]\nuse = egg:sockio-wsgi#paster\nport = 0\n"
    )
    return start(folder, layer, "serving on ", "-m", "pyramid.scripts.pserve", "site.ini")


def by_gunicorn(folder: Path, layer: str) -> AbstractContextManager[Served]:
    need_module("gunicorn", "packaging", requirement="gunicorn[gevent]")
    command = ("-m", "gunicorn", "-k", WORKER, "--bind", "127.0.0.1:0", "hidden:application")
    return start(folder, layer, "Listening at: ", *command)


def by_runserver(folder: Path, layer: str) -> AbstractContextManager[Served]:
    need_module("django", requirement="Django>=4.2")
    (folder / "settings.py").write_text(
        "INSTALLED_APPS = ['sockio.integrations.django']\nALLOWED_HOSTS = ['*']\n"
        "WSGI_APPLICATION = 'hidden.application'\nSECRET_KEY = 'x'\nROOT_URLCONF = 'settings'\n"
        "urlpatterns = []\n"
    )
    (folder / "manage.py").write_text(
        "import os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(sys.argv)\n"
    )
    command = ("manage.py", "runserver_socketio", "127.0.0.1:0", "--noreload")
    return start(folder, layer, "server at ", *command)


WAYS = [by_sockio_serve, by_pserve, by_gunicorn, by_runserver]

#: What may come first. None of it is let in, and whoever comes behind finds the gate closed.
FIRST: list[Callable[[int], object]] = [
    lambda port: None,
    lambda port: get(port, "/"),
    lambda port: get(port, "/socket.io/1/xhr-polling/unknown"),
    lambda port: websocket_of_nobody(port),
    lambda port: asking(port, "OPTIONS"),
    lambda port: two_at_once(port),
    lambda port: page_and_handshake(port),
]


def asking(port: int, method: str = "GET", path: str = "/socket.io/1/", **headers: str) -> Answer:
    with Connection(port) as connection:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return connection.ask(method, path, headers=names)


def websocket_of_nobody(port: int) -> None:
    with Connection(port) as connection:
        connection.send(upgrade_request("/socket.io/1/websocket/unknown", port, {}))
        connection.answer()


def two_at_once(port: int) -> None:
    tasks = [gevent.spawn(asking, port) for _ in range(2)]
    gevent.joinall(tasks, raise_error=True)
    assert [task.get().code for task in tasks] == [403, 403]


def page_and_handshake(port: int) -> None:
    with Connection(port) as kept:
        assert kept.ask("GET", "/").code == 200
        assert kept.ask("GET", "/socket.io/1/").code == 403


CASES = [
    pytest.param(way, layer, first, id=f"{way.__name__[3:]}-{layer}")
    for row, way in enumerate(WAYS)
    for column, layer in enumerate(LAYERS)
    # Each layer by one way, each of which begins differently: all by all are told apart without
    # processes elsewhere.
    if column % len(WAYS) == row
    for first in [FIRST[column % len(FIRST)]]
]


@pytest.mark.parametrize(("way", "layer", "first"), CASES)
def test_a_hidden_gate(
    tmp_path: Path,
    way: Callable[[Path, str], AbstractContextManager[Served]],
    layer: str,
    first: Callable[[int], object],
) -> None:
    shutil.copy(FOLDER / "hidden.py", tmp_path)
    with way(tmp_path, layer) as server:
        port = server.port
        first(port)
        nobody_gets_in(port)
        sid = friends_get_in(port)
        # What the server itself asks for is the inner one's by now.
        assert get(port, "/", {"X-Long": "x" * 5000}).code == 431
        # What is around sees it all.
        server.process.find(f"seen: GET /socket.io/1/xhr-polling/{sid[:4]}")
        with RawWebSocket(port, admitted(port)) as websocket:
            assert websocket.hear() == "1::"
            websocket.say("1::/chat")
            assert websocket.hear() == "1::/chat"
            websocket.say("3::/chat:ä")
            assert websocket.hear() == "3::/chat:ä"
            # of() reaches the client.
            assert get(port, "/tell").code == 200
            assert websocket.hear() == "3::/chat:told"
            assert server.process.stop() == 0
            assert websocket.closing() == 1001
        server.process.find("disconnect: /chat server shutting down")
        assert "Traceback" not in server.process.output


SITE = """
from gevent import monkey; monkey.patch_all()
import sys
from flask import Flask, redirect, request
from sockio import BaseNamespace, SocketIOMiddleware
from sockio.server import serve

class Chat(BaseNamespace):
    pass

site = Flask(__name__)

@site.before_request
def login_required():
    if "login" not in request.cookies:
        return redirect("/login")

application = site
if sys.argv[1] == "gate":
    inner = SocketIOMiddleware(site.wsgi_app, {"": Chat}, authorize=lambda request: False)

    def application(environ, start_response):
        known = "login" in environ.get("HTTP_COOKIE", "")
        return (inner if known else site)(environ, start_response)

serve(application, "127.0.0.1", 0, {"": Chat})
"""


@pytest.mark.parametrize("behind", ["gate", "nothing"])
def test_a_site_behind_a_login(tmp_path: Path, behind: str) -> None:
    need_module("flask", requirement="Flask")
    (tmp_path / "site_of_ours.py").write_text(SITE)
    with running([PYTHON, "site_of_ours.py", behind], tmp_path) as process:
        port = int(process.find(r"serving on http://127\.0\.0\.1:(\d+)", 30)[1])
        first = asking(port)
        second = asking(port, Cookie="login=1")
        third = asking(port)
    codes = [each.headers.get("x-sockio-refusal") for each in (first, second, third)]
    if behind == "gate":
        # What is met by who is logged in holds for everybody; strangers meet the site alone.
        assert codes == ["gate-not-seen", "authorize-refused", None]
        assert third.code == 302
    else:
        assert [each.code for each in (first, second, third)] == [200, 200, 200]


def nobody_gets_in(port: int) -> None:
    for query in ("", "?t=1", "?jsonp=0"):
        answer = asking(port, path=f"/socket.io/1/{query}", Referer=f"http://127.0.0.1:{port}/")
        assert answer.headers["x-sockio-refusal"] == "authorize-refused", query
        assert "handshake unauthorized" in answer.body
    stranger = asking(port, Origin="http://stranger.example", X_Key="open")
    assert stranger.headers["x-sockio-refusal"] == "origin-not-allowed"


def admitted(port: int) -> str:
    answer = asking(port, Origin=FRIEND, X_Key="open")
    assert answer.code == 200, answer
    assert answer.headers["access-control-allow-origin"] == FRIEND
    sid, _, close_timeout, transports = answer.body.split(":")
    assert close_timeout == "47"
    assert "websocket" in transports
    return sid


def friends_get_in(port: int) -> str:
    sid = admitted(port)
    with Connection(port) as kept:
        path = f"/socket.io/1/xhr-polling/{sid}"
        origin = {"Origin": FRIEND}
        assert kept.ask("GET", path, headers=origin).body == "1::"
        assert kept.ask("POST", path, "1::/chat", headers=origin).body == "1"
        assert kept.ask("GET", path, headers=origin).body == "1::/chat"
        # Else the end of the server would wait for it to fetch its last packets.
        assert kept.ask("GET", f"{path}?disconnect", headers=origin).code == 200
    with Connection(port) as streamed:
        # The same session, over a stream.
        streamed.send(
            f"GET /socket.io/1/htmlfile/{admitted(port)} HTTP/1.1\r\nHost: x\r\n"
            f"Origin: {FRIEND}\r\n\r\n".encode()
        )
        assert streamed.read_until(b'_("1::")')
    return sid
