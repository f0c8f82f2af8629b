"""The view decides: the wrapped application is asked once, at the handshake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from webob import Request

from sockio import socketio_manage

from ..support.echo import Echo, heard
from ..support.wsgi_client import PollingClient, spoken

Connect = Callable[..., PollingClient]
StartResponse = Callable[..., Any]
View = Callable[[dict[str, Any], StartResponse], Any]

NAMESPACES = {"": Echo, "/chat": Echo}

#: What the view says.
WORDS = "the words of the view"


def answering(status: str, *headers: tuple[str, str], attach: bool = True) -> View:
    """A view that answers with ``status``, after having attached namespaces or without."""

    def view(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if attach:
            socketio_manage(environ, NAMESPACES)
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return [WORDS.encode()]

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
        # The names are the ancestor's and ours; the validator wants strings under names without a
        # dot.
        socket = environ.pop("socketio")
        assert environ.pop("sockio") is socket

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
    pytest.param(answering("401 Unauthorized"), 401, WORDS, "answered 401", id="401"),
    pytest.param(answering("403 Forbidden"), 403, WORDS, "answered 403", id="403"),
    pytest.param(
        answering("401 Unauthorized", attach=False),
        401,
        WORDS,
        "answered 401",
        id="401 and nothing attached",
    ),
    pytest.param(
        answering("404 Not Found", attach=False),
        403,
        UNAUTHORIZED,
        "route all of /socket.io/* to your view",
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
