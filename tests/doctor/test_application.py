"""``sockio doctor module:app``: each mistake is found, and said with its fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware, allow, on
from sockio.doctor import CODES, Finding, as_json, as_text, examine, is_well
from sockio.doctor.application import examine_middleware, routed_host
from sockio.doctor.namespaces import examine_namespace
from sockio.doctor.surroundings import examine_gunicorn
from sockio.testing.server import not_ours

HEAD = """
from sockio import BaseNamespace, SocketIOMiddleware, allow, on, socketio_manage

def pages(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]

def asked(environ):
    return environ["PATH_INFO"].startswith("/socket.io/")
"""

PATCH = "from gevent import monkey; monkey.patch_all()\n"


def look_at(folder: Path, program: str, head: str = HEAD, app: str = "app") -> dict[str, Finding]:
    """The findings about ``app`` of a module, by their codes."""
    (folder / "site_of_mine.py").write_text(head + textwrap.dedent(program), encoding="utf-8")
    findings, printed = examine(f"site_of_mine:{app}", str(folder))
    assert findings, printed
    return {each.code: each for each in findings}


def levels(found: dict[str, Finding], *codes: str) -> list[str | None]:
    return [found[code].level if code in found else None for code in codes]


# ---- an application that is well


def test_a_good_application_is_well(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        class Chat(BaseNamespace):
            def get_initial_acl(self):
                return ["on_user_message", "recv_message"]

            def recv_connect(self): ...

            def on_user_message(self, text): ...

        app = SocketIOMiddleware(pages, {"/chat": Chat}, authorize=lambda request: True)
        """,
        PATCH + HEAD,
    )
    assert {each.level for each in found.values()} == {"ok"}, found
    assert found.keys() >= {"patched", "wrapped", "origins", "transports", "namespaces"}
    assert found.keys() >= {"handshake", "websocket", "python", "versions"}
    assert "Chat" in found["namespaces"].text


def test_what_a_factory_makes_is_looked_at(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        def create_app(name):
            return SocketIOMiddleware(pages, {name: BaseNamespace})
        """,
        PATCH + HEAD,
        "create_app('/made')",
    )
    assert "BaseNamespace" in found["namespaces"].text


# ---- patching


def test_an_application_that_leaves_patching_to_its_server_is_told_so(tmp_path: Path) -> None:
    found = look_at(tmp_path, "app = SocketIOMiddleware(pages, {})")
    assert found["not-patched"].level == "note"
    assert "monkey.patch_all()" in found["not-patched"].fix


def test_patching_after_another_module_took_what_is_patched_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "slow_database.py").write_text("from time import sleep\n")
    found = look_at(
        tmp_path, "app = SocketIOMiddleware(pages)", "import slow_database\n" + PATCH + HEAD
    )
    assert found["patched-late"].level == "problem"
    assert "slow_database (time.sleep)" in found["patched-late"].text


def test_patching_in_part_is_a_warning(tmp_path: Path) -> None:
    head = "from gevent import monkey; monkey.patch_all(time=False)\n" + HEAD
    found = look_at(tmp_path, "app = SocketIOMiddleware(pages)", head)
    assert found["patched-late"].level == "warning"
    assert "time" in found["patched-late"].text


# ---- the application itself


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        pytest.param("import nothing_of_that_name", "import-failed", "nothing_of", id="an import"),
        pytest.param("raise SystemExit(3)", "import-failed", "SystemExit", id="an exit"),
        pytest.param("app = 1", "not-an-application", "int", id="a number"),
        pytest.param("application = pages", "import-failed", "app", id="another name"),
        pytest.param("def app(): ...", "not-an-application", "write site_of_mine:app()", id="made"),
        pytest.param("async def app(s, r, e): ...", "not-an-application", "ASGI", id="of ASGI"),
        pytest.param(
            "class Chat(BaseNamespace):\n    async def recv_connect(self): ...\n"
            "app = SocketIOMiddleware(pages, {'/chat': Chat})",
            "import-failed",
            "Chat.recv_connect is a coroutine function",
            id="a coroutine for a gate",
        ),
        pytest.param(
            "app = SocketIOMiddleware(pages, {'chat': BaseNamespace})",
            "import-failed",
            "starts with a slash",
            id="a namespace without a slash",
        ),
        pytest.param(
            "app = SocketIOMiddleware(pages, heartbeat_interval=60, heartbeat_timeout=30)",
            "import-failed",
            "must be shorter",
            id="times that contradict each other",
        ),
    ],
)
def test_what_cannot_be_served_is_a_problem(
    tmp_path: Path, program: str, code: str, words: str
) -> None:
    found = look_at(tmp_path, program)
    assert list(found) == [code]
    assert found[code].level == "problem"
    assert words in found[code].text + found[code].fix


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("app = SocketIOMiddleware(inner, {'/c': BaseNamespace})", id="around it"),
        pytest.param("app = Layer(SocketIOMiddleware(Layer(inner)))", id="and layers"),
    ],
)
def test_the_wrapped_one_beside_the_one_that_was_named_is_named(
    tmp_path: Path, program: str
) -> None:
    found = look_at(
        tmp_path,
        f"""
        class Layer:
            def __init__(self, app):
                self.app = app

            def __call__(self, environ, start_response):
                return self.app(environ, start_response)

        def inner(environ, start_response):
            return pages(environ, start_response)

        {program}
        """,
        app="inner",
    )
    problems = [each for each in found.values() if each.level == "problem"]
    assert [each.code for each in problems] == ["wrapped-elsewhere"]
    assert problems[0].fix == "name that one: site_of_mine:app"


def test_one_that_was_replaced_behind_the_middleware_is_a_problem(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        class Site:
            def wsgi_app(self, environ, start_response):
                return pages(environ, start_response)

            def __call__(self, environ, start_response):
                return self.wsgi_app(environ, start_response)

        app = Site()
        kept = [SocketIOMiddleware(app.wsgi_app, {"/chat": BaseNamespace})]
        app.wsgi_app = kept[0]
        app.wsgi_app = pages
        """,
    )
    assert levels(found, "wrapped-elsewhere", "not-wrapped") == ["problem", None]


@pytest.mark.parametrize("named", ["app", "app.wsgi_app", "wrapped.app", "method"])
def test_an_application_of_flask_s_kind_is_the_same_by_all_its_names(
    tmp_path: Path, named: str
) -> None:
    found = look_at(
        tmp_path,
        f"""
        class Site:
            def wsgi_app(self, environ, start_response):
                return pages(environ, start_response)

            def other(self, environ, start_response):
                return pages(environ, start_response)

            def __call__(self, environ, start_response):
                return self.wsgi_app(environ, start_response)

        app = Site()
        {"method = app.other" if named == "method" else ""}
        wrapped = SocketIOMiddleware({"method" if named == "method" else "app"}, {{}})
        """,
        app=named,
    )
    assert found["wrapped-elsewhere"].fix == "name that one: site_of_mine:wrapped"


def test_a_view_that_takes_no_get_is_a_problem(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        def view(environ, start_response):
            if environ["REQUEST_METHOD"] != "POST":
                start_response("405 Method Not Allowed", [("Content-Type", "text/plain")])
                return [b"POST it"]
            return socketio_manage(environ, {"/chat": BaseNamespace})

        app = SocketIOMiddleware(view)
        """,
    )
    assert found["handshake-refused"].level == "problem"
    assert "must accept GET" in found["handshake-refused"].fix


def test_a_file_that_hides_the_package_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "sockio.py").write_text("app = None")
    found = look_at(tmp_path, "app = SocketIOMiddleware(pages)")
    assert list(found) == ["import-failed"]
    assert "sockio.py hides the package" in found["import-failed"].text


def test_an_application_that_ends_the_process_is_a_problem(tmp_path: Path) -> None:
    found = look_at(tmp_path, "import os; print('farewell', flush=True); os._exit(7)")
    assert found["import-failed"].level == "problem"
    assert "farewell" in found["import-failed"].text


def test_an_application_that_is_not_wrapped_is_a_warning(tmp_path: Path) -> None:
    found = look_at(tmp_path, "app = pages")
    assert levels(found, "not-wrapped", "wrapped") == ["warning", None]
    # Nothing routes the handshake: the page says 200 and manages nothing.
    assert "not-managed" in found["handshake-refused"].text


@pytest.mark.parametrize("elsewhere", ["pages", "nothing"])
def test_a_middleware_below_a_path_is_not_missed(tmp_path: Path, elsewhere: str) -> None:
    found = look_at(
        tmp_path,
        f"""
        class Chat(BaseNamespace):
            def recv_connect(self): ...

        inner = SocketIOMiddleware(pages, {{"": Chat}})

        def nothing(environ, start_response):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"nothing"]

        def app(environ, start_response):
            path = environ["PATH_INFO"]
            if not path.startswith("/m/"):
                return {elsewhere}(environ, start_response)
            below = {{**environ, "SCRIPT_NAME": "/m", "PATH_INFO": path[2:]}}
            return inner(below, start_response)
        """,
    )
    assert levels(found, "not-wrapped", "handshake-refused") == ["note", "note"]
    for code in ("not-wrapped", "handshake-refused"):
        assert "login" not in found[code].text
        assert "path: '/mounted/socket.io'" in found[code].fix


def test_a_middleware_inside_of_another_is_found(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        class Proxied:
            def __init__(self, app):
                self.app = app

            def __call__(self, environ, start_response):
                return self.app(environ, start_response)

        app = Proxied(Proxied(SocketIOMiddleware(pages, {"/chat": BaseNamespace})))
        """,
    )
    assert levels(found, "wrapped", "websocket") == ["ok", "ok"]


def anybody(origin: str | None, environ: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("settings", "code", "level"),
    [
        pytest.param({"origins": "*"}, "origins-any", "warning", id="any origin"),
        pytest.param({"origins": ["https://a.example"]}, "origins", "ok", id="a list"),
        pytest.param({"origins": anybody}, "origins", "ok", id="a callable"),
        pytest.param({"transports": "xhr-polling"}, "no-websocket", "warning", id="no websocket"),
        pytest.param({"transports": "websocket"}, "no-polling", "warning", id="no polling"),
        pytest.param({"transports": "flashsocket"}, "flash-without-policy", "note", id="flash"),
        pytest.param(
            {"heartbeat_interval": 58}, "heartbeat-too-rare", "warning", id="rare heartbeats of 0.9"
        ),
        pytest.param({"ping_interval": 58}, "heartbeat-too-rare", "warning", id="rare heartbeats"),
        pytest.param({"polling_duration": 58}, "poll-too-long", "warning", id="long polls"),
        pytest.param({"polling_duration": 40}, "poll-too-long", "note", id="rather long polls"),
        pytest.param(
            {"close_timeout": 5, "polling_duration": 4, "heartbeat_interval": 4},
            "away-too-short",
            "warning",
            id="a short close timeout",
        ),
        pytest.param(
            {"backplane": "cluster://localhost:1", "backplane_relay": True},
            "setting-without-effect",
            "warning",
            id="a relay of a cluster",
        ),
        pytest.param(
            {"on_gap": print}, "setting-without-effect", "note", id="a gap without a server"
        ),
        pytest.param({"namespaces": {}}, "no-namespaces", "problem", id="no namespaces"),
        pytest.param({"namespaces": {"": BaseNamespace}}, "everybody", "note", id="for everybody"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], code: str, level: str) -> None:
    findings = examine_middleware(SocketIOMiddleware(not_ours, **settings))
    (found,) = (each for each in findings if each.code == code)
    assert found.level == level
    assert bool(found.fix) == (level != "ok")


@pytest.mark.parametrize(
    ("version", "generations", "code"),
    [
        pytest.param("4.8.4", "0.9 eio4", "client", id="served"),
        pytest.param("2.5.0", "0.9 eio4", "client-not-served", id="2.x, not served"),
        pytest.param("4.8.4", "0.9", "client-not-served", id="4.x, not served"),
        pytest.param(None, "0.9", None, id="not there"),
    ],
)
def test_the_client_that_pages_get(
    tmp_path: Path, version: str | None, generations: str, code: str | None
) -> None:
    script = tmp_path / "node_modules" / "socket.io-client" / "socket.io.js"
    if version is not None:
        script.parent.mkdir(parents=True)
        script.write_text(f"/*! Socket.IO v{version}", "utf-8")
    found = look_at(
        tmp_path,
        f"app = SocketIOMiddleware(pages, {{'': BaseNamespace}}, generations={generations!r})",
    )
    assert {"client", "client-not-served"} & found.keys() == ({code} if code else set())
    assert levels(found, "handshake", "websocket") == ["ok", "ok"]


@pytest.mark.parametrize("generations", ["eio4", "eio3"])
@pytest.mark.parametrize("name", ["", "/chat"])
@pytest.mark.parametrize("transports", ["websocket xhr-polling", "xhr-polling"])
def test_a_server_of_later_clients_alone(
    tmp_path: Path, generations: str, name: str, transports: str
) -> None:
    found = look_at(
        tmp_path,
        f"app = SocketIOMiddleware(pages, {{{name!r}: BaseNamespace}}, "
        f"generations={generations!r}, transports={transports!r})",
    )
    assert levels(found, "generations", "handshake", "handshake-refused") == ["ok", "ok", None]


def test_namespaces_that_may_come_later_are_a_note(tmp_path: Path) -> None:
    found = look_at(tmp_path, "app = SocketIOMiddleware(pages)")
    assert levels(found, "no-namespaces", "namespaces") == ["note", None]


def test_an_application_that_is_wrapped_twice_is_a_problem(tmp_path: Path) -> None:
    found = look_at(
        tmp_path, "app = SocketIOMiddleware(SocketIOMiddleware(pages, {'/a': BaseNamespace}))"
    )
    assert levels(found, "wrapped", "wrapped-twice") == [None, "problem"]


@pytest.mark.parametrize(
    ("body", "code", "level"),
    [
        pytest.param("raise KeyError", "view-failed", "problem", id="a view that fails"),
        pytest.param("return say('404 Not Found')", "view-not-found", "problem", id="no view"),
        pytest.param("return say('302 Found')", "view-redirected", "note", id="a login page"),
        pytest.param("return say('403 Forbidden')", "view-refused", "note", id="forbidden"),
    ],
)
def test_a_stranger_who_is_refused(tmp_path: Path, body: str, code: str, level: str) -> None:
    found = look_at(
        tmp_path,
        f"""
        def view(environ, start_response):
            def say(status):
                start_response(status, [])
                return []
            if asked(environ):
                {body}
            return pages(environ, start_response)

        app = SocketIOMiddleware(view)
        """,
    )
    assert found["handshake-refused"].level == level
    assert code in found["handshake-refused"].text


# ---- namespaces


def test_functions_are_looked_at_as_methods_are(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        from sockio import Handlers

        chat = Handlers("Chat")

        @chat.on("say")
        def say(client, *, text): ...

        app = SocketIOMiddleware(pages, {"/chat": chat})
        """,
    )
    assert "text by keyword" in found["keyword-only-argument"].text


@pytest.mark.parametrize(
    ("method", "code", "words"),
    [
        pytest.param("def recv_conect(self): ...", "hook-misspelt", "recv_connect", id="recv_"),
        pytest.param(
            "def arround_event(self, name, args, go_on): ...",
            "hook-misspelt",
            "around_event",
            id="around",
        ),
        pytest.param(
            "def get_inital_acl(self): ...", "hook-misspelt", "get_initial_acl", id="the ACL"
        ),
        pytest.param(
            "def on_connect(self): ...", "event-named-as-hook", "recv_connect", id="on_connect"
        ),
        pytest.param(
            "def on_message(self, text): ...", "event-named-as-hook", "recv_message", id="message"
        ),
        pytest.param("async def on_x(self): ...", "async-handler", "plain", id="a coroutine"),
        pytest.param("def on_x(self): yield", "async-handler", "plain", id="a generator"),
        pytest.param(
            "def on_x(self, *, text): ...", "keyword-only-argument", "text", id="keyword-only"
        ),
        pytest.param(
            "on_x = __import__('functools').partial(print)",
            "not-a-method",
            "def on_x",
            id="partial",
        ),
        pytest.param(
            "on_user_message = on('user message')(lambda self: 1)\n"
            "    other = on('user message')(lambda self: 2)",
            "two-handlers",
            "remove one",
            id="one event twice",
        ),
        pytest.param(
            "def get_initial_acl(self): return ['user_message']\n"
            "    def on_user_message(self): ...",
            "acl-unknown-name",
            "'on_user_message'",
            id="an ACL of events",
        ),
        pytest.param(
            "def get_initial_acl(self): return ['on_mesage_x']\n    def on_message_x(self): ...",
            "acl-unknown-name",
            "'on_message_x'",
            id="an ACL with a slip",
        ),
        pytest.param(
            "def get_initial_acl(self): return 'on_x'", "acl-is-text", "['on_x']", id="a text"
        ),
    ],
)
def test_a_method_that_nothing_calls(method: str, code: str, words: str) -> None:
    scope: dict[str, Any] = {"BaseNamespace": BaseNamespace, "on": on, "partial": partial}
    exec(f"class Chat(BaseNamespace):\n    {method}\n", scope | {"__name__": "mine"}, scope)
    (found,) = (each for each in examine_namespace(scope["Chat"]) if each.level != "note")
    assert found.code == code
    assert "mine.Chat" in found.text
    assert words in found.text + found.fix


def test_namespaces_that_only_a_view_knows_are_looked_at_too(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        class Chat(BaseNamespace):
            def recv_conect(self): ...

        def view(environ, start_response):
            return socketio_manage(environ, {"/chat": Chat})

        app = SocketIOMiddleware(view)
        """,
    )
    assert levels(found, "hook-misspelt", "handshake") == ["problem", "ok"]


def test_namespaces_of_functions_have_the_names_that_they_serve(tmp_path: Path) -> None:
    found = look_at(
        tmp_path,
        """
        from flask import Flask
        from sockio.compat.flask_socketio import SocketIO

        app = Flask("site")
        socketio = SocketIO(app)

        @socketio.on("say")
        def say(text): ...

        @socketio.on("say", namespace="/chat")
        def says(text): ...
        """,
    )
    assert found["namespaces"].text == "looked at the namespaces /, /chat"


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("recv_gifts", "note"),
        ("receive", None),
        ("recv_conect", "problem"),
        ("recv_disconected", "problem"),
        ("recv_msg", "problem"),
        ("recvmessage", "problem"),
        ("recv_used", None),
    ],
)
def test_only_what_is_like_a_name_of_sockios_is_a_problem(method: str, level: str | None) -> None:
    def helper(self: Any) -> None: ...
    def on_gift(self: Any) -> None:
        self.recv_used()

    cls = type("Chat", (BaseNamespace,), {method: helper, "on_gift": on_gift})
    found = [each.level for each in examine_namespace(cls)]
    assert found == [level] * (level is not None)


def test_an_acl_that_lets_a_handler_out_is_a_note() -> None:
    class Quiet(BaseNamespace):
        def get_initial_acl(self) -> list[str]:
            return []

        def on_x(self) -> None: ...

    (found,) = examine_namespace(Quiet)
    assert (found.code, found.level) == ("acl-shuts-out", "note")
    assert "on_x" in found.text


@pytest.mark.parametrize("method", ["def on_none(): ...", "def on_x(*, a): ..."])
def test_a_method_without_self_is_a_finding_and_no_end(method: str) -> None:
    scope: dict[str, Any] = {"BaseNamespace": BaseNamespace, "__name__": "mine"}
    exec(f"class Chat(BaseNamespace):\n    {method}\n", scope)
    (found,) = (each for each in examine_namespace(scope["Chat"]) if each.level == "problem")
    assert (found.code, "takes no self" in found.text) == ("not-a-method", True)


def test_an_event_may_be_called_open() -> None:
    class Door(BaseNamespace):
        def on_open(self) -> None: ...

    assert list(examine_namespace(Door)) == []


def test_a_good_namespace_is_left_alone() -> None:
    class Good(BaseNamespace):
        on_air = False

        def get_initial_acl(self) -> Any:
            return self.session["allowed"]

        def recv_connect(self, packet: Any) -> None: ...

        @on("user:message")
        def message(self, text: str, *more: str) -> None: ...

        @allow(lambda ns: False)
        def on_kick(self) -> None: ...

        def receipt(self) -> None: ...

    assert list(examine_namespace(Good)) == []


# ---- surroundings


@pytest.mark.parametrize(
    ("environ", "config", "expected"),
    [
        pytest.param({"WEB_CONCURRENCY": "4"}, None, {"workers": "problem"}, id="concurrency"),
        pytest.param({"WEB_CONCURRENCY": "1"}, None, {}, id="one"),
        pytest.param(
            {}, "workers = 2", {"workers": "problem", "worker-class": "problem"}, id="the file"
        ),
        pytest.param(
            {}, "worker_class = 'gevent_pywsgi'", {"worker-class": "ok"}, id="the right worker"
        ),
        pytest.param(
            {},
            "worker_class = 'gevent'",
            {"worker-without-websocket": "warning"},
            id="a worker without websockets",
        ),
        pytest.param(
            {"GUNICORN_CMD_ARGS": "-w 3 --worker-class=gthread", "WEB_CONCURRENCY": "2"},
            "workers = 1",
            {"workers": "problem", "worker-class": "problem"},
            id="the variable counts more",
        ),
        pytest.param(
            {},
            "workers = 2\n"
            "worker_class = 'sockio.integrations.gunicorn_worker.GeventSocketIOWorker'",
            {"workers": "ok", "worker-class": "ok"},
            id="workers that find each other",
        ),
        pytest.param(
            {"SOCKIO_MESH": "off"},
            "workers = 2\n"
            "worker_class = 'sockio.integrations.gunicorn_worker.GeventSocketIOWorker'",
            {"workers": "problem", "worker-class": "ok"},
            id="they may not",
        ),
        pytest.param(
            {"SOCKIO_MESH": "/run/chat"},
            "workers = 2\nworker_class = 'gevent_pywsgi'",
            {"workers": "ok", "worker-class": "ok"},
            id="they have a directory",
        ),
        pytest.param(
            {},
            "workers = 1 +",
            {"gunicorn-config": "warning", "worker-class": "problem"},
            id="a broken file",
        ),
    ],
)
def test_gunicorn_is_looked_at(
    tmp_path: Path, environ: dict[str, str], config: str | None, expected: dict[str, str]
) -> None:
    if config is not None:
        (tmp_path / "gunicorn.conf.py").write_text(config + "\n")
    findings = examine_gunicorn(tmp_path, environ)
    assert {each.code: each.level for each in findings} == expected


@pytest.mark.parametrize(
    ("setting", "level"), [("str(pathlib.Path(__file__).parent / 'm')", "ok"), ("'off'", "problem")]
)
def test_workers_that_meet_by_a_setting_of_the_application(
    tmp_path: Path, setting: str, level: str
) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\nworker_class = 'gevent_pywsgi'\n")
    found = look_at(tmp_path, f"import pathlib\napp = SocketIOMiddleware(pages, mesh={setting})")
    assert found["workers"].level == level


def test_eventlet_and_other_socketio_servers_are_seen(tmp_path: Path) -> None:
    for name in ("eventlet", "socketio"):
        (tmp_path / f"{name}.py").write_text("")
    found = look_at(tmp_path, "import eventlet, socketio\napp = SocketIOMiddleware(pages)")
    assert levels(found, "eventlet-loaded", "other-socketio") == ["problem", "warning"]


def test_few_descriptors_are_a_warning(tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text(
        HEAD + "import resource\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "app = SocketIOMiddleware(pages)\n"
    )
    findings, _ = examine("few:app", str(tmp_path))
    (found,) = (each for each in findings if each.code == "descriptors")
    assert found.level == "warning"
    assert "256" in found.text
    assert "LimitNOFILE" in found.fix


# ---- how it is said


def doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sockio.cli", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    program = (
        "print('noise')\nclass Chat(BaseNamespace):\n    def recv_conect(self): ...\n\n"
        "app = SocketIOMiddleware(pages, {'/chat': Chat})\n"
        "fine = SocketIOMiddleware(pages, {'/chat': BaseNamespace}, authorize=print)\n"
    )
    (tmp_path / "chat.py").write_text(HEAD + program)
    return tmp_path


def test_the_command_speaks_to_people(chat: Path) -> None:
    ran = doctor(chat, "chat:app")
    assert ran.returncode == 1
    assert "problem  nothing ever calls chat.Chat.recv_conect [hook-misspelt]\n" in ran.stdout
    assert "         -> did you mean recv_connect?\n" in ran.stdout
    assert ran.stdout.endswith("1 problem, 0 warnings.\n")
    assert "noise" not in ran.stdout + ran.stderr
    assert max(map(len, ran.stdout.splitlines())) < 100
    assert "noise" in doctor(chat, "chat:app", "--verbose").stderr


def test_the_command_speaks_to_programs(chat: Path) -> None:
    ran = doctor(chat, "chat:app", "--json")
    report: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert (report["well"], report["app"], report["url"]) == (False, "chat:app", None)
    (found,) = (each for each in report["findings"] if each["level"] == "problem")
    assert found["code"] == "hook-misspelt"
    assert found["fix"] == "did you mean recv_connect?"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "name an application", id="nothing"),
        pytest.param(["chat"], "write MODULE:APP, for example chat:app", id="no colon"),
        pytest.param(["chat.py:app"], "without .py: chat:app", id="a file"),
        pytest.param(["./chat:app"], "without a path", id="a path"),
        pytest.param(["--url", "nonsense://"], "is no address", id="no address"),
        pytest.param(["--url", "http://h:99999"], "is no address", id="no port"),
        pytest.param(["--url", "http://h", "--header", "x"], "write 'Name: value'", id="no header"),
    ],
)
def test_the_command_says_how_it_is_used(chat: Path, arguments: list[str], words: str) -> None:
    ran = doctor(chat, *arguments)
    assert ran.returncode == 2
    assert words in ran.stderr


def test_the_worst_comes_last_and_is_counted() -> None:
    findings = [
        Finding("workers", "problem", "several", "one"),
        Finding("python", "ok", "new"),
        Finding("origins-any", "warning", "any", "some"),
        Finding("everybody", "note", "all", "few"),
    ]
    lines = as_text(findings).splitlines()
    assert [line.split()[0] for line in lines if line and line[0] != " "] == [
        "ok",
        "note",
        "warning",
        "problem",
        "1",
    ]
    assert lines[-1] == "1 problem, 1 warning."
    assert as_text(findings[1:2]).endswith("Nothing is wrong.")
    assert not is_well(findings)
    assert is_well(findings[1:])
    assert json.loads(as_json(findings[1:]))["well"]


def test_a_finding_has_a_code_that_is_known() -> None:
    with pytest.raises(ValueError, match="CODES"):
        Finding("nonsense", "ok", "")
    assert all(code == code.lower() for code in CODES)


# ---- an application that has its pages under its own name alone


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        ({"subdomain_matching": True}, "example.com", "example.com"),
        ({"host_matching": True, "static_host": "example.com"}, "example.com", "example.com"),
        ({}, "example.com", ""),
        ({"subdomain_matching": True}, None, ""),
    ],
)
def test_flask_may_route_by_host(options: dict[str, Any], name: str | None, expected: str) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask(__name__, **options)
    app.config["SERVER_NAME"] = name
    assert routed_host(app) == routed_host(app.wsgi_app) == expected
    assert routed_host(not_ours) == ""


def test_where_this_was_tried_is_no_fault_of_an_application_that_routes_by_host(
    tmp_path: Path,
) -> None:
    pytest.importorskip("flask")
    found = look_at(
        tmp_path,
        """
        from flask import Flask
        from sockio.integrations.flask import SocketIO

        class Chat(BaseNamespace):
            def on_x(self): ...

        app = Flask(__name__, subdomain_matching=True)
        app.config["SERVER_NAME"] = "example.com"
        socketio = SocketIO(app, {"/chat": Chat})
        """,
        PATCH + HEAD,
    )
    assert levels(found, "handshake-refused", "handshake") == ["note", None]
    assert "'example.com'" in found["handshake-refused"].text
