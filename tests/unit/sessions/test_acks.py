"""Callbacks that wait for the client's acknowledgement (fact sheet, section 4)."""

from __future__ import annotations

import pytest

from sockio.sessions.acks import PendingAcks, Waiting


def waiting(deadline: float = 100.0) -> Waiting:
    return Waiting(lambda *args: None, deadline)


def test_d31_ids_count_from_one_per_namespace() -> None:
    acks = PendingAcks(10)
    ids = [acks.add(endpoint, waiting())[0] for endpoint in ["", "/chat", "", "/chat", ""]]
    assert ids == [1, 1, 2, 2, 3]


def test_an_id_is_never_used_again() -> None:
    acks = PendingAcks(10)
    acks.pop("", acks.add("", waiting())[0])
    acks.add("", waiting())
    acks.leave("")
    assert acks.add("", waiting())[0] == 3


def test_a_callback_is_called_once() -> None:
    acks = PendingAcks(10)
    mine = waiting()
    ack_id, _ = acks.add("/chat", mine)
    assert acks.pop("/chat", ack_id) is mine
    assert acks.pop("/chat", ack_id) is None


@pytest.mark.parametrize(
    ("endpoint", "ack_id"),
    [
        pytest.param("/chat", 2, id="an id that was never given out"),
        pytest.param("/chat", 0, id="zero"),
        pytest.param("/news", 1, id="the id of another namespace"),
        pytest.param("", 1, id="the id on the global namespace"),
    ],
)
def test_d31_an_ack_answers_only_what_was_asked_in_its_namespace(
    endpoint: str, ack_id: int
) -> None:
    acks = PendingAcks(10)
    acks.add("/chat", waiting())
    assert acks.pop(endpoint, ack_id) is None
    assert len(acks) == 1


def test_d31_a_callback_does_not_wait_for_ever() -> None:
    acks = PendingAcks(10)
    soon, later = waiting(10.0), waiting(20.0)
    acks.add("", later)
    acks.add("/chat", soon)
    assert acks.deadline() == 10.0
    assert acks.expire(9.9) == []
    assert acks.expire(10.0) == [soon]
    assert acks.deadline() == 20.0
    assert acks.expire(30.0) == [later]
    assert acks.deadline() is None


def test_the_deadline_is_never_later_than_the_soonest_and_exact_after_expire() -> None:
    acks = PendingAcks(10)
    acks.add("", waiting(10.0))
    acks.add("", waiting(20.0))
    acks.pop("", 1)
    assert acks.deadline() == 10.0  # nobody searched: an early call costs less
    assert acks.expire(10.0) == []
    assert acks.deadline() == 20.0


def test_the_oldest_makes_room_for_one_more_than_allowed() -> None:
    acks = PendingAcks(2)
    first, second, third = waiting(), waiting(), waiting()
    assert acks.add("", first) == (1, None)
    assert acks.add("/chat", second) == (1, None)
    assert acks.add("", third) == (2, first)
    assert acks.pop("", 1) is None
    assert acks.pop("/chat", 1) is second
    assert acks.pop("", 2) is third


def test_leaving_a_namespace_gives_up_its_callbacks_and_no_others() -> None:
    acks = PendingAcks(10)
    mine, other, also_mine = waiting(), waiting(), waiting()
    acks.add("/chat", mine)
    acks.add("/news", other)
    acks.add("/chat", also_mine)
    assert acks.leave("/chat") == [mine, also_mine]
    assert acks.leave("/chat") == []
    assert acks.pop("/news", 1) is other


def test_the_end_of_the_session_gives_up_all() -> None:
    acks = PendingAcks(10)
    both = [waiting(), waiting()]
    acks.add("/chat", both[0])
    acks.add("/news", both[1])
    assert acks.clear() == both
    assert len(acks) == 0
    assert acks.deadline() is None
