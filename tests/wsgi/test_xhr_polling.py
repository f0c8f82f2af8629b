"""xhr-polling: what a poll is answered, when, and what becomes of answers that nobody read."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import gevent.event
import pytest

from sockio.testing import ManualRuntime

from ..support.echo import Echo, heard, said, say
from ..support.wsgi_client import PollingClient, frame

Connect = Callable[..., PollingClient]

NOOP, UNKNOWN = "8::", "7:::1+0"


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
    answer = client.post("3:::hello")
    assert (answer.text, answer.headers["X-Sockio-Refusal"]) == ("1", "session-unknown")
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
    assert sorted([old.answer.text, new.get(timeout=30).text]) == [said("once"), NOOP]


# ---- Bodies of many packets


def test_a_large_batch_reaches_the_handlers_in_order(connect: Connect) -> None:
    client = connect()
    client.open()
    client.post_body(frame(*(f"3:::{number}" for number in range(900))))
    client.runtime.settle()
    assert heard(client.socket)[1:] == [("", "message", str(number)) for number in range(900)]
