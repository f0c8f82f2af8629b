"""Clients that lost their connection and come back to what they had."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sockio import BaseNamespace, RoomsMixin
from sockio.protocol.generations import EIO3, EIO4
from sockio.sessions.away import MAX_KEPT

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from .test_engine_time import admitted


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        self.session.setdefault("told", []).append(("connect", self.recovered, self.id))
        if not self.recovered:
            self.join("lobby")
            self.emit("welcome")

    def recv_disconnect(self, reason: str) -> None:
        self.session["told"].append(("disconnect", reason))

    def on_note(self, value: Any) -> None:
        self.session["note"] = value

    def on_leave(self) -> None:
        self.disconnect()


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Chat, "/chat": Chat}, recovery=120)


class Client:
    """A client 4.6 or later: it remembers its pid and the last offset."""

    def __init__(self, home: House, namespace: str = "/chat") -> None:
        self.home = home
        self.namespace = namespace
        self.pid = self.id = ""
        self.offset: Any = None
        self.recovered = False
        self.events: list[list[Any]] = []
        self.connect()

    def connect(self) -> None:
        self.socket = admitted(self.home, EIO4)
        self.stream = Stream(self.socket)
        self.socket.attach(self.stream)
        said = {"pid": self.pid, "offset": self.offset}
        auth = json.dumps({name: value for name, value in said.items() if value})
        self.socket.receive(f"40{self.at}{auth}")
        self.reads()

    @property
    def at(self) -> str:
        return f"{self.namespace}," if self.namespace else ""

    def reads(self) -> list[list[Any]]:
        """The events that have come."""
        self.home.runtime.settle()
        packets, self.stream.packets = self.stream.packets, []
        came = []
        for packet in packets:
            if packet.startswith(f"40{self.at}"):
                told = json.loads(packet[len(f"40{self.at}") :])
                self.recovered = self.pid == told["pid"]
                self.pid, self.id = told["pid"], told["sid"]
            elif packet.startswith(f"42{self.at}"):
                *event, self.offset = json.loads(packet[len(f"42{self.at}") :])
                came.append(event)
        self.events += came
        return came

    def hangs_up(self) -> None:
        self.stream.hangs_up()
        self.home.runtime.settle()


def ended(*clients: Client) -> None:
    for client in clients:
        client.hangs_up()
    clients[0].home.runtime.advance(130)


@pytest.mark.parametrize("namespace", ["", "/chat"])
def test_what_was_missed_comes_once_and_in_order(home: House, namespace: str) -> None:
    ada = Client(home, namespace)
    chat = home.middleware.of(namespace)
    chat.emit("news", 1)
    ada.reads()
    assert ada.events == [["welcome"], ["news", 1]]
    name, told = ada.id, ada.socket.session["told"]
    ada.hangs_up()
    chat.emit("news", 2)
    chat.to("lobby").emit("news", 3)
    chat.to("elsewhere").emit("news", "not for her")
    chat.skip(name).emit("news", "not for her")
    chat.skip("lobby").emit("news", "not for her")
    chat.socket(name).emit("news", 4)
    chat.emit("news", "lost", volatile=True)
    home.middleware.of("/other").emit("news", "elsewhere")
    ada.events.clear()
    ada.connect()
    assert ada.recovered
    assert ada.id == name
    assert ada.events == [["news", 2], ["news", 3], ["news", 4]]
    chat.to("lobby").emit("news", 5)
    assert ada.reads() == [["news", 5]]
    assert told[:2] == [("connect", False, name), ("disconnect", "transport close")]
    assert ada.socket.session["told"][2:] == [("connect", True, name)]
    ended(ada)


def test_the_missed_come_before_the_answer(home: House) -> None:
    ada = Client(home)
    ada.hangs_up()
    home.middleware.of("/chat").emit("news")
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    auth = json.dumps({"pid": ada.pid, "offset": ada.offset})
    socket.receive(f"40/chat,{auth}")
    home.runtime.settle()
    kinds = [packet[:3] for packet in stream.packets]
    assert kinds == ["0{}", "42/", "40/"]
    stream.hangs_up()
    ended(ada)


def test_a_client_that_has_received_nothing_yet(home: House) -> None:
    ada = Client(home)
    ada.offset = None  # the welcome was lost
    ada.hangs_up()
    home.middleware.of("/chat").emit("news")
    ada.events.clear()
    ada.connect()
    assert ada.recovered
    assert ada.events == [["welcome"], ["news"]]
    ended(ada)


def test_the_session_s_data_is_there_again(home: House) -> None:
    ada = Client(home)
    ada.socket.receive('42/chat,["note",[1,2]]')
    ada.hangs_up()
    ada.connect()
    assert ada.socket.session["note"] == [1, 2]
    ended(ada)


def test_what_the_new_session_knows_is_newer(home: House) -> None:
    ada = Client(home)
    ada.socket.receive('42/chat,["note",1]')
    ada.hangs_up()
    socket = admitted(home, EIO4)
    socket.session["note"] = "of the new handshake"
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive(f"40/chat,{json.dumps({'pid': ada.pid})}")
    home.runtime.settle()
    assert socket["/chat"].recovered
    assert socket.session["note"] == "of the new handshake"
    assert "told" in socket.session
    stream.hangs_up()
    ended(ada)


def test_who_is_not_let_in_again_brings_nothing(house: MakeHouse) -> None:
    class Gate(BaseNamespace):
        def recv_connect(self) -> bool:
            self.session["role"] = self.session.get("role", "guest")
            return not self.recovered

    home = house({"": Chat, "/chat": Gate}, recovery=120)
    ada = Client(home)
    ada.socket.session["role"] = "admin"
    ada.hangs_up()
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40")
    socket.receive(f"40/chat,{json.dumps({'pid': ada.pid})}")
    home.runtime.settle()
    assert any(packet.startswith("44/chat") for packet in stream.packets)
    assert socket[""].connected
    assert "role" not in socket.session
    stream.hangs_up()
    ended(ada)


def test_who_is_back_before_the_loss_was_noticed(home: House) -> None:
    ada = Client(home)
    before = ada.socket
    home.middleware.of("/chat").emit("news", "written into the void")
    name = ada.id
    ada.events.clear()
    ada.stream.packets.clear()
    ada.connect()
    assert ada.recovered
    assert ada.id == name
    assert ada.events == [["news", "written into the void"]]
    assert before.close_reason == "transport close"
    assert home.registry.find("/chat", name) is ada.socket
    ended(ada)


def test_a_pid_is_taken_up_once(home: House) -> None:
    ada = Client(home)
    ada.hangs_up()
    thief = Client(home)
    thief.pid, thief.offset = ada.pid, ada.offset
    ada.connect()
    assert ada.recovered
    ada.hangs_up()
    ada.connect()
    assert ada.recovered
    ended(ada, thief)


@pytest.mark.parametrize("leave", ['42/chat,["leave"]', "41/chat,", "1"])
def test_who_left_begins_anew(home: House, leave: str) -> None:
    ada = Client(home)
    ada.socket.receive(leave)
    home.runtime.settle()
    if leave != "1":
        ada.hangs_up()
    ada.connect()
    assert ada.recovered is (leave == "1")
    ended(ada)


@pytest.mark.parametrize(
    "told",
    [
        {"pid": "nobody's"},
        {"pid": 5, "offset": []},
        {"offset": "x"},
        {"pid": None},
    ],
)
def test_what_is_no_pid(home: House, told: dict[str, Any]) -> None:
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40/chat," + json.dumps(told))
    home.runtime.settle()
    assert stream.packets[1].startswith('40/chat,{"sid":')
    stream.hangs_up()
    home.runtime.advance(130)


@pytest.mark.parametrize("offset", ["", "x", "x.y", "zz.1", 7, "{boot}.ffff", "{boot}.-1"])
def test_an_offset_that_is_none_of_ours(home: House, offset: Any) -> None:
    ada = Client(home)
    ada.hangs_up()
    boot = str(ada.offset).rpartition(".")[0]
    ada.offset = offset.replace("{boot}", boot) if isinstance(offset, str) else offset
    before = ada.id
    ada.connect()
    assert ada.recovered is (offset == "")  # that is as if there was none
    assert (ada.id == before) is ada.recovered
    ended(ada)


def test_after_its_time_it_begins_anew(home: House) -> None:
    ada = Client(home)
    ada.hangs_up()
    home.runtime.advance(121)
    assert home.registry.recovery is not None
    assert len(home.registry.recovery) == home.registry.recovery.size == 0
    ada.connect()
    assert not ada.recovered
    assert ada.events[-1] == ["welcome"]
    ended(ada)


def test_events_are_kept_within_bounds(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=(120, 10_000))
    recovery = home.registry.recovery
    assert recovery is not None
    ada = Client(home)
    ada.hangs_up()
    for number in range(100):
        home.middleware.of("/chat").emit("news", "x" * 100, number)
        assert recovery.size <= 10_000
    ada.connect()
    # What would have to be sent is gone: nothing is passed off as whole.
    assert not ada.recovered
    ended(ada)
    assert recovery.size == 0


@pytest.mark.parametrize(("missed", "recovered"), [(20, True), (21, False)])
@pytest.mark.parametrize("waits", [True, False], ids=["a poll", "a stream"])
def test_who_has_missed_more_than_may_wait_begins_anew(
    house: MakeHouse, missed: int, recovered: bool, waits: bool
) -> None:
    """A client that polls would be thrown out for what it had missed, each time it came back."""
    home = house({"/chat": Chat}, recovery=120, max_outbox=(20, 100_000))
    ada = Client(home)
    ada.hangs_up()
    for number in range(missed):
        home.middleware.of("/chat").emit("news", number)
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    if not waits:
        socket.attach(stream)
    auth = json.dumps({"pid": ada.pid, "offset": ada.offset})
    socket.receive(f"40/chat,{auth}")
    home.runtime.settle()
    assert socket.connected
    assert socket["/chat"].recovered == recovered
    if waits:
        socket.attach(stream)
    kinds = [packet[:2] for packet in stream.packets]
    assert kinds == ["0{", *["42"] * missed, "40"] if recovered else ["0{", "40", "42"]
    stream.hangs_up()
    ended(ada)


def test_nor_in_bytes(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=120, max_outbox=(1000, 10_000))
    ada = Client(home)
    ada.hangs_up()
    for _ in range(11):
        home.middleware.of("/chat").emit("news", "x" * 1000)
    ada.connect()
    assert not ada.recovered
    ended(ada)


def test_a_pid_is_for_the_namespace_that_it_was_told_in(house: MakeHouse) -> None:
    """Whatever a client says for either, or makes up for a pattern."""

    class Everywhere(Chat):
        pass

    home = house({re.compile("/.*"): Everywhere}, recovery=120)
    ada = Client(home, "/a /b")
    ada.hangs_up()
    thief = Client(home, "/b")
    thief.hangs_up()
    thief.pid = f"{ada.pid} /a"
    thief.connect()
    assert not thief.socket["/b"].recovered
    ended(ada, thief)


def test_the_oldest_who_is_away_makes_room(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_KEPT == 10_000
    monkeypatch.setattr("sockio.sessions.away.MAX_KEPT", 2)
    clients = [Client(home) for _ in range(3)]
    for each in clients:
        each.hangs_up()
    for each in clients:
        each.connect()
    assert [each.recovered for each in clients] == [False, True, True]
    ended(*clients)


def test_a_flood_of_one_address_takes_no_place_from_others(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockio.sessions.away.MAX_KEPT", 20)
    others = [Client(home) for _ in range(10)]
    for each in others:
        each.hangs_up()
    for _ in range(30):
        flood = Client(home)
        flood.socket.address = "10.0.0.66"
        flood.hangs_up()
    for each in others:
        each.connect()
    assert [each.recovered for each in others] == [True] * 10
    ended(*others)


def test_others_are_told_no_offsets(home: House) -> None:
    ada, old = Client(home), home.client("/chat")
    socket = admitted(home, EIO3)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40/chat,")
    home.runtime.settle()
    stream.packets.clear()
    home.middleware.of("/chat").emit("news", 1)
    assert old.hears() == ['5::/chat:{"name":"news","args":[1]}']
    assert stream.packets == ['42/chat,["news",1]']
    assert ada.reads() == [["news", 1]]
    stream.hangs_up()
    old.hangs_up()
    ended(ada)


def test_off_by_default(house: MakeHouse) -> None:
    home = house({"/chat": Chat})
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    socket.receive("40/chat,")
    home.runtime.settle()
    assert stream.packets[1:] == [
        f'40/chat,{{"sid":"{socket.name_in("/chat")}"}}',
        '42/chat,["welcome"]',
    ]
    stream.hangs_up()
    home.runtime.settle()


def test_rooms_and_names_of_who_is_away_are_said(home: House) -> None:
    """What spares a process rooms that nobody is in has to know of them, also where their client
    was never here."""
    told: list[Any] = []
    rooms, recovery = home.registry.rooms, home.registry.recovery
    assert recovery is not None
    rooms.watch = lambda *what: told.append(what)
    rooms.expect = lambda *what: told.append(what)
    ada = Client(home)
    assert told == [("/chat", True)]
    name, told[:] = ada.id, []
    ada.hangs_up()
    # It is in them still, and leaves the namespace behind that.
    assert told == [("/chat", name), ("/chat", "lobby"), ("/chat", False)]
    told.clear()
    home.middleware.of("/chat").to(name).join("attic")
    assert told == [("/chat", True), ("/chat", False), ("/chat", "attic")]
    told.clear()
    # As if another worker had left them to this one.
    (heirloom,) = recovery.leave().heirlooms
    recovery._drop(heirloom.stay.key_in("/chat"))
    assert recovery.inherit_client(heirloom, 0)
    assert told[:2] == [("/chat", True), ("/chat", False)]
    assert {*told[2:]} == {("/chat", each) for each in (name, "lobby", "attic")}
