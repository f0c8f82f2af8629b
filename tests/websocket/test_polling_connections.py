"""Polling over connections that behave as real ones do: kept, cut, reset, half sent."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio.sessions.reasons import Reason
from sockio.transports.connection import is_gone, is_known_unread
from sockio.virtsocket import Socket

from ..support.raw_http import Answer, Connection, get, handshake, post
from ..support.servers import Served
from ..support.transcript import PATIENCE, Transcript, eventually


class Client:
    """A polling client whose requests are made one by one, each over the connection it is told."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.sid = handshake(server.port)
        self.path = f"/socket.io/1/xhr-polling/{self.sid}"
        assert self.poll() == ["1::"]

    @property
    def socket(self) -> Socket:
        socket: Socket = self.server.registry.sockets[self.sid]
        return socket

    def send(self, text: str) -> None:
        """Have the server send a message."""
        self.socket[""].send(text)

    def poll(self, connection: Connection | None = None) -> list[str]:
        """One poll and its answer."""
        if connection is None:
            return get(self.server.port, self.path).packets
        return connection.ask("GET", self.path).packets

    def waiting_poll(self, connection: Connection | None = None) -> Connection:
        """A poll that has arrived and waits."""
        connection = connection or Connection(self.server.port)
        hits = self.socket.hits
        connection.request("GET", self.path)
        eventually(lambda: self.socket.hits > hits, "the poll has arrived")
        return connection

    def post(self, *packets: str) -> Answer:
        return post(self.server.port, self.path, framed(packets))


def framed(packets: tuple[str, ...]) -> str:
    if len(packets) == 1:
        return packets[0]
    return "".join(f"\ufffd{len(packet)}\ufffd{packet}" for packet in packets)


@pytest.fixture
def client(server: Served) -> Client:
    return Client(server)


# ---- Polls that die


def hang_up(poll: Connection) -> None:
    poll.close()


def reset(poll: Connection) -> None:
    poll.reset()


def end_writing(poll: Connection) -> None:
    poll.sock.shutdown(stdlib_socket.SHUT_WR)


@pytest.mark.parametrize("die", [hang_up, reset, end_writing])
def test_d55_a_poll_that_died_while_it_waited_takes_nothing_with_it(
    client: Client, die: Callable[[Connection], None]
) -> None:
    for number in range(30):
        poll = client.waiting_poll()
        die(poll)
        client.send(f"precious {number}")
        client.send("and this")
        assert client.poll() == [f"3:::precious {number}", "3:::and this"]
        poll.close()


@pytest.mark.parametrize("die", [hang_up, reset])
def test_d55_a_poll_that_dies_in_the_very_moment_of_its_answer(
    client: Client, die: Callable[[Connection], None]
) -> None:
    """Sent first, then the end: the answer is made before the kernel knows of it, or after."""
    for number in range(30):
        poll = client.waiting_poll()
        client.send(f"precious {number}")
        die(poll)
        assert client.poll() == [f"3:::precious {number}"]


def test_a_dead_poll_is_noticed_at_once(client: Client) -> None:
    """The client counts as away from then on, not from the end of the poll's duration."""
    poll = client.waiting_poll()
    requests_before = client.socket.deadline()
    poll.reset()
    eventually(lambda: client.socket.deadline() != requests_before, "the end is noticed")
    client.send("precious")
    assert client.socket.outbox_size[0] == 1
    assert client.poll() == ["3:::precious"]


def test_a_client_that_stays_away_is_given_up(
    start: Callable[..., Served], journal: Transcript
) -> None:
    client = Client(
        start(
            close_timeout=0.3, polling_duration=0.2, heartbeat_interval=0.1, heartbeat_timeout=0.3
        )
    )
    client.waiting_poll().reset()
    journal.next("disconnect", "", Reason.CLOSE_TIMEOUT)
    assert client.poll() == ["7:::1+0"]


def test_an_answer_larger_than_any_buffer_arrives_whole(client: Client) -> None:
    poll = client.waiting_poll()
    text = "\u2603" * 3_000_000
    client.send(text)
    assert poll.answer().packets == [f"3:::{text}"]
    poll.close()


@pytest.mark.parametrize("die", [hang_up, reset])
def test_d55_an_answer_that_broke_off_goes_out_again(
    client: Client, die: Callable[[Connection], None]
) -> None:
    """It was larger than what the kernels hold for a client that does not read."""
    poll = client.waiting_poll()
    text = "x" * 10_000_000
    client.send(text)
    poll.read(1000)
    die(poll)
    assert client.poll() == [f"3:::{text}"]


# ---- Two polls at once


def test_d56_the_newest_poll_wins_and_the_older_gets_a_noop(client: Client) -> None:
    older = client.waiting_poll()
    newer = client.waiting_poll()
    assert older.answer().body == "8::"
    client.send("for the newest")
    assert newer.answer().packets == ["3:::for the newest"]
    older.close()
    newer.close()


def test_d56_two_hundred_replaced_polls_are_all_answered(client: Client) -> None:
    polls = [client.waiting_poll() for _ in range(200)]
    client.send("for the newest")
    assert [poll.answer().body for poll in polls[:-1]] == ["8::"] * 199
    assert polls[-1].answer().body == "3:::for the newest"
    for poll in polls:
        poll.close()


# ---- Kept connections


def test_polls_and_posts_over_one_kept_connection(client: Client) -> None:
    with Connection(client.server.port) as kept:
        for number in range(10):
            answer = kept.ask("POST", client.path, f"3:::{number}")
            assert (answer.code, answer.body) == (200, "1")
            assert client.poll(kept) == [f"3:::{number}"]


def test_a_request_sent_before_the_answer_to_the_last(client: Client) -> None:
    with Connection(client.server.port) as kept:
        client.waiting_poll(kept)
        kept.request("POST", client.path, "3:::behind the poll")
        client.send("first")
        assert kept.answer().packets == ["3:::first"]
        assert kept.answer().body == "1"
        assert client.poll(kept) == ["3:::behind the poll"]


def test_close_is_answered_with_close(client: Client) -> None:
    """pywsgi would close without a word, and a client that keeps connections would write its next
    request into the dead one."""
    for method, body in (("GET", ""), ("POST", "3:::x")):
        client.send("something to say")
        with Connection(client.server.port) as connection:
            answer = connection.ask(method, client.path, body, {"Connection": "close"})
            assert answer.code == 200
            assert answer.headers["connection"] == "close"
            assert connection.at_end()


def test_without_close_the_connection_is_kept(client: Client) -> None:
    client.send("something to say")
    answer = get(client.server.port, client.path)
    assert answer.headers.get("connection", "keep-alive").lower() == "keep-alive"


# ---- POSTs that break off


def head(client: Client, length: int) -> bytes:
    lines = [
        f"POST {client.path} HTTP/1.1",
        f"Host: 127.0.0.1:{client.server.port}",
        "Content-Type: text/plain;charset=UTF-8",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("die", [hang_up, reset, end_writing])
def test_half_a_post_is_not_handled_at_all(
    client: Client, journal: Transcript, die: Callable[[Connection], None]
) -> None:
    """Not even those packets that have arrived whole."""
    body = framed(("3:::one", "3:::two")).encode()
    for cut in range(len(body)):
        connection = Connection(client.server.port)
        connection.send(head(client, len(body)) + body[:cut])
        eventually(lambda: client.socket.hits == 2 + 2 * cut, "the POST has arrived")  # noqa: B023
        die(connection)
        # It is over when the server has let go of it.
        assert client.post("3:::fence").body == "1"
        journal.next("message", "fence")
        connection.close()
    assert set(journal.all("message")) == {("fence",)}
    assert client.post("3:::one", "3:::two").body == "1"
    journal.next("message", "one")
    journal.next("message", "two")


def test_d53_a_post_in_pieces_is_put_together_before_it_is_decoded(
    client: Client, journal: Transcript
) -> None:
    body = framed(("3:::sn\u2603w\nman \U0001f388"[:13], "3:::\u2603")).encode()
    for cut in range(1, len(body)):
        with Connection(client.server.port) as connection:
            connection.send(head(client, len(body)) + body[:cut])
            connection.send(body[cut:])
            assert connection.answer().code == 200
        journal.next("message", "sn\u2603w\nman ")
        journal.next("message", "\u2603")


def test_a_post_that_trickles_is_given_up(
    start: Callable[..., Served], journal: Transcript
) -> None:
    server = start(
        close_timeout=0.3, polling_duration=0.2, heartbeat_interval=0.1, heartbeat_timeout=0.3
    )
    client = Client(server)
    with Connection(server.port) as connection:
        connection.send(head(client, 10) + b"3:::")
        answer = connection.answer()
        assert answer.code == 408
        assert answer.headers["connection"] == "close"
        assert connection.at_end()
    assert journal.all("message") == []


@pytest.mark.parametrize(
    ("length", "code"),
    [
        pytest.param("1000001", 413, id="over the limit"),
        pytest.param("100000000000", 413, id="a hundred gigabytes"),
        pytest.param("-1", 400, id="negative"),
        pytest.param("1e3", 400, id="no number"),
    ],
)
def test_a_length_that_will_not_do_is_refused_before_the_body(
    client: Client, length: str, code: int
) -> None:
    with Connection(client.server.port) as connection:
        connection.send(head(client, 0).replace(b"Length: 0", f"Length: {length}".encode()))
        answer = connection.answer()
        assert answer.code == code
        assert answer.headers["connection"] == "close"
    assert client.post("3:::still here").code == 200
    assert client.poll() == ["3:::still here"]


def test_d51_a_payload_of_negative_length_hangs_nothing(client: Client) -> None:
    """Eight bytes, for ever: that is what they did."""
    assert post(client.server.port, client.path, "\ufffd-4\ufffd").code == 400
    assert client.post("3:::still here").code == 200
    assert client.poll() == ["3:::still here"]


def test_d52_lengths_count_units_of_utf_16(client: Client, journal: Transcript) -> None:
    snow, balloon = "3:::\u2603", "3:::\U0001f388"
    body = f"\ufffd5\ufffd{snow}\ufffd6\ufffd{balloon}\ufffd5\ufffd{snow}"
    assert post(client.server.port, client.path, body).body == "1"
    assert [journal.next("message")[0] for _ in range(3)] == ["\u2603", "\U0001f388", "\u2603"]
    eventually(lambda: client.socket.outbox_size[0] == 3, "the echo waits")
    assert get(client.server.port, client.path).body == body


# ---- The server ends the session


def test_after_the_last_answer_the_session_is_unknown(client: Client) -> None:
    poll = client.waiting_poll()
    socket = client.socket
    socket[""].send("last words")
    socket.disconnect()
    assert poll.answer().packets == ["3:::last words", "0::"]
    assert client.poll(poll) == ["7:::1+0"]
    poll.close()


def test_who_is_not_told_of_the_end_learns_of_it_with_the_next_poll(client: Client) -> None:
    """And does not ask in circles, answered with nothing each time."""
    poll = client.waiting_poll()
    client.socket.disconnect(silent=True)
    assert poll.answer().body == "8::"
    assert client.poll(poll) == ["7:::1+0"]
    poll.close()


# ---- How a dead connection is recognised


@pytest.fixture
def ends() -> Iterator[tuple[Any, Any]]:
    """The two ends of a TCP connection: ours, and the peer's."""
    with stdlib_socket.create_server(("127.0.0.1", 0)) as listener:
        peer = stdlib_socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        with ours, peer:
            ours.settimeout(PATIENCE)
            yield ours, peer


def test_a_silent_peer_is_there(ends: tuple[Any, Any]) -> None:
    assert not is_gone(ends[0])


def test_a_peer_that_has_sent_something_is_there(ends: tuple[Any, Any]) -> None:
    ours, peer = ends
    peer.send(b"GET /")
    assert not is_gone(ours)


@pytest.mark.parametrize("said", [b"", b"a TLS alert"])
def test_a_peer_that_has_hung_up_is_gone(ends: tuple[Any, Any], said: bytes) -> None:
    """Also when the last thing it has said is still unread."""
    ours, peer = ends
    peer.send(said)
    peer.close()
    eventually(lambda: is_gone(ours), "its end is seen")


def test_what_is_closed_on_our_side_is_gone(ends: tuple[Any, Any]) -> None:
    ours, _ = ends
    ours.close()
    assert is_gone(ours)


# ---- How an answer that nobody has read is recognised


def test_what_was_read_over_tcp_is_never_taken_for_unread(ends: tuple[Any, Any]) -> None:
    """The peer's kernel may acknowledge much later than the peer reads. Sent again, the answer
    would come twice, and clients of this protocol cannot tell."""
    ours, peer = ends
    for _ in range(20):
        peer.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_QUICKACK, 0)
        ours.send(b"answer")
        assert peer.recv(100) == b"answer"
        assert not is_known_unread(ours)


def test_what_was_not_read_from_a_local_socket_is_known_to_be_unread() -> None:
    ours, peer = stdlib_socket.socketpair()
    with ours, peer:
        ours.send(b"answer")
        assert is_known_unread(ours)
        assert peer.recv(100) == b"answer"
        assert not is_known_unread(ours)


def test_of_a_closed_connection_nothing_is_known(ends: tuple[Any, Any]) -> None:
    ours, _ = ends
    ours.send(b"answer")
    ours.close()
    assert not is_known_unread(ours)
