"""A worker that ends leaves its clients to another one, where what a third one says is under way to
each."""

from __future__ import annotations

import struct
from typing import Any

import gevent
import gevent.event
import pytest

from sockio.backplane import handover as module
from sockio.backplane import returns
from sockio.backplane.questions import Question, pack_values
from sockio.exceptions import UsageError

from ...support.transcript import eventually
from ..conftest import MakeHouse
from .test_returns import CODEC, Chat, Client, Worker, over


@pytest.fixture
def make(house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "ARRIVED", 5.0)
    monkeypatch.setattr(module, "STEP", 5.0)

    def make(*boots: str, **settings: Any) -> list[Worker]:
        options: dict[str, Any] = {"recovery": 120, "max_outbox": (500, 100_000), **settings}
        made = [Worker(house({"": Chat}, **options), boot) for boot in boots]
        for each in made:
            each.others = [other for other in made if other is not each]
        return made

    return make


@pytest.fixture
def three(make: Any) -> list[Worker]:
    """The one that ends, its heir, and one that talks."""
    made: list[Worker] = make("aaaa", "bbbb", "cccc")
    return made


def ends(worker: Worker) -> gevent.Greenlet[..., bool]:
    """The worker is told to end."""

    def end() -> bool:
        done = worker.handover.give(20.0)
        worker.home.registry.close_all()
        return done

    ending = gevent.spawn(end)
    worker.home.runtime.settle()
    return ending


def is_gone(worker: Worker) -> None:
    for each in worker.others:
        each.others.remove(worker)


def step(worker: Worker, *values: Any) -> list[Any]:
    """What a worker answers to one that says of itself that it ends."""
    return worker.answers(Question("estate", "", None, frozenset(), 1.0, values))


def hears_all(*workers: Worker) -> None:
    for each in workers:
        each.hears(len(each.under_way))


def test_who_is_connected_finds_all_at_the_heir(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1)
    hears_all(first, second)
    assert ada.read() == [1]
    ending = ends(first)
    assert ending.get() is True
    # While nobody has her.
    talker.says(2)
    first.says(3)
    hears_all(second)
    ada.come(second)
    assert ada.read() == [2, 3]
    assert ada.recovered
    talker.says(4)
    hears_all(second)
    assert ada.read() == [4]
    over(ada)


def test_what_one_of_both_has_not_heard(three: list[Worker]) -> None:
    first, second, talker = three
    ada, bob = Client(first), Client(second)
    talker.says(1, 2, 3, 4)
    second.hears(1)
    ending = ends(first)
    # It waits until it has heard the one that the heir has.
    assert not ending.ready()
    assert ada.read() == []
    first.hears(1)
    ending.join(0.01)
    assert ending.get() is True
    assert ada.read() == [1]
    first.hears(1)
    second.hears(1)
    ada.come(second)
    second.hears(2)
    assert ada.read() == [2, 3, 4]
    assert bob.read() == [1, 2, 3, 4]
    assert ada.recovered
    over(ada)
    over(bob)


def test_the_heir_waits_for_what_was_heard(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1, 2)
    first.hears(2)
    ending = ends(first)
    assert not ending.ready()
    # She was told to go, and is back before it is known who has her.
    assert ada.read() == [1, 2]
    ada.come(talker)
    assert ada.read() == []
    second.says(3)
    first.hears()
    second.hears()
    assert not ending.ready()
    second.hears()
    ending.join(0.01)
    assert ending.get() is True
    # Of the third the heir says that it has said nothing else.
    hears_all(talker)
    assert ada.read() == [3]
    assert ada.recovered
    over(ada)


@pytest.mark.parametrize("told", [pytest.param(True, id="told"), pytest.param(False, id="new")])
def test_an_heir_may_take_its_time(
    three: list[Worker], monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """As long as it answers; and whoever looks for a client waits for it."""
    first, second, talker = three
    monkeypatch.setattr(module, "STEP", 0.02)
    monkeypatch.setattr(module, "CLEAR", 0.01)
    monkeypatch.setattr(returns, "WAITS", 10_000)
    steps = fails_at(second, "nothing", monkeypatch)
    asked = fails_at(first, "nothing", monkeypatch)
    ada = Client(first)
    talker.says(1, 2)
    first.hears(2)
    ending = ends(first)
    assert ada.read() == [1, 2]
    if not told:
        # It has only just begun.
        talker.handover.ending.clear()
    ada.come(talker)
    eventually(lambda: steps.count("taken") > 2 and asked.count("clear") > 2, "they ask again")
    # Five were too many for one step.
    first.home.runtime.advance(10)
    eventually(lambda: steps.count("taken") > 5, "it goes on")
    assert not ending.ready()
    second.says(3)
    first.hears()
    second.hears(2)
    assert ending.get() is True
    hears_all(talker)
    heard: list[int] = []

    def has_heard() -> bool:
        heard.extend(ada.read())
        return bool(heard)

    eventually(has_heard, "she hears what she has missed")
    assert heard == [3]
    assert ada.recovered
    over(ada)


def test_who_has_said_all_and_dies(three: list[Worker]) -> None:
    """What the heir has begun to take it takes."""
    first, second, talker = three
    talker.says(1)
    first.hears()
    heard = first.backplane.seen.numbers()
    step(second, "begin", "aaaa.1", [])
    step(second, "piece", "aaaa.1", [record(1, CLIENT)])
    ending = gevent.spawn(step, second, "end", "aaaa.1", [heard, 1, [["word", 1, 0, 0]]])
    second.home.runtime.settle()
    second.home.runtime.advance(module.PATIENCE + 1)
    assert len(second.recovery) == 0
    second.hears()
    assert ending.get() == [True]
    second.home.runtime.advance(module.PATIENCE + 1)
    assert len(second.recovery) == 1
    second.home.runtime.advance(500)
    second.home.registry.check()


def test_who_comes_to_the_heir_before_it_has_all(three: list[Worker]) -> None:
    first, second, talker = three
    ada = Client(first)
    talker.says(1)
    first.hears()
    ending = ends(first)
    ada.come(second)
    talker.says(2)
    second.hears(2)
    ending.join(0.01)
    assert ending.get() is True
    # She has not read the first one: it was in the kernel.
    assert ada.read() == [1, 2]
    assert ada.recovered
    over(ada)


def test_it_is_handed_on_with_what_came_since(three: list[Worker]) -> None:
    first, second, third = three
    ada, eve, bob = Client(first), Client(first), Client(second)
    third.says(1)
    hears_all(first, second)
    assert [each.read() for each in (ada, eve, bob)] == [[1]] * 3
    assert ends(first).get() is True
    is_gone(first)
    third.says(2)
    hears_all(second)
    # She goes on there, and loses the connection again; eve has not come yet.
    ada.come(second)
    assert ada.read() == [2]
    bob.is_lost()
    third.says(3)
    hears_all(second)
    assert ada.read() == [3]
    assert ends(second).get() is True
    is_gone(second)
    third.says(4)
    for each, numbers in ((ada, [4]), (eve, [2, 3, 4]), (bob, [2, 3, 4])):
        each.come(third)
        assert each.read() == numbers
        assert each.recovered
    third.says(5)
    assert [each.read() for each in (ada, eve, bob)] == [[5]] * 3
    for each in (ada, eve, bob):
        over(each)


def test_those_of_the_heir_hear_nothing_twice(three: list[Worker]) -> None:
    first, second, talker = three
    ada, bob = Client(first), Client(second)
    bob.is_lost()
    talker.says(1, 2)
    hears_all(first, second)
    assert ends(first).get() is True
    talker.says(3)
    hears_all(second)
    bob.come(second)
    assert bob.read() == [1, 2, 3]
    assert bob.recovered
    over(ada)
    over(bob)


def test_who_was_away_and_had_heard_nothing_for_long(three: list[Worker]) -> None:
    first, second, talker = three
    ada, bob = Client(first), Client(first)
    talker.says(1)
    hears_all(first, second)
    assert ada.read() == bob.read() == [1]
    # What was said to others since is not kept any more.
    for _ in range(20):
        first.home.runtime.advance(20)
        for each in (ada, bob):
            each.stream.brings("3")
        talker.says(9, room="elsewhere")
        hears_all(first, second)
    assert first.recovery._log.first > 5
    ada.is_lost()
    assert ends(first).get() is True
    talker.says(2)
    hears_all(second)
    for each in (ada, bob):
        each.come(second)
        assert each.read() == [2]
        assert each.recovered
    for each in (ada, bob):
        over(each)


def test_one_that_ends_itself_is_no_heir(three: list[Worker]) -> None:
    first, second, third = three
    ada, bob, eve = Client(first), Client(second), Client(third)
    second.recovery.ends = True
    assert ends(first).get() is True
    ada.come(third)
    ada.read()
    assert ada.recovered
    second.recovery.ends = False
    for each in (ada, bob, eve):
        over(each)


def test_all_of_them_end(three: list[Worker]) -> None:
    clients = [Client(each) for each in three]
    for each in three:
        each.recovery.ends = each is not three[0]
    assert ends(three[0]).get() is False
    assert not three[0].home.registry.sockets
    for client in clients:
        over(client)


def test_nobody_is_there(make: Any) -> None:
    (alone,) = make("aaaa")
    ada = Client(alone)
    assert ends(alone).get() is False
    over(ada)


def test_somebody_comes(make: Any) -> None:
    first, second = make("aaaa", "bbbb")
    ada = Client(first)
    first.others, coming = [], [True, True]

    def somebody_comes() -> bool:
        if coming:
            coming.pop()
        else:
            first.others = [second]
        return True

    assert first.handover.give(20.0, somebody_comes) is True
    ada.come(second)
    ada.read()
    assert ada.recovered
    over(ada)


def fails_at(worker: Worker, what: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a worker not answer that step; the steps that it has been asked for."""
    steps: list[str] = []
    answer = worker.handover.answer

    def fail(question: Question) -> list[Any]:
        if question.values[0] != "ends":
            # Which all are told.
            steps.append(question.values[0])
        if question.values[0] == what:
            # It does it, and nobody hears of that.
            answer(question)
            gevent.sleep(0.1)
            return []
        return answer(question)

    monkeypatch.setattr(worker.handover, "answer", fail)
    return steps


@pytest.mark.parametrize("what", ["piece", "end"])
def test_the_next_one_is_asked(
    three: list[Worker], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = three
    monkeypatch.setattr(module, "STEP", 0.05)
    steps = fails_at(second, what, monkeypatch)
    ada = Client(first)
    second.says(1)
    hears_all(first, third)
    ending = ends(first)
    # Between the two.
    second.says(2)
    hears_all(first, third)
    assert ending.get() is True
    gevent.sleep(0.15)
    assert steps[-1] == "forget"
    assert len(second.recovery) == 0
    second.says(3)
    hears_all(third)
    ada.read()
    ada.come(third)
    assert ada.read() == [2, 3]
    assert ada.recovered
    over(ada)


def test_nobody_takes_it_in_time(
    three: list[Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = three
    monkeypatch.setattr(module, "STEP", 0.05)
    for each in (second, third):
        fails_at(each, "end", monkeypatch)
    ada = Client(first)
    assert ends(first).get() is False
    assert "keeps for 1 clients: they begin anew [recovery-not-taken]" in caplog.text
    gevent.sleep(0.15)
    ada.come(third)
    ada.read()
    assert not ada.recovered
    over(ada)


def in_itself() -> list[Any]:
    value: list[Any] = []
    value += [value, {"again": value}]
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def doubled(times: int) -> list[Any]:
    """A list that is small, and has no end for whoever writes it down."""
    value: list[Any] = []
    for _ in range(times):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({1}, id="a set"),
        pytest.param(in_itself(), id="what is in itself"),
        pytest.param(deep(20_000), id="what is deep"),
        pytest.param(doubled(40), id="what is large"),
        pytest.param(1 << 100_000, id="a long number"),
        pytest.param([b"", {"_placeholder": True, "num": 0}], id="what stands for bytes"),
    ],
)
def test_what_means_nothing_elsewhere_does_not_go_along(
    three: list[Worker], caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    first, second, _ = three
    ada, bob = Client(first), Client(first)
    (odd, _) = first.home.registry.sockets.values()
    odd.session["odd"] = value
    assert ends(first).get() is True
    for each in (ada, bob):
        each.come(second)
        each.read()
    assert (ada.recovered, bob.recovered) == (False, True)
    assert "[recovery-elsewhere]" in caplog.text
    for each in (ada, bob):
        over(each)


def test_what_the_applications_own_json_cannot_write(
    three: list[Worker], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One client begins anew, and all others go along."""
    first, second, _ = three
    ada, bob = Client(first), Client(first)
    (odd, _) = first.home.registry.sockets.values()
    odd.session["odd"] = "nobody can write that"

    def pack(codec: Any, values: Any) -> bytes:
        if "nobody can write that" in str(values):
            raise UsageError("as it was told")
        return pack_values(codec, values)

    monkeypatch.setattr("sockio.backplane.estates.pack_values", pack)
    assert ends(first).get() is True
    for each in (ada, bob):
        each.come(second)
        each.read()
    assert (ada.recovered, bob.recovered) == (False, True)
    assert "as it was told [recovery-elsewhere]" in caplog.text
    for each in (ada, bob):
        over(each)


def test_a_handler_that_goes_on(three: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = three
    begun, goes_on = gevent.event.Event(), gevent.event.Event()

    def on_count(self: Any) -> None:
        for number in (1, 2):
            self.emit("n", number)
        begun.set()
        goes_on.wait()
        self.emit("n", 3)
        self.emit("n", 4, callback=lambda: None)

    monkeypatch.setattr(Chat, "on_count", on_count, raising=False)
    ada = Client(first)
    ada.stream.brings('42["count"]')
    begun.wait()
    assert ada.read() == [1, 2]
    assert ends(first).get() is True
    goes_on.set()
    first.home.runtime.settle()
    hears_all(second)
    ada.come(second)
    assert ada.read() == [3]
    assert ada.recovered
    over(ada)


# ---- what makes no sense

CLIENT = [
    *["", ["name"], "a-pid-of-old", False, 0, 0, [0], "10.0.0.1", 0, 60],
    *[[["lobby", -1]], [["5:::x"]], "", "1", {}, None],
]
EVENT = [60, "", ["lobby"], [], ['2["n",1,"a.1"]'], None, ["cccc", 1], 0]


def record(kind: int, values: Any) -> bytes:
    packed = pack_values(CODEC, values)
    return struct.pack(">BI", kind, len(packed)) + packed


def end_of(worker: Worker, *records: bytes) -> list[Any]:
    """What it answers at the end of an estate, or earlier."""
    (numbers,) = step(worker, "begin", "cccc.1", [])
    assert isinstance(numbers, dict)
    for each in records:
        if step(worker, "piece", "cccc.1", [each]) != [True]:
            return []
    answer = step(worker, "end", "cccc.1", [{}, 1, [["word", 1, 0, 0]]])
    step(worker, "done", "cccc.1", [])
    return answer


def with_(values: list[Any], place: int, value: Any) -> list[Any]:
    changed = [*values]
    changed[place] = value
    return changed


def test_what_makes_sense(three: list[Worker]) -> None:
    worker = three[0]
    assert end_of(worker, record(0, EVENT), record(0, [60]), record(1, CLIENT)) == [True]
    assert len(worker.recovery) == 1
    assert worker.complaints == []
    worker.home.runtime.advance(500)


@pytest.mark.parametrize(
    "piece",
    [
        b"x",
        struct.pack(">BI", 0, 100),
        record(2, EVENT),
        record(0, []),
        record(0, ["soon"]),
        *[
            pytest.param(record(0, with_(EVENT, place, value)), id=f"event {place} {value!r:.20}")
            for place, value in [
                (1, 7),
                (2, [[]]),
                (2, "lobby"),
                (3, {}),
                (4, ["no comma"]),
                (4, [1]),
                (4, ["2[1]", "text"]),
                (5, []),
                (6, [1, 1]),
                (6, ["a" * 21, 1]),
                (7, -1),
                (7, 1000),
                (7, "0"),
            ]
        ],
    ],
)
def test_an_estate_that_makes_no_sense(three: list[Worker], piece: bytes) -> None:
    worker = three[0]
    assert end_of(worker, record(1, CLIENT), piece) == []
    assert len(worker.recovery) == 0
    assert len(worker.complaints) == 1
    worker.home.registry.check()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 1),
        (0, "/elsewhere"),
        (1, []),
        (1, [1]),
        (2, "short"),
        (3, 1),
        (4, 1.5),
        (4, 2**60),
        (5, None),
        (6, {}),
        (6, [-1]),
        (7, None),
        (8, "long"),
        (9, None),
        (10, {"lobby": 1}),
        (10, [["lobby"]]),
        (10, [[[], 1]]),
        (10, [["lobby", "1"]]),
        (11, ["5:::x"]),
        (11, [[]]),
        (12, 1),
        (13, 1),
        (14, []),
        (15, 1),
    ],
)
def test_a_client_that_makes_no_sense(three: list[Worker], place: int, value: Any) -> None:
    """Nobody else is concerned."""
    worker = three[0]
    other = with_(CLIENT, 2, "the-pid-of-another")
    assert end_of(worker, record(1, with_(CLIENT, place, value)), record(1, other)) == [True]
    assert len(worker.recovery) == 1
    assert len(worker.complaints) == 1
    worker.home.registry.check()
    worker.home.runtime.advance(500)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [7, 1, []],
        [{"a": "b"}, 1, []],
        [{}, 0, []],
        [{}, 10_000, []],
        [{}, "1", []],
        [{}, 1, 7],
        [{}, 1, [[1, 1, 1, 1]]],
        [{}, 1, [["word", 1, 1]]],
        [{}, 1, [["word", 1, 1, None]]],
        [{}, 1, [["word", 1, 1, 1]] * 3000],
    ],
)
def test_an_end_that_makes_no_sense(three: list[Worker], values: Any) -> None:
    worker = three[0]
    step(worker, "begin", "cccc.1", [])
    step(worker, "piece", "cccc.1", [record(1, CLIENT)])
    assert step(worker, "end", "cccc.1", values) == []
    assert len(worker.recovery) == 0
    assert len(worker.complaints) == 1
    worker.home.registry.check()


def test_steps_that_make_no_sense(three: list[Worker]) -> None:
    worker = three[0]
    assert step(worker, "piece", "cccc.1", [b""]) == []
    step(worker, "begin", "cccc.1", [])
    assert step(worker, "begin", "cccc.1", []) == []
    assert step(worker, "dance", "cccc.1", []) == []
    step(worker, "begin", "cccc.2", [])
    assert step(worker, "piece", "cccc.2", ["text"]) == []
    assert len(worker.complaints) == 2
    # One that says nothing more is not waited for.
    step(worker, "begin", "cccc.3", [])
    worker.home.runtime.advance(module.PATIENCE + 1)
    assert step(worker, "end", "cccc.3", [{}, 1, []]) == []
    worker.home.registry.check()


def test_there_may_be_so_many(three: list[Worker]) -> None:
    worker = three[0]
    assert all(step(worker, "begin", f"cccc.{each}", []) for each in range(module.MOST))
    assert step(worker, "begin", "cccc.one-more", []) == []
    worker.home.runtime.advance(module.PATIENCE + 1)
    worker.home.registry.check()


def test_more_than_may_be_kept(make: Any) -> None:
    (worker,) = make("aaaa", recovery=(120, 10_000))
    event = with_(EVENT, 4, ["2" + "x" * 1000 + ","])
    many = [record(0, with_(event, 6, ["cccc", number])) for number in range(12)]
    assert end_of(worker, record(1, CLIENT), *many) == []
    assert len(worker.complaints) == 1
    assert worker.recovery.size == 0
    worker.home.registry.check()


def test_what_several_have_heard_is_kept_once(make: Any) -> None:
    (worker,) = make("aaaa", recovery=(120, 10_000))
    event = with_(EVENT, 4, ["2" + "x" * 1000 + ","])
    assert end_of(worker, record(1, CLIENT), *[record(0, event) for _ in range(10)]) == [True]
    # And one that stands for what was before.
    assert len(worker.recovery._log) == 11
    assert worker.recovery.size < 8000
    worker.home.runtime.advance(500)


def test_the_oldest_are_given_up(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    (worker,) = make("aaaa", recovery=(120, 10_000))
    event = with_(EVENT, 4, ["2" + "x" * 1000 + ","])
    many = [record(0, with_(event, 6, ["cccc", number])) for number in range(6)]
    assert end_of(worker, record(1, CLIENT), *many) == [True]
    worker.home.runtime.settle()
    assert "the oldest were given up, " in caplog.text
    assert worker.recovery.size <= 10_000
    assert worker.complaints == []
    worker.home.runtime.advance(500)
    worker.home.registry.check()
