"""How a polling session ends: by the client, by the server, or by silence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio import BaseNamespace, ConnectionRefused, Reason
from sockio.testing import ManualRuntime

from ..support.echo import Doorkeeper, Echo, heard, said, say
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]

GOODBYE, UNKNOWN = "0::", "7:::1+0"


# ---- Goodbyes from the client


DISCONNECTS = [
    pytest.param("/1/xhr-polling/{sid}?disconnect", id="with a transport"),
    pytest.param("/1/xhr-polling/{sid}/?disconnect=1", id="with a trailing slash"),
    pytest.param("/1//{sid}/?disconnect=1", id="without a transport, as the client sends it"),
    pytest.param("/1/websocket/{sid}?disconnect", id="of another transport"),
    pytest.param("/1/xhr-polling/{sid}?t=17&disconnect=", id="not the first parameter"),
    pytest.param("/1/xhr-polling/{sid}?disconnect=0&t=17", id="whatever its value"),
]


@pytest.mark.parametrize("path", DISCONNECTS)
@pytest.mark.parametrize("polling", [True, False], ids=["during a poll", "between polls"])
def test_a_forced_disconnect_ends_the_session_at_once(
    connect: Connect, path: str, polling: bool
) -> None:
    client = connect()
    client.open()
    socket = client.socket
    poll = client.poll() if polling else None
    response = client.request(path.format(sid=client.sid))
    client.runtime.settle()
    assert (response.status_code, response.body) == (200, b"")
    if poll is not None:
        assert poll.packets == [GOODBYE]
    assert heard(socket) == [("", "connect"), ("", "disconnect", Reason.CLIENT)]
    assert len(client.registry) == 0
    assert client.poll().packets == [UNKNOWN]


@pytest.mark.parametrize("query", ["?disconnected", "?t=disconnect", "?x-disconnect=1"])
def test_d71_other_parameters_with_that_word_disconnect_nobody(
    connect: Connect, query: str
) -> None:
    client = connect()
    client.open()
    assert client.poll(query).waiting
    assert client.socket.connected


def test_d71_an_empty_transport_without_disconnect_is_refused(connect: Connect) -> None:
    client = connect()
    client.open()
    assert client.request(f"/1//{client.sid}").status_code == 400
    assert client.socket.connected


def test_a_goodbye_by_post_is_answered_on_the_open_poll(connect: Connect) -> None:
    client = connect({"": Echo, "/chat": Echo})
    client.open()
    client.post("1::/chat")
    assert client.poll().packets == ["1::/chat"]
    socket = client.socket
    poll = client.poll()
    assert client.post("0::").text == "1"
    assert poll.packets == [GOODBYE]
    assert heard(socket)[2:] == [
        ("", "disconnect", Reason.CLIENT),
        ("/chat", "disconnect", Reason.CLIENT),
    ]
    assert len(client.registry) == 0


def test_what_was_sent_in_front_of_a_goodbye_is_still_handled(connect: Connect) -> None:
    client = connect()
    client.open()
    socket = client.socket
    client.post("3:::last words", "0::", "3:::from beyond")
    assert heard(socket)[1:] == [
        ("", "message", "last words"),
        ("", "disconnect", Reason.CLIENT),
    ]


def test_leaving_one_namespace_is_not_answered_and_the_rest_goes_on(connect: Connect) -> None:
    client = connect({"": Echo, "/chat": Echo})
    client.open()
    client.post("1::/chat")
    client.poll()
    client.post("0::/chat")
    assert heard(client.socket)[-1] == ("/chat", "disconnect", Reason.NAMESPACE_CLIENT)
    poll = client.poll()
    assert poll.waiting
    client.post(say("still here"))
    assert poll.packets == [said("still here")]


# ---- Goodbyes from the server


@pytest.mark.parametrize("polling", [True, False], ids=["during a poll", "between polls"])
def test_d87_who_is_thrown_out_gets_the_last_words_and_then_the_goodbye(
    connect: Connect, runtime: ManualRuntime, polling: bool
) -> None:
    client = connect({"": Doorkeeper}, close_timeout=30)
    client.open()
    socket = client.socket
    poll = client.poll() if polling else None
    client.post('5:::{"name":"end"}')
    if poll is None:
        runtime.advance(29)
        poll = client.poll()
    assert poll.packets == [said("bye"), GOODBYE]
    assert heard(socket)[-1] == ("", "disconnect", Reason.SERVER)
    runtime.settle()
    assert len(client.registry) == 0
    assert client.poll().packets == [UNKNOWN]


def test_d87_leaving_one_namespace_is_told_over_polling_too(connect: Connect) -> None:
    client = connect({"": Echo, "/chat": Doorkeeper})
    client.open()
    client.post("1::/chat", '5::/chat:{"name":"kick"}')
    bye = said("bye").replace(":::", "::/chat:")
    assert client.poll().packets == ["1::/chat", bye, "0::/chat"]
    assert client.socket.connected


def test_d87_who_never_comes_back_for_the_goodbye_is_forgotten_after_the_close_timeout(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect({"": Doorkeeper}, close_timeout=30)
    client.open()
    client.post('5:::{"name":"end"}')
    runtime.advance(29.9)
    assert len(client.registry) == 1
    runtime.advance(0.2)
    assert len(client.registry) == 0
    assert runtime.timers == 0


def test_a_refused_global_namespace_ends_the_session_on_the_first_poll(connect: Connect) -> None:
    class Closed(BaseNamespace):
        def recv_connect(self) -> None:
            self.emit("said", "not for you")
            raise ConnectionRefused("members only")

    client = connect({"": Closed})
    client.handshake()
    assert client.poll().packets == ["7:::2", GOODBYE]
    assert len(client.registry) == 0


# ---- Clients that go away


def test_a_client_that_stops_polling_is_given_up_after_the_close_timeout(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect(close_timeout=30)
    client.open()
    socket = client.socket
    runtime.advance(29.9)
    client.post("3:::posts do not count")
    runtime.advance(0.2)
    assert heard(socket)[-1] == ("", "disconnect", Reason.CLOSE_TIMEOUT)
    assert len(client.registry) == 0


def test_the_close_timeout_is_kept_even_when_its_timer_is_late(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect(close_timeout=30)
    client.open()
    runtime.time += 31  # no timer has fired
    assert client.poll().packets == [UNKNOWN]


def test_a_waiting_poll_never_runs_into_the_close_timeout(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect(close_timeout=21, polling_duration=20, heartbeat_interval=20)
    client.open()
    runtime.advance(15)
    poll = client.poll()
    runtime.advance(19)
    assert poll.waiting
    assert client.socket.connected
