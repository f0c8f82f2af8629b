"""The code that a page of the documentation shows, so that it can be run."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["DOCS", "programs", "snippets"]

DOCS = Path(__file__).resolve().parents[2] / "docs"


def snippets(page: str, language: str = "python") -> list[str]:
    """The blocks of code of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def programs(page: str) -> dict[str, str]:
    """Those that begin with the comment ``# name.py``: whole files, by name."""
    found = {}
    for code in snippets(page):
        name = re.match(r"# (\w+\.py)\n", code)
        if name is not None:
            found[name[1]] = code
    return found
