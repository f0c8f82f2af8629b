"""Clients of 0.9 that say a token at the handshake, and come back to what they had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sockio import BaseNamespace, RoomsMixin
from sockio.sessions.reasons import Reason
from sockio.sessions.recovery import Recovery

from ...support.carriers import Client, House, Stream
from ..conftest import MakeHouse
from .test_recovery import Client as Modern

TOKEN = "0123456789abcdef"


class Chat(BaseNamespace, RoomsMixin):
    gate: Any = None

    def recv_connect(self) -> Any:
        told = self.session.setdefault("told", [])
        told.append(("connect", self.ns_name, self.recovered))
        if type(self).gate is not None:
            answer = type(self).gate(self)
            if answer is not None:
                return answer
        if not self.recovered:
            self.join("lobby")
            self.emit("welcome")
        return True

    def recv_disconnect(self, reason: str) -> None:
        self.session["told"].append(("disconnect", self.ns_name, reason))
        self.leave("lobby")

    def on_note(self, value: Any) -> None:
        self.session["note"] = value

    def on_leave(self) -> None:
        self.disconnect()


@pytest.fixture(autouse=True)
def no_gate() -> Iterator[None]:
    yield
    Chat.gate = None


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Chat, "/chat": Chat}, recovery=120)


def recovery_of(home: House) -> Recovery:
    assert home.registry.recovery is not None
    return home.registry.recovery


def news(*numbers: Any) -> list[str]:
    return [f'5::/chat:{{"name":"news","args":[{number}]}}' for number in numbers]


def come(home: House, *endpoints: str, token: str = TOKEN) -> Client:
    return home.client(*(endpoints or ("/chat",)), token=token)


def comes_back(home: House, token: str = TOKEN, root: bool = True) -> tuple[Client, list[str]]:
    """A client over a stream, and what it hears of ``/chat`` and the global namespace."""
    client = Client(home, token=token).opens("/chat")
    return client, client.hears()


def done(home: House, *clients: Client) -> None:
    for client in clients:
        if client.socket.connected:
            client.hangs_up()
    home.runtime.advance(200)
    recovery = recovery_of(home)
    assert len(recovery) == recovery.size == 0
    home.registry.check()


def test_what_was_missed_comes_behind_the_confirmation_once_and_in_order(home: House) -> None:
    ada = come(home)
    chat = home.middleware.of("/chat")
    name, told = ada.socket.sessid, ada.socket.session["told"]
    ada.sends('5::/chat:{"name":"note","args":[5]}')
    ada.hangs_up()
    chat.emit("news", 1)
    chat.to("lobby").emit("news", 2)
    chat.to("elsewhere").emit("news", "not for her")
    chat.skip(name).emit("news", "not for her")
    chat.skip("lobby").emit("news", "not for her")
    chat.socket(name).emit("news", 3)
    chat.emit("news", "lost", volatile=True)
    home.middleware.of("").emit("news", 0)
    back, heard = comes_back(home)
    assert heard == ["1::", '5:::{"name":"news","args":[0]}', "1::/chat", *news(1, 2, 3)]
    assert back.socket.sessid != name
    assert back.socket.session["note"] == 5
    assert [each for each in told if each[1] == "/chat"] == [
        ("connect", "/chat", False),
        ("disconnect", "/chat", Reason.TRANSPORT_CLOSE),
        ("connect", "/chat", True),
    ]
    assert back["/chat"].rooms == {"lobby"}
    chat.to("lobby").emit("news", 4)
    assert back.hears() == news(4)
    back.hangs_up()
    again, heard = comes_back(home)
    assert heard == ["1::", "1::/chat"]
    done(home, again)


def test_what_waited_in_the_outbox_comes_first(home: House) -> None:
    ada = come(home)
    ada.stream.stuck = True
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    ada["/chat"].emit("asked", callback=lambda: None)
    ada["/chat"].emit("late", volatile=True)
    ada["/chat"].send("text")
    ada["/chat"].send({"json": 1}, json=True)
    ada.hangs_up()
    chat.emit("news", 2)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1), "3::/chat:text", '4::/chat:{"json":1}', *news(2)]
    done(home, back)


def test_a_poll_s_answer_that_was_not_read_comes_again(home: House) -> None:
    ada = Client(home, token=TOKEN)
    ada.polls()
    ada.posts("1::/chat")
    ada.polls()
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    assert ada.polls("unread").answer is not None
    chat.emit("news", 2)
    home.runtime.advance(home.registry.settings.close_timeout + 1)
    assert ada.socket.close_reason == Reason.CLOSE_TIMEOUT
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1, 2)]
    done(home, back)


def test_a_poll_s_answer_that_was_read_does_not(home: House) -> None:
    ada = Client(home, token=TOKEN)
    ada.polls()
    ada.posts("1::/chat")
    home.middleware.of("/chat").emit("news", 1)
    answer = ada.polls().answer
    assert answer is not None
    assert answer[-1] == news(1)[0]
    home.runtime.advance(home.registry.settings.close_timeout + 1)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat"]
    done(home, back)


def test_a_client_that_polls_gets_it_by_its_polls(home: House) -> None:
    ada = come(home)
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    back = Client(home, token=TOKEN)
    assert back.polls().answer == ["1::"]
    back.posts("1::/chat")
    assert back.polls().answer == ["1::/chat", *news(1)]
    home.runtime.advance(50)
    done(home)


def test_silence_is_an_accident(home: House) -> None:
    ada = come(home)
    home.runtime.advance(100)
    assert ada.socket.close_reason == Reason.HEARTBEAT_TIMEOUT
    home.middleware.of("/chat").emit("news", 1)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1)]
    done(home, back)


@pytest.mark.parametrize("goodbye", ["0::", "0::/chat", '5::/chat:{"name":"leave"}'])
def test_who_left_begins_anew(home: House, goodbye: str) -> None:
    ada = come(home)
    ada.sends(goodbye)
    if ada.socket.connected:
        ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    back, heard = comes_back(home)
    assert news(1)[0] not in heard
    assert '5::/chat:{"name":"welcome"}' in heard
    done(home, back)


def test_another_token_or_none_finds_nothing(home: House) -> None:
    ada = come(home)
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    other, heard = comes_back(home, "another_token_of_a_client")
    nobody = home.client("/chat")
    assert news(1)[0] not in [*heard, *nobody.hears()]
    pid = Modern(home, "/chat")
    pid.hangs_up()
    pid.pid = TOKEN
    pid.connect()
    assert not pid.recovered
    assert ["news", 1] not in pid.events
    thief = come(home, token=pid.pid)
    pid.hangs_up()
    pid.connect()
    assert pid.recovered
    pid.hangs_up()
    done(home, other, nobody, thief)


def test_who_is_back_before_the_loss_was_noticed_takes_over(home: House) -> None:
    ada = come(home)
    ada.stream.stuck = True
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1)]
    assert ada.socket.close_reason == Reason.TRANSPORT_CLOSE
    chat.emit("news", 2)
    ada.stream.reads_again()
    # A page that is open twice is told that this one is out, and gets nothing that the other has.
    assert ada.hears() == ["0::"]
    assert back.hears() == news(2)
    done(home, back)


def test_one_that_is_between_two_polls_finds_the_goodbye(home: House) -> None:
    ada = Client(home, token=TOKEN)
    ada.polls()
    ada.posts("1::/chat")
    ada.polls()
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat"]
    assert ada.polls().answer == ["0::"]
    home.runtime.settle()
    assert home.registry.get_socket(ada.socket.sessid) is None
    done(home, back)


def test_a_handshake_that_nobody_opens_takes_nothing(home: House) -> None:
    ada = come(home)
    home.handshake(token=TOKEN)
    home.runtime.advance(home.registry.settings.close_timeout - 1)
    ada.sends("2::")
    assert ada.socket.connected
    home.runtime.advance(2)
    assert ada.socket.connected
    ada.hangs_up()
    back, _ = comes_back(home)
    assert back["/chat"].recovered
    done(home, back)


def test_what_was_missed_closes_nothing_again(house: MakeHouse) -> None:
    """It may fill the outbox, and does not count against what comes behind it."""
    home = house({"/chat": Chat}, recovery=120, max_outbox=(3, 1_000_000))
    ada = come(home)
    ada.hangs_up()
    chat = home.middleware.of("/chat")
    for number in (1, 2, 3):
        chat.emit("news", number)
    back = Client(home, token=TOKEN)
    assert back.polls().answer == ["1::"]
    back.posts("1::/chat")
    for number in (4, 5, 6):
        chat.emit("news", number)
    assert back.polls().answer == ["1::/chat", *news(*range(1, 7))]
    # More than that, and it begins anew.
    home.runtime.advance(50)
    for number in range(4):
        chat.emit("news", number)
    again, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", '5::/chat:{"name":"welcome"}']
    done(home, again)


def test_the_event_by_which_the_loss_was_noticed(home: House) -> None:
    ada = come(home)
    stream = ada.stream

    def breaks(packet: Any) -> bool:
        ada.socket.lost(stream, Reason.TRANSPORT_ERROR)
        return False

    stream.write = breaks  # type: ignore[method-assign]
    home.middleware.of("/chat").emit("news", 1)
    home.middleware.of("/chat").emit("news", 2)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1, 2)]
    done(home, back)


def test_a_handler_that_goes_on_while_its_client_is_away(house: MakeHouse) -> None:
    class Slow(Chat):
        def on_work(self) -> None:
            door.wait()
            self.emit("news", 1)

    home = house({"/chat": Slow}, recovery=120)
    door = home.door()
    ada = come(home)
    ada.stream.brings('5::/chat:{"name":"work"}')
    home.runtime.settle()
    ada.stream.hangs_up()
    door.set()
    home.runtime.settle()
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1)]
    done(home, back)


def test_a_gate_that_says_no_now(home: House) -> None:
    ada = come(home)
    ada.sends('5::/chat:{"name":"note","args":["secret"]}')
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    Chat.gate = lambda self: self.ns_name != "/chat"
    back, heard = comes_back(home)
    assert heard == ["1::", "7::/chat:2"]
    back.hangs_up()
    Chat.gate = None
    again, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", '5::/chat:{"name":"welcome"}']
    done(home, again)


def test_the_connection_is_lost_again_at_the_gate(home: House) -> None:
    ada = come(home)
    ada.hangs_up()
    chat = home.middleware.of("/chat")
    chat.emit("news", 1)
    door = home.door()
    Chat.gate = lambda self: door.wait() if self.ns_name == "/chat" else None
    back, heard = comes_back(home)
    assert heard == ["1::"]
    chat.socket(ada.socket.sessid).emit("news", 2)
    chat.socket(back.socket.sessid).emit("news", 3)
    chat.emit("news", 4)
    back.hangs_up()
    door.set(True)
    Chat.gate = None
    home.runtime.settle()
    again, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(1, 2, 3, 4)]
    again.hangs_up()
    # Now it is known by its last name alone.
    chat.socket(ada.socket.sessid).emit("news", 5)
    chat.socket(again.socket.sessid).emit("news", 6)
    again, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(6)]
    done(home, again)


def test_it_is_written_for_0_9_only_while_somebody_is_away(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []
    codec = home.registry.codec
    encode = codec.encode

    def writes(packet: Any) -> str:
        written.append(packet["type"])
        return encode(packet)

    monkeypatch.setattr(codec, "encode", writes)
    chat = home.middleware.of("/chat")
    modern = Modern(home, "/chat")
    chat.emit("news", 1)
    assert "event" not in written
    ada = come(home)
    ada.hangs_up()
    other = home.client("/chat")
    written.clear()
    chat.emit("news", 2)
    assert written == ["event"]
    home.runtime.advance(50)
    modern.hangs_up()
    home.runtime.advance(130)
    done(home, other)


def test_one_client_has_no_more_than_its_share(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=(120, 40_000))
    recovery = recovery_of(home)
    ada, bob = come(home), come(home, token="another_token_of_a_client")
    ada.stream.stuck = bob.stream.stuck = True
    for number in range(5):
        ada["/chat"].emit("news", number)
    for number in range(60):
        bob["/chat"].emit("news", number)
    ada.hangs_up()
    bob.hangs_up()
    assert len(recovery) == 1
    assert 0 < recovery.size <= 10_000
    back, heard = comes_back(home)
    assert heard[2:] == news(*range(5))
    done(home, back)


def test_who_is_away_longest_makes_room_in_bytes_too(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=(120, 40_000))
    recovery = recovery_of(home)
    tokens = [f"token_number_{number:020}" for number in range(9)]
    for token in tokens:
        client = come(home, token=token)
        client["/chat"].join("x" * 6_000)
        client.hangs_up()
        home.runtime.advance(1)
        assert recovery.size <= 40_000
    kept = [comes_back(home, token)[0] for token in tokens]
    recovered = [each["/chat"].recovered for each in kept]
    assert recovered == sorted(recovered)
    assert 0 < sum(recovered) < 9
    done(home, *kept)


def test_without_the_setting_a_token_is_nothing(house: MakeHouse) -> None:
    home = house({"/chat": Chat})
    ada = come(home)
    assert type(ada.socket).__name__ == "Socket"
    ada.hangs_up()
    home.middleware.of("/chat").emit("news", 1)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", '5::/chat:{"name":"welcome"}']
    back.hangs_up()


def test_bytes_that_0_9_is_refused_are_not_missed(house: MakeHouse) -> None:
    home = house({"/chat": Chat}, recovery=120, bytes_to_09="refuse")
    ada = come(home)
    ada.hangs_up()
    chat = home.middleware.of("/chat")
    chat.emit("news", b"1")
    chat.emit("news", 2)
    back, heard = comes_back(home)
    assert heard == ["1::", "1::/chat", *news(2)]
    done(home, back)


def test_streams_that_are_replaced_lose_nothing(home: House) -> None:
    """A change of transport is none of recovery's."""
    ada = come(home)
    poll = Stream(ada.socket)
    ada.socket.attach(poll)
    home.middleware.of("/chat").emit("news", 1)
    home.runtime.settle()
    assert poll.packets == news(1)
    poll.hangs_up()
    home.runtime.settle()
    done(home, ada)
