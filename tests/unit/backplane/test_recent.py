"""What is kept for who goes on, and what of it was heard."""

from __future__ import annotations

from sockio.backplane.redis.position import MARK_BYTES, MARKS, MOST, Position
from sockio.backplane.relay import recent
from sockio.backplane.relay.recent import KEPT, Recent
from sockio.testing import ManualRuntime


def test_what_came_behind_a_mark_is_said_again(runtime: ManualRuntime) -> None:
    kept = Recent[str](runtime)
    kept.add([("a", b"0")])
    for number in (1, 2):
        assert kept.mark(b"mark %d" % number)
        kept.add([("a", b"%d" % number)])
    assert kept.since([b"another", b"mark 2", b"mark 1"]) == (b"mark 2", [("a", b"2")])
    assert kept.since([b"mark 1"]) == (b"mark 1", [("a", b"1"), ("a", b"2")])
    whole = [("a", b"0"), ("a", b"1"), ("a", b"2")]
    assert kept.since([b"another"]) == (None, whole)
    assert not kept.mark(b"mark 1"), "somebody has published it again"
    assert kept.since([b"mark 1"]) == (b"mark 1", whole[1:])


def test_it_is_kept_in_bounds(runtime: ManualRuntime) -> None:
    kept = Recent[str](runtime)
    for number in range(200):
        runtime.advance(1)
        kept.mark(b"%d" % number)
        kept.add([("a", b"%d" % number)])
    mark, said = kept.since([])
    assert (mark, len(said)) == (None, KEPT + 2)
    for _ in range(100):
        # Nobody marks it.
        kept.add([("a", bytes(1_000_000))])
        assert sum(len(data) for _, data in kept.since([])[1]) <= recent.MOST * 1.5
    for number in range(100_000):
        kept.mark(b"forged %d" % number)
    assert len(kept._parts) <= 64


def heard(position: Position, *words: str) -> list[str]:
    """Those that are delivered, of these: marks begin with an M."""
    new = []
    for word in words:
        if word.startswith("M"):
            position.mark(word.encode())
        elif position.is_new(word):
            new.append(word)
    return new


def test_what_came_is_left_out_as_often_as_it_came() -> None:
    position = Position("marks")
    assert heard(position, "a", "M1", "a", "a", "b", "M2", "a") == ["a", "a", "a", "b", "a"]
    assert position.marks == [b"M2", b"M1"]
    position.go_on(b"M1")
    assert heard(position, "a", "a", "b", "M2", "a", "a", "c") == ["a", "c"]
    assert position.again
    assert heard(position, "M3", "a") == ["a"], "what comes now is new"
    assert not position.again
    position.go_on(b"M2")
    # All of it has come, and what came by the way of the other is not forgotten.
    assert heard(position, "a", "a", "c", "M3", "a", "d") == ["d"]


def test_where_no_mark_is_known_nothing_comes_twice() -> None:
    position = Position("marks")
    heard(position, "M1", "a")
    position.go_on(None)
    assert heard(position, "a", "b", "M1", "c") == []
    assert heard(position, "M2", "a") == ["a"]
    position.go_on(b"M0")
    assert heard(position, "b") == []
    position.end()
    assert heard(position, "b") == ["b"]


def test_what_is_remembered_is_bounded() -> None:
    position = Position("marks")
    heard(position, *[f"M{number}" for number in range(1_000)], "M" * (MARK_BYTES + 1))
    assert len(position.marks) == MARKS
    assert heard(position, *map(str, range(MOST + 1)))
    position.go_on(b"M999")
    assert heard(position, "0", "new") == [], "so many came that it is not known which"
    heard(position, "M1001")
    assert len(position._parts[-1].heard) == 0
