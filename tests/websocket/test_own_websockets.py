"""``environ["wsgi.websocket"]``: websockets of the application's own, beside those of Socket.IO."""

from __future__ import annotations

import contextlib
import gc
import logging
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult
from gevent.pywsgi import WSGIServer

from sockio import BaseNamespace, SocketIOMiddleware, UsageError, WebSocketClosed
from sockio.http.rawsocket import Door, OfferedWebSocket
from sockio.transports import rawsocket

from ..support.node import NODE_MODULES, find_client
from ..support.raw_http import Connection, get
from ..support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    open_own,
    open_own_before,
    open_session,
    upgrade_request,
)
from ..support.servers import Served
from ..support.threads import read_away
from ..support.transcript import PATIENCE, eventually
from ..support.ways import WAYS, Way

View = Callable[[OfferedWebSocket], Any]

# What an application has inside is asked once, and other tests have made middlewares.
pytestmark = pytest.mark.usefixtures("alone")


class Echo(BaseNamespace):
    def on_echo(self, *args: object) -> object:
        return args


def page(start_response: Callable[..., Any], status: str = "200 OK") -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"page"]


def echo(websocket: OfferedWebSocket) -> None:
    for message in websocket:
        websocket.send(message)


class Site:
    """An application whose websockets are ``view``'s, and which has pages everywhere else."""

    def __init__(self, view: View = echo) -> None:
        self.view = view
        #: What the last view returned or raised.
        self.done: AsyncResult[Any] = AsyncResult()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        websocket = environ.get("wsgi.websocket")
        if websocket is None or environ["PATH_INFO"] != "/own":
            return page(start_response, "404 Not Found" if websocket else "200 OK")
        try:
            self.done.set(self.view(websocket))
        except Exception as error:
            self.done.set_exception(error)
            raise
        return page(start_response)

    def outcome(self) -> Any:
        return self.done.get(timeout=PATIENCE)


@pytest.fixture
def visit(serve: Callable[..., Served]) -> Iterator[Callable[..., RawWebSocket]]:
    """``client = visit(application, **headers)``: a server, and a websocket of that application."""
    clients: list[RawWebSocket] = []
    served: dict[int, Served] = {}

    def visit(app: Any, path: str = "/own", **headers: str | None) -> RawWebSocket:
        if id(app) not in served:
            served[id(app)] = serve(app, {"": Echo})
        clients.append(open_own(Connection(served[id(app)].port), path, **headers))
        return clients[-1]

    yield visit
    for client in clients:
        client.close()


Visit = Callable[..., RawWebSocket]


# ---- On the wire


@pytest.mark.parametrize("name", WAYS)
def test_a_conversation(serve: Callable[..., Served], tmp_path: Path, name: str) -> None:
    way = Way(name, serve, tmp_path)
    app = Site()
    way.serve(app, {"": Echo})
    with way.connect() as connection:
        client = open_own(connection)
        assert client.upgrade.code == 101
        for text in ("hello", "", "Grüße ☃ 🎈", "x" * 70_000):
            client.say(text)
            assert client.hear() == text
        client.send(frame(BINARY, b"\0\xff"))
        assert client.read_frame()[:2] == (BINARY, b"\0\xff")
        client.send(frame(TEXT, "one ", fin=False) + frame(PING, "!") + frame(CONTINUATION, "two"))
        assert client.read_frame()[:2] == (PONG, b"!")
        assert client.hear() == "one two"
        client.send_close(1000)
        assert client.closing() == 1000
    assert app.outcome() is None


def test_under_a_pywsgi_that_is_none_of_ours() -> None:
    server = WSGIServer(("127.0.0.1", 0), SocketIOMiddleware(Site(), {}), log=None)
    server.start()
    assert server.server_port is not None
    try:
        with Connection(server.server_port) as connection:
            client = open_own(connection)
            client.say("hello")
            assert client.hear() == "hello"
            client.send_close(1000)
            assert client.closing() == 1000
    finally:
        server.stop(timeout=PATIENCE)


def test_it_has_what_gevent_websockets_object_has(visit: Visit) -> None:
    def view(websocket: OfferedWebSocket) -> Any:
        before = websocket.closed, websocket.close_code
        websocket.send("text")
        websocket.send(b"bytes")
        websocket.send("bytes", True)
        websocket.send(b"text", binary=False)
        websocket.send(3)
        websocket.ping("are you there?")
        with pytest.raises(ValueError, match="125 bytes at most"):
            websocket.ping(b"x" * 126)
        got = websocket.receive()
        assert websocket.fileno() == websocket.handler.socket.fileno()
        websocket.close(4000, b"enough")
        return (
            before,
            got,
            websocket.closed,
            websocket.receive(),
            websocket.origin,
            websocket.version,
            websocket.protocol,
            websocket.path,
            websocket.environ["REQUEST_METHOD"],
        )

    app = Site(view)
    client = visit(app, Sec_WebSocket_Protocol="chat, superchat")
    assert "sec-websocket-protocol" not in client.upgrade.headers
    client.say("hello")
    frames = [client.read_frame()[:2] for _ in range(6)]
    assert frames == [
        (TEXT, b"text"),
        (BINARY, b"bytes"),
        (BINARY, b"bytes"),
        (TEXT, b"text"),
        (TEXT, b"3"),
        (PING, b"are you there?"),
    ]
    closing = client.read_frame()
    assert (closing.code, closing.payload[2:]) == (4000, b"enough")
    client.send_close(4000)
    origin = f"http://127.0.0.1:{client.sock.getpeername()[1]}"
    assert app.outcome() == (
        *((False, None), "hello", True, None, origin, "13", "chat, superchat", "/own", "GET"),
    )


def test_a_subprotocol_is_agreed_on_by_who_asks(visit: Visit) -> None:
    def view(websocket: OfferedWebSocket) -> None:
        assert websocket.open(["superchat", "chat"])
        websocket.send(websocket.subprotocol)

    client = visit(Site(view), Sec_WebSocket_Protocol="chat, superchat")
    assert client.upgrade.headers["sec-websocket-protocol"] == "superchat"
    assert client.hear() == "superchat"


@pytest.mark.parametrize("version", ["1.7.4", "2.5.0", "4.8.4"])
def test_real_clients(serve: Callable[..., Served], version: str) -> None:
    """The ``ws`` of npm, as each of the later clients has it."""
    package = f"socket.io-client-{version}"
    program = find_client(package)
    server = serve(Site(), {"": Echo})
    script = """
        const engine = require.resolve('engine.io-client', {paths: [process.argv[1]]})
        const WebSocket = require(require.resolve('ws', {paths: [engine]}))
        const ws = new WebSocket(process.argv[2])
        const got = []
        ws.on('open', () => { ws.send('hello'); ws.send(Buffer.from([0, 255])) })
        ws.on('message', (data) => {
            got.push(Buffer.from(data).toString('hex'))
            if (got.length == 2) ws.close(4001)
        })
        ws.on('close', (code) => console.log(got.join(' '), code))
        ws.on('error', (error) => console.log(error))
    """
    url = f"ws://127.0.0.1:{server.port}/own"
    command = [program, "-e", script, str(NODE_MODULES / package), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == [b"hello".hex(), "00ff", "4001"]


# ---- The application decides


def test_who_does_not_use_it_answers_as_to_any_other_request(visit: Visit) -> None:
    app = Site()
    assert visit(app, "/nowhere").upgrade.code == 404
    # Whatever the origin is: it was not asked for.
    assert visit(app, "/nowhere", Origin="http://evil.example").upgrade.code == 404


def test_the_connection_goes_on_behind_such_an_answer(visit: Visit) -> None:
    client = visit(Site(), "/nowhere")
    assert client.ask("GET", "/page").body == "page"


def test_other_requests_have_none(serve: Callable[..., Served]) -> None:
    server = serve(Site(), {"": Echo})
    assert get(server.port, "/own").code == 200
    with Connection(server.port) as connection:
        answer = connection.ask("GET", "/own", headers={"Upgrade": "h2c", "Connection": "Upgrade"})
        assert answer.code == 200


@pytest.mark.parametrize("generator", [False, True])
def test_a_page_of_a_generator_may_be_a_websocket(visit: Visit, generator: bool) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        websocket = environ.get("wsgi.websocket")
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        if websocket is not None and generator:
            echo(websocket)
        yield b"page"

    client = visit(app)
    if not generator:
        assert (client.upgrade.code, client.upgrade.body) == (200, "page")
        return
    client.say("hello")
    assert client.hear() == "hello"
    client.send_close()
    assert client.closing() == 1000


def test_what_is_returned_behind_it_is_thrown_away(visit: Visit) -> None:
    client = visit(Site(lambda websocket: websocket.send("bye")))
    assert client.hear() == "bye"
    assert client.read_frame().code == 1000
    client.send_close()
    assert client.at_end()


def test_closing_it_unused_opens_it_for_the_code(visit: Visit) -> None:
    client = visit(Site(lambda websocket: websocket.close(4003, "not you")))
    assert client.upgrade.code == 101
    assert client.read_frame().code == 4003


@pytest.mark.parametrize("framework", [False, True])
def test_a_view_that_fails_closes_with_1011(
    visit: Visit, caplog: pytest.LogCaptureFixture, framework: bool
) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "wsgi.websocket" in environ:
            environ["wsgi.websocket"].receive()
            if not framework:
                raise RuntimeError("in a view")
            return page(start_response, "500 Internal Server Error")
        return page(start_response)

    client = visit(app)
    client.say("now")
    assert client.read_frame().code == 1011
    client.send_close(1011)
    assert client.at_end()
    eventually(lambda: framework or "in a view" in caplog.text, "it is logged")
    assert caplog.text.count("page-failed") == 0
    assert caplog.text.count("Traceback") == (0 if framework else 1)


def test_a_visitor_who_leaves_is_no_failure(visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
    def view(websocket: OfferedWebSocket) -> None:
        while True:
            websocket.send(websocket.receive())

    app = Site(view)
    client = visit(app)
    client.say("hello")
    assert client.hear() == "hello"
    client.send_close()
    assert client.closing() == 1000
    with pytest.raises(WebSocketClosed):
        app.outcome()
    assert "Traceback" not in caplog.text


def test_a_loop_that_does_not_look_ends_too(visit: Visit) -> None:
    def view(websocket: OfferedWebSocket) -> None:
        while True:
            websocket.receive()

    app = Site(view)
    visit(app).close()
    with pytest.raises(WebSocketClosed):
        app.outcome()


def test_a_page_that_has_begun_cannot_become_one(visit: Visit) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "40")])
        write(b"a page ")
        if "wsgi.websocket" in environ:
            try:
                environ["wsgi.websocket"].send("hello")
            except Exception as error:
                write(type(error).__name__.ljust(33).encode())
        return []

    assert visit(app).upgrade.body == "a page UsageError".ljust(40)


# ---- Who may not


REFUSED: list[tuple[dict[str, str | None], int, str]] = [
    ({"Origin": "http://evil.example"}, 403, "origin-not-allowed"),
    ({"Sec_WebSocket_Key": None}, 400, "bad-upgrade"),
    ({"Sec_WebSocket_Version": "99"}, 426, "websocket-version"),
    ({"Connection": "keep-alive"}, 400, "no-upgrade"),
]


@pytest.mark.parametrize("sends", [False, True])
@pytest.mark.parametrize(("headers", "status", "code"), REFUSED)
def test_a_bad_upgrade_is_refused_at_its_first_use(
    visit: Visit,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str | None],
    status: int,
    code: str,
    sends: bool,
) -> None:
    """And the view sees a websocket that is closed, whatever it then returns."""

    def view(websocket: OfferedWebSocket) -> Any:
        if sends:
            websocket.send("hello")
        return list(websocket), websocket.closed, websocket.open(), websocket.has_messages()

    app = Site(view)
    answer = visit(app, **headers).upgrade
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (status, code)
    lines = [each for each in caplog.messages if f"[{code}]" in each]
    assert len(lines) == 1
    assert lines[0].startswith(f"refused GET /own from 127.0.0.1: {status} ")
    if sends:
        with pytest.raises(WebSocketClosed):
            app.outcome()
    else:
        assert app.outcome() == ([], True, False, False)
    assert "Traceback" not in caplog.text


def test_the_settings_of_the_middleware_say_who_may(serve: Callable[..., Served]) -> None:
    allowed = "https://www.example.com"
    server = serve(Site(), {}, origins=[allowed], hosts=["own.example"])
    for origin, host, code in (
        (allowed, "own.example", 101),
        (allowed, "other.example", 403),
        ("https://other.example", "own.example", 403),
    ):
        with Connection(server.port) as connection:
            assert open_own(connection, Origin=origin, Host=host).upgrade.code == code


def test_also_those_of_one_that_the_server_cannot_see(serve: Callable[..., Served]) -> None:
    allowed = "https://www.example.com"
    inner = SocketIOMiddleware(Site(), {"": Echo}, origins=[allowed], resource="live")

    def hidden(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return inner({**environ}, start_response)

    server = serve(hidden)
    for origin, code in ((allowed, 101), ("https://other.example", 403)):
        with Connection(server.port) as connection:
            assert open_own(connection, Origin=origin).upgrade.code == code
    with Connection(server.port) as connection:
        # Socket.IO's own are no others'.
        sid = connection.ask("GET", "/live/1/").body.partition(":")[0]
        client = open_own(connection, f"/live/1/websocket/{sid}", Origin=allowed)
        assert client.upgrade.code == 101
        assert client.hear() == "1::"


def test_a_server_that_cannot_says_so(caplog: pytest.LogCaptureFixture) -> None:
    app = SocketIOMiddleware(Site(), {})
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/own",
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_HOST": "own.example",
    }
    said: list[Any] = []
    body = app(environ, lambda *args: said.append(args))
    assert b"".join(body) == b"This server cannot open websockets."
    assert said[0][0] == "501 Not Implemented"
    assert ("X-Sockio-Refusal", "server-cannot-upgrade") in said[0][1]
    assert "sockio.server.SocketIOServer" in caplog.text


# ---- Bounds, and the end


def test_a_message_that_is_too_large_is_1009_and_one_warning(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    app = Site()
    server = serve(app, {}, max_payload=1000)
    with Connection(server.port) as connection:
        client = open_own(connection)
        client.send(frame(TEXT, declared=2**40))
        assert client.closing() == 1009
    assert app.outcome() is None
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "[message-too-large]" in warnings[0].getMessage()


def test_what_comes_with_the_request_is_not_lost(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(Site(), {})
    for behind, opcode in ((frame(TEXT, "early"), TEXT), (frame(TEXT, b"\xff"), CLOSE)):
        with Connection(server.port) as connection:
            connection.send(upgrade_request("/own", server.port) + behind)
            assert connection.answer().code == 101
            assert connection.read(2)[0] & 0x0F == opcode
    eventually(lambda: "[message-not-utf-8]" in caplog.text, "it is logged")
    assert "a websocket of 127.0.0.1 is closed (1007)" in caplog.text


@pytest.mark.parametrize("size", [100, 5000, 15_000])
def test_nor_is_more_of_that_than_a_reader_holds(serve: Callable[..., Served], size: int) -> None:
    server = serve(Site(), {})
    words = [letter * size for letter in "abc"]
    with Connection(server.port) as connection:
        client = open_own_before(b"".join([frame(TEXT, word) for word in words]), connection)
        assert [client.hear() for _ in words] == words


def test_a_flood_does_not_keep_the_others_waiting(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rawsocket, "CLOSE_WAIT", 0.1)
    many, heard = 100_000, [0]

    def count(websocket: OfferedWebSocket) -> None:
        while websocket.receive() is not None:
            heard[0] += 1

    server = serve(Site(count), {"": Echo})
    with open_session(server.port) as bystander, Connection(server.port) as connection:
        flooder = open_own(connection)

        def flood() -> None:
            with contextlib.suppress(OSError):
                flooder.send(frame(TEXT) * many)

        flooding = gevent.spawn(flood)
        eventually(lambda: heard[0], "it floods")
        for _ in range(3):
            bystander.say('5:1+::{"name":"echo"}')
            assert bystander.hear() == "6:::1"
        assert heard[0] < many
        flooding.kill()


@pytest.mark.parametrize("name", ["loop", "tls"])
@pytest.mark.parametrize(
    ("many", "size"), [pytest.param(20_000, 1000, id="many"), pytest.param(1, 50_000_000, id="one")]
)
def test_who_reads_as_fast_as_a_view_sends_keeps_nobody_waiting(
    serve: Callable[..., Served], tmp_path: Path, name: str, many: int, size: int
) -> None:
    way, sent = Way(name, serve, tmp_path), [0]

    def pour(websocket: OfferedWebSocket) -> None:
        for _ in range(many):
            websocket.send("x" * size)
            sent[0] += 1

    site = Site(pour)
    way.serve(site, {"": Echo})
    with way.connect() as other, way.connect() as connection:
        bystander = over(other)
        reader = open_own(connection)
        drain = gevent.get_hub().threadpool.spawn(read_away, reader.sock.fileno())
        bystander.say('5:1+::{"name":"echo"}')
        assert bystander.hear() == "6:::1"
        assert sent[0] < many
        with contextlib.suppress(OSError):
            reader.sock.shutdown(2)
        drain.get()
        with contextlib.suppress(WebSocketClosed):
            site.outcome()


def test_a_message_that_the_view_gave_up_half_sent_is_the_last(visit: Visit) -> None:
    def view(websocket: OfferedWebSocket) -> Any:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            websocket.send(bytes(50_000_000))
        assert websocket.closed
        with pytest.raises(WebSocketClosed):
            websocket.send("more")
        return "told"

    site = Site(view)
    client = visit(site)
    assert site.outcome() == "told"
    client.close()


def over(connection: Connection) -> RawWebSocket:
    """A session's websocket, open."""
    sid = connection.ask("GET", "/socket.io/1/").body.partition(":")[0]
    client = open_own(connection, f"/socket.io/1/websocket/{sid}")
    assert client.hear() == "1::"
    return client


def test_the_end_of_the_server_is_1001(serve: Callable[..., Served]) -> None:
    def view(websocket: OfferedWebSocket) -> list[Any]:
        got = []
        for message in websocket:
            websocket.send(message)
            got.append(message)
        return got

    app = Site(view)
    server = serve(app, {"": Echo})
    with Connection(server.port) as connection:
        client = open_own(connection)
        client.say("last words")
        assert client.hear() == "last words"
        stopping = gevent.spawn(server.server.stop, PATIENCE)
        assert client.read_frame().code == 1001
        client.send_close(1001)
        assert client.at_end()
        assert app.outcome() == ["last words"]
        stopping.join()


def test_a_view_that_is_killed_waits_for_nobody(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as anybody may take to close its side.
    monkeypatch.setattr(rawsocket, "CLOSE_WAIT", 10 * PATIENCE)
    views: list[gevent.Greenlet[..., Any]] = []

    def stays(websocket: OfferedWebSocket) -> None:
        views.append(gevent.getcurrent())  # type: ignore[arg-type]
        websocket.send("hello")
        gevent.sleep(10 * PATIENCE)

    client = visit(Site(stays))
    assert client.hear() == "hello"
    (view,) = views
    view.kill(timeout=PATIENCE)
    assert view.ready()
    assert client.read_frame().code == 1001
    assert client.at_end()


def test_nothing_is_left(serve: Callable[..., Served]) -> None:
    """Nor for the garbage collector, which would stop everybody."""
    server = serve(Site(), {"": Echo})
    kinds = (Door, OfferedWebSocket, rawsocket.WebSocket)

    def kept() -> set[int]:
        # By their types: to ask some objects of others for a class is to have it set up.
        return {id(each) for each in gc.get_objects() if issubclass(type(each), kinds)}

    before = kept()

    def visit(path: str, origin: str) -> None:
        with Connection(server.port) as connection:
            client = open_own(connection, path, Origin=origin)
            if client.upgrade.code == 101:
                client.say("hello")
                assert client.hear() == "hello"
                client.send_close()
                assert client.closing() == 1000

    gc.disable()
    try:
        for path, origin in (
            ("/own", f"http://127.0.0.1:{server.port}"),
            ("/own", "http://evil.example"),
            ("/nowhere", f"http://127.0.0.1:{server.port}"),
        ):
            visit(path, origin)
        eventually(lambda: not kept() - before, "nothing is left of them")
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "answer", [pytest.param(list, id="a list"), pytest.param(iter, id="parts")]
)
def test_a_task_that_comes_after_the_answer_opens_nothing(
    serve: Callable[..., Served], answer: Callable[[list[bytes]], Iterable[bytes]]
) -> None:
    kept: list[OfferedWebSocket] = []
    asked: AsyncResult[Any] = AsyncResult()
    used: AsyncResult[Any] = AsyncResult()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/own":
            kept.append(environ["wsgi.websocket"])
        elif environ["PATH_INFO"] == "/next":
            # The connection is this request's now.
            asked.set()
            used.get(timeout=PATIENCE)
        return answer(page(start_response))

    port = serve(application, {"": Echo}).port
    with Connection(port) as connection:
        connection.send(upgrade_request("/own", port))
        assert connection.answer().body == "page"
        connection.send(f"GET /next HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        asked.get(timeout=PATIENCE)
        try:
            with pytest.raises(UsageError, match="answered as a page"):
                kept[0].send("hello")
        finally:
            used.set()
        assert connection.answer().code == 200
