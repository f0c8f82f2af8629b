"""One event after the other: whom a slow handler delays, and what applications put around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from sockio import BaseNamespace, on
from sockio.protocol.strict_json import LARGE
from sockio.runtime.workers import SLICE

from ...support.carriers import Client, House
from ..conftest import MakeHouse


class Chat(BaseNamespace):
    """Writes down what it handles."""

    @property
    def log(self) -> list[Any]:
        log: list[Any] = self.session.setdefault("log", [])
        return log

    def on_say(self, text: str) -> str:
        self.log.append(text)
        return text.upper()

    def on_wait(self) -> None:
        self.log.append("waiting")
        self.session["door"].wait()
        self.log.append("waited")

    def on_fail(self) -> None:
        raise RuntimeError

    def recv_message(self, data: str) -> None:
        self.log.append(data)


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Chat, "/chat": Chat})


@pytest.fixture
def client(home: House) -> Client:
    client = home.client("/chat")
    client.socket.session["door"] = home.door()
    return client


def event(name: str, *args: str, head: str = "5::/chat") -> str:
    items = ",".join(f'"{arg}"' for arg in args)
    return f'{head}:{{"name":"{name}","args":[{items}]}}'


# ---- order


def test_events_are_handled_one_at_a_time_in_the_order_they_came(client: Client) -> None:
    client.sends(event("say", "a"), event("wait"), event("say", "b"))
    client.sends("3::/chat:c", event("say", "d", head="5::"))  # of another namespace: all the same
    assert client["/chat"].log == ["a", "waiting"]
    client.socket.session["door"].set()
    client.hears()
    assert client["/chat"].log == ["a", "waiting", "waited", "b", "c", "d"]


def test_d43_a_slow_handler_delays_neither_receipts_nor_heartbeats_nor_acks(
    client: Client,
) -> None:
    answers: list[Any] = []
    client["/chat"].emit("question", callback=lambda *args: answers.append(args))
    assert client.hears() == ['5:1+:/chat:{"name":"question"}']
    client.sends(event("wait"))
    assert client.sends("3:7:/chat:x", '6::/chat:1+["yes"]', "2::") == ["6::/chat:7"]
    assert answers == [("yes",)]
    assert client.socket.heartbeats == 1


def test_a_slow_handler_of_one_client_delays_no_other(home: House, client: Client) -> None:
    client.sends(event("wait"))
    other = home.client("/chat")
    assert other.sends(event("say", "x", head="5:1+:/chat")) == ['6::/chat:1+["X"]']


def test_what_a_handler_emits_goes_out_before_its_ack(house: MakeHouse) -> None:
    class Ns(BaseNamespace):
        def on_ask(self) -> str:
            self.emit("first")
            return "then"

    client = house({"/n": Ns}).client("/n")
    assert client.sends(event("ask", head="5:1+:/n")) == [
        '5::/n:{"name":"first"}',
        '6::/n:1+["then"]',
    ]


def test_an_idle_client_costs_no_task(home: House, client: Client) -> None:
    client.sends(event("say", "x"))
    assert not client.socket.dispatcher._working  # type: ignore[attr-defined]


def test_a_large_packet_waits_behind_those_who_ask_for_little(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = house({"/chat": Chat})
    busy, other = home.client("/chat"), home.client("/chat")
    order: list[str] = []
    monkeypatch.setattr(Chat, "on_say", lambda self, text: order.append(text[:5]))
    large = event("say", "large" + "x" * LARGE)
    for text in (large, event("say", "after"), large):
        busy.socket.receive(text)
    for _ in range(3):
        other.socket.receive(event("say", "small"))
    home.runtime.settle()
    assert order == ["small"] * 3 + ["large", "after", "large"]


def test_a_client_that_sends_much_gives_the_others_their_turn(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = house({"/chat": Chat})
    busy, other = home.client("/chat"), home.client("/chat")
    order: list[str] = []

    class Costly(Chat):
        def on_say(self, text: str) -> str:
            home.runtime.time += SLICE / 4
            order.append(text)
            return text

    for client in (busy, other):
        client.socket.namespaces = {"/costly": Costly}
        client.sends("1::/costly")
    busy.stream.brings(*[event("say", "busy", head="5::/costly")] * 20)
    other.stream.brings(event("say", "other", head="5::/costly"))
    home.runtime.settle()
    assert order.index("other") < 10
    assert len(order) == 21


def test_a_handler_may_end_the_process_and_what_waits_behind_it_is_not_stranded(
    house: MakeHouse,
) -> None:
    class Fatal(Chat):
        def on_exit(self) -> None:
            raise SystemExit(3)

    client = house({"/f": Fatal}).client("/f")
    with pytest.raises(SystemExit):
        client.sends('5::/f:{"name":"exit"}', event("say", "x", head="5:1+:/f"))
    assert client.hears() == ['6::/f:1+["X"]']


@pytest.mark.parametrize("by", ["on_exit", "recv_disconnect"])
def test_who_ends_the_process_is_named(
    house: MakeHouse, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    def end(self: Any) -> None:
        raise SystemExit(3)

    fatal = type("Fatal", (Chat,), {by: end})
    client = house({"/f": fatal}).client("/f")
    with pytest.raises(SystemExit):
        client.sends("0::/f" if by == "recv_disconnect" else '5::/f:{"name":"exit"}')
    (line,) = [each for each in caplog.messages if "server-ended" in each]
    assert f"/f: {by} ends the server: SystemExit(3) [server-ended]" in line


# ---- around a handler


def test_a_context_is_opened_around_every_hook_and_event(house: MakeHouse) -> None:
    story: list[str] = []

    @contextmanager
    def context(namespace: BaseNamespace) -> Iterator[None]:
        story.append(f"({namespace.ns_name}")
        try:
            yield
        finally:
            story.append(")")

    class Ns(BaseNamespace):
        def recv_connect(self) -> None:
            story.append("connect")

        def on_say(self) -> None:
            story.append("say")
            self.emit("answer", callback=lambda: story.append("ack"))

        def on_fail(self) -> None:
            story.append("fail")
            raise RuntimeError

        def recv_disconnect(self) -> None:
            story.append("disconnect")

    client = house({"/n": Ns}, context=context).client("/n")
    client.sends(event("say", head="5::/n"), event("fail", head="5::/n"))
    client.sends("6::/n:1")
    client.hangs_up()
    steps = ["connect", "say", "fail", "ack", "disconnect"]
    assert story == [part for step in steps for part in ("(/n", step, ")")]


def test_a_context_that_swallows_exceptions_lets_nobody_in(house: MakeHouse) -> None:
    @contextmanager
    def context(namespace: BaseNamespace) -> Iterator[None]:
        with suppress(RuntimeError):
            yield

    class Ns(Chat):
        def recv_connect(self) -> None:
            raise RuntimeError

    client = house({"/n": Ns}, context=context).client()
    assert client.sends("1::/n", "3::/n:hello") == ["7::/n:2"]
    assert "/n" not in client.socket


def test_a_context_that_fails_behind_the_gate_closes_it_again(house: MakeHouse) -> None:
    @contextmanager
    def context(namespace: BaseNamespace) -> Iterator[None]:
        yield
        raise RuntimeError("rollback failed")

    client = house({"/n": Chat}, context=context).client()
    assert client.sends("1::/n", "3::/n:hello") == ["7::/n:2"]
    assert "/n" not in client.socket


# ---- overriding


def test_gs65_packets_arrive_as_mappings_and_what_is_returned_is_the_answer(
    house: MakeHouse,
) -> None:
    seen: list[Any] = []

    class Ns(Chat):
        def process_packet(self, packet: Any) -> Any:
            seen.append((packet["type"], packet["endpoint"]))
            return super().process_packet(packet)

        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            return super().exception_handler_decorator(fn)

        def process_event(self, packet: Any) -> Any:
            seen.append((packet["name"], packet["args"], packet.get("id"), packet.get("ack")))
            return super().process_event(packet)

        def call_method_with_acl(self, method_name: str, packet: Any, *args: Any) -> Any:
            seen.append((method_name, args))
            return super().call_method_with_acl(method_name, packet, *args)

        def call_method(self, method_name: str, packet: Any, *args: Any) -> Any:
            return "<" + super().call_method(method_name, packet, *args) + ">"

    client = house({"/n": Ns}).client("/n")
    assert client.sends(event("say", "x", head="5:1+:/n")) == ['6::/n:1+["<X>"]']
    assert seen == [
        ("event", "/n"),
        ("say", ["x"], 1, "data"),
        ("on_say", ("x",)),
    ]


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        pytest.param(
            '5:1+:/n:{"name":"whatever","args":[1]}', '6::/n:1+["whatever",[1]]', id="any"
        ),
        pytest.param('5:1+:/n:{"name":"odd:name"}', '6::/n:1+["odd:name",[]]', id="an odd name"),
        pytest.param(
            '5:1+:/n:{"name":"known"}', '6::/n:1+["known itself"]', id="but not known ones"
        ),
    ],
)
def test_a_catch_all_handles_what_nobody_else_does(
    house: MakeHouse, packet: str, answer: str
) -> None:
    class Ns(BaseNamespace):
        @on("*")
        def anything(self, name: str, *args: Any) -> Any:
            return name, list(args)

        def on_known(self) -> str:
            return "known itself"

    assert house({"/n": Ns}).client("/n").sends(packet) == [answer]


def test_errors_can_be_handled_by_the_application(house: MakeHouse) -> None:
    handled: list[Any] = []

    class Ns(Chat):
        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any) -> Any:
                try:
                    return fn(*args)
                except Exception as error:
                    handled.append(type(error).__name__)
                    return "sorry"

            return wrapper

    client = house({"/n": Ns}).client("/n")
    assert client.sends(event("fail", head="5:1+:/n")) == ['6::/n:1+["sorry"]']
    client["/n"].spawn(lambda: 1 / 0)
    client.hears()
    assert handled == ["RuntimeError", "ZeroDivisionError"]


def test_who_gives_way_stands_among_those_of_its_address(
    house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = house({"": BaseNamespace})
    client = home.client()
    for_whom: list[str] = []
    breathe = home.runtime.breathe

    def listen(whose: str = "") -> None:
        # Without a name it is the clock's, which lets the loop look for input.
        for_whom.extend([whose] if whose else [])
        breathe(whose)

    monkeypatch.setattr(home.runtime, "breathe", listen)
    client.socket.receive('5:::{"name":"x","args":["' + "x" * LARGE + '"]}')
    home.runtime.settle()
    assert for_whom == [client.socket.address]
