"""Flask: its session decides, its proxies are unwrapped, its contexts can be had in handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage

from ..support.generations import FIRST_REQUESTS, Way, admits
from ..support.servers import Served
from .contract import Contract, Visit, load, log_in


@pytest.fixture(scope="module")
def app() -> ModuleType:
    return load("flask_app", "flask", "Flask>=3.0")


@pytest.fixture(scope="module")
def site(app: ModuleType) -> Iterator[Served]:
    with Served(app.app, generation="0.9") as site:
        yield site


@pytest.fixture
def pages(app: ModuleType) -> Callable[..., Iterable[bytes]]:
    import flask

    pages: Callable[..., Iterable[bytes]] = flask.Flask("pages")
    return pages


class TestFlask(Contract):
    refusal = 401

    def request_type(self) -> type:
        import flask

        return flask.Request


# ---- What a view may answer


def attach() -> Any:
    import flask

    return socketio_manage(flask.request.environ, {"/chat": BaseNamespace}, flask.request)


def yes_by_empty_text() -> Any:
    attach()
    return ""


def yes_by_what_it_got() -> Any:
    return attach()


def yes_by_no_content() -> Any:
    attach()
    return "", 204


def no_by_abort() -> Any:
    import flask

    attach()
    flask.abort(403)


def no_by_redirect() -> Any:
    import flask

    attach()
    return flask.redirect("/login")


def no_by_silence() -> Any:
    return "hello"


def no_by_failing() -> Any:
    attach()
    raise RuntimeError("the database is away")


ANSWERS = [
    pytest.param(yes_by_empty_text, 200, id="an empty text"),
    pytest.param(yes_by_what_it_got, 200, id="what socketio_manage returned"),
    pytest.param(yes_by_no_content, 200, id="204"),
    pytest.param(no_by_abort, 403, id="abort"),
    pytest.param(no_by_redirect, 403, id="a redirect to the login"),
    pytest.param(no_by_silence, 403, id="nothing attached"),
    pytest.param(no_by_failing, 500, id="an exception"),
]


@FIRST_REQUESTS
@pytest.mark.parametrize(("view", "status"), ANSWERS)
def test_d01_the_answer_of_a_flask_view_decides(
    app: ModuleType,
    serve: Callable[..., Served],
    visit: Visit,
    view: Callable[[], Any],
    status: int,
    way: Way,
) -> None:
    import flask

    site = flask.Flask("site")
    site.add_url_rule("/socket.io/<path:rest>", "socketio", lambda rest: view())
    server = serve(SocketIOMiddleware(site))
    assert admits(visit(server), way) == status
    assert len(server.registry) == (1 if status == 200 else 0)


def test_d02_flask_ends_its_request_at_the_handshake(
    app: ModuleType, serve: Callable[..., Served], visit: Visit
) -> None:
    import flask

    site = flask.Flask("site")
    ended = []
    site.teardown_request(lambda error: ended.append(flask.request.path))

    @site.route("/socket.io/<path:rest>")
    def socketio_view(rest: str) -> Any:
        return attach()

    visit(serve(SocketIOMiddleware(site))).connect("/chat")
    assert ended == ["/socket.io/1/"]


def test_a_session_that_the_view_changes_is_saved(
    app: ModuleType, serve: Callable[..., Served], visit: Visit
) -> None:
    import flask

    site = flask.Flask("site")
    site.secret_key = "of the tests"

    @site.route("/socket.io/<path:rest>")
    def socketio_view(rest: str) -> Any:
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return attach()

    @site.route("/visits")
    def visits() -> str:
        return str(flask.session["visits"])

    browser = visit(serve(SocketIOMiddleware(site)))
    for _ in range(3):
        browser.connect("/chat")
    assert browser.get("/visits").text == "3"


# ---- Flask's contexts in handlers


def test_the_context_setting_gives_handlers_flasks_own_proxies(
    app: ModuleType, serve: Callable[..., Served], visit: Visit
) -> None:
    import flask

    class Who(BaseNamespace):
        def on_who(self) -> Any:
            flask.g.asked = flask.g.get("asked", 0) + 1
            return flask.current_app.name, flask.session["nickname"], flask.g.asked

    site = flask.Flask("site")
    site.secret_key = app.app.secret_key
    site.add_url_rule("/login", view_func=app.login, methods=["POST"])
    ended = []
    site.teardown_appcontext(lambda error: ended.append(error))
    middleware = SocketIOMiddleware(
        site, {"/who": Who}, context=lambda namespace: site.request_context(namespace.environ)
    )
    browser = log_in(visit(serve(middleware)), "ada")
    client = browser.connect("/who")
    ended.clear()
    # A fresh context for each event, which ends with it.
    assert client.call("who") == ("site", "ada", 1)
    assert client.call("who") == ("site", "ada", 1)
    assert ended == [None, None]
