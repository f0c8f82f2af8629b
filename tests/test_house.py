"""The house itself: what the package on the shelf promises, and what is really in it."""

from __future__ import annotations

import json
import os
import re
import stat
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import tomli

import sockio
from sockio.doctor.installed import our_distribution

ROOT = Path(__file__).parents[1]
OURSELVES = Path(__file__)
PACKAGE = Path(sockio.__file__).parent
PYPROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]

# nox sets it where it has installed the built wheel.
from_the_wheel = pytest.mark.skipif(
    "SOCKIO_EXPECT_INSTALLED" not in os.environ, reason="concerns the built wheel: use nox"
)


@from_the_wheel
def test_the_installed_wheel_is_what_is_tested() -> None:
    assert not PACKAGE.is_relative_to(ROOT) or ".nox" in PACKAGE.relative_to(ROOT).parts
    assert PACKAGE.parent.name == "site-packages"


@from_the_wheel
def test_the_wheel_has_the_modules_of_the_source_tree_and_the_demo() -> None:
    def files(folder: Path) -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix() for path in found if path.suffix != ".pyc"}

    demo = files(ROOT / "examples" / "flask_chat")
    shipped = {f"_demo/flask_chat/{name}" for name in demo if not downloaded(name)}
    assert files(PACKAGE) == files(ROOT / "sockio") | shipped


@from_the_wheel
def test_no_downloaded_javascript_is_in_the_wheel() -> None:
    names = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*")]
    assert [name for name in names if downloaded(name)] == []


def downloaded(name: str) -> bool:
    """Whether a path is where JavaScript of others is put, which the wheel does not ship."""
    return "node_modules/" in name or "static/vendor/" in name


def test_the_package_says_its_version_once() -> None:
    ours = our_distribution()
    assert ours is not None
    assert ours.version == sockio.__version__


@from_the_wheel
def test_the_distribution_has_the_name_that_is_ours() -> None:
    """On PyPI "sockio" is another project."""
    assert PROJECT["name"] == "sockio-wsgi"
    ours = our_distribution()
    assert ours is not None
    assert ours.metadata["Name"] == PROJECT["name"]


def test_nothing_tells_anybody_to_install_the_other_project() -> None:
    """Neither as a requirement of pip's nor as an egg of PasteDeploy's."""
    wrong = re.compile(r"""(pip install |requirement=)['"]?sockio(\[|['"\s`])|egg:sockio\b(?!-)""")
    suffixes = {".md", ".py", ".ini", ".toml", ".txt", ".rst", ".cfg"}
    folders = [ROOT / name for name in ("benchmarks", "docs", "examples", "sockio", "tests")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes]
    files += [path for path in ROOT.iterdir() if path.suffix in suffixes]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if "node_modules" not in path.parts and "_build" not in path.parts and path != OURSELVES
        for match in wrong.finditer(path.read_text("utf-8"))
    ]
    assert found == []


def test_the_changelog_knows_the_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert any(sockio.__version__ in heading for heading in headings)


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_command_line_starts_where_the_metadata_says() -> None:
    ours = our_distribution()
    assert ours is not None
    (command,) = ours.entry_points.select(group="console_scripts", name="sockio")
    assert callable(command.load())


@pytest.mark.parametrize(
    "requirement", [*chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())]
)
def test_a_dependency_has_a_lower_bound_and_no_upper_one(requirement: str) -> None:
    assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement)


def test_the_oldest_python_of_the_classifiers_is_the_required_one() -> None:
    prefix = "Programming Language :: Python :: "
    pythons = [line[len(prefix) :] for line in PROJECT["classifiers"] if line.startswith(prefix)]
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    assert pythons == sorted(pythons, key=lambda python: int(python.partition(".")[2]))


def test_the_javascript_clients_are_pinned_and_the_package_private() -> None:
    package = json.loads((ROOT / "tests" / "js" / "package.json").read_text("utf-8"))
    assert package["private"] is True
    dependencies = package["dependencies"]
    assert dependencies.pop("socket.io-client") == "0.9.17"
    for name, wanted in dependencies.items():
        # The version of a client is part of its name; what they need besides is there once.
        version = name.removeprefix("socket.io-client-") if "client" in name else wanted
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        if version != wanted:
            assert wanted == f"npm:socket.io-client@{version}"


@pytest.mark.parametrize("session", ["demo", "tests e2e"])
def test_the_readme_starts_in_one_line(session: str) -> None:
    command = (
        f"python3 -m venv .venv && .venv/bin/pip install --quiet nox && .venv/bin/nox -s {session}"
    )
    assert command in (ROOT / "README.md").read_text("utf-8").splitlines()


def test_ci_is_a_script_that_anybody_can_run() -> None:
    mode = (ROOT / ".ci" / "run").stat().st_mode
    assert mode & stat.S_IXUSR
