"""A client that comes back to another worker, where what a third one says is under way to each."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, RoomsMixin
from sockio.backplane import returns as module
from sockio.backplane.handover import Handover
from sockio.backplane.joined import JoinedBackplane
from sockio.backplane.local import LocalBackplane
from sockio.backplane.questions import (
    Answers,
    Question,
    codec_for_values,
    pack_values,
    unpack_values,
)
from sockio.backplane.returns import Returns
from sockio.exceptions import PacketError
from sockio.protocol.engine_codec import EngineCodec
from sockio.protocol.generations import EIO4
from sockio.sessions.ids import WorkerIds

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted

CODEC = EngineCodec(EIO4)


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        if not self.recovered:
            self.join("lobby")


class Worker:
    """One that hears another's emissions when it is told to."""

    def __init__(self, home: House, boot: str) -> None:
        self.home = home
        self.boot = boot
        self.others: list[Worker] = []
        #: What it has said of others.
        self.complaints: list[str] = []
        #: What the others have said and has not come.
        self.under_way: deque[tuple[int, bytes]] = deque()
        registry = home.registry
        registry.ids = ids = WorkerIds(boot, b"key")
        local = LocalBackplane(registry.members, lambda: registry.recovery, lambda: None)
        self.backplane = JoinedBackplane(local, registry, "group", lambda order: None)
        self.backplane.ways.append(self)
        registry.backplane = self.backplane
        assert registry.recovery is not None
        self.recovery = registry.recovery
        self.handover = Handover(
            registry.recovery,
            self,  # type: ignore[arg-type]
            "group",
            boot,
            self.backplane.seen,
            registry.complaints,
            home.runtime,
            codec=codec_for_values(registry.copier),
            begin_to_leave=registry.refuse_others,
            leave=registry.lose_all,
            is_pid=lambda counts, pid: len(pid) > 5,
            is_namespace=lambda name: name in ("", "/chat"),
            publish=self.backplane.publish,
        )
        self.returns = Returns(
            registry.recovery,
            self,  # type: ignore[arg-type]
            "group",
            ids,
            self.backplane.seen,
            registry.complaints,
            self.handover,
            home.runtime,
        )

    leads_anywhere, by_room = True, False

    def send(self, kind: int, namespace: str, data: bytes, room: object = None) -> None:
        for each in self.others:
            each.under_way.append((kind, data))

    def hears(self, count: int = 1) -> None:
        """That many of what is under way to it come."""
        for _ in range(count):
            self.backplane.take(*self.under_way.popleft())
        self.home.runtime.settle()

    def says(self, *numbers: int, room: str = "lobby") -> None:
        for number in numbers:
            self.home.middleware.of("").to(room).emit("n", number)

    def notify(self, group: str, event: str, args: list[Any]) -> None:
        """Nothing of that is said here."""

    def complain(self, name: str, what: str) -> None:
        self.complaints.append(f"{name}: {what}")

    @property
    def names(self) -> list[str]:
        return [each.boot for each in self.others]

    def ask(
        self,
        group: str,
        question: Question,
        enough: Callable[[list[Any]], bool] | None = None,
        name: str | None = None,
    ) -> Any:
        """As :class:`Questions` does it, with a wire that is quick."""
        asked = {
            each.boot: gevent.spawn(each.answers, question)
            for each in self.others
            if name in (None, each.boot)
        }
        return _Asked(asked)

    def answers(self, question: Question) -> list[Any]:
        """As another worker has it."""
        packed = pack_values(CODEC, question.values)
        values = tuple(unpack_values(CODEC, packed))
        return unpack_values(
            CODEC, pack_values(CODEC, self.returns.answer(question._replace(values=values)))
        )


class _Asked:
    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def wait(self, seconds: float) -> Answers:
        gevent.joinall([*self._answers.values()], seconds)
        found = {name: each.get() for name, each in self._answers.items() if each.ready()}
        return Answers(found, [name for name in self._answers if name not in found])

    def leave(self) -> None:
        """Nobody waits."""


class Client:
    """One of 4.x, of which the test says where it goes."""

    def __init__(self, worker: Worker) -> None:
        self.pid = ""
        self.offset: str | None = None
        self.numbers: list[int] = []
        self.recovered = False
        self.come(worker)
        self.read()

    def come(self, worker: Worker) -> None:
        self.home = worker.home
        socket = admitted(worker.home, EIO4)
        self.stream = Stream(socket)
        socket.attach(self.stream)
        told = {"pid": self.pid, "offset": self.offset}
        socket.receive("40" + json.dumps({name: said for name, said in told.items() if said}))
        self.home.runtime.settle()

    def read(self) -> list[int]:
        """The numbers that have come."""
        self.home.runtime.settle()
        packets, self.stream.packets = self.stream.packets, []
        numbers = []
        for packet in packets:
            if packet.startswith("40"):
                pid = json.loads(packet[2:])["pid"]
                self.recovered, self.pid = pid == self.pid, pid
            elif packet.startswith("42"):
                _, number, self.offset = json.loads(packet[2:])
                numbers.append(number)
        return numbers

    def is_lost(self) -> None:
        self.stream.hangs_up()
        self.home.runtime.settle()


@pytest.fixture
def three(house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The one that has the client, the one that it comes to, and one that talks."""
    monkeypatch.setattr(module, "ARRIVED", 5.0)
    made = [
        Worker(house({"": Chat}, recovery=120, max_outbox=(500, 100_000)), boot)
        for boot in ("aaaa", "bbbb", "cccc")
    ]
    for each in made:
        each.others = [other for other in made if other is not each]
    return made


def over(ada: Client) -> None:
    ada.is_lost()
    ada.home.runtime.advance(200)


@pytest.mark.parametrize("noticed", [True, False], ids=["lost", "not known to be lost"])
def test_the_one_that_had_it_has_not_heard_what_the_other_has(
    three: list[Worker], noticed: bool
) -> None:
    first, second, talker = three
    ada = Client(first)
    if noticed:
        ada.is_lost()
    talker.says(1, 2)
    # Before somebody asks, so it keeps none of that.
    second.hears(2)
    ada.come(second)
    assert ada.read() == []
    first.hears()
    assert ada.read() == []
    first.hears()
    assert ada.read() == [1, 2]
    assert ada.recovered
    talker.says(3)
    second.hears()
    assert ada.read() == [3]
    over(ada)


def test_the_other_has_not_heard_what_the_one_that_had_it_has(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1, 2)
    first.hears(2)
    assert ada.read() == [1, 2]
    ada.is_lost()
    talker.says(3, 4)
    first.hears(2)
    ada.come(second)
    second.hears(3)
    assert ada.read() == []
    second.hears()
    assert ada.read() == [3, 4]
    assert ada.recovered
    over(ada)


def test_what_comes_while_it_is_looked_for(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    ada.is_lost()
    talker.says(1)
    second.hears()
    ada.come(second)
    # The answer waits for the first. What comes here meanwhile may have been there or not.
    talker.says(2)
    talker.says(99, room="elsewhere")
    second.says(3)
    talker.says(4)
    second.hears(3)
    first.hears()
    assert ada.read() == [1, 3, 2, 4]
    assert ada.recovered
    # What it has of these it says by the numbers of the second.
    ada.is_lost()
    ada.come(second)
    assert ada.recovered
    assert ada.read() == []
    # They come to the first one, too late, and to nobody.
    first.hears(len(first.under_way))
    ada.is_lost()
    ada.come(first)
    assert ada.recovered
    assert ada.read() == []
    over(ada)


def test_half_of_what_was_missed_arrived(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    ada.is_lost()
    talker.says(1, 2, 3)
    first.hears(3)
    ada.come(second)
    second.hears(3)
    # The connection breaks again behind the second of them.
    offsets = [json.loads(each[2:])[2] for each in ada.stream.packets if each.startswith("42")]
    assert ada.read() == [1, 2, 3]
    ada.offset = offsets[1]
    ada.is_lost()
    ada.come(first)
    assert ada.read() == [3]
    assert ada.recovered
    over(ada)


def test_who_waits_for_what_never_comes_begins_anew(
    three: list[Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ARRIVED", 0.01)
    first, second, talker = three
    ada = Client(first)
    ada.is_lost()
    talker.says(1)
    second.hears()
    ada.come(second)
    gevent.sleep(0.05)
    ada.read()
    assert not ada.recovered
    assert "did not arrive within 0.01 s" in caplog.text
    over(ada)


def test_what_the_client_would_not_be_given_where_it_was(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    ada.is_lost()
    talker.says(*range(2000))
    first.hears(2000)
    second.hears(2000)
    ada.come(second)
    # More than its outbox takes.
    assert ada.read() == []
    assert not ada.recovered
    over(ada)


@pytest.mark.parametrize(
    "answer",
    [
        [1, {}],
        [["home", [], [], {}, []], {}],
        [["home", [1], [], {}, []], {}],
        [["home", ["name"], {}, {}, []], {}],
        [["home", ["name"], [["room"]], {}, []], {}],
        [["home", ["name"], [], 1, []], {}],
        [["home", ["name"], [], {}, 7], {}],
        [["home", ["name"], [], {}, [7]], {}],
        [["home", ["name"], [], {}, [[7]]], {}],
        [["home", ["name"], [], {}, [["2[1]", "text"]]], {}],
        [["home", ["name"], [], {}, [["no comma"]]], {}],
        [["home", ["name"], [], {}, []], 7],
        [["home", ["name"], [], {}, []], {"a": "b"}],
    ],
)
def test_a_worker_that_answers_what_makes_no_sense(
    three: list[Worker],
    answer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, _ = three
    ada = Client(first)
    ada.is_lost()
    monkeypatch.setattr(first.returns, "answer", lambda question: answer)
    ada.come(second)
    ada.read()
    assert not ada.recovered
    assert len(second.complaints) == 1
    over(ada)


@pytest.mark.parametrize(
    "values",
    [([], {}), ([1, True, None], {}), (["pid", 1, None], {}), (["p", True, ""], {"a": ""})],
)
def test_a_worker_that_asks_what_makes_no_sense(three: list[Worker], values: Any) -> None:
    question = Question("stay", "", None, frozenset(), 1.0, values)
    with pytest.raises(PacketError):
        three[0].returns.answer(question)


def test_what_has_no_number_does_not_come_twice(
    three: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what goes by a room's channel: it is late at the worker that the client comes to."""
    first, second, talker = three
    ada = Client(first)
    ada.is_lost()
    packed = talker.backplane._packed
    talker.backplane._packed = lambda emission, encoded, origin: packed(emission, encoded, None)  # type: ignore[method-assign]
    talker.says(1, 2)
    first.hears(2)

    def catch_up(seconds: float = 0.0) -> None:
        second.hears(len(second.under_way))

    monkeypatch.setattr(second.backplane.seen, "catch_up", catch_up)
    ada.come(second)
    second.hears(len(second.under_way))
    # Where it does not wait for that, these come once more.
    assert ada.read() == [1, 2]
    assert ada.recovered
    over(ada)
