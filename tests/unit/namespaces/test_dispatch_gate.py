"""The gate: how a client gets into a namespace, and that nothing runs before it is in."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, ConnectionRefused, Reason, RoomsMixin, UsageError
from sockio.virtsocket import State

from ...support.carriers import Client, House
from ..conftest import MakeHouse

NOT_CONNECTED = '[{"error":"not_connected","message":"This namespace is not connected."}]'


class Story(BaseNamespace, RoomsMixin):
    """Writes down, in the session, what happens to it."""

    def initialize(self) -> None:
        self.session.setdefault("story", [])

    def tell(self, what: str) -> None:
        self.session["story"].append((self.ns_name, what))

    def recv_connect(self) -> Any:
        self.tell("connect")

    def on_say(self, text: str) -> str:
        self.tell(f"say {text}")
        return text

    def recv_message(self, data: str) -> None:
        self.tell(f"message {data}")

    def recv_disconnect(self, reason: str) -> None:
        self.tell(reason)


class Deciding(Story):
    """Waits at the door, and then does what the door says."""

    def recv_connect(self) -> Any:
        self.tell("connect")
        self.join("lobby")
        self.emit("early")
        decision = self.session["door"].wait()
        self.tell("decided")
        if isinstance(decision, BaseException):
            raise decision
        return decision


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Story, "/d": Deciding, "/s": Story})


@pytest.fixture
def client(home: House) -> Client:
    """Somebody whose connect to ``/d`` is being decided."""
    client = home.client()
    client.socket.session["door"] = client.house.door()
    assert client.sends("1::/d") == []
    client.socket.session["story"].clear()
    return client


def decide(client: Client, decision: Any) -> list[str]:
    client.socket.session["door"].set(decision)
    return client.hears()


def story(client: Client, endpoint: str = "/d") -> list[str]:
    return [what for where, what in client.socket.session.get("story", ()) if where == endpoint]


# ---- let in


@pytest.mark.parametrize("answer", [None, True, 1, "whatever"], ids=repr)
def test_what_is_true_lets_in_and_so_does_nothing(client: Client, answer: object) -> None:
    assert decide(client, answer) == ["1::/d", '5::/d:{"name":"early"}']
    assert client.sends('5:1+:/d:{"name":"say","args":["x"]}') == ['6::/d:1+["x"]']
    client.hangs_up()
    assert story(client) == ["decided", "say x", Reason.TRANSPORT_CLOSE]


def test_d26_the_confirmation_comes_after_the_decision_and_before_anything_else(
    client: Client,
) -> None:
    client.socket["/d"].emit("also early")
    client.house.middleware.of("/d").emit("to all")
    client.house.middleware.of("/d").to("lobby").emit("to the lobby")
    assert client.hears() == []
    assert decide(client, None) == [
        "1::/d",
        '5::/d:{"name":"early"}',
        '5::/d:{"name":"also early"}',
        '5::/d:{"name":"to all"}',
        '5::/d:{"name":"to the lobby"}',
    ]


def test_other_namespaces_are_not_held_back_meanwhile(client: Client) -> None:
    client[""].send("meanwhile")
    assert client.hears() == ["3:::meanwhile"]


def test_d27_the_global_namespace_connects_when_the_session_opens(home: House) -> None:
    client = Client(home).opens()
    assert client.hears() == ["1::"]
    assert story(client, "") == ["connect"]
    assert client.socket[""].ns_name == ""


def test_a_session_opens_without_a_global_namespace_too(house: MakeHouse) -> None:
    client = Client(house({"/s": Story})).opens()
    assert client.hears() == ["1::"]
    assert "" not in client.socket


@pytest.mark.parametrize(
    ("packet", "qs", "query"),
    [
        pytest.param("1::/s", "", {}, id="none"),
        pytest.param("1::/s:?a=b&c=%20", "?a=b&c=%20", {"a": "b", "c": " "}, id="as it came"),
        pytest.param("1::/s:?a=1&a=2&b", "?a=1&a=2&b", {"a": "1", "b": ""}, id="one field twice"),
    ],
)
def test_gs75_the_query_of_the_connect_packet_is_there_and_not_echoed(
    home: House, packet: str, qs: str, query: dict[str, str]
) -> None:
    client = home.client()
    assert client.sends(packet) == ["1::/s"]
    assert (client["/s"].qs, client["/s"].query) == (qs, query)


def test_d26_connecting_again_is_confirmed_again_and_changes_nothing(home: House) -> None:
    client = home.client("/s")
    namespace = client["/s"]
    namespace.join("lobby")
    assert client.sends("1::/s", "1::/s") == ["1::/s", "1::/s"]
    assert client["/s"] is namespace
    assert namespace.rooms == {"lobby"}
    assert story(client, "/s") == ["connect"]


def test_connecting_again_after_leaving_is_a_new_beginning(home: House) -> None:
    client = home.client("/s")
    first = client["/s"]
    first.join("lobby")
    assert client.sends("0::/s", "1::/s") == ["1::/s"]
    assert client["/s"] is not first
    assert client["/s"].rooms == frozenset()


# ---- refused


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(False, id="False"),
        pytest.param(0, id="0"),
        pytest.param("", id="an empty string"),
        pytest.param(ConnectionRefused("not today"), id="ConnectionRefused"),
        pytest.param(ConnectionRefused(), id="ConnectionRefused without a word"),
        pytest.param(RuntimeError("broken"), id="d20: any other exception"),
        pytest.param(gevent.Timeout(1), id="even what is no Exception"),
    ],
)
def test_d26_a_refused_client_is_told_so_and_gets_nothing_else(
    client: Client, answer: object
) -> None:
    namespace = client["/d"]
    job = namespace.spawn(client.house.door().wait)
    assert decide(client, answer) == ["7::/d:2"]
    assert "/d" not in client.socket
    assert client.house.middleware.of("/d").sockets() == []
    assert namespace.rooms == frozenset()
    assert job.dead
    assert not namespace.emit("too late")
    namespace.join("lobby")
    assert namespace.rooms == frozenset()
    # ... and the rest of the session goes on.
    assert client.sends("3:1::hello") == ["6:::1"]
    client.hangs_up()
    assert story(client, "") == ["message hello", Reason.TRANSPORT_CLOSE]
    assert story(client) == ["decided"]


def test_a_refused_client_may_try_again(client: Client) -> None:
    assert decide(client, False) == ["7::/d:2"]
    client.socket.session["door"] = client.house.door()
    client.sends("1::/d")
    assert decide(client, None) == ["1::/d", '5::/d:{"name":"early"}']


def test_callbacks_of_a_refused_namespace_are_forgotten(client: Client) -> None:
    client["/d"].emit("question", callback=lambda: None, timeout=1)
    soon = client.socket.deadline()
    decide(client, False)
    assert client.socket.deadline() != soon


def test_refusing_the_global_namespace_ends_the_session(house: MakeHouse) -> None:
    class Closed(Story):
        def recv_connect(self) -> bool:
            self.emit("never")
            return False

    home = house({"": Closed, "/s": Story})
    client = Client(home).opens("/s")
    assert client.hears() == ["7:::2", "0::"]
    assert client.socket.close_reason == Reason.REFUSED
    assert story(client, "") == []
    assert home.is_empty()


def test_a_polling_client_hears_of_its_refusal(house: MakeHouse) -> None:
    class Closed(Story):
        def recv_connect(self) -> bool:
            return False

    client = Client(house({"": Closed}))
    assert client.polls().answer == ["7:::2", "0::"]
    assert client.state() is State.DISCONNECTED


@pytest.mark.parametrize("endpoint", ["/nowhere", "/s/sub", "s", "/S"])
def test_an_unknown_namespace_is_refused(
    home: House, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = home.client()
    assert client.sends(f"1::{endpoint}") == [f"7::{endpoint}:2"]
    assert f"there is no namespace {endpoint!r}; known: '', '/d', '/s'" in caplog.text


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        pytest.param({"initialize": lambda self: 1 / 0}, "ZeroDivisionError", id="initialize"),
        pytest.param(
            {"get_initial_acl": lambda self: "on_say"}, "return a list of names", id="the ACL"
        ),
        pytest.param({"__init__": lambda self: None}, "TypeError", id="an __init__ of its own"),
    ],
)
def test_d25_a_namespace_that_cannot_be_set_up_lets_nobody_in(
    house: MakeHouse,
    broken: dict[str, Any],
    complaint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = house({"/b": type("Broken", (Story,), broken)})
    client = home.client()
    with caplog.at_level(logging.INFO):
        assert client.sends("1::/b", "3::/b:hello") == ["7::/b:2"]
    assert complaint in caplog.text
    assert "/b" not in client.socket
    assert home.middleware.of("/b").sockets() == []


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        pytest.param(
            {"recv_connect": lambda self, pkt: None},
            "Broken.recv_connect(self, pkt): it may take packet",
            id="a gate with a parameter of another name",
        ),
        pytest.param(
            {"recv_disconnect": lambda self, why: None},
            "Broken.recv_disconnect(self, why): it may take packet and reason",
            id="a farewell with a parameter of another name",
        ),
        pytest.param({"recv_connect": None}, "recv_connect must be a method", id="no method"),
    ],
)
def test_d46b_a_hook_that_could_not_be_called_is_refused_at_the_start(
    house: MakeHouse, broken: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        house({"/b": type("Broken", (Story,), broken)})


@pytest.mark.parametrize(
    "decorator",
    [
        pytest.param(lambda fn: lambda *args: None, id="never calls it"),
        pytest.param(lambda fn: lambda *args: fn(*args) and None, id="forgets to return"),
    ],
)
def test_an_error_decorator_cannot_open_the_gate(
    house: MakeHouse, decorator: Callable[..., Any]
) -> None:
    class Closed(Story):
        def recv_connect(self) -> bool:
            return False

        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            return decorator(fn)  # type: ignore[no-any-return]

    assert house({"/c": Closed}).client().sends("1::/c", "3::/c:x") == ["7::/c:2"]


def test_an_error_decorator_that_swallows_exceptions_cannot_either(house: MakeHouse) -> None:
    class Failing(Story):
        def recv_connect(self) -> None:
            raise RuntimeError

        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any) -> Any:
                try:
                    return fn(*args)
                except RuntimeError:
                    return True

            return wrapper

    assert house({"/f": Failing}).client().sends("1::/f", "3::/f:x") == ["7::/f:2"]


# ---- before it is in


def test_d24_an_event_does_not_get_anybody_in(home: House) -> None:
    client = home.client()
    assert client.sends(
        '5:1+:/s:{"name":"say","args":["secret"]}', "3:2:/s:x", "4::/s:1", "7::/s:2", "0::/s"
    ) == [f"6::/s:1+{NOT_CONNECTED}", f"6::/s:2+{NOT_CONNECTED}"]
    assert "/s" not in client.socket
    assert story(client, "/s") == []


def test_d24_what_is_sent_behind_the_connect_waits_for_the_decision(client: Client) -> None:
    assert client.sends('5:1+:/d:{"name":"say","args":["x"]}', "3::/d:y") == []
    assert story(client) == []
    assert decide(client, None) == ["1::/d", '5::/d:{"name":"early"}', '6::/d:1+["x"]']
    assert story(client) == ["decided", "say x", "message y"]


def test_d24_and_is_refused_with_a_refusal(client: Client) -> None:
    client.sends('5:1+:/d:{"name":"say","args":["x"]}', "3:2:/d:y", "0::/d")
    assert decide(client, False) == [
        "7::/d:2",
        f"6::/d:1+{NOT_CONNECTED}",
        f"6::/d:2+{NOT_CONNECTED}",
    ]
    assert story(client) == ["decided"]
    assert client.socket.dropped == 3


def test_what_is_posted_before_the_first_poll_waits_for_the_global_namespace(
    home: House,
) -> None:
    client = Client(home)
    client.posts("3:1::hasty", "1::/s", "3::/s:hastier")
    assert "story" not in client.socket.session
    assert client.polls().answer == ["1::"]
    assert client.polls().answer == ["6:::1", "1::/s"]
    assert client.socket.session["story"] == [
        ("", "connect"),
        ("", "message hasty"),
        ("/s", "connect"),
        ("/s", "message hastier"),
    ]


def test_or_for_the_session_to_open_where_there_is_no_global_namespace(
    house: MakeHouse,
) -> None:
    client = Client(house({"/s": Story}))
    client.posts("3:1::nobody's", "1::/s", "1::")
    assert client.polls().answer == ["1::"]
    assert client.polls().answer == [f"6:::1+{NOT_CONNECTED}", "1::/s"]


def test_d19_what_waits_for_a_decision_is_bounded_too(house: MakeHouse) -> None:
    client = house({"/d": Deciding}, max_outbox=(3, 1000)).client()
    client.socket.session["door"] = client.house.door()
    client.sends("1::/d")
    sent = [client["/d"].emit("more") for _ in range(3)]  # behind "early"
    assert sent == [True, True, False]
    assert client.socket.close_reason == Reason.OVERFLOW


# ---- gone before it is in


@pytest.mark.parametrize(
    ("leaves", "reason"),
    [
        pytest.param(lambda c: c.hangs_up(), Reason.TRANSPORT_CLOSE, id="the connection breaks"),
        pytest.param(lambda c: c.sends("0::"), Reason.CLIENT, id="goodbye"),
        pytest.param(lambda c: c.socket.disconnect(), Reason.SERVER, id="thrown out"),
        pytest.param(lambda c: c.sends("0::/d"), Reason.NAMESPACE_CLIENT, id="leaves again"),
        pytest.param(
            lambda c: c["/d"].disconnect(),
            Reason.NAMESPACE_SERVER,
            id="thrown out of the namespace",
        ),
    ],
)
@pytest.mark.parametrize("patience", [0.0, 10.0], ids=["soon decided", "decided late"])
@pytest.mark.parametrize(
    ("decision", "let_in"),
    [
        pytest.param(None, True, id="let in"),
        pytest.param(False, False, id="refused"),
        pytest.param(RuntimeError(), False, id="failed"),
    ],
)
def test_whoever_leaves_before_the_decision_is_told_exactly_once_if_let_in_and_afterwards(
    client: Client,
    leaves: Callable[[Client], object],
    reason: str,
    patience: float,
    decision: object,
    let_in: bool,
) -> None:
    leaves(client)
    client.house.runtime.advance(patience)
    assert story(client) == []
    decide(client, decision)
    assert story(client) == (["decided", reason] if let_in else ["decided"])
    assert "/d" not in client.socket
    assert client.house.middleware.of("/d").sockets() == []
    client.house.registry.check()


def test_who_says_goodbye_in_between_is_not_confirmed_afterwards(client: Client) -> None:
    client.sends("0::")
    assert decide(client, None) == []


def test_a_namespace_may_throw_the_client_out_while_it_lets_it_in(house: MakeHouse) -> None:
    class Odd(Story):
        def recv_connect(self) -> None:
            self.tell("connect")
            self.disconnect()

    client = house({"/o": Odd}).client()
    assert client.sends("1::/o", "1::/o", "3::/o:x") == ["1::/o", "0::/o"] * 2
    assert story(client, "/o") == ["connect", Reason.NAMESPACE_SERVER] * 2
