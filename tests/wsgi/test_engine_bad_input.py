"""What clients since 1.0 do wrong, by intent or by accident, over real connections."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, Reason, SocketIOMiddleware

from ..support.engine_client import EngineSession, EngineWire, body_of
from ..support.raw_http import Connection
from ..support.raw_websocket import BINARY, TEXT, frame, upgrade_request
from ..support.servers import Served, not_ours
from ..support.transcript import Transcript, eventually


class Talk(BaseNamespace):
    journal: Transcript

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_fill(self, size: int) -> None:
        self.emit("filled", "x" * size)

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", reason)


@pytest.fixture
def journal() -> Transcript:
    return Transcript("server")


@pytest.fixture(params=["", "http"], ids=["fast path", "pywsgi"])
def start(
    serve: Callable[..., Served], journal: Transcript, request: pytest.FixtureRequest
) -> Callable[..., Served]:
    cls = type("Talk", (Talk,), {"journal": journal})

    def begin(**settings: Any) -> Served:
        return serve(namespaces={"": cls}, without=request.param, **settings)

    return begin


@pytest.fixture
def server(start: Callable[..., Served]) -> Served:
    return start(max_payload=100_000)


@pytest.fixture(params=[3, 4], ids=["EIO=3", "EIO=4"])
def session(
    server: Served, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[EngineSession]:
    made = EngineSession(server.port, request.param)
    yield made
    made.close()
    assert made.sid not in caplog.text


def loud(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines at WARNING and above."""
    # What is refused from the loop is logged by a task, for a log handler may block.
    eventually(lambda: [r for r in caplog.records if r.levelno >= logging.WARNING], "it is logged")
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def is_over(session: EngineSession) -> None:
    with Connection(session.port) as another:
        answer = another.ask("GET", session.path)
    assert (answer.code, '"code":1' in answer.body) == (400, True)


# ---- one GET and one POST


def test_a_second_poll(
    session: EngineSession, journal: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    held = gevent.spawn(session.get)
    session.post('427["echo"]')
    assert held.get(timeout=10) == ["437[]"]
    held = gevent.spawn(session.get)
    # Handled by the same loop, in its order: the poll is there before its answer is asked for.
    session.post("6")
    with Connection(session.port) as second:
        answer = second.ask("GET", session.path)
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (400, "second-request")
    assert held.get(timeout=10) == ["1"]
    assert journal.next("disconnect") == (Reason.FORCED_CLOSE,)
    (line,) = loud(caplog)
    assert "[second-request]" in line
    is_over(session)


def slow_post(session: EngineSession, body: str) -> tuple[Connection, str]:
    """A POST whose body has begun; and the rest of it."""
    connection = Connection(session.port)
    head = f"POST {session.path} HTTP/1.1\r\nHost: 127.0.0.1:{session.port}\r\n"
    begun = f"{head}Content-Length: {len(body)}\r\n\r\n{body[:2]}"
    connection.send(begun.encode())
    # It has been read when something sent later has been answered.
    session.ask("OPTIONS")
    return connection, body[2:]


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "slow"])
def test_a_second_post(
    session: EngineSession,
    journal: Transcript,
    caplog: pytest.LogCaptureFixture,
    whole: bool,
) -> None:
    body = body_of(session.revision, '427["echo"]')
    first, rest = slow_post(session, body)
    if whole:
        answer = session.post('428["echo"]')
    else:
        second, _ = slow_post(session, body)
        answer = second.answer()
        second.close()
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (400, "second-request")
    assert journal.next("disconnect") == (Reason.FORCED_CLOSE,)
    first.send(rest.encode())
    # Nothing of it is handled, whatever it is told.
    assert first.answer().code in (200, 400)
    first.close()
    assert "[second-request]" in loud(caplog)[0]
    is_over(session)


def test_a_slow_post_is_no_second_one(session: EngineSession) -> None:
    for number in range(3):
        body = body_of(session.revision, f'42{number}["echo"]')
        connection, rest = slow_post(session, body)
        connection.send(rest.encode())
        assert connection.answer().body == "ok"
        assert session.get() == [f"43{number}[]"]
        connection.close()


def test_a_body_that_ends_early(session: EngineSession, journal: Transcript) -> None:
    connection, _ = slow_post(session, body_of(session.revision, '427["echo"]'))
    connection.close()
    assert journal.next("disconnect") == (Reason.TRANSPORT_ERROR,)
    is_over(session)


def test_a_body_that_is_too_large(
    session: EngineSession, journal: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    answer = session.ask("POST", "4" * 100_001)
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (413, "body-too-large")
    assert journal.next("disconnect") == (Reason.TRANSPORT_ERROR,)
    assert len(loud(caplog)) == 1
    is_over(session)


def test_a_body_that_makes_no_sense(
    session: EngineSession, journal: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    answer = session.ask("POST", "x")
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (400, "bad-payload")
    assert journal.next("disconnect") == (Reason.PARSE_ERROR,)
    (line,) = loud(caplog)
    assert "[bad-payload]" in line
    is_over(session)


def test_parameters_of_the_application_are_its_own(server: Served) -> None:
    """Such as are called what they are called in 0.9."""
    session = EngineSession(server.port, 4, query="&disconnect=1&jsonp=2")
    body = body_of(4, '427["echo"]')
    connection, rest = slow_post(session, body)
    connection.send(rest.encode())
    assert connection.answer().body == "ok"
    assert session.get() == ["437[]"]
    connection.close()
    session.close()


# ---- what is too much


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("42" + "[" * 50_000, id="deep JSON"),
        pytest.param("40" + '{"a":' * 15_000, id="deep auth"),
        pytest.param("42" + "9" * 5_000 + '["echo"]', id="an endless id"),
        pytest.param("43" + "9" * 5_000 + "[]", id="an endless id of an ack"),
        pytest.param("45" + "9" * 5_000 + '-["echo"]', id="endless attachments"),
        pytest.param("42" + "٣" + '["echo"]', id="digits of another script"),
        pytest.param("41" + "x" * 50_000, id="a long disconnect"),
        pytest.param("42" + "/a" * 20_000 + ',["echo"]', id="a long namespace"),
        pytest.param("42[" + "1" * 5_000 + "]", id="a name that is an endless number"),
        pytest.param('42["disconnecting"]', id="a reserved name"),
        pytest.param("42[]", id="no name"),
        pytest.param("42[null]", id="null for a name"),
    ],
)
@pytest.mark.parametrize("by", ["polling", "websocket"])
def test_text_that_is_too_much_ends_the_session_and_no_other(
    server: Served,
    journal: Transcript,
    caplog: pytest.LogCaptureFixture,
    text: str,
    by: str,
) -> None:
    bystander = EngineSession(server.port, 4)
    if by == "polling":
        session = EngineSession(server.port, 4)
        session.ask("POST", "4" + text[1:])
        assert journal.next("disconnect") == (Reason.FORCED_CLOSE,)
        is_over(session)
        session.close()
    else:
        with EngineWire(server.port) as wire:
            wire.join()
            wire.say(text)
            assert journal.next("disconnect") == (Reason.FORCED_CLOSE,)
            assert wire.closing() == 1000
    bystander.post('421["echo"]')
    assert bystander.get() == ["431[]"]
    bystander.close()
    (line,) = loud(caplog)
    assert len(line) < 600


def test_a_body_of_the_smallest_packets(
    session: EngineSession, journal: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    body = "\x1e".join("6" * 30_000) if session.revision == 4 else "1:6" * 30_000
    answer = session.ask("POST", body)
    assert (answer.code, answer.headers["x-sockio-refusal"]) == (400, "bad-payload")
    assert journal.next("disconnect") == (Reason.PARSE_ERROR,)
    assert len(loud(caplog)) == 1


def test_connects_to_thousands_of_namespaces_that_there_are_not(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with EngineWire(server.port) as wire:
        wire.join()
        for start in range(0, 2_000, 500):
            wire.send(b"".join(frame(TEXT, f"40/{n},") for n in range(start, start + 500)))
            for number in range(start, start + 500):
                assert wire.hear() == f'44/{number},{{"message":"Invalid namespace"}}'
        wire.say('421["echo"]')
        assert wire.hear() == "431[]"
        (socket,) = server.registry.sockets.values()
        assert [*socket.active_ns] == [""]
    assert len(loud(caplog)) <= server.registry.settings.log_lines


def test_coming_and_going_in_a_namespace(server: Served) -> None:
    with EngineWire(server.port) as wire:
        wire.join()
        for _ in range(10):
            wire.send(b"".join([frame(TEXT, "41"), frame(TEXT, "40")] * 20))
            for _ in range(20):
                assert wire.hear().startswith('40{"sid":"')
        assert len(server.registry._named) == 1
        server.registry.check()


def test_an_ack_that_overtakes_its_connect(server: Served, journal: Transcript) -> None:
    """It is an answer to nothing, in its place, and no fault."""
    with EngineWire(server.port) as wire:
        wire.send(frame(TEXT, "40") + frame(TEXT, "430[]") + frame(TEXT, '421["echo"]'))
        assert wire.hear().startswith("40{")
        assert wire.hear() == "431[]"


def test_a_flood_of_pings_of_a_client_that_does_not_read(
    start: Callable[..., Served], journal: Transcript
) -> None:
    server = start(max_outbox=(50, 10_000))
    session = EngineSession(server.port, 3)
    session.post(*["2"] * 200)
    assert journal.next("disconnect") == (Reason.OVERFLOW,)
    is_over(session)
    session.close()


# ---- from polling to a websocket


def test_all_in_one_segment(session: EngineSession) -> None:
    """Probe, upgrade and events come with the request for the websocket itself."""
    frames = [frame(TEXT, each) for each in ("2probe", "5", '421["echo",1]', '422["echo",2]')]
    with Connection(session.port) as connection:
        path = session.path.replace("polling", "websocket")
        connection.send(upgrade_request(path, session.port) + b"".join(frames))
        assert connection.answer().code == 101
        wire = EngineWire.over(connection)
        assert wire.hear() == "3probe"
        assert wire.hear() == "431[1]"
        assert wire.hear() == "432[2]"


@pytest.mark.parametrize("data", [b"2probe", b"5", b"", b"\x02probe"])
def test_a_probe_in_bytes(session: EngineSession, data: bytes) -> None:
    with session.try_websocket() as wire:
        wire.send(frame(BINARY, data))
        assert wire.closing() == 1000
    session.post('427["echo"]')
    assert session.get() == ["437[]"]


def test_going_over_while_an_answer_is_being_written(
    start: Callable[..., Served], journal: Transcript
) -> None:
    """Nothing of it is said twice: to the client its poll is lost, which is the end."""
    server = start(max_payload=10_000_000)
    session = EngineSession(server.port, 4)
    polls = Connection(session.port)
    session.post('42["fill",8000000]')
    polls.request("GET", session.path)
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        wire.say("5")
        wire.say('427["echo"]')
        assert wire.closing() == 1000
    assert journal.next("disconnect") == (Reason.TRANSPORT_CLOSE,)
    polls.close()
    session.close()
    server.registry.check()


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("sid", [True, False])
def test_a_websocket_is_asked_for_by_get(session: EngineSession, method: str, sid: bool) -> None:
    path = (session.path if sid else session.base).replace("polling", "websocket")
    with Connection(session.port) as connection:
        connection.send(upgrade_request(path, session.port, method=method))
        assert connection.answer().code == 400
    session.post('427["echo"]')
    assert session.get() == ["437[]"]


def test_many_who_try_at_once(session: EngineSession, server: Served) -> None:
    with session.try_websocket() as first:
        first.say("2probe")
        assert first.hear() == "3probe"
        for _ in range(20):
            with session.try_websocket() as other:
                other.say("2probe")
                assert other.closing() == 1000
        first.say("5")
        first.say('427["echo"]')
        assert first.hear() == "437[]"
    server.registry.check()


# ---- the end of the server


def test_a_server_that_stops(start: Callable[..., Served], journal: Transcript) -> None:
    server = start()
    polling, trying, silent = (EngineSession(server.port, 4) for _ in range(3))
    held = gevent.spawn(polling.get)
    wire, tried = EngineWire(server.port), trying.try_websocket()
    wire.join()
    tried.say("2probe")
    assert tried.hear() == "3probe"
    stopping = gevent.spawn(server.stop)
    assert held.get(timeout=10) == ["1"]
    assert wire.closing() == 1001
    assert tried.closing() == 1001
    stopping.get(timeout=10)
    for _ in range(4):
        assert journal.next("disconnect") == (Reason.SHUTDOWN,)
    for each in (wire, tried, polling, trying, silent):
        each.close()


# ---- who comes in


def test_one_address_opens_and_does_not_come_back(start: Callable[..., Served]) -> None:
    server = start(max_unopened=5)
    used = EngineSession(server.port, 4)
    with Connection(server.port) as connection:
        for _ in range(50):
            answer = connection.ask("GET", used.base)
            assert answer.code == 200
    assert len(server.registry) == 6
    used.post('427["echo"]')
    assert used.get() == ["437[]"]
    used.close()
    server.registry.check()


# ---- what is left of them

Fault = Callable[[EngineSession], object]


def sends(body: str) -> Fault:
    return lambda session: session.ask("POST", body)


def hangs_up_with_half_a_body(session: EngineSession) -> None:
    connection, _ = slow_post(session, "4" * 10)
    connection.close()


def sends_two(session: EngineSession) -> None:
    connection, _ = slow_post(session, "4" * 10)
    session.ask("POST", "6")
    connection.close()


def polls_twice(session: EngineSession) -> None:
    session.gets.request("GET", session.path)
    with Connection(session.port) as another:
        another.ask("GET", session.path)
    session.gets.answer()


def tries_in_vain_and_leaves(session: EngineSession) -> None:
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        wire.say("what?")
        assert wire.closing() == 1000
    session.ask("POST", "1")


def goes_over_and_breaks_the_protocol(session: EngineSession) -> None:
    with session.try_websocket() as wire:
        wire.say("5")
        wire.say("42{}")
        assert wire.closing() == 1000


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(sends("x"), id="no packet"),
        pytest.param(sends(""), id="an empty body"),
        pytest.param(sends("\x1e".join("6" * 20_000)), id="many packets"),
        pytest.param(sends("4" * 100_001), id="too large a body"),
        pytest.param(sends("42{}"), id="no event"),
        pytest.param(sends('451-["x"]\x1e42["x"]'), id="text while bytes are due"),
        pytest.param(hangs_up_with_half_a_body, id="half a body"),
        pytest.param(sends_two, id="two POSTs"),
        pytest.param(polls_twice, id="two polls"),
        pytest.param(tries_in_vain_and_leaves, id="a probe that fails"),
        pytest.param(goes_over_and_breaks_the_protocol, id="a violation by websocket"),
    ],
)
def test_p1_a_session_that_was_ended_for_a_fault_is_freed_at_once(
    server: Served, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can make thousands: the garbage collector would stop everything to free them."""
    # Captured records would hold the sockets that they speak of.
    caplog.set_level(logging.CRITICAL, "sockio")
    session = EngineSession(server.port, 4)
    known = weakref.ref(server.registry.sockets[session.sid])
    gc.disable()
    try:
        fault(session)
        session.close()
        eventually(lambda: known() is None, "it is freed")
    finally:
        gc.enable()


def test_no_session_id_is_in_the_log_at_any_level(
    start: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start()
    sessions = [EngineSession(server.port, revision) for revision in (3, 4)]
    wires = [EngineWire(server.port, revision=revision) for revision in (3, 4)]
    for wire in wires:
        wire.say('42{"no":"event"}')
    for session in sessions:
        with session.try_websocket() as tried:
            tried.say("what?")
            assert tried.closing() == 1000
        with Connection(server.port) as another:
            another.ask("GET", session.path.replace("polling", "tobi"))
            another.ask("GET", session.path.replace("EIO=", "EIO=1"))
            another.ask("PUT", session.path)
        session.ask("POST", "x")
        is_over(session)
        session.close()
    sids = [session.sid for session in sessions] + [wire.sid for wire in wires]
    for wire in wires:
        wire.close()
    server.stop()
    assert "close" in caplog.text
    assert [sid for sid in sids if sid in caplog.text] == []


def test_a_client_that_does_not_read_is_cut_off(
    start: Callable[..., Served], journal: Transcript
) -> None:
    server = start(max_outbox=(100, 1_000_000), max_payload=1_000_000)
    with EngineWire(server.port) as wire, EngineWire(server.port) as bystander:
        wire.join()
        bystander.join()
        for _ in range(40):
            wire.say('42["fill",900000]')
        assert journal.next("disconnect") == (Reason.OVERFLOW,)
        bystander.say('421["echo"]')
        assert bystander.hear() == "431[]"
        server.registry.check()


def test_a_server_that_stops_and_one_that_follows(
    serve: Callable[..., Served], journal: Transcript, alone: None
) -> None:
    """In the same process, with the same middleware."""
    cls = type("Talk", (Talk,), {"journal": journal})
    middleware = SocketIOMiddleware(not_ours, {"": cls})
    first = serve(middleware)
    session, wire = EngineSession(first.port, 4), EngineWire(first.port)
    wire.join()
    held = gevent.spawn(session.get)
    session.post("6")
    first.stop()
    assert held.get(timeout=10) == ["1"]
    assert wire.closing() == 1001
    wire.close()
    session.close()
    second = serve(middleware)
    old = session.sid
    session = EngineSession(second.port, 4)
    assert session.sid != old
    session.post('427["echo"]')
    assert session.get() == ["437[]"]
    with session.try_websocket() as wire:
        wire.say("5")
        wire.say('428["echo"]')
        assert wire.hear() == "438[]"
    session.close()
    middleware.registry.check()
