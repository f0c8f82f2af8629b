"""Several workers are measured; nothing is said about how fast they are."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.clusters import Field, measure, table
from benchmarks.environments import Environments

pytestmark = pytest.mark.e2e


def test_workers_that_a_mesh_joins_are_measured(tmp_path: Path) -> None:
    # The path of a socket is short.
    with TemporaryDirectory(prefix="mesh") as folder:
        field = Field(Environments(tmp_path), 0, Path(folder))
        (row,) = measure({"sockio, mesh": field.sockio}, 2, 4, 20, 10)
    assert (row.title, row.workers) == ("sockio, mesh", 2)
    assert min(row.cost, row.alone, row.rate, row.memory) > 0
    assert row.middle is not None
    assert table([row], 4).count("\n") == 3
