"""What views of the ancestor's documents return: ``"out"``, nothing, what ``socketio_manage`` gave.

Whoever attached is let in, whatever the framework says about the value; whoever refuses or fails
behind that is not.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import http
import logging
import weakref
from collections.abc import Callable
from typing import Any

import bottle
import flask
import gevent
import pytest
from webob import Request, Response

from sockio import BaseNamespace, ConnectionRefused, SocketIOMiddleware, socketio_manage
from sockio.http.frameworks import Attached

from ..support.engine_client import EngineWire
from ..support.generations import words
from ..support.servers import Served

View = Callable[[Any], Any]

NAMESPACES = {"": BaseNamespace}


def bare(view: View) -> Any:
    return lambda environ, start_response: view(_Bare(environ))


class _Bare:
    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ


def in_flask(view: View) -> Any:
    app = flask.Flask("site")
    app.add_url_rule(
        "/socket.io/<path:rest>",
        "socketio",
        lambda rest: view(flask.request._get_current_object()),  # type: ignore[attr-defined]
    )
    return app


def in_bottle(view: View) -> Any:
    app = bottle.Bottle()
    app.route("/socket.io/<rest:path>", "GET", lambda rest: view(bottle.request))
    return app


def in_pyramid(view: View) -> Any:
    from pyramid.config import Configurator

    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_view(view, route_name="socketio")
        return config.make_wsgi_app()


def in_django(view: View) -> Any:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    if not settings.configured:  # the process may have a site by then
        settings.configure(SECRET_KEY="for tests", ALLOWED_HOSTS=["*"])
    import django
    from django.test.utils import override_settings
    from django.urls import re_path

    django.setup()
    urls = type("urls", (), {"urlpatterns": [re_path("^socket.io/", view)]})

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=MIDDLEWARE):
            return WSGIHandler()(environ, start_response)

    return app


MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

SITES = {
    "bare": bare,
    "bottle": in_bottle,
    "django": in_django,
    "flask": in_flask,
    "pyramid": in_pyramid,
}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> Callable[[View], Any]:
    return SITES[request.param]


#: The first request of each generation.
FIRST = {
    "0.9": "/socket.io/1/",
    "eio3": "/socket.io/?EIO=3&transport=polling",
    "eio4": "/socket.io/?EIO=4&transport=polling",
}
EACH_GENERATION = pytest.mark.parametrize("generation", FIRST)


def handshake(app: Any, generation: str = "0.9") -> tuple[Response, SocketIOMiddleware]:
    middleware = SocketIOMiddleware(app)
    return Request.blank(FIRST[generation]).get_response(middleware), middleware


@EACH_GENERATION
@pytest.mark.parametrize("given", ["request", "environ"])
@pytest.mark.parametrize(
    "returned",
    [
        pytest.param(lambda attached: attached, id="what socketio_manage gave"),
        pytest.param(lambda attached: "out", id="out"),
        pytest.param(lambda attached: "", id="an empty string"),
        pytest.param(lambda attached: None, id="nothing"),
        pytest.param(lambda attached: {}, id="a dict"),
    ],
)
def test_a_view_that_attached_lets_the_client_in(
    site: Callable[[View], Any], returned: Callable[[Any], Any], given: str, generation: str
) -> None:
    def view(request: Any) -> Any:
        more = (request,) if given == "request" else ()
        attached = socketio_manage(request.environ, NAMESPACES, *more)
        assert isinstance(attached, Attached)
        return returned(attached)

    answer, middleware = handshake(site(view), generation)
    assert (answer.status_code, answer.headers.get("X-Sockio-Refusal")) == (200, None)
    (sid,) = middleware.registry.sockets
    assert f'"{sid}"' in answer.text or answer.text.startswith(f"{sid}:")


#: Who lets in who returned such a value, as the migration guide has it.
TAKES = {
    "bare": ("a set",),
    "bottle": (),
    "django": ("a number", "a truth value", "a set", "an object"),
    "flask": ("a number", "a truth value", "a set", "an object"),
    "pyramid": ("a number", "a truth value", "a set", "an object"),
}


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize(
    ("kind", "value"),
    [("a number", 5), ("a truth value", True), ("a set", {1}), ("an object", object())],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_value_that_is_none_of_these(name: str, kind: str, value: Any) -> None:
    def view(request: Any) -> Any:
        socketio_manage(request.environ, NAMESPACES, request)
        return value

    answer, _ = handshake(SITES[name](view))
    code = None if kind in TAKES[name] else "view-failed"
    assert answer.headers.get("X-Sockio-Refusal") == code


def test_what_socketio_manage_gave_is_an_answer_without_complaints(
    site: Callable[[View], Any], caplog: pytest.LogCaptureFixture
) -> None:
    handshake(site(lambda request: socketio_manage(request.environ, NAMESPACES, request)))
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_a_framework_that_complained_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def view(request: Any) -> Any:
        socketio_manage(request.environ, NAMESPACES, request)
        return None

    handshake(in_pyramid(view))
    (line,) = [r.getMessage() for r in caplog.records if r.name == "sockio.handshake"]
    assert "the client is let in. Return what socketio_manage() returned." in line


@pytest.mark.parametrize("revision", [3, 4])
def test_a_route_for_old_clients_lets_later_ones_in(
    site: Callable[[View], Any], revision: int
) -> None:
    """They ask for ``/socket.io/``, which no route with a part behind it matches."""
    asked = []

    def view(request: Any) -> Any:
        asked.append(request.environ["QUERY_STRING"])
        return socketio_manage(request.environ, NAMESPACES, request)

    middleware = SocketIOMiddleware(site(view))
    url = f"/socket.io/?EIO={revision}&transport=polling"
    answer = Request.blank(url).get_response(middleware)
    assert (answer.status_code, answer.headers.get("X-Sockio-Refusal")) == (200, None)
    (sid,) = middleware.registry.sockets
    assert f'"sid":"{sid}"' in answer.text
    assert asked == [f"EIO={revision}&transport=polling"]


@pytest.mark.parametrize("rules", [["/socket.io/"], ["/socket.io/<path:rest>"]], ids=str)
def test_a_websocket_is_asked_of_a_view_that_makes_none(
    serve: Callable[..., Served], rules: list[str]
) -> None:
    """Flask answers 400 to what wants a websocket of a view for pages."""
    app = flask.Flask("site")

    def view(rest: str = "") -> Any:
        return socketio_manage(flask.request.environ, NAMESPACES)

    for rule in rules:
        app.add_url_rule(rule, "socketio", view)
    with EngineWire(serve(app).port) as wire:
        wire.join()


# ---- and who is kept out


def test_a_view_that_is_not_there_at_all(caplog: pytest.LogCaptureFixture) -> None:
    middleware = SocketIOMiddleware(flask.Flask("site"))
    answer = Request.blank("/socket.io/?EIO=4&transport=polling").get_response(middleware)
    assert (answer.status_code, answer.headers["X-Sockio-Refusal"]) == (403, "view-not-found")
    assert "route all of /socket.io/* to your view" in caplog.text
    assert not middleware.registry.sockets


def test_a_view_that_attached_and_has_nothing_is_asked_once() -> None:
    asked = []

    def view(request: Any) -> Any:
        asked.append(request.path)
        socketio_manage(request.environ, NAMESPACES, request)
        return flask.Response("no", 404)

    app = in_flask(view)
    app.add_url_rule("/socket.io/", "root", lambda: view(flask.request))
    middleware = SocketIOMiddleware(app)
    answer = Request.blank("/socket.io/?EIO=4&transport=polling").get_response(middleware)
    assert (answer.status_code, asked) == (403, ["/socket.io/"])
    assert not middleware.registry.sockets


def raises_a(kind: type[Exception]) -> View:
    def view(request: Any) -> Any:
        socketio_manage(request.environ, NAMESPACES, request)
        raise kind("the database is away")

    return view


def asks_a_string(request: Any) -> Any:
    socketio_manage(request.environ, NAMESPACES, request)
    response: Any = "no object of the framework's"
    return response.status_code


def asks_nothing(request: Any) -> Any:
    socketio_manage(request.environ, NAMESPACES, request)
    response: Any = None
    return response.status_code


def calls_wrongly(request: Any) -> Any:
    socketio_manage(request.environ, NAMESPACES, request)
    return len(5)  # type: ignore[arg-type]


@EACH_GENERATION
@pytest.mark.parametrize(
    "view",
    [
        *(pytest.param(raises_a(kind), id=kind.__name__) for kind in
          (KeyError, ValueError, TypeError, AttributeError)),
        asks_a_string,
        asks_nothing,
        calls_wrongly,
        pytest.param(lambda request: None, id="nothing and not attached"),
        pytest.param(lambda request: "out", id="out and not attached"),
    ],
)  # fmt: skip
def test_a_view_that_failed_keeps_the_client_out(
    site: Callable[[View], Any], view: View, generation: str
) -> None:
    answer, middleware = handshake(site(view), generation)
    assert answer.status_code in (403, 500)
    assert not middleware.registry.sockets


@pytest.mark.parametrize("handled", [Exception, KeyError, 500])
def test_a_handler_for_failures_in_flask_that_returns_nothing(handled: Any) -> None:
    app = in_flask(raises_a(KeyError))
    app.register_error_handler(handled, lambda error: None)
    answer, middleware = handshake(app)
    assert answer.status_code == 500
    assert not middleware.registry.sockets


def test_a_view_for_failures_in_pyramid_that_returns_out() -> None:
    from pyramid.config import Configurator

    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_view(raises_a(KeyError), route_name="socketio")
        config.add_exception_view(lambda error, request: "out")
        app = config.make_wsgi_app()
    answer, middleware = handshake(app)
    assert answer.status_code == 500
    assert not middleware.registry.sockets


def through(*layers: Any) -> Callable[[View], Any]:
    """Django, with middlewares of its own around the others."""

    def site(view: View) -> Any:
        app = in_django(view)

        def called(environ: dict[str, Any], start_response: Any) -> Any:
            before = MIDDLEWARE[:]
            for number, layer in enumerate(layers):
                globals()[f"layer{number}"] = layer
                MIDDLEWARE.insert(number, f"{__name__}.layer{number}")
            try:
                return app(environ, start_response)
            finally:
                MIDDLEWARE[:] = before

        return called

    return site


def attaches(request: Any) -> Any:
    return socketio_manage(request.environ, NAMESPACES, request)


def says_no_in_django(request: Any) -> Any:
    from django.core.exceptions import PermissionDenied

    socketio_manage(request.environ, NAMESPACES, request)
    raise PermissionDenied


def fails_behind(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        get_response(request)
        raise ValueError("the transaction could not be committed")

    return middleware


def puts_in_place(value: Any) -> Any:
    """A middleware that looks behind, and says something else."""
    return lambda get_response: lambda request: (get_response(request), value)[1]


def handles_failures_by(value: Any) -> Any:
    class Middleware:
        def __init__(self, get_response: Any) -> None:
            self.get_response = get_response

        def __call__(self, request: Any) -> Any:
            return self.get_response(request)

        def process_exception(self, request: Any, error: Exception) -> Any:
            from django.http import HttpResponse

            return HttpResponse(value) if value == "a page" else value

    return Middleware


@EACH_GENERATION
@pytest.mark.parametrize(
    ("layer", "view"),
    [
        pytest.param(fails_behind, attaches, id="fails"),
        *(pytest.param(puts_in_place(value), attaches, id=f"{value!r} in its place")
          for value in ("who are you?", None, 403)),
        *(pytest.param(handles_failures_by(value), view, id=f"{value!r} for {view.__name__}")
          for value in ("go away", 403, "a page")
          for view in (says_no_in_django, raises_a(KeyError))),
    ],
)  # fmt: skip
def test_a_middleware_in_django_that_refuses_or_fails_behind_the_view(
    layer: Any, view: View, generation: str
) -> None:
    answer, middleware = handshake(through(layer)(view), generation)
    assert answer.status_code in (403, 500)
    assert not middleware.registry.sockets


def test_middlewares_in_django_that_do_nothing_do_not_matter() -> None:
    layer = lambda get_response: lambda request: get_response(request)  # noqa: E731
    for returned in (None, "out"):
        app = through(layer)(lambda request, value=returned: (attaches(request), value)[1])  # type: ignore[misc]
        assert handshake(app)[0].status_code == 200


def in_flask_by(handled: Any, handler: Callable[[Any], Any]) -> Callable[[View], Any]:
    def site(view: View) -> Any:
        app = in_flask(view)
        app.register_error_handler(handled, handler)
        return app

    return site


def aborts(request: Any) -> Any:
    socketio_manage(request.environ, NAMESPACES, request)
    flask.abort(403)


@EACH_GENERATION
@pytest.mark.parametrize("handled", [403, Exception, "werkzeug"])
@pytest.mark.parametrize(
    "said", [None, "you must log in", {"error": "forbidden"}, 403, (None, 403)]
)
def test_a_refusal_in_flask_stays_one_whatever_its_handler_says(
    handled: Any, said: Any, generation: str
) -> None:
    if handled == "werkzeug":
        from werkzeug.exceptions import HTTPException as handled  # noqa: N813
    site = in_flask_by(handled, lambda error: said)
    answer, middleware = handshake(site(aborts), generation)
    assert answer.status_code in (403, 500)
    assert not middleware.registry.sockets


def test_a_page_for_a_refusal_that_says_200_is_told(caplog: pytest.LogCaptureFixture) -> None:
    answer, _ = handshake(in_flask_by(403, lambda error: "you must log in")(aborts))
    assert answer.headers["X-Sockio-Refusal"] == "view-refused"
    assert "give that answer a status that refuses" in caplog.text


@pytest.mark.parametrize("value", [("no", 403, {}, "extra"), (None, 403), 403, False, (None,)])
@pytest.mark.parametrize("name", ["flask", "django", "pyramid"])
def test_a_value_that_says_no_and_is_no_answer(name: str, value: Any) -> None:
    answer, middleware = handshake(SITES[name](lambda request: (attaches(request), value)[1]))
    assert answer.headers["X-Sockio-Refusal"] in ("view-failed", "view-refused")
    assert not middleware.registry.sockets


async def nobody_awaits() -> str:
    return "out"


class Undecided:
    def __bool__(self) -> bool:
        raise ValueError("neither")


def a_response_of(name: str) -> Any:
    """A refusal as the framework ``name`` has it."""
    if name == "django":
        from django.http import HttpResponseForbidden

        return HttpResponseForbidden("no")
    if name == "flask":
        return flask.Response("no", 403)
    return Response("no", 403)


@pytest.mark.parametrize(
    "make",
    [
        *(
            pytest.param(lambda value=value: value, id=repr(value)[:30])
            for value in (
                *(False, 0, 403.0, http.HTTPStatus.FORBIDDEN, NotImplemented),
                *([False, "why"], (False, "why"), [ConnectionRefused("no")]),
                *(ConnectionRefused("no"), ConnectionRefused, PermissionError("no")),
                *(PermissionError, functools.cache(nobody_awaits), Undecided()),
            )
        ),
        pytest.param(nobody_awaits, id="a coroutine"),
        *(
            pytest.param(functools.partial(a_response_of, name), id=f"a response of {name}")
            for name in ("django", "flask", "pyramid")
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:bool of NotImplemented")
def test_a_refusal_that_is_returned_where_it_was_to_be_raised(
    site: Callable[[View], Any], make: Callable[[], Any]
) -> None:
    answer, middleware = handshake(site(lambda request: (attaches(request), make())[1]))
    assert answer.headers.get("X-Sockio-Refusal") in ("view-failed", "view-refused")
    assert not middleware.registry.sockets


def test_a_renderer_in_pyramid_makes_a_page_of_whatever_says_no() -> None:
    from pyramid.config import Configurator

    said: list[Any] = []
    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_view(
            lambda request: (attaches(request), said[-1])[1],
            route_name="socketio",
            renderer="string",
        )
        app = config.make_wsgi_app()
    for value, code in (("out", None), (ConnectionRefused("no"), "view-failed"), ([], None)):
        said.append(value)
        assert handshake(app)[0].headers.get("X-Sockio-Refusal") == code


@pytest.mark.parametrize("returned", ["what socketio_manage gave", "a page of its own"])
@pytest.mark.parametrize("by", ["a tween", "a subscriber", "a callback"])
def test_what_is_done_in_pyramid_to_the_answer_behind_the_view_counts(
    by: str, returned: str
) -> None:
    from pyramid.config import Configurator
    from pyramid.response import Response as Page

    def shut(response: Any) -> Any:
        response.status_int = 403
        response.text = "closed for today"
        response.set_cookie("seen", "1")
        return response

    def view(request: Any) -> Any:
        if by == "a callback":
            request.add_response_callback(lambda request, response: shut(response))
        attached = attaches(request)
        return (
            attached if returned == "what socketio_manage gave" else Page(content_type="text/plain")
        )

    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_view(view, route_name="socketio")
        if by == "a tween":
            name = "shuts"
            globals()[name] = lambda handler, registry: lambda request: shut(handler(request))
            config.add_tween(f"{__name__}.{name}")
        elif by == "a subscriber":
            config.add_subscriber(lambda event: shut(event.response), "pyramid.events.NewResponse")
        app = config.make_wsgi_app()
    answer, middleware = handshake(app)
    assert (answer.status_code, answer.text) == (403, "closed for today")
    assert answer.headers["Set-Cookie"].startswith("seen=1")
    assert not middleware.registry.sockets


@pytest.mark.parametrize("name", ["django", "flask"])
def test_what_is_done_elsewhere_to_the_answer_behind_the_view_counts(name: str) -> None:
    def shut(response: Any) -> Any:
        response.status_code = 403
        for each in ("content", "data"):
            if hasattr(response, each):
                setattr(response, each, b"closed for today")
        return response

    if name == "django":
        app = through(lambda get_response: lambda request: shut(get_response(request)))(attaches)
    else:
        app = in_flask(attaches)
        app.after_request(shut)
    answer, middleware = handshake(app)
    assert (answer.status_code, answer.text) == (403, "closed for today")
    assert not middleware.registry.sockets


def test_a_layer_that_says_something_else_for_a_view_that_returned_nothing() -> None:
    app = in_flask(lambda request: (attaches(request), None)[1])

    def layer(environ: dict[str, Any], start_response: Any) -> Any:
        list(app(environ, lambda *said: None))
        start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"down"]

    answer, middleware = handshake(layer)
    assert answer.headers["X-Sockio-Refusal"] == "view-failed"
    assert not middleware.registry.sockets


@pytest.mark.parametrize(
    ("status", "let_in"), [("503 Busy", False), ("403 No", False), ("200 OK", True)]
)
def test_a_layer_that_has_answered_before_it_lets_the_complaint_of_a_framework_pass(
    status: str, let_in: bool
) -> None:
    pytest.importorskip("pyramid")
    inner = in_pyramid(attaches_and_returns_nothing)

    def layer(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, [("Content-Type", "text/plain")])
        yield from inner(environ, lambda *said: None)

    answer, middleware = handshake(layer)
    assert (answer.status_code == 200) is let_in
    assert bool(middleware.registry.sockets) is let_in


def attaches_and_returns_nothing(request: Any) -> None:
    attaches(request)


def test_answers_that_could_be_raised_as_well_let_in_when_they_are_of_success() -> None:
    from pyramid.httpexceptions import HTTPOk

    for name, value in (("bottle", bottle.HTTPResponse("in", 200)), ("pyramid", HTTPOk())):

        def view(request: Any, value: Any = value) -> Any:
            attaches(request)
            return value

        assert handshake(SITES[name](lambda request: view(request)))[0].status_code == 200, name


def test_a_failure_in_another_task_of_djangos_whatever_is_said_in_its_place() -> None:
    from django.http import HttpResponse
    from django.utils.decorators import async_only_middleware

    @async_only_middleware
    def fails(get_response: Any) -> Any:
        async def middleware(request: Any) -> Any:
            await get_response(request)
            raise PermissionError("the transaction could not be committed")

        return middleware

    fine = puts_in_place(HttpResponse("fine"))
    answer, middleware = handshake(through(fine, fails)(attaches))
    assert answer.headers["X-Sockio-Refusal"] == "view-refused"
    assert not middleware.registry.sockets


@pytest.mark.parametrize("fails_in", ["a coroutine", "a function around one"])
@pytest.mark.parametrize("hidden_by", ["a coroutine", "a function"])
@pytest.mark.parametrize("error", ["PermissionDenied", "Http404"])
def test_nor_does_one_that_django_signals_to_nobody(
    fails_in: str, hidden_by: str, error: str
) -> None:
    from django.core.exceptions import PermissionDenied
    from django.http import Http404, HttpResponse
    from django.utils.decorators import async_only_middleware

    kind = PermissionDenied if error == "PermissionDenied" else Http404

    @async_only_middleware
    def passes_on(get_response: Any) -> Any:
        async def middleware(request: Any) -> Any:
            return await get_response(request)

        return middleware

    @async_only_middleware
    def fails(get_response: Any) -> Any:
        async def middleware(request: Any) -> Any:
            await get_response(request)
            raise kind("no")

        return middleware

    def fails_around(get_response: Any) -> Any:
        def middleware(request: Any) -> Any:
            get_response(request)
            raise kind("no")

        return middleware

    @async_only_middleware
    def hides(get_response: Any) -> Any:
        async def middleware(request: Any) -> Any:
            await get_response(request)
            return HttpResponse("fine")

        return middleware

    around = hides if hidden_by == "a coroutine" else puts_in_place(HttpResponse("fine"))
    failing = [fails] if fails_in == "a coroutine" else [fails_around, passes_on]
    _, middleware = handshake(through(around, *failing)(attaches))
    assert not middleware.registry.sockets
    # And who only passes on what the view returned lets in.
    answer, _ = handshake(through(passes_on)(attaches))
    assert answer.status_code == 200


def test_what_a_view_returned_that_lets_nobody_in_is_told(caplog: pytest.LogCaptureFixture) -> None:
    handshake(in_flask(lambda request: (attaches(request), ConnectionRefused("no"))[1]))
    (line,) = [r.getMessage() for r in caplog.records if r.name == "sockio.handshake"]
    assert "the view returned ConnectionRefused, which has to be raised. By that nobody" in line


@pytest.mark.parametrize("value", ["page by page", "an application"])
def test_a_page_in_flask_that_is_made_later(value: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"in"]

    made = app if value == "an application" else iter([value])
    answer, _ = handshake(in_flask(lambda request: (attaches(request), made)[1]))
    assert answer.status_code == 200


def test_a_function_before_the_view_that_attaches_in_flask() -> None:
    app = in_flask(lambda request: flask.abort(403))
    app.before_request(lambda: attaches(flask.request) and None)
    app.register_error_handler(403, lambda error: None)
    answer, middleware = handshake(app)
    assert answer.headers["X-Sockio-Refusal"] == "view-failed"
    assert not middleware.registry.sockets


def test_an_answer_that_the_view_itself_could_not_make() -> None:
    app = in_flask(lambda request: (attaches(request), flask.make_response(None))[1])
    answer, middleware = handshake(app)
    assert answer.headers["X-Sockio-Refusal"] == "view-failed"
    assert not middleware.registry.sockets


@pytest.mark.parametrize("value", [None, "out"])
@pytest.mark.parametrize("name", ["flask", "django", "pyramid"])
def test_a_view_that_attaches_in_a_function_behind_a_decorator(name: str, value: Any) -> None:
    def decorated(view: View) -> View:
        def inner(request: Any) -> Any:
            try:
                return view(request)
            except KeyError:
                return value

        return inner

    @decorated
    def lets_in(request: Any) -> Any:
        attaches(request)
        return value

    @decorated
    def fails(request: Any) -> Any:
        attaches(request)
        raise KeyError("user")

    assert handshake(SITES[name](lets_in))[0].status_code == 200
    # The decorator's answer is one in Flask.
    code = 403 if (name, value) == ("flask", "out") else 500
    assert handshake(SITES[name](fails))[0].status_code == code


def django_decorators() -> dict[str, Callable[[View], View]]:
    from django.db.transaction import non_atomic_requests
    from django.views.decorators import cache, clickjacking, csrf, gzip, http, vary

    return {
        "never_cache": cache.never_cache,
        "cache_control": cache.cache_control(private=True),
        "cache_page": cache.cache_page(1),
        "gzip_page": gzip.gzip_page,
        "vary_on_cookie": vary.vary_on_cookie,
        "xframe_options_deny": clickjacking.xframe_options_deny,
        "require_GET": http.require_GET,
        "conditional_page": http.conditional_page,
        "csrf_exempt": csrf.csrf_exempt,
        "non_atomic_requests": non_atomic_requests,
        "two": lambda view: gzip.gzip_page(cache.never_cache(view)),
        "one of the site's inside of it": lambda view: cache.never_cache(passes(view)),
    }


def passes(view: View) -> View:
    return lambda request: view(request)


def asks_for_its_status(view: View) -> View:
    def asking(request: Any) -> Any:
        response = view(request)
        return response.status_code and response

    return asking


@pytest.mark.parametrize("name", django_decorators())
def test_a_decorator_of_django_around_what_socketio_manage_returned(name: str) -> None:
    """A cache, too, has it go by: the next one has to be asked himself."""
    site = in_django(django_decorators()[name](attaches))
    for _ in range(2):
        answer, middleware = handshake(site)
        assert (answer.status_code, answer.headers.get("X-Sockio-Refusal")) == (200, None)
        assert len(middleware.registry.sockets) == 1


@pytest.mark.parametrize("value", [None, "out", {}, 5], ids=repr)
@pytest.mark.parametrize("name", django_decorators())
def test_a_decorator_of_django_around_a_view_that_returns_no_response(
    name: str, value: Any
) -> None:
    decorated = django_decorators()[name]
    from django.views.decorators import cache

    answer, middleware = handshake(
        in_django(decorated(lambda request: (attaches(request), value)[1]))
    )
    assert (answer.status_code, answer.headers.get("X-Sockio-Refusal")) == (200, None)
    assert len(middleware.registry.sockets) == 1
    for refuses in (
        decorated(raises_a(KeyError)),
        decorated(asks_nothing),
        decorated(lambda request: (attaches(request), 403)[1]),
        decorated(asks_for_its_status(lambda request: (attaches(request), value)[1])),
        asks_for_its_status(cache.never_cache(lambda request: (attaches(request), value)[1])),
        decorated(lambda request: value),
    ):
        answer, middleware = handshake(in_django(refuses))
        assert answer.status_code in (403, 500)
        assert not middleware.registry.sockets


@pytest.mark.parametrize("fails", [False, True])
def test_a_view_in_pyramid_that_asks_another(fails: bool) -> None:
    from pyramid.config import Configurator
    from pyramid.request import Request as Subrequest
    from pyramid.response import Response as Page

    def asks(request: Any) -> Any:
        subrequest = Subrequest({**request.environ, "PATH_INFO": "/inner"})
        request.invoke_subrequest(subrequest)
        if fails:
            raise KeyError("user")
        return Page()

    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_route("inner", "/inner")
        config.add_view(asks, route_name="socketio")
        config.add_view(attaches, route_name="inner")
        config.add_exception_view(lambda error, request: Page("something is wrong"))
        app = config.make_wsgi_app()
    answer, middleware = handshake(app)
    code = "view-refused" if fails else None
    assert answer.headers.get("X-Sockio-Refusal") == code
    assert len(middleware.registry.sockets) == (not fails)


def test_a_view_for_failures_in_pyramid_that_says_200() -> None:
    from pyramid.config import Configurator
    from pyramid.response import Response as Page

    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_view(raises_a(KeyError), route_name="socketio")
        config.add_exception_view(lambda error, request: Page("something is wrong"))
        app = config.make_wsgi_app()
    answer, middleware = handshake(app)
    assert answer.headers["X-Sockio-Refusal"] == "view-refused"
    assert not middleware.registry.sockets


def a_layer(view: View) -> Any:
    """Bare WSGI, where a layer makes a page of failures."""
    app = bare(view)

    def layer(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return app(environ, start_response)
        except KeyError:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"something is wrong"]

    return layer


def a_plugin(view: View) -> Any:
    """Bottle, where a plugin does."""
    app = bottle.Bottle()

    def plugin(callback: Any) -> Any:
        def inner(*args: Any, **kwargs: Any) -> Any:
            try:
                return callback(*args, **kwargs)
            except KeyError:
                return "something is wrong"

        return inner

    app.install(plugin)
    app.route("/socket.io/<rest:path>", "GET", lambda rest: view(bottle.request))
    return app


def a_coroutine(view: View) -> Any:
    """Django, whose view is one."""
    from django.http import HttpResponse

    async def awaited(request: Any) -> Any:
        return view(request) and HttpResponse()

    return through(handles_failures_by("a page"))(awaited)


def a_task(view: View) -> Any:
    """Flask, where the view waits for a task of its own."""
    app = in_flask(lambda request: gevent.spawn(view, request).get())
    app.register_error_handler(KeyError, lambda error: "something is wrong")
    return app


def a_generator(view: View) -> Any:
    """Bare WSGI, where the view is a generator, and a layer takes all of it."""

    def generated(environ: dict[str, Any], start_response: Any) -> Any:
        view(_Bare(environ))
        yield b""

    def layer(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return list(generated(environ, start_response))
        except KeyError:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"something is wrong"]

    return layer


def a_context(view: View) -> Any:
    """Flask, where a context manager lets in."""

    @contextlib.contextmanager
    def gate(request: Any) -> Any:
        view(request)
        yield

    def entered(request: Any) -> str:
        try:
            with gate(request):
                return "in"
        except KeyError:
            return "something is wrong"

    return in_flask(entered)


def a_helper(view: View) -> Any:
    """Bare WSGI, where the layer's view calls a function that attaches."""

    def outer(request: Any) -> Any:
        view(request)
        raise KeyError("user")

    return a_layer(outer)


@pytest.mark.greenlets_may_die
@pytest.mark.parametrize("site", [a_layer, a_plugin, a_coroutine, a_task, a_generator, a_context])
def test_a_page_for_failures_lets_nobody_in_wherever_it_is_made(
    site: Callable[[View], Any],
) -> None:
    answer, middleware = handshake(site(attaches))
    assert (answer.status_code, answer.headers.get("X-Sockio-Refusal")) == (200, None)
    answer, middleware = handshake(site(raises_a(KeyError)))
    assert answer.headers["X-Sockio-Refusal"] == "view-refused"
    assert not middleware.registry.sockets


def closes_early(app: Any) -> Any:
    def layer(environ: dict[str, Any], start_response: Any) -> Any:
        pages = app(environ, start_response)
        first = next(pages)
        pages.close()
        return [first]

    return layer


@closes_early
def attaches_in_a_generator(environ: dict[str, Any], start_response: Any) -> Any:
    socketio_manage(environ, NAMESPACES)
    yield b""


@closes_early
def attaches_in_a_try(environ: dict[str, Any], start_response: Any) -> Any:
    try:
        socketio_manage(environ, NAMESPACES)
        yield b""
    finally:
        environ["closed"] = True


@closes_early
def attaches_before_it_makes_one(environ: dict[str, Any], start_response: Any) -> Any:
    def pages() -> Any:
        try:
            yield b""
        finally:
            environ["closed"] = True

    socketio_manage(environ, NAMESPACES)
    return pages()


def test_a_generator_that_a_layer_closes(caplog: pytest.LogCaptureFixture) -> None:
    for app in (attaches_in_a_generator, attaches_before_it_makes_one):
        assert handshake(app)[0].status_code == 200
    # Nothing tells it from one that has raised.
    assert handshake(attaches_in_a_try)[0].headers["X-Sockio-Refusal"] == "view-refused"
    assert "let a function call socketio_manage(), and return the generator" in caplog.text


def test_a_function_that_attaches_for_a_view_that_fails() -> None:
    answer, middleware = handshake(a_helper(attaches))
    assert answer.headers["X-Sockio-Refusal"] == "view-refused"
    assert not middleware.registry.sockets


@EACH_GENERATION
def test_a_coroutine_may_return_what_socketio_manage_gave(generation: str) -> None:
    async def view(request: Any) -> Any:
        return socketio_manage(request.environ, NAMESPACES, request)

    answer, _ = handshake(in_django(view), generation)
    assert (answer.status_code, answer.headers.get("X-Sockio-Refusal")) == (200, None)


@pytest.mark.parametrize("name", SITES)
def test_nothing_of_a_views_call_is_kept(name: str) -> None:
    class Heavy:
        pass

    kept = []

    def view(request: Any) -> Any:
        heavy = Heavy()
        kept.append(weakref.ref(heavy))
        return socketio_manage(request.environ, NAMESPACES)

    gc.collect()
    gc.disable()
    try:
        _, middleware = handshake(SITES[name](view))
        assert [each() for each in kept] == [None]
    finally:
        gc.enable()
    assert middleware.registry.sockets


# ---- the words of a refusal


@EACH_GENERATION
def test_a_view_refuses_with_words_by_raising(site: Callable[[View], Any], generation: str) -> None:
    def view(request: Any) -> Any:
        socketio_manage(request.environ, NAMESPACES, request)
        raise ConnectionRefused("the café is full")

    answer, middleware = handshake(site(view), generation)
    told = words({"generation": generation}, "the café is full")
    assert (answer.status_code, answer.text) == (403, told)
    assert answer.headers["X-Sockio-Refusal"] == "view-refused"
    assert not middleware.registry.sockets


def says(words: str, status: int, kind: str = "text/plain") -> dict[str, View]:
    def in_django(request: Any) -> Any:
        from django.http import HttpResponse

        return HttpResponse(words, status=status, content_type=kind)

    def in_pyramid(request: Any) -> Any:
        from pyramid.response import Response

        return Response(words, status=status, content_type=kind, charset="utf-8")

    def in_bottle(request: Any) -> Any:
        bottle.response.status = status
        bottle.response.content_type = kind
        return words

    def in_flask(request: Any) -> Any:
        return flask.Response(words, status, content_type=kind)

    return {
        "django": in_django,
        "pyramid": in_pyramid,
        "bottle": in_bottle,
        "flask": in_flask,
    }


@EACH_GENERATION
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("framework", ["bottle", "django", "flask", "pyramid"])
def test_the_views_words_and_status_go_out(framework: str, status: int, generation: str) -> None:
    answer, _ = handshake(SITES[framework](says("not today", status)[framework]), generation)
    told = words({"generation": generation}, "not today")
    assert (answer.status_code, answer.text) == (status, told)
    assert answer.content_type == ("text/plain" if generation == "0.9" else "application/json")


@pytest.mark.parametrize(
    ("words", "kind", "sent"),
    [
        pytest.param("not you", "text/html", "not you", id="a string"),
        pytest.param("<b>not you</b>", "text/html", "handshake unauthorized", id="a page"),
        pytest.param("{}", "application/json", "handshake unauthorized", id="data"),
        pytest.param("  ", "text/plain", "handshake unauthorized", id="nothing"),
        pytest.param("a\nb\x1b[31m", "text/plain", "a\\nb\\x1b[31m", id="made printable"),
        pytest.param("<b>&</b>", "text/plain", "<b>&</b>", id="plain text that looks like a page"),
    ],
)
def test_what_counts_as_words(words: str, kind: str, sent: str) -> None:
    answer, _ = handshake(in_flask(says(words, 403, kind)["flask"]))
    assert (answer.status_code, answer.text) == (403, sent)
    assert answer.content_type == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_words_have_a_bound() -> None:
    answer, _ = handshake(in_flask(says("a" * 100_000, 403)["flask"]))
    assert len(answer.text) < 600


def test_the_pages_of_the_frameworks_are_no_words(site: Callable[[View], Any]) -> None:
    def view(request: Any) -> Any:
        raise ConnectionRefused

    assert handshake(site(view))[0].text == "handshake unauthorized"
    from pyramid.httpexceptions import HTTPForbidden

    for detail, sent in (("", "handshake unauthorized"), ("not you", "not you")):
        answer, _ = handshake(in_pyramid(lambda request, detail=detail: HTTPForbidden(detail)))  # type: ignore[misc]
        assert answer.text == sent
