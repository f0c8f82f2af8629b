"""``sockio.integrations.flask``: the route, who gets in, and Flask's contexts around each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, ConnectionRefused, UsageError
from sockio.testing import Refused

from ..support.generations import EACH_WAY, FIRST_REQUESTS, Way
from ..support.servers import Served

flask = pytest.importorskip("flask")

from sockio.integrations.flask import SocketIO  # noqa: E402


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
