"""Who comes back with what is not its own, too late, too often, or to where it is not wanted."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import BaseNamespace, RoomsMixin
from sockio.protocol.generations import EIO4
from sockio.sessions.reasons import Reason
from sockio.sessions.recovery import Recovery

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from .test_engine_time import admitted
from .test_recovery import Client, ended
from .test_returning_socket import TOKEN, comes_back


class Chat(BaseNamespace, RoomsMixin):
    gate: Callable[[Any], Any] | None = None

    def recv_connect(self) -> Any:
        if not self.recovered:
            self.join("lobby")
        gate = type(self).gate
        return True if gate is None else gate(self)

    def recv_disconnect(self) -> None: ...

    def on_enter(self, room: str) -> None:
        self.join(room)

    def on_note(self, value: Any) -> None:
        self.session["note"] = value


class Other(Chat):
    gate: Callable[[Any], Any] | None = None


@pytest.fixture(autouse=True)
def no_gate() -> Iterator[None]:
    yield
    Chat.gate = Other.gate = None


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"/chat": Chat, "/other": Other, re.compile(r"/room-(\d+)"): Chat}, recovery=120)


def recovery_of(home: House) -> Recovery:
    assert home.registry.recovery is not None
    return home.registry.recovery


def test_a_room_s_events_of_before_it_was_joined(home: House) -> None:
    """Neither a true offset from before nor a false one brings them."""
    ada = Client(home)
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    ada.reads()
    early = ada.offset
    chat.to("secret").emit("news", "before")
    ada.socket.receive('42/chat,["enter","secret"]')
    home.runtime.settle()
    chat.to("secret").emit("news", 2)
    ada.stream.packets.clear()
    ada.hangs_up()
    ada.events.clear()
    ada.connect()
    assert ada.recovered
    assert ada.events == [["news", 2]]
    # And once more, should that have been lost as well.
    ada.hangs_up()
    ada.events.clear()
    ada.offset = early
    ada.connect()
    assert ada.events == [["news", 2]]
    ended(ada)


def test_events_of_before_it_connected(home: House) -> None:
    eve = Client(home)
    chat = home.middleware.of("/chat")
    chat.emit("news", "before")
    eve.reads()
    early = eve.offset
    chat.emit("news", "before, too")
    ada = Client(home)
    ada.offset = early
    ada.hangs_up()
    ada.connect()
    assert ada.recovered
    assert ada.events == []
    ended(ada, eve)


def test_a_room_called_as_somebody_who_is_away(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody hears what is for one who may come back, live or by coming back as well."""
    ada, eve = Client(home), Client(home)
    name = ada.id
    ada.hangs_up()
    eve.socket.receive(f'42/chat,["enter","{name}"]')
    home.runtime.settle()
    assert "is another client's name" in caplog.text
    assert [event[0] for event in eve.reads()] == ["error"]
    eve.events.clear()
    chat = home.middleware.of("/chat")
    chat.socket(name).emit("news", 1)
    assert eve.reads() == []
    eve.hangs_up()
    chat.socket(name).emit("news", 2)
    eve.connect()
    assert eve.events == []
    ada.events.clear()
    ada.connect()
    assert ada.events == [["news", 1], ["news", 2]]
    # Its own it may join: it is in it.
    ada.socket.receive(f'42/chat,["enter","{name}"]')
    home.runtime.settle()
    chat.socket(name).emit("news", 3)
    assert ada.reads() == [["news", 3]]
    ended(ada, eve)


@pytest.mark.parametrize("when", ["away", "at the gate", "in the making"])
def test_what_is_sent_while_it_comes_back(home: House, when: str) -> None:
    """Whatever blocks on the way in, nothing is sent to nobody, and nothing twice."""
    ada = Client(home)
    ada.hangs_up()
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    door = home.door()

    class Slow(Chat):
        def get_initial_acl(self) -> None:
            if when == "in the making":
                door.wait()

        def recv_connect(self) -> None:
            if when == "at the gate":
                door.wait()

    assert home.middleware.namespaces is not None
    home.middleware.namespaces["/chat"] = Slow
    if when == "away":
        door.set()
    ada.connect()
    chat.to("lobby").emit("news", 2)
    chat.socket(ada.id).emit("news", 3)
    door.set()
    ada.reads()
    chat.emit("news", 4)
    ada.reads()
    assert ada.recovered
    assert ada.events == [["news", 1], ["news", 2], ["news", 3], ["news", 4]]
    ended(ada)


def test_what_is_gone_by_the_time_it_is_a_member(house: MakeHouse) -> None:
    door: Any = None

    class Slow(Chat):
        def get_initial_acl(self) -> None:
            if door is not None:
                door.wait()

        def recv_connect(self) -> None:
            self.session["seen"] = (self.recovered, self.session.get("note"))

    home = house({"/chat": Slow}, recovery=(120, 10_000))
    ada = Client(home)
    ada.socket.receive('42/chat,["note","old"]')
    before, pid = ada.id, ada.pid
    home.runtime.settle()
    ada.hangs_up()
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    door = home.door()
    ada.connect()
    for number in range(30):
        chat.emit("news", number)
    door.set()
    ada.reads()
    assert not ada.recovered
    assert ada.pid != pid
    assert ada.id != before
    assert ada.events == []
    assert ada.socket.session["seen"] == (False, None)
    chat.socket(ada.id).emit("news", 1)
    chat.socket(before).emit("news", 2)
    assert ada.reads() == [["news", 1]]
    ended(ada)


@pytest.mark.parametrize("how", ["false", "throws out"])
def test_a_gate_that_says_no_now_gives_nothing(home: House, how: str) -> None:
    ada = Client(home)
    ada.socket.receive('42/chat,["note","secret"]')
    home.runtime.settle()
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    seen = []

    def gate(self: Chat) -> Any:
        seen.append(self.session.get("note"))
        if how == "false":
            return False
        self.disconnect()
        return None

    Chat.gate = gate
    ada.connect()
    assert seen == ["secret"]
    assert ada.events == []
    if how == "false":
        assert ada.socket.session == {}
    Chat.gate = None
    ada.hangs_up()
    ada.connect()
    assert not ada.recovered
    assert ada.events == []
    ended(ada)


def test_somebody_else_who_comes_by_the_same_page_begins_anew(home: House) -> None:
    ada = Client(home)
    name = ada.id
    ada.socket.receive('42/chat,["enter","user:ada"]')
    ada.socket.receive('42/chat,["note","ada"]')
    home.runtime.settle()
    ada.hangs_up()
    chat = home.middleware.of("/chat")
    chat.to("user:ada").emit("for ada")

    def gate(self: Chat) -> None:
        # As a view that the handshake reached would have it.
        assert self.session_before == {"note": "ada"}
        self.begin_anew()
        assert not self.recovered
        assert self.id != name
        assert self.session == self.session_before == {}
        assert not self.rooms
        self.session["note"] = "eve"
        self.join("user:eve")

    Chat.gate = gate
    ada.connect()
    Chat.gate = None
    assert ada.id != name
    assert not ada.recovered
    assert ada.events == []
    chat.to("user:ada").emit("for ada")
    chat.to("user:eve").emit("for eve")
    assert ada.reads() == [["for eve"]]
    assert chat.to(name).sockets() == []
    # From now on it is that one.
    ada.hangs_up()
    chat.to("user:eve").emit("for eve, too")
    seen: list[Any] = []
    Chat.gate = lambda self: seen.append((self.recovered, dict(self.session_before)))
    ada.connect()
    assert ada.recovered
    assert seen == [(True, {"note": "eve"})]
    assert ada.events[-1:] == [["for eve, too"]]
    # Behind the gate, and for who is new, nothing happens.
    (namespace,) = [each["/chat"] for each in chat.sockets()]
    namespace.begin_anew()
    assert namespace.recovered
    ended(ada)
    new = Client(home)
    assert seen[1:] == [(False, {})]
    ended(new)


def test_who_is_lost_at_the_gate_again_and_again_grows_nothing(home: House) -> None:
    bob, _ = comes_back(home)
    first = bob.socket.sessid
    bob.hangs_up()
    recovery = recovery_of(home)
    size = recovery.size

    def gate(self: Chat) -> None:
        self.socket.close("transport close", say=False)

    Chat.gate = gate
    for _ in range(50):
        comes_back(home)
        home.runtime.settle()
    Chat.gate = None
    assert recovery.size == size
    assert max(len(stay.names) for stay in recovery._away._stays.values()) < 20
    # It is meant by the name that others know still.
    home.middleware.of("/chat").to(first).emit("for bob")
    _, heard = comes_back(home)
    assert heard[-1].endswith('"for bob"}')
    home.registry.check()
    home.runtime.advance(200)


def test_somebody_else_by_the_same_token_begins_anew(home: House) -> None:
    bob, _ = comes_back(home)
    bob.sends('5::/chat:{"name":"note","args":["bob"]}')
    bob.hangs_up()
    home.middleware.of("/chat").emit("for bob")
    Chat.gate = lambda self: self.begin_anew()
    eve, heard = comes_back(home)
    assert [each for each in heard if each.startswith("5")] == []
    assert eve.socket["/chat"].session == {}
    assert not eve.socket["/chat"].recovered
    eve.hangs_up()
    home.runtime.advance(130)


def test_what_a_gate_says_no_to_stays_out_of_the_session(home: House) -> None:
    ada = Client(home)
    ada.socket.session.update(kept=1, replaced=2, removed=3)
    ada.hangs_up()

    def gate(self: Chat) -> bool:
        assert self.session == {"kept": 1, "replaced": 2, "removed": 3, "own": 0}
        self.session["replaced"] = "by the gate"
        del self.session["removed"]
        return False

    Chat.gate = gate
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.session.update(own=0)
    socket.receive("40/chat," + json.dumps({"pid": ada.pid}))
    home.runtime.settle()
    assert socket.session == {"own": 0, "replaced": "by the gate"}
    stream.hangs_up()
    ended(ada)


def test_two_namespaces_find_the_session_once(home: House) -> None:
    """What the first has changed is not set back by the second."""
    ada, pids = admitted(home, EIO4), {}
    stream = Stream(ada)
    ada.attach(stream)
    for name in ("/chat", "/other"):
        ada.receive(f"40{name},")
    home.runtime.settle()
    for packet in stream.packets[1:]:
        name, told = packet[2:].split(",", 1)
        pids[name] = json.loads(told)["pid"]
    ada.session["visits"] = 1
    stream.hangs_up()
    home.runtime.settle()

    def gate(self: Chat) -> None:
        self.session["visits"] += 1

    Chat.gate = Other.gate = gate
    again = admitted(home, EIO4)
    stream = Stream(again)
    again.attach(stream)
    for name in ("/chat", "/other"):
        again.receive(f"40{name}," + json.dumps({"pid": pids[name]}))
        home.runtime.settle()
    assert again["/chat"].recovered
    assert again["/other"].recovered
    assert again.session["visits"] == 3
    stream.hangs_up()
    home.runtime.advance(130)


def lost_with(home: House, data: object, *namespaces: str) -> list[str]:
    """A client that was in these namespaces, and had such data: what it is known by in each."""
    ada = admitted(home, EIO4)
    stream = Stream(ada)
    ada.attach(stream)
    for name in namespaces:
        ada.receive(f"40{name},")
    home.runtime.settle()
    pids = [json.loads(packet.split(",", 1)[1])["pid"] for packet in stream.packets[1:]]
    ada.session["data"] = data
    stream.hangs_up()
    home.runtime.settle()
    recovery_of(home).check([])
    return pids


ROOMS = [f"/room-{number}" for number in range(30)]


def test_the_data_of_a_session_counts_once_for_all_its_namespaces(house: MakeHouse) -> None:
    home = house({re.compile(r"/room-(\d+)"): Chat}, recovery=(120, 4_000_000))
    recovery = recovery_of(home)
    lost_with(home, "x" * 1000, ROOMS[0])
    alone = recovery.size
    pids = lost_with(home, "x" * 500_000, *ROOMS)
    assert alone + 500_000 < recovery.size < 31 * alone + 550_000
    # Whoever is given up first leaves it to the others.
    for number, pid in enumerate(pids):
        before = recovery.size
        again = admitted(home, EIO4)
        stream = Stream(again)
        again.attach(stream)
        again.receive(f"40{ROOMS[number]}," + json.dumps({"pid": pid}))
        home.runtime.settle()
        assert again.session["data"] == "x" * 500_000
        again.disconnect()
        home.runtime.settle()
        recovery.check([])
        assert (before - recovery.size > 500_000) == (number == len(pids) - 1)
    home.runtime.advance(130)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_data_that_is_too_large_is_not_kept_however_many_namespaces_have_it(
    house: MakeHouse, count: int
) -> None:
    home = house({re.compile(r"/room-(\d+)"): Chat}, recovery=(120, 4_000_000))
    lost_with(home, ["x" * 600_000, "y" * 600_000], *ROOMS[:count])
    assert recovery_of(home).size == 0
    home.runtime.advance(130)


def test_the_data_of_a_session_is_weighed_once(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes as long as there is something to weigh."""
    weighed: list[object] = []

    def weigh(recovery: Recovery, session: dict[str, Any]) -> int:
        weighed.append(session)
        return 1000

    monkeypatch.setattr(Recovery, "weigh", weigh)
    lost_with(home, 0, *ROOMS)
    assert len(weighed) == 1
    home.runtime.advance(130)


def test_two_clients_with_one_pid(home: House) -> None:
    """The last one has it, and the state is nobody else's."""
    ada = Client(home)
    chat = home.middleware.of("/chat")
    ada.hangs_up()
    chat.emit("news", 1)
    door = home.door()
    Chat.gate = lambda self: door.wait()
    first = Client.__new__(Client)
    first.__dict__.update(vars(ada), events=[])
    first.connect()
    ada.events.clear()
    ada.connect()
    assert first.socket.close_reason == Reason.TRANSPORT_CLOSE
    door.set(True)
    first.reads()
    ada.reads()
    assert ada.recovered
    assert (first.events, ada.events) == ([], [["news", 1]])
    assert home.registry.find("/chat", ada.id) is ada.socket
    Chat.gate = None
    ada.hangs_up()
    ada.connect()
    assert ada.recovered
    ended(ada)


def test_the_refusal_of_one_takes_nothing_from_the_next(home: House) -> None:
    ada = Client(home)
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    first_door, second_door = home.door(), home.door()
    doors = [first_door, second_door]
    Chat.gate = lambda self: doors.pop(0).wait()
    first = Client.__new__(Client)
    first.__dict__.update(vars(ada), events=[])
    first.connect()
    ada.events.clear()
    ada.connect()
    first_door.set(False)
    home.runtime.settle()
    second_door.set(True)
    ada.reads()
    assert ada.recovered
    assert ada.events == [["news", 1]]
    ended(ada)


@pytest.mark.parametrize("offset", ["{boot}.1_0", "{boot}. 1", "{boot}.+1", "{boot}." + "f" * 5000])
def test_offsets_that_python_would_read(home: House, offset: str) -> None:
    ada = Client(home)
    chat = home.middleware.of("/chat")
    for number in range(20):
        chat.emit("news", number)
    ada.reads()
    ada.hangs_up()
    ada.offset = offset.replace("{boot}", str(ada.offset).rpartition(".")[0])
    ada.connect()
    assert not ada.recovered
    ended(ada)


def test_a_pid_is_of_one_namespace(home: House) -> None:
    ada = Client(home, "/room-1")
    ada.hangs_up()
    home.middleware.of("/room-1").emit("news", 1)
    for other in ("/room-2", "/chat", "/room-01"):
        eve = Client.__new__(Client)
        eve.__dict__.update(vars(ada), namespace=other, events=[])
        eve.connect()
        assert not eve.recovered
        assert eve.events == []
        eve.hangs_up()
    ada.connect()
    assert ada.recovered
    assert ada.socket["/room-1"].match[1] == "1"
    assert ada.events[-1] == ["news", 1]
    ended(ada)


def test_a_client_that_comes_back_in_a_loop(home: House) -> None:
    """It costs no more than what it gets, and nothing is left of it."""
    ada = Client(home)
    recovery = recovery_of(home)
    for number in range(50):
        home.middleware.of("/chat").to("lobby").emit("news", number)
        ada.stream.packets.clear()
        if number % 2:
            ada.hangs_up()
        ada.connect()
        assert ada.recovered
        assert len(recovery._here) == 1
        assert len(recovery) == 0
    assert ada.events == [["news", number] for number in range(50)]
    ended(ada)
    assert recovery.size == len(recovery) == 0
    home.registry.check()


@pytest.mark.parametrize("token", [None, TOKEN])
def test_rooms_that_are_left_and_joined_for_it_while_it_is_away(
    home: House, token: str | None
) -> None:
    chat = home.middleware.of("/chat")
    if token is None:
        ada: Any = Client(home)
        name = ada.id
    else:
        ada = home.client("/chat", token=token)
        name = ada.socket.sessid
    ada.hangs_up()
    chat.to("late").emit("news", "not for her")
    chat.to("lobby").emit("news", "of before")
    chat.socket(name).leave("lobby")
    chat.to("lobby").emit("news", "not for her")
    chat.socket(name).join("late")
    chat.to("late").emit("news", 1)
    chat.skip("late").emit("news", "not for her")
    if token is None:
        ada.connect()
        assert ada.events == [["news", 1]]
        assert ada.socket["/chat"].rooms == {"late"}
    else:
        ada, heard = comes_back(home)
        assert heard == ["1::", "1::/chat", '5::/chat:{"name":"news","args":[1]}']
        assert ada["/chat"].rooms == {"late"}
    ada.hangs_up()
    home.runtime.advance(130)


@pytest.mark.parametrize("token", [None, TOKEN])
def test_who_is_thrown_out_while_it_is_away_begins_anew(home: House, token: str | None) -> None:
    chat = home.middleware.of("/chat")
    ada: Any = Client(home) if token is None else home.client("/chat", token=token)
    bob = Client(home)
    ada.hangs_up()
    bob.hangs_up()
    chat.emit("news", 1)
    chat.skip(bob.id).disconnect()
    if token is None:
        ada.connect()
        assert not ada.recovered
    else:
        ada, _ = comes_back(home)
        assert not ada["/chat"].recovered
    bob.connect()
    assert bob.recovered
    ada.hangs_up()
    ended(bob)


def test_who_is_thrown_out_at_the_gate_begins_anew(home: House) -> None:
    ada = Client(home)
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    Chat.gate = lambda self: self.socket.disconnect()
    ada.connect()
    Chat.gate = None
    home.runtime.advance(40)
    ada.connect()
    assert not ada.recovered
    assert ada.events == []
    ended(ada)


def test_who_heard_nothing_for_long_has_missed_nothing_of_it(home: House) -> None:
    """Its last offset is older than what is kept, and all that was said since was for others."""
    ada, bob = Client(home), Client(home)
    chat = home.middleware.of("/chat")
    chat.socket(ada.id).emit("news", 1)
    ada.reads()
    for _ in range(20):
        for each in (ada, bob):
            each.stream.brings("3")
        chat.socket(bob.id).emit("news", "for bob")
        home.runtime.advance(20)
    assert ada.socket.connected
    ada.hangs_up()
    chat.socket(ada.id).emit("news", 2)
    home.runtime.advance(25)
    bob.stream.brings("3")
    ada.events.clear()
    ada.connect()
    assert ada.recovered
    assert ada.events == [["news", 2]]
    ended(ada, bob)


def test_a_volatile_event_that_ends_with_a_text_is_no_offset(home: House) -> None:
    """Clients take the last text of an event for the offset."""
    ada = Client(home)
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    chat.emit("typing", "bob", volatile=True)
    ada.socket["/chat"].emit("typing", "eve", volatile=True)
    assert ada.reads() == [["news", 1], ["typing", "bob"], ["typing", "eve"]]
    ada.hangs_up()
    chat.emit("news", 2)
    ada.events.clear()
    ada.connect()
    assert ada.recovered
    assert ada.events == [["news", 2]]
    ended(ada)


def test_a_client_with_json_functions_of_its_own_counts_as_well(home: House) -> None:
    ada = Client(home)
    ada.socket.set_json(None, lambda value: json.dumps(value, indent=1))
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    ada.socket["/chat"].emit("news", 2)
    assert ada.reads() == [["news", 1], ["news", 2]]
    ada.hangs_up()
    ada.events.clear()
    chat.emit("news", 3)
    ada.connect()
    assert ada.recovered
    assert ada.events == [["news", 3]]
    ended(ada)


def test_what_cannot_be_written_for_one_reaches_the_others(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=120)
    ada = Client(home)
    old = home.client("/chat")
    ada.socket.set_json(None, lambda value: json.dumps(value, default=str))
    chat = home.middleware.of("/chat")
    with pytest.raises(Exception, match="JSON"):
        chat.emit("news", {1, 2})
    # The client with functions of its own had it.
    assert len(ada.reads()) == 1
    assert old.hears() == []
    old.hangs_up()
    ended(ada)


def test_nothing_is_kept_where_nobody_can_come_back(home: House) -> None:
    recovery = recovery_of(home)
    old = home.client("/chat")
    for number in range(10):
        home.middleware.of("/chat").emit("news", number)
    assert recovery.size == 0
    ada = Client(home)
    home.middleware.of("/chat").emit("news", 1)
    assert recovery.size > 0
    old.hangs_up()
    ended(ada)
    assert recovery.size == 0


def test_the_end_of_the_server_is_the_end_of_it(home: House) -> None:
    class Talkative(Chat):
        def recv_disconnect(self) -> None:
            home.middleware.of("/chat").emit("gone")

    home.middleware.namespaces["/chat"] = Talkative  # type: ignore[index]
    recovery = recovery_of(home)
    ada, bob, eve = Client(home), Client(home), home.client("/chat", token=TOKEN)
    ada.hangs_up()
    home.registry.close_all()
    home.runtime.settle()
    assert recovery.size == len(recovery) == 0
    for each in (bob, eve):
        each.hangs_up()
    home.runtime.advance(30)
    assert recovery.size == len(recovery) == 0
    home.registry.check()
    home.registry.reopen()
    ada.connect()
    assert not ada.recovered
    ada.hangs_up()
    ada.connect()
    assert ada.recovered
    ended(ada)


def test_memory_does_not_grow_with_those_who_never_come_back(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=(120, 50_000))
    recovery = recovery_of(home)
    for number in range(300):
        ada = (
            home.client("/chat", token=f"token_number_{number:09}") if number % 2 else Client(home)
        )
        ada.socket["/chat"].join("x" * 500)
        ada.socket["/chat"].emit("news", "y" * 500)
        ada.hangs_up()
        assert recovery.size <= 50_000
        home.registry.check()
    home.runtime.advance(130)
    assert recovery.size == len(recovery) == 0
    home.registry.check()


def test_a_flood_of_one_address_takes_no_bytes_from_others(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=(120, 100_000))
    others = [Client(home) for _ in range(5)]
    for each in others:
        each.socket["/chat"].join("x" * 1_000)
        each.hangs_up()
    for number in range(30):
        flood = home.client("/chat", token=f"token_number_{number:09}")
        flood.socket.address = "10.0.0.66"
        flood["/chat"].join("y" * 15_000)
        flood.hangs_up()
    home.registry.check()
    for each in others:
        each.connect()
    assert [each.recovered for each in others] == [True] * 5
    ended(*others)


def test_who_comes_back_too_late_is_told_of_in_the_log(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sockio")
    ada = Client(home)
    ada.hangs_up()
    ada.connect()
    assert ada.recovered
    assert "recovery-gone" not in caplog.text
    ada.hangs_up()
    home.runtime.advance(1000)
    ada.connect()
    assert not ada.recovered
    assert "/chat: it has come back, and what it had is kept no more" in caplog.text
