"""``sockio.integrations.flask``: the route, who gets in, and Flask's contexts around each event."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import BaseNamespace, ConnectionRefused, UsageError
from sockio.testing import EventFailed, Refused

from ..support.generations import EACH_WAY, FIRST_REQUESTS, Way
from ..support.servers import Served

flask = pytest.importorskip("flask")

from flask.sessions import SessionInterface, SessionMixin  # noqa: E402

from sockio.integrations.flask import SocketIO, open_session  # noqa: E402


async def coroutine() -> bool:
    return False


class Who(BaseNamespace):
    def recv_connect(self) -> None:
        self.session["said"] = [flask.session["nickname"]]

    def on_who(self) -> Any:
        flask.g.asked = flask.g.get("asked", 0) + 1
        return flask.current_app.name, flask.session["nickname"], flask.g.asked


def make(socketio: SocketIO, name: str = "site") -> Any:
    """An application with a login, and with that extension."""
    app = flask.Flask(name)
    app.secret_key = "of the tests"
    socketio.init_app(app)

    @app.post("/login")
    def login() -> str:
        flask.session["nickname"] = flask.request.form["nickname"]
        return "welcome"

    @app.route("/tell/<news>")
    def tell(news: str) -> str:
        socketio.of("/who").emit("news", news)
        return "told"

    return app


@pytest.fixture
def socketio() -> SocketIO:
    socketio = SocketIO()
    socketio.namespace("/who")(Who)

    @socketio.before_connect
    def logged_in() -> Any:
        return "nickname" in flask.session

    return socketio


@pytest.fixture
def site(serve: Callable[..., Served], socketio: SocketIO) -> Served:
    return serve(make(socketio))


def test_what_an_event_has_read_is_not_kept(serve: Callable[..., Served]) -> None:
    class Reader(BaseNamespace):
        def on_read(self) -> Any:
            assert flask.request.cookies == {}
            kept = [name for name in self.environ if name.startswith("werkzeug.request")]
            return kept, "cookies" in vars(self.request)

    app = flask.Flask("site")

    @app.before_request
    def reads() -> None:
        assert flask.request.cookies == {}

    SocketIO(app, {"": Reader})
    client = serve(app).browser().connect("")
    assert tuple(client.call("read")) == ([], False)


@FIRST_REQUESTS
def test_the_check_decides_by_flasks_session(site: Served, way: Way) -> None:
    browser = site.browser()
    with pytest.raises(Refused) as refused:
        browser.connect("/who", **way)
    assert (refused.value.status, refused.value.code) == (403, "view-refused")
    browser.submit("/login", nickname="ada")
    assert browser.connect("/who", **way).connected


@EACH_WAY
def test_each_event_has_a_context_of_its_own(site: Served, way: Way) -> None:
    ada = site.browser()
    ada.submit("/login", nickname="ada")
    client = ada.connect("/who", **way)
    assert client.call("who") == ("site", "ada", 1)
    assert client.call("who") == ("site", "ada", 1)
    assert site.socket_of(client).session == {"said": ["ada"]}


@EACH_WAY
def test_teardown_runs_behind_each_event(
    serve: Callable[..., Served], socketio: SocketIO, way: Way
) -> None:
    app = make(socketio)
    ended: list[Any] = []
    app.teardown_appcontext(lambda error: ended.append(type(error)))
    ada = serve(app).browser()
    ada.submit("/login", nickname="ada")
    client = ada.connect("/who", **way)
    ended.clear()
    client.call("who")
    assert ended == [type(None)]


class Worker(BaseNamespace):
    def on_begin(self) -> None:
        self.spawn(self.work, "job")

    def work(self, name: str) -> None:
        flask.g.asked = flask.g.get("asked", 0) + 1
        before = len(ENDED)
        # By then the event that started it has ended.
        self.call("go on")
        self.emit(
            "done", name, flask.current_app.name, flask.session["nickname"], flask.g.asked, before
        )


ENDED: list[Any] = []


@EACH_WAY
def test_a_spawned_task_has_a_context_of_its_own(serve: Callable[..., Served], way: Way) -> None:
    socketio = SocketIO(namespaces={"/work": Worker})
    app = make(socketio)
    app.teardown_appcontext(lambda error: ENDED.append(flask.g.get("asked")))
    site = serve(app)
    ada = site.browser()
    ada.submit("/login", nickname="ada")
    client = ada.connect("/work", **way)
    client.on("go on", lambda: True)
    for _ in range(2):
        ENDED.clear()
        client.call("begin")
        assert client.expect("done").args[:4] == ["job", "site", "ada", 1]
        site.wait_until(lambda: len(ENDED) == 2, "the event and its task are torn down, each")
        assert ENDED == [None, 1]


def test_a_task_may_have_another_context(serve: Callable[..., Served]) -> None:
    @contextlib.contextmanager
    def context(namespace: BaseNamespace) -> Iterator[None]:
        namespace.session["story"].append("in")
        yield
        namespace.session["story"].append("out")

    class Story(BaseNamespace):
        def on_begin(self) -> Any:
            self.session["story"] = story = [""]
            self.spawn(story.append, "job").join()  # type: ignore[attr-defined]
            return story

    socketio = SocketIO(namespaces={"": Story}, job_context=context)
    assert serve(make(socketio)).connect().call("begin") == ["", "in", "job", "out"]


# ---- the session, written


class OnTheServer(SessionInterface):
    """As Flask-Session has it."""

    def __init__(self, *, new_keys: bool = False) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.new_keys = new_keys

    def open_session(self, app: Any, request: Any) -> Any:
        key = request.cookies.get(self.get_cookie_name(app)) or secrets.token_hex()
        session = Kept(self.kept.get(key, {}))
        session.key = key
        return session

    def save_session(self, app: Any, session: Any, response: Any) -> None:
        key = secrets.token_hex() if self.new_keys else session.key
        self.kept[key] = dict(session)
        response.set_cookie(self.get_cookie_name(app), key)


class Kept(dict[str, Any], SessionMixin):
    key = ""


class Writer(BaseNamespace):
    def on_write(self, value: str) -> None:
        with open_session() as session:
            session["written"] = value

    def on_write_in_a_task(self, value: str) -> Any:
        def write() -> None:
            with open_session(self.request) as session:
                session["written"] = value
            self.emit("written")

        self.spawn(write)

    def on_read(self) -> Any:
        with open_session() as session:
            return session.get("written"), flask.session.get("written")


def writers(serve: Callable[..., Served], interface: Any = None) -> Served:
    app = make(SocketIO(namespaces={"/write": Writer}))
    if interface is not None:
        app.session_interface = interface
    app.add_url_rule("/seen", view_func=lambda: str(flask.session.get("written")), endpoint="seen")
    return serve(app)


@EACH_WAY
def test_a_session_that_is_kept_on_the_server_is_written(
    serve: Callable[..., Served], way: Way
) -> None:
    ada = writers(serve, OnTheServer()).browser()
    ada.submit("/login", nickname="ada")
    client = ada.connect("/write", **way)
    client.call("write", "by a handler")
    assert client.call("read") == ("by a handler", "by a handler")
    assert ada.get("/seen").text == "by a handler"
    client.call("write in a task", "by a task")
    client.expect("written")
    assert ada.get("/seen").text == "by a task"


@pytest.mark.parametrize(
    ("interface", "logs_in", "complaint"),
    [
        pytest.param(None, True, "sessions are in the visitor's cookie", id="Flask's own"),
        pytest.param(
            OnTheServer(new_keys=True), True, "sessions are in the visitor's cookie", id="by effect"
        ),
        pytest.param(OnTheServer(), False, "this visitor has no session", id="none"),
    ],
)
def test_a_session_that_cannot_be_written_says_so(
    serve: Callable[..., Served],
    caplog: pytest.LogCaptureFixture,
    interface: Any,
    logs_in: bool,
    complaint: str,
) -> None:
    browser = writers(serve, interface).browser()
    if logs_in:
        browser.submit("/login", nickname="ada")
    with pytest.raises(EventFailed):
        browser.connect("/write").call("write", "in vain")
    assert f"UsageError: open_session(): {complaint}" in caplog.text.replace(
        "this application's ", ""
    )


@EACH_WAY
def test_views_and_others_emit_by_the_extension(site: Served, socketio: SocketIO, way: Way) -> None:
    ada = site.browser()
    ada.submit("/login", nickname="ada")
    client = ada.connect("/who", **way)
    ada.get("/tell/rain")
    assert client.expect("news").args == ["rain"]
    socketio.of("/who").emit("news", "sun")
    assert client.expect("news").args == ["sun"]


def raise_refused() -> None:
    raise ConnectionRefused("not you")


@FIRST_REQUESTS
@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        pytest.param(lambda: False, 403, "view-refused", id="False"),
        pytest.param(lambda: 0, 403, "view-refused", id="0"),
        pytest.param(lambda: "", 403, "view-refused", id="an empty string"),
        pytest.param(raise_refused, 403, "view-refused", id="raises"),
        pytest.param(lambda: flask.abort(401), 401, "view-refused", id="abort"),
        pytest.param(lambda: flask.redirect("/login"), 403, "view-redirected", id="a redirect"),
        pytest.param(lambda: ("no", 404), 403, "view-not-found", id="an answer"),
        pytest.param(lambda: "ada", 403, "not-managed", id="a name"),
        pytest.param(lambda: {"user": 1}, 403, "not-managed", id="a dict"),
        pytest.param(lambda: Who, 500, "view-failed", id="an object"),
        pytest.param(lambda: coroutine(), 500, "view-failed", id="a coroutine"),
        pytest.param(lambda: (yes for yes in [True]), 500, "view-failed", id="a generator"),
    ],
)
def test_what_a_check_may_answer(
    serve: Callable[..., Served], answer: Callable[[], Any], status: int, code: str, way: Way
) -> None:
    socketio = SocketIO(namespaces={"": BaseNamespace})
    socketio.before_connect(lambda: None)
    socketio.before_connect(lambda: True)
    socketio.before_connect(answer)
    with pytest.raises(Refused) as refused:
        serve(make(socketio)).connect(**way)
    assert (refused.value.status, refused.value.code) == (status, code)


@pytest.mark.parametrize("answer", ["ada", {"user": 1}, object(), 1])
def test_a_check_that_returns_something_true_is_named(
    serve: Callable[..., Served], answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    socketio = SocketIO(namespaces={"": BaseNamespace})

    @socketio.before_connect
    def who_is_it() -> Any:
        return answer

    with pytest.raises(Refused):
        serve(make(socketio)).connect()
    assert f"who_is_it() of before_connect returned {type(answer).__name__}" in caplog.text
    assert "return True or nothing" in caplog.text


def test_a_check_of_which_nothing_would_run_is_refused_where_it_is_given() -> None:
    with pytest.raises(UsageError, match="the function of before_connect is a coroutine function"):
        SocketIO().before_connect(coroutine)


@FIRST_REQUESTS
def test_without_a_check_everybody_gets_in(serve: Callable[..., Served], way: Way) -> None:
    app = flask.Flask("open")
    SocketIO(app, {"/chat": BaseNamespace}, resource="live/io")
    assert serve(app).connect("/chat", **way).connected


@FIRST_REQUESTS
def test_a_check_may_write_the_session(serve: Callable[..., Served], way: Way) -> None:
    socketio = SocketIO(namespaces={"/chat": BaseNamespace})

    @socketio.before_connect
    def count() -> None:
        flask.session["visits"] = flask.session.get("visits", 0) + 1

    app = make(socketio)
    app.add_url_rule("/visits", view_func=lambda: str(flask.session["visits"]), endpoint="visits")
    browser = serve(app).browser()
    for _ in range(3):
        browser.connect("/chat", **way)
    assert browser.get("/visits").text == "3"


def test_one_extension_serves_several_applications(
    serve: Callable[..., Served], socketio: SocketIO
) -> None:
    browsers = [serve(make(socketio, name)).browser() for name in ("one", "other")]
    clients = []
    for browser in browsers:
        browser.submit("/login", nickname="ada")
        clients.append(browser.connect("/who"))
    assert [client.call("who")[0] for client in clients] == ["one", "other"]
    browsers[0].get("/tell/rain")
    assert clients[0].expect("news").args == ["rain"]
    assert clients[1].heard("news") == []


def test_an_extension_of_nothing_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="init_app"):
        SocketIO().of("/chat")


@pytest.mark.parametrize("name", ["/", "/chat", re.compile("/room-.*")], ids=str)
def test_two_classes_of_one_name(name: Any) -> None:
    class One(BaseNamespace): ...

    class Two(BaseNamespace): ...

    for socketio in (SocketIO(), SocketIO(namespaces={name: One})):
        for _ in range(2):
            socketio.namespace(name)(One)
        with pytest.raises(UsageError, match=r"two classes .*\.One and .*\.Two\. Give one of them"):
            socketio.namespace("" if name == "/" else name)(Two)


def test_a_namespace_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="starts with a slash"):
        SocketIO().namespace("chat")(Who)


CLIENTS = ("1/", "?EIO=3&transport=polling", "?EIO=4&transport=polling")


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_of_every_generation_ask_the_same_view(site: Served, client: str) -> None:
    browser = site.browser()
    assert browser.get(f"/socket.io/{client}").status == 403
    browser.submit("/login", nickname="ada")
    assert browser.get(f"/socket.io/{client}").status == 200


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("on", "@socketio.namespace"),
        ("emit", r"socketio\.of\("),
        ("run", "sockio serve"),
        ("on_error", "exception_handler_decorator"),
    ],
)
def test_what_flask_socketio_has_is_named_with_what_there_is(name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=instead) as raised:
        getattr(SocketIO(), name)
    assert "sockio.compat.flask_socketio" in str(raised.value)
    assert not hasattr(SocketIO(), "anything_else")
