"""Tests that measure a whole process, in one of their own: ``@pytest.mark.alone``.

What other tests left behind goes, and comes, meanwhile: greenlets end, sessions time out. The
first marked test of a module has all that were selected of it run by one process; then each is
what it was there.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

__all__ = ["in_its_own_process", "is_alone"]

#: In the environment of such a process.
_ALONE = "SOCKIO_TESTED_ALONE"
#: Seconds that one may take.
_PATIENCE = 110

_said = pytest.StashKey[dict[str, str]]()


def is_alone() -> bool:
    """Whether this process was made for the tests that run in it."""
    return _ALONE in os.environ


def in_its_own_process(item: pytest.Item) -> None:
    """Fail unless the test passes there."""
    said = item.config.stash.setdefault(_said, {})
    path = str(item.path)
    if path not in said:
        said[path] = _run(item)
    assert f"PASSED {item.nodeid}" in said[path].splitlines(), said[path]


def _run(item: pytest.Item) -> str:
    marked = [
        each.nodeid
        for each in item.session.items
        if each.path == item.path and each.get_closest_marker("alone") is not None
    ]
    options = ["-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(item.config.rootpath)]
    without = ["--without", item.config.getoption("without")]
    # Options of this run that choose tests are not repeated: these are chosen.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *without, *marked],
        cwd=item.config.rootpath,
        env={**os.environ, _ALONE: "1"},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )
    return done.stdout + done.stderr
