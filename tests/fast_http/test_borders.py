"""Nothing is lost, doubled or put into another order where a connection changes hands."""

from __future__ import annotations

import pytest

from ..support.raw_http import handshake
from ..support.servers import Served
from .conftest import Raw, counted, normal

FOREIGN = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n"
WELCOME = b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n"
POSTED = (
    b"POST /socket.io/1/xhr-polling/unknown HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n3:::x"
)
CHUNKED = (
    b"POST /socket.io/1/xhr-polling/unknown HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n3:::x\r\n0\r\n\r\n"
)
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def conversation(server: Served, pieces: list[bytes]) -> bytes:
    raw = Raw(server.port)
    try:
        for piece in pieces:
            raw.send(piece)
        return normal(raw.to_the_end())
    finally:
        raw.close()


STREAMS = [
    pytest.param([WELCOME, POSTED, WELCOME, FOREIGN, WELCOME, LAST], id="ours, then another's"),
    pytest.param([FOREIGN, WELCOME, POSTED, LAST], id="another's first"),
    pytest.param([POSTED, CHUNKED, POSTED, LAST], id="a body in chunks"),
    pytest.param([LAST], id="another's alone"),
]


@pytest.mark.parametrize("stream", STREAMS)
def test_all_at_once(fast: Served, slow: Served, stream: list[bytes]) -> None:
    data = b"".join(stream)
    assert conversation(fast, [data]) == conversation(slow, [data])
    assert counted(fast)[1] == 1


@pytest.mark.parametrize("stream", STREAMS)
def test_one_request_after_the_other(fast: Served, slow: Served, stream: list[bytes]) -> None:
    assert conversation(fast, stream) == conversation(slow, stream)


@pytest.mark.parametrize("stream", [STREAMS[0], STREAMS[2]])
def test_cut_anywhere(fast: Served, slow: Served, stream: list[bytes]) -> None:
    data = b"".join(stream)
    expected = conversation(slow, [data])
    for cut in range(1, len(data)):
        assert conversation(fast, [data[:cut], data[cut:]]) == expected, cut


def test_byte_by_byte(fast: Served, slow: Served) -> None:
    data = WELCOME + POSTED + FOREIGN + WELCOME + LAST
    pieces = [data[number : number + 1] for number in range(len(data))]
    assert conversation(fast, pieces) == conversation(slow, [data])


def test_a_large_body_of_another_is_handed_over_whole(fast: Served, slow: Served) -> None:
    body = b"x" * 300_000
    foreign = b"POST /other HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    stream = [WELCOME, foreign, WELCOME, LAST]
    assert conversation(fast, [b"".join(stream)]) == conversation(slow, stream)


def test_a_thousand_requests_in_one_piece(fast: Served, slow: Served) -> None:
    data = (WELCOME + POSTED) * 500 + LAST
    received = conversation(fast, [data])
    assert received == conversation(slow, [data])
    assert received.count(b"HTTP/1.1 200 OK") == 1001


def test_requests_behind_a_poll_wait_for_its_answer(fast: Served) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(fast.port)}"
    poll = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    post = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n3:::x".encode()
    raw = Raw(fast.port)
    # The first poll opens the session, the second waits until the server has something to say.
    raw.send(poll + poll)
    assert raw.until_quiet(1).endswith(b"\r\n\r\n1::")
    raw.send(post + poll + LAST)
    other = Raw(fast.port)
    other.send(post.replace(b"3:::x", b"3:::y"))
    assert other.until_quiet(1).endswith(b"\r\n\r\n1")
    received = raw.to_the_end()
    raw.close()
    other.close()
    bodies = [each.rpartition(b"\r\n\r\n")[2] for each in received.split(b"HTTP/1.1 ")]
    assert bodies == [b"", b"3:::y", b"1", b"3:::x", b"app:/last"]
