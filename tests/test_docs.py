"""The documentation keeps up: settings, refusals and transports stand in their tables."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sockio
from sockio.config import OPTIONS
from sockio.doctor import CODES
from sockio.error_handling import REFUSALS
from sockio.transports import TRANSPORTS

DOCS = Path(__file__).resolve().parent.parent / "docs"
LIMITS = (DOCS / "limits.md").read_text(encoding="utf-8")
DOCTORS_PAGE = (DOCS / "howto" / "doctor.md").read_text(encoding="utf-8")
REFUSALS_PAGE = (DOCS / "refusals.md").read_text(encoding="utf-8")
TRANSPORTS_PAGE = (DOCS / "transports.md").read_text(encoding="utf-8")


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("name", OPTIONS)
def test_every_setting_has_a_row(name: str) -> None:
    assert any(f"`{name}`" in row.split("|")[1] for row in rows(LIMITS))


def codes_of_requests() -> Iterator[str]:
    """The code of each refusal of a request, as it stands in the sources: as the argument ``code``
    of a ``RequestRefused``, or in a variable of that name beside one."""
    for path in sorted(Path(sockio.__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "RequestRefused(" in text else ():
            value: object = None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RequestRefused":
                (value,) = (each.value for each in node.keywords if each.arg == "code")
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                value = node.value
            if isinstance(value, ast.Constant):
                yield str(value.value)


def test_the_codes_are_found() -> None:
    assert {"origin-not-allowed", "view-redirected", "shutting-down"} <= set(codes_of_requests())


CODES_OF_REQUESTS = {*codes_of_requests(), "session-unknown"}


@pytest.mark.parametrize("code", sorted(CODES_OF_REQUESTS | REFUSALS))
def test_every_code_of_a_refusal_is_explained(code: str) -> None:
    assert any(f"`{code}`" in row.split("|")[1] for row in rows(REFUSALS_PAGE))


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_is_described(name: str) -> None:
    assert any(f"`{name}`" in row.split("|")[1] for row in rows(TRANSPORTS_PAGE))


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_doctors_is_explained(code: str) -> None:
    assert any(f"`{code}`" in row.split("|")[1] for row in rows(DOCTORS_PAGE))
