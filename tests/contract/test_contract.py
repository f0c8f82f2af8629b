"""What holds whatever carries the packets: the same conversation over every transport."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio.sessions.reasons import Reason

from ..support.engine_transports import EngineClient
from ..support.raw_http import get
from ..support.servers import Served
from ..support.transcript import Transcript
from ..support.transports import Client, HTTPClient, WebSocket

Connect = Callable[..., Client]

LEFT = "7:::1+0"


# ---- Connecting


def test_the_first_packet_is_the_connect(
    server: Served, connect: Connect, journal: Transcript
) -> None:
    client = connect(server).listen()
    assert client.hear() == "1::"
    journal.next("connect", "")
    assert client.socket.transport == client.name


def test_an_unknown_session_is_told_to_handshake_anew(server: Served, connect: Connect) -> None:
    client = connect(server, "x" * 20).listen()
    assert client.hear() == LEFT
    assert client.ended()
    assert len(server.registry) == 0


# ---- Packets, both ways


def test_packets_arrive_in_order(server: Served, join: Connect) -> None:
    client = join(server).open()
    for number in range(20):
        client.send(f"3:::{number}")
    assert [client.hear() for _ in range(20)] == [f"3:::{number}" for number in range(20)]


def test_a_burst_of_200_to_the_server(server: Served, join: Connect, journal: Transcript) -> None:
    client = join(server).open()
    client.send(*(f"3:::{number}" for number in range(200)))
    assert [journal.next("message") for _ in range(200)] == [(str(n),) for n in range(200)]
    assert [client.hear() for _ in range(200)] == [f"3:::{number}" for number in range(200)]


def test_a_burst_of_200_to_the_client(server: Served, join: Connect) -> None:
    client = join(server).open()
    client.send('5:::{"name":"count","args":[200]}')
    expected = [f'5:::{{"name":"number","args":[{number}]}}' for number in range(200)]
    assert [client.hear() for _ in range(200)] == expected


TEXTS = [
    pytest.param("ñ☃日本語", id="one unit each"),
    pytest.param("💩 a 👩‍👩‍👧‍👦", id="astral"),
    pytest.param("a\u2028b\u2029c", id="line separators"),
    pytest.param("</script><script>alert(1)</script>", id="the end of a script"),
    pytest.param("<!-- <script>", id="the beginning of a comment"),
    pytest.param("\"double\" 'single'", id="quotes"),
    pytest.param("C:\\new \\u0041 \\\\", id="backslashes"),
    pytest.param("one\ntwo\r\nthree\rfour\ttab", id="newlines"),
    pytest.param("a+b %41 c&d=e;f", id="what means something in a form"),
    pytest.param("\ufffd5\ufffdabcde", id="the framing's mark"),
    pytest.param("\x00\x01\x7f", id="control characters"),
    pytest.param("--socketio\n", id="the multipart boundary's words"),
    pytest.param("a:b::c", id="colons"),
    pytest.param("", id="nothing"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_arrives_as_it_was_sent(
    server: Served, join: Connect, journal: Transcript, text: str
) -> None:
    client = join(server).open()
    client.send(f"3:::{text}")
    journal.next("message", text)
    assert client.hear() == (f"3:::{text}" if text else "3::")


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_arrives_among_others(server: Served, join: Connect, text: str) -> None:
    client = join(server).open()
    client.send("3:::before", f"3:::{text}", "3:::behind")
    expected = ["3:::before", f"3:::{text}" if text else "3::", "3:::behind"]
    assert [client.hear() for _ in range(3)] == expected


# ---- Acknowledgements


def test_the_server_acknowledges(server: Served, join: Connect) -> None:
    client = join(server).open()
    client.send('5:1+::{"name":"echo","args":[1,"a+b"]}')
    assert client.hear() == '6:::1+[1,"a+b"]'
    client.send('5:2+::{"name":"echo"}')
    assert client.hear() == "6:::2"
    client.send("3:3::receipt")
    assert sorted(client.hear() for _ in range(2)) == ["3:::receipt", "6:::3"]


def test_the_client_acknowledges(server: Served, join: Connect, journal: Transcript) -> None:
    client = join(server).open()
    client.send('5:::{"name":"ask"}')
    assert client.hear() == '5:1+::{"name":"question"}'
    client.send('6:::1+["yes","a+b"]')
    assert journal.next("answer") == ("yes", "a+b")
    client.send('6:::1+["once more"]', "3:::fence")
    journal.next("message", "fence")
    assert len(journal.all("answer")) == 1


# ---- Namespaces


def test_a_namespace_is_entered_and_left(
    server: Served, join: Connect, journal: Transcript
) -> None:
    client = join(server).open()
    client.send("1::/chat:?a=b")
    assert client.hear() == "1::/chat"
    client.send("3::/chat:hello")
    assert client.hear() == "3::/chat:hello"
    client.send("0::/chat")
    journal.next("disconnect", "/chat", Reason.NAMESPACE_CLIENT)
    if not isinstance(client, EngineClient):
        # Of others it is a violation, which ends the session.
        client.send("3::/chat:unheard")
    client.send("3:::still here")
    assert client.hear() == "3:::still here"
    assert ("unheard",) not in journal.all("message")


@pytest.mark.parametrize("name", ["/closed", "/nowhere"])
def test_a_namespace_that_refuses_says_so_and_costs_nothing_else(
    server: Served, join: Connect, name: str
) -> None:
    client = join(server).open()
    client.send(f"1::{name}")
    assert client.hear() == f"7::{name}:2"
    client.send("3:::still here")
    assert client.hear() == "3:::still here"


def test_the_server_throws_out_of_one_namespace(
    server: Served, join: Connect, journal: Transcript
) -> None:
    client = join(server).open()
    client.send("1::/chat")
    assert client.hear() == "1::/chat"
    client.send('5::/chat:{"name":"kick_from_here"}')
    assert [client.hear(), client.hear()] == ["3::/chat:last words", "0::/chat"]
    journal.next("disconnect", "/chat", Reason.NAMESPACE_SERVER)
    client.send("3:::still here")
    assert client.hear() == "3:::still here"


# ---- The end


def told_once(journal: Transcript, reason: str) -> None:
    """Both namespaces are told of the end, and nobody else, and not again."""
    journal.next("disconnect", "", reason)
    journal.next("disconnect", "/chat", reason)
    assert len(journal.all("disconnect")) == 2


def test_the_client_says_goodbye(server: Served, connect: Connect, journal: Transcript) -> None:
    client = connect(server).open()
    client.send("1::/chat")
    assert client.hear() == "1::/chat"
    client.keep_listening()
    client.send("0::")
    assert client.hear() == "0::"
    assert client.ended()
    told_once(journal, Reason.CLIENT)


@pytest.mark.parametrize("query", ["?disconnect", "?t=1&disconnect=1"])
def test_the_client_ends_it_by_a_request(
    server: Served, connect: Connect, journal: Transcript, query: str
) -> None:
    client = connect(server).open()
    client.send("1::/chat")
    assert client.hear() == "1::/chat"
    client.keep_listening()
    answer = get(server.port, client.path + query)
    assert (answer.code, answer.body) == (200, "")
    assert client.hear() == "0::"
    assert client.ended()
    told_once(journal, Reason.CLIENT)


def test_the_server_throws_out_and_the_last_words_arrive_first(
    server: Served, join: Connect, journal: Transcript
) -> None:
    client = join(server).open()
    client.send("1::/chat")
    assert client.hear() == "1::/chat"
    client.send('5:::{"name":"kick"}')
    assert [client.hear(), client.hear()] == ["3:::last words", "0::"]
    if isinstance(client, EngineClient):
        # Each namespace; and then the session, of which a close frame tells a websocket.
        assert client.hear() == "0::/chat"
        assert client.streaming or client.hear() == "0::"
    assert client.ended()
    told_once(journal, Reason.SERVER)


def test_d55_d64_a_connection_that_dies(
    server: Served, connect: Connect, journal: Transcript
) -> None:
    """With a stream the session ends, at once; with a poll it does not, and nothing is lost."""
    client = connect(server).open()
    if client.streaming:
        client.drop()
        assert journal.next("disconnect", "")[1] in (Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR)
        assert connect(server, client.sid).listen().hear() == LEFT
        return
    for number in range(10):
        client.listen().drop()
        client.socket[""].send(f"precious {number}")
        assert client.hear() == f"3:::precious {number}"
    assert journal.all("disconnect") == []


def test_d56_d66_the_newest_wins(server: Served, connect: Connect, journal: Transcript) -> None:
    older = connect(server).open().keep_listening()
    newer = connect(server, older.sid).listen()
    if older.streaming:
        assert older.ended()
    else:
        assert older.hear() == "8::"
    newer.send("3:::for the newest")
    assert newer.hear() == "3:::for the newest"
    assert journal.all("disconnect") == []


def test_the_end_of_the_older_does_not_end_the_session(
    server: Served, connect: Connect, journal: Transcript
) -> None:
    older = connect(server).open().keep_listening()
    newer = connect(server, older.sid).listen()
    older.drop()
    newer.send("3:::still here")
    assert newer.hear() == "3:::still here"
    assert journal.all("disconnect") == []


# ---- Silence

QUICK = {
    "heartbeat_interval": 0.1,
    "heartbeat_timeout": 0.3,
    "polling_duration": 0.1,
    "close_timeout": 0.5,
}


def test_silence_is_filled(
    start: Callable[..., Served], connect: Connect, journal: Transcript
) -> None:
    """Streams get heartbeats, and answer them; polls end and are asked anew."""
    client = connect(start(**QUICK)).open()
    for _ in range(3):
        if client.streaming:
            assert client.hear() == "2::"
            client.send("2::")
        else:
            assert client.hear() == "8::"
    assert journal.all("disconnect") == []


def test_who_says_nothing_any_more_is_given_up(
    start: Callable[..., Served], connect: Connect, journal: Transcript
) -> None:
    server = start(**QUICK)
    client = connect(server).open()
    if client.streaming:
        assert client.hear() == "2::"
        journal.next("disconnect", "", Reason.HEARTBEAT_TIMEOUT)
        assert client.ended()
    else:
        journal.next("disconnect", "", Reason.CLOSE_TIMEOUT)
    assert connect(server, client.sid).listen().hear() == LEFT


# ---- Limits


def test_who_does_not_read_is_closed_when_its_outbox_is_full(
    start: Callable[..., Served], join: Connect, journal: Transcript
) -> None:
    server = start(max_outbox=(100, 1_000_000))
    client = join(server).open()
    namespace = client.socket[""]
    for _ in range(200):
        namespace.send("x" * 100_000)
    journal.next("disconnect", "", Reason.OVERFLOW)
    client.drop()
    if isinstance(client, EngineClient):
        assert client.post("3").code == 400
        return
    assert join(server, client.sid).listen().hear() == LEFT


def test_or_packets_are_dropped_where_that_is_the_setting(
    start: Callable[..., Served], connect: Connect, journal: Transcript
) -> None:
    server = start(max_outbox=(10, 1_000_000), overflow="drop")
    # A waiting poll, because an answer counts as held until the next poll settles it.
    client = connect(server).open().keep_listening()
    namespace = client.socket[""]
    sent = [f"{number:02}" for number in range(30)]
    for text in sent:
        namespace.send(text)
    if isinstance(client, WebSocket) and "detach" not in server.middleware.settings.without:
        # The kernel took them one by one.
        assert [client.hear() for _ in sent] == [f"3:::{text}" for text in sent]
    elif isinstance(client, WebSocket):
        # One was being written by a task, and one was next to be.
        assert [client.hear() for _ in range(12)] == [f"3:::{text}" for text in sent[:12]]
        assert client.socket.dropped == 18
    else:
        assert [client.hear() for _ in range(10)] == [f"3:::{text}" for text in sent[:10]]
        assert client.socket.dropped == 20
    client.keep_listening()
    client.send("3:::still here")
    assert client.hear() == "3:::still here"
    assert journal.all("disconnect") == []


def test_a_message_over_the_limit_is_not_handled(
    start: Callable[..., Served], connect: Connect, journal: Transcript
) -> None:
    """A POST is refused and costs nothing else (see test_bad_input.py); of a websocket it is the
    end, with the code that says why."""
    client = connect(start(max_payload=1000)).open()
    if isinstance(client, WebSocket):
        client.send("3:::" + "x" * 1000)
        assert client.wire.closing() == 1009
        journal.next("disconnect", "", Reason.TRANSPORT_ERROR)
    else:
        assert isinstance(client, HTTPClient)
        assert client.post(client.body_of("3:::" + "x" * 1000)).code == 413
    assert journal.all("message") == []


# ---- The server stops


def test_the_end_of_the_server_is_the_end_of_the_stream(
    server: Served, join: Connect, journal: Transcript
) -> None:
    client = join(server).open().keep_listening()
    client.socket[""].send("last words")
    server.middleware.close()
    assert client.hear() == "3:::last words"
    if client.streaming:
        assert client.ended()
    journal.next("disconnect", "", Reason.SHUTDOWN)
