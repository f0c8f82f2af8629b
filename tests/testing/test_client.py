"""The public client: the same words over every transport, and what a network can do to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, BroadcastMixin, EventRefused
from sockio.testing import (
    TRANSPORTS,
    Client,
    ClientError,
    Event,
    EventFailed,
    LiveServer,
    NothingCame,
    Refused,
    SessionOver,
)

from ..support.generations import Way, ways

#: Whatever could end a string, a script, a part or a frame too early.
AWKWARD = "snow ☃ \U0001f388 </script> \\ \" ' \r\n-- � 6:::1+[]\u2028"

POLLS = [name for name in TRANSPORTS if name.endswith("polling")]
STREAMS = [name for name in TRANSPORTS if not name.endswith("polling")]


class Talk(BaseNamespace, BroadcastMixin):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_say(self, *args: Any) -> None:
        self.emit("said", *args)

    def on_tell(self, text: Any) -> bool:
        self.broadcast_event_not_me("told", text)
        return True

    def on_refuse(self) -> None:
        raise EventRefused("too_late", "The shop is closed.")

    def on_ask_me(self) -> Any:
        return self.call("question", 6, 7)

    def on_kick(self) -> None:
        self.disconnect()

    def on_end(self) -> None:
        self.socket.disconnect()

    def recv_message(self, data: str) -> None:
        self.send(data)

    def recv_json(self, data: Any) -> None:
        self.send(data, json=True)


class Closed(BaseNamespace):
    def recv_connect(self) -> bool:
        return False


class Query(BaseNamespace):
    def on_query(self) -> tuple[str, str]:
        return self.environ["QUERY_STRING"], self.qs

    def on_fields(self) -> dict[str, str]:
        return self.query


@pytest.fixture
def server(sockio_serve: Callable[..., LiveServer]) -> LiveServer:
    namespaces = {"": Talk, "/chat": Talk, "/closed": Closed, "/query": Query}
    return sockio_serve(namespaces=namespaces, transports=TRANSPORTS)


@pytest.fixture
def ada(server: LiveServer, sockio_transport: str) -> Client:
    return server.connect("/chat", transport=sockio_transport)


@pytest.fixture
def bob(server: LiveServer, sockio_transport: str) -> Client:
    return server.connect("/chat", transport=sockio_transport)


# ---- over every transport


def test_the_transport_is_the_one_that_was_asked_for(
    server: LiveServer, ada: Client, sockio_transport: str
) -> None:
    assert ada.transport == sockio_transport
    assert server.socket_of(ada).transport == sockio_transport
    assert sockio_transport in ada.handshake.transports


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([1], 1, id="one argument"),
        pytest.param([1, {"a": None}], (1, {"a": None}), id="several"),
        pytest.param([AWKWARD], AWKWARD, id="awkward text"),
        pytest.param(["x" * 200_000], "x" * 200_000, id="a long text"),
    ],
)
def test_call_gives_what_the_handler_returned(ada: Client, sent: list[Any], answered: Any) -> None:
    assert ada.call("echo", *sent) == answered


def test_events_and_messages_come_as_they_were_sent(ada: Client) -> None:
    ada.emit("say", AWKWARD, 2)
    assert ada.expect("said").args == [AWKWARD, 2]
    ada.send(AWKWARD)
    assert ada.expect_message() == AWKWARD
    ada.send({"text": AWKWARD}, json=True)
    assert ada.expect_message() == {"text": AWKWARD}


def test_others_hear_it(ada: Client, bob: Client) -> None:
    assert ada.call("tell", "hello") is True
    assert bob.expect("told").args == ["hello"]
    assert ada.heard("told") == []


def test_many_events_come_in_order(ada: Client) -> None:
    for number in range(300):
        ada.emit("say", number)
    assert [args for (args,) in ada.heard("said")] == [*range(300)]


def test_the_server_can_ask(ada: Client) -> None:
    ada.on("question", lambda one, other: one * other)
    assert ada.call("ask_me") == 42


def test_a_callback_gets_the_ack(ada: Client) -> None:
    answers: list[tuple[Any, ...]] = []
    ada.emit("echo", 1, 2, callback=lambda *args: answers.append(args))
    ada.sync()
    assert answers == [(1, 2)]


def test_a_message_can_have_a_receipt(ada: Client) -> None:
    ada.send("registered", receipt=True)
    assert ada.expect_message() == "registered"


def test_an_error_ack_is_an_error(ada: Client) -> None:
    with pytest.raises(EventFailed) as failed:
        ada.call("refuse")
    assert (failed.value.code, failed.value.message) == ("too_late", "The shop is closed.")


def test_an_error_without_an_ack_is_a_packet(ada: Client) -> None:
    ada.emit("nonsense")
    assert ada.expect_error()["endpoint"] == "/chat"


def test_a_refused_namespace_is_an_error_and_the_others_go_on(ada: Client) -> None:
    with pytest.raises(Refused, match="/closed"):
        ada.of("/closed")
    assert ada.call("echo", 1) == 1


def test_a_disconnected_namespace_says_so_and_the_others_go_on(ada: Client) -> None:
    root = ada.of("")
    ada.emit("kick")
    assert ada.expect_end() == "server disconnect"
    assert not ada.connected
    with pytest.raises(SessionOver):
        ada.emit("say", 1)
    assert root.call("echo", 1) == 1
    assert ada.of("/chat").call("echo", 2) == 2


def test_a_session_that_the_server_ends_says_so(ada: Client) -> None:
    ada.emit("end")
    assert ada.expect_end() == "server disconnect"
    assert not ada.connected
    with pytest.raises(SessionOver, match="server disconnect"):
        ada.expect("said")


def test_leaving_ends_the_session(server: LiveServer, ada: Client) -> None:
    ada.disconnect()
    ada.of("").disconnect()
    server.wait_until(lambda: not server.registry.sockets, "the session is over")


def test_a_dropped_client_can_come_back(server: LiveServer, ada: Client, bob: Client) -> None:
    before = ada.sid
    ada.drop()
    with pytest.raises(SessionOver, match="dropped"):
        ada.expect("told")
    ada.reconnect()
    assert ada.sid != before
    assert bob.call("tell", "welcome back") is True
    assert ada.expect("told").args == ["welcome back"]


def test_queries_go_where_they_belong(server: LiveServer, sockio_transport: str) -> None:
    client = server.connect(transport=sockio_transport, query="room=lobby")
    handshake, namespace = client.of("/query", query="?a=b").call("query")
    assert handshake.endswith("room=lobby")
    assert namespace == "?a=b"


@pytest.mark.parametrize("generation", ["0.9", "eio3", "eio4"])
def test_a_namespace_has_the_fields_of_the_query_and_none_of_the_clients_own(
    server: LiveServer, generation: str
) -> None:
    client = server.connect(query="room=lobby&room=2&a=1", generation=generation)
    by_packet = "" if generation == "eio4" else "?a=b"
    fields = client.of("/query", by_packet).call("fields")
    assert fields == {"room": "lobby", "a": "b" if by_packet else "1"}


@pytest.mark.parametrize("way", ways())
def test_a_refused_handshake_tells_why_in_the_same_words_whoever_asks(
    sockio_serve: Callable[..., LiveServer], way: Way
) -> None:
    server = sockio_serve(namespaces={}, authorize=lambda request: False)
    with pytest.raises(Refused) as refused:
        server.connect(**way)
    assert (refused.value.text, refused.value.status) == ("handshake unauthorized", 403)
    assert refused.value.code == "authorize-refused"


def test_a_refused_handshake_tells_why(
    sockio_serve: Callable[..., LiveServer], sockio_transport: str
) -> None:
    server = sockio_serve(namespaces={}, transports=TRANSPORTS, authorize=lambda request: False)
    with pytest.raises(Refused) as refused:
        server.connect(transport=sockio_transport)
    assert refused.value.text == "handshake unauthorized"
    assert refused.value.code == "authorize-refused"


# ---- what a network does


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("rst", [False, True], ids=["FIN", "RST"])
def test_a_dropped_stream_ends_its_session(server: LiveServer, transport: str, rst: bool) -> None:
    client = server.connect("/chat", transport=transport)
    client.drop(rst=rst)
    server.wait_until(lambda: not server.registry.sockets, "the session is over")
    with pytest.raises(ClientError, match="reconnect\\(\\)"):
        client.reconnect(resume=True)


@pytest.mark.parametrize("transport", POLLS)
@pytest.mark.parametrize("rst", [False, True], ids=["FIN", "RST"])
def test_what_a_polling_client_misses_while_it_is_cut_off_comes_when_it_resumes(
    server: LiveServer, transport: str, rst: bool
) -> None:
    ada, bob = (server.connect("/chat", transport=transport) for _ in range(2))
    sid = ada.sid
    ada.drop(rst=rst)
    for number in range(3):
        assert bob.call("tell", number) is True
    ada.reconnect(resume=True)
    assert [ada.expect("told").args for _ in range(3)] == [[0], [1], [2]]
    assert ada.sid == sid


@pytest.mark.parametrize("transport", POLLS)
def test_an_answer_can_be_lost(server: LiveServer, transport: str) -> None:
    ada, bob = (server.connect("/chat", transport=transport) for _ in range(2))
    loss = ada.lose_response()
    bob.call("tell", "lost")
    assert loss.packets == ['5::/chat:{"name":"told","args":["lost"]}']
    bob.call("tell", "found")
    assert ada.heard("told") == [["found"]]


@pytest.mark.parametrize("transport", STREAMS)
def test_a_stream_has_no_answers_to_lose(server: LiveServer, transport: str) -> None:
    with pytest.raises(ClientError, match="drop"):
        server.connect(transport=transport).lose_response()


@pytest.mark.parametrize("transport", POLLS)
def test_a_session_that_is_over_is_noticed(server: LiveServer, transport: str) -> None:
    client = server.connect("/chat", transport=transport)
    client.drop()
    server.socket_of(client).close("for the test", say=False)
    client.reconnect(resume=True)
    assert client.expect_end() == "unknown session"


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile"])
def test_an_unknown_session_has_a_code(server: LiveServer, transport: str) -> None:
    answer = server.browser().get(f"/socket.io/1/{transport}/nobody")
    assert "7:::1+0" in answer.text
    assert answer.headers["X-Sockio-Refusal"] == "session-unknown"


# ---- expectations that fail


@pytest.fixture
def client(server: LiveServer) -> Client:
    return server.connect("/chat")


def test_an_expectation_that_fails_says_what_came_instead(client: Client) -> None:
    client.emit("say", "something else")
    client.sync()
    with pytest.raises(NothingCame, match=r"said\('hello'\)(.|\n)*\* said\('something else'\)"):
        client.expect("said", "hello", timeout=0.01)


def test_each_event_is_given_once_and_in_any_order(client: Client) -> None:
    for word in ("one", "two", "one"):
        client.emit("say", word)
    assert client.expect("said", "two").args == ["two"]
    assert client.expect("said").args == ["one"]
    assert [repr(event) for event in client.heard()] == ["said('one')"]
    assert len(client.events) == 3


def test_an_event_is_acknowledged_by_hand(client: Client) -> None:
    client.emit("ask_me", callback=lambda *args: client.emit("say", *args))
    event: Event = client.expect("question", 6)
    assert event.wants_ack
    event.ack("later")
    assert client.expect("said").args == ["later"]
    client.emit("say")
    with pytest.raises(ClientError, match="nobody waits"):
        client.expect("said").ack()


def test_what_is_no_packet_can_be_sent(client: Client) -> None:
    client.send_raw("nonsense", "5::/chat:" + json.dumps({"name": "say", "args": [1]}))
    assert client.expect("said").args == [1]


def test_there_are_only_so_many_transports(server: LiveServer) -> None:
    with pytest.raises(ClientError, match="xhr-polling"):
        server.connect(transport="pigeon")
