"""Where a request ends must not depend on who reads it: 400, and nothing behind it is a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.pywsgi import WSGIServer

from sockio import SocketIOMiddleware
from sockio.server.heads import MAX_LINES, BadHead, Head, read_head

from ..support.echo import Echo
from ..support.raw_http import Connection, handshake
from ..support.servers import Served
from ..support.transcript import eventually
from ..support.ways import WAYS, Way

#: Targets with the host in them, what is asked for, and which host.
ABSOLUTE: list[Any] = [
    pytest.param("http://good/page", "/page good ", id="a page"),
    pytest.param("HTTP://good:8000", "/ good:8000 ", id="nothing behind the host"),
    pytest.param("https://good?x=1", "/ good x=1", id="a query behind the host"),
    pytest.param("http://good/a?b=http://c/d", "/a good b=http://c/d", id="a URL in the query"),
]

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
SIZE = len(SMUGGLED)
CHUNKS = b"0\r\n\r\n"

#: Lines of headers after ``POST ... HTTP/1.1`` and ``Host: x``, and what follows the head.
BAD: list[Any] = [
    pytest.param(f"Content-Length: 0\r\nContent-Length: {SIZE}", b"", id="two lengths"),
    pytest.param("Content-Length: 5\r\nContent-Length: 5", b"abcde", id="the same length twice"),
    pytest.param(
        f"Content-Length: {5 + SIZE}\r\nTransfer-Encoding: chunked",
        CHUNKS,
        id="a length and chunks",
    ),
    pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKS, id="chunks, a length"),
    pytest.param(f"Content-Length : {SIZE}", b"", id="a space before the colon"),
    pytest.param(f"Content-Length\t: {SIZE}", b"", id="a tab before the colon"),
    pytest.param(f"foo\r\nContent-Length: {SIZE}", b"", id="a line without a colon"),
    pytest.param(f"X A: b\r\nContent-Length: {SIZE}", b"", id="a space in a name"),
    pytest.param(f": b\r\nContent-Length: {SIZE}", b"", id="no name"),
    pytest.param("X-A: b\r\n Content-Length: 5", b"", id="a folded line"),
    pytest.param("X-A: b\r\n\tc", b"", id="a line folded by a tab"),
    pytest.param(f"X-A: b\rContent-Length: {SIZE}", b"", id="a bare carriage return"),
    pytest.param(f"X-A: b\nContent-Length: {SIZE}", b"", id="a bare line feed"),
    pytest.param("X-A: a\0b", b"", id="a NUL"),
    pytest.param("X-A: a\x01b", b"", id="a control character"),
    pytest.param("X-A: a\x7fb", b"", id="a delete character"),
    pytest.param("X\0A: b", b"", id="a NUL in a name"),
    pytest.param("Content-Length: +5", b"", id="a length with a sign"),
    pytest.param("Content-Length: -5", b"", id="a negative length"),
    pytest.param("Content-Length: 0x5", b"", id="a length in hex"),
    pytest.param("Content-Length: 1_0", b"", id="a length as Python writes it"),
    pytest.param("Content-Length: 5, 5", b"", id="a list of lengths"),
    pytest.param("Content-Length: 5 5", b"", id="two numbers in one length"),
    pytest.param("Content-Length:", b"", id="an empty length"),
    pytest.param("Content-Length: " + "9" * 30, b"", id="a length of many digits"),
    pytest.param("Content-Length: five", b"", id="a length in words"),
    pytest.param("Transfer-Encoding: xchunked", CHUNKS, id="an unknown coding"),
    pytest.param("Transfer-Encoding: chunked, chunked", CHUNKS, id="chunks in chunks"),
    pytest.param("Transfer-Encoding: gzip, chunked", CHUNKS, id="a coding before chunks"),
    pytest.param("Transfer-Encoding: identity", b"", id="no coding, by name"),
    pytest.param("Transfer-Encoding: \x0bchunked", CHUNKS, id="a hidden coding"),
    pytest.param(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKS, id="a coding twice"
    ),
    pytest.param("Host: y", b"", id="two hosts"),
]

#: Request lines of which there is no good one.
BAD_LINES: list[Any] = [
    pytest.param("GET {path}\r\nHost: x\r\n\r\n", id="no version"),
    pytest.param("GET {path} HTTP/1.2\r\n\r\n", id="a version that is none"),
    pytest.param("GET {path} HTTP/01.1\r\n\r\n", id="a version with a zero too many"),
    pytest.param("GET {path} http/1.1\r\n\r\n", id="a version in lower case"),
    pytest.param("GET  {path} HTTP/1.1\r\n\r\n", id="two spaces"),
    pytest.param("GET\t{path} HTTP/1.1\r\n\r\n", id="a tab"),
    pytest.param("GET {path} x HTTP/1.1\r\n\r\n", id="a space in the target"),
    pytest.param("GET {path} HTTP/1.1 \r\n\r\n", id="a space at the end"),
    pytest.param("GET {path} HTTP/1.1\nHost: x\n\n", id="line feeds alone"),
    pytest.param("GET {path} HTTP/1.1\r\nHost: x\r\n\n", id="a line feed at the end"),
    pytest.param("GET {path} HTTP/1.1\r\n Host: x\r\n\r\n", id="folded at once"),
    pytest.param(
        "POST {path} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunks in 1.0"
    ),
]

PATHS = ["/socket.io/1/xhr-polling/none", "/other"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, serve: Callable[..., Served], tmp_path: Path) -> Way:
    return Way(request.param, serve, tmp_path)


@pytest.fixture
def asked() -> list[str]:
    """The paths that the application was asked for."""
    return []


def application(asked: list[str]) -> Callable[..., Any]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [b"app:" + environ["PATH_INFO"].encode() + body]

    return app


def refused(way: Way, data: bytes, asked: list[str]) -> None:
    with way.connect() as connection:
        asked.clear()
        connection.send(data + SMUGGLED)
        answer = connection.answer()
        assert (answer.code, answer.headers["connection"]) == (400, "close"), data
        assert connection.at_end(), data
    assert asked == [], data


@pytest.mark.parametrize("path", PATHS, ids=["ours", "a page"])
def test_what_may_end_elsewhere_is_refused_and_the_last(
    way: Way, path: str, asked: list[str]
) -> None:
    way.serve(application(asked), {"": Echo})
    for row in BAD:
        lines, behind = row.values
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode("latin-1")
        refused(way, head + behind, asked)
    for row in BAD_LINES:
        refused(way, str(row.values[0]).format(path=path).encode(), asked)


BAD_CHUNKS: list[Any] = [
    pytest.param(b"x\r\n", id="no size"),
    pytest.param(b"+5\r\nabcde\r\n0\r\n\r\n", id="a sign"),
    pytest.param(b"0x5\r\nabcde\r\n0\r\n\r\n", id="a prefix"),
    pytest.param(b"\r\nabcde\r\n0\r\n\r\n", id="an empty size"),
    pytest.param(b"00000000000000005\r\nabcde\r\n0\r\n\r\n", id="a long size"),
    pytest.param(b"5\nabcde\r\n0\r\n\r\n", id="a line feed behind the size"),
    pytest.param(b"5;a\nb\r\nabcde\r\n0\r\n\r\n", id="a line feed in an extension"),
    pytest.param(b"5;" + b"a" * 9000 + b"\r\nabcde\r\n0\r\n\r\n", id="a long extension"),
    pytest.param(b"5\r\nabcdeXX0\r\n\r\n", id="a chunk that does not end"),
    pytest.param(b"0\r\nfoo\r\n\r\n", id="a trailer without a colon"),
    pytest.param(b"0\r\nX: a\nY: b\r\n\r\n", id="a line feed in a trailer"),
    pytest.param(b"0\r\nX : a\r\n\r\n", id="a space in a trailer"),
    pytest.param(b"0\r\n" + b"X: abcdefgh\r\n" * 1000 + b"\r\n", id="trailers without end"),
]


@pytest.mark.parametrize("path", PATHS, ids=["ours", "a page"])
def test_bad_chunks_are_refused_and_the_last(way: Way, path: str, asked: list[str]) -> None:
    server = way.serve(application(asked), {"": Echo})
    # Of a session that there is: the body of any other is not looked at.
    path = path.replace("none", handshake(server.port, tls=way._tls))
    for row in BAD_CHUNKS:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        with way.connect() as connection:
            asked.clear()
            connection.send(head + row.values[0] + SMUGGLED)
            assert connection.answer().code == 400, row.id
            assert connection.at_end(), row.id
        assert asked in ([], [path]), row.id


def test_good_chunks_are_read_to_their_end(way: Way, asked: list[str]) -> None:
    way.serve(application(asked), {"": Echo})
    head = b"POST /other HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
    with way.connect() as connection:
        for chunks in (
            b"5\r\nabcde\r\n0\r\n\r\n",
            b'2;a="b c"\r\nab\r\n3\r\ncde\r\n0;x\r\nX-A: b\r\n\r\n',
            b"05\r\nabcde\r\n000\r\n\r\n",
        ):
            connection.send(head + chunks)
            assert connection.answer().body == "app:/otherabcde"


def test_what_is_plain_is_served(way: Way, asked: list[str]) -> None:
    way.serve(application(asked), {"": Echo})
    with way.connect() as connection:
        for data, body in (
            (b"GET /a HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-Tab:\ta\t\r\n\r\n", ""),
            ("GET /a HTTP/1.1\r\nX-A: grüß\r\nX_A: b\r\n\r\n".encode(), ""),
            (b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", ""),
            (b"POST /a HTTP/1.1\r\nContent-Length:5\r\n\r\nabcde", "abcde"),
            (b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ""),
            (b"BREW /a HTTP/1.1\r\n\r\n", ""),
        ):
            connection.send(data)
            assert connection.answer().body == "app:/a" + body, data


# ---- bodies that nobody reads


def test_a_body_that_looks_like_an_upgrade_is_a_body(way: Way, asked: list[str]) -> None:
    """gevent.pywsgi would hand out the bare connection, and take the body for the next request."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    way.serve(app, {"": Echo})
    with way.connect() as connection:
        asked.clear()
        for upgrade in ("Connection: Upgrade", "Connection: Upgrade\r\nUpgrade: websocket"):
            head = f"POST /a HTTP/1.1\r\n{upgrade}\r\nContent-Length: {SIZE}\r\n\r\n"
            connection.send(head.encode() + SMUGGLED + b"GET /b HTTP/1.1\r\n\r\n")
            assert [connection.answer().body for _ in range(2)] == ["ok", "ok"]
        assert asked == ["/a", "/b"] * 2


def test_a_large_body_that_the_application_does_not_want_ends_the_connection(
    way: Way, asked: list[str]
) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Length", "4")])
        return [b"app:"]

    way.server = way.serve(app, {"": Echo})
    with Connection(way.server.port, way._tls) as connection:
        connection.send(b"POST /a HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n" + bytes(300_000))
        assert connection.answer().body == "app:"
        assert connection.at_end()
    assert asked == ["/a"]


# ---- polling behind a proxy that sends Connection: Upgrade with every request


@pytest.mark.parametrize("value", ["Upgrade", "upgrade", "keep-alive, Upgrade"])
def test_polling_with_connection_upgrade_and_no_upgrade(way: Way, value: str) -> None:
    way.serve(namespaces={"": Echo})
    path = f"/socket.io/1/xhr-polling/{handshake(way.server.port, tls=way._tls)}"
    headers = {"Connection": value}
    say = '5:::{"name":"say","args":["x"]}'
    with way.connect() as connection:
        assert connection.ask("GET", path, headers=headers).body == "1::"
        for _ in range(2):
            assert connection.ask("POST", path, say, headers).body == "1"
            assert connection.ask("GET", path, headers=headers).body == say.replace("say", "said")


# ---- limits


def test_a_large_head_is_refused(way: Way, asked: list[str]) -> None:
    way.serve(application(asked), {"": Echo}, max_head=20_000)
    for lines in (
        "X-A: " + "a" * 30_000,
        "\r\n".join(f"X-{number}: {'a' * 1000}" for number in range(30)),
        "\r\n".join(f"X-{number}: a" for number in range(MAX_LINES + 1)),
    ):
        for path in ("/socket.io/1/", "/other"):
            with way.connect() as connection:
                asked.clear()
                connection.send(f"GET {path} HTTP/1.1\r\n{lines}\r\n\r\n".encode() + SMUGGLED)
                answer = connection.answer()
                assert (answer.code, answer.headers["connection"]) == (431, "close")
                assert answer.headers["x-sockio-refusal"] == "head-too-large"
                assert connection.at_end()
            assert asked == []


def test_a_head_without_an_end_is_refused_before_it_is_there(way: Way) -> None:
    way.serve(namespaces={"": Echo}, max_head=20_000)
    with way.connect() as connection:
        connection.send(b"GET /other HTTP/1.1\r\n" + b"X-A: aaaaaaaaaa\r\n" * 95 + b"X: ")
        connection.send(b"a" * 20_000)
        assert connection.answer().code == 431
        assert connection.at_end()


def test_a_head_within_the_limits_is_served(way: Way, asked: list[str]) -> None:
    way.serve(application(asked), {"": Echo})
    lines = [f"X-{number}: {'a' * 600}" for number in range(MAX_LINES)]
    for path in ("/socket.io/", "/other"):
        with way.connect() as connection:
            connection.send(f"GET {path} HTTP/1.1\r\n{chr(13)}{chr(10)}".encode()[:-2])
            connection.send("\r\n".join([*lines, "", ""]).encode())
            assert connection.answer().code == 200


def test_a_long_request_line_is_refused(way: Way) -> None:
    way.serve(namespaces={"": Echo})
    with way.connect() as connection:
        connection.send(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n")
        assert connection.answer().code == 414
        assert connection.at_end()


def test_what_is_refused_is_one_limited_line_without_what_was_sent(
    way: Way, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    way.serve(namespaces={"": Echo}, log_lines=3)
    for _ in range(6):
        with way.connect() as connection:
            connection.send(b"GET /other HTTP/1.1\r\nCookie: secret\x01\r\n\r\n")
            assert connection.answer().code == 400
            assert connection.at_end()

    def lines() -> list[str]:
        return [each.getMessage() for each in caplog.records if each.name == "sockio.http"]

    eventually(lambda: len(lines()) >= 3, "it is logged")
    assert len(lines()) == 3
    assert "secret" not in caplog.text
    assert capfd.readouterr().err == ""


BOUNDS = [
    pytest.param("X: a\r\n" * (MAX_LINES + 1), "", "more than 100 lines of headers", id="lines"),
    pytest.param(f"X: {'a' * 30_000}\r\n", "", "larger than 20000 bytes", id="bytes"),
    pytest.param("X: a\r\n" * 9000, "", "more than 100 lines", id="lines before bytes"),
    pytest.param(f"Content-Length: {'1' * 19}\r\n", "", "up to 18 digits", id="digits"),
    pytest.param(
        "Transfer-Encoding: chunked\r\n",
        "0\r\n" + f"X: {'a' * 500}\r\n" * 20,
        "more than 8192 bytes of headers behind the chunks",
        id="trailers",
    ),
    pytest.param(
        "Transfer-Encoding: chunked\r\n",
        f"0\r\nX: {'a' * 9000}\r\n",
        "more than 8192 bytes of headers behind the chunks",
        id="one long trailer",
    ),
    pytest.param(
        "Transfer-Encoding: chunked\r\n", "0\r\nX\r\n\r\n", "no header behind", id="no trailer"
    ),
    pytest.param("Transfer-Encoding: chunked\r\n", "x\r\n", "no size of a chunk", id="no size"),
]


@pytest.mark.parametrize(("lines", "body", "said"), BOUNDS)
def test_the_log_names_the_bound_that_was_met(
    way: Way,
    asked: list[str],
    caplog: pytest.LogCaptureFixture,
    lines: str,
    body: str,
    said: str,
) -> None:
    way.serve(application(asked), {"": Echo}, max_head=20_000)
    with way.connect() as connection:
        connection.send(f"POST /other HTTP/1.1\r\nHost: x\r\n{lines}\r\n{body}".encode())
        assert 400 <= connection.answer().code < 500
    # What is refused from the loop is logged by a task, for a log handler may block.
    eventually(lambda: "sockio.http" in [each.name for each in caplog.records], "it is logged")
    (line,) = [each.getMessage() for each in caplog.records if each.name == "sockio.http"]
    assert said in line


def test_the_log_names_the_bound_of_the_request_line(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    way.serve(namespaces={"": Echo})
    with way.connect() as connection:
        connection.send(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n")
        assert connection.answer().code == 414
    said = "the request line has 8192 bytes or more [target-too-long]"
    eventually(lambda: said in caplog.text, "it is logged")


# ---- the reader alone


def test_a_head_is_taken_apart() -> None:
    head = read_head(b"GET /a?b HTTP/1.1\r\nHost: x\r\nX-A:  b c\t\r\nX-a:\r\n\r\n")
    assert isinstance(head, Head)
    assert (head.line, head.version) == ("GET /a?b HTTP/1.1", "HTTP/1.1")
    assert head.fields == [("Host", "x"), ("X-A", "b c"), ("X-a", "")]


@pytest.mark.parametrize("size", range(35))
def test_half_a_head_is_none(size: int) -> None:
    with pytest.raises(BadHead):
        read_head(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[:size])


@pytest.mark.parametrize(
    ("head", "wrong"),
    [
        ("GET / HTTP/1.1\nHost: x\r\n\r\n", "line 1 ends in LF alone"),
        ("GET / HTTP/1.1\r\nA: x\nB: y\r\n\r\n", "line 2 ends in LF alone"),
        ("GET / HTTP/1.1\r\nA: x\rB: y\r\n\r\n", "line 2 has a CR inside"),
        ("GET  / HTTP/1.1\r\n\r\n", "the request line is not a method, a target and a version"),
        ("BAD\r\n\r\n", "the request line is not a method, a target and a version"),
        ("G@T / HTTP/1.1\r\n\r\n", "the method is none"),
        ("GET /\x01 HTTP/1.1\r\n\r\n", "the target is empty, or has a control character"),
        ("GET / HTTP/2.0\r\n\r\n", "the version is neither"),
        ("GET / HTTP/1.1\r\nA: x\r\n y\r\n\r\n", "line 3 is folded"),
        ("GET / HTTP/1.1\r\nA\r\n\r\n", "line 2 has no colon"),
        ("GET / HTTP/1.1\r\nA : x\r\n\r\n", "line 2 has a space before its colon"),
        ("GET / HTTP/1.1\r\n: x\r\n\r\n", "line 2 has no name of a header"),
        ("GET / HTTP/1.1\r\nA: x\0\r\n\r\n", "line 2 has a control character"),
        ("GET / HTTP/1.1\r\nA: x\r\n", "the head is malformed"),
    ],
)
def test_what_is_wrong_with_a_head_is_said(head: str, wrong: str) -> None:
    with pytest.raises(BadHead) as bad:
        read_head(head.encode("latin-1"))
    assert bad.value.code == "bad-request"
    assert bad.value.reason.startswith(wrong)


# ---- Which host is asked, and for what


def shown(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["{PATH_INFO} {HTTP_HOST} {QUERY_STRING}".format(**environ).encode()]


@pytest.fixture(params=[*WAYS, "not ours"])
def good(
    request: pytest.FixtureRequest, serve: Callable[..., Served], tmp_path: Path
) -> Iterator[Callable[[], Connection]]:
    """Connections to a server that is called ``good`` alone, read in every way."""
    if request.param == "not ours":
        app = SocketIOMiddleware(shown, {"": Echo}, hosts=["good", "good:8000"])
        server = WSGIServer(("127.0.0.1", 0), app, log=None)
        server.start()
        assert server.server_port is not None
        port = server.server_port
        yield lambda: Connection(port)
        server.stop(timeout=1)
    else:
        served = Way(request.param, serve, tmp_path)
        served.serve(shown, {"": Echo}, hosts=["good", "good:8000"])
        yield served.connect


@pytest.mark.parametrize(("target", "asked"), ABSOLUTE)
def test_a_target_with_the_host_in_it_counts(
    good: Callable[[], Connection], target: str, asked: str
) -> None:
    with good() as connection:
        connection.send(f"GET {target} HTTP/1.1\r\nHost: bad\r\n\r\n".encode())
        assert connection.answer().body == asked


@pytest.mark.parametrize(
    ("rest", "begin"),
    [("/1/", ""), ("/?EIO=4&transport=polling", "0{"), ("?EIO=3&transport=polling", "")],
)
@pytest.mark.parametrize(("host", "code"), [("good", 200), ("bad", 403)])
def test_and_so_does_the_gate_of_it(
    good: Callable[[], Connection], host: str, code: int, rest: str, begin: str
) -> None:
    with good() as connection:
        other = {"good": "bad", "bad": "good"}[host]
        target = f"http://{host}/socket.io{rest}"
        connection.send(f"GET {target} HTTP/1.1\r\nHost: {other}\r\n\r\n".encode())
        answer = connection.answer()
        assert answer.code == code
        refusal = answer.headers.get("x-sockio-refusal")
        assert refusal == (None if code == 200 else "host-not-allowed")
        assert answer.body.startswith(begin if code == 200 else "")


@pytest.mark.parametrize("target", ["http://u@good/", "http:///", "ftp://good/", "http://good/#a"])
def test_an_absolute_target_that_is_none(target: str) -> None:
    with pytest.raises(BadHead):
        read_head(f"GET {target} HTTP/1.1\r\nHost: good\r\n\r\n".encode())
