"""Two thousand clients come and go in every way there is, and leave nothing behind."""

from __future__ import annotations

import gc
import logging
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, BroadcastMixin, Reason, RoomsMixin
from sockio.protocol.generations import EIO3, EIO4, Generation
from sockio.sessions.engine_socket import EngineSocket
from sockio.sessions.outbox import Outgoing
from sockio.transports.engine_websocket import Probe

from ...support.carriers import Client, House, Poll, Stream
from ..conftest import MakeHouse


@pytest.fixture(autouse=True)
def no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Captured records would hold the sockets that they speak of."""
    caplog.set_level(logging.CRITICAL, "sockio")


class Busy(BaseNamespace, RoomsMixin, BroadcastMixin):
    """Holds on to what a namespace can hold on to."""

    def recv_connect(self) -> Any:
        self.join("lobby")
        self.join(("own", self.socket.sessid))
        self.spawn(gevent.sleep, 10_000)
        self.emit("welcome", callback=lambda: None)
        self.broadcast_event("joined")
        return self.session.get("welcome")

    def on_ask(self) -> None:
        self.call("question")

    def recv_disconnect(self) -> None:
        self.emit_to_room("lobby", "left")


ASK = '5:1+:/a:{"name":"ask"}'


def only_handshakes(home: House) -> None:
    home.handshake()


def polls_once(home: House) -> None:
    Client(home).polls()


def hangs_up(home: House) -> None:
    Client(home).opens("/a", "/b").hangs_up()


def hangs_up_at_once(home: House) -> None:
    client = Client(home).opens("/a")
    client.stream.hangs_up()


def is_asked_a_question_and_hangs_up(home: House) -> None:
    client = Client(home).opens("/a")
    client.sends(ASK)
    client.hangs_up()


def says_goodbye(home: House) -> None:
    Client(home).opens("/a").sends("0::")


def is_refused(home: House) -> None:
    client = Client(home)
    client.socket.session["welcome"] = False
    client.opens()
    client.hears()


def stops_reading(home: House) -> None:
    client = Client(home).opens("/a")
    client.hears()
    client.stream.stuck = True
    for _ in range(12):
        client.socket.send_packet({"type": "message", "data": "x" * 100})


def is_thrown_out_between_two_polls(home: House) -> None:
    client = Client(home)
    client.polls()
    client.posts("1::/a", "garbage", ASK)
    client.socket.disconnect()


def leaves_a_poll_behind(home: House) -> None:
    client = Client(home)
    client.polls("unread")
    client.polls("being written")
    client.polls()


# ---- clients since 1.0


def engine(home: House, generation: Generation = EIO4) -> EngineSocket:
    socket = home.registry.create("10.0.0.1", generation)
    assert isinstance(socket, EngineSocket)
    socket.namespaces = home.middleware.namespaces or {}
    socket.environ = {"socketio": socket, "REMOTE_ADDR": "10.0.0.1"}
    socket.welcome("0{}")
    home.registry.admit(socket)
    return socket


def polled(home: House, socket: EngineSocket) -> Poll:
    poll = Poll(socket)
    poll.name = "polling"
    socket.attach(poll)
    home.runtime.settle()
    return poll


def joined(home: House, generation: Generation = EIO4) -> tuple[EngineSocket, Stream]:
    """By a websocket."""
    socket = engine(home, generation)
    stream = Stream(socket)
    socket.attach(stream)
    stream.brings(*(["40"] if generation is EIO4 else []), "40/a,", "40/b,")
    home.runtime.settle()
    return socket, stream


def opens_and_does_not_come_back(home: House) -> None:
    polled(home, engine(home))


def joins_nothing(home: House) -> None:
    socket = engine(home)
    socket.attach(Stream(socket))


def closes_its_websocket(home: House) -> None:
    _, stream = joined(home)
    stream.hangs_up()


def of_2_x_closes_its_websocket(home: House) -> None:
    _, stream = joined(home, EIO3)
    stream.brings('42/a,1["ask"]')
    stream.hangs_up()


def says_goodbye_by_packet(home: House) -> None:
    _, stream = joined(home)
    stream.brings("41/a,", "1")


def breaks_the_protocol(home: House) -> None:
    _, stream = joined(home)
    stream.brings('42["ask"]', "42{}")


def keeps_attachments_to_itself(home: House) -> None:
    _, stream = joined(home)
    stream.brings('452-["x"]')
    stream.socket.receive(b"one")


def loses_its_poll(home: House) -> None:
    socket = engine(home)
    polled(home, socket)
    socket.receive("40")
    home.runtime.settle()
    polled(home, socket)
    polled(home, socket).hangs_up()


def asks_beside_its_poll(home: House) -> None:
    socket = engine(home)
    polled(home, socket)
    polled(home, socket)
    socket.violate(ValueError("second"))  # type: ignore[arg-type]


class Tried(Stream):
    """A websocket that is tried out."""

    def say(self, text: bytes) -> None:
        self.write(Outgoing(text.decode()))

    def serve(self, socket: Any) -> None:
        self.socket = socket
        socket.attach(self)


def tries(home: House) -> tuple[EngineSocket, Tried]:
    socket = engine(home)
    polled(home, socket)
    probe: Any = Probe(socket, home)  # type: ignore[arg-type]
    tried = Tried(probe)
    probe.attach(tried)
    tried.brings("2probe")
    return socket, tried


def goes_over(home: House) -> None:
    _, tried = tries(home)
    tried.brings("5", "40", "40/a,", '42/a,1["ask"]')
    home.runtime.settle()
    tried.hangs_up()


def gives_up_half_way(home: House) -> None:
    _, tried = tries(home)
    tried.brings("what?")


def leaves_what_it_tries(home: House) -> None:
    tries(home)


def ends_while_it_tries(home: House) -> None:
    socket, _ = tries(home)
    socket.receive("1")


WAYS: list[Callable[[House], None]] = [
    only_handshakes,
    polls_once,
    hangs_up,
    hangs_up_at_once,
    is_asked_a_question_and_hangs_up,
    says_goodbye,
    is_refused,
    stops_reading,
    is_thrown_out_between_two_polls,
    leaves_a_poll_behind,
    opens_and_does_not_come_back,
    joins_nothing,
    closes_its_websocket,
    of_2_x_closes_its_websocket,
    says_goodbye_by_packet,
    breaks_the_protocol,
    keeps_attachments_to_itself,
    loses_its_poll,
    asks_beside_its_poll,
    goes_over,
    gives_up_half_way,
    leaves_what_it_tries,
    ends_while_it_tries,
]


def come_and_go(home: House, cycles: int) -> None:
    for number in range(cycles):
        WAYS[number % len(WAYS)](home)
        if number % 100 == 99:
            home.runtime.advance(150)
    home.runtime.advance(150)


def census() -> Counter[str]:
    """How many objects of sockio's own classes there are, and greenlets."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        kind.__qualname__
        for kind in kinds
        if str(kind.__module__).startswith(("sockio", __name__)) or kind is gevent.Greenlet
    )


@pytest.mark.alone
def test_p1_two_thousand_sessions_leave_nothing_behind(house: MakeHouse) -> None:
    home = house({"": Busy, "/a": Busy, "/b": Busy}, max_outbox=(10, 10_000))
    come_and_go(home, 200)  # what is made once for all is made now
    before = census()
    come_and_go(home, 2_000)
    assert home.is_empty()
    assert len(home.registry) == 0
    assert not census() - before  # what is more than it was


def remember_sessions(home: House) -> list[weakref.ref[Any]]:
    """References to the sessions that are made from now on."""
    known: list[weakref.ref[Any]] = []
    create = home.registry.create

    def remember(address: str, generation: Any = None, token: str | None = None) -> Any:
        socket = create(address, generation, token)
        known.append(weakref.ref(socket))
        return socket

    home.registry.create = remember  # type: ignore[method-assign]
    return known


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_p1_a_session_that_ended_is_not_held_by_anything_but_its_own_cycle(
    house: MakeHouse, way: Callable[[House], None]
) -> None:
    home = house({"": Busy, "/a": Busy, "/b": Busy}, max_outbox=(10, 10_000))
    known = remember_sessions(home)
    way(home)
    home.runtime.advance(150)
    gc.collect()
    assert [reference() for reference in known] == [None]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_p1_a_session_that_ended_is_freed_at_once(
    house: MakeHouse, way: Callable[[House], None]
) -> None:
    """Anybody can make thousands: the garbage collector would stop everything to free them."""
    home = house(dict.fromkeys(("", "/a", "/b"), BaseNamespace), max_outbox=(10, 10_000))
    known = remember_sessions(home)
    gc.collect()
    gc.disable()
    try:
        way(home)
        home.runtime.advance(150)
        assert [reference() for reference in known] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("end", [Reason.EVICTED, Reason.UNOPENED, Reason.SHUTDOWN])
def test_p1_a_session_that_nobody_opened_is_freed_at_once(house: MakeHouse, end: str) -> None:
    """Anybody can make thousands: the garbage collector would stop everything to free them."""
    home = house({"": Busy}, max_unopened=1)
    known = remember_sessions(home)
    gc.disable()
    try:
        home.handshake()
        if end == Reason.EVICTED:
            home.handshake()
        elif end == Reason.UNOPENED:
            home.runtime.advance(150)
        else:
            home.registry.close_all()
        assert known[0]() is None
    finally:
        gc.enable()
