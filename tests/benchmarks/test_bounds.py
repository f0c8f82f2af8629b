"""What clients make a server keep and write: the program that measures it runs, and the bounds
hold."""

from __future__ import annotations

import pytest

from benchmarks.bounds import LOG, MEMORY, measure_log, measure_memory

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ["refused", "failures"])
def test_one_client_writes_little_into_the_log(name: str) -> None:
    assert name in LOG
    assert 0 < measure_log(name) < 50_000


@pytest.mark.parametrize("name", ["lists"])
def test_one_client_makes_the_server_keep_little(name: str) -> None:
    assert name in MEMORY
    assert measure_memory(name) < 60_000_000
