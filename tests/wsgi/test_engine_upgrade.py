"""From polling to a websocket: tried out, gone over to, and given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, Reason

from ..support.engine_client import EngineSession, EngineWire, body_of, packets_of
from ..support.servers import Served
from ..support.transcript import Transcript


class Talk(BaseNamespace):
    journal: Transcript

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_say(self, count: int) -> None:
        for number in range(count):
            self.emit("said", number)

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", reason)


@pytest.fixture
def journal() -> Transcript:
    return Transcript("server")


@pytest.fixture(params=["fast path", "pywsgi"])
def server(
    serve: Callable[..., Served], journal: Transcript, request: pytest.FixtureRequest
) -> Served:
    cls = type("Talk", (Talk,), {"journal": journal})
    without = "http" if request.param == "pywsgi" else ""
    return serve(namespaces={"": cls}, without=without)


@pytest.fixture(params=[3, 4], ids=["EIO=3", "EIO=4"])
def session(server: Served, request: pytest.FixtureRequest) -> Iterator[EngineSession]:
    made = EngineSession(server.port, request.param)
    yield made
    made.gets.close()
    made.posts.close()


def test_it_is_offered(session: EngineSession) -> None:
    assert session.told["upgrades"] == ["websocket"]


def test_going_over(session: EngineSession) -> None:
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        # The next poll is sent home, so that the client stops polling.
        assert session.get() == ["6"]
        session.post('427["echo","still by POST"]')
        wire.say("5")
        assert wire.hear() == '437["still by POST"]'
        wire.say('428["echo","by websocket"]')
        assert wire.hear() == '438["by websocket"]'
        for method in ("GET", "POST"):
            answer = session.ask(method, "x" if method == "POST" else "")
            assert answer.code == 400
            assert '"code":3' in answer.body
        wire.say('429["echo","lives on"]')
        assert wire.hear() == '439["lives on"]'


def test_a_poll_that_is_held_is_sent_home(session: EngineSession) -> None:
    held = gevent.spawn(session.get)
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        assert held.get(timeout=10) == ["6"]
        wire.say("5")
        wire.say('428["echo"]')
        assert wire.hear() == "438[]"


def test_what_waits_goes_over_in_order(session: EngineSession) -> None:
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        session.post('42["say",100]')
        wire.say("5")
        assert [wire.hear() for _ in range(100)] == [f'42["said",{n}]' for n in range(100)]


def test_without_a_probe(session: EngineSession) -> None:
    with session.try_websocket() as wire:
        wire.say("5")
        wire.say('428["echo"]')
        assert wire.hear() == "438[]"


@pytest.mark.parametrize("frames", [["hello"], ["2"], ["2probe", "2probe"], ["2probe", "4x"], [""]])
def test_what_is_no_probe_closes_the_websocket_alone(
    session: EngineSession, frames: list[str]
) -> None:
    with session.try_websocket() as wire:
        for each in frames:
            wire.say(each)
        if frames[0] == "2probe":
            assert wire.hear() == "3probe"
        assert wire.closing() == 1000
    session.post('427["echo"]')
    assert session.get() == ["437[]"]
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"


def test_one_at_a_time(session: EngineSession) -> None:
    with session.try_websocket() as first:
        first.say("2probe")
        assert first.hear() == "3probe"
        with session.try_websocket() as second:
            assert second.closing() == 1000
        first.say("5")
        first.say('428["echo"]')
        assert first.hear() == "438[]"
        with session.try_websocket() as third:
            assert third.closing() == 1000
        first.say('429["echo"]')
        assert first.hear() == "439[]"


def test_a_session_that_began_with_a_websocket_is_not_taken_over(server: Served) -> None:
    with EngineWire(server.port) as first:
        first.join()
        with EngineWire(server.port, sid=first.sid) as second:
            assert second.closing() == 1000
        first.say('429["echo"]')
        assert first.hear() == "439[]"


def test_a_websocket_that_hangs_up_leaves_the_session_polling(session: EngineSession) -> None:
    wire = session.try_websocket()
    wire.say("2probe")
    assert wire.hear() == "3probe"
    wire.close()
    held = gevent.spawn(session.get)
    with session.try_websocket() as again:
        again.say("2probe")
        assert again.hear() == "3probe"
        assert held.get(timeout=10) == ["6"]


def test_the_end_of_the_session_closes_what_is_tried_out(
    session: EngineSession, journal: Transcript
) -> None:
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        session.post("1")
        assert journal.next("disconnect") == (Reason.TRANSPORT_CLOSE,)
        assert wire.closing() == 1000


def test_a_websocket_that_is_not_gone_over_to_is_closed(
    serve: Callable[..., Served], journal: Transcript
) -> None:
    cls = type("Talk", (Talk,), {"journal": journal})
    server = serve(namespaces={"": cls}, upgrade_timeout=0.1)
    session = EngineSession(server.port, 4)
    with session.try_websocket() as wire:
        assert wire.closing() == 1000
    session.post('427["echo"]')
    assert session.get() == ["437[]"]
    session.gets.close()
    session.posts.close()


def test_bytes_over_a_websocket(server: Served) -> None:
    for revision in (3, 4):
        with EngineWire(server.port, revision=revision) as wire:
            wire.join()
            wire.say('451-5["echo",{"_placeholder":true,"num":0}]')
            wire.say_bytes(b"\x00\x01")
            assert wire.hear() == '461-5[{"_placeholder":true,"num":0}]'
            assert wire.hear_bytes() == b"\x00\x01"


def test_clients_that_take_text_only(server: Served) -> None:
    for revision, mark in ((3, "b4"), (4, "b")):
        with EngineWire(server.port, revision=revision, query="&b64=1") as wire:
            wire.join()
            wire.say('451-5["echo",{"_placeholder":true,"num":0}]')
            wire.say(f"{mark}AAE=")
            assert wire.hear() == '461-5[{"_placeholder":true,"num":0}]'
            assert wire.hear() == f"{mark}AAE="


def test_a_goodbye_by_packet(server: Served, journal: Transcript) -> None:
    with EngineWire(server.port) as wire:
        wire.join()
        wire.say("1")
        assert journal.next("disconnect") == (Reason.TRANSPORT_CLOSE,)
        with pytest.raises((EOFError, ConnectionError)):
            wire.read_frame()


def test_a_violation_closes_the_websocket(server: Served, journal: Transcript) -> None:
    with EngineWire(server.port) as wire:
        wire.join()
        wire.say("42{}")
        assert journal.next("disconnect") == (Reason.FORCED_CLOSE,)
        assert wire.closing() == 1000


def test_a_goodbye_that_overtakes_its_poll_answers_it(
    session: EngineSession, journal: Transcript
) -> None:
    session.post('427["echo"]')
    assert session.get() == ["437[]"]
    path = f"{session.base}&sid={session.sid}"
    # Both can be read in one pass of the loop, which begins with either.
    session.gets.request("GET", path)
    session.posts.request("POST", path, body_of(session.revision, "1"))
    assert packets_of(session.revision, session.gets.answer().body) == ["6"]
    assert session.posts.answer().body == "ok"
    assert journal.next("disconnect") == (Reason.TRANSPORT_CLOSE,)
    session.gets.request("GET", path)
    assert session.gets.answer().code == 400
