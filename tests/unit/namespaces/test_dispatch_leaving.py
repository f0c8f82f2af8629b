"""Leaving: every namespace that was let in is told exactly once, in its turn, and not too late."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, Reason, RoomsMixin
from sockio.namespaces.dispatch import PATIENCE
from sockio.virtsocket import State

from ...support.carriers import Client, House
from ..conftest import MakeHouse

SAY, WAIT = '5::/s:{"name":"say","args":["%s"]}', '5::/s:{"name":"wait"}'


class Story(BaseNamespace, RoomsMixin):
    """Writes down, in the session, what happens to it."""

    def tell(self, what: str) -> None:
        self.session.setdefault("story", []).append((self.ns_name, what))

    def recv_connect(self) -> None:
        self.join("lobby")

    def on_say(self, text: str) -> None:
        self.tell(text)

    def on_wait(self) -> None:
        self.tell("waiting")
        self.session["door"].wait()
        self.tell("waited")

    def on_kick_me(self) -> None:
        self.disconnect()
        self.tell("kicked")

    def recv_disconnect(self, reason: str) -> None:
        self.tell(reason)


class Other(Story):
    pass


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Story, "/s": Story, "/o": Other})


@pytest.fixture
def client(home: House) -> Client:
    client = home.client("/s", "/o")
    client.socket.session["door"] = home.door()
    return client


def story(client: Client, *endpoints: str) -> list[str]:
    """What was written down, in all namespaces or in these."""
    entries = client.socket.session.get("story", [])
    return [what for where, what in entries if not endpoints or where in endpoints]


# ---- the session ends

ENDS: list[Any] = [
    pytest.param(lambda c: c.sends("0::"), Reason.CLIENT, id="the client says goodbye"),
    pytest.param(lambda c: c.hangs_up(), Reason.TRANSPORT_CLOSE, id="the connection breaks"),
    pytest.param(
        lambda c: c.stream.hangs_up(Reason.TRANSPORT_ERROR), Reason.TRANSPORT_ERROR, id="an error"
    ),
    pytest.param(
        lambda c: c.house.runtime.advance(90), Reason.HEARTBEAT_TIMEOUT, id="no heartbeat"
    ),
    pytest.param(lambda c: c.socket.disconnect(), Reason.SERVER, id="thrown out"),
    pytest.param(lambda c: c[""].disconnect(), Reason.SERVER, id="out of the global namespace"),
    pytest.param(lambda c: c.house.registry.close_all(), Reason.SHUTDOWN, id="the server ends"),
]


@pytest.mark.parametrize(("end", "reason"), ENDS)
def test_every_namespace_is_told_exactly_once_and_why(
    client: Client, end: Callable[[Client], object], reason: str
) -> None:
    end(client)
    client.hears()
    assert story(client) == [reason] * 3
    assert client.socket.active_ns == {}
    assert client.house.is_empty()


@pytest.mark.parametrize(("end", "reason"), ENDS)
def test_d34_a_hook_that_fails_keeps_no_other_from_being_told(
    house: MakeHouse, end: Callable[[Client], object], reason: str
) -> None:
    class Failing(Story):
        def recv_disconnect(self, reason: str) -> None:
            self.tell("failing")
            raise RuntimeError

    class TimingOut(Story):
        def recv_disconnect(self, reason: str) -> None:
            self.tell("timing out")
            raise gevent.Timeout(1)

    client = house({"": Story, "/f": Failing, "/t": TimingOut, "/s": Story}).client(
        "/f", "/t", "/s"
    )
    end(client)
    client.hears()
    assert story(client) == [reason, "failing", "timing out", reason]
    assert client.house.is_empty()


@pytest.mark.parametrize(
    ("hook", "given"),
    [
        pytest.param(lambda self: self.tell("no argument"), "no argument", id="nothing"),
        pytest.param(lambda self, reason: self.tell(reason), Reason.CLIENT, id="reason"),
        pytest.param(lambda self, packet: self.tell(packet["type"]), "disconnect", id="packet"),
        pytest.param(
            lambda self, packet, reason: self.tell(packet["endpoint"] + reason),
            "/h" + Reason.CLIENT,
            id="both",
        ),
        pytest.param(
            lambda self, reason, packet: self.tell(packet["endpoint"] + reason),
            "/h" + Reason.CLIENT,
            id="both, the other way round",
        ),
        pytest.param(
            lambda self, timeout=5, reason=None: self.tell(reason),
            Reason.CLIENT,
            id="behind others",
        ),
        pytest.param(lambda self, *args: self.tell(str(args)), "()", id="whatever comes"),
    ],
)
def test_d46b_the_hook_gets_what_its_parameters_ask_for(
    house: MakeHouse, hook: Callable[..., Any], given: str
) -> None:
    client = house({"/h": type("Ns", (Story,), {"recv_disconnect": hook})}).client("/h")
    client.sends("0::")
    assert story(client) == [given]


def test_d45_a_decorated_hook_gets_it_too(house: MakeHouse) -> None:
    def logged(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def wrapper(*args: Any) -> Any:  # no keyword arguments: events have none
            return fn(*args)

        return wrapper

    class Ns(Story):
        @logged
        def recv_disconnect(self, reason: str) -> None:
            self.tell(reason)

    client = house({"/h": Ns}).client("/h")
    client.sends("0::")
    assert story(client) == [Reason.CLIENT]


def test_errors_of_the_hook_can_be_handled_by_the_application(house: MakeHouse) -> None:
    class Ns(Story):
        def recv_disconnect(self, reason: str) -> None:
            raise RuntimeError(reason)

        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any) -> Any:
                try:
                    return fn(*args)
                except RuntimeError as error:
                    self.tell(f"{fn.__name__}: {error}")

            return wrapper

    client = house({"/h": Ns}).client("/h")
    client.sends("0::")
    assert story(client) == [f"recv_disconnect: {Reason.CLIENT}"]


# ---- one namespace is left


def test_d44_leaving_one_namespace_leaves_the_others_and_is_not_answered(client: Client) -> None:
    assert client.sends("0::/s") == []
    assert story(client) == [Reason.NAMESPACE_CLIENT]
    assert list(client.socket.active_ns) == ["", "/o"]
    assert client.house.middleware.of("/s").sockets() == []
    assert client.sends('5:1+:/o:{"name":"say","args":["x"]}') == ["6::/o:1"]


def test_d44_no_acl_keeps_anybody_in(house: MakeHouse) -> None:
    class Locked(Story):
        def get_initial_acl(self) -> list[str]:
            return []

    client = house({"/l": Locked}).client("/l")
    client.sends("0::/l")
    assert story(client) == [Reason.NAMESPACE_CLIENT]
    assert "/l" not in client.socket


def test_d42_leaving_the_last_namespace_does_not_end_the_session(house: MakeHouse) -> None:
    client = house({"/s": Story}).client("/s")
    client.sends("0::/s")
    assert client.socket.connected
    assert client.sends("1::/s") == ["1::/s"]


def test_the_server_throws_a_client_out_of_one_namespace(client: Client) -> None:
    client["/s"].disconnect()
    assert client.hears() == ["0::/s"]
    assert story(client) == [Reason.NAMESPACE_SERVER]
    assert client.socket.connected


def test_d32_or_does_so_silently(client: Client) -> None:
    client["/s"].disconnect(silent=True)
    assert client.hears() == []
    assert story(client) == [Reason.NAMESPACE_SERVER]


@pytest.mark.parametrize("times", [2, 3])
def test_leaving_twice_is_leaving_once(client: Client, times: int) -> None:
    namespace = client["/s"]
    for _ in range(times):
        namespace.disconnect()
        client.stream.brings("0::/s")
    assert client.hears() == ["0::/s"]
    assert story(client) == [Reason.NAMESPACE_SERVER]


def test_d32_the_default_hook_calls_disconnect_for_those_who_clean_up_there(
    house: MakeHouse,
) -> None:
    calls: list[bool] = []

    class Old(BaseNamespace):
        def disconnect(self, silent: bool = False) -> None:
            calls.append(silent)
            super().disconnect(silent)

    client = house({"/old": Old}).client("/old")
    assert client.sends("0::/old") == []
    assert calls == [True]
    assert client.socket.connected


# ---- what is and what ceases


def test_m51_in_the_hook_the_rooms_are_still_joined_and_the_client_is_beyond_reach(
    house: MakeHouse,
) -> None:
    class Ns(Story):
        def recv_disconnect(self, reason: str) -> None:
            self.tell(", ".join(map(str, self.rooms)))
            self.emit_to_room("lobby", "gone", include_self=True)
            self.tell(str(self.emit("unheard")))
            self.join("another room")
            self.leave("no room of mine")

    home = house({"/n": Ns})
    client, other = home.client("/n"), home.client("/n")
    assert client.sends("0::/n") == []
    assert story(client) == ["lobby", "False"]
    assert other.hears() == ['5::/n:{"name":"gone"}']


def test_d82_rooms_callbacks_and_tasks_end_with_the_namespace(client: Client) -> None:
    namespace = client["/s"]
    job = namespace.spawn(client.house.door().wait)
    namespace.emit("question", callback=lambda: None)
    client.sends("0::/s")
    assert namespace.rooms == frozenset()
    assert job.dead
    assert client.socket.deadline() == client.house.runtime.now() + 25  # only the heartbeat's
    late = namespace.spawn(client.house.door().wait)
    client.hears()
    assert late.dead


def test_an_ended_session_takes_no_packet_to_a_handler(client: Client) -> None:
    client.socket.disconnect()
    client.sends(SAY % "late", "1::/s", "0::/s")
    assert story(client, "/s") == [Reason.SERVER]


def test_d81_whom_we_threw_out_hears_no_more_even_if_a_handler_delays_the_farewell(
    client: Client,
) -> None:
    client.sends(WAIT)
    client["/s"].disconnect()
    client.house.middleware.of("/s").emit("for members")
    client["/s"].emit("for itself")
    client["/o"].emit("for the other namespace")
    assert client.hears() == ["0::/s", '5::/o:{"name":"for the other namespace"}']
    client.socket.session["door"].set()
    assert client.sends("1::/s") == ["1::/s"]
    assert client["/s"].emit("again")


# ---- the client's last words


@pytest.mark.parametrize(
    ("leave", "heard"),
    [
        pytest.param(lambda c: c.socket.receive("0::"), True, id="goodbye"),
        pytest.param(lambda c: c.socket.receive("0::/s"), True, id="leaving the namespace"),
        pytest.param(lambda c: c.stream.hangs_up(), True, id="the connection breaks"),
        pytest.param(lambda c: c.socket.disconnect(), False, id="thrown out"),
        pytest.param(lambda c: c["/s"].disconnect(), False, id="thrown out of the namespace"),
    ],
)
def test_what_a_client_sent_before_it_left_is_handled_and_of_whom_we_threw_out_is_not(
    client: Client, leave: Callable[[Client], object], heard: bool
) -> None:
    client.stream.brings(SAY % "last", SAY % "words")
    leave(client)
    client.stream.brings(SAY % "too late")
    client.hears()
    *words, reason = story(client, "/s")
    assert words == (["last", "words"] if heard else [])
    assert reason.endswith(("disconnect", "close"))


def test_kicked_in_the_middle_of_a_batch(client: Client) -> None:
    assert client.sends(SAY % "one", '5::/s:{"name":"kick me"}', SAY % "two", "3:9:/s:three") == [
        "6::/s:9",  # a receipt says that it has come
        "0::/s",
    ]
    assert story(client) == ["one", "kicked", Reason.NAMESPACE_SERVER]
    assert client.socket.dropped == 2


# ---- a slow handler


def test_a_farewell_waits_its_turn_behind_a_handler_that_is_not_slow(client: Client) -> None:
    client.sends(WAIT, SAY % "behind")
    client.sends("0::/s")
    client.house.runtime.advance(PATIENCE - 0.01)
    assert story(client) == ["waiting"]
    client.socket.session["door"].set()
    client.hears()
    assert story(client) == ["waiting", "waited", "behind", Reason.NAMESPACE_CLIENT]


@pytest.mark.parametrize(
    ("leave", "told"),
    [
        pytest.param(
            lambda c: c.sends("0::/s"), {"/s": Reason.NAMESPACE_CLIENT}, id="the namespace"
        ),
        pytest.param(
            lambda c: c.sends("0::/o"), {"/o": Reason.NAMESPACE_CLIENT}, id="another namespace"
        ),
        pytest.param(
            lambda c: c.hangs_up(),
            dict.fromkeys(["", "/s", "/o"], Reason.TRANSPORT_CLOSE),
            id="the session",
        ),
    ],
)
def test_d43_and_overtakes_one_that_is(
    client: Client, leave: Callable[[Client], object], told: dict[str, str]
) -> None:
    client.sends(WAIT, SAY % "behind")
    leave(client)
    client.house.runtime.advance(PATIENCE)
    assert dict(client.socket.session["story"][1:]) == told
    client.socket.session["door"].set()
    client.hears()
    # What still stood behind it is handled where it has somebody to handle it, and else dropped.
    rest = ["waited"] if "/s" in told else ["waited", "behind"]
    assert story(client)[1 + len(told) :] == rest


def test_patience_is_counted_from_the_start_of_the_handler(client: Client) -> None:
    client.sends(WAIT)
    client.house.runtime.advance(PATIENCE * 10)
    client.hangs_up()
    client.house.runtime.advance(0)
    assert story(client) == ["waiting", *[Reason.TRANSPORT_CLOSE] * 3]
    assert client.state() is State.DISCONNECTED


def test_a_queue_that_moves_is_not_overtaken(client: Client) -> None:
    doors = [client.house.door() for _ in range(4)]
    waiting = iter(doors)
    client["/s"].on_say = lambda text: (next(waiting).wait(), client["/s"].tell(text))
    client.sends(SAY % "1", SAY % "2", SAY % "3", SAY % "4", "0::/s")
    for door in doors:
        client.house.runtime.advance(PATIENCE - 0.1)
        door.set()
        client.house.runtime.settle()
    assert story(client) == ["1", "2", "3", "4", Reason.NAMESPACE_CLIENT]


def test_a_task_that_a_slow_handler_starts_after_the_end_is_ended_at_once(house: MakeHouse) -> None:
    class Late(Story):
        def on_wait(self) -> None:
            super().on_wait()
            self.session["late"] = self.spawn(self.socket.server.runtime.signal().wait)

    client = house({"/s": Late}).client("/s")
    client.socket.session["door"] = client.house.door()
    client.sends(WAIT)
    client.hangs_up()
    client.house.runtime.advance(PATIENCE)
    client.socket.session["door"].set()
    client.hears()
    assert client.socket.session["late"].dead


def test_connecting_again_waits_until_an_overtaking_farewell_is_over(house: MakeHouse) -> None:
    class Careful(Story):
        def recv_disconnect(self, reason: str) -> None:
            self.tell("leaving")
            self.session["goodbye"].wait()
            self.tell("left")

    client = house({"/s": Careful, "/o": Story}).client("/s")
    session = client.socket.session
    session["door"], session["goodbye"] = client.house.door(), client.house.door()
    client.sends(WAIT, SAY % "behind", "0::/s", "1::/s", SAY % "back again", "3:1:/o:x")
    client.house.runtime.advance(PATIENCE)
    assert story(client) == ["waiting", "leaving"]
    session["door"].set()
    assert client.hears() == []
    assert story(client) == ["waiting", "leaving", "waited"]
    session["goodbye"].set()
    assert client.hears() == ["1::/s"]
    assert story(client) == ["waiting", "leaving", "waited", "left", "back again"]
    assert client["/s"].rooms == {"lobby"}
