"""Each fast path of a websocket: that it is taken, and that without it the same bytes go out."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import gevent
import pytest
from gevent.event import Event

from sockio import BaseNamespace, BroadcastMixin
from sockio.config import FAST_PATHS

from ..support.raw_websocket import PING, TEXT, RawWebSocket, frame, open_session
from ..support.servers import Served

mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="unmarked")


class Busy(BaseNamespace, BroadcastMixin):
    """Does what an application does."""

    tasks: ClassVar[list[Any]] = []
    gate: ClassVar[Event] = Event()

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_shout(self, text: str) -> None:
        self.broadcast_event("shout", text)

    def on_who(self) -> None:
        self.tasks.append(gevent.getcurrent())

    def on_mark(self, value: str) -> str:
        before = mark.get()
        mark.set(value)
        return before

    def on_wait(self) -> str:
        self.emit("before")
        self.gate.wait()
        return "after"

    def on_many(self, count: int) -> None:
        for number in range(count):
            self.emit("number", number)

    def on_fail(self) -> None:
        raise RuntimeError("on purpose")

    def recv_message(self, data: str) -> None: ...


@pytest.fixture
def start(serve: Callable[..., Served]) -> Iterator[Callable[..., Served]]:
    """``server = start(without=...)``; every fast path is taken if it is not said otherwise."""
    Busy.tasks.clear()
    Busy.gate.clear()
    yield lambda without="": serve(namespaces={"": Busy, "/chat": Busy}, without=without)
    Busy.gate.set()


def event(name: str, args: str = "[]", ack: str = "") -> str:
    return f'5:{ack}::{{"name":"{name}","args":{args}}}'


def carrier_of(server: Served, client: RawWebSocket) -> Any:
    return server.registry.sockets[client.sid]._carrier


def watch_writes(carrier: Any) -> list[bytes]:
    """What the carrier gives to the kernel from now on, call by call."""
    writes: list[bytes] = []
    send = carrier._send

    def sending(data: bytes) -> int:
        writes.append(bytes(data))
        sent: int = send(data)
        return sent

    carrier._send = sending
    return writes


@pytest.mark.parametrize(("without", "count"), [("", 1), ("join", 4)])
def test_what_one_read_sets_off_leaves_in_one_write(
    start: Callable[..., Served], without: str, count: int
) -> None:
    server = start(without)
    with open_session(server.port) as speaker, open_session(server.port) as listener:
        writes = watch_writes(carrier_of(server, listener))
        speaker.send(b"".join(frame(TEXT, event("shout", f'["{n}"]')) for n in range(4)))
        for number in range(4):
            heard = f'5:::{{"name":"shout","args":["{number}"]}}'
            assert speaker.hear() == listener.hear() == heard
        assert len(writes) == count
        expected = [event("shout", f'["{n}"]') for n in range(4)]
        assert b"".join(writes) == b"".join(
            bytes([0x81, len(text)]) + text.encode() for text in expected
        )


def test_a_turn_that_sends_much_does_not_collect_it_all(start: Callable[..., Served]) -> None:
    server = start()
    with open_session(server.port) as client:
        writes = watch_writes(carrier_of(server, client))
        client.say(event("many", "[1000]"))
        for number in range(1000):
            assert client.hear() == f'5:::{{"name":"number","args":[{number}]}}'
        assert 1000 / 64 <= len(writes) < 100


def test_what_a_handler_sent_before_it_waits_does_not_wait(start: Callable[..., Served]) -> None:
    server = start()
    with open_session(server.port) as client, open_session(server.port) as other:
        client.say(event("wait", ack="1+"))
        assert client.hear() == '5:::{"name":"before"}'
        # Nor does anybody else.
        other.say(event("echo", '["here"]', ack="1+"))
        assert other.hear() == '6:::1+["here"]'
        Busy.gate.set()
        assert client.hear() == '6:::1+["after"]'


@pytest.mark.parametrize("without", ["", "workers"])
def test_a_task_is_used_again(start: Callable[..., Served], without: str) -> None:
    server = start(without)
    with open_session(server.port) as one, open_session(server.port) as two:
        for client in (one, two, one):
            client.say(event("who", ack="1+"))
            assert client.hear() == "6:::1"
    assert len(set(Busy.tasks)) == (3 if without else 1)


def test_a_task_that_waits_is_not_used_for_others(start: Callable[..., Served]) -> None:
    server = start()
    with open_session(server.port) as one, open_session(server.port) as two:
        one.say(event("wait", ack="1+"))
        assert one.hear() == '5:::{"name":"before"}'
        two.say(event("who", ack="1+"))
        two.say(event("fail", ack="2+"))
        assert two.hear() == "6:::1"
        assert two.hear().startswith('6:::2+[{"error":"internal_error"')
        Busy.gate.set()
        assert one.hear() == '6:::1+["after"]'


@pytest.mark.parametrize("without", ["", "workers"])
def test_a_context_variable_is_not_found_by_a_later_event(
    start: Callable[..., Served], without: str
) -> None:
    server = start(without)
    with open_session(server.port) as client:
        for value in ("first", "second"):
            client.say(event("mark", f'["{value}"]', ack="1+"))
            assert client.hear() == '6:::1+["unmarked"]'


@pytest.mark.parametrize(("without", "count"), [("", 3), ("frames", 0)])
def test_whole_texts_are_read_the_short_way(
    start: Callable[..., Served], without: str, count: int
) -> None:
    server = start(without)
    with open_session(server.port) as client:
        for number in range(3):
            client.say(event("echo", f"[{number}]", ack="1+"))
            assert client.hear() == f"6:::1+[{number}]"
        assert carrier_of(server, client)._reader.shortly == count


@pytest.mark.parametrize(("without", "type_name"), [("", "Watched"), ("detach", "Blocking")])
def test_the_connection_is_taken_out_of_its_request(
    start: Callable[..., Served], without: str, type_name: str
) -> None:
    server = start(without)
    with open_session(server.port) as client:
        assert type(carrier_of(server, client)._stream).__name__ == f"{type_name}Stream"


def session_of_an_application(server: Served) -> list[tuple[int, bytes]]:
    """Everything that a client hears in a session with a bit of everything."""
    heard: list[tuple[int, bytes]] = []

    def hear(count: int) -> None:
        for _ in range(count):
            got = client.read_frame()
            heard.append((got.opcode, bytes(got.payload)))

    with open_session(server.port) as client:
        client.say("1::/chat")
        hear(1)
        client.say('5:1+:/chat:{"name":"echo","args":["\\u00fc\\u2028",1.5,null,{"a":[]}]}')
        hear(1)
        client.send(b"".join(frame(TEXT, event("shout", f'["{n}"]')) for n in range(5)))
        hear(5)
        client.say(event("many", "[200]"))
        hear(200)
        client.say(event("fail", ack="7+"))
        hear(1)
        client.say("9:::not a packet")
        hear(1)
        client.send(frame(PING, "are you there?"))
        hear(1)
        client.send(frame(TEXT, '5:8+::{"name":"echo",', fin=False) + frame(0, '"args":["x"]}'))
        hear(1)
        client.say("3:4::" + "x" * 70_000)
        hear(1)
        client.say("0::/chat")
        client.say("0::")
        hear(1)
        heard.append((8, client.closing().to_bytes(2, "big")))
    return heard


@pytest.mark.parametrize("without", [*FAST_PATHS, ",".join(FAST_PATHS)])
def test_without_it_the_same_bytes_go_out(start: Callable[..., Served], without: str) -> None:
    assert session_of_an_application(start(without)) == session_of_an_application(start())
