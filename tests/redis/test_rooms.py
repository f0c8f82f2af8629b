"""The channels of rooms: who is subscribed to which, and what comes by them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from sockio import Emitter
from sockio.backplane.channels import room_channel
from sockio.backplane.redis import subscriber
from sockio.backplane.redis.rooms import LINGERS, RoomChannels
from sockio.testing import ManualRuntime

from ..support.raw_http import get, handshake
from ..support.redis import Ear, RedisServer
from ..support.transcript import eventually
from ..support.workers import Wire, Workers
from .conftest import Listen, known_to_each_other


def listeners(server: RedisServer, *channels: str) -> list[int]:
    """How many are subscribed to each."""
    found: list[bytes | int] = server.command("PUBSUB", "NUMSUB", *channels)
    return [each for each in found if isinstance(each, int)]


def commands(server: RedisServer, name: str) -> int:
    """How many of that command there were."""
    stats = server.command("INFO", "commandstats")
    return int(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


# ---- which are subscribed


def test_many_rooms_are_joined_by_a_few_commands(server: RedisServer, listen: Listen) -> None:
    ear = listen(server.url).stands()
    channels = RoomChannels(ear.link, ear.runtime, "g", 0)
    before = commands(server, "subscribe")
    for number in range(1_200):
        channels.watch("/chat", number, True)
    names = [room_channel("g", "/chat", number) for number in range(1_200)]
    # Not in one go, and not one by one.
    assert ear.link.numbers.channels == 0
    eventually(lambda: listeners(server, *names) == [1] * 1_200, "all are subscribed")
    assert commands(server, "subscribe") - before == 3
    # So it is when the connection has to be made anew.
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    ear.heard.next("state", False)
    ear.stands()
    assert listeners(server, *names) == [1] * 1_200
    assert commands(server, "subscribe") - before == 6
    ada = listen(server.url).stands()
    ada.link.publish(names[700], b"x", many=True)
    ear.heard.next("message", names[700], b"x")


def test_rooms_come_and_go_while_they_are_subscribed_anew(
    server: RedisServer, listen: Listen
) -> None:
    ear = listen(server.url, *map(str, range(1_200))).stands()
    told = []
    ear.link.subscribe("1199", then=lambda: told.append("before"))
    breathe = ear.runtime.breathe

    def meanwhile(whose: str = "") -> None:
        """Between two commands."""
        if not told[1:]:
            told.append("meanwhile")
            ear.link.unsubscribe("3", "1100")
            ear.link.subscribe("new", then=lambda: told.append("new"))
        breathe(whose)

    ear.runtime.breathe = meanwhile  # type: ignore[method-assign]
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    ear.heard.next("state", False)
    ear.stands()
    eventually(lambda: told == ["before", "meanwhile", "new"], "the new one is subscribed")
    assert listeners(server, "3", "1100", "1101", "new") == [0, 0, 1, 1]


class Recorded:
    """A link that writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def subscribe(self, *channels: str, many: bool) -> None:
        assert many
        self.asked.append(("+", *(each.rpartition("#")[2] for each in channels)))

    def unsubscribe(self, *channels: str) -> None:
        self.asked.append(("-", *(each.rpartition("#")[2] for each in channels)))


@pytest.mark.parametrize("lingers", [0, 60])
def test_a_room_is_heard_for_a_while_after_the_last_has_left(
    runtime: ManualRuntime, lingers: int
) -> None:
    link = Recorded()
    channels = RoomChannels(link, runtime, "g", lingers)  # type: ignore[arg-type]
    long = lingers or LINGERS
    channels.watch("", "a", True)
    channels.watch("", "b", True)
    # No other process can mean that.
    channels.watch("", ("a", 1), True)
    runtime.settle()
    assert link.asked == [("+", "a", "b")]
    channels.watch("", "a", False)
    channels.watch("", ("a", 1), False)
    runtime.advance(long - 1)
    channels.watch("", "a", True)
    channels.watch("", "b", False)
    runtime.advance(long - 1)
    assert link.asked[1:] == []
    runtime.advance(1)
    assert link.asked[1:] == [("-", "b")]
    # Who is away and is put into a room hears it when it is back.
    channels.expect("", "c")
    channels.expect("", "a")
    channels.expect("", ("c", 1))
    runtime.settle()
    assert link.asked[2:] == [("+", "c")]
    runtime.advance(long - 1)
    channels.expect("", "c")
    runtime.advance(long - 1)
    assert link.asked[3:] == []
    runtime.advance(1)
    assert link.asked[3:] == [("-", "c")]


def test_rooms_that_many_leave_at_once_are_given_up_in_several_turns(
    runtime: ManualRuntime,
) -> None:
    link = Recorded()
    channels = RoomChannels(link, runtime, "g", 0)  # type: ignore[arg-type]
    for begins in (True, False):
        for number in range(1_200):
            channels.watch("", number, begins)
        runtime.settle()
    runtime.advance(LINGERS)
    assert [(each[0], len(each) - 1) for each in link.asked] == [
        ("+", 500), ("+", 500), ("+", 200), ("-", 500), ("-", 500), ("-", 200),
    ]  # fmt: skip


# ---- what is counted


def test_what_is_lost_on_a_channel_of_many_is_counted_in_bounds(
    shared: RedisServer, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "FOLLOWED", 2)
    bob, ada = listen(shared.url).stands(), listen(shared.url).stands()
    rooms = ["one", "two", "three"]
    confirmed: list[bool] = []
    subscribed: Any = bob.link._subscriber
    bob.link.subscribe(*rooms, many=True, then=lambda: confirmed.append(True))
    eventually(lambda: bool(confirmed), "they are subscribed")

    def say(room: str, lost: int = 0) -> None:
        if lost:
            ada.link._publisher._of_many.young[room].number += lost
        ada.link.publish(room, b"x", many=True)
        bob.heard.next("message", room)

    for room in rooms:
        say(room)
    say("three", 3)
    assert bob.heard.next("gap") == (ada.link.name, 3)
    # That was forgotten: it begins anew, and another one is.
    say("one", 5)
    say("one", 2)
    assert bob.heard.all("gap") == [(ada.link.name, 3), (ada.link.name, 2)]
    assert len(subscribed._followed) == 2
    # None of them is told of with signs of life.
    assert ada.link.counted(100) == {}
    assert bob.said("redis_late") == bob.said("redis_publishers") == []


# ---- the whole


def rooms_of(server: RedisServer, word: str) -> list[bytes]:
    found: list[bytes] = server.command("PUBSUB", "CHANNELS", f"sockio:socket.io:{word}:*")
    return found


def test_only_processes_with_somebody_in_a_room_get_what_is_for_it(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    one, other = hosts(), hosts()
    (first,) = one.start(1, backplane=server.url, backplane_rooms=True)
    (second,) = other.start(1, backplane=server.url, backplane_rooms=True)
    known_to_each_other([first], [second])
    here, there = Wire(first), Wire(second)
    # Without a client each hears what is for its own.
    assert sorted(rooms_of(server, "name")) == sorted(
        f"sockio:socket.io:name:{wire.name[:4]}".encode() for wire in (here, there)
    )
    there.ask("enter", "attic")
    there.ask("enter", 7)
    channels = [room_channel("socket.io", "", each) for each in ("attic", 7, "lobby")]
    eventually(lambda: listeners(server, *channels) == [1, 1, 2], "they are subscribed")
    spy = Ear(server.url, "sockio:socket.io:", *channels).stands()
    here.ask("tell", "attic", "upstairs")
    here.ask("tell", there.name, "you alone")
    assert [there.hear(), there.hear()] == [["told", "upstairs"], ["told", "you alone"]]
    with_setting, without = Emitter(server.url, backplane_rooms=True), Emitter(server.url)
    with_setting.to(7).emit("told", "by its channel")
    without.to(7).emit("told", "by the namespace's")
    assert there.hear() == ["told", "by its channel"]
    assert there.hear() == ["told", "by the namespace's"]
    # Who is ordered into a room hears what comes right behind.
    with_setting.to(here.name).join("cellar")
    with_setting.to("cellar").emit("told", "down here")
    assert here.hear() == ["told", "down here"]
    here.hear_nothing()
    there.hear_nothing()
    # Without the setting, an order, and what came behind that.
    for channel in ("sockio:socket.io:",) * 3 + tuple(channels[:2]):
        spy.heard.next("message", channel)
    assert len(spy.heard.all("message")) == 5
    # A client of 0.9 is called what its session is.
    sid = handshake(second.port)
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert get(second.port, path).body == "1::"
    own = room_channel("socket.io", "", sid)
    assert sid not in own
    eventually(lambda: listeners(server, own) == [1], "its name is subscribed")
    here.ask("tell", sid, "old friend")
    assert get(second.port, path).body == '5:::{"name":"told","args":["old friend"]}'
    spy.link.close()
    for each in (with_setting, without):
        each.close()
    for wire in (here, there):
        wire.wire.close()


def test_while_somebody_has_not_the_setting_all_is_for_all(
    hosts: Callable[[], Workers], server: RedisServer
) -> None:
    (first,) = hosts().start(1, backplane=server.url, backplane_rooms=True)
    (second,) = hosts().start(1, backplane=server.url)
    known_to_each_other([first], [second])
    first.find(r"has not the setting backplane_rooms.*\[backplane-rooms\]")
    here, there = Wire(first), Wire(second)
    there.ask("enter", "attic")
    here.ask("tell", "attic", "to all")
    assert there.hear() == ["told", "to all"]
    there.ask("tell", here.name, "and back")
    assert here.hear() == ["told", "and back"]
    for wire in (here, there):
        wire.wire.close()
    # When it is gone rooms are by themselves again.
    second.stop(signal.SIGINT)
    (third,) = hosts().start(1, backplane=server.url, backplane_rooms=True)
    known_to_each_other([first], [third])
    first.find("is gone: it has ended")
    spy = Ear(server.url, room_channel("socket.io", "", "attic")).stands()
    here = Wire(first)
    here.ask("tell", "attic", "nobody")
    spy.heard.next("message")
    spy.link.close()
    here.wire.close()
