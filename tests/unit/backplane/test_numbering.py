"""What numbers say of what is missing."""

from __future__ import annotations

import pytest

from sockio.backplane.redis import numbering
from sockio.backplane.redis.frames import HEADER, name_of, publisher_bytes, read_head
from sockio.backplane.redis.numbering import (
    LATE,
    LATE_FOR,
    MAX_MISSING,
    Heard,
    Numbering,
    Verdict,
    follow,
    reached,
)

PUBLISHER = publisher_bytes("ada")


def head(counter: numbering.Counter) -> tuple[int, ...]:
    """(series, number) of the next frame."""
    counter.number += 1
    frame = counter.frame + counter.number.to_bytes(8, "big")
    assert len(frame) == HEADER
    version, publisher, *rest = read_head(frame)
    assert (version, name_of(publisher)) == (1, "ada")
    return tuple(rest)


def test_each_channel_has_numbers_of_its_own() -> None:
    numbers = Numbering(PUBLISHER, b"PUBLISH")
    one, two = numbers.of("one"), numbers.of("two")
    assert [head(one), head(one), head(two), head(one)] == [(1, 1), (1, 2), (2, 1), (1, 3)]
    assert numbers.young == {"one": one, "two": two}
    assert one.command == b"*3\r\n$7\r\nPUBLISH\r\n$3\r\none\r\n$"


def test_the_channels_used_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "KEPT", 3)
    numbers = Numbering(PUBLISHER, b"PUBLISH")

    def publish(channel: str) -> tuple[int, ...]:
        return head(numbers.young.get(channel) or numbers.of(channel))

    assert [publish(each) for each in "abcd"] == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert publish("a") == (1, 2)  # of the older ones
    assert [publish(each) for each in "efg"] == [(5, 1), (6, 1), (7, 1)]
    assert publish("a") == (1, 3)
    assert publish("b") == (8, 1), "forgotten: a new series"
    assert len(numbers.young) <= 3


@pytest.mark.parametrize(
    ("heard", "series", "number", "verdict"),
    [
        pytest.param((1, 4), 1, 5, Verdict(0), id="the next"),
        pytest.param((1, 4), 1, 8, Verdict(3), id="three are missing"),
        pytest.param((1, 4), 1, 4, Verdict(0, "late"), id="again"),
        pytest.param((1, 4), 1, 2, Verdict(0, "late"), id="late"),
        pytest.param((1, 4), 3, 1, Verdict(0), id="a new series"),
        pytest.param((1, 4), 3, 3, Verdict(2), id="a new series whose beginning is missing"),
        pytest.param((3, 4), 1, 9, Verdict(0, "late"), id="of an earlier series"),
        pytest.param((1, 4), 1, 0, Verdict(0, "late"), id="no number begins at 0"),
        pytest.param((1, 4), 2, 0, Verdict(0, "late"), id="nor in a new series"),
        pytest.param((1, 4), 1, 2**64 - 1, Verdict(0, "impossible"), id="a huge number"),
        pytest.param((1, 4), 2**32 - 1, 1, Verdict(0, "impossible"), id="a huge series"),
    ],
)
def test_what_a_number_says(
    heard: tuple[int, int], series: int, number: int, verdict: Verdict
) -> None:
    known = Heard(*heard)
    assert follow(known, series, number) == verdict
    if verdict.fault:
        assert (known.series, known.number) == heard
    else:
        assert (known.series, known.number) == (series, number)


def test_a_forged_number_is_forgotten_when_many_contradict_it() -> None:
    known = Heard(1, 4)
    assert follow(known, 1, MAX_MISSING).missing
    verdicts = [follow(known, 1, number) for number in range(5, 5 + LATE + 2)]
    assert [verdict.fault for verdict in verdicts] == ["late"] * (LATE - 1) + ["", "", ""]
    assert not any(verdict.missing for verdict in verdicts)


@pytest.mark.parametrize("confirm", ["the next one", "its publisher"])
def test_many_late_ones_do_not_contradict_what_others_have_followed_on(confirm: str) -> None:
    known = Heard(1, 4)
    assert follow(known, 1, 1000, 0.0).missing == 995
    if confirm == "the next one":
        follow(known, 1, 1001, 0.0)
    else:
        assert reached(known, 1, 1000) == 0
    last = known.number
    for number in range(5, 900):
        assert follow(known, 1, number, 1.0).fault == "late"
    assert follow(known, 1, last + 1, 2.0) == Verdict(0)
    # But where nothing else comes.
    for number in range(5, 5 + LATE):
        assert follow(known, 1, number, 10.0).fault == "late"
    assert follow(known, 1, 50, 10.0 + LATE_FOR) == Verdict(0)
    assert known.number == 50


@pytest.mark.parametrize("name", ["", "a b", "x" * 17, "ä", "a\n", "a\0"])
def test_what_can_be_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        publisher_bytes(name)


@pytest.mark.parametrize("sent", [b"", b"a b", b"\xff", b"a\n", b"a\0b", b"\0a"])
def test_what_is_no_name(sent: bytes) -> None:
    assert name_of(sent.ljust(16, b"\0")) is None


@pytest.mark.parametrize(
    ("heard", "series", "number", "missing"),
    [
        pytest.param((1, 4), 1, 4, 0, id="all has come"),
        pytest.param((1, 4), 1, 7, 3, id="three are missing"),
        pytest.param((1, 4), 1, 3, 0, id="less than was heard"),
        pytest.param((1, 4), 2, 3, 3, id="a new series"),
        pytest.param((3, 4), 1, 9, 0, id="an earlier series"),
        pytest.param((1, 4), 1, 2**64 - 1, 0, id="a huge number"),
        pytest.param((1, 4), 2**32 - 1, 1, 0, id="a huge series"),
    ],
)
def test_how_far_a_publisher_says_it_is(
    heard: tuple[int, int], series: int, number: int, missing: int
) -> None:
    last = Heard(*heard)
    assert reached(last, series, number) == missing
    assert (last.series, last.number) == ((series, number) if missing else heard)
    assert reached(last, series, number) == 0, "told once"


def test_channels_are_told_of_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "KEPT", 3)
    numbers = Numbering(PUBLISHER, b"PUBLISH")
    assert numbers.in_turn(2) == {}
    for channel in "abcde":
        head(numbers.of(channel))
    told = [numbers.in_turn(2) for _ in range(3)]
    assert [list(each) for each in told] == [["a", "b"], ["c", "d"], ["e"]]
    assert told[0] == {"a": (1, 1), "b": (2, 1)}
    assert list(numbers.in_turn(9)) == ["a", "b", "c", "d", "e"]
