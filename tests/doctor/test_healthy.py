"""One application per framework that is as it should be: the doctor has nothing to mend in it."""

from __future__ import annotations

import importlib.util
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sockio.doctor import Finding, examine

CHAT = """
from gevent import monkey; monkey.patch_all()

from sockio import BaseNamespace, BroadcastMixin, RoomsMixin, SocketIOMiddleware, socketio_manage


class Chat(BaseNamespace, RoomsMixin, BroadcastMixin):
    def recv_connect(self):
        self.join("lobby")

    def on_user_message(self, text):
        self.emit_to_room("lobby", "user message", text)

    def on_none(self):
        self.broadcast_event("nothing")

    def on_open(self, door):
        return door

    def recv_disconnect(self):
        self.broadcast_event_not_me("left")


class Around:
    def __init__(self, app):
        self.inner = app

    def __call__(self, environ, start_response):
        return self.inner(dict(environ), start_response)
"""

THREE_LINES = """
from flask import Flask, request

app = Flask(__name__)


@app.route("/socket.io/<path:rest>")
def socketio_view(rest):
    socketio_manage(request.environ, {"/chat": Chat}, request)
    return ""


app.wsgi_app = SocketIOMiddleware(app.wsgi_app)
"""

EXTENSION = """
from flask import Flask
from sockio.integrations.flask import SocketIO

app = Flask(__name__)
socketio = SocketIO(app)
socketio.namespace("/chat")(Chat)
"""

FACTORY = """
from flask import Flask
from sockio.integrations.flask import SocketIO

socketio = SocketIO()
socketio.namespace("/chat")(Chat)


def create_app():
    made = Flask(__name__)
    socketio.init_app(made)
    return made


app = create_app()
"""

PROXIED = """
from werkzeug.middleware.proxy_fix import ProxyFix

app.wsgi_app = ProxyFix(app.wsgi_app)
"""

PYRAMID_VIEW = """
from pyramid.config import Configurator
from pyramid.response import Response


def socketio_view(request):
    socketio_manage(request.environ, {"/chat": Chat}, request)
    return Response()


with Configurator() as config:
    config.add_route("socketio", "/socket.io/*rest")
    config.add_view(socketio_view, route_name="socketio")
    app = SocketIOMiddleware(config.make_wsgi_app())
"""

PYRAMID = """
from pyramid.config import Configurator
from sockio.integrations.pyramid import make_wsgi_app

with Configurator() as config:
    config.include("sockio.integrations.pyramid")
    config.add_socketio({"/chat": Chat})
    app = make_wsgi_app(config)
"""

DJANGO_VIEW = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import re_path

settings.configure(SECRET_KEY="s", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])


def socketio_view(request):
    socketio_manage(request.environ, {"/chat": Chat}, request)
    return HttpResponse()


urlpatterns = [re_path("^socket.io/", socketio_view)]
app = SocketIOMiddleware(get_wsgi_application())
"""

DJANGO = """
from django.conf import settings
from django.urls import include, path

settings.configure(
    SECRET_KEY="s",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django.contrib.staticfiles", "sockio.integrations.django"],
    STATIC_URL="static/",
)

from sockio.integrations.django import get_wsgi_application, namespace

namespace("/chat")(Chat)
urlpatterns = [path("", include("sockio.integrations.django.urls"))]
app = get_wsgi_application()
"""

BOTTLE_VIEW = """
from bottle import Bottle, request

pages = Bottle()


@pages.get("/socket.io/<rest:path>")
def socketio_view(rest):
    socketio_manage(request.environ, {"/chat": Chat}, request)
    return ""


app = SocketIOMiddleware(pages)
"""

BOTTLE = """
from bottle import Bottle
from sockio.integrations.bottle import wrap

app = wrap(Bottle(), {"/chat": Chat}, check=lambda: True)
"""

PAGES = """
def pages(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]
"""

BARE = PAGES + 'app = SocketIOMiddleware(pages, {"/chat": Chat}, authorize=lambda request: True)\n'

BARE_VIEW = """
def site(environ, start_response):
    if environ["PATH_INFO"].startswith("/socket.io/"):
        return socketio_manage(environ, {"/chat": Chat}, environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]


app = SocketIOMiddleware(site)
"""

#: By name: the module that it needs, and its text.
HEALTHY: dict[str, tuple[str, str]] = {
    "flask": ("flask", THREE_LINES),
    "flask_proxied": ("flask", THREE_LINES + PROXIED),
    "flask_extension": ("flask", EXTENSION),
    "flask_extension_proxied": ("flask", EXTENSION + PROXIED),
    "flask_factory": ("flask", FACTORY),
    "pyramid_view": ("pyramid", PYRAMID_VIEW),
    "pyramid_include": ("pyramid", PYRAMID),
    "django_view": ("django", DJANGO_VIEW),
    "django_app": ("django", DJANGO),
    "bottle_view": ("bottle", BOTTLE_VIEW),
    "bottle_wrap": ("bottle", BOTTLE),
    "bare": ("sockio", BARE),
    "bare_view": ("sockio", BARE_VIEW),
    "bare_in_a_layer_that_copies": ("sockio", BARE + "app = Around(app)\n"),
    "bare_view_in_a_layer_that_copies": ("sockio", BARE_VIEW + "app = Around(app)\n"),
}


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Finding], str]]:
    """What the doctor says of each whose framework is here. Each is looked at in a process of its
    own, so two at a time."""
    folder: Path = tmp_path_factory.mktemp("healthy")
    here = [name for name, (needs, _) in HEALTHY.items() if importlib.util.find_spec(needs)]
    for name in here:
        text = CHAT + textwrap.dedent(HEALTHY[name][1])
        (folder / f"healthy_{name}.py").write_text(text, encoding="utf-8")

    def look(name: str) -> Any:
        return examine(f"healthy_{name}:app", str(folder))

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(here, threads.map(look, here), strict=True))


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_what_is_healthy(
    examined: dict[str, tuple[list[Finding], str]], name: str
) -> None:
    pytest.importorskip(HEALTHY[name][0])
    findings, printed = examined[name]
    # How many descriptors there may be is a matter of the machine.
    found = {each.code: each for each in findings if each.code != "descriptors"}
    assert {each.level for each in found.values()} == {"ok"}, (found, printed)
    assert found.keys() >= {"patched", "wrapped", "handshake", "websocket", "namespaces"}
    assert "Chat" in found["namespaces"].text
    assert "Traceback" not in printed
