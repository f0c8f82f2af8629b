"""One session, one transport after the other: spoken by hand, since the client never does it with
packets under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sockio import BaseNamespace

from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import RawWebSocket
from ..support.servers import Served, not_ours
from ..support.transcript import eventually


class Everything(BaseNamespace):
    def recv_message(self, data: str) -> None:
        self.send(data)

    def on_count(self, times: int) -> None:
        for number in range(times):
            self.send(str(number))


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    return serve(not_ours, {"": Everything})


def polling(sid: str) -> str:
    return f"/socket.io/1/xhr-polling/{sid}"


COUNT = '5:::{"name":"count","args":[20]}'
COUNTED = [f"3:::{number}" for number in range(20)]


def test_from_polling_to_a_websocket(server: Served) -> None:
    sid = handshake(server.port)
    assert get(server.port, polling(sid)).body == "1::"
    with Connection(server.port) as waiting:
        waiting.request("GET", polling(sid))
        socket = server.registry.sockets[sid]
        eventually(lambda: socket.hits == 2, "the poll has arrived")
        # Nothing is said twice: the poll that still waited gets the noop, the websocket no 1::.
        with RawWebSocket(server.port, sid) as websocket:
            assert waiting.answer().body == "8::"
            websocket.say("3:::hello")
            assert websocket.hear() == "3:::hello"


def test_what_waited_between_two_polls_is_flushed_in_order(server: Served) -> None:
    sid = handshake(server.port)
    get(server.port, polling(sid))
    assert post(server.port, polling(sid), COUNT).body == "1"
    socket = server.registry.sockets[sid]
    eventually(lambda: socket.outbox_size[0] == 20, "all of it waits")
    with RawWebSocket(server.port, sid) as websocket:
        assert [websocket.hear() for _ in range(20)] == COUNTED


def test_packets_posted_while_a_websocket_carries_the_answers(server: Served) -> None:
    sid = handshake(server.port)
    with RawWebSocket(server.port, sid) as websocket:
        assert websocket.hear() == "1::"
        post(server.port, polling(sid), COUNT)
        assert [websocket.hear() for _ in range(20)] == COUNTED


def test_from_a_websocket_to_polling_and_back(server: Served) -> None:
    sid = handshake(server.port)
    with RawWebSocket(server.port, sid) as websocket, Connection(server.port) as kept:
        assert websocket.hear() == "1::"
        websocket.say("3:::one")
        assert websocket.hear() == "3:::one"
        kept.request("GET", polling(sid))
        assert websocket.closing() == 1000
        post(server.port, polling(sid), "3:::two")
        assert kept.answer().packets == ["3:::two"]
        with RawWebSocket(server.port, sid) as second:
            second.say("3:::three")
            assert second.hear() == "3:::three"
