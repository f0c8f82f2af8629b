"""Answers that did not arrive: what a poll takes along when it dies, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest

from sockio.testing import ManualRuntime

from ..support.echo import Doorkeeper, said, say
from ..support.wsgi_client import PollingClient, packets_in

Connect = Callable[..., PollingClient]

NOOP, GOODBYE = "8::", "0::"


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
        return self._answer.get(timeout=30)

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
    assert client.socket.outbox_size[0] == 2, "at once, not only when the client asks again"
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


# ---- Connections that can be looked at


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
