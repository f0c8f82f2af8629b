"""Coming back to what one had, over the wire of every transport: clients of ``sockio.testing``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from webob import Request

from sockio import BaseNamespace, RoomsMixin, SocketIOMiddleware, socketio_manage
from sockio.testing import TRANSPORTS, Client, LiveServer, ManualRuntime
from sockio.testing.server import not_ours

from ..support.engine_client import EngineClient
from ..support.transcript import Transcript, eventually
from ..support.wsgi_client import PollingClient

TOKEN = "b8d0b4c6f2a94e1d8c77"


class Chat(BaseNamespace, RoomsMixin):
    journal: Transcript

    def recv_connect(self) -> None:
        self.journal.add("connect", self.recovered, self.session.get("name"))
        if not self.recovered:
            self.join("lobby")

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", reason)

    def on_call_me(self, name: str) -> str:
        self.session["name"] = name
        return self.id


@pytest.fixture
def journal() -> Transcript:
    return Transcript("server")


@pytest.fixture(params=["mapping", "view"])
def server(
    request: pytest.FixtureRequest, serve: Callable[..., LiveServer], journal: Transcript
) -> LiveServer:
    cls = type("Chat", (Chat,), {"journal": journal})
    if request.param == "mapping":
        return serve(not_ours, {"/chat": cls}, recovery=60, transports=TRANSPORTS)

    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return socketio_manage(environ, {"/chat": cls}, Request(environ))

    return serve(view, recovery=60, transports=TRANSPORTS)


OLD = [("0.9", transport) for transport in TRANSPORTS]
NEW = [("eio4", "websocket"), ("eio4", "polling"), ("eio4", "upgrade")]


def missed(client: Client, server: LiveServer, journal: Transcript) -> None:
    """Drop a client, say something meanwhile, and let it come back."""
    name = client.call("call me", "ada")
    chat = server.middleware.of("/chat")
    session = server.registry.find("/chat", name)
    assert session is not None
    streaming = session._carrier is not None and session._carrier.streaming
    client.drop()
    if streaming:
        eventually(lambda: not session.connected, "the loss is noticed")
    chat.emit("news", 1)
    chat.to("lobby").emit("news", 2)
    chat.skip("lobby").emit("news", "not for her")
    chat.socket(name).emit("news", 3)


@pytest.mark.parametrize(("generation", "transport"), [*OLD, *NEW])
def test_what_was_missed_comes_in_order_and_once(
    server: LiveServer, journal: Transcript, generation: str, transport: str
) -> None:
    query = f"recovery={TOKEN}" if generation == "0.9" else ""
    ada = server.connect("/chat", generation=generation, transport=transport, query=query)
    for _ in range(2):
        missed(ada, server, journal)
        ada.reconnect()
        server.middleware.of("/chat").to("lobby").emit("news", 4)
        ada.expect("news", 4)
        assert [each.args for each in ada.events] == [[1], [2], [3], [4]]
        assert ada.recovered is (generation != "0.9")
    assert journal.all("connect") == [(False, None), (True, "ada"), (True, "ada")]


def test_a_client_without_a_token_is_a_new_one(server: LiveServer, journal: Transcript) -> None:
    ada = server.connect("/chat")
    missed(ada, server, journal)
    ada.reconnect()
    assert ada.heard() == []
    assert journal.all("connect") == [(False, None), (False, None)]


def test_a_generation_that_cannot_come_back(server: LiveServer, journal: Transcript) -> None:
    ada = server.connect("/chat", generation="eio3", query=f"recovery={TOKEN}")
    missed(ada, server, journal)
    ada.reconnect()
    assert ada.heard() == []
    assert not ada.recovered


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "x" * 101])
def test_a_token_that_does_not_count_is_said_and_ignored(
    server: LiveServer, journal: Transcript, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    with caplog.at_level(logging.WARNING):
        ada = server.connect("/chat", query=f"recovery={token}")
    (line,) = [each.getMessage() for each in caplog.records if "recovery" in each.getMessage()]
    assert "[recovery-token]" in line
    assert f"{len(token)} characters" in line
    assert "16 to 100" in line
    assert not token or token not in line.replace("shows", "")
    missed(ada, server, journal)
    ada.reconnect()
    assert ada.heard() == []


@pytest.mark.parametrize("token", ["x" * 16, "x" * 100, "a%20b%26c%3Dd%C3%BC_0123456"])
def test_a_token_that_does(server: LiveServer, journal: Transcript, token: str) -> None:
    ada = server.connect("/chat", query=f"recovery={token}")
    missed(ada, server, journal)
    ada.reconnect()
    assert len(ada.heard()) == 3


def test_no_log_has_the_token(
    server: LiveServer, journal: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ada = server.connect("/chat", query=f"recovery={TOKEN}", transport="xhr-polling")
        missed(ada, server, journal)
        ada.reconnect()
        ada.heard()
        ada.disconnect()
        refused = server.browser().get(f"/socket.io/2/?recovery={TOKEN}")
        assert refused.status == 500
    assert TOKEN not in caplog.text


def test_lines_about_tokens_are_counted(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    app = SocketIOMiddleware(not_ours, {"": BaseNamespace}, runtime=runtime, recovery=60)
    for _ in range(500):
        request = Request.blank("/socket.io/1/?recovery=short")
        request.environ["REMOTE_ADDR"] = "10.0.0.1"
        assert request.get_response(app).status == "200 OK"
    lines = [each for each in caplog.records if "[recovery-token]" in each.getMessage()]
    assert len(lines) == 10
    app.close()


def test_without_the_setting_a_token_is_the_application_s(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    app = SocketIOMiddleware(not_ours, {"": BaseNamespace}, runtime=runtime)
    response = Request.blank("/socket.io/1/?recovery=short").get_response(app)
    assert response.status == "200 OK"
    assert "recovery" not in caplog.text
    app.close()


def test_an_answer_with_events_does_not_end_the_session_as_well(
    connect: Callable[..., PollingClient],
) -> None:
    """Clients since 3.0 take up an event a moment after they have noticed the end: they would have
    it when they are back, and ask for it once more."""
    client = connect({"": BaseNamespace}, kind=EngineClient, recovery=60)
    assert isinstance(client, EngineClient)
    client.open()
    client.socket.send_packet({"type": "event", "name": "news", "args": [1], "endpoint": ""})
    client.registry.close_all()
    (event,) = client.poll().packets
    assert event.startswith('42["news",1,')
    assert client.request(client.url).status_code == 400
