"""When the JSON of a packet is read: once at most, when it is its turn, and not in the loop that
serves everybody else meanwhile.

A few short ones are, where that takes no code of the application's: the reader here is such code.
"""

from __future__ import annotations

from typing import Any

import pytest

from sockio import BaseNamespace
from sockio.protocol.strict_json import default_json_loads

from ...support.carriers import Client
from ..conftest import MakeHouse

LONG = "x" * 10_000


class Chat(BaseNamespace):
    """Keeps what it is given."""

    def initialize(self) -> None:
        self.session.setdefault("got", [])

    def on_say(self, *args: Any) -> None:
        self.session["got"].append(args)

    def recv_json(self, data: Any) -> None:
        self.session["got"].append((data,))

    def recv_message(self, data: str) -> None: ...

    def on_wait(self) -> None:
        self.session["door"].wait()

    def on_call(self) -> None:
        self.session["got"].append((self.call("question"),))


class Reader:
    """The JSON function of an application that wants to know what it has read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, text: str) -> Any:
        self.read.append(text)
        return default_json_loads(text)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def client(house: MakeHouse, reader: Reader) -> Client:
    home = house({"": Chat, "/s": Chat, "/late": Chat}, json_loads=reader)
    client = home.client("/s")
    client.socket.session["door"] = home.door()
    return client


def say(text: str, endpoint: str = "/s", number: str = "") -> str:
    return f'5:{number}:{endpoint}:{{"name":"say","args":["{text}"]}}'


@pytest.mark.parametrize("text", ["x", LONG], ids=["short", "long"])
@pytest.mark.parametrize("number", ["", "1", "1+"])
def test_a_packet_is_read_once_and_not_in_the_loop(
    client: Client, reader: Reader, number: str, text: str
) -> None:
    client.stream.brings(say(text, number=number), f'4:{number}:/s:["{text}"]')
    assert reader.read == []
    client.hears()
    assert len(reader.read) == 2
    assert client.socket.session["got"] == [(text,), ([text],)]


@pytest.mark.parametrize("text", ["x", LONG], ids=["short", "long"])
@pytest.mark.parametrize("number", ["", "1", "1+"])
def test_one_that_waits_for_its_namespace_is_read_when_that_is_there(
    client: Client, reader: Reader, number: str, text: str
) -> None:
    client.sends(say(text, "/late", number), say(text, "/late", number))
    assert reader.read == []
    client.sends("1::/late")
    assert len(reader.read) == 2
    assert client.socket.session["got"] == [(text,), (text,)]


@pytest.mark.parametrize("endpoint", ["/late", "/nowhere"])
def test_one_that_nobody_will_handle_is_not_read_at_all(
    client: Client, reader: Reader, endpoint: str
) -> None:
    client.sends("1::/late", "0::/late")
    answers = client.sends(say(LONG, endpoint), say(LONG, endpoint, "1"), say(LONG, endpoint, "2+"))
    assert ["not_connected" in answer for answer in answers] == [True, True]
    assert reader.read == []


def test_nor_is_one_that_waited_in_vain(client: Client, reader: Reader) -> None:
    client.sends(say(LONG, "/late", "1"), say(LONG, "/late", "2+"), "0::/late")
    assert reader.read == []


def test_an_answer_is_read_by_the_task_of_its_callback(client: Client, reader: Reader) -> None:
    got: list[Any] = []
    client["/s"].emit("question", callback=lambda *args: got.append(args))
    client.hears()
    client.stream.brings('6::/s:1+["yes"]')
    assert reader.read == got == []
    client.hears()
    assert (reader.read, got) == (['["yes"]'], [("yes",)])


def test_so_is_one_that_somebody_waits_for(client: Client, reader: Reader) -> None:
    client.sends('5::/s:{"name":"call"}')
    reader.read.clear()
    client.stream.brings('6::/s:1+["yes"]')
    assert reader.read == []
    client.hears()
    assert (reader.read, client.socket.session["got"]) == (['["yes"]'], [("yes",)])


def test_an_answer_that_nobody_waits_for_is_not_read(client: Client, reader: Reader) -> None:
    client.sends(f'6::/s:7+["{LONG}"]', "6:::1+[")
    assert reader.read == []


def test_an_answer_that_is_none_leaves_its_callback_waiting(client: Client) -> None:
    got: list[Any] = []
    client["/s"].emit("question", callback=lambda *args: got.append(args))
    client.hears()
    assert client.sends("6::/s:1+[", "6::/s:1+{}") == ["7::/s", "7::/s"]
    assert client.socket.bad_packets == 2
    client.sends('6::/s:1+["yes"]', '6::/s:1+["again"]')
    assert got == [("yes",)]


@pytest.mark.parametrize(
    "packet",
    [
        "3:7:/s:any text",
        '4:7:/s:{"a":1}',
        "4:7:/s:[1]",
        '4:7:/s:"x"',
        "4:7:/s:-1",
        "4:7:/s:null",
        '5:7:/s:{"name":"say"}',
        f'5:7:/s:{{"name":"say","args":["{LONG}"]}}',
    ],
)
def test_a_receipt_needs_no_reading(client: Client, reader: Reader, packet: str) -> None:
    client.sends('5::/s:{"name":"wait"}')
    reader.read.clear()
    assert client.sends(packet) == ["6::/s:7"]
    assert reader.read == []
    client.socket.session["door"].set()
    assert client.hears() == []  # no second one


@pytest.mark.parametrize("packet", ['4:7:/s:["cut', "4:7:/s:", '5:7:/s:["x"]', "4:7:/s:?"])
def test_what_did_not_come_whole_gets_none(client: Client, packet: str) -> None:
    client.sends('5::/s:{"name":"wait"}')
    assert client.sends(packet) == []
    client.socket.session["door"].set()
    assert client.hears() == ["7::/s"]


def test_what_is_not_sure_to_be_whole_gets_it_at_its_turn(client: Client) -> None:
    client.sends('5::/s:{"name":"wait"}')
    assert client.sends("4:7:/s: [1] ") == []
    client.socket.session["door"].set()
    assert client.hears() == ["6::/s:7"]
