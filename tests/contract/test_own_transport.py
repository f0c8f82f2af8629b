"""A transport of the application's own, as the how-to builds it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sockio import BaseNamespace, SettingsError, SocketIOMiddleware
from sockio.transports import TRANSPORTS, StreamingTransport, Transport, XHRPolling

from ..support.pages import load
from ..support.raw_http import get, handshake
from ..support.servers import Served, not_ours
from ..support.transcript import Transcript, eventually
from ..support.transports import StreamingClient
from .conftest import Talk


class EventSource(StreamingClient):
    name = "event-source"
    preamble = b": hello\n\n"

    def unwrap(self, chunk: bytes) -> str:
        head, tail = b"data: ", b"\n\n"
        assert chunk.startswith(head), chunk
        assert chunk.endswith(tail), chunk
        assert chunk.count(b"\n") == 2, chunk
        text = json.loads(chunk[len(head) : -len(tail)])
        assert isinstance(text, str)
        return text


Open = Callable[[Served], EventSource]


@pytest.fixture
def stream() -> Iterator[Open]:
    """Open a stream of a new session; all are closed at the end."""
    with contextlib.ExitStack() as closing:

        def open_(server: Served) -> EventSource:
            client = EventSource(server)
            closing.callback(client.close)
            return client.open()

        yield open_


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return load("howto/own_transport.md", "event_source", tmp_path, monkeypatch)


@pytest.fixture
def server(serve: Callable[..., Served], program: Any, journal: Transcript) -> Served:
    """As the page starts it, with what every transport has to carry the same way."""
    talk = type("Talk", (Talk,), {"journal": journal})
    return serve(not_ours, {"": talk, "/chat": talk}, own_transports=[program.EventSource])


def test_the_program_of_the_page_serves(
    serve: Callable[..., Served], program: Any, stream: Open
) -> None:
    server = serve(program.app)
    client = stream(server)
    client.send("1::/chat", '5:1+:/chat:{"name":"echo","args":["a\\nb",1]}')
    assert client.hear() == "1::/chat"
    assert client.hear() == '6::/chat:1+["a\\nb",1]'


def test_it_is_offered_behind_the_others(server: Served) -> None:
    answer = get(server.port, "/socket.io/1/").body
    assert answer.rpartition(":")[2] == "websocket,htmlfile,xhr-polling,jsonp-polling,event-source"


@pytest.mark.parametrize("text", ["hello", "two\nlines\r\n", "ü☃\u2028\U0001f388", "\ufffd3\ufffd"])
def test_it_carries_packets_both_ways(server: Served, text: str, stream: Open) -> None:
    client = stream(server)
    client.send(f"3:::{text}", "3:::next")
    assert [client.hear(), client.hear()] == [f"3:::{text}", "3:::next"]


def test_the_server_ends_a_session_as_over_every_transport(server: Served, stream: Open) -> None:
    client = stream(server)
    client.send('5:::{"name":"kick"}')
    assert [client.hear(), client.hear()] == ["3:::last words", "0::"]
    assert client.ended()
    eventually(lambda: not server.registry.sockets, "the session is over")


def test_heartbeats_are_those_of_every_stream(
    serve: Callable[..., Served], program: Any, stream: Open
) -> None:
    server = serve(
        not_ours, {"": BaseNamespace}, own_transports=[program.EventSource], heartbeat_interval=0.1
    )
    client = stream(server)
    assert client.hear() == "2::"
    client.send("2::")
    assert client.hear() == "2::"


def test_a_client_that_goes_is_noticed(server: Served, journal: Transcript, stream: Open) -> None:
    client = stream(server)
    client.close()
    journal.next("disconnect", "", "transport close")


# ---- what is offered, and what is refused


class Plain(XHRPolling):
    name = "plain-polling"


class Quiet(XHRPolling):
    name = "quiet-polling"
    by_default = False


class Signed(XHRPolling):
    headers = (("X-Signed", "by me"),)


@pytest.mark.parametrize(
    ("settings", "offered"),
    [
        pytest.param({"own_transports": [Plain]}, [*"wxjp"], id="beside all others"),
        pytest.param(
            {"own_transports": [Plain], "transports": "plain-polling websocket"},
            [*"pw"],
            id="where it is named",
        ),
        pytest.param({"own_transports": [Plain, Quiet]}, [*"wxjp"], id="one to be named"),
        pytest.param(
            {"own_transports": [Quiet], "transports": "quiet-polling"}, [*"q"], id="named"
        ),
        pytest.param({"own_transports": [Signed]}, [*"wxj"], id="in the place of another"),
        pytest.param({"own_transports": f"{__name__}:Plain"}, [*"wxjp"], id="by its dotted name"),
    ],
)
def test_what_is_offered(settings: Mapping[str, Any], offered: list[str]) -> None:
    middleware = SocketIOMiddleware(not_ours, {}, **settings)
    names = [name for name in middleware.endpoint.transports if name != "htmlfile"]
    assert [name[0] for name in names] == offered


def test_one_of_the_same_name_takes_the_place_of_that(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": BaseNamespace}, own_transports=[Signed])
    answer = get(server.port, f"/socket.io/1/xhr-polling/{handshake(server.port)}")
    assert (answer.headers["x-signed"], answer.body) == ("by me", "1::")
    assert TRANSPORTS["xhr-polling"] is XHRPolling


class Nameless(XHRPolling):
    name: ClassVar[str] = "My Polling"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"own_transports": [int]}, "is no subclass of sockio.transports.Transport"),
        ({"own_transports": [Transport]}, "Transport.name is None"),
        ({"own_transports": [Nameless]}, "Nameless.name is 'My Polling'"),
        (
            {"own_transports": [Plain], "transports": "websocket"},
            "'plain-polling' is not among transports",
        ),
        ({"own_transports": [Plain], "transports": "other"}, "known: websocket.*plain-polling"),
        ({"own_transports": "no.such:Thing"}, "own_transports"),
    ],
)
def test_what_is_no_transport_is_refused(settings: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        SocketIOMiddleware(not_ours, {}, **settings)


class Failing(StreamingTransport):
    name = "failing"

    def preamble(self) -> bytes:
        raise ValueError("no preamble")

    def chunk(self, text: str) -> bytes:
        return text.encode()


def test_one_that_fails_costs_no_session_and_shows_nobody_s_id(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(
        not_ours,
        {"": BaseNamespace},
        own_transports=[Failing],
        transports=["failing", "xhr-polling"],
    )
    sid = handshake(server.port)
    assert get(server.port, f"/socket.io/1/failing/{sid}").code == 500
    assert get(server.port, f"/socket.io/1/xhr-polling/{sid}").body == "1::"
    eventually(lambda: "no preamble" in caplog.text, "it is logged")
    assert f"/failing/{sid[:6]}" in caplog.text
    assert sid not in caplog.text
