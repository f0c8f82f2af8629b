"""Links of one host that hear a server together: each with a place in a mesh of its own."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gevent
import pytest

from sockio.backplane.mesh.directory import Directory
from sockio.backplane.mesh.mesh import Mesh
from sockio.backplane.relay import feed
from sockio.backplane.relay.frames import (
    ATTACH,
    COMMANDS,
    END,
    FROM,
    HEARD,
    HERE,
    HOLD,
    KIND,
    LIVE,
    NUMBER,
    PING,
    PONG,
    REPLIES,
    STANDS,
    TICK,
    marks_to,
    write_here,
)
from sockio.backplane.relay.hearing import Hearing
from sockio.backplane.relay.relays import Relays, key_of
from sockio.runtime.gevent_runtime import GeventRuntime

from ..support.liars import Liar
from ..support.redis import Ear, RedisServer
from ..support.transcript import PATIENCE, eventually
from .conftest import Listen

MARKS = "sockio:g:relay:h"
KEY = key_of("g", "url")


class Host:
    """Links that share a directory; each is a worker of its own to the others."""

    def __init__(self, folder: Path, server: RedisServer, listen: Listen) -> None:
        self.folder = folder / "m"
        self.server = server
        self._listen = listen
        self.meshes: dict[Ear, Mesh] = {}

    def worker(self, *channels: str, wait: bool = True, url: str = "") -> Ear:
        """One more, younger than all others; ``url`` is the server's for a user of its own."""
        runtime = GeventRuntime()
        runtime.bind()
        mesh = Mesh(Directory(self.folder), runtime)
        relay = functools.partial(Hearing, Relays(mesh), KEY, runtime)
        url = url or self.server.url
        ear = self._listen(url, *channels, runtime=runtime, relay=(MARKS, relay))
        self.meshes[ear] = mesh
        if wait:
            ear.stands()
        return ear

    def boot(self, ear: Ear) -> str:
        return self.meshes[ear].boot

    def dies(self, ear: Ear) -> None:
        """Without a word: its links end, and it hears on by itself."""
        self.meshes.pop(ear).close()

    def liar(self, ear: Ear) -> Liar:
        return Liar(self.folder, self.boot(ear)).greet()


@pytest.fixture
def host(shared: RedisServer, listen: Listen) -> Iterator[Host]:
    with TemporaryDirectory(prefix="mesh") as folder:
        made = Host(Path(folder), shared, listen)
        yield made
        for mesh in made.meshes.values():
            mesh.close()


def hearing(ear: Ear) -> Any:
    return ear.link._shared


def subscribed(server: RedisServer, channel: str) -> int:
    count: int = server.command("PUBSUB", "NUMSUB", channel)[1]
    return count


def hears_by(ear: Ear, boot: str) -> None:
    eventually(lambda: hearing(ear).relay == boot, f"it hears by {boot}")


def ready(host: Host, ear: Ear) -> None:
    """Until who stands by for it has a mark that it has, too."""
    at = hearing(ear)

    def fits() -> bool:
        others = [boot for boot in at._elsewhere if boot != at.relay]
        return bool(others) and all(at._fits(boot) for boot in others)

    eventually(fits, "it could hear by the other as well")


def frame(what: int, payload: bytes = b"") -> bytes:
    return KEY + bytes((what,)) + payload


def told(liar: Liar, what: int) -> bytes:
    """The next frame of that kind."""
    with gevent.Timeout(PATIENCE):
        while True:
            kind, payload = liar.hear()
            if kind == KIND and payload[len(KEY)] == what:
                return payload[len(KEY) + 1 :]


def packed(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def test_the_two_that_began_first_are_subscribed(host: Host, shared: RedisServer) -> None:
    ears = [host.worker("x") for _ in range(4)]
    first, second, third, fourth = ears
    assert subscribed(shared, "x") == 2
    hears_by(first, host.boot(first))
    hears_by(second, host.boot(second))
    for ear in (third, fourth):
        assert hearing(ear).relay in (host.boot(first), host.boot(second))
    ada = first
    ada.link.publish("x", b"1")
    for ear in (second, third, fourth):
        ear.heard.next("message", "x", b"1")
    third.link.publish("x", b"2")
    for ear in (first, second, fourth):
        ear.heard.next("message", "x", b"2")
    assert third.payloads == [b"1"], "nobody hears himself"
    (line,) = fourth.said("redis_relay")
    assert line.startswith("INFO ")
    assert f"worker {hearing(fourth).relay} hears the server for this one" in line
    assert fourth.link.relay == hearing(fourth).relay
    assert first.link.relay == host.boot(first)


def test_channels_come_and_go(host: Host, shared: RedisServer, listen: Listen) -> None:
    for _ in range(2):
        host.worker("x")
    ear = host.worker("x")
    ada = listen(shared.url).stands()
    ear.link.subscribe("y", "x", then=lambda: ear.heard.add("confirmed"))
    ear.heard.next("confirmed")
    ada.link.publish("y", b"1")
    ear.heard.next("message", "y", b"1")
    ear.link.subscribe("y", then=lambda: ear.heard.add("at once"))
    assert ear.heard.all("at once")
    ear.link.unsubscribe("y")
    eventually(lambda: subscribed(shared, "y") == 0, "nobody is subscribed")
    assert subscribed(shared, "x") == 2
    for _ in range(3):
        # Each is confirmed, and the last counts.
        ear.link.subscribe("y")
        ear.link.unsubscribe("y")
    ear.link.subscribe("y", then=lambda: ear.heard.add("again"))
    ear.heard.next("again")
    ada.link.publish("y", b"2")
    ear.heard.next("message", "y", b"2")
    assert ear.heard.all("gap") == []


def test_who_stands_by_goes_on_where_the_relay_was(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    """Numbers, words, and what another program says several times in the same words."""
    ears = [host.worker("x") for _ in range(4)]
    first, second, third, fourth = ears
    for ear in ears:
        ear.link.listen("words", lambda *told, ear=ear: ear.heard.add("word", *told))
        ear.overhears("other*")
    ada = listen(shared.url).stands()
    said: list[int] = []

    over = False

    def talk() -> None:
        while not over:
            number = len(said)
            ada.link.publish("x", b"%d" % number)
            ada.link.word("words", b"%d" % (number // 5))
            shared.command("PUBLISH", "other", b"%d" % (number // 5))
            said.append(number)
            gevent.sleep(0.001)

    task = gevent.spawn(talk)
    for ear in (first, second):
        ready(host, third)
        ready(host, fourth)
        host.dies(ear)
        for each in (third, fourth):
            eventually(lambda e=each: hearing(e).relay in map(host.boot, host.meshes), "it moved")  # type: ignore[misc]
    eventually(lambda: hearing(third).relay == host.boot(third), "it hears by itself")
    over = True
    task.get()
    ada.link.publish("x", b"the end")
    shared.command("PUBLISH", "other", b"the end")
    for ear in ears:
        ear.heard.next("message", "x", b"the end")
        ear.heard.next("overheard", "other", b"the end")
        numbers = [b"%d" % number for number in said]
        assert ear.payloads == [*numbers, b"the end"]
        fives = [b"%d" % (number // 5) for number in said]
        assert [word for _, word in ear.heard.all("word")] == fives
        assert [payload for _, payload in ear.heard.all("overheard")] == [*fives, b"the end"]
        assert ear.heard.all("gap") == []
        assert ear.heard.all("state") == [(True,)]


def test_what_was_said_before_it_was_subscribed_does_not_come(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    """Though another one kept it, and says it again to who goes on there."""
    first, second, third = [host.worker("x") for _ in range(3)]
    for ear in (first, second):
        ear.link.subscribe("y", then=lambda ear=ear: ear.heard.add("confirmed"))  # type: ignore[misc]
        ear.heard.next("confirmed")
    ada = listen(shared.url).stands()
    relay = first if hearing(third).relay == host.boot(first) else second
    ready(host, third)
    ada.link.publish("y", b"early")
    ada.link.publish("x", b"1")
    for ear in (first, second):
        ear.heard.next("message", "y", b"early")
    third.heard.next("message", "x", b"1")
    third.link.subscribe("y", then=lambda: third.heard.add("confirmed"))
    third.heard.next("confirmed")
    boot = host.boot(relay)
    host.dies(relay)
    eventually(lambda: hearing(third).relay not in (boot, None), "it moved")
    ada.link.publish("y", b"late")
    third.heard.next("message", "y", b"late")
    assert third.payloads == [b"1", b"late"]


def test_who_has_only_just_begun_hears_nothing_again(
    host: Host, shared: RedisServer, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has come by no mark yet: the other one does not know what is new to it."""
    first, second = host.worker("x"), host.worker("x")
    ada = listen(shared.url).stands()
    for ear in (first, second):
        ear.overhears("other*")
    for number in range(3):
        ada.link.publish("x", b"%d" % number)
        shared.command("PUBLISH", "other", b"early")
    first.heard.next("message", "x", b"2")
    third = host.worker("x", wait=False)
    monkeypatch.setattr(hearing(third)._position, "mark", lambda mark: None)
    third.stands()
    third.overhears("other*")
    ada.link.publish("x", b"3")
    third.heard.next("message", "x", b"3")
    boot = hearing(third).relay
    host.dies(first if host.boot(first) == boot else second)
    eventually(lambda: hearing(third).relay not in (boot, None), "it moved")
    ada.link.publish("x", b"4")
    shared.command("PUBLISH", "other", b"late")
    third.heard.next("overheard", "other", b"late")
    assert third.payloads == [b"3", b"4"]
    assert third.heard.all("overheard") == [("other", b"late")]


def test_whose_relay_loses_its_connection_goes_on_by_the_other(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    ears = [host.worker("x") for _ in range(3)]
    first, second, third = ears
    ready(host, third)
    relay = hearing(third).relay
    line = hearing(first if relay == host.boot(first) else second)._serving._feed._source
    ada = listen(shared.url).stands()
    for number in range(100):
        if number == 50:
            line.lose("the test says so")
        ada.link.publish("x", b"%d" % number)
        gevent.sleep(0)
    third.heard.next("message", "x", b"99")
    assert third.payloads == [b"%d" % number for number in range(100)]
    assert third.heard.all("state") == [(True,)]
    assert third.said("redis_deaf") == []


def test_redis_is_gone_and_back(host: Host, server: RedisServer, listen: Listen) -> None:
    host.server = server
    ears = [host.worker("x") for _ in range(3)]
    server.kill()
    for ear in ears:
        ear.heard.next("state", False)
        assert ear.link.deaf is not None
    server.start()
    for ear in ears:
        ear.stands()
        assert len(ear.said("redis_deaf")) == len(ear.said("redis_back")) == 1
    eventually(lambda: subscribed(server, "x") == 2, "two are subscribed")
    ada = listen(server.url).stands()
    ada.link.publish("x", b"heard")
    for ear in ears:
        ear.heard.next("message", "x", b"heard")


def test_what_one_may_not_hear_is_not_refused_to_others(
    host: Host, server: RedisServer, listen: Listen
) -> None:
    """It tries again and again, and its relays stay as they are."""
    server.command("ACL", "SETUSER", "bob", "on", ">pw", "resetchannels", "&[a-z]", "+@all")
    server.command("ACL", "SETUSER", "bob", f"&{MARKS}")
    url = f"unix://bob:pw@{server.path}"
    first, second = [host.worker("x", url=url) for _ in range(2)]
    third = host.worker("x", "y", "theirs", "z", url=url, wait=False)
    _, text = third.heard.next("said", "redis_deaf")
    assert "permissions" in text.lower()
    third.link.subscribe("w")
    eventually(lambda: len(third.said("redis_relay")) > 2, "it has tried several times")
    ada = listen(server.url).stands()
    ada.link.publish("x", b"1")
    for ear in (first, second):
        ear.heard.next("message", "x", b"1")
        assert ear.heard.all("state") == [(True,)]
        assert ear.said("redis_deaf") == []
    server.command("ACL", "SETUSER", "bob", "&theirs")
    third.stands()
    for channel in ("w", "y", "theirs", "z"):
        ada.link.publish(channel, b"2")
        third.heard.next("message", channel, b"2")
    assert len(third.said("redis_deaf")) == 1


def test_an_end_in_good_order(host: Host, shared: RedisServer) -> None:
    ears = [host.worker("x") for _ in range(3)]
    first, second, third = ears
    first.link.close()
    hears_by(third, host.boot(third))
    eventually(lambda: subscribed(shared, "x") == 2, "two are subscribed")
    second.link.publish("x", b"1")
    third.heard.next("message", "x", b"1")
    assert third.heard.all("state") == [(True,)]


def test_one_without_the_setting_hears_by_itself(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    ears = [host.worker("x") for _ in range(3)]
    alone = listen(shared.url, "x").stands()
    assert subscribed(shared, "x") == 3
    ears[2].link.publish("x", b"1")
    for ear in (ears[0], ears[1], alone):
        ear.heard.next("message", "x", b"1")
    assert alone.link.relay == ""


def test_who_only_says_that_it_hears_is_not_waited_for_long(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    ear = host.worker("x", wait=False)
    liars = [host.liar(ear) for _ in range(2)]
    for liar in liars:
        # They began before all others, they say.
        liar.send(KIND, frame(HERE, write_here(0, False)))
    for liar in liars:
        number = told(liar, ATTACH)
        # What was meant for an earlier one is not for this.
        liar.send(KIND, frame(END, NUMBER.pack(2**32 - 1)))
        liar.send(KIND, frame(PING))
        told(liar, PONG)
        assert liar.name in hearing(ear)._elsewhere
        liar.send(KIND, frame(STANDS, number + b"\1"))
    ear.stands()
    assert hearing(ear).relay == host.boot(ear)
    ada = listen(shared.url).stands()
    ada.link.publish("x", b"1")
    ear.heard.next("message", "x", b"1")
    for liar in liars:
        liar.close()


def test_a_flood_of_marks_is_no_work_for_others(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    """Some of each second are known."""
    first = host.worker("x")
    liar = host.liar(first)
    liar.send(KIND, frame(ATTACH, NUMBER.pack(7)))
    liar.send(KIND, frame(HOLD))
    told(liar, STANDS)
    ada = listen(shared.url).stands()
    for number in range(1_000):
        ada.link.word(MARKS, b"forged %d" % number)
    ada.link.publish("x", b"behind")
    first.heard.next("message", "x", b"behind")
    liar.send(KIND, frame(PING))
    ticks = 0
    while (heard := liar.hear()) != (KIND, frame(PONG)):
        ticks += heard[0] == KIND and heard[1][len(KEY)] == TICK
    assert 0 < ticks < 500
    liar.close()


def test_what_one_may_want_is_bounded(
    host: Host, shared: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(feed, "MOST_WANTED", 1000)
    first = host.worker("x")
    liar = host.liar(first)
    liar.send(KIND, frame(ATTACH, NUMBER.pack(7)))
    for start in range(0, 100_000, 1_000):
        names = [b"many %d" % number for number in range(start, start + 1_000)]
        liar.send(KIND, frame(COMMANDS, packed(b"SUBSCRIBE", *names)))
    for garbage in (
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n:1\r\n:2\r\n",
        b"what?",
        packed(b"EVAL", b"1"),
    ):
        liar.send(KIND, frame(COMMANDS, garbage))
    for odd in (b"", KEY, frame(LIVE, HEARD + b"\5ab"), frame(99), frame(HERE, b"x"), b"nobody's"):
        liar.send(KIND, odd)
    liar.send(KIND, frame(PING))
    told(liar, PONG)
    assert first.link.numbers.channels == 2
    assert len(hearing(first)._serving._feed._wanted) <= 1002
    lines = [each for each in caplog.records if "mesh-garbage" in each.getMessage()]
    assert [line.levelno for line in lines] == [logging.WARNING]
    liar.close()
    eventually(lambda: len(hearing(first)._serving._feed._wanted) == 2, "it is forgotten")
    eventually(lambda: subscribed(shared, "many 7") == 0, "nobody is subscribed")


def test_who_does_not_read_is_let_go(host: Host, shared: RedisServer, listen: Listen) -> None:
    """What waits for it is bounded; it is told when it reads."""
    first = host.worker("x")
    liar = host.liar(first)
    liar.send(KIND, frame(ATTACH, NUMBER.pack(7)))
    liar.send(KIND, frame(COMMANDS, packed(b"SUBSCRIBE", b"x")))
    liar.send(KIND, frame(LIVE))
    assert told(liar, FROM) == NUMBER.pack(7)
    ada = listen(shared.url).stands()
    for _ in range(30):
        ada.link.publish("x", bytes(900_000))
        first.heard.next("message", "x")
        mesh_link = host.meshes[first].links[liar.name]
        assert mesh_link.waiting < 20_000_000
        if not hearing(first)._serving._listeners:
            break
    assert not hearing(first)._serving._listeners
    (line,) = first.said("redis_relay_full")
    assert f"worker {liar.name} does not read" in line
    told(liar, END)
    liar.close()


def test_what_is_asked_for_again_comes_from_the_mark_on(
    host: Host, shared: RedisServer, listen: Listen
) -> None:
    first = host.worker("x")
    liar = host.liar(first)
    liar.send(KIND, frame(ATTACH, NUMBER.pack(7)))
    liar.send(KIND, frame(COMMANDS, packed(b"SUBSCRIBE", b"x", MARKS.encode())))
    feed = hearing(first)._serving._feed
    # Marks count from then on.
    eventually(lambda: any(len(each.wants) == 2 for each in feed.others), "it is wanted")
    eventually(lambda: feed._all, "it is subscribed")
    ada = listen(shared.url).stands()
    ada.link.word(MARKS, b"one")
    for number in range(3):
        ada.link.publish("x", b"%d!" % number)
        ada.link.word(MARKS, b"mark %d" % number)
    first.heard.next("message", "x", b"2!")
    eventually(lambda: b"mark 2" in hearing(first)._serving._feed, "the mark has come")
    liar.send(KIND, frame(LIVE, HEARD + marks_to([b"unknown", b"mark 1", b"mark 0"])))
    assert told(liar, FROM) == NUMBER.pack(7) + b"mark 1"
    again = told(liar, REPLIES)
    assert b"2!" in again
    assert b"1!" not in again
    liar.close()
