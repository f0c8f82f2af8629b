"""Questions to the processes of other hosts, by way of Redis: who answers, and who is missing."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from sockio import UsageError
from sockio.backplane import questions
from sockio.backplane.channels import channel_of, node_channel, nodes_channel
from sockio.backplane.questions import OTHER_HOSTS, Answers, Question
from sockio.backplane.redis import members, nodes, pieces
from sockio.backplane.redis.frames import begin_word, publisher_bytes
from sockio.backplane.redis.way import RedisWay
from sockio.protocol.engine_codec import EngineCodec
from sockio.protocol.generations import EIO4
from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.sessions.complaints import Complaints

from ..support.redis import RedisServer
from ..support.transcript import PATIENCE, Transcript, eventually

CODEC = EngineCodec(EIO4, None, None)
QUESTION, ANSWER, HELLO, BEAT, GOODBYE = range(3, 8)
#: No two tests are of the same group.
_groups = itertools.count()


# ---- one of this process


class Host:
    """One whose answers are a test's own."""

    def __init__(
        self, url: str, group: str, answer: Callable[[Question], list[Any]], host: str
    ) -> None:
        self._group = group
        #: Gaps, and what was published.
        self.told = Transcript(group)
        runtime = GeventRuntime()
        runtime.bind()
        self.complaints = Complaints(runtime, 10)
        self.way = RedisWay(
            url,
            runtime,
            self.complaints,
            group,
            host or f"host{next(_groups):04}",
            CODEC,
            take=lambda kind, data: self.told.add("came", data),
            obey=lambda command: None,
            on_gap=lambda publisher, missing: self.told.add("gap", publisher, missing),
        )
        self.way.questions.add(group, CODEC, answer)
        self.way.start([""])
        self.name = self.way.link.name

    def settled(self, *others: Host) -> Host:
        """Wait until these, and no others, are known."""
        names = sorted(other.name for other in others)
        eventually(lambda: sorted(self.way._nodes.names()) == names, f"{names} are known")
        return self

    def ask(self, *values: Any, seconds: float = PATIENCE, what: str = "server-side") -> Answers:
        given = () if what == "sockets" else ("event", list(values))
        question = Question(what, "", None, frozenset(), seconds, given)
        asked = self.way.ask(self._group, question)
        assert asked is not None
        return asked.wait(seconds)


class Slow:
    """An answer that waits."""

    def __init__(self) -> None:
        self.asked, self.go_on = Event(), Event()

    def __call__(self, question: Question) -> list[Any]:
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        return ["at last"]


Start = Callable[..., Host]


@pytest.fixture
def start(shared: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start hosts, which wait less than usual for those who may be there."""
    monkeypatch.setattr(nodes, "SETTLED", 0.1)
    made: list[Host] = []
    group = f"group {next(_groups)}"

    def begin(
        answer: Callable[[Question], list[Any]] = lambda question: ["here"],
        server: RedisServer = shared,
        host: str = "",
    ) -> Host:
        made.append(Host(server.url, group, answer, host))
        return made[-1]

    yield begin
    for each in made:
        each.way.close()
        each.complaints.close()


def test_nobody_is_asked_where_nobody_is(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    one = start()
    # Until those who may be there have had time to say so.
    assert one.ask(1) == Answers({}, [OTHER_HOSTS])
    one.settled()
    question = Question("sockets", "", None, frozenset(), 1.0)
    assert one.way.ask("any", question) is None


def test_who_catches_up_has_all_that_the_server_was_told(start: Start) -> None:
    one, other = start(), start()
    one.settled(other)
    for number in range(100):
        payload = b"%d" % number
        other.way.send(1, "", payload)
        # All that it has said is with the server when its own word is back.
        for host in (other, one):
            come = Event()
            assert host.way.echo(come.set)
            assert come.wait(PATIENCE)
        assert one.told.all("came")[-1] == (payload,)
    # Nobody waits while the server is away.
    come = Event()
    assert one.way.echo(come.set)
    one.way.link.close()
    one.way._stands(False)
    assert come.is_set()
    assert not one.way.echo(come.set)


def test_who_is_not_known_is_not_awaited(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is known, by the time that the question leaves, that there is nobody."""
    one, other = start(), start()
    one.settled(other)
    ask = one.way._nodes.ask

    def ask_later(data: bytes, name: str | None = None) -> list[str]:
        monkeypatch.setattr(nodes, "SETTLED", 0.0)
        return ask(data, name)

    monkeypatch.setattr(nodes, "SETTLED", 1e9)
    monkeypatch.setattr(one.way._nodes, "ask", ask_later)
    # For ever, if it did.
    assert one.ask(seconds=1e6) == Answers({other.name: ["here"]}, [OTHER_HOSTS])


def test_who_comes_half_way_is_not_awaited(start: Start) -> None:
    answer = Slow()
    one, other = start(), start(answer)
    one.settled(other)
    task = gevent.spawn(one.ask)
    assert answer.asked.wait(PATIENCE)
    late = start(answer)
    one.settled(other, late)
    answer.go_on.set()
    assert task.get(timeout=PATIENCE) == Answers({other.name: ["at last"]}, [])
    assert one.ask() == Answers({other.name: ["at last"], late.name: ["at last"]}, [])


def test_who_leaves_half_way_is_missing(start: Start) -> None:
    answer = Slow()
    one, other = start(), start(answer)
    one.settled(other)
    task = gevent.spawn(one.ask)
    assert answer.asked.wait(PATIENCE)
    other.way.close()
    assert task.get(timeout=PATIENCE) == Answers({}, [other.name])
    answer.go_on.set()


def test_who_is_not_heard_is_gone(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "GONE", 1.0)
    monkeypatch.setattr(nodes, "BEAT_EVERY", 0.2)
    caplog.set_level(logging.INFO, "sockio.redis")
    one, other = start(), start()
    one.settled(other)
    # Without a goodbye.
    other.way.link.close()
    eventually(lambda: f"{other.name} of another host is gone: it gave no" in caplog.text, "said")
    one.settled()


def test_whoever_waits_when_the_link_is_lost_is_told(start: Start, server: RedisServer) -> None:
    answer = Slow()
    one, other = start(server=server), start(answer, server)
    one.settled(other)
    task = gevent.spawn(one.ask)
    assert answer.asked.wait(PATIENCE)
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    assert task.get(timeout=PATIENCE) == Answers({}, [other.name])
    answer.go_on.set()
    eventually(lambda: one.way.link.deaf is None, "the link stands")
    one.settled(other)


def test_more_questions_than_may_be_are_not_answered(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MOST", 1)
    answer = Slow()
    one, other = start(), start(answer)
    one.settled(other)
    task = gevent.spawn(one.ask)
    assert answer.asked.wait(PATIENCE)
    assert one.ask() == Answers({}, [other.name])
    answer.go_on.set()
    assert task.get(timeout=PATIENCE) == Answers({other.name: ["at last"]}, [])
    assert one.ask() == Answers({other.name: ["at last"]}, [])


def test_what_does_not_fit_into_one_publication(start: Start) -> None:
    def answer(question: Question) -> list[Any]:
        return [b"\1" * question.values[1][0]]

    one, other = start(), start(answer)
    one.settled(other)
    large = pieces.MOST_BYTES - 1_000
    assert one.ask(large).values[other.name] == [b"\1" * large]
    # Who has more to say is missing, at once.
    assert one.ask(pieces.MOST_BYTES) == Answers({}, [other.name])
    with pytest.raises(UsageError, match="may have 1000000 bytes"):
        one.ask("x" * 1_000_000)
    assert one.way.questions._asked == {}


# ---- what is missing


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life come more often."""
    monkeypatch.setattr(nodes, "BEAT_EVERY", 0.2)


def lose(host: Host, number: int, namespace: str = "") -> None:
    """Count what is never published."""
    channel = channel_of(host._group, namespace)
    counter = host.way.link._publisher._numbering.young[channel]
    counter.number += number


@pytest.mark.usefixtures("soon")
def test_a_loss_is_noticed_though_nothing_else_is_published(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = start(), start()
    one.settled(other)
    other.way.send(1, "", b"first")
    one.told.next("came", b"first")
    lose(other, 3)
    assert one.told.next("gap") == (other.name, 3)
    other.way.send(1, "", b"second")
    one.told.next("came", b"second")
    lose(other, 2)
    assert one.told.next("gap") == (other.name, 2)
    # Told once, and what was heard of other channels is not touched by it.
    other.way.send(1, "/other", b"nobody is there")
    other.way.send(1, "", b"third")
    one.told.next("came", b"third")
    assert len(one.told.all("gap")) == 2
    eventually(lambda: caplog.text.count("[backplane-gap]") == 2, "it is said")


def test_who_comes_back_is_told_at_once_what_it_has_missed(
    start: Start, server: RedisServer
) -> None:
    one, other = start(server=server), start(server=server)
    one.settled(other)
    other.way.send(1, "", b"first")
    one.told.next("came", b"first")
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    for _ in range(3):
        other.way.send(1, "", b"missed")
    assert one.told.next("gap") == (other.name, 3)
    assert one.told.all("came") == [(b"first",)]


@pytest.mark.usefixtures("soon")
def test_what_is_lost_of_a_sibling_came_by_the_mesh(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    one, sibling, other = start(host="the same"), start(host="the same"), start()
    eventually(lambda: one.way._nodes.is_sibling(sibling.name), "it is known")
    one.settled(other)
    for each in (sibling, other):
        each.way.send(1, "", b"first")
    one.told.next("came", b"first")
    lose(sibling, 3)
    sibling.way.send(1, "", b"second")
    lose(other, 1)
    assert one.told.next("gap") == (other.name, 1)
    eventually(lambda: one.way.link.numbers.missing == 4, "it was counted")
    assert one.told.all("gap") == [(other.name, 1)]
    assert one.told.all("came") == [(b"first",)]


@pytest.mark.usefixtures("soon")
def test_a_forged_sign_of_life_disturbs_for_a_while_only(start: Start, shared: RedisServer) -> None:
    one, other = start(), start()
    one.settled(other)
    other.way.send(1, "", b"first")
    one.told.next("came", b"first")
    channel = channel_of(one._group, "")
    told = json.dumps(["x", 1, {channel: [1, 1_000]}]).encode()
    Stranger(shared, one._group, other.name).say(BEAT, told)
    assert one.told.next("gap") == (other.name, 999)
    for number in range(20):
        other.way.send(1, "", b"%d" % number)
    one.told.next("came", b"19")


def test_more_channels_than_one_sign_of_life_tells_of_have_their_turn(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "TOLD", 2)
    monkeypatch.setattr(nodes, "BEAT_EVERY", 0.1)
    one, other = start(), start()
    one.settled(other)
    names = [f"/{number}" for number in range(5)]
    for name in names:
        one.way.watch(name, True)
    one.way.link.subscribe("behind", then=lambda: one.told.add("subscribed"))
    one.told.next("subscribed")
    for name in names:
        other.way.send(1, name, name.encode())
        one.told.next("came", name.encode())
        lose(other, 1, name)
    for _ in names:
        assert one.told.next("gap") == (other.name, 1)


# ---- those who lie


class Stranger:
    """Whoever may publish on the server."""

    def __init__(self, server: RedisServer, group: str, name: str = "mallory") -> None:
        self._server = server
        self._group = group
        self._frame = begin_word(publisher_bytes(name))

    def say(self, kind: int, payload: bytes = b"", to: str = "", frame: bytes = b"") -> None:
        channel = node_channel(self._group, to) if to else nodes_channel(self._group)
        word = (frame or self._frame) + b"elsewher" + bytes([kind]) + payload
        self._server.command("PUBLISH", channel, word)


LABEL = json.dumps(["mallory.example.com", 1, {}]).encode()


def values(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def test_garbage_is_dropped_with_a_few_lines(
    start: Start, shared: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = start(), start()
    one.settled(other)
    other.settled(one)
    stranger = Stranger(shared, one._group)
    for channel in (nodes_channel(one._group), node_channel(one._group, one.name)):
        for raw in (b"", b"\x80\x04N.", b"\xff" * 100, b"{}"):
            shared.command("PUBLISH", channel, raw)
    counted = stranger._frame[:-1] + b"\1"
    for kind, payload in [
        (0, b""),
        (99, b"x"),
        (BEAT, b""),
        (BEAT, b"[" * 100_000),
        (HELLO, b"{}"),
        (HELLO, b'["x", "y", {}]'),
        (HELLO, b'["x", 1, []]'),
        (HELLO, b'["x", 1, {"a": [1]}]'),
        (HELLO, b'["x", 1, {"a": [1, -1]}]'),
        (HELLO, b'["x", 1, {"a": [1, Infinity]}]'),
        (HELLO, b'["x", 1, {"a": [1, 18446744073709551616]}]'),
        (HELLO, json.dumps(["x", 1, {str(each): [1, 1] for each in range(101)}]).encode()),
        (QUESTION, b""),
        (QUESTION, b"\0\0\0\1" + b"[]\n"),
        (
            QUESTION,
            b'\0\0\0\1["%b","eval","",null,[],1]\n' % one._group.encode() + values(b"430[]"),
        ),
        (GOODBYE, b"whoever"),
        (ANSWER, b""),
        (ANSWER, b"\1\0\0\0\0\1\1" + values(b'430["forged"]')),
    ]:
        stranger.say(kind, payload)
        stranger.say(kind, payload, to=one.name)
        stranger.say(kind, payload, to=one.name, frame=counted)
    # Those who know nothing of each other's words still talk.
    assert one.ask() == Answers({other.name: ["here"]}, [])
    eventually(lambda: "[backplane-stranger]" in caplog.text, "it is said")
    lines = [each.getMessage() for each in caplog.records if "Traceback" not in each.getMessage()]
    assert all(each.exc_info is None for each in caplog.records)
    # Ten a minute of each kind, for each of the two.
    assert sum("[backplane-garbage]" in line for line in lines) <= 20
    assert any("mallory" in line for line in lines)


def test_a_forged_answer_changes_nothing(
    start: Start, shared: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Slow()
    one, other = start(), start(answer)
    one.settled(other)
    task = gevent.spawn(one.ask)
    assert answer.asked.wait(PATIENCE)
    forged = b"\1\0" + (1).to_bytes(4, "big") + b"\1" + values(b'430["forged"]')
    stranger = Stranger(shared, one._group)
    stranger.say(ANSWER, forged, to=one.name)
    eventually(lambda: "mallory" in caplog.text, "it is said who has answered")
    # Nor when it has come half-way.
    stranger.say(HELLO, LABEL)
    stranger.say(ANSWER, forged, to=one.name)
    eventually(lambda: "mallory" in one.way._nodes.names(), "it is known")
    answer.go_on.set()
    assert task.get(timeout=PATIENCE) == Answers({other.name: ["at last"]}, [])


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("server-side", b"430[]"),
        ("server-side", b'430["one","more"]'),
        ("server-side", b"\xff"),
        ("call", b'430["x"]'),
        ("call", b"430[[[1,2]],[]]"),
        ("call", b"430[[],[1]]"),
        ("sockets", b'430[["name",["room"]]]'),
        ("sockets", b'430[["name",[[]],""]]'),
    ],
)
def test_an_answer_that_is_none_makes_its_sender_missing(
    what: str, given: bytes, start: Start, shared: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one = start().settled()
    stranger = Stranger(shared, one._group)
    stranger.say(HELLO, LABEL)
    eventually(lambda: one.way._nodes.names() == ["mallory"], "it is known")
    task = gevent.spawn(one.ask, what=what)
    eventually(lambda: one.way.questions._asked, "it was asked")
    stranger.say(ANSWER, b"\1\0" + (1).to_bytes(4, "big") + b"\1" + values(given), to=one.name)
    assert task.get(timeout=PATIENCE) == Answers({}, ["mallory"])
    eventually(lambda: "an answer that cannot be read" in caplog.text, "it is said")


@pytest.mark.parametrize("piece", [b"\2\1x", b"\0\0x", b"\2\2x", b"\xff\0x", b"\1"])
def test_pieces_that_do_not_follow_are_dropped(
    piece: bytes, start: Start, shared: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one = start()
    stranger = Stranger(shared, one._group)
    eventually(lambda: one.way.link.deaf is None, "the link stands")
    stranger.say(HELLO, LABEL)
    stranger.say(ANSWER, piece, to=one.name)
    eventually(lambda: "[backplane-garbage]" in caplog.text, "it is said")


def test_more_than_may_be_are_not_known(
    start: Start,
    shared: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(members, "MOST", 2)
    one = start().settled()
    for name in ("a", "b", "c", "a"):
        Stranger(shared, one._group, name).say(HELLO, LABEL)
    eventually(lambda: "too many processes" in caplog.text, "it is said")
    assert sorted(one.way._nodes.names()) == ["a", "b"]
    Stranger(shared, one._group, "a").say(GOODBYE)
    Stranger(shared, one._group, "c").say(BEAT, LABEL)
    eventually(lambda: sorted(one.way._nodes.names()) == ["b", "c"], "there is room again")
