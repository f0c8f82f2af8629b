"""``socketio_manage``: what a view hands over, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from webob import Request, Response

from sockio import BaseNamespace, NotInstalled, SocketIOMiddleware, UsageError, socketio_manage
from sockio.testing import ManualRuntime
from sockio.virtsocket import Socket

from ..support.echo import Echo, heard
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]
StartResponse = Callable[..., Any]

NAMESPACES = {"": Echo, "/chat": Echo}


def manage(environ: dict[str, Any], start_response: StartResponse) -> Any:
    """The shortest view there is."""
    return socketio_manage(environ, NAMESPACES)


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
    client = connect(view=manage)
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
    client = connect(view=manage)
    with pytest.raises(NotInstalled, match=r"\(GET /socket.io/other.js\)"):
        client.request("/other.js")


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
        SocketIOMiddleware(manage, namespaces)

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
