"""The code that a page of the documentation shows, so that it can be run."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

__all__ = ["DOCS", "Block", "blocks", "load", "programs", "snippets"]

DOCS = Path(__file__).resolve().parents[2] / "docs"


def snippets(page: str, language: str = "python") -> list[str]:
    """The blocks of code of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One block of code. ``name`` is that of the file that it is the whole of, or ""."""

    language: str
    name: str
    code: str


def blocks(page: str) -> list[Block]:
    """All blocks of code of a page, in order. Files begin with ``# name.py`` or
    ``<!-- name.html -->``."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = []
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        name = re.match(r"(?:# |<!-- )([\w.-]+\.\w+)(?: -->)?\n", code)
        found.append(Block(language, name[1] if name else "", code))
    return found


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
