"""Acks of the client: callbacks, and ``call()``, which waits for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio import AckFailed, AckTimeout, BaseNamespace, Disconnected, UsageError
from sockio.testing import ManualRuntime

from ...support.carriers import Client, House
from ...support.threads import in_a_native_thread
from ..conftest import MakeHouse

LATE = 0.1  # the wheel's granularity


class Asking(BaseNamespace):
    def on_ask(self) -> Any:
        self.session["answer"] = self.call("question", timeout=5)
        return self.session["answer"]

    def on_after(self) -> str:
        return "handled"


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Asking, "/n": Asking})


@pytest.fixture
def client(home: House) -> Client:
    return home.client("/n")


# ---- callbacks


@pytest.mark.parametrize(
    ("send", "packet", "ack", "args"),
    [
        pytest.param(
            lambda ns, fn: ns.emit("q", 1, callback=fn),
            '5:1+:/n:{"name":"q","args":[1]}',
            '6::/n:1+["yes",[1,2]]',
            ("yes", [1, 2]),
            id="an event asks for data: the client never answers it by itself",
        ),
        pytest.param(
            lambda ns, fn: ns.send("text", callback=fn),
            "3:1:/n:text",
            "6::/n:1",
            (),
            id="a message",
        ),
        pytest.param(
            lambda ns, fn: ns.send([], json=True, callback=fn),
            "4:1:/n:[]",
            "6::/n:1",
            (),
            id="json",
        ),
        pytest.param(
            lambda ns, fn: ns.emit("q", callback=fn),
            '5:1+:/n:{"name":"q"}',
            '6::/n:1+["a+b+c"]',
            ("a+b+c",),
            id="d07: plus signs in the answer",
        ),
    ],
)
def test_a_callback_gets_the_arguments_of_the_ack(
    client: Client, send: Callable[..., bool], packet: str, ack: str, args: tuple[Any, ...]
) -> None:
    answers: list[Any] = []
    assert send(client["/n"], lambda *values: answers.append(values))
    assert client.hears() == [packet]
    client.sends(ack, ack)  # clients that acknowledge twice are heard once
    assert answers == [args]


def test_d31_an_ack_on_another_namespace_calls_nobody(client: Client) -> None:
    answers: list[str] = []
    client["/n"].emit("q", callback=lambda: answers.append("/n"))
    client[""].emit("q", callback=lambda: answers.append("global"))
    client.sends("6::/other:1", "6:::1")
    assert answers == ["global"]


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda c: c.house.runtime.advance(3 + LATE), id="its time was over"),
        pytest.param(lambda c: c.sends("0::/n", "1::/n"), id="the namespace was left"),
    ],
)
def test_d31_a_callback_is_forgotten_when(client: Client, happens: Callable[..., Any]) -> None:
    answers: list[Any] = []
    client["/n"].emit("q", callback=lambda *args: answers.append(args), timeout=3)
    happens(client)
    client.sends("6::/n:1")
    assert answers == []


def test_m24_without_a_timeout_of_its_own_the_setting_counts(house: MakeHouse) -> None:
    client = house({"": Asking}, ack_timeout=7).client()
    client[""].emit("q", callback=print)
    assert client.socket.deadline() == client.house.runtime.now() + 7


def test_a_callback_that_fails_is_logged_and_ends_nothing(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise gevent.Timeout(1)

    client["/n"].emit("q", callback=lambda: 1 / 0)
    client["/n"].emit("q", callback=broken)
    client["/n"].emit("q", callback=lambda too, many: None)
    client.sends("6::/n:1", "6::/n:2", "6::/n:3")
    assert caplog.text.count("the ack callback") == 3
    assert client.sends('5:9+:/n:{"name":"after"}') == ['6::/n:9+["handled"]']


def test_a_callback_may_block_and_nobody_waits_for_it(client: Client) -> None:
    door = client.house.door()
    client["/n"].emit("q", callback=door.wait)
    client.hears()
    assert client.sends("6::/n:1", '5:9+:/n:{"name":"after"}') == ['6::/n:9+["handled"]']


# ---- call()


@pytest.mark.parametrize(
    ("ack", "value"),
    [
        pytest.param("6::/n:1", None, id="no argument"),
        pytest.param("6::/n:1+[]", None, id="none either"),
        pytest.param('6::/n:1+["yes"]', "yes", id="one"),
        pytest.param("6::/n:1+[null]", None, id="one null"),
        pytest.param("6::/n:1+[[1,2]]", [1, 2], id="one list"),
        pytest.param("6::/n:1+[1,2]", (1, 2), id="several"),
        pytest.param("6::/n:1+[false]", False, id="False is an answer"),
    ],
)
def test_m23_call_returns_what_the_client_answered(client: Client, ack: str, value: Any) -> None:
    assert client.sends('5::/n:{"name":"ask"}') == ['5:1+:/n:{"name":"question"}']
    client.sends(ack)
    assert client.socket.session["answer"] == value


def test_what_comes_behind_waits_for_a_handler_that_calls(client: Client) -> None:
    client.sends('5:1+:/n:{"name":"ask"}')
    assert client.sends('5:2+:/n:{"name":"after"}') == []
    assert client.sends("6::/n:1+[7]") == ["6::/n:1+[7]", '6::/n:2+["handled"]']


def call(client: Client, **options: Any) -> Any:
    """A task that calls; its ``value`` is the answer or the exception."""

    def asking() -> Any:
        try:
            return client["/n"].call("question", **options)
        except AckFailed as failed:
            return failed

    task = client.house.runtime.spawn(asking)
    client.house.runtime.settle()
    return task


@pytest.mark.parametrize(
    ("happens", "exception", "why"),
    [
        pytest.param(
            lambda c: c.house.runtime.advance(5 + LATE),
            AckTimeout,
            "no ack within 5 s",
            id="nothing",
        ),
        pytest.param(lambda c: c.sends("0::/n"), Disconnected, "the client is gone", id="it left"),
        pytest.param(lambda c: c.sends("0::"), Disconnected, "the client is gone", id="goodbye"),
        pytest.param(lambda c: c.hangs_up(), Disconnected, "the client is gone", id="it broke off"),
        pytest.param(
            lambda c: c["/n"].disconnect(), Disconnected, "the client is gone", id="thrown out"
        ),
    ],
)
def test_m23_call_raises_when_there_is_no_answer(
    client: Client, happens: Callable[..., Any], exception: type[Exception], why: str
) -> None:
    task = call(client, timeout=5)
    happens(client)
    client.house.runtime.settle()
    assert type(task.value) is exception
    assert str(task.value) == f"call('question'): {why}"


def test_a_timeout_can_be_caught_as_any_other(client: Client) -> None:
    task = call(client, timeout=5)
    client.house.runtime.advance(5 + LATE)
    assert isinstance(task.value, TimeoutError)


@pytest.mark.parametrize("gone", ["0::/n", "0::"])
def test_call_raises_at_once_when_the_client_is_gone(client: Client, gone: str) -> None:
    namespace = client["/n"]
    client.sends(gone)
    with pytest.raises(Disconnected):
        namespace.call("question")


def test_a_limit_in_the_way_is_not_taken_for_a_disconnect(house: MakeHouse) -> None:
    client = house({"/n": Asking}, max_acks=1, max_outbox=(1, 100), overflow="drop").client("/n")
    task = call(client)
    client["/n"].emit("q", callback=print)
    client.hears()
    assert type(task.value) is AckFailed
    assert "max_acks" in str(task.value)
    client.stream.stuck = True
    client["/n"].emit("fills the outbox")
    with pytest.raises(AckFailed, match="the outbox is full") as failed:
        client["/n"].call("question")
    assert type(failed.value) is AckFailed


def test_a_handler_whose_call_fails_answers_with_an_error_and_the_log_names_it(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends('5:9+:/n:{"name":"ask"}')
    client.house.runtime.advance(5 + LATE)
    assert client.hears() == [
        '6::/n:9+[{"error":"internal_error","message":"The event was not completed."}]'
    ]
    (line,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "/n: on_ask was not completed, by AckTimeout: call('question')" in line.getMessage()
    assert "[event-not-completed]" in line.getMessage()
    assert line.exc_info is None
    assert client.sends('5:2+:/n:{"name":"after"}') == ['6::/n:2+["handled"]']


def test_a_handler_whose_own_client_has_left_meanwhile_is_nothing_to_warn_of(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends('5:9+:/n:{"name":"ask"}')
    client.sends("0::")
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


# ---- call() where it cannot work


def test_call_in_recv_connect_says_what_to_do_instead(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    class Impatient(BaseNamespace):
        def recv_connect(self) -> None:
            self.call("question")

    assert house({"/i": Impatient}).client().sends("1::/i") == ["7::/i:2"]
    assert "Use self.spawn(...) for it." in caplog.text


def test_a_task_started_in_recv_connect_may_call_even_before_that_has_returned(
    house: MakeHouse,
) -> None:
    class Asks(BaseNamespace):
        def recv_connect(self) -> None:
            self.spawn(self.ask)
            self.session["door"].wait()

        def ask(self) -> None:
            self.session["answer"] = self.call("question")

    home = house({"/a": Asks})
    client = home.client()
    client.socket.session["door"] = home.door()
    assert client.sends("1::/a") == []
    client.socket.session["door"].set()
    assert client.hears() == ["1::/a", '5:1+:/a:{"name":"question"}']
    client.sends('6::/a:1+["yes"]')
    assert client.socket.session["answer"] == "yes"


def test_recv_connect_may_call_another_namespace(house: MakeHouse) -> None:
    class Second(BaseNamespace):
        def recv_connect(self) -> bool:
            return bool(self.socket["/n"].call("may I?"))

    client = house({"/n": Asking, "/second": Second}).client("/n")
    assert client.sends("1::/second") == ['5:1+:/n:{"name":"may I?"}']
    assert client.sends("6::/n:1+[true]") == ["1::/second"]


# ---- other threads


def test_d89_emit_works_from_a_native_thread(client: Client) -> None:
    answers: list[Any] = []
    emit = client["/n"].emit
    callback = answers.append
    assert in_a_native_thread(lambda: emit("from afar", 1, callback=callback)) is True
    assert client.hears() == ['5:1+:/n:{"name":"from afar","args":[1]}']
    client.sends('6::/n:1+["heard"]')
    assert answers == ["heard"]


def test_d89_what_is_sent_is_what_it_was_then(client: Client) -> None:
    def emit_and_go_on() -> None:
        values = [1, 2]
        client["/n"].emit("values", values)
        client["/n"].send(values, json=True)
        values.clear()

    in_a_native_thread(emit_and_go_on)
    assert client.hears() == ['5::/n:{"name":"values","args":[[1,2]]}', "4::/n:[1,2]"]


def test_d89_a_mistake_shows_in_the_thread_that_made_it(client: Client) -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        in_a_native_thread(lambda: client["/n"].emit("x", object()))


def test_call_in_another_thread_says_what_to_do_instead(client: Client) -> None:
    with pytest.raises(UsageError, match=r"emit\(..., callback=...\)"):
        in_a_native_thread(lambda: client["/n"].call("question"))


def test_a_callback_that_is_forgotten_leaves_a_line(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": BaseNamespace}, max_acks=2, log_lines=3).client("/n")
    for _ in range(20):
        client["/n"].emit("question", callback=print)
    client.hears()
    lines = [each.getMessage() for each in caplog.records if "acks-full" in each.getMessage()]
    assert len(lines) == 3
    assert "more than 2 wait for an ack: raise max_acks" in lines[0]


class Keeping(BaseNamespace):
    def on_upload(self, data: str) -> None:
        self.emit("arrived", callback=lambda: data)


def test_what_callbacks_hold_of_what_a_client_sends_is_bounded(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": Keeping}, max_acks=(1000, 100_000)).client("/n")
    for number in range(50):
        client.sends(f'5::/n:{{"name":"upload","args":["{number:05}{"x" * 9995}"]}}')
        acks = client.socket._acks
        assert acks is not None
        assert len(acks) <= 11
    lines = [each.getMessage() for each in caplog.records if "acks-full" in each.getMessage()]
    assert "hold more than 100000 bytes of memory: raise max_acks" in lines[0]


def test_one_that_got_no_answer_in_time_is_seen_at_debug(
    house: MakeHouse, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": BaseNamespace}).client("/n")
    with caplog.at_level(logging.DEBUG, "sockio.socket"):
        client["/n"].emit("question", callback=print, timeout=1)
        runtime.advance(2)
    assert "1 callbacks were forgotten" in caplog.text
