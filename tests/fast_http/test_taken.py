"""The short way is taken where it can be, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIHandler

from sockio import SocketIOMiddleware, socketio_manage
from sockio.server import SocketIOServer

from ..support.raw_http import Connection, handshake
from ..support.raw_websocket import TEXT, RawWebSocket, frame, open_session
from ..support.servers import Served, not_ours
from ..support.transcript import eventually
from .conftest import Echo, counted


def requests(server: Served) -> int:
    """Tasks and connections that pywsgi has."""
    pool = server.server.pool
    assert pool is not None
    return len(pool)


def test_a_polling_client_never_meets_pywsgi(fast: Served) -> None:
    with Connection(fast.port) as kept:
        sid = kept.ask("GET", "/socket.io/1/").body.partition(":")[0]
        path = f"/socket.io/1/xhr-polling/{sid}"
        assert kept.ask("GET", path).body == "1::"
        for number in range(5):
            assert kept.ask("POST", path, f"3:::{number}").body == "1"
            assert kept.ask("GET", path).body == f"3:::{number}"
        assert requests(fast) == 0
    assert counted(fast) == (12, 0, 0)


def test_a_poll_that_waits_has_no_greenlet(fast: Served) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(fast.port)}"
    with Connection(fast.port) as connection:
        assert connection.ask("GET", path).body == "1::"
        connection.request("GET", path)
        eventually(lambda: counted(fast)[0] == 3, "the poll has arrived")
        assert requests(fast) == 0
        (socket,) = fast.registry.sockets.values()
        socket[""].send("one")
        socket[""].send("two")
        assert connection.answer().packets == ["3:::one", "3:::two"]


def test_what_one_handler_sends_leaves_in_one_answer(fast: Served) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(fast.port)}"
    with Connection(fast.port) as polls, Connection(fast.port) as posts:
        assert polls.ask("GET", path).body == "1::"
        polls.request("GET", path)
        eventually(lambda: counted(fast)[0] == 3, "the poll has arrived")
        assert posts.ask("POST", path, '5:::{"name":"twice","args":["x"]}').body == "1"
        assert polls.answer().packets == ["3:::x", "3:::x"]


@pytest.mark.fast_path("detach")
def test_a_websocket_begins_here(fast: Served) -> None:
    with open_session(fast.port) as websocket:
        websocket.say("3:::hello")
        assert websocket.hear() == "3:::hello"
        assert requests(fast) == 0
    answered, handed_over, upgraded = counted(fast)
    assert (answered, handed_over, upgraded) == (2, 0, 1)


@pytest.mark.fast_path("detach")
def test_frames_right_behind_the_request_are_not_lost(fast: Served) -> None:
    behind = frame(TEXT, "3:::early")
    with RawWebSocket(fast.port, handshake(fast.port), behind=behind) as websocket:
        assert websocket.hear() == "1::"
        assert websocket.hear() == "3:::early"
    assert counted(fast)[1:] == (0, 1)


def test_without_detach_pywsgi_keeps_the_websocket(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": Echo}, without=["detach"])
    with open_session(server.port) as websocket:
        websocket.say("3:::hello")
        assert websocket.hear() == "3:::hello"
        assert requests(server) == 1
    assert counted(server)[1:] == (1, 0)


# ---- What has to be asked is asked in a task


def blocking_authorize(request: Any) -> bool:
    gevent.sleep(0.01)
    return bool(request.params.get("token") == "right")


def blocking_origins(origin: str | None, environ: Any) -> bool:
    gevent.sleep(0.01)
    return origin != "http://stranger.example"


def view(environ: dict[str, Any], start_response: Any) -> Any:
    gevent.sleep(0.01)
    assert environ["wsgi.input"].read() == b""
    socketio_manage(environ, {"": Echo})
    start_response("200 OK", [("Set-Cookie", "a=b")])
    return []


def test_authorize_may_block(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": Echo}, authorize=blocking_authorize)
    with Connection(server.port) as connection:
        assert connection.ask("GET", "/socket.io/1/?token=wrong").code == 403
        assert connection.ask("GET", "/socket.io/1/?token=right").code == 200
    assert counted(server)[:2] == (2, 0)


def test_a_callable_for_origins_may_block(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": Echo}, origins=blocking_origins)
    with Connection(server.port) as connection:
        sid = connection.ask("GET", "/socket.io/1/").body.partition(":")[0]
        path = f"/socket.io/1/xhr-polling/{sid}"
        assert connection.ask("GET", path).body == "1::"
        stranger = {"Origin": "http://stranger.example"}
        assert connection.ask("GET", path, headers=stranger).code == 403
        assert connection.ask("POST", path, "3:::x").body == "1"
        assert connection.ask("GET", path).body == "3:::x"
        # A poll that waits, begun in a task.
        connection.request("GET", path)
        eventually(lambda: counted(server)[0] == 6, "the poll has arrived")
        (socket,) = server.registry.sockets.values()
        eventually(lambda: requests(server) == 0, "its task has ended")
        socket[""].send("later")
        assert connection.answer().body == "3:::later"
    assert counted(server)[1] == 0


def test_a_view_may_block(serve: Callable[..., Served]) -> None:
    server = serve(view)
    with Connection(server.port) as connection:
        answer = connection.ask("GET", "/socket.io/1/")
        assert (answer.code, answer.headers["set-cookie"]) == (200, "a=b")
    assert counted(server)[:2] == (1, 0)


@pytest.mark.greenlets_may_die  # pywsgi reports the view
@pytest.mark.parametrize("without", ["", "http"], ids=["fast", "slow"])
@pytest.mark.parametrize("cookie", ["a\r\nX: y", "a\nb", "\u2603"])
def test_a_view_cannot_break_the_head_of_an_answer(
    serve: Callable[..., Served], cookie: str, without: str
) -> None:
    def careless(environ: dict[str, Any], start_response: Any) -> Any:
        socketio_manage(environ, {"": Echo})
        start_response("200 OK", [("Set-Cookie", cookie)])
        return []

    server = serve(careless, without=without)
    with Connection(server.port) as connection:
        answer = connection.ask("GET", "/socket.io/1/")
        assert (answer.code, answer.body) == (500, "Internal Server Error")
        assert answer.headers["connection"] == "close"
        assert "x" not in answer.headers
        assert connection.at_end()


def test_a_post_waits_for_room_in_a_task(serve: Callable[..., Served]) -> None:
    go_on = Event()

    class Slow(Echo):
        def recv_message(self, data: str) -> None:
            go_on.wait()
            super().recv_message(data)

    server = serve(not_ours, {"": Slow}, max_inbox=2)
    path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
    with Connection(server.port) as kept:
        assert kept.ask("GET", path).body == "1::"
        for number in range(3):
            assert kept.ask("POST", path, f"3:::{number}").body == "1"
        kept.request("POST", path, "3:::late")
        eventually(lambda: requests(server) == 1, "the POST waits")
        go_on.set()
        assert kept.answer().body == "1"
        heard: list[str] = []
        while len(heard) < 4:
            heard += kept.ask("GET", path).packets
        assert heard == ["3:::0", "3:::1", "3:::2", "3:::late"]
    assert counted(server)[1] == 0


# ---- The environ is that of pywsgi


def test_the_handshake_has_the_environ_of_pywsgi(serve: Callable[..., Served]) -> None:
    seen: list[dict[str, Any]] = []

    def authorize(request: Any) -> bool:
        seen.append(dict(request.environ))
        return True

    for without in ([], ["http"]):
        server = serve(not_ours, {"": Echo}, authorize=authorize, without=without)
        with Connection(server.port) as connection:
            headers = {"Cookie": "a=b", "X-Odd_Name": "1", "X-Some-Name": " é ", "Accept": "*/*"}
            headers = {k: v.encode().decode("latin-1") for k, v in headers.items()}
            assert connection.ask("GET", "/socket.io/1/?t=%20&a=b", headers=headers).code == 200
    short, long = seen
    own = {"REMOTE_PORT", "SERVER_PORT", "HTTP_HOST", "wsgi.input", "webob.adhoc_attrs"}
    assert set(short) - set(long) == {"sockio.connection"}
    assert set(long) <= set(short)
    different = {key for key in long if key not in own and short[key] != long[key]}
    assert different == set()
    assert all(type(short[key]) is type(long[key]) for key in own - {"wsgi.input"} if key in long)


# ---- Where it is not taken


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"without": ["http"]}, id="left out"),
        pytest.param({"spawn": 100}, id="a pool of the user's own"),
        pytest.param({"handler_class": type("Own", (WSGIHandler,), {})}, id="another handler"),
        pytest.param({"log": "default"}, id="requests are logged"),
    ],
)
def test_where_pywsgi_has_to_do_it(serve: Callable[..., Served], options: Any) -> None:
    server = serve(not_ours, {"": Echo}, **options)
    assert server.server.fast is None
    with open_session(server.port) as websocket:
        websocket.say("3:::hello")
        assert websocket.hear() == "3:::hello"


def test_a_server_with_a_handle_of_its_own_is_asked() -> None:
    handled: list[Any] = []

    class Own(SocketIOServer):
        def handle(self, sock: Any, address: Any, early: bytes = b"") -> None:
            handled.append(address)
            super().handle(sock, address, early)

    server = Own(("127.0.0.1", 0), SocketIOMiddleware(not_ours, {"": Echo}))
    server.start()
    try:
        assert server.fast is None
        with Connection(server.server_port or 0) as connection:
            assert connection.ask("GET", "/socket.io/1/").code == 200
        assert len(handled) == 1
    finally:
        server.stop(0.1)
