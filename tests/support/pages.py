"""The code that a page of the documentation shows, so that it can be run."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

__all__ = ["DOCS", "Block", "blocks", "load", "programs", "site_with_jobs", "snippets"]

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


def site_with_jobs(page: str) -> str:
    """The site of howto/flask.md or howto/pyramid.md, and the block that goes on with it where the
    page says: what its class has in front of what the site's has, and its view routed."""
    (jobs,) = [code for code in snippets(f"howto/{page}.md") if "progress" in code]
    site = programs(f"howto/{page}.md")[f"{page}_site.py"]
    class_in = {"flask": "@socketio.namespace", "pyramid": "class Chat"}[page]
    old = site[site.index(class_in) : site.index("\n\n\n", site.index("class ChatNamespace"))]
    (new,) = re.findall(rf"^{re.escape(class_in)}.*?\n\n\n", jobs, re.DOTALL | re.MULTILINE)
    jobs = jobs.replace(new, "")
    if page == "pyramid":
        route = 'config.add_route("job", "/job")\n        config.add_view(job, route_name="job")'
        site = site.replace("config.include(", f"{route}\n        config.include(", 1)
        site = site.replace("application = main()\n", "")
    imports = "import gevent\nfrom sockio import EventRefused\n"
    both = f"{new.strip()}\n\n{old.partition('(BaseNamespace):')[2].lstrip(chr(10))}"
    return imports + site.replace(old, both) + jobs.replace("import gevent\n", "") + "\n"


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
