"""Bodies that nobody will look at: the request is answered from its head, and not read on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio.http.route import parse_path
from sockio.transports.request import Request, WouldBlock

from ..support.bodies import Untouchable
from ..support.echo import Echo, heard
from ..support.raw_http import Connection, get, handshake
from ..support.servers import Served
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]

STRANGER = {"Origin": "http://evil.example"}

#: Method, path, headers, and the code and beginning of the answer.
UNWANTED = [
    pytest.param("POST", "/1/xhr-polling/{sid}", STRANGER, 403, "handshake bad", id="a stranger's"),
    pytest.param("POST", "/1/xhr-polling/nobody", {}, 200, "1", id="an unknown session's"),
    pytest.param("POST", "/1/jsonp-polling/nobody", {"Referer": "{own}/"}, 200, "1", id="by JSONP"),
    pytest.param("POST", "/1/htmlfile/nobody", {}, 200, "1", id="of a stream"),
    pytest.param("POST", "/1/nothing/{sid}", {}, 400, "7:::0", id="for no transport"),
    pytest.param("POST", "/1/flashsocket/{sid}", {}, 400, "7:::0", id="for one not offered"),
    pytest.param("POST", "/1/websocket/{sid}", {}, 405, "A websocket", id="for a websocket"),
    pytest.param("PUT", "/1/xhr-polling/{sid}", {}, 405, "Use GET", id="by a method there is not"),
    pytest.param("POST", "/1/xhr-polling/nobody?disconnect", {}, 200, "", id="a goodbye's"),
    pytest.param("OPTIONS", "/1/xhr-polling/{sid}", {}, 204, "", id="a preflight's"),
    pytest.param("POST", "/1/", STRANGER, 403, "handshake bad", id="a stranger's handshake's"),
    pytest.param("POST", "/1/", {}, 200, "", id="a handshake's"),
    pytest.param("POST", "/", {}, 200, "Welcome", id="the welcome's"),
    pytest.param("POST", "/2/", {}, 500, "Protocol version", id="another protocol's"),
]
LENGTHS = [
    pytest.param({"CONTENT_LENGTH": "900000"}, id="a length"),
    pytest.param({"CONTENT_LENGTH": "1"}, id="one byte"),
    pytest.param({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}, id="chunks"),
]


@pytest.mark.parametrize(("method", "path", "headers", "code", "text"), UNWANTED)
@pytest.mark.parametrize("length", LENGTHS)
def test_it_is_not_read_and_the_connection_ends(
    connect: Connect,
    method: str,
    path: str,
    headers: dict[str, str],
    code: int,
    text: str,
    length: dict[str, str],
) -> None:
    client = connect().open()
    request = client.blank(
        path.format(sid=client.sid),
        method,
        headers={k: v.format(own=client.base_url) for k, v in headers.items()},
        SERVER_SOFTWARE="gevent/26.9 Python/3.13",
    )
    request.environ.update({"wsgi.input": Untouchable(), **length})
    response = request.get_response(client.app)
    assert (response.status_code, response.text.startswith(text)) == (code, True)
    assert response.headers["Connection"] == "close"
    assert heard(client.socket) == [("", "connect")]


def test_a_request_without_a_body_keeps_its_connection(connect: Connect) -> None:
    client = connect()
    client.environ["SERVER_SOFTWARE"] = "gevent/26.9 Python/3.13"
    for path in ("/1/", "/", "/1/xhr-polling/nobody"):
        for length in ("", "0"):
            response = client.request(path, CONTENT_LENGTH=length)
            assert "Connection" not in response.headers


# ---- over real connections


@pytest.fixture(params=["", "http"], ids=["fast path", "pywsgi"])
def server(request: pytest.FixtureRequest, serve: Callable[..., Served]) -> Served:
    return serve(namespaces={"": Echo}, without=[request.param] if request.param else [])


REAL = [
    pytest.param("/socket.io/1/xhr-polling/{sid}", STRANGER, 403, id="a stranger's"),
    pytest.param("/socket.io/1/xhr-polling/nobody", {}, 200, id="an unknown session's"),
    pytest.param("/socket.io/1/nothing/{sid}", {}, 400, id="for no transport"),
    pytest.param("/socket.io/1/", {}, 200, id="a handshake's"),
]


@pytest.mark.parametrize(("path", "headers", "code"), REAL)
@pytest.mark.parametrize("body", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
def test_the_answer_comes_before_the_body(
    server: Served, path: str, headers: dict[str, str], code: int, body: str
) -> None:
    sid = handshake(server.port)
    lines = [f"POST {path.format(sid=sid)} HTTP/1.1", "Host: a", body]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with Connection(server.port) as connection:
        connection.send("\r\n".join([*lines, "", ""]).encode())
        answer = connection.answer()
        assert answer.code == code
        assert answer.headers["connection"] == "close"
        assert connection.at_end()


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
def test_where_the_application_decides_about_origins(
    serve: Callable[..., Served], without: str
) -> None:
    def decide(origin: str | None, environ: object) -> bool:
        return origin != "http://evil.example"

    server = serve(namespaces={"": Echo}, origins=decide, without=without)
    path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
    assert get(server.port, path).body == "1::"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n"
    with Connection(server.port) as connection:
        connection.send(f"{head}Origin: http://evil.example\r\nContent-Length: 9\r\n\r\n".encode())
        assert connection.answer().code == 403
        assert connection.at_end()
    with Connection(server.port) as connection:
        connection.send(f"{head}Content-Length: 9\r\n\r\n3:::".encode())
        connection.send(b"hello")
        assert connection.answer().body == "1"
        assert connection.ask("POST", path, "3:::again").body == "1"


def test_a_small_body_that_is_there_costs_no_connection(server: Served) -> None:
    """A client whose session went with its server: it goes on over the connection it has."""
    with Connection(server.port) as connection:
        for _ in range(2):
            connection.request("POST", "/socket.io/1/xhr-polling/nobody", "3:::hello")
            answer = connection.answer()
            assert (answer.body, answer.headers.get("connection")) == ("1", None)
        assert connection.ask("GET", "/socket.io/1/xhr-polling/nobody").body == "7:::1+0"


def test_the_body_of_a_session_is_still_waited_for(server: Served) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(server.port)}"
    assert get(server.port, path).body == "1::"
    with Connection(server.port) as connection:
        connection.send(
            f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n3:::".encode()
        )
        connection.send(b"hello")
        assert connection.answer().body == "1"


# ---- the same question, asked by a server of its own ways


@pytest.mark.parametrize(("method", "path", "headers", "code", "text"), UNWANTED)
def test_who_reads_heads_is_told(
    connect: Connect, method: str, path: str, headers: dict[str, str], code: int, text: str
) -> None:
    client = connect().open()
    headers = {k: v.format(own=client.base_url) for k, v in headers.items()}
    assert not _judged(client, method, path.format(sid=client.sid), headers)


@pytest.mark.parametrize("length", ["5", "1000000"])
def test_what_a_session_sends_is_wanted(connect: Connect, length: str) -> None:
    client = connect().open()
    assert _judged(client, "POST", client.url, {}, CONTENT_LENGTH=length)


@pytest.mark.parametrize("length", ["1000001", "x"])
def test_what_is_too_large_is_not(connect: Connect, length: str) -> None:
    client = connect().open()
    assert not _judged(client, "POST", client.url, {}, CONTENT_LENGTH=length)


def test_a_callable_is_asked_where_that_may_be(connect: Connect) -> None:
    answers = [True, False]
    client: PollingClient = connect(
        origins=lambda origin, environ: not client.sid or answers.pop(0)
    )
    client.handshake()
    with pytest.raises(WouldBlock):
        _judged(client, "POST", client.url, {}, may_block=False)
    assert _judged(client, "POST", client.url, {})
    assert not _judged(client, "POST", client.url, {})


def _judged(
    client: PollingClient,
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    may_block: bool = True,
    **environ: str,
) -> bool:
    request = client.blank(path, method, headers=headers, **environ)
    request.environ.update(environ)
    route = parse_path(request.path_info.removeprefix("/socket.io/"))
    assert route is not None
    asked = Request(request.environ, may_block=may_block)
    verdict: bool = client.app.endpoint.judge(route, asked)  # type: ignore[attr-defined]
    return verdict
