"""What a bystander feels: the program that measures it runs, and everybody is answered."""

from __future__ import annotations

import pytest

from benchmarks.bystander import FLOODS, measure

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ["noops", "percent", "threads"])
def test_a_bystander_is_answered_and_little_is_kept(name: str) -> None:
    assert name in FLOODS
    felt = measure(name, 0.5)
    assert set(felt.samples) == {"websocket", "long-polling", "handshake"}
    assert all(len(times) > 1 for times in felt.samples.values())
    assert felt.grown < 60_000_000
    assert felt.logged < 50_000
