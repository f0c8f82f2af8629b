"""Requests of clients since 1.0: how they are told apart, checked, and refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, ConnectionRefused, socketio_manage

from ..support.echo import Echo
from ..support.engine_client import EngineClient, EngineWire
from ..support.raw_http import Connection
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]
Open = Callable[..., EngineClient]

ERRORS = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    5: "Unsupported protocol version",
}


def told(code: int) -> str:
    return f'{{"code":{code},"message":"{ERRORS[code]}"}}'


# ---- The handshake


def test_what_a_client_is_told(engine: Open) -> None:
    client = engine(ping_interval=7, ping_timeout=3.5, max_payload=5000)
    answer = client.handshake()
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.told == {
        "sid": client.sid,
        "upgrades": [],
        "pingInterval": 7000,
        "pingTimeout": 3500,
        "maxPayload": 5000,
    }
    assert len(client.sid) == 20


def test_two_sessions_have_nothing_in_common(engine: Open) -> None:
    one = engine()
    other = one.another()
    assert isinstance(other, EngineClient)
    one.open()
    other.open()
    assert one.sid != other.sid
    assert one.post("1").text == "ok"
    assert not one.lives
    assert other.lives


def test_a_client_is_also_known_without_the_slash(engine: Open) -> None:
    client = engine()
    answer = client.request(f"?EIO={client.revision}&transport=polling")
    assert answer.status_code == 200
    assert client.request("?x=1").text == "app:/socket.io"


def test_a_query_of_0_9_is_no_engine(connect: Connect) -> None:
    assert connect().handshake("?EIO=4").status_code == 200
    assert connect().request("/?x=EIO").text == "Welcome to socket.io."


# ---- Refusals, in the order of the checks


@pytest.mark.parametrize(
    ("query", "method", "code"),
    [
        ("EIO={eio}", "GET", 0),
        ("EIO={eio}&transport=", "GET", 0),
        ("EIO={eio}&transport=tobi", "GET", 0),
        ("EIO={eio}&transport=webtransport", "GET", 0),
        ("EIO={eio}&transport=xhr-polling", "GET", 0),
        ("EIO={eio}&transport=tobi&sid=nobody", "GET", 0),
        ("EIO={eio}&transport=polling&sid=nobody", "GET", 1),
        ("EIO={eio}&transport=polling&sid=__proto__", "GET", 1),
        ("EIO={eio}&transport=polling&sid=nobody", "POST", 1),
        ("EIO={eio}&transport=websocket&sid=nobody", "GET", 1),
        ("EIO={eio}&transport=polling", "POST", 2),
        ("EIO={eio}&transport=polling", "PUT", 2),
        ("EIO={eio}&transport=websocket", "GET", 3),
        ("EIO=2&transport=polling", "GET", 5),
        ("EIO=5&transport=polling", "GET", 5),
        ("EIO=abc&transport=polling", "GET", 5),
        ("EIO=&transport=polling", "GET", 5),
        ("transport=polling", "GET", 5),
        ("EIO=4&EIO=3&transport=polling", "GET", 5),
    ],
)
def test_a_request_that_makes_no_sense(engine: Open, query: str, method: str, code: int) -> None:
    client = engine()
    answer = client.request("/?" + query.format(eio=client.revision), method)
    assert (answer.status_code, answer.text) == (400, told(code))
    assert answer.headers["Content-Type"] == "application/json"
    assert "X-Sockio-Refusal" in answer.headers
    assert len(client.registry) == 0


def test_another_revision_than_the_session_s(engine: Open) -> None:
    client = engine().open()
    other = 7 - client.revision
    answer = client.request(f"/?EIO={other}&transport=polling&sid={client.sid}")
    assert (answer.status_code, answer.text) == (400, told(3))
    assert client.lives


def test_a_session_of_0_9_is_nobody_here_nor_the_other_way_round(engine: Open) -> None:
    client = engine()
    old = PollingClient(client.app, client.registry, client.runtime).open()
    url = f"/?EIO={client.revision}&transport=polling&sid={old.sid}"
    assert client.request(url).text == told(1)
    client.open()
    assert old.request(f"/1/xhr-polling/{client.sid}").text == "7:::1+0"
    assert client.lives


@pytest.mark.parametrize("generation", ["0.9", "eio3", "eio4"])
def test_a_generation_that_is_not_served_is_refused(
    connect: Connect, caplog: pytest.LogCaptureFixture, generation: str
) -> None:
    client = connect(generations=(generation,))
    answers = {
        "0.9": client.request("/1/").status_code,
        "eio3": client.request("/?EIO=3&transport=polling").status_code,
        "eio4": client.request("/?EIO=4&transport=polling").status_code,
    }
    assert [name for name, status in answers.items() if status == 200] == [generation]
    refused = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(refused) == 2
    assert any("name its own in the setting generations" in line for line in refused)


def test_the_log_is_not_filled(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """A client that is refused asks again every few seconds, for ever."""
    client = connect(generations=["0.9"], log_lines=3)
    for _ in range(20):
        assert client.request("/?EIO=4&transport=polling").text == told(5)
    assert len(caplog.records) == 3


@pytest.mark.parametrize("index", ["abc", "1;alert(1)", "", "-1", "1" * 10])
def test_a_callback_that_is_no_number_is_refused(engine: Open, index: str) -> None:
    client = engine()
    headers = {"Referer": "http://localhost/"}
    answer = client.request(f"/?EIO={client.revision}&transport=polling&j={index}", headers=headers)
    assert (answer.status_code, answer.text) == (400, told(3))


@pytest.mark.parametrize("transports", [["xhr-polling"], ["websocket", "xhr-polling", "htmlfile"]])
def test_no_script_where_that_is_not_offered(engine: Open, transports: list[str]) -> None:
    client = engine(transports=transports)
    client.headers["Referer"] = "http://localhost/"
    refused = client.request(f"/?EIO={client.revision}&transport=polling&j=0")
    assert (refused.status_code, refused.text) == (400, told(3))
    assert refused.headers["X-Sockio-Refusal"] == "transport-not-offered"
    client.open()
    assert client.request(client.url + "&j=0").status_code == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.request(client.url + "&j=0", "POST", "d=2", form).status_code == 400
    assert client.lives


# ---- Who may


def test_origins_are_checked_on_every_request(engine: Open) -> None:
    client = engine(origins=["https://a.example"])
    stranger = {"Origin": "https://b.example"}
    answer = client.request(f"/?EIO={client.revision}&transport=polling", headers=stranger)
    assert answer.status_code == 403
    assert answer.json["code"] == 4
    assert "Access-Control-Allow-Origin" not in answer.headers
    client.open()
    assert client.request(client.url, headers=stranger).status_code == 403
    assert client.request(client.url, "POST", "x", headers=stranger).status_code == 403
    friend = {"Origin": "https://a.example"}
    answer = client.request(client.url, "POST", "4" if client.revision == 4 else "1:4", friend)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_a_preflight(engine: Open) -> None:
    client = engine(origins=["https://a.example"])
    asking = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    url = f"/?EIO={client.revision}&transport=polling"
    assert client.request(url, "OPTIONS", headers=asking).status_code == 204
    client.open()
    assert client.request(client.url, "OPTIONS", headers=asking).status_code == 204
    asking["Origin"] = "https://b.example"
    assert client.request(url, "OPTIONS", headers=asking).status_code == 403


def test_authorize_decides(engine: Open) -> None:
    def authorize(request: Any) -> bool:
        if request.GET.get("token") == "rude":
            raise ConnectionRefused("not you")
        return bool(request.GET.get("token") == "good")

    client = engine(authorize=authorize)
    refused = client.handshake("&token=bad")
    assert (refused.status_code, refused.json["code"]) == (403, 4)
    refused = client.handshake("&token=rude")
    assert refused.json == {"code": 4, "message": "not you"}
    assert client.handshake("&token=good").status_code == 200


def test_a_view_decides_with_its_status_and_cookies(engine: Open) -> None:
    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if "let=in" not in environ["QUERY_STRING"]:
            start_response("401 Unauthorized", [("Content-Type", "text/plain")])
            return [b"log in first"]
        start_response("200 OK", [("Set-Cookie", "seen=1")])
        return socketio_manage(environ, {"": Echo})

    client = engine(view=view)
    refused = client.handshake()
    assert (refused.status_code, refused.json["code"]) == (401, 4)
    assert refused.json["message"] == "log in first"
    admitted = client.handshake("&let=in")
    assert admitted.status_code == 200
    assert admitted.headers["Set-Cookie"] == "seen=1"


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
@pytest.mark.parametrize("form", ["mapping", "view", "authorize"])
def test_the_gate_is_asked_before_a_websocket_is_opened(
    serve: Callable[..., Served], without: str, form: str
) -> None:
    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if "let=in" not in environ["QUERY_STRING"]:
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"no"]
        start_response("200 OK", [("Set-Cookie", "seen=1")])
        return socketio_manage(environ, {"": Echo})

    def authorize(request: Any) -> bool:
        return bool(request.GET.get("let") == "in")

    if form == "view":
        server = serve(view, without=without)
    elif form == "authorize":
        server = serve(namespaces={"": Echo}, authorize=authorize, without=without)
    else:
        server = serve(namespaces={"": Echo}, origins=["https://a.example"], without=without)
    path = "/socket.io/?EIO=4&transport=websocket"
    headers = {"Origin": "https://b.example"} if form == "mapping" else {}
    with Connection(server.port) as connection:
        connection.send(upgrade_request(path, server.port, headers))
        answer = connection.answer()
        assert answer.code == 403
        assert '"code":4' in answer.body
    with EngineWire(server.port, query="&let=in") as wire:
        assert wire.join().startswith('40{"sid":"')
        if form == "view":
            assert wire.upgrade.headers["set-cookie"] == "seen=1"
        assert wire.told["upgrades"] == []


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": None}, 400),
    ],
)
def test_nobody_is_asked_for_a_websocket_that_cannot_be(
    serve: Callable[..., Served], without: str, headers: dict[str, str | None], code: int
) -> None:
    asked = []

    def authorize(request: Any) -> bool:
        asked.append(request)
        return True

    server = serve(namespaces={"": Echo}, authorize=authorize, without=without)
    with Connection(server.port) as connection:
        path = "/socket.io/?EIO=3&transport=websocket"
        connection.send(upgrade_request(path, server.port, headers))
        assert connection.answer().code == code
    assert asked == []
    assert len(server.registry) == 0


def test_a_name_is_no_session(engine: Open) -> None:
    """The id that others know a client by opens nothing."""
    names = []

    class Named(BaseNamespace):
        def recv_connect(self) -> None:
            names.append(self.id)

    client = engine({"": Named}).open()
    (name,) = names
    assert name != client.sid
    url = f"/?EIO={client.revision}&transport=polling&sid={name}"
    assert client.request(url).text == told(1)
    assert client.registry.find("", name) is client.socket
    assert client.registry.find("", client.sid) is None
