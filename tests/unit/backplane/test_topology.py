"""What a node of a cluster says of all of them."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.backplane.redis.topology import SLOTS, read_topology

ID = b"07c37dfeb235213a872192d90877d0cd55635b91"


class Node:
    """Answers in order; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []

    def send_command(self, *words: str) -> None:
        self.asked.append(" ".join(words))

    def read_response(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_who_has_what() -> None:
    node = Node(
        [[b"spublish", 3]],
        b"cluster_state:ok\r\n",
        [
            [0, 99, [b"10.0.0.1", 7000, ID, []], [b"10.0.0.4", 7003, ID]],
            [100, 16_000, [b"", 7001, ID]],
            [16_001, 16_001, [None, 7002]],
        ],
    )
    found = read_topology(node, ("asked", 7009))
    assert node.asked == ["COMMAND INFO SPUBLISH", "CLUSTER INFO", "CLUSTER SLOTS"]
    assert len(found.places) == SLOTS
    assert {*found.places[:100]} == {("10.0.0.1", 7000)}
    # What has no host is where the question was asked.
    assert {*found.places[100:16_001]} == {("asked", 7001)}
    assert found.places[16_001] == ("asked", 7002)
    assert {*found.places[16_002:]} == {None}
    assert ("10.0.0.4", 7003) in found.nodes
    assert found.healthy
    assert found.shards


@pytest.mark.parametrize(
    ("known", "state", "healthy", "shards"),
    [
        ([None], b"cluster_state:ok", True, False),
        ([[b"spublish"]], b"cluster_state:fail\r\n", False, True),
        # Its user may not ask.
        (ValueError("NOPERM"), ValueError("NOPERM"), True, True),
    ],
)
def test_what_it_is(known: Any, state: Any, healthy: bool, shards: bool) -> None:
    found = read_topology(Node(known, state, []), ("asked", 1))
    assert (found.healthy, found.shards) == (healthy, shards)
    assert {*found.places} == {None}


@pytest.mark.parametrize(
    "answer",
    [None, b"x", [1], [[0]], [[0, SLOTS, [b"h", 1]]], [[5, 4, [b"h", 1]]], [[0, 1]], [[0, 1, []]],
     [["a", "b", [b"h", 1]]], [[0, 1, [5, 1]]], [[0, 1, [b"\xff", 1]]]],
)  # fmt: skip
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # also what cannot be read as text
        read_topology(Node([], b"", answer), ("asked", 1))
