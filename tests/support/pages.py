"""The code that a page of the documentation shows, so that it can be run."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

__all__ = ["DOCS", "load", "programs", "snippets"]

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


def load(page: str, name: str, folder: Path, patch: pytest.MonkeyPatch) -> ModuleType:
    """The program ``name`` of a page as a module. It finds the others of the page beside it."""
    for file, code in programs(page).items():
        (folder / file).write_text(code, encoding="utf-8")
    patch.syspath_prepend(str(folder))
    patch.chdir(folder)
    # Whatever has that name now is there again at the end of the test.
    patch.setitem(sys.modules, name, ModuleType(name))
    del sys.modules[name]
    return importlib.import_module(name)
