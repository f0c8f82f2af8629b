"""One middleware serves, the one that the application made, whatever is around it.

Its gate holds, its ``of()`` reaches the clients, and what is around it sees the requests.
"""

from __future__ import annotations

import functools
import gc
import io
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from operator import methodcaller
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage
from sockio.http import asking
from sockio.server import SocketIOServer
from sockio.testing import LiveServer, Refused

from ..support.raw_http import Answer, Connection
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served, not_ours

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Serve = Callable[..., Served]


class Open(BaseNamespace):
    """What nobody wants to be reached when there is one with a gate."""


class Secret(BaseNamespace):
    def on_echo(self, text: str) -> None:
        self.emit("echo", text)

    def on_address(self) -> str:
        return str(self.environ["REMOTE_ADDR"])


def view(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"].startswith("/socket.io/"):
        return socketio_manage(environ, {"": Open, "/c": Open})
    return not_ours(environ, start_response)


class Unasked(LiveServer):
    """Learns from the clients' own requests only, as servers do."""

    @property
    def middleware(self) -> SocketIOMiddleware:
        return self.server.middleware


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(
            Unasked(*args, generation="0.9", **options)
        )


# ---- what can be around a middleware


def closure(inner: App) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return inner(environ, start_response)

    return app


class Slots:
    __slots__ = ("inner",)

    def __init__(self, inner: App) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return self.inner(environ, start_response)


def partial(inner: App) -> App:
    def app(inner: App, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return inner(environ, start_response)

    return functools.partial(app, inner)


class _Two:
    def __init__(self, inner: App) -> None:
        self.inner = inner

    def run(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return self.inner(environ, start_response)


def of_c(inner: App) -> App:
    """No Python function: nothing to look into."""
    two = _Two(inner)
    return lambda environ, start_response: methodcaller("run", environ, start_response)(two)


def copying(inner: App) -> App:
    return lambda environ, start_response: inner(dict(environ), start_response)


def prefixed(inner: App) -> App:
    """Says where the site is mounted, as it is told to by a proxy."""

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ["SCRIPT_NAME"] = "/site"
        return inner(environ, start_response)

    return app


def generator(inner: App) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        yield from inner(environ, start_response)

    return app


def lazy(inner: App) -> App:
    """Made when it is first asked."""
    made: list[App] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if not made:
            made.append(inner)
        return made[0](environ, start_response)

    return app


def misleading(inner: App) -> App:
    """Has the attribute that Flask's applications have, with another middleware in it."""

    class App:
        wsgi_app = SocketIOMiddleware(not_ours, {"": Open, "/c": Open})

        def __call__(
            self, environ: dict[str, Any], start_response: StartResponse
        ) -> Iterable[bytes]:
            return inner(environ, start_response)

    return App()


def subclassed(inner: App) -> App:
    class Around(SocketIOMiddleware):
        def __call__(
            self, environ: dict[str, Any], start_response: StartResponse
        ) -> Iterable[bytes]:
            return inner(environ, start_response)

    return Around(not_ours, {"": Open, "/c": Open})


def wrapped_again(inner: App) -> App:
    return SocketIOMiddleware(inner, origins="*")


def mapped_again(inner: App) -> App:
    return SocketIOMiddleware(inner, {"": Open, "/c": Open}, origins="*")


def mapped_around(inner: App) -> App:
    return closure(SocketIOMiddleware(closure(inner), {"": Open, "/c": Open}, origins="*"))


AROUND = [
    pytest.param(each, id=each.__name__)
    for each in (
        closure,
        Slots,
        partial,
        of_c,
        copying,
        prefixed,
        generator,
        lazy,
        misleading,
        subclassed,
        wrapped_again,
        mapped_again,
        mapped_around,
    )
]
TRANSPORTS = ["websocket", "xhr-polling", "htmlfile"]


class Seen:
    """Another layer around: sees every request, and changes the visitor's address."""

    def __init__(self, inner: App) -> None:
        self.inner = inner
        self.paths: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.paths.append(environ["PATH_INFO"])
        environ["REMOTE_ADDR"] = "203.0.113.9"

        def start(status: str, headers: Any, *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("X-Seen", "yes")], *exc_info)

        return self.inner(environ, start)


# ---- the gate


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("form", ["view", "mapping"])
@pytest.mark.parametrize("transport", TRANSPORTS[:2])
def test_the_inner_gate_holds(
    serve: Serve, around: Callable[[App], App], form: str, transport: str
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret, "/c": Secret}, authorize=lambda request: False)
    options: dict[str, Any] = {}
    if form == "mapping":
        if around in (subclassed, wrapped_again, mapped_again):
            pytest.skip("the server sees a middleware, and raises")
        options = {"namespaces": {"": Open, "/c": Open}}
    server = serve(around(inner), **options)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            server.connect("/c", transport=transport)
        assert refused.value.code == "authorize-refused"
    assert not server.server.sockets


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("says", "status"), [("429 Too Many Requests", 429), ("302 Found", 302), (None, 500)]
)
def test_a_layer_that_refuses_the_request_of_a_session_is_heard(
    serve: Serve, says: str | None, status: int, method: str
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret})

    def layer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_X_BUSY" not in environ:
            return inner(environ, start_response)
        if says is None:
            raise PermissionError("too busy")
        start_response(says, [("Retry-After", "7"), ("Content-Type", "text/plain")])(b"slow ")
        return [b"down"]

    server = serve(layer)
    path = f"/socket.io/1/xhr-polling/{server.connect('', transport='xhr-polling').sid}"
    with Connection(server.port) as connection:
        answer = connection.ask(method, path, headers={"X-Busy": "1"})
    assert answer.code == status
    if says is not None:
        assert (answer.body, answer.headers["retry-after"]) == ("slow down", "7")


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_inner_one_serves(serve: Serve, around: Callable[[App], App], transport: str) -> None:
    inner = SocketIOMiddleware(
        view, {"": Secret, "/c": Secret}, transports=TRANSPORTS, close_timeout=47
    )
    layer = Seen(around(inner))
    server = serve(layer)
    client = server.connect("/c", transport=transport)
    assert client.handshake.close_timeout == 47
    client.emit("echo", "ä")
    client.expect("echo", "ä")
    assert client.call("address") == "203.0.113.9"
    inner.of("/c").emit("news", 1)
    client.expect("news", 1)
    server.middleware.of("/c").emit("news", 2)
    client.expect("news", 2)
    assert server.middleware is inner
    assert list(server.server.sockets) == list(inner.registry.sockets) == [client.sid]
    assert server.server.get_socket(client.sid) is inner.registry.get_socket(client.sid)
    assert f"/socket.io/1/{transport}/{client.sid}" in layer.paths


def test_limits_and_origins_are_the_inner_ones(serve: Serve) -> None:
    inner = SocketIOMiddleware(
        view, {"": Secret}, origins=["http://friend.example"], transports="xhr-polling"
    )
    server = serve(closure(inner))
    friend = {"Origin": "http://friend.example"}
    # The very first handshake is from a page that only the inner one knows.
    answer = server.browser().get("/socket.io/1/", **friend)
    assert answer.status == 200
    assert answer.text.endswith(":xhr-polling")
    stranger = server.browser().get("/socket.io/1/", Origin="http://stranger.example")
    assert (stranger.status, stranger.headers["X-Sockio-Refusal"]) == (403, "origin-not-allowed")
    sid = answer.text.partition(":")[0]
    poll = server.browser().get(f"/socket.io/1/xhr-polling/{sid}", **friend)
    assert (poll.status, poll.text) == (200, "1::")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "HEAD"])
@pytest.mark.parametrize("form", ["view", "mapping"])
def test_every_method_reaches_the_inner_one(serve: Serve, method: str, form: str) -> None:
    inner = SocketIOMiddleware(view, {"": Secret}, sid_prefix="inner-")
    layer = Seen(inner)
    server = serve(layer, **({"namespaces": {"": Open}} if form == "mapping" else {}))
    for path in ("/socket.io/1/", "/socket.io/1/xhr-polling/unknown", "/socket.io/"):
        answer = server.browser().request(method, path)
        assert answer.headers["X-Seen"] == "yes", path
    assert all(sid.startswith("inner-") for sid in inner.registry.sockets)
    assert len(server.server.sockets) == 1


def test_the_layers_see_one_request_for_each(serve: Serve) -> None:
    layer = Seen(SocketIOMiddleware(view, {"": Secret}))
    server = serve(layer)
    for _ in range(3):
        assert server.browser().get("/socket.io/1/").status == 200
    assert layer.paths == ["/socket.io/1/"] * 3


def test_a_jsonp_handshake_is_the_inner_ones(serve: Serve) -> None:
    inner = SocketIOMiddleware(view, {"": Secret}, authorize=lambda request: False)
    server = serve(closure(inner))
    answer = server.browser().get("/socket.io/1/?jsonp=3", Referer=server.url + "/")
    assert answer.text == 'io.j[3](new Error("handshake unauthorized"));'


#: What PEP 3333 names, and CGI.
_NAMED = {
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
}


def rebuilding(app: App, *kept: str) -> App:
    """Makes an environ of its own, of the keys that it knows."""

    def rebuilds(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        known = {k: v for k, v in environ.items() if k in _NAMED or k.startswith(kept)}
        return app(known, start_response)

    return rebuilds


@pytest.mark.parametrize("kept", [("wsgi.", "HTTP_"), ("wsgi.",)], ids=["all", "without headers"])
@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
@pytest.mark.parametrize("first", [None, "/", "/socket.io/1/xhr-polling/unknown"])
def test_a_layer_that_makes_an_environ_of_its_own(
    serve: Serve, kept: tuple[str, ...], given: dict[str, Any], first: str | None
) -> None:
    closed = SocketIOMiddleware(view, {"": Secret}, authorize=lambda request: False)
    opened = SocketIOMiddleware(view, {"": Secret})
    for inner in (closed, opened):
        server = serve(rebuilding(inner, *kept), **given)
        if first is not None:
            server.browser().get(first)
        if inner is closed:
            with pytest.raises(Refused) as refused:
                server.connect(transport="xhr-polling")
            assert refused.value.code == "authorize-refused"
            continue
        client = server.connect(transport="xhr-polling")
        client.emit("echo", 1)
        client.expect("echo", 1)
        server.middleware.of("").emit("news", 2)
        client.expect("news", 2)
        assert list(inner.registry.sockets) == [client.sid]


def test_such_a_layer_around_a_view(serve: Serve) -> None:
    assert serve(rebuilding(view, "wsgi.", "HTTP_")).connect(transport="xhr-polling").connected


def test_claims_of_other_requests_do_not_count() -> None:
    """Servers may give all requests of a connection the same input, in one task."""
    from webob import Request

    outer = SocketIOMiddleware(view, sid_prefix="outer-")
    stranger = SocketIOMiddleware(view, {"": Secret}, sid_prefix="stranger-")
    first = Request.blank("/socket.io/1/")
    for _ in range(2):
        again = Request.blank("/socket.io/1/")
        again.environ["wsgi.input"] = first.environ["wsgi.input"]
        assert again.get_response(outer).text.startswith("outer-")
    assert Request.blank("/socket.io/1/").get_response(stranger).text.startswith("stranger-")
    assert list(outer.inside) == []


# ---- what is told


def errors(caplog: pytest.LogCaptureFixture, level: int = logging.ERROR) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "sockio" and r.levelno == level]


def test_what_the_server_was_given_in_vain_is_said_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret})
    server = serve(closure(inner), {"": Open}, heartbeat_interval=3)
    for _ in range(2):
        client = server.connect()
        assert type(server.server.get_socket(client.sid)[""]) is Secret
    (line,) = errors(caplog)
    assert line.startswith("heartbeat_interval, namespaces: given to the server, and not used")


def test_a_server_that_was_given_nothing_says_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serve(closure(SocketIOMiddleware(view, {"": Secret}))).connect()
    assert errors(caplog) == errors(caplog, logging.WARNING) == []


@pytest.mark.parametrize("again", [wrapped_again, mapped_again, mapped_around])
def test_two_of_the_users_own_are_a_warning(
    serve: Serve, caplog: pytest.LogCaptureFixture, again: Callable[[App], App]
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret})
    server = serve(again(inner))
    for _ in range(2):
        client = server.connect()
    assert client.sid in inner.registry.sockets
    (line,) = errors(caplog, logging.WARNING)
    assert "twice" in line


def test_a_server_that_sees_a_middleware_takes_no_settings() -> None:
    flask = pytest.importorskip("flask")
    app = SocketIOMiddleware(not_ours, {"": Open})
    mounted = flask.Flask(__name__)
    mounted.wsgi_app = app
    for each in (app, mounted):
        with pytest.raises(TypeError, match="pass heartbeat_interval, namespaces there"):
            SocketIOServer(("127.0.0.1", 0), each, {"": Open}, heartbeat_interval=3)


def test_an_application_that_leads_back_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    from webob import Request

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return middleware(environ, start_response)

    middleware = SocketIOMiddleware(app)
    assert Request.blank("/socket.io/1/").get_response(middleware).status_code == 500
    assert "calls that middleware again" in caplog.text


# ---- several in one application


def by_site(**apps: App) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return apps[environ["HTTP_X_SITE"]](environ, start_response)

    return app


@pytest.mark.parametrize("transport", TRANSPORTS[:2])
def test_a_middleware_for_one_of_the_sites(serve: Serve, transport: str) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, sid_prefix="inner-")
    server = serve(by_site(plain=view, own=inner))
    before, own, after = (
        server.browser().connect(transport=transport, headers={"X-Site": site})
        for site in ("plain", "own", "plain")
    )
    kinds = [type(server.server.get_socket(each.sid)[""]) for each in (before, own, after)]
    assert kinds == [Open, Secret, Open]
    assert list(inner.registry.sockets) == [own.sid]
    own.emit("echo", 1)
    own.expect("echo", 1)
    for each in (before, after):
        server.server.get_socket(each.sid)[""].emit("still", "here")
        each.expect("still", "here")


@pytest.mark.parametrize("first", ["plain", "own"])
def test_a_gate_on_one_of_the_sites_holds_whoever_was_asked_for_first(
    serve: Serve, first: str
) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    server = serve(by_site(plain=not_ours, own=inner), {"": Open})
    if first == "plain":
        assert server.browser().connect(headers={"X-Site": "plain"}).connected
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            server.browser().connect(headers={"X-Site": "own"})
        assert refused.value.code == "authorize-refused"


def test_a_gate_on_one_of_the_hosts_within_a_middleware(serve: Serve) -> None:
    """One that the application made asks once for each host."""
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False, origins="*")
    asked: list[str] = []

    def by_host(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        asked.append(environ["HTTP_HOST"])
        app = inner if environ["HTTP_HOST"] == "own.example" else not_ours
        return app(environ, start_response)

    server = serve(SocketIOMiddleware(by_host, {"": Open}, origins="*"))
    for _ in range(2):
        assert server.browser().get("/socket.io/1/", Host="plain.example").status == 200
    assert asked == ["plain.example"]
    refused = server.browser().get("/socket.io/1/", Host="own.example")
    assert refused.headers["X-Sockio-Refusal"] == "authorize-refused"


def answering_5xx(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    start_response("503 Service Unavailable", [("Content-Length", "0")])
    return []


def raising(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    raise RuntimeError("no database")


@pytest.mark.parametrize("failing", [answering_5xx, raising])
def test_nobody_comes_in_past_a_layer_that_fails(serve: Serve, failing: App) -> None:
    """It may have a gate inside of it."""
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    apps: list[App] = [failing, inner]

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return apps[0](environ, start_response)

    server = serve(app, {"": Open})
    with pytest.raises(Refused) as refused:
        server.connect()
    assert refused.value.code == "view-failed"
    apps.remove(failing)
    with pytest.raises(Refused) as refused:
        server.connect()
    assert refused.value.code == "authorize-refused"


def test_a_view_that_is_met_by_the_question_is_no_failure(serve: Serve) -> None:
    client = serve(closure(view), {"": Secret}).connect()
    client.emit("echo", 1)
    client.expect("echo", 1)


def test_an_application_that_does_not_answer_lets_nobody_in(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.01)

    def slow(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        Event().wait()
        return []

    with pytest.raises(Refused) as refused:
        serve(slow, {"": Open}).connect()
    assert refused.value.code == "view-failed"


@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
@pytest.mark.parametrize("let", [False, True])
def test_a_layer_that_calls_the_place_otherwise(
    serve: Serve, given: dict[str, Any], let: bool
) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, resource="rt", authorize=lambda r: let)

    def rewriting(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].replace("/socket.io", "/rt")
        return inner({**environ, "PATH_INFO": path}, start_response)

    server = serve(rewriting, **given)
    if let:
        assert server.connect().sid in inner.registry.sockets
    else:
        with pytest.raises(Refused):
            server.connect()


@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
def test_the_inner_ones_script_is_served_before_anything_else(
    serve: Serve, tmp_path: Path, given: dict[str, Any]
) -> None:
    """A page from elsewhere loads it before it connects."""
    script = tmp_path / "client.js"
    script.write_text("io = {};")
    inner = SocketIOMiddleware(view, {"": Secret}, client_script=str(script))
    answer = serve(closure(inner), **given).browser().get("/socket.io/socket.io.js")
    assert (answer.status, answer.text) == (200, "io = {};")


def test_two_resources_in_one_stack(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, resource="inner")
    outer = SocketIOMiddleware(closure(inner), {"": Secret}, resource="outer")
    ended: list[str] = []

    class Told(Secret):
        def recv_disconnect(self) -> None:
            ended.append(self.environ["PATH_INFO"].split("/")[1])

    inner.namespaces[""] = outer.namespaces[""] = Told  # type: ignore[index]
    server = Unasked(closure(outer)).start()
    try:
        with_page = server.browser()
        for resource in ("outer", "inner"):
            with_page.resource = resource
            client = with_page.connect()
            client.emit("echo", resource)
            client.expect("echo", resource)
        assert len(outer.registry.sockets) == len(inner.registry.sockets) == 1
        assert len(server.server.sockets) == 2
    finally:
        server.server.stop(1)
        server.stop()
    assert sorted(ended) == ["inner", "outer"]
    assert errors(caplog) == errors(caplog, logging.WARNING) == []


def answering(status: str) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        headers = [("Content-Length", "0"), ("Location", "/login")]
        start_response(status, headers[: 2 if status.startswith("3") else 1])
        return []

    return app


def walled(inside: App, status: str) -> App:
    """Lets only those past who are logged in."""
    wall = answering(status)

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        app = inside if "login" in environ.get("HTTP_COOKIE", "") else wall
        return app(environ, start_response)

    return app


WALLS = ["401 Unauthorized", "403 Forbidden", "302 Found", "308 Permanent Redirect", "400 Bad"]
LOGIN = {"Cookie": "login=1"}


@pytest.mark.parametrize("status", WALLS)
def test_nobody_comes_in_where_a_gate_may_be_behind_a_wall(
    serve: Serve, alone: None, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    server = serve(walled(inner, status), {"": Open})
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            server.connect()
        assert refused.value.code == "gate-not-seen"
    assert f"answered {status} when" in caplog.text
    assert "wrap this one yourself: SocketIOMiddleware(app, namespaces" in caplog.text
    with pytest.raises(Refused) as refused:
        server.browser().connect(headers=LOGIN)
    assert refused.value.code == "authorize-refused"
    with pytest.raises(Refused):
        server.connect()
    assert not server.server.sockets


def test_nor_where_the_application_says_nothing(serve: Serve, alone: None) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    server = serve(lambda environ, start_response: [], {"": Open})
    with pytest.raises(Refused) as refused:
        server.connect()
    assert refused.value.code == "gate-not-seen"
    assert not inner.registry.sockets


def test_who_came_before_a_gate_in_another_thread_is_ended(serve: Serve, alone: None) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    apps: list[App] = [not_ours, elsewhere(inner, in_a_thread)]

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return apps[0](environ, start_response)

    server = serve(app, {"": Open})
    early = server.connect()
    apps.remove(not_ours)
    with pytest.raises(Refused) as refused:
        server.connect()
    assert refused.value.code == "authorize-refused"
    assert early.expect_end()


@pytest.mark.parametrize("status", WALLS)
def test_a_wall_with_nothing_behind_it_is_no_gate(serve: Serve, alone: None, status: str) -> None:
    """Every page asks for a login, and sockets are let in by what the server was given."""
    server = serve(walled(not_ours, status), {"": Secret})
    client = server.connect()
    client.emit("echo", 1)
    client.expect("echo", 1)
    assert server.browser().connect(headers=LOGIN).connected


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "404 Not Found", "405 No", "410 G"])
def test_pages_are_no_wall(serve: Serve, alone: None, status: str) -> None:
    elsewhere = SocketIOMiddleware(not_ours, {"": Secret})
    assert serve(answering(status), {"": Open}).connect().connected
    assert not elsewhere.registry.sockets


def test_a_page_without_end_is_asked_no_further_than_its_beginning(serve: Serve) -> None:
    def page(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return itertools.repeat(b"page")

    assert serve(page, {"": Open}).connect().connected


def test_middlewares_that_servers_make_hide_nothing(serve: Serve, alone: None) -> None:
    apps = [serve(walled(not_ours, "401 Unauthorized"), {"": Open}) for _ in range(2)]
    for server in apps:
        assert server.connect().connected


def test_a_middleware_that_nobody_keeps_hides_nothing(serve: Serve, alone: None) -> None:
    gone = SocketIOMiddleware(not_ours, {"": Secret})
    server = serve(walled(not_ours, "401 Unauthorized"), {"": Open})
    with pytest.raises(Refused):
        server.connect()
    del gone
    gc.collect()
    assert server.connect().connected


def test_a_wall_within_a_middleware_of_the_users_own(serve: Serve, alone: None) -> None:
    """Which is what to write where there is nothing behind."""
    elsewhere = SocketIOMiddleware(not_ours, {"": Secret})
    server = serve(SocketIOMiddleware(walled(not_ours, "401 Unauthorized"), {"": Open}))
    assert server.connect().connected
    assert not elsewhere.registry.sockets


def test_a_gate_that_is_made_late_ends_who_came_past_it(serve: Serve, alone: None) -> None:
    made: list[App] = []

    def late(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if not made:
            made.append(SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False))
        return made[0](environ, start_response)

    server = serve(walled(late, "401 Unauthorized"), {"": Open})
    early = server.connect()
    assert server.browser().get("/", Cookie="login=1").status == 200
    assert early.expect_end()
    with pytest.raises(Refused):
        server.connect()


def in_a_greenlet(run: Callable[[], None]) -> None:
    gevent.spawn(run).join()


def in_a_thread(run: Callable[[], None]) -> None:
    gevent.get_hub().threadpool.apply(run)


def elsewhere(app: App, run: Callable[[Callable[[], None]], None]) -> App:
    """Runs the application to its end in another task."""

    def answers(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        parts: list[bytes] = []

        def work() -> None:
            parts.extend(app(environ, start_response) or ())

        run(work)
        return parts

    return answers


@pytest.mark.parametrize("run", [in_a_greenlet, in_a_thread])
@pytest.mark.parametrize("kept", [("wsgi.", "HTTP_"), ("HTTP_",)], ids=["body", "no body"])
@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
@pytest.mark.parametrize("first", [None, "/", "/socket.io/1/xhr-polling/unknown"])
def test_a_gate_in_another_task_holds(
    serve: Serve,
    run: Callable[[Callable[[], None]], None],
    kept: tuple[str, ...],
    given: dict[str, Any],
    first: str | None,
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret}, authorize=lambda request: False)
    server = serve(rebuilding(elsewhere(inner, run), *kept), **given)
    if first is not None:
        server.browser().get(first)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            server.connect(transport="xhr-polling")
        assert refused.value.code == "authorize-refused"
    answer = server.browser().get("/socket.io/1/?jsonp=3", Referer=server.url + "/")
    assert answer.text == 'io.j[3](new Error("handshake unauthorized"));'
    assert not server.server.sockets


@pytest.mark.parametrize("kept", [("wsgi.", "HTTP_"), ("HTTP_",)], ids=["body", "no body"])
@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_the_inner_one_serves_from_another_task(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    kept: tuple[str, ...],
    given: dict[str, Any],
    transport: str,
) -> None:
    inner = SocketIOMiddleware(
        view, {"": Secret}, transports="xhr-polling, jsonp-polling", origins="*"
    )
    server = serve(rebuilding(elsewhere(inner, in_a_greenlet), *kept), **given)
    client = server.connect(transport=transport)
    assert client.sid in inner.registry.sockets
    inner.of("").emit("news", 2)
    client.expect("news", 2)
    told = [line for line in errors(caplog, logging.WARNING) if "as Socket.IO does" in line]
    assert len(told) == (0 if "wsgi." in kept else 1)


def by_a_start_response_of_its_own(app: App) -> App:
    def answers(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return app(environ, lambda *args: start_response(*args))

    return answers


def twice_in_a_greenlet(run: Callable[[], None]) -> None:
    in_a_greenlet(lambda: in_a_greenlet(run))


@pytest.mark.parametrize("run", [in_a_greenlet, twice_in_a_greenlet])
@pytest.mark.parametrize("within", [lambda app: app, by_a_start_response_of_its_own])
@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
def test_a_websocket_is_opened_from_another_task(
    serve: Serve,
    run: Callable[[Callable[[], None]], None],
    within: Callable[[App], App],
    given: dict[str, Any],
) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret})
    server = serve(elsewhere(within(inner), run), **given)
    for _ in range(2):
        client = server.connect(generation="eio4", transport="websocket")
        assert client.call("address") == "127.0.0.1"


def in_one_piece(app: App) -> App:
    """Answers when it has the whole of an answer."""

    def answers(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        told: list[Any] = []

        def start(*args: Any) -> Callable[[bytes], object]:
            told[:] = args[:2]
            return lambda data: None

        body = list(app(environ, start))
        start_response(*told)
        return body

    return answers


@pytest.mark.parametrize("run", [in_a_greenlet, twice_in_a_greenlet])
def test_a_websocket_from_another_task_with_any_pywsgi(run: Callable[..., None]) -> None:
    app = elsewhere(in_one_piece(SocketIOMiddleware(not_ours, {"": Secret})), run)
    server = WSGIServer(("127.0.0.1", 0), in_one_piece(app), log=None)
    server.start()
    try:
        port = server.server_port
        assert port is not None
        with Connection(port) as connection:
            connection.send(upgrade_request("/socket.io/?EIO=4&transport=websocket", port))
            assert connection.answer().code == 101
    finally:
        server.stop(0)


HANDSHAKES = {
    "0.9": ("/socket.io/1/", False),
    "polling": ("/socket.io/?EIO=4&transport=polling", False),
    "eio3": ("/socket.io/?EIO=3&transport=polling", False),
    "websocket": ("/socket.io/?EIO=4&transport=websocket", True),
}


def handshake(server: Served, way: str) -> Answer:
    """The answer to a client's first request."""
    path, upgrades = HANDSHAKES[way]
    port = server.server.server_port
    assert port is not None
    with Connection(port) as connection:
        if upgrades:
            connection.send(upgrade_request(path, port))
        else:
            connection.request("GET", path)
        return connection.answer()


def leading(inside: App, *ways: str) -> App:
    """Has a middleware for some of the handshakes, and pages for whoever comes otherwise."""

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/socket.io/1/"):
            way = "0.9"
        else:
            way = "websocket" if "HTTP_UPGRADE" in environ else "polling"
        there = inside if way in ways else answering("404 Not Found")
        return there(environ, start_response)

    return app


@pytest.mark.parametrize("first", [None, *HANDSHAKES])
@pytest.mark.parametrize("leads", [("0.9",), ("polling", "websocket"), ("websocket",)])
def test_a_gate_for_some_of_the_handshakes_holds_for_all(
    serve: Serve, alone: None, leads: tuple[str, ...], first: str | None
) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    server = serve(leading(inner, *leads), {"": Open})
    if first is not None:
        handshake(server, first)
    for way in HANDSHAKES:
        assert handshake(server, way).code >= 400
    assert not server.server.outermost.registry.sockets
    assert server.server.outermost.inside.gives_way


def test_nobody_comes_in_where_such_a_question_fails(serve: Serve, alone: None) -> None:
    inner = SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False)
    ready: list[bool] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/socket.io/1/") and not ready:
            raise RuntimeError("not ready")
        return leading(inner, "0.9")(environ, start_response)

    server = serve(app, {"": Open})
    refused = handshake(server, "polling")
    assert (refused.code, refused.headers["x-sockio-refusal"]) == (403, "gate-not-seen")
    ready.append(True)
    assert handshake(server, "polling").code == 404
    assert not server.server.outermost.registry.sockets


@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
@pytest.mark.parametrize("way", HANDSHAKES)
@pytest.mark.parametrize("around", [closure, Slots])
def test_the_inner_one_serves_who_comes_first(
    serve: Serve, around: Callable[[App], App], given: dict[str, Any], way: str
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret})
    server = serve(around(inner), **given)
    assert handshake(server, way).code == (101 if way == "websocket" else 200)
    assert len(inner.registry.sockets) == 1


@pytest.mark.parametrize("kept", [("wsgi.", "HTTP_"), ("HTTP_",)], ids=["body", "no body"])
@pytest.mark.parametrize("given", [{}, {"namespaces": {"": Open}}], ids=["view", "mapping"])
@pytest.mark.parametrize("way", ["polling", "eio3"])
def test_the_inner_one_serves_later_clients_from_another_task(
    serve: Serve, kept: tuple[str, ...], given: dict[str, Any], way: str
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret})
    server = serve(rebuilding(elsewhere(inner, in_a_greenlet), *kept), **given)
    for _ in range(2):
        assert handshake(server, way).code == 200
    assert inner.registry.sockets
    assert not server.server.outermost.registry.sockets


@pytest.mark.parametrize("way", ["0.9", "polling", "eio3"])
def test_nobody_comes_in_where_a_page_lets_somebody_in(serve: Serve, alone: None, way: str) -> None:
    """What makes pages of answers leaves nothing of them but the text."""
    inner = SocketIOMiddleware(not_ours, {"": Secret})

    def makes_pages(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [("Content-Type", "text/html")])

        known = {k: v for k, v in environ.items() if k in _NAMED}
        answer = elsewhere(inner, in_a_greenlet)
        return answer({**known, "wsgi.input": io.BytesIO()}, start)

    server = serve(makes_pages, {"": Open})
    refused = handshake(server, way)
    assert (refused.code, refused.headers["x-sockio-refusal"]) == (403, "gate-not-seen")
    assert not server.server.outermost.registry.sockets


def test_a_page_that_shows_what_it_was_asked_for_is_none(serve: Serve, alone: None) -> None:
    def shows(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain; charset=UTF-8")])
        return [environ["QUERY_STRING"].encode()]

    for path in (
        "/socket.io/1/?a:15:25:websocket",
        "/socket.io/1/?io.j[0](1);",
        '/socket.io/1/?0{"sid":"a"}',
    ):
        server = serve(shows, {"": Secret})
        assert server.browser().get(path).status == 200
        assert server.connect().connected
        assert not server.server.outermost.inside.gives_way


def test_an_application_that_asks_a_server_elsewhere(serve: Serve, alone: None) -> None:
    """Nothing of the environ goes along: the answers tell."""
    behind = serve(SocketIOMiddleware(not_ours, {"": Secret}, authorize=lambda request: False))

    def proxy(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        answer = behind.browser().request(environ["REQUEST_METHOD"], path)
        start_response(f"{answer.status} As It Came", list(answer.headers.items()))
        return [answer.text.encode()]

    for given in ({}, {"namespaces": {"": Open}}):
        server = serve(proxy, **given)
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                server.connect(transport="xhr-polling")
            assert refused.value.code == "authorize-refused"
    # Who wraps it means to serve here.
    assert serve(SocketIOMiddleware(proxy, {"": Open})).connect().connected


def test_a_test_server_asks_when_it_is_asked() -> None:
    layer = Seen(SocketIOMiddleware(view, {"": Secret}))
    with LiveServer(layer, generation="0.9") as server:
        assert server.middleware is layer.inner
        assert server.registry is layer.inner.registry
    assert layer.paths == ["/socket.io"]


# ---- the end


def test_the_inner_ones_clients_are_told_of_the_end() -> None:
    told: list[str] = []

    class Told(Secret):
        def recv_disconnect(self) -> None:
            told.append(self.socket.close_reason or "")

    inner = SocketIOMiddleware(view, {"": Told})
    server = Unasked(closure(inner)).start()
    try:
        client = server.connect()
        server.server.stop(1)
        assert client.expect_end()
    finally:
        server.stop()
    assert told == ["server shutting down"]
    with Unasked(Slots(inner)) as again:
        again.connect()


def test_the_inner_ones_policy_server_is_started(serve: Serve) -> None:
    inner = SocketIOMiddleware(
        view,
        {"": Secret},
        policy_server=True,
        policy_domains=["www.example.com"],
        policy_listener_host="127.0.0.1",
        policy_listener_port=0,
    )
    server = serve(closure(inner))
    assert server.server.policy_server is None
    server.connect()
    assert server.server.policy_server is not None


# ---- what the server itself does by settings

OF_THE_DOOR: dict[str, Any] = {
    "head_timeout": 3,
    "keep_alive": 4,
    "max_head": 3000,
    "close_timeout": 41,
    "log_lines": 1,
    "max_connections": 5,
}


def of_the_door(server: Served) -> dict[str, Any]:
    """All by which the door decides, whatever is added to it."""
    door = server.server.door
    obeyed = {
        name: value
        for name, value in vars(door).items()
        if name[0] != "_" and type(value) in (int, float) and name != "opened"
    }
    return {**obeyed, "lines": door.complaints.lines}


@pytest.mark.parametrize("around", [closure, generator, wrapped_again, mapped_again])
def test_the_door_is_kept_by_the_inner_ones_settings(
    serve: Serve, around: Callable[[App], App]
) -> None:
    alone = serve(SocketIOMiddleware(view, {"": Secret}, **OF_THE_DOOR))
    inner = SocketIOMiddleware(view, {"": Secret}, **OF_THE_DOOR)
    server = serve(around(inner))
    server.connect()
    assert of_the_door(server) == of_the_door(alone)
    assert server.server.door.complaints is inner.registry.complaints


def test_a_connection_from_before_has_them_too(serve: Serve) -> None:
    server = serve(closure(SocketIOMiddleware(view, {"": Secret}, max_head=3000)))
    with Connection(server.port) as connection:
        assert [
            connection.ask("GET", "/page", headers={"X-Long": "x" * 5000}).code for _ in range(2)
        ] == [200, 431]


def test_a_connection_is_kept_as_long_as_the_inner_one_says(serve: Serve) -> None:
    server = serve(closure(SocketIOMiddleware(view, {"": Secret}, keep_alive=0.2)))
    with Connection(server.port) as connection:
        assert connection.ask("GET", "/socket.io/1/").code == 200
        assert connection.at_end()


def test_the_access_log_believes_the_inner_ones_proxies(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sockio.access")
    inner = SocketIOMiddleware(view, {"": Secret}, trusted_proxies="127.0.0.1")
    server = serve(closure(inner), access_log=True)
    with Connection(server.port) as kept:
        for path in ("/socket.io/1/", "/behind"):
            assert kept.ask("GET", path, headers={"X-Forwarded-For": "203.0.113.7"}).code == 200
    line = next(each for each in caplog.messages if "/behind" in each)
    assert line.startswith("203.0.113.7 ")


#: What is no handshake, or none to the middleware that a server makes.
NO_HANDSHAKES = [
    "/socket.io/?transport=polling",
    "/socket.io/?EIO=9&transport=polling",
    "/socket.io/?EIO=4&EIO=3&transport=polling",
    "/socket.io/?EIO=4&transport=pigeon",
    "/socket.io/?EIO=4",
    "/socket.io/?EIO=4&transport=websocket",
    "/socket.io/?EIO=4&transport=polling&j=x",
    "/socket.io/2/",
]


@pytest.mark.parametrize("path", NO_HANDSHAKES)
@pytest.mark.parametrize("known", [True, False])
def test_what_is_no_handshake_is_refused_by_the_inner_one(
    serve: Serve, path: str, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    inner = SocketIOMiddleware(view, {"": Secret}, log_lines=1)
    layer = Seen(inner)
    server = serve(layer)
    if known:
        server.connect()
    caplog.clear()
    for method in ("GET", "POST"):
        before = len(layer.paths)
        answer = server.browser().request(method, path)
        assert answer.status >= 400
        assert answer.headers["X-Sockio-Refusal"]
        assert answer.headers["X-Seen"] == "yes"
        assert known is False or len(layer.paths) == before + 1


def test_a_generation_that_only_the_inner_one_serves(serve: Serve) -> None:
    inner = SocketIOMiddleware(view, {"": Secret})
    server = serve(closure(inner), generations="eio3", hosts=["other.example"])
    assert server.middleware is not inner
    with Connection(server.port) as connection:
        connection.send(
            b"GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: other.example\r\n\r\n"
        )
        # It finds the inner one: what the server was given is not used any more.
        assert connection.answer().code == 200
        for path in ("/socket.io/?EIO=4&transport=polling", "/socket.io/1/"):
            assert connection.ask("GET", path).code == 200
    assert len(inner.registry.sockets) == 3


# ---- the short way


@pytest.mark.fast_path("http")
def test_the_short_way_is_left_for_a_middleware_inside(serve: Serve) -> None:
    pytest.importorskip("httptools")
    layer = Seen(SocketIOMiddleware(view, {"": Secret}))
    server = serve(layer)
    client = server.connect(transport="xhr-polling")
    client.emit("echo", 1)
    client.expect("echo", 1)
    fast = server.server.fast
    assert fast is not None
    # Only the handshake began there, and it passed the layer.
    assert (fast.answered, fast.upgraded) == (1, 0)
    assert len(layer.paths) > 3


@pytest.mark.fast_path("http")
@pytest.mark.fast_path("detach")
def test_a_plain_application_keeps_it(serve: Serve) -> None:
    pytest.importorskip("httptools")
    layer = Seen(view)
    server = serve(layer)
    server.connect(transport="xhr-polling")
    server.connect()
    fast = server.server.fast
    assert fast is not None
    assert fast.handed_over == 0
    assert fast.upgraded == 1
