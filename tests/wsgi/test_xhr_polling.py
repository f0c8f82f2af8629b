"""xhr-polling: what a poll is answered, when, and what becomes of answers that nobody read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent.socket
import pytest

from sockio import BaseNamespace, ConnectionRefused, Reason

from ..support.clock import ManualRuntime
from ..support.echo import Echo, heard
from ..support.wsgi_client import PollingClient, frame, packets_in

Connect = Callable[..., PollingClient]

NOOP, GOODBYE, UNKNOWN = "8::", "0::", "7:::1+0"


def say(*words: str) -> str:
    """The packet by which the client has the server say something back."""
    quoted = ",".join(f'"{word}"' for word in words)
    return f'5:::{{"name":"say","args":[{quoted}]}}'


def said(*words: str) -> str:
    return say(*words).replace("say", "said")


# ---- Polling


class Greeter(Echo):
    def recv_connect(self) -> None:
        super().recv_connect()
        self.emit("said", "welcome")
        self.emit("said", "to the chat")


def test_the_first_poll_is_answered_by_the_connect_alone(connect: Connect) -> None:
    client = connect({"": Greeter})
    client.handshake()
    assert client.poll().packets == ["1::"]
    assert client.poll().packets == [said("welcome"), said("to the chat")]


def test_a_poll_waits_for_something_to_say(connect: Connect) -> None:
    client = connect()
    client.open()
    poll = client.poll()
    assert poll.waiting
    client.post(say("hello"))
    assert poll.packets == [said("hello")]


def test_what_is_said_between_polls_goes_with_the_next_in_order(connect: Connect) -> None:
    client = connect()
    client.open()
    for number in range(5):
        client.post(say(str(number)))
    assert client.poll().packets == [said(str(number)) for number in range(5)]


def test_the_answer_to_a_poll_has_these_headers(connect: Connect) -> None:
    client = connect()
    client.open()
    client.post(say("ñ"))
    answer = client.poll().answer
    assert answer.status == "200 OK"
    assert dict(answer.headers) == {
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Length": str(len(said("ñ").encode())),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


WORDS = [
    pytest.param("abc", id="ASCII"),
    pytest.param("ñ☃日本語", id="one unit each"),
    pytest.param("💩", id="a surrogate pair"),
    pytest.param("a💩ñ👩‍👩‍👧‍👦☃", id="both kinds mixed"),
    pytest.param("\ufffd5\ufffd", id="the mark itself"),
]


@pytest.mark.parametrize("word", WORDS)
def test_d52_lengths_in_a_payload_count_utf16_units_both_ways(connect: Connect, word: str) -> None:
    client = connect()
    client.open()
    assert client.post(say(word), say("next")).text == "1"
    poll = client.poll()
    assert poll.packets == [said(word), said("next")]
    units = len(said(word).encode("utf-16-le")) // 2
    assert poll.answer.text.startswith(f"\ufffd{units}\ufffd5:::")


def test_an_idle_poll_ends_with_a_noop_after_the_poll_duration(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect(polling_duration=20)
    client.open()
    poll = client.poll()
    runtime.advance(19.8)
    assert poll.waiting
    runtime.advance(0.3)
    assert poll.answer.text == NOOP
    assert client.poll().waiting


def test_a_session_that_polls_lives_on_and_gets_no_heartbeats(
    connect: Connect, runtime: ManualRuntime
) -> None:
    client = connect()
    client.open()
    for _ in range(20):
        poll = client.poll()
        runtime.advance(20.1)
        assert poll.packets == [NOOP]
    assert client.socket.connected


def test_answers_are_bounded_in_size_and_the_rest_follows(connect: Connect) -> None:
    client = connect(max_payload=1000)
    client.open()
    words = [str(number) * 300 for number in range(5)]
    for word in words:
        client.post(say(word))
    assert client.poll().packets == [said(word) for word in words[:3]]
    assert client.poll().packets == [said(word) for word in words[3:]]


# ---- Posting


@pytest.mark.parametrize("origin", [{}, {"Origin": "http://localhost"}], ids=["same", "cross"])
def test_the_answer_to_a_post_is_1_with_these_headers(
    connect: Connect, origin: dict[str, str]
) -> None:
    client = connect()
    client.open()
    response = client.post("3:::hello", **origin)
    assert (response.status, response.text) == ("200 OK", "1")
    expected = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Length": "1",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if origin:
        expected |= {
            "Access-Control-Allow-Origin": "http://localhost",
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
            "X-XSS-Protection": "0",
        }
    assert dict(response.headers) == expected


def test_d68_no_answer_asks_to_close_the_connection_or_may_be_cached(connect: Connect) -> None:
    client = connect()
    handshake = client.handshake()
    first = client.poll().answer
    for answer in (handshake, first, client.post("3:::hello"), client.request("/")):
        assert "Connection" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("early", [1, 3])
def test_d57_what_is_posted_before_the_first_poll_waits_for_it(
    connect: Connect, early: int
) -> None:
    client = connect({"": Greeter})
    client.handshake()
    for number in range(early):
        assert client.post(say(str(number))).text == "1"
    assert heard(client.socket) == []
    assert client.poll().packets == ["1::"]
    replies = [said(str(number)) for number in range(early)]
    assert client.poll().packets == [said("welcome"), said("to the chat"), *replies]
    assert heard(client.socket)[0] == ("", "connect")


def test_d57_options_and_others_do_not_open_the_session(connect: Connect) -> None:
    client = connect()
    client.handshake()
    for method in ("OPTIONS", "HEAD", "PUT", "DELETE"):
        client.request(client.url, method)
    assert heard(client.socket) == []
    assert client.poll().packets == ["1::"]


def test_d57_of_two_first_polls_one_is_told_of_the_connect(connect: Connect) -> None:
    class Slow(Echo):
        def recv_connect(self) -> None:
            self.session["gate"] = gate = gevent.event.Event()
            gate.wait()

    client = connect({"": Slow})
    client.handshake()
    first = client.poll()
    second = client.poll()
    assert first.packets == [NOOP]
    client.socket.session["gate"].set()
    assert second.packets == ["1::"]


def test_d58_a_preflight_is_granted(connect: Connect) -> None:
    client = connect()
    client.open()
    asking = {
        "Origin": "http://localhost",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-requested-with",
    }
    response = client.request(client.url, "OPTIONS", headers=asking)
    assert (response.status, response.body) == ("204 No Content", b"")
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost"
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert (
        response.headers["Access-Control-Allow-Headers"] == asking["Access-Control-Request-Headers"]
    )


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_other_methods_are_not_allowed(connect: Connect, method: str, known: bool) -> None:
    client = connect()
    client.open()
    if not known:
        client.sid = "x" * 20
    response = client.request(client.url, method)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "POST", "OPTIONS"}


# ---- Sessions that are not there


@pytest.mark.parametrize("sid", ["x" * 20, "a", "__proto__", "%00", "%F0%9F%92%A9"])
def test_d72_an_unknown_session_is_told_to_handshake_again(connect: Connect, sid: str) -> None:
    client = connect()
    client.sid = sid
    poll = client.poll(Origin="http://localhost")
    assert poll.packets == [UNKNOWN]
    assert poll.answer.headers["Access-Control-Allow-Origin"] == "http://localhost"
    assert client.post("3:::hello").text == "1"
    assert client.post_body(b"\xff not even text").text == "1"
    assert client.request(client.url + "?disconnect").status_code == 200
    assert len(client.registry) == 0


# ---- One poll at a time


def test_d56_the_newest_poll_wins_and_the_older_is_sent_home(connect: Connect) -> None:
    client = connect()
    client.open()
    polls = [client.poll() for _ in range(20)]
    assert [poll.waiting for poll in polls] == [False] * 19 + [True]
    assert all(poll.packets == [NOOP] for poll in polls[:-1])
    client.post(say("one"), say("two"))
    assert polls[-1].packets == [said("one"), said("two")]


def test_d56_a_replaced_poll_takes_nothing_with_it(connect: Connect) -> None:
    client = connect()
    client.open()
    old = client.poll()
    request = client.blank(client.url)
    # The new poll and the packet come before the old poll's task has had its turn.
    new = gevent.spawn(client._complete, request)
    client.socket.runtime.run(client.socket[""].emit, "said", "once")
    client.runtime.settle()
    assert sorted([old.answer.text, new.get(timeout=5).text]) == [said("once"), NOOP]


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


class Doorkeeper(Echo):
    def on_kick(self) -> None:
        self.emit("said", "bye")
        self.disconnect()

    def on_end(self) -> None:
        self.emit("said", "bye")
        self.socket.disconnect()


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


# ---- Answers that did not arrive


class Exchange:
    """One request as a server handles it, step by step."""

    def __init__(self, client: PollingClient, **environ: Any) -> None:
        self.status = ""
        request = client.blank(client.url, **environ)
        self._answer = gevent.spawn(client.app, request.environ, self._start_response)
        client.runtime.settle()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> None:
        self.status = status

    @property
    def body(self) -> Any:
        return self._answer.get(timeout=5)

    def write(self, connection: gevent.socket.socket | None = None) -> str:
        """Do as a server does that can write everything."""
        chunks = []
        for chunk in self.body:
            chunks.append(chunk)
            if connection is not None:
                connection.sendall(chunk)
        # Only an answer that carries packets wants to know what became of it.
        getattr(self.body, "close", lambda: None)()
        return b"".join(chunks).decode()

    def fail(self, *, before: bool) -> None:
        """Do as a server does whose write fails: of the headers, or of the body."""
        if not before:
            next(iter(self.body))
        self.body.close()


@pytest.mark.parametrize("before", [True, False], ids=["headers", "body"])
def test_d55_a_batch_whose_write_failed_goes_out_again_in_order(
    connect: Connect, before: bool
) -> None:
    client = connect()
    client.open()
    client.post(say("one"), say("two"))
    Exchange(client).fail(before=before)
    client.post(say("three"))
    assert client.poll().packets == [said("one"), said("two"), said("three")]
    assert client.poll().waiting


def test_d55_it_goes_out_at_once_when_the_next_poll_waits_already(connect: Connect) -> None:
    client = connect()
    client.open()
    client.post(say("one"))
    stuck = Exchange(client)
    body = stuck.body
    next(iter(body))
    poll = client.poll()
    assert poll.packets == [said("one")]
    body.close()
    assert client.poll().waiting, "and only once"


def test_d55_an_answer_that_was_written_is_not_sent_twice(connect: Connect) -> None:
    client = connect()
    client.open()
    client.post(say("one"))
    assert packets_in(Exchange(client).write()) == [said("one")]
    client.post(say("two"))
    assert client.poll().packets == [said("two")]


def test_d55_closing_the_same_answer_twice_doubles_nothing(connect: Connect) -> None:
    client = connect()
    client.open()
    client.post(say("one"))
    exchange = Exchange(client)
    exchange.fail(before=False)
    exchange.body.close()
    assert client.poll().packets == [said("one")]
    exchange.body.close()
    assert client.poll().waiting


def test_d55_the_first_connect_is_not_lost_with_its_poll(connect: Connect) -> None:
    client = connect()
    client.handshake()
    Exchange(client).fail(before=True)
    assert client.poll().packets == ["1::"]


def test_d55_the_last_goodbye_is_not_lost_with_its_poll(connect: Connect) -> None:
    client = connect({"": Doorkeeper})
    client.open()
    client.post('5:::{"name":"end"}')
    Exchange(client).fail(before=False)
    assert client.poll().packets == [said("bye"), GOODBYE]
    client.runtime.settle()
    assert len(client.registry) == 0


@pytest.fixture
def pair() -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    """The two ends of a connection: the server's, and the client's."""
    ends = gevent.socket.socketpair()
    yield ends
    for end in ends:
        end.close()


Pair = tuple[gevent.socket.socket, gevent.socket.socket]


def test_d55_a_poll_whose_client_hung_up_while_it_waited_takes_nothing(
    connect: Connect, pair: Pair
) -> None:
    client = connect()
    client.open()
    server_end, client_end = pair
    exchange = Exchange(client, **{"gunicorn.socket": server_end})
    client_end.close()
    client.post(say("precious"))
    assert exchange.write() == NOOP
    assert client.poll().packets == [said("precious")]


def test_a_client_that_hung_up_is_away_and_given_up_in_time(
    connect: Connect, runtime: ManualRuntime, pair: Pair
) -> None:
    client = connect(close_timeout=30)
    client.open()
    server_end, client_end = pair
    exchange = Exchange(client, **{"gunicorn.socket": server_end})
    client_end.close()
    assert exchange.write() == NOOP
    runtime.advance(30.1)
    assert len(client.registry) == 0


def test_bytes_of_a_next_request_are_no_hangup(connect: Connect, pair: Pair) -> None:
    client = connect()
    client.open()
    server_end, client_end = pair
    exchange = Exchange(client, **{"gunicorn.socket": server_end})
    client_end.sendall(b"POST /socket.io/1/xhr-polling/...")
    client.runtime.settle()
    client.post(say("hello"))
    assert exchange.write() == said("hello")


@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
def test_d55_an_answer_goes_out_again_when_it_is_known_to_be_unread(
    connect: Connect, pair: Pair, read: bool
) -> None:
    client = connect()
    client.open()
    server_end, client_end = pair
    client.post(say("precious"))
    exchange = Exchange(client, **{"gunicorn.socket": server_end})
    assert exchange.write(server_end) == said("precious")
    if read:
        assert client_end.recv(1000).decode() == said("precious")
    client.post(say("next"))
    expected = [said("next")] if read else [said("precious"), said("next")]
    assert client.poll().packets == expected


def test_an_answer_whose_connection_was_closed_behind_it_counts_as_read(
    connect: Connect, pair: Pair
) -> None:
    # Nothing can be known any more, and without evidence nothing is sent twice.
    client = connect()
    client.open()
    server_end, _ = pair
    client.post(say("one"))
    Exchange(client, **{"gunicorn.socket": server_end}).write(server_end)
    server_end.close()
    client.post(say("two"))
    assert client.poll().packets == [said("two")]


# ---- Bodies of many packets


def test_a_large_batch_reaches_the_handlers_in_order(connect: Connect) -> None:
    client = connect()
    client.open()
    client.post_body(frame(*(f"3:::{number}" for number in range(900))))
    client.runtime.settle()
    assert heard(client.socket)[1:] == [("", "message", str(number)) for number in range(900)]
