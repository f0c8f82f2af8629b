"""The view decides: the wrapped application is asked once, at the handshake."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from webob import Request, Response

from sockio import BaseNamespace, NotInstalled, SocketIOMiddleware, UsageError, socketio_manage
from sockio.virtsocket import Socket

from ..support.clock import ManualRuntime
from ..support.echo import Echo, heard
from ..support.wsgi_client import PollingClient, spoken

Connect = Callable[..., PollingClient]
StartResponse = Callable[..., Any]
View = Callable[[dict[str, Any], StartResponse], Any]

NAMESPACES = {"": Echo, "/chat": Echo}


def answering(status: str, *headers: tuple[str, str], attach: bool = True) -> View:
    """A view that answers with ``status``, after having attached namespaces or without."""

    def view(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if attach:
            socketio_manage(environ, NAMESPACES)
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return [b"the view's own body is not for the client"]

    return view


# ---- Yes


def nothing_said(environ: dict[str, Any], start_response: StartResponse) -> None:
    socketio_manage(environ, NAMESPACES)


def what_socketio_manage_gave(environ: dict[str, Any], start_response: StartResponse) -> Any:
    return socketio_manage(environ, NAMESPACES)


def an_empty_list(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    socketio_manage(environ, NAMESPACES)
    return []


def a_generator(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    socketio_manage(environ, NAMESPACES)
    yield b"two"


def a_response_that_starts_late(
    environ: dict[str, Any], start_response: StartResponse
) -> Iterator[bytes]:
    socketio_manage(environ, NAMESPACES)
    yield b""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"late"


def one_that_uses_write(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    socketio_manage(environ, NAMESPACES)
    start_response("200 OK", [("Content-Type", "text/plain")])(b"written")
    return []


def webob_asks_what_socketio_manage_gave(
    environ: dict[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    # As Flask does with a view that returns it: what a view returns may be an application.
    answer = Request(environ).get_response(socketio_manage(environ, NAMESPACES))
    return answer(environ, start_response)


YES = [
    pytest.param(answering("200 OK"), id="200"),
    pytest.param(answering("204 No Content"), id="204"),
    pytest.param(answering("299 Strange"), id="299"),
    pytest.param(nothing_said, id="a bare view that returns None"),
    pytest.param(what_socketio_manage_gave, id="a bare view that returns what it got"),
    pytest.param(an_empty_list, id="a bare view that returns []"),
    pytest.param(a_generator, id="a generator"),
    pytest.param(a_response_that_starts_late, id="a late start_response"),
    pytest.param(one_that_uses_write, id="write()"),
    pytest.param(webob_asks_what_socketio_manage_gave, id="as an application"),
]


@pytest.mark.parametrize("view", YES)
def test_a_view_that_attaches_and_does_not_refuse_lets_the_client_in(
    connect: Connect, view: View
) -> None:
    client = connect(view=view)
    response = client.handshake()
    assert response.status_code == 200
    assert response.text.startswith(f"{client.sid}:60:60:")
    assert client.poll().packets == ["1::"]
    client.post("1::/chat")
    assert client.poll().packets == ["1::/chat"]
    assert heard(client.socket) == [("", "connect"), ("/chat", "connect")]


@pytest.mark.parametrize("view", [view for view in YES if view.id in ("200", "a generator")])
def test_the_view_is_run_as_a_server_would_run_it(connect: Connect, view: View) -> None:
    def outer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        # The name is the ancestor's; the validator wants strings under names without a dot.
        socket = environ.pop("socketio")

        def inner(environ: dict[str, Any], start_response: StartResponse) -> Any:
            environ["socketio"] = socket
            return view(environ, start_response)

        return spoken(inner)(environ, start_response)

    assert connect(view=outer).handshake().status_code == 200


# ---- No


def one_that_raises(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    socketio_manage(environ, NAMESPACES)
    raise RuntimeError("the database is away")


def one_that_raises_late(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    socketio_manage(environ, NAMESPACES)
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"so far so good"
    raise RuntimeError("the database is away")


class OneWhoseCloseRaises:
    """A framework that ends its transaction in ``close()``, and fails to."""

    def __init__(self, environ: dict[str, Any], start_response: StartResponse) -> None:
        socketio_manage(environ, NAMESPACES)
        start_response("200 OK", [("Content-Type", "text/plain")])

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"ok"])

    def close(self) -> None:
        raise RuntimeError("the database is away")


UNAUTHORIZED, ERROR = "handshake unauthorized", "handshake error"

NO = [
    pytest.param(answering("401 Unauthorized"), 401, UNAUTHORIZED, "answered 401", id="401"),
    pytest.param(answering("403 Forbidden"), 403, UNAUTHORIZED, "answered 403", id="403"),
    pytest.param(
        answering("401 Unauthorized", attach=False),
        401,
        UNAUTHORIZED,
        "answered 401",
        id="401 and nothing attached",
    ),
    pytest.param(
        answering("404 Not Found", attach=False),
        403,
        UNAUTHORIZED,
        "route /socket.io/1/ (all of /socket.io/*) to your view",
        id="404",
    ),
    pytest.param(
        answering("405 Method Not Allowed"), 403, UNAUTHORIZED, "must accept GET", id="405"
    ),
    pytest.param(answering("400 Bad Request"), 403, UNAUTHORIZED, "answered 400", id="400"),
    pytest.param(
        answering("302 Found", ("Location", "/login")),
        403,
        UNAUTHORIZED,
        "a redirect (to a login, perhaps) refuses a client",
        id="a redirect to a login",
    ),
    pytest.param(answering("304 Not Modified"), 403, UNAUTHORIZED, "answered 304", id="304"),
    pytest.param(
        answering("503 Service Unavailable"), 500, ERROR, "answered 503", id="a server error"
    ),
    pytest.param(one_that_raises, 500, ERROR, "the database is away", id="raises"),
    pytest.param(one_that_raises_late, 500, ERROR, "the database is away", id="raises late"),
    pytest.param(OneWhoseCloseRaises, 500, ERROR, "the database is away", id="raises in close"),
    pytest.param(
        answering("200 OK", attach=False),
        403,
        UNAUTHORIZED,
        "did not call socketio_manage",
        id="200 and nothing attached",
    ),
    pytest.param(
        lambda environ, start_response: None,
        403,
        UNAUTHORIZED,
        "did not call socketio_manage",
        id="nothing said and nothing attached",
    ),
]


@pytest.mark.parametrize(("view", "status", "body", "hint"), NO)
@pytest.mark.parametrize("form", ["", "?jsonp=4"], ids=["plain", "jsonp"])
def test_d01_the_views_refusal_is_obeyed(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    form: str,
    view: View,
    status: int,
    body: str,
    hint: str,
) -> None:
    client = connect(view=view)
    response = client.handshake(form, Origin="http://localhost")
    if form:
        assert (response.status_code, response.text) == (200, f'io.j[4](new Error("{body}"));')
    else:
        assert (response.status_code, response.text) == (status, body)
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost"
    assert "Location" not in response.headers
    assert len(client.registry) == 0, "no session is left behind"
    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("refused")]
    assert hint in line


def test_a_view_that_raised_is_logged_with_its_traceback(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect(view=one_that_raises).handshake()
    assert [str(r.exc_info[1]) for r in caplog.records if r.exc_info] == ["the database is away"]


def test_a_view_that_was_killed_leaves_no_session_behind(connect: Connect) -> None:
    def view(environ: dict[str, Any], start_response: StartResponse) -> None:
        socketio_manage(environ, NAMESPACES)
        raise KeyboardInterrupt

    client = connect(view=view)
    with pytest.raises(KeyboardInterrupt):
        client.handshake()
    assert len(client.registry) == 0


# ---- What travels with the answer


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "302 Found", "500 Oh"])
@pytest.mark.parametrize("form", ["", "?jsonp=4"], ids=["plain", "jsonp"])
def test_the_views_cookies_are_set_whatever_it_decides(
    connect: Connect, status: str, form: str
) -> None:
    cookies = [("Set-Cookie", "seen=1; Path=/"), ("set-cookie", "session=abc; HttpOnly")]
    view = answering(status, *cookies, ("X-Other", "stays here"))
    response = connect(view=view).handshake(form)
    assert response.headers.getall("Set-Cookie") == [value for _, value in cookies]
    assert "X-Other" not in response.headers


def test_the_views_challenge_goes_with_its_401(connect: Connect) -> None:
    view = answering("401 Unauthorized", ("WWW-Authenticate", 'Basic realm="chat"'))
    assert connect(view=view).handshake().headers["WWW-Authenticate"] == 'Basic realm="chat"'


def test_the_view_gets_the_clients_cookies_and_query(connect: Connect) -> None:
    seen: list[Request] = []

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        seen.append(Request(environ))
        return socketio_manage(environ, NAMESPACES)

    connect(view=view).handshake("?room=lobby&t=1", Cookie="login=ada")
    assert [(r.cookies["login"], r.GET["room"], r.path) for r in seen] == [
        ("ada", "lobby", "/socket.io/1/")
    ]


def test_the_answer_is_read_to_its_end_and_closed_once(connect: Connect) -> None:
    events: list[Any] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            for number in range(3):
                events.append(number)
                yield b"chunk"

        def close(self) -> None:
            events.append("closed")

    def view(environ: dict[str, Any], start_response: StartResponse) -> Body:
        socketio_manage(environ, NAMESPACES)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    connect(view=view).handshake()
    assert events == [0, 1, 2, "closed"]


def test_the_view_sees_an_origin_only_after_the_origin_was_allowed(connect: Connect) -> None:
    asked = []

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        asked.append(environ["HTTP_ORIGIN"])
        return socketio_manage(environ, NAMESPACES)

    client = connect(view=view)
    assert client.handshake(Origin="http://evil.example").status_code == 403
    assert client.handshake(Origin="http://localhost").status_code == 200
    assert asked == ["http://localhost"]


# ---- socketio_manage


def test_d02_the_view_ends_before_the_client_is_connected(
    connect: Connect, runtime: ManualRuntime
) -> None:
    ended = []

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        attached = socketio_manage(environ, NAMESPACES)
        ended.append(heard(environ["socketio"]))
        return attached

    client = connect(view=view)
    assert client.handshake().status_code == 200
    runtime.settle()
    assert ended == [[]]
    assert heard(client.socket) == []
    client.poll()
    assert heard(client.socket) == [("", "connect")]


class Falsy(dict[str, Any]):
    """A request object of which ``bool()`` is false, as empty mappings are."""


@pytest.mark.parametrize("request_object", [{}, Falsy(), 0, ""], ids=repr)
def test_d04_a_falsy_request_object_is_kept(connect: Connect, request_object: Any) -> None:
    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        return socketio_manage(environ, NAMESPACES, request_object)

    client = connect(view=view)
    client.open()
    assert client.socket.request is request_object
    assert client.socket[""].request is request_object


def test_d04_falsy_json_functions_and_error_handlers_are_used(connect: Connect) -> None:
    class Falsely:
        """Callable, and false."""

        def __init__(self, fn: Callable[..., Any]) -> None:
            self.fn = fn

        def __call__(self, *args: Any) -> Any:
            return self.fn(*args)

        def __bool__(self) -> bool:
            return False

    errors: list[Any] = []

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        return socketio_manage(
            environ,
            NAMESPACES,
            error_handler=Falsely(lambda socket, *error: errors.append(error)),
            json_loads=Falsely(lambda text: {**json.loads(text), "args": ["replaced"]}),
            json_dumps=Falsely(lambda value: json.dumps(value, indent=1).replace("\n", "")),
        )

    client = connect(view=view)
    client.open()
    client.post('5:::{"name":"say","args":[1]}', '5:7+::{"name":"unheard of"}')
    assert client.poll().packets == ['5:::{ "name": "said", "args": [  "replaced" ]}']
    ((name, _message, endpoint, ack_id, quiet),) = errors
    assert (name, endpoint, ack_id, quiet) == ("no_such_method", "", 7, False)


def test_without_a_request_object_there_is_one_of_the_handshake(connect: Connect) -> None:
    client = connect(view=what_socketio_manage_gave)
    client.handshake("?room=lobby")
    client.poll()
    assert client.socket[""].request.GET["room"] == "lobby"


def test_a_frameworks_request_may_stand_for_its_environ(connect: Connect) -> None:
    requests = []

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        requests.append(Request(environ))
        return socketio_manage(requests[0], NAMESPACES)

    client = connect(view=view)
    client.handshake()
    assert client.socket.request is requests[0]


def test_called_twice_the_last_call_counts(connect: Connect) -> None:
    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        socketio_manage(environ, {"": Echo, "/first": Echo}, "first")
        return socketio_manage(environ, {"": Echo, "/second": Echo}, "second")

    client = connect(view=view)
    client.open()
    client.post("1::/first", "1::/second")
    assert client.poll().packets == ["7::/first:2", "1::/second"]
    assert client.socket.request == "second"


def test_called_after_the_handshake_it_says_that_it_is_too_late(connect: Connect) -> None:
    environs = []

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        environs.append(environ)
        return socketio_manage(environ, NAMESPACES)

    connect(view=view).handshake()
    with pytest.raises(UsageError, match="call it in the view, not later"):
        socketio_manage(environs[0], NAMESPACES)


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="an empty environ"),
        pytest.param(Request.blank("/socket.io/1/").environ, id="no middleware"),
        pytest.param({"socketio": "a stranger's"}, id="another library's key"),
        pytest.param(object(), id="no environ at all"),
    ],
)
def test_d05_outside_the_middleware_the_error_names_the_lines_to_add(environ: Any) -> None:
    with pytest.raises(NotInstalled) as caught:
        socketio_manage(environ, NAMESPACES)
    message = str(caught.value)
    for line in (
        "from sockio import SocketIOMiddleware",
        "app.wsgi_app = SocketIOMiddleware(app.wsgi_app)",
        "application = SocketIOMiddleware(application)",
    ):
        assert line in message


def test_d05_a_request_that_is_no_handshake_is_told_the_same(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(view=what_socketio_manage_gave)
    with pytest.raises(NotInstalled, match=r"\(GET /socket.io/socket.io.js\)"):
        client.request("/socket.io.js")


NAMESPACES_THAT_CANNOT_WORK = [
    pytest.param({"chat": Echo}, "starts with a slash", id="no slash"),
    pytest.param({"/a:b": Echo}, "has no colon", id="a colon"),
    pytest.param({"/chat": object}, "not a subclass of sockio.BaseNamespace", id="no namespace"),
    pytest.param([Echo], "must be a mapping", id="no mapping"),
]


@pytest.mark.parametrize(("namespaces", "message"), NAMESPACES_THAT_CANNOT_WORK)
def test_namespaces_that_no_client_could_reach_are_refused_in_both_forms(
    connect: Connect, caplog: pytest.LogCaptureFixture, namespaces: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        SocketIOMiddleware(answering("200 OK"), namespaces)

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        return socketio_manage(environ, namespaces)

    client = connect(view=view)
    assert client.handshake().status_code == 500
    assert message in caplog.text
    assert len(client.registry) == 0


# ---- Afterwards


def test_what_the_view_puts_into_the_session_is_what_the_handlers_find(connect: Connect) -> None:
    class Who(BaseNamespace):
        def on_who(self) -> Any:
            return self.session["nickname"]

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        socket: Socket = environ["socketio"]
        socket.session["nickname"] = "ada"
        return socketio_manage(environ, {"": Who, "/chat": Who})

    client = connect(view=view)
    client.open()
    client.post("1::/chat", '5:1+::{"name":"who"}', '5:1+:/chat:{"name":"who"}')
    assert client.poll().packets == ["1::/chat", '6:::1+["ada"]', '6::/chat:1+["ada"]']


def test_the_kept_environ_has_nothing_of_the_server_and_an_empty_body(connect: Connect) -> None:
    class Websocket:
        """What gevent-websocket puts there."""

    def view(environ: dict[str, Any], start_response: StartResponse) -> Any:
        return socketio_manage(environ, NAMESPACES)

    client = connect(view=view)
    client.environ["gunicorn.socket"] = object()
    client.environ["wsgi.websocket"] = Websocket()
    assert client.handshake().status_code == 200
    kept = client.socket.environ
    assert not {"gunicorn.socket", "wsgi.websocket", "wsgi.errors"} & set(kept)
    assert kept["wsgi.input"].read() == b""
    assert kept["socketio"] is client.socket


def test_every_client_is_asked_about_and_gets_namespaces_of_its_own(connect: Connect) -> None:
    def view(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        name = Request(environ).cookies.get("login")
        if name == "admin":
            socketio_manage(environ, {"": Echo, "/admin": Echo})
        elif name:
            socketio_manage(environ, {"": Echo})
        return Response("")(environ, start_response)

    stranger = connect(view=view)
    assert stranger.handshake().status_code == 403
    for login, answer in (("admin", "1::/admin"), ("ada", "7::/admin:2")):
        client = stranger.another(Cookie=f"login={login}")
        client.open()
        client.post("1::/admin")
        assert client.poll().packets == [answer]
