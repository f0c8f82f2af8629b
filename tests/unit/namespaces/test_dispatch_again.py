"""Who leaves a namespace and comes again while other packets wait; who comes too soon."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.event import AsyncResult

from sockio import BaseNamespace
from sockio.protocol.generations import EIO4, Generation

from ...support.carriers import Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted


class Chat(BaseNamespace):
    """Waits at a door; writes down who is here and who has left."""

    def recv_connect(self) -> None:
        stays: list[str] = self.session.setdefault("stays", [])
        self.number = len(stays)
        stays.append("here")

    def recv_disconnect(self) -> None:
        self.session["stays"][self.number] = "left"

    def on_wait(self) -> None:
        self.session.setdefault("door", AsyncResult()).get()


@pytest.mark.parametrize("generation", [None, EIO4], ids=["0.9", "4.x"])
@pytest.mark.parametrize("known", [True, False], ids=["connected before", "in one go"])
def test_a_goodbye_is_for_the_stay_that_was_meant(
    house: MakeHouse, generation: Generation | None, known: bool
) -> None:
    home = house({"": BaseNamespace, "/chat": Chat})
    if generation is None:
        socket: Any = home.client().socket
        hello, wait, goodbye = "1::/chat", '5::/chat:{"name":"wait"}', "0::/chat"
    else:
        socket = admitted(home, generation)
        socket.attach(Stream(socket))
        hello, wait, goodbye = "40/chat,", '42/chat,["wait"]', "41/chat,"
    socket.receive(hello)
    if known:
        home.runtime.settle()
    for packet in (wait, goodbye, hello):
        socket.receive(packet)
    home.runtime.settle()
    socket.receive(goodbye)
    home.runtime.settle()
    socket.session["door"].set()
    home.runtime.settle()
    assert socket.session["stays"] == ["left", "left"]
    assert "/chat" not in socket.active_ns
    # The way back is open.
    socket.receive(hello)
    home.runtime.settle()
    assert socket.session["stays"] == ["left", "left", "here"]
    socket.close("transport close", say=False)
    home.runtime.settle()


def test_a_connect_that_comes_too_soon_is_refused_as_one(house: MakeHouse) -> None:
    home = house({"": Chat, "/a": Chat, "/b": Chat}, rate_limit="2/m")
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)
    for name in ("/a,", "/b,", ""):
        socket.receive(f"40{name}")
    home.runtime.settle()
    heard = [each.partition("{") for each in stream.packets]
    assert [each[0] for each in heard if each[0]] == ["0", "40/a,", "40/b,", "44"]
    assert '"code":"rate_limited"' in heard[-1][2]
    socket.close("transport close", say=False)
    home.runtime.settle()
