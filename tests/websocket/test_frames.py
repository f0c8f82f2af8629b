"""RFC 6455 as far as it concerns packets: whole messages in, one frame per packet out, and every
mistake answered with the code for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from sockio.sessions.reasons import Reason

from ..support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    open_session,
)
from ..support.servers import Served
from ..support.transcript import Transcript, eventually

LIMIT = 100_000


@pytest.fixture
def server(start: Callable[..., Served]) -> Served:
    return start(max_payload=LIMIT)


@pytest.fixture
def websocket(server: Served) -> Iterator[RawWebSocket]:
    """An open session."""
    with open_session(server.port, "/chat") as websocket:
        yield websocket


def heard(websocket: RawWebSocket, frames: int) -> tuple[list[str], list[bytes]]:
    """Packets, and payloads of pongs: these are answered at once, those by a handler."""
    got = [websocket.read_frame() for _ in range(frames)]
    packets = [each.payload.decode() for each in got if each.opcode == TEXT]
    return packets, [each.payload for each in got if each.opcode == PONG]


# ---- Messages


def test_fragments_are_joined_before_they_are_decoded(websocket: RawWebSocket) -> None:
    text = "3:::snow \u2603 man \U0001f388"
    data = text.encode()
    for cut in range(len(data) + 1):
        websocket.send(frame(TEXT, data[:cut], fin=False) + frame(CONTINUATION, data[cut:]))
        assert websocket.hear() == text


def test_a_message_in_fragments_of_one_byte(websocket: RawWebSocket) -> None:
    text = "3:::\u2603"
    for number, byte in enumerate(text.encode()):
        opcode = CONTINUATION if number else TEXT
        websocket.send(frame(opcode, bytes([byte]), fin=False))
    websocket.send(frame(CONTINUATION))
    assert websocket.hear() == text


def test_control_frames_between_fragments(websocket: RawWebSocket) -> None:
    websocket.send(frame(TEXT, "3:::one ", fin=False))
    websocket.send(frame(PING, "in between"))
    websocket.send(frame(PONG, "unasked"))
    websocket.send(frame(CONTINUATION, "message"))
    assert websocket.read_frame() == (PONG, b"in between", True, 0)
    assert websocket.hear() == "3:::one message"


def test_every_way_of_cutting_a_conversation(server: Served) -> None:
    """TCP knows no frames: the same bytes in two segments, cut at every place."""
    conversation = (
        frame(TEXT, "3:::\u2603 one")
        + frame(PING, "p")
        + frame(TEXT, "3:::", fin=False)
        + frame(CONTINUATION, "two")
        + frame(TEXT, '5:7+:/chat:{"name":"echo","args":["three"]}')
    )
    answer = '6::/chat:7+["three"]'
    with open_session(server.port, "/chat") as websocket:
        for cut in range(1, len(conversation)):
            websocket.send(conversation[:cut])
            websocket.send(conversation[cut:])
            assert heard(websocket, 4) == (["3:::\u2603 one", "3:::two", answer], [b"p"])


def test_a_conversation_byte_by_byte(websocket: RawWebSocket) -> None:
    for byte in frame(TEXT, "3:::\u2603") + frame(PING, "p") + frame(TEXT, "3:::two"):
        websocket.send(bytes([byte]))
    assert heard(websocket, 3) == (["3:::\u2603", "3:::two"], [b"p"])


@pytest.mark.parametrize("size", [5, 125, 126, 127, 65535, 65536, 70_000, LIMIT])
def test_each_form_of_the_length_both_ways(websocket: RawWebSocket, size: int) -> None:
    """Also the exactly 65536 bytes that the reference server gets wrong."""
    packet = "3:::" + "x" * (size - 4)
    websocket.say(packet)
    assert websocket.hear() == packet


# ---- Control frames


@pytest.mark.parametrize("payload", [b"", b"\x00\xff not text", b"x" * 125])
def test_a_ping_is_answered_with_its_payload(websocket: RawWebSocket, payload: bytes) -> None:
    websocket.send(frame(PING, payload))
    assert websocket.read_frame() == (PONG, payload, True, 0)


def test_a_pong_nobody_asked_for_is_ignored(websocket: RawWebSocket) -> None:
    websocket.send(frame(PONG, "hello?"))
    websocket.say("3:::still here")
    assert websocket.hear() == "3:::still here"


@pytest.mark.parametrize(
    ("payload", "echoed"),
    [
        pytest.param(b"\x03\xe8", b"\x03\xe8", id="1000"),
        pytest.param(b"\x03\xe9going away", b"\x03\xe9going away", id="1001 with a reason"),
        pytest.param(b"\x0f\xa0", b"\x0f\xa0", id="4000, the application's own"),
        pytest.param(b"", b"", id="no code"),
    ],
)
def test_a_close_frame_is_echoed_and_ends_the_session(
    websocket: RawWebSocket, journal: Transcript, payload: bytes, echoed: bytes
) -> None:
    websocket.send(frame(CLOSE, payload))
    got = websocket.read_frame()
    assert (got.opcode, got.payload) == (CLOSE, echoed)
    assert websocket.at_end()
    journal.next("disconnect", "", Reason.TRANSPORT_CLOSE)
    journal.next("disconnect", "/chat", Reason.TRANSPORT_CLOSE)


def test_what_was_sent_before_the_close_frame_is_handled(
    websocket: RawWebSocket, journal: Transcript
) -> None:
    websocket.send(frame(TEXT, "3:::last words") + frame(CLOSE, b"\x03\xe8"))
    journal.next("disconnect", "")
    assert websocket.read_frame().opcode == CLOSE
    assert journal.all("message") == [("last words",)]


# ---- Mistakes

MISTAKES = [
    pytest.param(frame(TEXT, "3:::x", mask=False), 1002, id="unmasked"),
    pytest.param(frame(TEXT, "3:::x", rsv=4), 1002, id="RSV1 without an extension"),
    pytest.param(frame(TEXT, "3:::x", rsv=2), 1002, id="RSV2"),
    pytest.param(frame(TEXT, "3:::x", rsv=1), 1002, id="RSV3"),
    pytest.param(frame(0x3, "x"), 1002, id="an opcode that is none"),
    pytest.param(frame(0xB, "x"), 1002, id="a control opcode that is none"),
    pytest.param(frame(CONTINUATION, "x"), 1002, id="a continuation of nothing"),
    pytest.param(frame(TEXT, "3:::", fin=False) + frame(TEXT, "x"), 1002, id="text inside text"),
    pytest.param(frame(PING, "x" * 126), 1002, id="a long ping"),
    pytest.param(frame(PING, "x", fin=False), 1002, id="a fragmented ping"),
    pytest.param(frame(CLOSE, b"\x03"), 1002, id="half a close code"),
    pytest.param(frame(CLOSE, b"\x03\xed"), 1002, id="a close code that is never sent (1005)"),
    pytest.param(frame(TEXT, b"3:::\xff"), 1007, id="bad UTF-8"),
    pytest.param(frame(TEXT, b"3:::\xed\xa0\x80"), 1007, id="a surrogate in UTF-8"),
    pytest.param(
        frame(TEXT, b"3:::\xe2", fin=False) + frame(CONTINUATION, b"\x98"),
        1007,
        id="a character cut off in fragments",
    ),
    pytest.param(frame(BINARY, b"3:::x"), 1003, id="binary"),
    pytest.param(
        frame(BINARY, b"3", fin=False) + frame(CONTINUATION, b":::x"), 1003, id="binary fragments"
    ),
    pytest.param(frame(TEXT, declared=LIMIT + 1), 1009, id="too large, from the header alone"),
    pytest.param(frame(TEXT, declared=2**40), 1009, id="a terabyte, from the header alone"),
    pytest.param(frame(TEXT, declared=2**63 - 1), 1009, id="the largest length there is"),
    pytest.param(frame(TEXT, declared=2**63), (1002, 1009), id="a length that is none"),
    pytest.param(
        b"".join(
            frame(CONTINUATION if number else TEXT, "x" * 1000, fin=False) for number in range(101)
        ),
        1009,
        id="fragments that sum up over the limit",
    ),
]


@pytest.mark.parametrize(("wrong", "code"), MISTAKES)
def test_a_mistake_ends_the_connection_with_its_code(
    server: Served, journal: Transcript, wrong: bytes, code: int | tuple[int, ...]
) -> None:
    with open_session(server.port, "/chat") as websocket:
        websocket.send(wrong)
        assert websocket.closing() in (code if isinstance(code, tuple) else (code,))
    journal.next("disconnect", "/chat")
    eventually(lambda: not server.registry.sockets, "the session is forgotten")


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        pytest.param(
            frame(TEXT, declared=LIMIT + 1),
            f"closed (1009): the client sent a message of more than {LIMIT} bytes "
            "[message-too-large] (raise max_payload if",
            id="too large",
        ),
        pytest.param(
            frame(BINARY, b"3:::x"), "closed (1003): the client sent a binary message", id="binary"
        ),
        pytest.param(frame(TEXT, b"3:::\xff"), "[message-not-utf-8]", id="bad UTF-8"),
        pytest.param(frame(TEXT, "3:::x", mask=False), "[bad-frame]", id="no frame"),
    ],
)
def test_and_with_one_line_in_the_log(
    server: Served, journal: Transcript, wrong: bytes, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with open_session(server.port, "/chat") as websocket:
        websocket.send(wrong)
        websocket.closing()
    journal.next("disconnect", "/chat")
    eventually(lambda: line in caplog.text, "it is logged")
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


@pytest.mark.parametrize(("wrong", "code"), MISTAKES)
def test_what_follows_a_mistake_is_not_handled(
    server: Served, journal: Transcript, wrong: bytes, code: int | tuple[int, ...]
) -> None:
    with open_session(server.port) as websocket:
        websocket.send(frame(TEXT, "3:::before") + wrong + frame(TEXT, "3:::behind"))
        while websocket.read_frame().opcode != CLOSE:
            pass  # the answer to what came before
    journal.next("disconnect", "", Reason.TRANSPORT_ERROR)
    assert journal.all("message") == [("before",)]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param("", id="empty"),
        pytest.param("garbage", id="garbage"),
        pytest.param("99::", id="a type that is none"),
        pytest.param("5:::{", id="an event of bad JSON"),
        pytest.param('5:::{"args":[]}', id="an event without a name"),
        pytest.param('5:::{"name":"echo","args":5}', id="arguments that are no list"),
        pytest.param("4:::[NaN]", id="JSON that is none"),
        pytest.param("5:::" + "[" * 20_000, id="deep JSON"),
        pytest.param("\ufffd5\ufffd3:::x", id="a payload, which is for polls"),
    ],
)
def test_d10_garbage_in_a_good_frame_costs_nothing_but_itself(
    websocket: RawWebSocket, garbage: str
) -> None:
    websocket.say(garbage)
    websocket.say('5:1+:/chat:{"name":"echo","args":["still here"]}')
    assert websocket.hear() == "7::"
    assert websocket.hear() == '6::/chat:1+["still here"]'


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param("8::", id="a noop"),
        pytest.param("6:::99+[1]", id="an ack nobody waits for"),
        pytest.param("2::", id="a heartbeat nobody asked for"),
        pytest.param("2", id="a heartbeat in short"),
        pytest.param('5::/nowhere:{"name":"echo"}', id="an event for what is not connected"),
        pytest.param("0::/nowhere", id="leaving what is not connected"),
    ],
)
def test_what_is_for_nobody_is_ignored(websocket: RawWebSocket, nothing: str) -> None:
    websocket.say(nothing)
    websocket.say("3:::still here")
    assert websocket.hear() == "3:::still here"
