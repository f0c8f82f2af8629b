"""To many at once: one client by its name, members that join, leave, are thrown out, or asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import gevent.event
import pytest

from sockio import BaseNamespace, RoomsMixin, UsageError
from sockio.namespaces import emitter
from sockio.namespaces.emitter import Emitter
from sockio.protocol.generations import EIO3, EIO4

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        self.session["reasons"] = []

    def recv_disconnect(self, reason: str) -> None:
        if self.ns_name:
            self.session["reasons"].append(reason)


class Client:
    """A client of a generation in /chat, with what it hears there."""

    def __init__(self, home: House, generation: Any) -> None:
        self.home = home
        self.old = generation is None
        if generation is None:
            client = home.client("/chat")
            self.socket: Any = client.socket
            self.stream = client.stream
        else:
            self.socket = admitted(home, generation)
            self.stream = Stream(self.socket)
            self.socket.attach(self.stream)
            self.socket.receive("40/chat,")
        self.hears()

    @property
    def id(self) -> str:
        name: str = self.socket.name_in("/chat")
        return name

    def hears(self) -> list[str]:
        self.home.runtime.settle()
        heard, self.stream.packets = self.stream.packets, []
        return heard

    def acks(self, question: str, answer: str) -> None:
        """Answer a packet that asks for an ack."""
        if self.old:
            number = question.split(":")[1].rstrip("+")
            self.socket.receive(f"6::/chat:{number}+{answer}")
        else:
            number = question[len("42/chat,") : question.index("[")]
            self.socket.receive(f"43/chat,{number}{answer}")
        self.home.runtime.settle()


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Chat, "/chat": Chat})


@pytest.fixture
def clients(home: House) -> Iterator[list[Client]]:
    made = [Client(home, generation) for generation in (None, EIO3, EIO4)]
    yield made
    for each in made:
        each.stream.hangs_up()
    home.runtime.settle()


@pytest.fixture
def chat(home: House) -> Emitter:
    return home.middleware.of("/chat")


def who_hears(clients: list[Client]) -> list[int]:
    return [number for number, each in enumerate(clients) if each.hears()]


def test_one_by_its_name(chat: Emitter, clients: list[Client]) -> None:
    for number, client in enumerate(clients):
        chat.socket(client.id).emit("x")
        assert who_hears(clients) == [number]
        chat.to(client.id).emit("x")
        assert who_hears(clients) == [number]
        chat.skip(client.id).emit("x")
        assert who_hears(clients) == [each for each in range(3) if each != number]
    chat.socket("nobody").emit("x")
    chat.socket("").emit("x")
    assert who_hears(clients) == []


def test_a_session_s_id_is_no_name_of_later_clients(chat: Emitter, clients: list[Client]) -> None:
    for client in clients[1:]:
        chat.socket(client.socket.sessid).emit("x")
    assert who_hears(clients) == []


def test_rooms_are_joined_and_left_by_many(chat: Emitter, clients: list[Client]) -> None:
    chat.to(clients[0].id, clients[2].id).join("red", "blue")
    chat.to("red").emit("x")
    assert who_hears(clients) == [0, 2]
    chat.to("red").skip("blue").emit("x")
    assert who_hears(clients) == []
    chat.socket(clients[0].id).leave("red")
    chat.to("red", "blue").emit("x")
    assert who_hears(clients) == [0, 2]
    assert [each.id for each in clients if each.socket in chat.to("red").sockets()] == [
        clients[2].id
    ]
    chat.join("everybody")
    assert len(chat.to("everybody").sockets()) == 3


def test_many_are_thrown_out(chat: Emitter, clients: list[Client]) -> None:
    chat.skip(clients[0].id).disconnect()
    assert [each.hears() for each in clients] == [[], ["41/chat,"], ["41/chat,"]]
    assert [each.socket.get("/chat") is None for each in clients] == [False, True, True]
    assert clients[2].socket.session["reasons"] == ["server namespace disconnect"]
    chat.disconnect(silent=True)
    assert clients[0].hears() == []
    assert chat.sockets() == []


def test_all_are_asked(home: House, chat: Emitter, clients: list[Client]) -> None:
    asking = gevent.spawn(chat.call, "where?", 1)
    home.runtime.settle()
    questions = [each.hears() for each in clients]
    assert [len(each) for each in questions] == [1, 1, 1]
    clients[2].acks(questions[2][0], '["here"]')
    clients[0].acks(questions[0][0], "[1,2]")
    assert not asking.ready()
    clients[1].acks(questions[1][0], "[]")
    replies = asking.get(timeout=10)
    assert replies.missing == []
    assert list(replies.answers.items()) == [
        (clients[2].id, "here"),
        (clients[0].id, (1, 2)),
        (clients[1].id, None),
    ]


def test_who_does_not_answer_is_named(home: House, chat: Emitter, clients: list[Client]) -> None:
    names = [each.id for each in clients]
    asking = gevent.spawn(chat.call, "where?", timeout=5)
    home.runtime.settle()
    (question,) = clients[1].hears()
    clients[1].acks(question, '["here"]')
    clients[2].stream.hangs_up()
    home.runtime.settle()
    assert not asking.ready()
    home.runtime.advance(5.1)
    replies = asking.get(timeout=10)
    assert replies.answers == {names[1]: "here"}
    assert sorted(replies.missing) == sorted([names[0], names[2]])


def test_an_answer_that_comes_too_late_changes_nothing(
    home: House, chat: Emitter, clients: list[Client]
) -> None:
    """Who waits for an ack is forgotten by another clock, which stands still here."""
    asking = gevent.spawn(chat.call, "where?", timeout=0.01)
    home.runtime.settle()
    questions = [each.hears()[0] for each in clients]
    replies = asking.get(timeout=10)
    for client, question in zip(clients, questions, strict=True):
        client.acks(question, '["late"]')
    home.runtime.advance(1)
    assert replies.answers == {}
    assert sorted(replies.missing) == sorted(each.id for each in clients)


def test_others_have_their_turn_while_many_are_asked(
    home: House, chat: Emitter, clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockio.namespaces.emitter.PER_TURN", 1)
    story: list[object] = []
    gives_way = home.runtime.breathe

    def breathe() -> None:
        # Whoever hears lets those go on that have worked for long, a slow machine's by the same.
        monkeypatch.setattr(home.runtime, "breathe", gives_way)
        story.append([len(each.hears()) for each in clients])
        if len(story) == 1:
            # Who leaves meanwhile is not asked, and does not answer.
            clients[2].stream.hangs_up()
            home.runtime.settle()
        monkeypatch.setattr(home.runtime, "breathe", breathe)

    monkeypatch.setattr(home.runtime, "breathe", breathe)
    replies = chat.call("where?", timeout=0.01)
    assert story == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert replies.answers == {}
    assert len(set(replies.missing)) == len(replies.missing) == 3


def test_nobody_is_asked(home: House, chat: Emitter) -> None:
    assert chat.call("where?") == ({}, [])
    with pytest.raises(UsageError, match="connect"):
        chat.call("connect")


def test_an_order_may_end_whole_sessions(home: House, clients: list[Client]) -> None:
    everybody = Emitter(home.registry, "/chat")
    everybody.carry_out("disconnect", (False, False))
    home.runtime.settle()
    # Each is in the global namespace, or may come back.
    assert all(each.socket.connected for each in clients)
    new = Client(home, EIO4)
    everybody.carry_out("disconnect", (False, True))
    home.runtime.settle()
    assert not new.socket.connected


def test_whether_anybody_was_found(home: House, clients: list[Client]) -> None:
    everybody = Emitter(home.registry, "/chat")
    assert everybody.fetch_sockets()
    assert not everybody.to("an empty room").fetch_sockets()


@pytest.fixture(params=[emitter.PER_TURN, 0], ids=["few", "many"])
def few_or_many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands are thrown out in turns: what comes of it is the same."""
    monkeypatch.setattr(emitter, "PER_TURN", request.param)


@pytest.mark.usefixtures("few_or_many")
def test_who_is_thrown_out_hears_nothing_but_that(chat: Emitter, clients: list[Client]) -> None:
    chat.emit("before")
    chat.disconnect()
    # Nobody has had a turn since.
    chat.emit("behind")
    clients[0].socket["/chat"].emit("behind")
    for client in clients:
        heard = client.hears()
        assert len(heard) == 2
        assert "before" in heard[0]
        assert "behind" not in heard[1]
        assert client.socket.session["reasons"] == ["server namespace disconnect"]
        assert client.socket.get("/chat") is None
    assert chat.sockets() == []


@pytest.mark.usefixtures("few_or_many")
def test_who_is_thrown_out_is_not_heard_any_more(
    home: House, chat: Emitter, clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[Any] = []
    monkeypatch.setattr(Chat, "on_x", lambda self: came.append(self), raising=False)
    texts = ['5::/chat:{"name":"x"}', '2/chat,["x"]', '42/chat,["x"]']
    chat.disconnect()
    for client, text in zip(clients, texts, strict=True):
        client.socket.receive(text)
    home.runtime.settle()
    assert came == []


@pytest.mark.usefixtures("few_or_many")
def test_who_ends_it_meanwhile_is_told_once(
    home: House, chat: Emitter, clients: list[Client]
) -> None:
    chat.disconnect()
    # Nobody has had a turn since.
    clients[0].socket["/chat"].disconnect()
    clients[1].stream.hangs_up()
    clients[2].socket.receive("41/chat,")
    assert len(clients[0].hears()) == 1
    who_hears(clients)
    for client in clients:
        assert len(client.socket.session["reasons"]) == 1
        assert client.socket.get("/chat") is None
    # And may come back.
    clients[0].socket.receive("1::/chat")
    clients[2].socket.receive("40/chat,")
    home.runtime.settle()
    assert who_hears(clients) == [0, 2]
    chat.emit("x")
    assert who_hears(clients) == [0, 2]


@pytest.mark.usefixtures("few_or_many")
def test_who_is_at_the_door_is_thrown_out_when_it_is_in(
    home: House, chat: Emitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = gevent.event.Event()

    def recv_connect(self: Chat) -> None:
        self.session["reasons"] = []
        if self.ns_name == "/chat":
            self.join("red")
            go_on.wait()

    monkeypatch.setattr(Chat, "recv_connect", recv_connect)
    client = Client(home, None)
    chat.to("red").disconnect()
    chat.to("red").emit("behind")
    go_on.set()
    assert not [each for each in client.hears() if "behind" in each]
    assert client.socket.get("/chat") is None
    assert client.socket.session["reasons"] == ["server namespace disconnect"]
    client.stream.hangs_up()
    home.runtime.settle()
