"""The outbox: what waits for a client, what is on its way, and what becomes of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.sessions.outbox import Batch, Outbox, Outgoing

ANY_AMOUNT = 1_000_000


def light(text: str, *, alone: bool = False) -> Outgoing:
    """A packet that weighs as much as its text has bytes on the wire, and nothing beside it."""
    packet = Outgoing(text, alone=alone)
    packet.weight = packet.size
    return packet


def outbox(max_packets: int = 100, max_bytes: int = 10_000, queued: str = "") -> Outbox:
    """An outbox with one packet per letter of ``queued``."""
    box = Outbox(max_packets, max_bytes)
    for letter in queued:
        assert box.put(light(letter))
    return box


def texts(packets: list[Outgoing]) -> str:
    return " ".join(packet.text for packet in packets)


# ---- one packet


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        pytest.param("snow ☃ and 😀", "snow ☃ and 😀", id="whole characters stay"),
        pytest.param('5:::"\ud800"', '5:::"\ufffd"', id="a lone surrogate becomes U+FFFD"),
        pytest.param("\udc00\ud800", "\ufffd\ufffd", id="two halves in the wrong order"),
        pytest.param("\ud83d\ude00", "😀", id="two halves make a character"),
    ],
)
def test_a_packet_can_always_be_written_as_utf8(text: str, repaired: str) -> None:
    packet = Outgoing(text)
    assert packet.text == repaired
    assert packet.data == repaired.encode()


# ---- answers that nobody reads


@pytest.mark.parametrize("end", [Outbox.settle, Outbox.clear], ids=["asked again", "given up"])
@pytest.mark.parametrize(
    ("written", "abandoned"),
    [
        pytest.param(False, 1, id="half written: whoever writes it is told to stop"),
        pytest.param(True, 0, id="written: there is nobody to tell"),
    ],
)
def test_what_is_still_being_written_is_abandoned_once(
    end: Callable[[Outbox], object], written: bool, abandoned: int
) -> None:
    box = outbox(queued="ab")
    batch = box.take_batch(ANY_AMOUNT)
    told: list[str] = []
    batch.abandon = lambda: told.append("stop")
    batch.written = written
    end(box)
    end(box)
    assert len(told) == abandoned


# ---- limits


@pytest.mark.parametrize(
    ("max_packets", "max_bytes", "offered", "accepted"),
    [
        pytest.param(3, 100, ["a", "b", "c", "d"], "a b c", id="packets"),
        pytest.param(9, 4, ["ab", "cd", "e"], "ab cd", id="bytes, to the last one"),
        pytest.param(9, 4, ["abc", "de", "f"], "abc f", id="what still fits is taken"),
        pytest.param(9, 4, ["☃", "é", "x"], "☃ x", id="bytes, not characters"),
        pytest.param(
            9,
            4,
            ["much too long", "ab", "cd", "e"],
            "much too long ab cd",
            id="one may be larger, and does not count against those behind it",
        ),
        pytest.param(9, 4, ["a", "much too long", "b"], "a b", id="but only into an empty one"),
        pytest.param(9, 4, ["long one", "long two", "x"], "long one x", id="one at a time"),
        pytest.param(1, 100, ["a", "b"], "a", id="room for one"),
    ],
)
def test_d19_the_queue_is_bounded(
    max_packets: int, max_bytes: int, offered: list[str], accepted: str
) -> None:
    box = Outbox(max_packets, max_bytes)
    taken = [packet for text in offered if box.put(packet := light(text))]
    assert texts(taken) == accepted
    assert len(box) == len(taken)
    assert box.size == sum(len(packet.data) for packet in taken)


def test_the_packet_that_ends_a_session_passes_every_limit() -> None:
    box = outbox(max_packets=1, queued="a")
    assert not box.put(light("b"))
    box.force(light("0::"))
    assert texts(box.take(ANY_AMOUNT)) == "a 0::"


def test_what_is_on_its_way_counts_against_the_limits() -> None:
    box = outbox(max_packets=2, max_bytes=100, queued="ab")
    box.take_batch(ANY_AMOUNT)
    assert len(box) == 0
    assert box.size == 2
    # One packet passes into an empty outbox, whatever is under way.
    assert box.put(light("c"))
    assert not box.put(light("d"))


def test_what_was_written_does_not() -> None:
    box = outbox(max_packets=2, max_bytes=100, queued="ab")
    box.take_batch(ANY_AMOUNT).written = True
    assert box.put(light("c"))
    assert box.put(light("d"))
    assert not box.put(light("e"))


@pytest.mark.parametrize("written", [True, False])
def test_nor_does_an_answer_that_is_larger_than_the_limit(written: bool) -> None:
    box = Outbox(max_packets=9, max_bytes=4)
    assert box.put(light("much too long"))
    batch = box.take_batch(ANY_AMOUNT)
    batch.written = written
    taken = [text for text in ("ab", "cd", "e") if box.put(light(text))]
    assert taken == ["ab", "cd"]
    batch.written = False
    box.restore(batch)
    # Back at the front, where it was before.
    assert not box.put(light("e"))
    box.take(1)
    assert box.size == 4


# ---- taking


@pytest.mark.parametrize(
    ("queued", "max_bytes", "taken", "bytes_left"),
    [
        pytest.param(["a", "b", "c"], 100, "a b c", 0, id="all there is"),
        pytest.param(["aa", "bb", "cc"], 4, "aa bb", 2, id="as much as was asked for"),
        pytest.param(["aa", "bb", "cc"], 3, "aa", 4, id="whole packets only"),
        pytest.param(["longer", "b"], 1, "longer", 1, id="at least one"),
        pytest.param([], 100, "", 0, id="nothing"),
    ],
)
def test_take(queued: list[str], max_bytes: int, taken: str, bytes_left: int) -> None:
    box = outbox()
    for text in queued:
        box.put(light(text))
    assert texts(box.take(max_bytes)) == taken
    assert box.size == bytes_left


@pytest.mark.parametrize(
    "before", [pytest.param("", id="in front"), pytest.param("x", id="behind others")]
)
def test_a_packet_that_travels_alone_shares_its_batch_with_none(before: str) -> None:
    box = outbox(queued=before)
    box.put(light("1::", alone=True))
    box.put(light("y"))
    batches = [*before, "1::", "y"]
    assert [texts(box.take(ANY_AMOUNT)) for _ in batches] == batches


# ---- batches


def test_a_batch_that_failed_goes_back_to_the_front_in_order() -> None:
    box = outbox(queued="abc")
    batch = box.take_batch(2)
    assert batch.texts() == ["a", "b"]
    box.put(light("d"))
    box.restore(batch)
    assert texts(box.take(ANY_AMOUNT)) == "a b c d"
    assert box.size == 0


def test_a_failure_that_is_reported_twice_doubles_nothing() -> None:
    box = outbox(queued="a")
    batch = box.take_batch(ANY_AMOUNT)
    box.restore(batch)
    box.restore(batch)
    assert texts(box.take(ANY_AMOUNT)) == "a"


def test_a_failure_that_is_reported_after_the_next_request_changes_nothing() -> None:
    box = outbox(queued="a")
    first = box.take_batch(ANY_AMOUNT)
    box.settle()  # not written: "a" is restored already
    second = box.take_batch(ANY_AMOUNT)
    box.restore(first)
    assert len(box) == 0
    box.restore(second)
    assert texts(box.take(ANY_AMOUNT)) == "a"


@pytest.mark.parametrize(
    ("written", "known_unread", "sent_again"),
    [
        pytest.param(True, False, False, id="written: delivered, as far as anybody can know"),
        pytest.param(True, True, True, id="written, and known to be unread"),
        pytest.param(False, False, True, id="not completely written"),
        pytest.param(False, True, True, id="neither written nor read"),
    ],
)
def test_d55_the_next_request_settles_what_was_on_its_way(
    written: bool, known_unread: bool, sent_again: bool
) -> None:
    box = outbox(queued="ab")
    batch = box.take_batch(1)
    batch.written = written
    batch.unread = lambda: known_unread
    box.settle()
    assert texts(box.take(ANY_AMOUNT)) == ("a b" if sent_again else "b")
    assert box.size == 0


def test_taking_a_batch_settles_the_one_before() -> None:
    box = outbox(queued="ab")
    box.take_batch(1)
    assert box.take_batch(ANY_AMOUNT).texts() == ["a", "b"]


def test_an_empty_batch_is_on_its_way_nowhere() -> None:
    box = outbox()
    empty = box.take_batch(ANY_AMOUNT)
    assert empty.texts() == []
    box.put(light("a"))
    box.restore(empty)
    assert texts(box.take(ANY_AMOUNT)) == "a"


def test_clear_forgets_everything_and_says_how_much_was_waiting() -> None:
    box = outbox(queued="abc")
    batch = box.take_batch(1)
    assert box.clear() == 2
    assert (len(box), box.size) == (0, 0)
    box.restore(batch)
    assert len(box) == 0


@given(st.lists(st.sampled_from(["put", "take", "batch", "written", "failed", "settle"])))
def test_nothing_is_lost_doubled_or_put_out_of_order(actions: list[str]) -> None:
    """Against the simplest model there is: what was delivered is a prefix of what was sent."""
    box = Outbox(1_000, ANY_AMOUNT)
    sent: deque[str] = deque()
    delivered: list[str] = []
    flying: Batch | None = None

    def settled() -> None:
        nonlocal flying
        if flying is not None and flying.written:
            delivered.extend(flying.texts())
        flying = None

    for number, action in enumerate(actions):
        if action == "put":
            sent.append(str(number))
            assert box.put(light(str(number)))
        elif action == "take" and flying is None:
            delivered += [packet.text for packet in box.take(3)]
        elif action == "batch":
            settled()
            flying = box.take_batch(3)
        elif action == "written" and flying is not None:
            flying.written = True
        elif action == "failed" and flying is not None and not flying.written:
            box.restore(flying)
            flying = None
        elif action == "settle":
            settled()
            box.settle()
    settled()
    box.settle()
    delivered += [packet.text for packet in box.take(ANY_AMOUNT)]
    assert delivered == list(sent)
    assert box.size == 0


def test_one_large_packet_passes_behind_others_and_does_not_count() -> None:
    box = outbox(max_bytes=100, queued="a")
    assert not box.put(light("x" * 100))
    assert not box.put_large(light("y" * 50))
    large = light("x" * 100)
    assert box.put_large(large)
    # There is one of its kind at a time, and as much room for others as there was.
    assert not box.put_large(light("z" * 200))
    assert box.put(light("b" * 99))
    assert not box.put(light("c"))
    batch = box.take_batch(ANY_AMOUNT)
    assert len(batch.packets) == 3
    box.restore(batch)
    assert box.size == 200
    assert not box.put(light("c"))
    assert box.take(ANY_AMOUNT) == batch.packets
    assert box.size == 0
    assert box.put_large(large)


def test_what_is_excused_does_not_count_until_it_is_gone() -> None:
    box = outbox(max_packets=3, max_bytes=3, queued="ab")
    box.excuse()
    assert [box.put(light(each)) for each in "cdef"] == [True, True, True, False]
    assert texts(box.take(1)) == "a"
    assert not box.put(light("f"))
    assert texts(box.take(2)) == "b c"
    assert box.put(light("f"))
    assert not box.put(light("g"))
    assert texts(box.take(ANY_AMOUNT)) == "d e f"
    assert box.size == 0
    assert [box.put(light(each)) for each in "ghij"] == [True, True, True, False]


def test_what_is_excused_stays_so_when_its_answer_breaks_off() -> None:
    box = outbox(max_packets=2, max_bytes=1000, queued="ab")
    box.force(light("c"))
    box.excuse()
    batch = box.take_batch(1)
    box.restore(batch)
    assert [box.put(light(each)) for each in "de"] == [True, True]
    assert not box.put(light("f"))
    batch = box.take_batch(ANY_AMOUNT)
    assert texts(batch.packets) == "a b c d e"
    batch.written = True
    box.settle()
    assert box.size == 0
    assert [box.put(light(each)) for each in "fgh"] == [True, True, False]


def test_a_large_packet_that_is_excused_counts_once() -> None:
    box = outbox(max_packets=10, max_bytes=3)
    box.force(light("large"))
    box.force(light("b"))
    box.excuse()
    assert [box.put(light(each)) for each in "cdef"] == [True, True, True, False]
    assert texts(box.take(ANY_AMOUNT)) == "large b c d e"
    assert [box.put(light(each)) for each in "cdef"] == [True, True, True, False]
