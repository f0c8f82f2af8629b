"""The class that applications subclass: what it has, sets up, sends, and lets through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import LATER, BaseNamespace, Reason, UsageError

from ...support.carriers import Client, House
from ..conftest import MakeHouse


class Plain(BaseNamespace):
    """Nothing of its own."""


@pytest.fixture
def client(house: MakeHouse) -> Client:
    return house({"": Plain, "/n": Plain}).client("/n")


@pytest.fixture
def namespace(client: Client) -> Plain:
    plain: Plain = client["/n"]
    return plain


# ---- what it has


def test_gs56_an_instance_knows_its_client(client: Client, namespace: Plain) -> None:
    socket = client.socket
    assert namespace.socket is socket
    assert namespace.environ is socket.environ
    assert namespace.request is socket.request
    assert namespace.ns_name == "/n"
    assert namespace.allowed_methods is None
    assert list(namespace.jobs) == []
    assert namespace.qs == ""
    assert str(namespace) == f"{socket} /n"
    assert str(client[""]) == f"{socket} (global)"


def test_gs51_every_client_has_an_instance_of_its_own_and_its_namespaces_share_a_session(
    house: MakeHouse,
) -> None:
    home = house({"": Plain, "/n": Plain})
    one, two = home.client("/n"), home.client("/n")
    assert one["/n"] is not two["/n"]
    assert one["/n"].session is one[""].session
    assert one["/n"].session is not two["/n"].session


# ---- setting up


def test_d23_every_initialize_of_the_chain_runs_once_bases_first(house: MakeHouse) -> None:
    calls: list[str] = []

    class Mixin:
        def initialize(self) -> None:
            calls.append("mixin")

    class Base(BaseNamespace):
        def initialize(self) -> None:
            calls.append("base")

    class Inheriting(Base, Mixin):
        pass

    class Ns(Inheriting):
        def initialize(self) -> None:
            calls.append("own")

        def recv_connect(self) -> None:
            calls.append("connect")

    client = house({"/n": Ns}).client("/n")
    assert calls == ["mixin", "base", "own", "connect"]
    client.sends("1::/n")
    assert calls == ["mixin", "base", "own", "connect"]


def test_gs73_a_mixin_behind_the_namespace_has_its_init_called(house: MakeHouse) -> None:
    class Counting:
        def __init__(self) -> None:
            self.count = 0

    class Ns(BaseNamespace, Counting):
        def on_count(self) -> int:
            self.count += 1
            return self.count

    assert house({"/n": Ns}).client("/n").sends('5:1+:/n:{"name":"count"}') == ["6::/n:1+[1]"]


# ---- access control


class Restricted(BaseNamespace):
    def get_initial_acl(self) -> list[str]:
        return ["on_login"]

    def on_login(self) -> str:
        self.add_acl_method("on_chat")
        return "welcome"

    def on_chat(self) -> str:
        return "hi"

    def on_logout(self) -> None:
        self.reset_acl()


@pytest.fixture
def restricted(house: MakeHouse) -> Client:
    return house({"/r": Restricted}).client("/r")


def allowed(client: Client) -> list[str]:
    names = ["on_login", "on_chat", "on_logout", "recv_message"]
    return [name for name in names if client["/r"].is_method_allowed(name)]


def test_d49_adding_to_a_list_adds(restricted: Client) -> None:
    assert allowed(restricted) == ["on_login"]
    assert restricted.sends('5:1+:/r:{"name":"chat"}')[0].startswith("6::/r:1+[{")
    assert restricted.sends('5:2+:/r:{"name":"login"}') == ['6::/r:2+["welcome"]']
    assert allowed(restricted) == ["on_login", "on_chat"]
    assert restricted.sends('5:3+:/r:{"name":"chat"}') == ['6::/r:3+["hi"]']


@pytest.mark.parametrize(
    ("change", "after"),
    [
        pytest.param(lambda ns: ns.add_acl_method("on_chat"), ["on_login", "on_chat"], id="add"),
        pytest.param(lambda ns: ns.add_acl_method("on_login"), ["on_login"], id="add again"),
        pytest.param(lambda ns: ns.del_acl_method("on_login"), [], id="take away"),
        pytest.param(lambda ns: ns.del_acl_method("on_nothing"), ["on_login"], id="d49: not there"),
        pytest.param(
            lambda ns: ns.lift_acl_restrictions(),
            ["on_login", "on_chat", "on_logout", "recv_message"],
            id="lift",
        ),
        pytest.param(
            lambda ns: (ns.lift_acl_restrictions(), ns.reset_acl()), ["on_login"], id="set back"
        ),
    ],
)
def test_gs60_the_acl_can_be_changed(
    restricted: Client, change: Callable[[Any], object], after: list[str]
) -> None:
    change(restricted["/r"])
    assert allowed(restricted) == after


@pytest.mark.parametrize("change", ["add_acl_method", "del_acl_method"])
def test_d49_an_open_namespace_is_not_locked_by_accident(namespace: Plain, change: str) -> None:
    with pytest.raises(UsageError, match="get_initial_acl"):
        getattr(namespace, change)("on_chat")
    assert namespace.is_method_allowed("on_anything")


def test_the_list_that_an_application_returned_stays_its_own(house: MakeHouse) -> None:
    shared = ["on_login"]

    class Ns(BaseNamespace):
        def get_initial_acl(self) -> list[str]:
            return shared

    house({"/n": Ns}).client("/n")["/n"].add_acl_method("on_chat")
    assert shared == ["on_login"]


# ---- sending


@pytest.mark.parametrize(
    ("send", "packet"),
    [
        pytest.param(lambda ns: ns.emit("hello"), '5::/n:{"name":"hello"}', id="an event"),
        pytest.param(
            lambda ns: ns.emit("hello", 1, "two", None, [3]),
            '5::/n:{"name":"hello","args":[1,"two",null,[3]]}',
            id="with arguments",
        ),
        pytest.param(
            lambda ns: ns.emit("odd:name ☃"), '5::/n:{"name":"odd:name ☃"}', id="any name"
        ),
        pytest.param(lambda ns: ns.send("text"), "3::/n:text", id="a message"),
        pytest.param(lambda ns: ns.send(""), "3::/n", id="an empty one"),
        pytest.param(lambda ns: ns.send({"a": [1]}, json=True), '4::/n:{"a":[1]}', id="json"),
        pytest.param(lambda ns: ns.send("text", json=True), '4::/n:"text"', id="a string as json"),
        pytest.param(
            lambda ns: ns.error("busy", "Try later."),
            '5::/n:{"name":"error","args":["busy","Try later."]}',
            id="gs61: an error",
        ),
        pytest.param(
            lambda ns: ns.error("busy", "Try later.", msg_id=4),
            '6::/n:4+[{"error":"busy","message":"Try later."}]',
            id="d09: an error as the answer to a packet",
        ),
        pytest.param(
            lambda ns: ns.error("internal_error", "x"), "7::/n", id="an error of sockio's own names"
        ),
        pytest.param(lambda ns: ns.ack({"id": 7}), "6::/n:7", id="an ack by hand"),
        pytest.param(
            lambda ns: ns.ack({"id": 0}, 1, [2]), "6::/n:0+[1,[2]]", id="with arguments, for id 0"
        ),
    ],
)
def test_what_is_sent(
    client: Client, namespace: Plain, send: Callable[[Plain], object], packet: str
) -> None:
    assert send(namespace) in (True, None)
    assert client.hears() == [packet]


def test_gs61_a_quiet_error_is_not_sent(client: Client, namespace: Plain) -> None:
    namespace.error("busy", "Try later.", quiet=True)
    assert client.hears() == []


@pytest.mark.parametrize("quiet", [False, True])
def test_gs61_an_error_is_logged_quiet_or_not(
    client: Client, namespace: Plain, quiet: bool, caplog: pytest.LogCaptureFixture
) -> None:
    namespace.error("busy", "Try later.", msg_id=4, quiet=quiet)
    client.socket.error("too busy", "Try much later.", "/n", quiet=quiet)
    client.socket.error("global", "Never.", quiet=quiet)
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert "/n: error 'busy': Try later." in caplog.text
    assert "/n: error 'too busy': Try much later." in caplog.text
    assert "(global): error 'global': Never." in caplog.text
    assert len(client.hears()) == (0 if quiet else 3)


@pytest.mark.parametrize(
    "name",
    [
        "connect",
        "connecting",
        "connect_failed",
        "disconnect",
        "reconnect",
        "reconnecting",
        "reconnect_failed",
    ],
)
def test_an_event_must_not_have_a_name_of_the_clients_own(
    client: Client, namespace: Plain, name: str
) -> None:
    middleware = client.house.middleware
    for emit in (
        namespace.emit,
        namespace.call,
        middleware.of("/n").emit,
        middleware.of("/n").to("room").emit,
        lambda event: namespace.emit(event, callback=print),
    ):
        with pytest.raises(UsageError, match=f"'{name}'.*Give it another name"):
            emit(name)
    assert client.hears() == []


@pytest.mark.parametrize("name", ["error", "message", "connected", "Connect"])
def test_any_other_may_be_used(client: Client, namespace: Plain, name: str) -> None:
    assert namespace.emit(name)
    assert client.hears() == [f'5::/n:{{"name":"{name}"}}']


def test_gs46_errors_go_through_the_configured_handler(house: MakeHouse) -> None:
    calls: list[Any] = []
    client = house({"/n": Plain}, error_handler=lambda *args: calls.append(args)).client("/n")
    client["/n"].error("busy", "Try later.", msg_id=4, quiet=True)
    client.sends('5:9+:/n:{"name":"nobody"}')
    assert calls == [
        (client.socket, "busy", "Try later.", "/n", 4, True),
        (client.socket, "no_such_method", "Nothing handles this.", "/n", 9, False),
    ]


def test_d49b_a_packet_can_be_answered_by_hand_and_later(house: MakeHouse) -> None:
    class Ns(BaseNamespace):
        def on_later(self, packet: Any) -> None:
            self.session["kept"] = packet

        def on_now(self, packet: Any) -> str:
            self.ack(packet, "by hand")
            return "by return"

    client = house({"/n": Ns}).client("/n")
    assert client.sends('5:1+:/n:{"name":"now"}') == [
        '6::/n:1+["by hand"]',
        '6::/n:1+["by return"]',
    ]
    client.sends('5:2:/n:{"name":"later"}')
    client["/n"].ack(client.socket.session["kept"], "at last")
    assert client.hears() == ['6::/n:2+["at last"]']


def test_a_handler_leaves_the_answer_for_later(house: MakeHouse) -> None:
    class Ns(BaseNamespace):
        def on_ask(self, packet: Any) -> object:
            self.session["kept"] = packet
            return LATER

        def on_ask_and_go(self, packet: Any) -> object:
            self.disconnect()
            return LATER

        def recv_message(self, data: str) -> object:
            return LATER

    client = house({"/n": Ns}).client("/n")
    assert client.sends('5:1+:/n:{"name":"ask"}') == []
    assert client.sends("3:2+:/n:hello") == []
    client["/n"].ack(client.socket.session["kept"], "at last", None)
    assert client.hears() == ['6::/n:1+["at last",null]']
    assert client.sends('5:3+:/n:{"name":"ask and go"}') == ["0::/n"]


def test_d49b_a_packet_that_nobody_wants_answered_has_no_ack(namespace: Plain) -> None:
    with pytest.raises(UsageError, match="no id"):
        namespace.ack({"type": "event", "name": "x", "args": []})


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda ns: ns.emit("x", object()), id="an object"),
        pytest.param(lambda ns: ns.emit("x", float("nan")), id="d16: not a number"),
        pytest.param(lambda ns: ns.emit("x", {1, 2}), id="d16: a set"),
        pytest.param(lambda ns: ns.emit("x", object(), callback=print), id="with a callback"),
        pytest.param(lambda ns: ns.send(5), id="d15: a message that is no text"),
        pytest.param(lambda ns: ns.call("x", object()), id="call"),
    ],
)
def test_what_is_no_json_is_the_callers_mistake(
    client: Client, namespace: Plain, send: Callable[[Plain], object]
) -> None:
    with pytest.raises(UsageError):
        send(namespace)
    assert client.hears() == []


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda ns: ns.emit("x"), id="emit"),
        pytest.param(lambda ns: ns.emit("x", callback=print), id="emit with a callback"),
        pytest.param(lambda ns: ns.send("x"), id="send"),
        pytest.param(lambda ns: ns.ack({"id": 1}), id="ack"),
    ],
)
@pytest.mark.parametrize("gone", ["0::/n", "0::"])
def test_nothing_is_sent_to_who_has_left(
    client: Client, namespace: Plain, send: Callable[[Plain], bool], gone: str
) -> None:
    client.sends(gone)
    assert send(namespace) is False
    assert client.hears() == []


def test_m31_a_volatile_event_is_dropped_for_who_cannot_take_it(
    client: Client, namespace: Plain
) -> None:
    assert namespace.emit("tick", 1, volatile=True)
    client.stream.stuck = True
    assert not namespace.emit("tick", 2, volatile=True)
    assert not namespace.send("tick", volatile=True)
    client.stream.reads_again()
    assert client.hears() == ['5::/n:{"name":"tick","args":[1]}']


def test_gs76_json_functions_of_the_applications_own(house: MakeHouse) -> None:
    seen: list[Any] = []

    class Ns(BaseNamespace):
        def on_x(self, value: Any) -> Any:
            seen.append(value)
            return value

    client = house(
        {"/n": Ns},
        json_loads=lambda text: {"name": "x", "args": [text]},
        json_dumps=lambda value: "<dumped>",
    ).client("/n")
    assert client.sends("5:1+:/n:{}") == ["6::/n:1+<dumped>"]
    assert seen == ["{}"]


# ---- tasks


def test_gs62_tasks_of_a_namespace_end_with_it(client: Client, namespace: Plain) -> None:
    job: Any = namespace.spawn(client.house.door().wait)
    other: Any = client[""].spawn(client.house.door().wait)
    client.house.runtime.settle()
    assert list(namespace.jobs) == [job]
    client.sends("0::/n")
    assert job.dead
    assert not other.dead
    client.hangs_up()
    assert other.dead


def test_gs62_or_when_the_application_says_so(client: Client, namespace: Plain) -> None:
    job: Any = namespace.spawn(client.house.door().wait)
    namespace.kill_local_jobs()
    client.house.runtime.settle()
    assert job.dead
    seen: list[int] = []
    namespace.spawn(seen.append, 1)
    client.house.runtime.settle()
    assert seen == [1]


def test_d22_a_task_may_disconnect_its_own_client(client: Client, house: MakeHouse) -> None:
    home: House = house({"/t": Plain})
    client = home.client("/t")
    client["/t"].spawn(client["/t"].socket.disconnect)
    assert client.hears() == ["0::"]
    assert client.socket.close_reason == Reason.SERVER
    assert home.is_empty()
