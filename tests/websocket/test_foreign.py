"""Websocket objects of other libraries, whose connection cannot be reached: anything that has
``receive``, ``send`` and ``close`` in ``environ["wsgi.websocket"]``."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest
from gevent.queue import Queue
from webob import Request

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.sessions.reasons import Reason

from ..support.servers import not_ours
from ..support.transcript import PATIENCE, Transcript, eventually


class ClosedError(Exception):
    """What this library raises when the peer is gone."""


class TheirWebSocket:
    """The least that such an object can do. Text in and out; None at the end."""

    def __init__(self) -> None:
        self.incoming: Queue[str | bytes | Exception | None] = Queue()
        self.outgoing: Queue[Any] = Queue()
        self.broken = False

    def receive(self) -> str | bytes | None:
        message = self.incoming.get()
        if isinstance(message, Exception):
            raise message
        return message

    def send(self, text: str) -> None:
        if self.broken:
            raise ClosedError("gone")
        gevent.sleep(0)  # as any real one, it may wait for the network
        self.outgoing.put(text)

    def close(self) -> None:
        self.outgoing.put(None)
        self.incoming.put(None)

    def hear(self) -> Any:
        """What the client gets next; None for the end."""
        return self.outgoing.get(timeout=PATIENCE)


class House:
    """A middleware, and a client with such a websocket."""

    def __init__(self, talk: dict[str, type[BaseNamespace]], **settings: Any) -> None:
        self.middleware = SocketIOMiddleware(not_ours, talk, **settings)
        self.websocket = TheirWebSocket()
        line = Request.blank("/socket.io/1/").get_response(self.middleware).text
        self.sid = line.split(":")[0]
        self.request = self.open(self.sid, self.websocket)

    def open(self, sid: str, websocket: TheirWebSocket) -> gevent.Greenlet[..., Any]:
        """Start the request that carries a websocket; it lasts as long as that does."""
        request = Request.blank(f"/socket.io/1/websocket/{sid}")
        request.environ["wsgi.websocket"] = websocket
        return gevent.spawn(lambda: list(self.middleware(request.environ, unexpected)))

    def say(self, packet: str | bytes) -> None:
        self.websocket.incoming.put(packet)

    def hear(self) -> Any:
        return self.websocket.hear()

    @property
    def socket(self) -> Any:
        return self.middleware.registry.sockets[self.sid]


def unexpected(*args: object) -> Any:
    raise AssertionError(f"the server has answered the request already: {args}")


@pytest.fixture
def house(talk: dict[str, type[BaseNamespace]]) -> House:
    """An open session."""
    house = House(talk)
    assert house.hear() == "1::"
    return house


def test_a_conversation(house: House, journal: Transcript) -> None:
    house.say("1::/chat")
    assert house.hear() == "1::/chat"
    house.say('5:1+:/chat:{"name":"echo","args":["a+b","\u2603"]}')
    assert house.hear() == '6::/chat:1+["a+b","\u2603"]'
    house.say(b"3:::\xe2\x98\x83")  # some libraries give bytes
    assert house.hear() == "3:::\u2603"
    house.say("0::")
    assert [house.hear(), house.hear()] == ["0::", None]
    journal.next("disconnect", "/chat", Reason.CLIENT)
    house.request.join(PATIENCE)
    assert house.request.successful()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param(None, Reason.TRANSPORT_CLOSE, id="receive gives None"),
        pytest.param(ClosedError("gone"), Reason.TRANSPORT_ERROR, id="receive raises"),
    ],
)
def test_the_end_of_the_websocket_is_the_end_of_the_session(
    house: House, journal: Transcript, end: Any, reason: str
) -> None:
    house.websocket.incoming.put(end)
    journal.next("disconnect", "", reason)
    house.request.join(PATIENCE)
    assert house.request.successful()
    assert not house.middleware.registry.sockets


def test_d65_a_failing_send_ends_the_session(house: House, journal: Transcript) -> None:
    """Once, and without trying the next packet."""
    house.websocket.broken = True
    for number in range(10):
        house.socket[""].send(str(number))
    journal.next("disconnect", "", Reason.TRANSPORT_ERROR)
    assert len(journal.all("disconnect")) == 1
    house.request.join(PATIENCE)
    assert house.request.successful()
    eventually(lambda: not house.middleware.registry.sockets, "the session is forgotten")


def test_one_greenlet_sends_at_a_time_and_in_order(house: House) -> None:
    for number in range(200):
        house.socket[""].send(str(number))
        if number % 7 == 0:
            gevent.sleep(0)
    assert [house.hear() for _ in range(200)] == [f"3:::{number}" for number in range(200)]


def test_the_last_message_arrives_before_a_kick(house: House, journal: Transcript) -> None:
    house.say('5:::{"name":"kick_me","args":["last words"]}')
    assert [house.hear() for _ in range(3)] == ["3:::last words", "0::", None]
    house.request.join(PATIENCE)
    assert house.request.successful()
    journal.next("disconnect", "", Reason.SERVER)


def test_an_unknown_session_is_told_to_handshake_anew(house: House) -> None:
    websocket = TheirWebSocket()
    request = house.open("no-such-session", websocket)
    assert [websocket.hear(), websocket.hear()] == ["7:::1+0", None]
    request.join(PATIENCE)
    assert request.successful()


def test_d66_a_second_websocket_takes_over(house: House) -> None:
    second = TheirWebSocket()
    house.open(house.sid, second)
    assert house.hear() is None
    second.incoming.put("3:::hello")
    assert second.hear() == "3:::hello"
    house.request.join(PATIENCE)
    assert house.request.successful()


@pytest.mark.parametrize(
    "message", ["3:::" + "x" * 1000, "3:::" + "\u2603" * 400, b"3:::" + b"x" * 1000]
)
def test_a_message_over_the_limit_ends_it_and_is_logged(
    talk: dict[str, type[BaseNamespace]],
    journal: Transcript,
    caplog: pytest.LogCaptureFixture,
    message: str | bytes,
) -> None:
    house = House(talk, max_payload=1000)
    assert house.hear() == "1::"
    house.say(message)
    journal.next("disconnect", "", Reason.TRANSPORT_ERROR)
    house.request.join(PATIENCE)
    assert "more than 1000 bytes [message-too-large] (raise max_payload" in caplog.text
    assert journal.all("message") == []


def test_a_foreign_origin_is_refused(
    talk: dict[str, type[BaseNamespace]], journal: Transcript
) -> None:
    house = House(talk)
    websocket = TheirWebSocket()
    request = Request.blank(
        f"/socket.io/1/websocket/{house.sid}", headers={"Origin": "http://evil.example"}
    )
    request.environ["wsgi.websocket"] = websocket
    answer = request.get_response(house.middleware)
    assert answer.status_code == 403
    assert websocket.outgoing.empty()


def test_events_of_a_client_whose_handlers_are_slow_are_not_received(
    talk: dict[str, type[BaseNamespace]],
) -> None:
    house = House(talk, max_inbox=5)
    assert house.hear() == "1::"
    started, go_on = gevent.event.Event(), gevent.event.Event()
    handled: list[str] = []

    def slowly(data: str) -> None:
        started.set()
        go_on.wait()
        handled.append(data)

    house.socket[""].recv_message = slowly
    for number in range(100):
        house.say(f"3:::{number}")
    assert started.wait(PATIENCE)
    gevent.sleep(0)
    assert house.websocket.incoming.qsize() > 90
    go_on.set()
    eventually(lambda: len(handled) == 100, "all are handled")
    assert handled == [str(number) for number in range(100)]


def test_the_middleware_closes(house: House, journal: Transcript) -> None:
    house.middleware.close()
    journal.next("disconnect", "", Reason.SHUTDOWN)
    assert house.hear() is None
    house.request.join(PATIENCE)
    assert house.request.successful()


@pytest.mark.parametrize("packet", ["8::", "x"])
def test_a_flood_does_not_keep_the_others_waiting(
    talk: dict[str, type[BaseNamespace]], packet: str
) -> None:
    house = House(talk)
    line = Request.blank("/socket.io/1/").get_response(house.middleware).text
    flooder = TheirWebSocket()
    sid = line.split(":")[0]
    request = house.open(sid, flooder)
    assert (house.hear(), flooder.hear()) == ("1::", "1::")
    many = 20_000
    for _ in range(many):
        flooder.incoming.put(packet)
    house.say('5:1+::{"name":"echo"}')
    assert house.hear() == "6:::1"
    socket = house.middleware.registry.sockets[sid]
    assert socket.received + socket.bad_packets < many
    flooder.incoming.queue.clear()
    flooder.incoming.put(None)
    request.join(PATIENCE)


# ---- clients since 1.0


def session_of(middleware: SocketIOMiddleware, revision: int) -> str:
    url = f"/socket.io/?EIO={revision}&transport=polling"
    text = Request.blank(url).get_response(middleware).text
    sid: str = json.loads(text[text.index("{") :])["sid"]
    return sid


@pytest.mark.parametrize("revision", [3, 4])
def test_a_client_since_1_0(
    talk: dict[str, type[BaseNamespace]], journal: Transcript, revision: int
) -> None:
    middleware = SocketIOMiddleware(not_ours, talk)
    websocket = TheirWebSocket()
    request = Request.blank(f"/socket.io/?EIO={revision}&transport=websocket")
    request.environ["wsgi.websocket"] = websocket
    task = gevent.spawn(lambda: list(middleware(request.environ, unexpected)))
    assert websocket.hear().startswith('0{"sid":')
    if revision == 4:
        websocket.incoming.put("40")
    assert websocket.hear().startswith("40")
    websocket.incoming.put('451-1["echo",{"_placeholder":true,"num":0}]')
    websocket.incoming.put(b"\x00" if revision == 4 else b"\x04\x00")
    assert websocket.hear() == '461-1[{"_placeholder":true,"num":0}]'
    assert websocket.hear() == (b"\x00" if revision == 4 else b"\x04\x00")
    websocket.incoming.put("42{}")
    assert websocket.hear() is None
    journal.next("disconnect", "", Reason.FORCED_CLOSE)
    task.join(PATIENCE)
    assert task.successful()
    middleware.registry.check()


@pytest.mark.parametrize("revision", [3, 4])
def test_a_client_since_1_0_goes_over(
    talk: dict[str, type[BaseNamespace]], journal: Transcript, revision: int
) -> None:
    middleware = SocketIOMiddleware(not_ours, talk)
    sid = session_of(middleware, revision)
    for frames, ends in ((["what?"], True), (["2probe", "5"], False)):
        websocket = TheirWebSocket()
        request = Request.blank(f"/socket.io/?EIO={revision}&transport=websocket&sid={sid}")
        request.environ["wsgi.websocket"] = websocket
        task = gevent.spawn(lambda environ: list(middleware(environ, unexpected)), request.environ)
        for each in frames:
            websocket.incoming.put(each)
        if ends:
            assert websocket.hear() is None
            task.join(PATIENCE)
            assert task.successful()
            continue
        assert websocket.hear() == "3probe"
        if revision == 4:
            websocket.incoming.put("40")
        assert websocket.hear().startswith("40")
        websocket.incoming.put('421["echo"]')
        assert websocket.hear() == "431[]"
        websocket.incoming.put(None)
        journal.next("disconnect", "", Reason.TRANSPORT_CLOSE)
        task.join(PATIENCE)
        assert task.successful()
    middleware.registry.check()
