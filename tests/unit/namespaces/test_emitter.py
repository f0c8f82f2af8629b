"""Emitting from anywhere: ``middleware.of("/chat").to("lobby").emit("event", ...)``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import gevent
import gevent.pool
import pytest

from sockio import BaseNamespace, RoomsMixin, SocketIOMiddleware, UsageError
from sockio.http.manage import check_namespaces
from sockio.namespaces.emitter import Emitter
from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.server import SocketIOServer

from ...support.carriers import Client, House
from ...support.threads import in_a_native_thread
from ..conftest import MakeHouse


class Chat(BaseNamespace, RoomsMixin):
    pass


class Counting:
    """A ``json_dumps`` that counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, value: Any) -> str:
        self.calls += 1
        return json.dumps(value, separators=(",", ":"))


@pytest.fixture
def dumps() -> Counting:
    return Counting()


@pytest.fixture
def home(house: MakeHouse, dumps: Counting) -> House:
    return house({"": Chat, "/chat": Chat}, json_dumps=dumps)


@pytest.fixture
def clients(home: House) -> list[Client]:
    """Number 0 is in no room, 1 in "red", 2 in "blue", 3 in both."""
    clients = [home.client("/chat") for _ in range(4)]
    for number, rooms in enumerate([(), ("red",), ("blue",), ("red", "blue")]):
        for room in rooms:
            clients[number]["/chat"].join(room)
    return clients


HELLO = '5::/chat:{"name":"hello"}'

# ---- to whom


@pytest.mark.parametrize(
    ("narrowed", "numbers"),
    [
        pytest.param(lambda of: of, {0, 1, 2, 3}, id="every member"),
        pytest.param(lambda of: of.to("red"), {1, 3}, id="a room"),
        pytest.param(lambda of: of.to("red", "blue"), {1, 2, 3}, id="two rooms, each member once"),
        pytest.param(lambda of: of.to("red").to("blue"), {1, 2, 3}, id="one after the other"),
        pytest.param(lambda of: of.to("red", "red"), {1, 3}, id="the same room twice"),
        pytest.param(lambda of: of.to("green"), set(), id="a room that nobody is in"),
        pytest.param(lambda of: of.to(), set(), id="no rooms: nobody"),
    ],
)
def test_whom_it_reaches(
    home: House, clients: list[Client], narrowed: Callable[[Emitter], Emitter], numbers: set[int]
) -> None:
    emitter = narrowed(home.middleware.of("/chat"))
    assert set(emitter.sockets()) == {clients[number].socket for number in numbers}
    emitter.emit("hello")
    heard = [client.hears() for client in clients]
    assert heard == [[HELLO] if number in numbers else [] for number in range(4)]


def test_skip_leaves_out_by_session_id(home: House, clients: list[Client]) -> None:
    one, two = clients[1].socket, clients[2].socket
    emitter = home.middleware.of("/chat").skip(one.sessid).skip(two.sessid, "nobody's")
    assert set(emitter.sockets()) == {clients[0].socket, clients[3].socket}
    emitter.to("red", "blue").emit("hello")
    assert [len(client.hears()) for client in clients] == [0, 0, 0, 1]


def test_an_emitter_never_changes(home: House, clients: list[Client]) -> None:
    everybody = home.middleware.of("/chat")
    everybody.to("red")
    everybody.skip(clients[0].socket.sessid)
    assert len(everybody.sockets()) == 4


def test_an_emitter_serves_those_who_are_there_when_it_emits(
    home: House, clients: list[Client]
) -> None:
    red = home.middleware.of("/chat").to("red")
    clients[0]["/chat"].join("red")
    clients[1].hangs_up()
    assert set(red.sockets()) == {clients[0].socket, clients[3].socket}


def test_what_cannot_be_a_room_is_the_callers_mistake(home: House) -> None:
    with pytest.raises(UsageError, match="several rooms as several arguments"):
        home.middleware.of("/chat").to(["red", "blue"])  # type: ignore[arg-type]


# ---- what


@pytest.mark.parametrize(
    ("send", "packet"),
    [
        pytest.param(
            lambda of: of.emit("e", 1, [2]), '5::/chat:{"name":"e","args":[1,[2]]}', id="emit"
        ),
        pytest.param(lambda of: of.send("text"), "3::/chat:text", id="send"),
        pytest.param(lambda of: of.send({"a": 1}, json=True), '4::/chat:{"a":1}', id="send json"),
    ],
)
def test_what_it_sends(
    home: House, clients: list[Client], send: Callable[[Emitter], None], packet: str
) -> None:
    send(home.middleware.of("/chat").to("red"))
    assert clients[1].hears() == [packet]


def test_a_volatile_packet_is_dropped_where_it_would_wait(
    home: House, clients: list[Client]
) -> None:
    clients[1].stream.stuck = True
    home.middleware.of("/chat").to("red").emit("tick", volatile=True)
    home.middleware.of("/chat").to("red").send("tock", volatile=True)
    clients[1].stream.reads_again()
    assert [len(client.hears()) for client in clients] == [0, 0, 0, 2]


def test_what_is_no_json_is_the_callers_mistake_even_if_nobody_is_there(home: House) -> None:
    home.client("/chat")
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        home.middleware.of("/chat").emit("x", object())


# ---- how


def test_d83_a_broadcast_is_encoded_once_whatever_the_number_of_members(
    home: House, clients: list[Client], dumps: Counting
) -> None:
    clients[0].stream.stuck = True
    clients.append(Client(home))
    clients[-1].polls()
    clients[-1].posts("1::/chat")
    dumps.calls = 0
    home.middleware.of("/chat").emit("hello", {"large": "object"})
    assert dumps.calls == 1
    assert len(home.middleware.of("/chat").sockets()) == 5


def test_d83_all_members_share_the_bytes(home: House, clients: list[Client]) -> None:
    for client in clients:
        client.stream.stuck = True
    home.middleware.of("/chat").emit("hello")
    packets = [client.socket.take(client.stream, 100) for client in clients]
    assert len({id(packet) for [packet] in packets}) == 1


def test_d83_members_with_json_functions_of_their_own_get_their_own_encoding(
    home: House, clients: list[Client], dumps: Counting
) -> None:
    other = Counting()
    clients[0].socket.set_json(None, other)
    dumps.calls = 0
    home.middleware.of("/chat").emit("hello")
    assert (dumps.calls, other.calls) == (1, 1)
    assert [client.hears() for client in clients] == [[HELLO]] * 4


def test_d83_members_may_leave_and_join_while_it_goes_round(
    home: House, clients: list[Client]
) -> None:
    """A stream that is full up and closed in the middle of the round takes its member along."""
    limit = home.registry.settings.max_outbox[0]
    clients[0].stream.stuck = True
    for _ in range(limit):
        clients[0]["/chat"].emit("fill")
    home.middleware.of("/chat").emit("hello")
    assert not clients[0].socket.connected
    assert [client.hears() for client in clients[1:]] == [[HELLO]] * 3


# ---- from where


def test_m12_it_works_from_any_greenlet(home: House, clients: list[Client]) -> None:
    gevent.spawn(home.middleware.of("/chat").to("red").emit, "hello").join()
    assert clients[1].hears() == [HELLO]


def test_d89_and_from_a_native_thread(home: House, clients: list[Client]) -> None:
    in_a_native_thread(lambda: home.middleware.of("/chat").to("red").emit("hello"))
    assert [client.hears() for client in clients] == [[], [HELLO], [], [HELLO]]


def test_d89_what_is_sent_from_a_thread_is_what_it_was_then(
    home: House, clients: list[Client]
) -> None:
    def emit_and_go_on() -> None:
        data = {"a": 1}
        home.middleware.of("/chat").to("red").emit("data", data)
        home.middleware.of("/chat").to("red").send(data, json=True)
        data.clear()

    in_a_native_thread(emit_and_go_on)
    assert clients[1].hears() == ['5::/chat:{"name":"data","args":[{"a":1}]}', '4::/chat:{"a":1}']


def test_d89_a_mistake_shows_in_the_thread_that_made_it(home: House) -> None:
    with pytest.raises(UsageError):
        in_a_native_thread(lambda: home.middleware.of("/chat").emit("x", object()))


def test_it_is_told_by_the_name_of_the_event(house: MakeHouse) -> None:
    for everybody in (house().middleware.of("/chat"), house(generations="0.9").middleware.of("")):
        with pytest.raises(UsageError, match="event 'x' cannot be written as JSON"):
            in_a_native_thread(partial(everybody.emit, "x", object()))


def emit_all(emitter: Emitter, numbers: Iterable[int]) -> None:
    for number in numbers:
        emitter.emit("n", number)


def test_d89_many_threads_at_once_lose_nothing(home: House, clients: list[Client]) -> None:
    red = home.middleware.of("/chat").to("red")
    threads = gevent.pool.Pool()
    for start in range(0, 400, 50):
        threads.spawn(in_a_native_thread, partial(emit_all, red, range(start, start + 50)))
    threads.join(raise_error=True)
    packets = clients[1].hears()
    numbers = [json.loads(packet.removeprefix("5::/chat:"))["args"][0] for packet in packets]
    assert sorted(numbers) == list(range(400))
    for start in range(0, 400, 50):
        own = [number for number in numbers if start <= number < start + 50]
        assert own == sorted(own)  # those of one thread keep their order


def test_an_emit_before_the_first_request_reaches_nobody_and_harms_nobody(
    house: MakeHouse,
) -> None:
    house().middleware.of("/chat").emit("hello")


@pytest.mark.parametrize("come_and_gone", [False, True])
def test_what_is_no_json_raises_while_nobody_is_connected(
    house: MakeHouse, come_and_gone: bool
) -> None:
    home = house({"": Chat, "/chat": Chat})
    if come_and_gone:
        client = home.client("/chat")
        home.middleware.of("/chat").emit("hello", 1)
        client.hangs_up()
        assert not home.registry.sockets
    for emitter in (home.middleware.of("/chat"), home.middleware.of("/chat").to("red")):
        with pytest.raises(UsageError, match=r"event 'hello'.*object"):
            emitter.emit("hello", object())
        with pytest.raises(UsageError):
            emitter.send(object(), json=True)
        emitter.emit("hello", {"a": b"bytes"})


def test_nothing_is_written_for_a_room_that_is_empty(
    home: House, dumps: Counting, clients: list[Client]
) -> None:
    before = dumps.calls
    home.middleware.of("/chat").to("nobody's").emit("hello", object())
    assert dumps.calls == before


def test_in_a_process_without_a_server_nothing_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GeventRuntime, "server_made", False)
    SocketIOMiddleware(no_pages, {"/chat": Chat}).of("/chat").emit("hello", object())


def test_a_name_without_its_slash_is_told_so(house: MakeHouse) -> None:
    with pytest.raises(UsageError, match="'/chat'"):
        house({"/chat": Chat}).middleware.of("chat")


# ---- a namespace that there is not


def unknown_ones(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "emit-to-unknown" in each.getMessage()]


@pytest.mark.parametrize(
    "emit",
    [
        lambda e: e.emit("x"),
        lambda e: e.to("red").send("x"),
        lambda e: e.call("x"),
        lambda e: e.join("red"),
        lambda e: e.leave("red"),
        lambda e: e.disconnect(),
    ],
)
def test_an_emit_to_a_namespace_that_there_is_not_is_told_once(
    home: House, emit: Callable[[Emitter], object], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("/typo", "/typo", "/chat", "", "/other", "/typo"):
        emit(home.middleware.of(name))
    first, second = unknown_ones(caplog)
    assert "of('/typo') reaches nobody" in first
    assert "known: '', '/chat'" in first
    assert "of('/other')" in second


def test_from_a_native_thread_too(home: House, caplog: pytest.LogCaptureFixture) -> None:
    in_a_native_thread(lambda: home.middleware.of("/typo").emit("x"))
    home.runtime.settle()
    assert len(unknown_ones(caplog)) == 1


def test_where_views_give_the_namespaces_nothing_is_known_before_the_first_client(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    home = house({})
    home.middleware.of("/typo").emit("x")
    assert unknown_ones(caplog) == []
    home.middleware.namespaces = check_namespaces(
        {"/chat": Chat}
    )  # as a view would have given them
    home.client("/chat")
    for name in ("/chat", "/typo", "/typo"):
        home.middleware.of(name).emit("x")
    assert len(unknown_ones(caplog)) == 1


def test_names_without_number_are_not_remembered(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        home.middleware.of(f"/room/{number}").emit("x")
    assert len(home.registry._unknown) == 100
    assert len(unknown_ones(caplog)) == home.registry.settings.log_lines


def no_pages(environ: object, start_response: Callable[..., object]) -> list[bytes]:
    raise AssertionError("nobody asks")


@pytest.mark.parametrize("namespaces", [{"/chat": Chat}, {}], ids=["a mapping", "given by a view"])
def test_where_no_server_runs_nothing_is_sent_and_the_log_says_so_once(
    namespaces: dict[str, type[Chat]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GeventRuntime, "server_made", False)
    middleware = SocketIOMiddleware(no_pages, namespaces)
    everybody = middleware.of("/chat")
    everybody.to("red").emit("news", "text")
    everybody.skip("x").send("text")
    assert everybody.sockets() == []
    assert everybody.call("ready?") == ({}, [])
    (said,) = [each for each in caplog.records if "of()" in each.getMessage()]
    assert said.levelname == "WARNING"
    assert "no server runs in this process" in said.getMessage()
    assert "ask a view" in said.getMessage()


@pytest.mark.parametrize("hidden", [False, True], ids=["found", "hidden"])
def test_a_server_that_has_not_begun_is_one(
    hidden: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a middleware that it cannot see before the first request."""
    monkeypatch.setattr(GeventRuntime, "server_made", False)
    middleware = SocketIOMiddleware(no_pages, {"/chat": Chat})
    SocketIOServer(("127.0.0.1", 0), partial(middleware) if hidden else middleware)
    middleware.of("/chat").emit("news", "text")
    assert "no-server" not in caplog.text
