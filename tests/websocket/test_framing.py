"""Frames read the short way and by the library: the same messages, answers and ends."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from sockio.transports.framing import FrameReader, text_frame

LIMIT = 1000


def masked(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def frames_in(data: bytes) -> list[Frame]:
    protocol = ClientProtocol(parse_uri("ws://host/"), state=OPEN)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


Reading = tuple[list[str | bytes], list[Frame], bool, bool]


def read(chunks: list[bytes], *, short_way: bool) -> Reading:
    """Messages, answers, whether it is over, and whether it failed; then nothing more is fed."""
    reader = FrameReader(LIMIT, short_way=short_way)
    messages: list[str | bytes] = []
    answers = b""
    for chunk in chunks:
        messages += reader.feed(chunk)
        answers += reader.answers()
        if reader.over:
            break
    return messages, frames_in(answers), reader.over, reader.failed


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted({point % (len(data) + 1) for point in points}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


FRAMES = st.one_of(
    st.text(max_size=200).map(lambda text: masked(text.encode())),
    st.sampled_from([125, 126, 127, LIMIT]).map(lambda size: masked(b"x" * size)),
    st.binary(max_size=4).map(masked),  # mostly no UTF-8
    st.binary(max_size=20).map(lambda data: masked(data, Opcode.PING)),
    st.just(masked(b"", Opcode.PONG)),
    st.text(max_size=9).map(lambda text: masked(text.encode(), fin=False)),
    st.text(max_size=9).map(lambda text: masked(text.encode(), Opcode.CONT, fin=False)),
    st.text(max_size=9).map(lambda text: masked(text.encode(), Opcode.CONT)),
    st.just(masked((1000).to_bytes(2, "big"), Opcode.CLOSE)),
    st.just(masked(b"x" * (LIMIT + 1))),
    st.just(masked(b"binary", Opcode.BINARY)),
    st.just(text_frame(b"without a mask")),
    st.binary(min_size=1, max_size=20),
)


@pytest.mark.fuzz
@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(0, 10_000), max_size=8))
def test_both_ways_give_the_same(frames: list[bytes], points: list[int]) -> None:
    data = b"".join(frames)
    shortly, by_library = (read(cut(data, points), short_way=way) for way in (True, False))
    assert shortly[0] == by_library[0]
    if not by_library[2]:
        assert shortly == by_library
    elif shortly[2]:
        # The library reads all of a chunk before it is known that a text in it is none: it answers
        # pings behind that, and may find another mistake first.
        assert shortly[1][-1].opcode is by_library[1][-1].opcode is Opcode.CLOSE
    # Else the library saw that a frame is wrong before all of it was there, where the short way
    # waits for the end of one whose head is right. It has handed on nothing more either.


def test_the_short_way_is_taken_for_whole_texts_only() -> None:
    reader = FrameReader(LIMIT)
    data = masked(b"a") + masked(b"b" * 126) + masked(b"", Opcode.PING) + masked(b"c", fin=False)
    assert reader.feed(data) == ["a", "b" * 126]
    assert reader.feed(masked(b"d", Opcode.CONT)) == ["cd"]
    assert reader.shortly == 2
    assert FrameReader(LIMIT, short_way=False).shortly == 0


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 1000, 65535, 65536, 100_000])
def test_a_message_may_come_byte_by_byte(size: int) -> None:
    reader = FrameReader(100_000)
    data = masked(b"x" * size)
    step = max(1, len(data) // 300)
    chunks: list[bytes] = [data[at : at + step] for at in range(0, len(data), step)]
    assert [text for chunk in chunks for text in reader.feed(chunk)] == ["x" * size]
    assert reader.shortly == 1


@pytest.mark.parametrize("size", [0, 125, 126, 65536])
def test_a_text_frame_is_what_the_library_writes(size: int) -> None:
    data: Any = b"x" * size
    assert text_frame(data) == Frame(Opcode.TEXT, data).serialize(mask=False)


@pytest.mark.parametrize("said", [b"", b"\x03\xe8", b"\x03\xe9", b"\x03", b"\x03\xed", b"\x0f\xa0"])
@pytest.mark.parametrize("before", [b"", masked(b"5:::{}"), masked(b"part", fin=False)])
def test_goodbyes_of_either_way_are_answered_alike(said: bytes, before: bytes) -> None:
    chunks = [before + masked(said, Opcode.CLOSE) + masked(b"behind it")]
    assert read(chunks, short_way=True) == read(chunks, short_way=False)


def test_a_common_goodbye_needs_no_library_and_is_answered_once() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(masked(b"\x03\xe8", Opcode.CLOSE)) == []
    assert (reader.over, reader.failed, reader._protocol) == (True, False, None)
    assert reader.feed(masked(b"behind it")) == []
    assert reader.answers() == b"\x88\x02\x03\xe8"
    assert reader.answers() == b""
