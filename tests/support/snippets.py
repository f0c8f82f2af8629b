"""All Python of the README and the documentation as modules, for type checkers.

::

    readme/block_1.py       a block as it is shown, with the imports that its names need in front
    howto_flask/flask_site.py     a block that begins with "# flask_site.py"; one that is shown
    howto_flask/flask_site_2.py   again, with more in it
    readme/reader.py        what a reader has already: tests/snippets/readme.py

A block finds what the page has shown before it, then what its reader has. Standard library only:
the noxfile imports this.
"""

from __future__ import annotations

import ast
import builtins
import re
import shutil
import symtable
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PAGES", "READERS", "python_blocks", "unbound", "write_snippets"]

ROOT = Path(__file__).resolve().parents[2]
#: What readers have, by the name of the page's folder.
READERS = ROOT / "tests" / "snippets"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
#: The packages that readers are said to have; their modules are on the page, or the reader's own.
OF_THE_READER = ("chat", "module", "mysite")

BLOCK = re.compile(r"^( *)```py(?:thon)?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# (\w+)\.py\n")
IMPORT = re.compile(r"^from (?:(\w+)\.)?(\w+) import ", re.MULTILINE)


def python_blocks(page: Path) -> list[str]:
    """The blocks of a page, in order; those in lists without their indentation."""
    return [textwrap.dedent(code) for _, code in BLOCK.findall(page.read_text(encoding="utf-8"))]


def write_snippets(folder: Path) -> None:
    """Write the modules of all pages into a folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for page in PAGES:
        if blocks := python_blocks(page):
            path = page.relative_to(ROOT / "docs" if page.is_relative_to(ROOT / "docs") else ROOT)
            name = "_".join(path.with_suffix("").parts).lower().replace("-", "_")
            _Page(folder / name).write(blocks)


class _Page:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, str] = {}  # names of files as shown: as they are now
        self._shown: Counter[str] = Counter()  # and how often
        self._known: dict[str, str] = {}  # names: the statement that imports them

    def write(self, blocks: list[str]) -> None:
        self._folder.mkdir(parents=True)
        (self._folder / "__init__.py").touch()
        reader = READERS / f"{self._folder.name}.py"
        if reader.exists():
            code = reader.read_text(encoding="utf-8")
            (self._folder / "reader.py").write_text(code, encoding="utf-8")
            self._learn("reader", code)
        for number, code in enumerate(blocks, 1):
            name = NAME.match(code)
            module = self._named(name[1]) if name else f"block_{number}"
            needs = [] if name else sorted({self._known[each] for each in self._missing(code)})
            text = "\n".join([*needs, self._with_neighbours(code)])
            (self._folder / f"{module}.py").write_text(text, encoding="utf-8")
            self._learn(module, code)

    def _named(self, name: str) -> str:
        """The module of a file that the page shows for the first time, or again."""
        self._shown[name] += 1
        times = self._shown[name]
        self._files[name] = name if times == 1 else f"{name}_{times}"
        return self._files[name]

    def _with_neighbours(self, code: str) -> str:
        """Imports of what is in a file beside it, or in one that the reader has."""

        def point(match: re.Match[str]) -> str:
            package, name = match.groups()
            if name in self._files and package in (None, *OF_THE_READER):
                return f"from .{self._files[name]} import "
            if (package or name) in OF_THE_READER:
                return "from .reader import "
            return match[0]

        return IMPORT.sub(point, code)

    def _missing(self, code: str) -> set[str]:
        return {name for name in unbound(code) if name in self._known}

    def _learn(self, module: str, code: str) -> None:
        for name, imported in _bound(ast.parse(self._with_neighbours(code))):
            self._known[name] = imported or f"from .{module} import {name}"


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a module has, each with the statement that has imported it, or ""."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                one = (
                    ast.ImportFrom(node.module, [alias], node.level)
                    if isinstance(node, ast.ImportFrom)
                    else ast.Import([alias])
                )
                yield alias.asname or alias.name.partition(".")[0], ast.unparse(one)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, ""
        else:
            for each in ast.walk(node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield each.id, ""


def unbound(code: str) -> set[str]:
    """The names that a module uses and does not have."""
    top = symtable.symtable(code, "block", "exec")
    own = {each.get_name() for each in top.get_symbols() if _is_bound(each)}
    used: set[str] = set()
    tables = [top]
    for table in tables:
        tables += table.get_children()
        for symbol in table.get_symbols():
            at_top = table is top and not _is_bound(symbol)
            if symbol.is_referenced() and (at_top or symbol.is_global()):
                used.add(symbol.get_name())
    return used - own - set(dir(builtins))


def _is_bound(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported()
