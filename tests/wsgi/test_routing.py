"""Which requests are answered, and which belong to the wrapped application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import is_hop_by_hop

import pytest
from webob import Request, Response

from sockio import BaseNamespace, SocketIOMiddleware, UsageError, socketio_manage

from ..support.echo import Echo
from ..support.servers import not_ours
from ..support.wsgi_client import PollingClient, spoken

Connect = Callable[..., PollingClient]


# ---- Not ours

NOT_OURS = [
    pytest.param("/", id="the front page"),
    pytest.param("/socket.io", id="the resource without its slash"),
    pytest.param("/socket.iox/1/", id="a longer name"),
    pytest.param("/Socket.IO/1/", id="other capitals"),
    pytest.param("/live/socket.io/1/", id="the resource further down"),
    pytest.param("/socket.io/socket.io.v0.9.17.js", id="a script that the client does not have"),
    pytest.param("/socket.io/static/flashsocket/other.swf", id="a file that it does not have"),
    pytest.param("/socket.io/v1/", id="a version that is no number"),
    pytest.param("/socket.io/%EF%BC%91/", id="a version in full-width digits"),
    pytest.param("/socket.io/1/xhr-polling/sid/more", id="more than a session id"),
]


@pytest.mark.parametrize("path", NOT_OURS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_d70_what_is_not_ours_reaches_the_application_untouched(path: str, method: str) -> None:
    answer = [b"the application's own object"]
    asked: list[tuple[Any, Any]] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.append((environ, start_response))
        return answer

    def start_response(*args: Any) -> None:
        raise AssertionError("only the application answers, and this one does not")

    environ = Request.blank(path, method=method, headers={"Origin": "http://evil.example"}).environ
    before = dict(environ)
    assert SocketIOMiddleware(app, {"": Echo})(environ, start_response) is answer
    assert asked == [(environ, start_response)]
    assert asked[0][0] is environ
    assert asked[0][1] is start_response
    assert environ == before


def test_an_environ_without_a_path_is_the_applications() -> None:
    # PEP 3333 lets a server leave PATH_INFO out when it is empty.
    environ = Request.blank("/").environ
    environ["SCRIPT_NAME"], _ = "/mounted", environ.pop("PATH_INFO")
    assert Request(environ).get_response(SocketIOMiddleware(not_ours, {})).text == "app:None"


# ---- Ours

OURS = [
    pytest.param("/socket.io/", "200 OK", "Welcome to socket.io.", id="welcome"),
    *(
        pytest.param(
            f"/socket.io/{version}",
            "500 Internal Server Error",
            "Protocol version not supported.",
            id=f"version {version}",
        )
        for version in ("0", "2/", "01/", "10/", "2/xhr-polling/sid")
    ),
]


@pytest.mark.parametrize(("path", "status", "body"), OURS)
def test_the_answer_to_a_path_that_needs_no_session(path: str, status: str, body: str) -> None:
    response = Request.blank(path).get_response(spoken(SocketIOMiddleware(not_ours, {"": Echo})))
    assert (response.status, response.text) == (status, body)
    assert response.content_type == "text/plain"


@pytest.mark.parametrize(
    "path", ["/1", "/1/", "/1//", "/1/xhr-polling", "/1/websocket/", "/1/?a=b"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_without_a_session_id_it_is_a_handshake(connect: Connect, path: str, method: str) -> None:
    client = connect()
    response = client.request(path, method)
    assert response.status_code == 200
    assert response.text.partition(":")[0] in client.registry.sockets


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_session_is_found_with_and_without_a_trailing_slash(connect: Connect, slash: str) -> None:
    client = connect()
    client.handshake()
    assert client.request(client.url + slash).text == "1::"


def converse(client: PollingClient) -> None:
    """Everything a client does, from handshake to goodbye."""
    client.open()
    assert client.post('5:1+::{"name":"echo","args":["mounted"]}').text == "1"
    assert client.poll().packets == ['6:::1+["mounted"]']
    assert client.post("0::").text == "1"
    assert client.poll().packets == ["7:::1+0"]


@pytest.mark.parametrize("resource", ["live", "a/b/socket.io", "/slashes/around/"])
def test_the_resource_is_a_setting(connect: Connect, resource: str) -> None:
    client = connect(resource=resource)
    converse(client)
    client.mount = "/socket.io"
    assert client.request("/1/").text == "app:/socket.io/1/"


def test_a_middleware_mounted_under_a_prefix(connect: Connect) -> None:
    client = connect()
    mounted = client.app

    def dispatcher(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        if request.path_info_peek() == "prefix":
            request.path_info_pop()
            return mounted(environ, start_response)
        return not_ours(environ, start_response)

    client.app, client.mount = dispatcher, "/prefix/socket.io"
    converse(client)
    client.handshake()
    assert client.socket.environ["SCRIPT_NAME"] == "/prefix"
    client.mount = "/socket.io"
    assert client.request("/1/").text == "app:/socket.io/1/"


def test_two_middlewares_in_one_process_never_meet(connect: Connect) -> None:
    one, other = (
        connect(transports=["jsonp-polling", "xhr-polling"]),
        connect(transports="xhr-polling"),
    )
    assert one.handshake().text == f"{one.sid}:60:60:jsonp-polling,xhr-polling"
    assert other.handshake().text == f"{other.sid}:60:60:xhr-polling"
    one.sid, other.sid = other.sid, one.sid
    assert one.poll().packets == other.poll().packets == ["7:::1+0"]


# ---- What every answer is

REQUESTS: list[Any] = [
    ("GET", "/", b""),
    ("GET", "/2/", b""),
    ("GET", "/1/", b""),
    ("GET", "/1/?jsonp=0", b""),
    ("HEAD", "/1/", b""),
    ("OPTIONS", "/1/xhr-polling/{sid}", b""),
    ("GET", "/1/xhr-polling/{sid}", b""),
    ("POST", "/1/xhr-polling/{sid}", b"3:::hello"),
    ("POST", "/1/xhr-polling/{sid}", b"\xff"),
    ("PUT", "/1/xhr-polling/{sid}", b""),
    ("GET", "/1/nonsense/{sid}", b""),
    ("GET", "/1/websocket/{sid}", b""),
    ("GET", "/1/xhr-polling/{sid}?disconnect", b""),
    ("GET", "/1/xhr-polling/unknown", b""),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=lambda value: str(value))
@pytest.mark.parametrize("origin", ["http://localhost", "http://evil.example"])
def test_d67_every_answer_is_one_that_any_wsgi_server_can_send(
    connect: Connect, method: str, path: str, body: bytes, origin: str
) -> None:
    # The client has wsgiref.validate between itself and the middleware; this adds what that leaves
    # out: hop-by-hop headers are the server's, and nothing is said twice.
    client = connect()
    client.handshake()
    response = client.request(path.format(sid=client.sid), method, body, {"Origin": origin})
    names = [name.lower() for name, _ in response.headerlist]
    assert len(names) == len(set(names))
    assert not [name for name in names if is_hop_by_hop(name)]
    assert all(type(text) is str for header in response.headerlist for text in header)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("software", "connection", "says"),
    [
        ("gevent/26.9 Python/3.13", "close", True),
        ("gevent/26.9 Python/3.13", "Close", True),
        ("gevent/26.9 Python/3.13", "keep-alive", False),
        ("gunicorn/27.0", "close", False),
        ("", "close", False),
    ],
)
def test_gevents_server_closes_without_saying_so_and_is_made_to_say_it(
    connect: Connect, software: str, connection: str, says: bool
) -> None:
    client = connect()
    client.environ["SERVER_SOFTWARE"] = software
    response = client.handshake(Connection=connection)
    assert response.headers.get("Connection") == ("close" if says else None)


# ---- Transports


@pytest.mark.parametrize("name", ["websocket", "flashsocket", "xhr-pollin", "", "%00"])
def test_d59_a_transport_that_is_not_offered_is_refused(connect: Connect, name: str) -> None:
    client = connect(transports=["xhr-polling"])
    client.handshake()
    response = client.request(f"/1/{name}/{client.sid}")
    assert (response.status_code, response.text) == (400, "7:::0")
    assert client.poll().packets == ["1::"]


NO_UPGRADE = [
    pytest.param({}, id="a proxy dropped both headers"),
    pytest.param({"Upgrade": "websocket", "Connection": "keep-alive"}, id="no Connection: Upgrade"),
    pytest.param({"Upgrade": "h2c", "Connection": "Upgrade"}, id="another protocol"),
]


@pytest.mark.parametrize("headers", NO_UPGRADE)
def test_d66_a_websocket_url_without_an_upgrade_says_why(
    connect: Connect, headers: dict[str, str]
) -> None:
    client = connect()
    client.handshake()
    response = client.request(f"/1/websocket/{client.sid}", headers=headers)
    assert response.status_code == 400
    assert "proxy" in response.text
    assert client.poll().packets == ["1::"]


def test_d66_a_server_that_cannot_upgrade_says_so(connect: Connect) -> None:
    client = connect()
    client.handshake()
    asking = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    response = client.request(f"/1/websocket/{client.sid}", headers=asking)
    assert response.status_code == 501
    assert "gevent.pywsgi" in response.text


# ---- Wrapped wrongly


def test_what_is_no_application_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="wraps a WSGI application"):
        SocketIOMiddleware({"/chat": Echo})  # type: ignore[arg-type]


# ---- What stays between ourselves


def test_a_session_id_is_not_shown_whole_in_the_log(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect()
    client.open()
    client.request(client.url, "DELETE")
    client.request(f"/1/nonsense/{client.sid}")
    client.request(client.url, headers={"Origin": "http://evil.example"})
    client.post_body(b"\xff")
    client.post("garbage", "5:::{")
    client.post("0::")
    assert caplog.records
    assert client.sid not in caplog.text


def test_the_views_environ_has_what_socketio_manage_needs_and_polls_never_see_the_application(
    connect: Connect,
) -> None:
    paths = []

    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        paths.append(environ["PATH_INFO"])
        assert environ["socketio"] is environ["sockio"]
        assert environ["sockio"].sessid not in environ["sockio"].server.sockets
        socketio_manage(environ, {"": BaseNamespace})
        return Response("ok")(environ, start_response)

    client = connect(view=view)
    client.open()
    client.post("3:::hello")
    assert paths == ["/socket.io/1/"]
