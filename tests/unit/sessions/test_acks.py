"""Callbacks that wait for the client's acknowledgement (fact sheet, section 4)."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.sessions.acks import ADDRESS, ALL, STEP, PendingAcks, Waiting
from sockio.sessions.crowd import Crowd
from sockio.sessions.held import EACH

PLENTY = (1000, 1_000_000)


def waiting(deadline: float = 100.0) -> Waiting:
    return Waiting(lambda *args: None, deadline)


def test_d31_ids_count_from_one_per_namespace() -> None:
    acks = PendingAcks(PLENTY)
    ids = [acks.add(endpoint, waiting())[0] for endpoint in ["", "/chat", "", "/chat", ""]]
    assert ids == [1, 1, 2, 2, 3]


def test_an_id_is_never_used_again() -> None:
    acks = PendingAcks(PLENTY)
    acks.pop("", acks.add("", waiting())[0])
    acks.add("", waiting())
    acks.leave("")
    assert acks.add("", waiting())[0] == 3


def test_a_callback_is_called_once() -> None:
    acks = PendingAcks(PLENTY)
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
    acks = PendingAcks(PLENTY)
    acks.add("/chat", waiting())
    assert acks.pop(endpoint, ack_id) is None
    assert len(acks) == 1


def test_d31_a_callback_does_not_wait_for_ever() -> None:
    acks = PendingAcks(PLENTY)
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
    acks = PendingAcks(PLENTY)
    acks.add("", waiting(10.0))
    acks.add("", waiting(20.0))
    acks.pop("", 1)
    assert acks.deadline() == 10.0  # nobody searched: an early call costs less
    assert acks.expire(10.0) == []
    assert acks.deadline() == 20.0


def test_the_oldest_makes_room_for_one_more_than_allowed() -> None:
    acks = PendingAcks((2, 1_000_000))
    first, second, third = waiting(), waiting(), waiting()
    assert acks.add("", first) == (1, ((), ""))
    assert acks.add("/chat", second) == (1, ((), ""))
    ack_id, dropped = acks.add("", third)
    assert ack_id == 2
    assert [*dropped.waiting] == [first]
    assert dropped.why == "more than 2 wait for an ack"
    assert acks.pop("", 1) is None
    assert acks.pop("/chat", 1) is second
    assert acks.pop("", 2) is third


def test_leaving_a_namespace_gives_up_its_callbacks_and_no_others() -> None:
    acks = PendingAcks(PLENTY)
    mine, other, also_mine = waiting(), waiting(), waiting()
    acks.add("/chat", mine)
    acks.add("/news", other)
    acks.add("/chat", also_mine)
    assert acks.leave("/chat") == [mine, also_mine]
    assert acks.leave("/chat") == []
    assert acks.pop("/news", 1) is other


def test_the_end_of_the_session_gives_up_all() -> None:
    acks = PendingAcks(PLENTY)
    both = [waiting(), waiting()]
    acks.add("/chat", both[0])
    acks.add("/news", both[1])
    assert acks.clear() == both
    assert len(acks) == 0
    assert acks.deadline() is None


def holding(data: object) -> Waiting:
    return Waiting(lambda: data, 100.0)


def test_the_oldest_makes_room_for_bytes_that_are_held() -> None:
    acks = PendingAcks((1000, 100_000))
    heard = 0
    added = []
    for number in range(9):
        added.append(holding(b"%d" % number * 10_000))
        heard += 10_000
        assert acks.add("", added[-1], heard)[1].waiting == ()
    _, dropped = acks.add("", holding(b"x" * 10_000), heard + 10_000)
    # Until an eighth is free.
    assert [*dropped.waiting] == added[:2]
    assert "hold more than 100000 bytes of memory" in dropped.why
    assert len(acks) == 8


def test_the_newest_stays_whatever_it_takes() -> None:
    acks = PendingAcks((1000, 100_000))
    first, second = holding(b"x" * 1000), holding(b"y" * 1_000_000)
    acks.add("", first, 1000)
    assert [*acks.add("", second, 1_001_000)[1].waiting] == [first]
    assert len(acks) == 1
    # Nor does it keep another out.
    third = waiting()
    assert [*acks.add("", third, 1_001_000)[1].waiting] == [second]
    assert len(acks) == 1


def test_what_others_have_sent_is_found_a_little_later() -> None:
    acks = PendingAcks((1000, 1_000_000))
    most = 0
    for number in range(300):
        acks.add("", holding(b"%03d" % number * 10_000))
        most = max(most, len(acks))
    assert most < 1_000_000 / 30_000 + 65


def test_what_the_application_has_is_not_a_clients() -> None:
    table = {str(number): "x" * 1000 for number in range(1000)}
    acks = PendingAcks((1000, 100_000))
    for number in range(160):
        assert acks.add("", Waiting(lambda: table.popitem(), 1.0), number * 10)[1].waiting == ()
    assert acks.size == 160 * EACH


def test_what_comes_and_goes_leaves_nothing() -> None:
    everybody: Crowd[Any] = Crowd()
    crowd = Crowd("10.0.0.1", everybody)
    acks = PendingAcks(PLENTY, crowd)
    for number in range(100):
        acks.add("/a" if number % 2 else "/b", holding(b"x" * number * 100), number * 10_000)
        if number % 3:
            acks.pop("/a", number)
    acks.leave("/a")
    acks.expire(200.0)
    assert (len(acks), acks.size, crowd.held, everybody.held) == (0, 0, 0, 0)
    acks.add("/a", waiting())
    acks.clear()
    assert (len(acks), acks.size, crowd.held, everybody.held) == (0, 0, 0, 0)


def test_all_clients_of_an_address_share_a_bound() -> None:
    everybody: Crowd[Any] = Crowd()
    crowd, others = Crowd("10.0.0.1", everybody), Crowd("10.0.0.2", everybody)
    clients = [PendingAcks((1000, 60_000), crowd) for _ in range(100)]
    for _ in range(90):
        for client in clients:
            client.add("", waiting())
    slack = len(clients) * (STEP + EACH)
    assert sum([each.size for each in clients]) <= 60_000 * ADDRESS + slack
    other = PendingAcks((1000, 60_000), others)
    assert [other.add("", waiting())[1].waiting for _ in range(90)] == [()] * 90
    for client in clients:
        client.clear()
    assert crowd.held == 0
    other.clear()
    assert everybody.held == 0


def test_all_addresses_share_a_bound() -> None:
    everybody: Crowd[Any] = Crowd()
    clients = [
        PendingAcks((1000, 3_000), Crowd(f"10.0.0.{number}", everybody)) for number in range(500)
    ]
    why = ""
    for _ in range(9):
        for client in clients:
            why = client.add("", waiting())[1].why or why
    assert sum([each.size for each in clients]) <= 3_000 * ALL + len(clients) * (STEP + EACH)
    assert "or those of all" in why
