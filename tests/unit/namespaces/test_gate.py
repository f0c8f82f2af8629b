"""What the answers of gates mean."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.namespaces.gate import refuses


@pytest.mark.parametrize("answer", [False, 0, 0.0, "", [], {}, ()])
def test_what_is_false_refuses(answer: Any) -> None:
    assert refuses(answer)


@pytest.mark.parametrize("answer", [None, True, 1, "no", [0], object()])
def test_nothing_and_what_is_true_let_in(answer: Any) -> None:
    assert not refuses(answer)
