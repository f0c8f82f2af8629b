"""The handshake: the line a client gets, and who gets none (fact sheet, section 2)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import gevent
import pytest
from webob import Request

from sockio import ConnectionRefused
from sockio.testing import ManualRuntime

from ..support.echo import Echo, heard
from ..support.servers import Served
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]

# What is offered by default, but for websocket: nothing could upgrade these in-process requests.
ALL = "htmlfile,xhr-polling,jsonp-polling"
PAGE = "http://localhost"  # what a browser at the server's own site sends as Origin
CORS = {
    "Access-Control-Allow-Origin": PAGE,
    "Access-Control-Allow-Credentials": "true",
}


# ---- The line


def test_the_line_has_session_id_timeouts_and_transports(connect: Connect) -> None:
    response = connect().handshake()
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{20}}:60:60:{ALL}", response.text)


LINES = [
    pytest.param({"heartbeat_timeout": 30}, f"30:60:{ALL}", id="heartbeat timeout"),
    pytest.param({"close_timeout": 45.5}, f"60:45.5:{ALL}", id="close timeout"),
    pytest.param({"transports": "xhr-polling"}, "60:60:xhr-polling", id="one transport"),
    pytest.param(
        {"transports": ["jsonp-polling", "xhr-polling"]},
        "60:60:jsonp-polling,xhr-polling",
        id="the order of the setting",
    ),
    pytest.param(
        {"transports": ["websocket", "xhr-polling"]},
        "60:60:xhr-polling",
        id="no websocket where the server cannot open one",
    ),
]


@pytest.mark.parametrize(("settings", "rest"), LINES)
def test_the_line_tells_the_settings(connect: Connect, settings: dict[str, Any], rest: str) -> None:
    assert connect(**settings).handshake().text.partition(":")[2] == rest


def test_every_handshake_has_a_session_id_of_its_own(connect: Connect) -> None:
    client = connect()
    sids = {client.handshake().text.partition(":")[0] for _ in range(200)}
    assert sids == set(client.registry.sockets)
    assert len(sids) == 200


@pytest.mark.parametrize("query", ["", "?t=1700000000000", "?foo=bar&t=1", "?a=%ff%fe&b", "?&&="])
def test_the_query_is_the_applications(connect: Connect, query: str) -> None:
    client = connect()
    assert client.handshake(query).status_code == 200
    assert client.socket.environ["QUERY_STRING"] == query[1:]


def test_d06_the_environ_kept_is_the_handshakes_and_not_of_what_came_first(
    connect: Connect,
) -> None:
    client = connect()
    client.handshake("?name=ada", Cookie="login=ada")
    client.request(client.url, "OPTIONS", headers={"Cookie": ""})
    client.post("3:::early")
    assert client.poll("?name=eve").packets == ["1::"]
    namespace = client.socket[""]
    assert namespace.environ is client.socket.environ
    assert namespace.request.GET["name"] == "ada"
    assert namespace.request.cookies["login"] == "ada"


def test_an_origin_is_echoed_so_that_the_page_may_read_the_answer(connect: Connect) -> None:
    headers = connect().handshake(Origin=PAGE).headers
    assert {name: headers[name] for name in CORS} == CORS
    assert headers["Vary"] == "Origin"


def test_without_an_origin_there_are_no_cors_headers(connect: Connect) -> None:
    headers = connect().handshake().headers
    assert not [name for name in headers if name.startswith("Access-Control")]


def test_a_preflight_of_the_handshake_is_granted_and_makes_no_session(connect: Connect) -> None:
    client = connect()
    asking = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-csrf-token",
    }
    response = client.request("/1/", "OPTIONS", headers=asking)
    assert response.status_code == 204
    assert {name: response.headers[name] for name in CORS} == CORS
    assert response.headers["Access-Control-Allow-Headers"] == "x-csrf-token"
    assert len(client.registry) == 0


# ---- The JSONP form


@pytest.mark.parametrize("index", ["0", "7", "12", "123456789"])
def test_jsonp_puts_the_line_into_a_call(connect: Connect, index: str) -> None:
    client = connect()
    response = client.handshake(f"?t=1&jsonp={index}")
    assert response.headers["Content-Type"] == "application/javascript"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    call = re.fullmatch(r"io\.j\[(\d+)\]\((\".*\")\);", response.text)
    assert call is not None
    assert call[1] == index
    sid, rest = json.loads(call[2]).split(":", 1)
    assert sid in client.registry.sockets
    assert rest == f"60:60:{ALL}"


NOT_DIGITS = [
    pytest.param("0](1);alert(document.domain)//", id="a script"),
    pytest.param("alert(1)", id="a call"),
    pytest.param("", id="nothing"),
    pytest.param("-1", id="a sign"),
    pytest.param("1e3", id="an exponent"),
    pytest.param("1%0a", id="a newline behind"),
    pytest.param("%D9%A3", id="an Arabic digit"),
    pytest.param("%EF%BC%91", id="a full-width digit"),
    pytest.param("%ff", id="no UTF-8"),
    pytest.param("1234567890", id="more digits than an array has places"),
]


@pytest.mark.parametrize("index", NOT_DIGITS)
@pytest.mark.parametrize("allowed", [True, False], ids=["let in", "refused"])
def test_d61_a_jsonp_index_that_is_not_digits_is_never_reflected(
    connect: Connect, index: str, allowed: bool
) -> None:
    response = connect(authorize=lambda request: allowed).handshake(f"?jsonp={index}")
    assert response.content_type == "text/plain"
    if allowed:
        assert re.fullmatch(rf"[\w-]{{20}}:60:60:{ALL}", response.text)
    else:
        assert (response.status_code, response.text) == (403, "handshake unauthorized")


# ---- Refusals


def failing(request: Request) -> bool:
    raise RuntimeError("the database is away")


def out_of_time(request: Request) -> bool:
    raise gevent.Timeout(1)  # which is no Exception


def refusing(request: Request) -> bool:
    raise ConnectionRefused("banned")


async def coroutine(request: Any, environ: Any = None) -> bool:
    return False


REFUSALS = [
    pytest.param(
        {"authorize": lambda request: coroutine(request)},
        {},
        500,
        "handshake error",
        "authorize returned a coroutine, which nothing awaits. That is no answer",
        id="authorize gives a coroutine",
    ),
    pytest.param(
        {"authorize": lambda request: (yes for yes in [True])},
        {},
        500,
        "handshake error",
        "authorize returned a generator",
        id="authorize gives a generator",
    ),
    pytest.param(
        {"authorize": lambda request: request.path_info_peek},
        {},
        500,
        "handshake error",
        "authorize returned the function path_info_peek, which nobody has called",
        id="authorize gives a method",
    ),
    pytest.param(
        {"authorize": lambda request: False},
        {},
        403,
        "handshake unauthorized",
        "authorize said no",
        id="authorize says no",
    ),
    pytest.param(
        {"authorize": lambda request: None},
        {},
        403,
        "handshake unauthorized",
        "authorize said no",
        id="authorize says nothing",
    ),
    pytest.param(
        {"authorize": refusing}, {}, 403, "handshake unauthorized", "banned", id="authorize refuses"
    ),
    pytest.param(
        {"authorize": failing},
        {},
        500,
        "handshake error",
        "the database is away",
        id="authorize fails",
    ),
    pytest.param(
        {"authorize": out_of_time},
        {},
        500,
        "handshake error",
        "seconds=1",
        id="authorize times out",
    ),
    pytest.param(
        {},
        {"Origin": "http://evil.example"},
        403,
        "handshake bad origin",
        "Set origins=[...] to allow it",
        id="origin not allowed",
    ),
]


@pytest.mark.parametrize(("settings", "headers", "status", "body", "hint"), REFUSALS)
def test_a_refusal_in_plain_form(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    headers: dict[str, str],
    status: int,
    body: str,
    hint: str,
) -> None:
    client = connect(**settings)
    response = client.handshake(**{"Origin": PAGE, **headers})
    assert (response.status_code, response.text) == (status, body)
    assert response.content_type == "text/plain"
    # A page may read why it was refused, but for one that may not talk to this server at all.
    granted = {name for name in response.headers if name.startswith("Access-Control")}
    assert granted == (set() if body == "handshake bad origin" else set(CORS))
    assert len(client.registry) == 0
    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("refused")]
    assert line.startswith(f"refused GET /socket.io/1/ from 192.0.2.1: {response.status}: {body}")
    assert hint in line
    assert "\n" not in line


@pytest.mark.parametrize(("settings", "headers", "status", "body", "hint"), REFUSALS)
def test_a_refusal_in_jsonp_form_is_a_script_because_pages_cannot_read_its_status(
    connect: Connect,
    settings: dict[str, Any],
    headers: dict[str, str],
    status: int,
    body: str,
    hint: str,
) -> None:
    client = connect(**settings)
    response = client.handshake("?jsonp=3", **headers)
    assert (response.status_code, response.text) == (200, f'io.j[3](new Error("{body}"));')
    assert response.content_type == "application/javascript"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert len(client.registry) == 0


def test_authorize_sees_the_request_with_its_cookies(connect: Connect) -> None:
    seen: list[Request] = []

    def authorize(request: Request) -> bool:
        seen.append(request)
        return request.cookies.get("login") == "ada" and request.GET.get("room") == "lobby"

    client = connect(authorize=authorize)
    assert client.handshake("?room=lobby", Cookie="login=ada").status_code == 200
    assert client.handshake("?room=lobby", Cookie="login=eve").status_code == 403
    client.poll()
    assert len(seen) == 2, "only the handshake is asked about"


def test_a_failing_authorize_is_logged_with_its_traceback(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect(authorize=failing).handshake()
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.levelno == logging.ERROR
    assert "the database is away" in caplog.text


class Unsure:
    """What has no truth value, as the arrays of numpy."""

    def __bool__(self) -> bool:
        raise TypeError("it depends")


def unreadable(origin: str | None, environ: Any) -> bool:
    return origin.endswith(".example")  # type: ignore[union-attr]


FAILED_GATES = [
    pytest.param(
        {"authorize": lambda request: Unsure()},
        "authorize-failed",
        "authorize returned Unsure, whose truth value raised TypeError",
        id="authorize returns what is neither",
    ),
    pytest.param(
        {"authorize": failing}, "authorize-failed", "authorize raised ", id="authorize raises"
    ),
    pytest.param(
        {"origins": unreadable},
        "origins-failed",
        "origins, given 'None', raised AttributeError",
        id="origins raises",
    ),
    pytest.param(
        {"origins": lambda origin, environ: Unsure()},
        "origins-failed",
        "raised TypeError('it depends')",
        id="origins returns what is neither",
    ),
]


@pytest.mark.parametrize(("settings", "code", "hint"), FAILED_GATES)
def test_the_log_names_the_gate_that_failed(
    connect: Connect,
    settings: dict[str, Any],
    code: str,
    hint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = connect(**settings)
    response = client.handshake()
    assert (response.status_code, response.text) == (500, "handshake error")
    assert response.headers["X-Sockio-Refusal"] == code
    (record,) = [record for record in caplog.records if record.exc_info]
    assert hint in record.getMessage()
    assert "to return True or False" in record.getMessage()
    assert len(client.registry) == 0


def test_a_callable_for_origins_may_refuse_by_raising(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def origins(origin: str | None, environ: Any) -> bool:
        raise ConnectionRefused("not you")

    response = connect(origins=origins).handshake()
    assert (response.status_code, response.text) == (403, "handshake bad origin")
    assert response.headers["X-Sockio-Refusal"] == "origin-not-allowed"
    assert "not you" in caplog.text


# ---- How many


def test_sessions_are_limited_by_address(
    connect: Connect, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [connect(max_sessions=2, close_timeout=40)]
    clients += [clients[0].another() for _ in range(2)]
    for client in clients[:2]:
        client.open()
        client.poll()
    refused = clients[2].handshake()
    assert (refused.status_code, refused.text) == (503, "handshake error")
    assert refused.headers["X-Sockio-Refusal"] == "too-many-sessions"
    assert "Raise max_sessions (2)" in caplog.text
    clients[2].environ["REMOTE_ADDR"] = "192.0.2.2"
    assert clients[2].handshake().status_code == 200


def test_a_newcomer_takes_the_place_of_a_session_that_nobody_opened(connect: Connect) -> None:
    client = connect(max_unopened=3)
    for _ in range(10):
        assert client.handshake().status_code == 200
    assert len(client.registry) == 3


def test_a_server_that_ends_lets_nobody_in(connect: Connect) -> None:
    client = connect()
    client.open()
    app = client.app
    app.close()  # type: ignore[attr-defined]
    assert client.another().handshake().status_code == 503


def test_d38_a_session_that_is_never_opened_is_forgotten_after_the_close_timeout(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect(close_timeout=30)
    for _ in range(50):
        client.handshake()
    runtime.advance(29.9)
    assert len(client.registry) == 50
    runtime.advance(0.2)
    assert len(client.registry) == 0
    assert runtime.timers == 0
    assert client.poll().packets == ["7:::1+0"]


def test_d38_broadcasts_are_not_kept_for_sessions_that_were_never_opened(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect({"": Echo})
    client.handshake()
    client.app.of("").emit("news")  # type: ignore[attr-defined]
    runtime.settle()
    assert client.socket.outbox_size == (0, 0)
    assert client.poll().packets == ["1::"]
    assert heard(client.socket) == [("", "connect")]
    client.app.of("").emit("news")  # type: ignore[attr-defined]
    assert client.poll().packets == ['5:::{"name":"news"}']


def test_a_setting_that_leaves_nothing_says_so(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    response = connect(transports="websocket").handshake()
    assert (response.status_code, response.text) == (500, "handshake error")
    assert "none of websocket works under this server" in caplog.text


def test_a_server_that_can_upgrade_offers_websocket_first(serve: Callable[..., Served]) -> None:
    with urlopen(serve(namespaces={}).url + "/socket.io/1/") as answer:
        line = answer.read().decode()
    assert line.partition(":")[2] == f"60:60:websocket,{ALL}"
