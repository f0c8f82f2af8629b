"""The README shows code that is run: its snippets stand in programs that other tests start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "tests" / "frameworks" / "apps"
SNIPPETS = dict(
    re.findall(
        r"^\*\*([A-Z][\w ]+)\*\*.*?\n\n```python\n(.*?)```",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)


def code_lines(text: str) -> list[str]:
    """Lines without indentation and blank ones; imports may name more than a snippet needs."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(("from ", "import "))]


def test_all_four_are_shown() -> None:
    assert sorted(SNIPPETS) == ["Bare WSGI", "Django", "Flask", "Pyramid"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Flask", "flask_app.py"),
        ("Pyramid", "pyramid_app.py"),
        ("Django", "django_app.py"),
        ("Bare WSGI", "wsgi_app.py"),
    ],
)
def test_a_snippet_is_part_of_a_program_that_is_run(name: str, file: str) -> None:
    program = iter(code_lines((APPS / file).read_text(encoding="utf-8")))
    missing = [line for line in code_lines(SNIPPETS[name]) if line not in program]
    assert missing == [], f"{file} does not have these lines, in this order"
