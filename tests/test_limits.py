"""Every limit in the documentation is enforced, and a test shows it: see ``enforced.txt``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "limits.md"
LIST = TESTS / "enforced.txt"


def limits() -> list[str]:
    """The first column of both tables."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    first = [row.split("|")[1].strip() for row in rows]
    return [each for each in first if each not in ("setting", "limit")]


def enforced() -> dict[str, list[str]]:
    """The tests of each limit, ``path::name``."""
    found: dict[str, list[str]] = {}
    for line in LIST.read_text("utf-8").splitlines():
        if line.startswith(" "):
            list(found.values())[-1].append(line.strip())
        elif line and not line.startswith("#"):
            found[line] = []
    return found


def test_the_page_and_the_list_are_read() -> None:
    assert {"`max_payload`", "nesting of JSON"} <= set(limits()) & set(enforced())


@pytest.mark.parametrize("limit", limits())
def test_a_test_shows_that_a_limit_is_enforced(limit: str) -> None:
    assert enforced().get(limit), (
        f"docs/limits.md has the row {limit!r}, and no test is named that shows what happens "
        f"beyond it. Add to tests/enforced.txt:\n\n{limit}\n    unit/test_x.py::test_y\n"
    )


@pytest.mark.parametrize("limit", enforced())
def test_what_is_named_is_there(limit: str) -> None:
    assert limit in limits(), (
        f"tests/enforced.txt has {limit!r}, and docs/limits.md has no such row; its first column "
        "is compared, to the letter"
    )
    for test in enforced()[limit]:
        path, _, name = test.partition("::")
        assert (TESTS / path).is_file(), f"{limit!r}: there is no file tests/{path}"
        text = (TESTS / path).read_text("utf-8")
        assert re.search(rf"def {name}[(]", text), f"{limit!r}: tests/{path} has no {name}"
