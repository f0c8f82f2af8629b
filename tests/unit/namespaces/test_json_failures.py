"""JSON functions of the application's own that fail: the client is not blamed, and is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

import gevent
import pytest

from sockio import BaseNamespace, ConnectionRefused
from sockio.protocol.generations import EIO4
from sockio.protocol.strict_json import default_json_loads

from ...support.carriers import House, Stream
from ..conftest import MakeHouse
from ..sessions.test_engine_time import admitted


class Broken(Exception):
    """What nobody raises who has read the text."""


def fail(value: Any) -> NoReturn:
    raise Broken("the fault of the application")


def decode_error(text: str) -> Any:
    """As msgspec's, whose errors are no ValueErrors."""
    try:
        return default_json_loads(text)
    except ValueError as error:
        raise Broken(str(error)) from None


class Chat(BaseNamespace):
    def on_x(self, *args: Any) -> list[Any]:
        return list(args)

    def on_ask(self) -> None:
        self.emit("question", callback=self.session.setdefault("heard", []).append)


class Shut(BaseNamespace):
    def recv_connect(self) -> None:
        raise ConnectionRefused("no", {"why": {1, 2}})


def latest(home: House) -> Callable[..., list[str]]:
    """Have a client of the latest generation send packets, and hear what comes back."""
    socket = admitted(home, EIO4)
    stream = Stream(socket)
    socket.attach(stream)

    def send(frame: str) -> list[str]:
        stream.packets.clear()
        socket.receive(frame)
        home.runtime.settle()
        return [packet.removeprefix("4") for packet in stream.packets]

    return send


LOADS_FAILED = "json_loads failed at what is JSON"


@pytest.mark.parametrize("wire", ['5:1+:/n:{"name":"x"}', "4:1+:/n:[1]"])
def test_a_reader_that_fails_is_no_fault_of_a_client(
    house: MakeHouse, wire: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": Chat}, json_loads=fail).client("/n")
    (answer,) = client.sends(wire)
    assert answer.startswith('6::/n:1+[{"error":"internal_error"')
    assert LOADS_FAILED in caplog.text
    assert "Broken: the fault of the application" in caplog.text
    assert client.socket.bad_packets == 0


def test_nor_where_nobody_asks_for_an_ack(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": Chat}, json_loads=fail).client("/n")
    assert client.sends('5::/n:{"name":"x"}') == ["7::/n"]
    assert LOADS_FAILED in caplog.text


def test_a_later_client_stays(house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    send = latest(house({"": Chat}, json_loads=fail))
    send("40")
    (answer,) = send('421["x"]')
    assert "internal_error" in answer
    (answer,) = send('422["x"]')
    assert answer.startswith("32[")
    assert "Broken: the fault of the application" in caplog.text


def test_a_later_client_is_not_let_in_by_what_could_not_be_read(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    send = latest(house({"": Chat, "/n": Chat}, json_loads=fail))
    assert send('40/n,{"token":"x"}') == ['4/n,{"message":"Not allowed"}']
    assert LOADS_FAILED in caplog.text
    assert len(send("40")) == 1


def test_what_no_reader_takes_is_the_client_s(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": Chat}, json_loads=decode_error).client("/n")
    (answer,) = client.sends('5:1+:/n:{"name":')
    assert "invalid_packet" in answer
    assert LOADS_FAILED not in caplog.text
    assert client.socket.bad_packets == 1


def test_an_ack_that_cannot_be_read_is_not_the_client_s(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    def loads(text: str) -> Any:
        return fail(text) if text == "[1]" else json.loads(text)

    client = house({"/n": Chat}, json_loads=loads).client("/n")
    client.sends('5::/n:{"name":"ask"}')
    client.sends("6::/n:1+[1]")
    assert LOADS_FAILED in caplog.text
    assert client.socket.bad_packets == 0


def test_who_connects_is_told_so_whatever_the_writer_does(house: MakeHouse) -> None:
    send = latest(house({"": Chat}, json_dumps=fail))
    (told,) = send("40")
    assert told.startswith('0{"sid":')
    (answer,) = send('421["x"]')
    assert answer.startswith('31[{"error":"internal_error"')


def test_an_error_is_told_whatever_the_writer_does(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": Chat}, json_dumps=fail).client("/n")
    (answer,) = client.sends('5:1+:/n:{"name":"x","args":[1]}')
    assert answer.startswith('6::/n:1+[{"error":"internal_error"')
    assert "Broken: the fault of the application" in caplog.text


@pytest.mark.parametrize("settings", [{}, {"json_dumps": fail}])
def test_a_refusal_is_told_whatever_is_to_go_with_it(
    house: MakeHouse, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    send = latest(house({"": Chat, "/shut": Shut}, **settings))
    assert send("40/shut,") == ['4/shut,{"message":"no"}']
    assert "the data of ConnectionRefused cannot be written" in caplog.text


@pytest.mark.parametrize("raised", [Broken, gevent.Timeout])
def test_what_a_function_of_on_start_raises_is_in_the_log(
    house: MakeHouse, raised: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    home = house({"": Chat})
    started: list[str] = []

    @home.middleware.on_start
    def begin() -> None:
        raise raised

    home.middleware.on_start(lambda: started.append("too"))
    home.middleware.join()
    home.runtime.settle()
    assert started == ["too"]
    assert "the function of on_start, " in caplog.text
    assert "begin, failed" in caplog.text
    assert caplog.records[-1].exc_info
