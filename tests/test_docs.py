"""The documentation keeps up: settings, refusals and transports stand in their tables."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sockio
from sockio import BaseNamespace
from sockio.config import OPTIONS
from sockio.doctor import CODES
from sockio.namespaces.emitter import Emitter
from sockio.sessions.error_handling import REFUSALS
from sockio.transports import TRANSPORTS

from .support.snippets import PAGES, READERS, python_blocks, unbound, write_snippets

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs"
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
    of a ``RequestRefused``, or in a variable of that name beside one; of a class of its kind
    whichever argument looks like a code."""
    for text, tree in SOURCES:
        for node in ast.walk(tree) if "Refused(" in text else ():
            values: list[ast.expr] = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Refused"):
                values = [each.value for each in node.keywords if each.arg == "code"]
                if getattr(node.func, "id", "") != "RequestRefused":
                    values += node.args
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                values = [node.value]
            for value in values:
                if isinstance(value, ast.Constant) and re.fullmatch(CODE, str(value.value)):
                    yield str(value.value)


def codes_of_lines() -> Iterator[str]:
    """The codes at the end of lines of the log."""
    for _, tree in SOURCES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(rf"\[({CODE})\]\Z", node.value)


#: Words with hyphens. Those of events, which clients are told, have underscores.
CODE = r"[a-z][a-z0-9.]+(?:-[a-z0-9.]+)+"
SOURCES = [
    (text, ast.parse(text))
    for path in sorted(Path(sockio.__file__).parent.rglob("*.py"))
    for text in [path.read_text(encoding="utf-8")]
]


def test_the_codes_are_found() -> None:
    found = set(codes_of_requests())
    assert {"origin-not-allowed", "view-redirected", "shutting-down", "bad-origin"} <= found
    assert {"auth-too-large", "mesh-full", "no-server"} <= set(codes_of_lines())


@pytest.mark.parametrize("code", sorted({*codes_of_lines()}))
def test_every_code_of_a_line_is_in_some_page(code: str) -> None:
    pages = [page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md")]
    assert any(f"`{code}`" in page or f"[{code}]`" in page for page in pages)


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


def test_the_threat_model_names_settings_that_there_are() -> None:
    page = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("## Where to set what")[2]
    named = {word for row in rows(table) for word in re.findall(r"`(\w+)`", row)}
    assert len(named) > 10
    assert named - set(OPTIONS) <= {"recv_connect"}


REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sockio.__all__)
def test_every_name_is_in_the_reference_also_where_nothing_builds_it(name: str) -> None:
    assert any(f"`{name}`" in row.split("|")[1] for row in rows(REFERENCE))


def test_the_reference_names_what_emitters_and_namespaces_have() -> None:
    (words,) = re.findall(r"^What an `of.*?\n\n", REFERENCE, re.MULTILINE | re.DOTALL)
    emitter, _, member = words.partition("A\nnamespace has")
    of_emitters = re.findall(r"`(\w+)(?:\(\w+\))?`", emitter)
    assert [name for name in of_emitters if not hasattr(Emitter, name)] == []
    source = inspect.getsource(BaseNamespace.__init__)
    missing = [
        name
        for name in re.findall(r"`(\w+)`", member)
        if not hasattr(BaseNamespace, name) and f"self.{name}:" not in source.replace(" =", ":")
    ]
    assert missing == []


# ---- the checklists

#: Rows of the ancestors' features by their first letters: each of these has to be in a checklist.
INVENTORY = {
    "GS": [
        *range(1, 28),
        *range(31, 38),
        *range(41, 50),
        *range(51, 67),
        *range(71, 77),
        81,
        82,
        83,
    ],
    "DS": range(1, 22),
    "TD": range(1, 8),
    "DW": range(1, 9),
    "WS": range(1, 9),
}

#: What a checklist says in code: a file of tests, a test or class in it, or one in the same file
#: again. ``unit/sessions/test_acks.py::test_x``, ``::test_y``
NAMED = re.compile(r"`(?:tests/)?((?:\w+/)*(?:test_\w+|contract)\.py)?((?:::\w+)*)`")


def named_tests() -> Iterator[tuple[str, str, str]]:
    """Checklist, file and name of every test that a checklist names; "" for a file as a whole."""
    for page in [*sorted((DOCS / "checklist").glob("*.md")), DOCS / "promises.md"]:
        path = ""
        for match in NAMED.finditer(page.read_text(encoding="utf-8")):
            path = match[1] or path
            if match[0] != "``":
                yield page.name, path, match[2].rpartition("::")[2]


def file_of_tests(path: str) -> Path:
    """The file, given from the folder of tests on, or by a name that only one of them has."""
    if "/" in path:
        return TESTS / path
    (found,) = TESTS.rglob(path)
    return found


def test_the_checklists_are_read() -> None:
    found = set(named_tests())
    assert (
        "gs.md",
        "unit/sessions/test_acks.py",
        "test_d31_ids_count_from_one_per_namespace",
    ) in found
    assert len(found) > 100


def test_every_test_that_a_checklist_names_is_there() -> None:
    missing = []
    for page, path, name in named_tests():
        file = file_of_tests(path)
        text = file.read_text(encoding="utf-8") if file.is_file() else None
        if text is None or (name and not re.search(rf"(def|class) {name}\b", text)):
            missing.append(f"{page}: {path}::{name}")
    assert missing == []


def test_every_row_is_in_a_checklist() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "checklist").glob("*.md")]
    listed = {row.split("|")[1].strip() for page in pages for row in rows(page)}
    wanted = [f"{kind}-{number:02}" for kind, numbers in INVENTORY.items() for number in numbers]
    assert [name for name in wanted if name not in listed] == []


# ---- the way to the pages


def test_the_readme_leads_to_every_page() -> None:
    readme = (TESTS.parent / "README.md").read_text(encoding="utf-8")
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", readme)}
    missing = [link for link in linked if "://" not in link and not (TESTS.parent / link).exists()]
    assert missing == []
    pages = {str(page.relative_to(TESTS.parent)) for page in DOCS.rglob("*.md")}
    # The front page, two that are files beside the README, and what a page of their own leads to.
    others = {"docs/index.md", "docs/contributing.md", "docs/changelog.md"}
    others |= {page for page in pages if page.startswith("docs/checklist/")}
    built = {page for page in pages if page.startswith("docs/_build/")}
    assert sorted(pages - linked - others - built) == []


def test_the_picture_of_the_front_page_is_small() -> None:
    assert (DOCS / "demo.png").stat().st_size < 60_000


# ---- the Python of the pages, whose types the nox session "typing" checks


@pytest.fixture(scope="module")
def snippets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snippets")
    write_snippets(folder)
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=str)
def test_functions_in_snippets_say_their_types(page: Path) -> None:
    without = []
    for code in python_blocks(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.FunctionDef):
                args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                known = all(each.annotation or each.arg == "self" for each in args)
                without += [] if known and node.returns else [node.name]
    assert without == []


def test_what_a_snippet_uses_is_shown_before_it_or_the_readers_own(snippets: Path) -> None:
    modules = sorted(snippets.rglob("*.py"))
    assert len(modules) > 100
    missing = {str(each): unbound(each.read_text(encoding="utf-8")) for each in modules}
    assert {name: names for name, names in missing.items() if names - {"__file__"}} == {}


def test_readers_are_those_of_pages(snippets: Path) -> None:
    assert [each.stem for each in READERS.glob("*.py") if not (snippets / each.stem).is_dir()] == []
