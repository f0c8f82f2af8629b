"""The documentation keeps up: settings, refusals and transports stand in their tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from sockio.config import OPTIONS
from sockio.error_handling import REFUSALS
from sockio.transports import TRANSPORTS

DOCS = Path(__file__).resolve().parent.parent / "docs"
LIMITS = (DOCS / "limits.md").read_text(encoding="utf-8")
TRANSPORTS_PAGE = (DOCS / "transports.md").read_text(encoding="utf-8")


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("name", OPTIONS)
def test_every_setting_has_a_row(name: str) -> None:
    assert any(f"`{name}`" in row.split("|")[1] for row in rows(LIMITS))


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_code_of_a_refusal_is_explained(code: str) -> None:
    assert any(f"`{code}`" in row.split("|")[1] for row in rows(LIMITS))


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_is_described(name: str) -> None:
    assert any(f"`{name}`" in row.split("|")[1] for row in rows(TRANSPORTS_PAGE))
