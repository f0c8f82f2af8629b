"""Many clients that lose their connections at any moment, against the simplest model there is: each
has heard, in order and once, all that was said to it."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from sockio import BaseNamespace, RoomsMixin

from ...support.carriers import Client as Old
from ...support.carriers import Fate, House, Poll
from ..conftest import MakeHouse
from .test_recovery import Client as Modern

EVENT = re.compile(r'5::/chat:\{"name":"news","args":\[(\d+)\]\}')


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        if not self.recovered:
            self.join("lobby")

    def recv_disconnect(self) -> None:
        self.leave("lobby")


class Somebody:
    """One page: what it has heard, and what it should have."""

    def __init__(self, home: House, number: int, dice: random.Random) -> None:
        self.home = home
        self.dice = dice
        self.heard: list[int] = []
        self.meant: list[int] = []
        self.number = number

    @property
    def name(self) -> str:
        raise NotImplementedError

    def reads(self) -> None: ...

    def loses(self) -> None: ...

    def returns(self) -> None: ...

    @property
    def session(self) -> Any:
        raise NotImplementedError

    def recovered(self) -> bool:
        return bool(self.session["/chat"].recovered)


class OfNow(Somebody):
    def __init__(self, home: House, number: int, dice: random.Random) -> None:
        super().__init__(home, number, dice)
        self.client = Modern(home)

    @property
    def name(self) -> str:
        return self.client.id

    @property
    def session(self) -> Any:
        return self.client.socket

    def reads(self) -> None:
        self.heard += [args[0] for _, *args in self.client.reads()]

    def loses(self) -> None:
        # What is written and not read is lost with the connection.
        self.client.stream.packets.clear()
        if self.session.connected:
            self.client.hangs_up()

    def returns(self) -> None:
        self.client.stream.packets.clear()
        self.client.events.clear()
        self.client.connect()
        self.heard += [args[0] for _, *args in self.client.events]


class Of2012(Somebody):
    def __init__(self, home: House, number: int, dice: random.Random) -> None:
        super().__init__(home, number, dice)
        self.returns()

    @property
    def name(self) -> str:
        return self.client.socket.sessid

    @property
    def session(self) -> Any:
        return self.client.socket

    def hears(self, packets: list[str]) -> None:
        self.heard += [int(found[1]) for each in packets if (found := EVENT.fullmatch(each))]

    def returns(self) -> None:
        self.client = Old(self.home, token=f"the token of client {self.number}")


class OverAStream(Of2012):
    def returns(self) -> None:
        if self.heard or self.meant:
            self.hears(self.client.hears())
        super().returns()
        self.client.opens("/chat")
        self.reads()

    def reads(self) -> None:
        self.client.stream.reads_again()
        self.hears(self.client.hears())

    def loses(self) -> None:
        # What is written into a stream counts as read: nobody could know better.
        self.hears(self.client.hears())
        if self.session.connected:
            self.client.hangs_up()

    def is_stuck(self) -> None:
        self.client.stream.stuck = True


class OverPolls(Of2012):
    poll: Poll | None = None

    def returns(self) -> None:
        self.take()
        super().returns()
        self.client.polls()
        self.client.posts("1::/chat")
        self.reads()

    def reads(self) -> None:
        if self.poll is None or self.poll.answer is not None:
            self.take()
            self.poll = self.client.polls()
        self.home.runtime.settle()
        self.take()

    def take(self) -> None:
        if self.poll is not None and self.poll.answer is not None:
            self.hears(self.poll.answer)
            self.poll = None

    def loses(self) -> None:
        # Its answer breaks off, is known to be unread, or there was none.
        self.take()
        fates: tuple[Fate, ...] = ("unread", "write failed", "being written")
        self.client.polls(self.dice.choice(fates))
        self.poll = None


@pytest.mark.parametrize("seed", range(25))
def test_everybody_hears_everything_once_and_in_order(house: MakeHouse, seed: int) -> None:
    dice = random.Random(seed)
    home = house({"/chat": Chat}, recovery=120)
    kinds = [OfNow, OverAStream, OverPolls]
    everybody: list[Somebody] = [kinds[number % 3](home, number, dice) for number in range(6)]
    chat = home.middleware.of("/chat")
    home.runtime.settle()
    said = 0
    for _ in range(150):
        one = dice.choice(everybody)
        others = [each for each in everybody if each is not one]
        what = dice.randrange(10)
        if what < 4:
            said += 1
            whom: list[Somebody]
            emitter, whom = dice.choice(
                [
                    (chat, everybody),
                    (chat.to("lobby"), everybody),
                    (chat.socket(one.name), [one]),
                    (chat.to("lobby").skip(one.name), others),
                    (chat.to(one.name, "nowhere"), [one]),
                    (chat.skip("lobby"), []),
                ]
            )
            emitter.emit("news", said)
            for each in whom:
                each.meant.append(said)
        elif what < 6:
            one.reads()
        elif what == 6:
            one.loses()
        elif what == 7 and isinstance(one, OverAStream):
            one.is_stuck()
        elif what == 8:
            home.runtime.advance(dice.random())
        else:
            if dice.random() < 0.7:
                one.loses()
            one.returns()
            home.runtime.settle()
            assert one.recovered()
        home.registry.check()
    for each in everybody:
        if not each.session.connected or isinstance(each, OfNow):
            each.returns()
        each.reads()
        each.reads()
        assert each.heard == each.meant, type(each).__name__
    for each in everybody:
        each.loses()
    home.runtime.advance(300)
    assert home.registry.recovery is not None
    assert len(home.registry.recovery) == home.registry.recovery.size == 0
