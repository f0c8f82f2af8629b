"""The matrix of releases: its cells, what is kept of their runs, and the page made of that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tomli

from ..support.releases import NEEDS, REMARKS, SUBJECTS, Record, Release, Subject, page, releases

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))

ROWS = releases([*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["test"]])
BOTTLE = Subject("bottle", "bottle", ("tests/frameworks/test_bottle*.py",))
DJANGO = Subject(
    "django", "Django", ("tests/*.py",), between=("5.2",), by_series=True, left_out="slow ones"
)
FEW = [
    Release(DJANGO, "5.2", "Django==5.2.*"),
    Release(DJANGO, "newest", "Django"),
    Release(BOTTLE, "0.13", "bottle==0.13"),
]


def success(at: str, release: str, /, **versions: str) -> Record:
    return Record(at, release, versions, commit="abc1234", passed=7, trouble="")


def ran(folder: Path, *records: Record) -> Path:
    for record in records:
        record.write(folder)
    return folder


# ---- The cells


def test_the_lowest_release_is_the_lower_bound_and_the_newest_has_none() -> None:
    rows = releases(
        ["bottle>=0.13", "Django>=4.2", "Flask>=3.0", "gevent>=24.11.1", "pyramid>=2.1", "pytest"]
    )
    assert {row.id: row.requirement for row in rows} == {
        "django-4.2": "Django==4.2.*",
        "django-5.2": "Django==5.2.*",
        "django-newest": "Django",
        "flask-3.0": "Flask==3.0",
        "flask-newest": "Flask",
        "pyramid-2.1": "pyramid==2.1",
        "pyramid-newest": "pyramid",
        "bottle-0.13": "bottle==0.13",
        "bottle-newest": "bottle",
        "gevent-24.11.1": "gevent==24.11.1",
        "gevent-newest": "gevent",
    }


def test_a_subject_without_a_lower_bound_is_an_error() -> None:
    with pytest.raises(KeyError, match="Django"):
        releases(["Flask>=3.0"])


@pytest.mark.parametrize("row", [*NEEDS, *(release for release, _ in REMARKS)])
def test_what_is_said_of_a_release_is_said_of_one_there_is(row: str) -> None:
    assert row in {release.id for release in ROWS}


def test_a_combination_that_cannot_exist_says_why() -> None:
    newest = FEW[1]
    assert "need Python 3.12" in (newest.impossible("3.9") or "")
    assert "need Python 3.12" in (newest.impossible("3.11") or "")
    assert newest.impossible("3.12") is None
    assert FEW[0].impossible("3.10") is None


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_each_subject_has_tests(subject: Subject) -> None:
    files = subject.files()
    assert len(files) >= len([name for name in subject.tests if "*" not in name])
    assert all((ROOT / name).is_file() for name in files)


def test_tests_that_come_later_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "frameworks"
    folder.mkdir(parents=True)
    with pytest.raises(LookupError, match="bottle: no tests"):
        BOTTLE.files(tmp_path)
    for name in ("test_bottle_more.py", "test_bottle.py", "test_flask.py"):
        (folder / name).touch()
    assert BOTTLE.files(tmp_path) == [
        "tests/frameworks/test_bottle.py",
        "tests/frameworks/test_bottle_more.py",
    ]


# ---- The records


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = success("3.12", "flask-3.0", Flask="3.0.0")
    record.write(tmp_path / "new")
    assert Record.read(tmp_path / "new", "3.12", "flask-3.0") == record
    assert Record.read(tmp_path / "new", "3.13", "flask-3.0") is None


def test_a_run_that_was_cut_short_is_no_success() -> None:
    assert not Record("3.12", "flask-3.0").ok


REPORTS = [
    pytest.param((7, 0, 0, 0), (7, 0, ""), id="all passed"),
    pytest.param((7, 0, 0, 2), (5, 2, ""), id="some skipped"),
    pytest.param((7, 1, 1, 2), (3, 2, "2 of 7 tests failed"), id="a failure and an error"),
    pytest.param((2, 0, 0, 2), (0, 2, "no test ran"), id="all skipped"),
    pytest.param((0, 0, 0, 0), (0, 0, "no test ran"), id="nothing there"),
]


@pytest.mark.parametrize(("report", "counted"), REPORTS)
def test_pytests_report_decides(
    tmp_path: Path, report: tuple[int, ...], counted: tuple[int, int, str]
) -> None:
    numbers = zip(("tests", "failures", "errors", "skipped"), report, strict=True)
    attributes = " ".join(f'{name}="{number}"' for name, number in numbers)
    junit = tmp_path / "junit.xml"
    junit.write_text(f"<testsuites><testsuite {attributes} /></testsuites>")
    record = Record("3.12", "flask-3.0")
    record.count(junit)
    assert (record.passed, record.skipped, record.trouble) == counted
    assert record.ok == (not counted[2])


def test_without_a_report_the_tests_did_not_start(tmp_path: Path) -> None:
    record = Record("3.12", "flask-3.0")
    record.count(tmp_path / "junit.xml")
    assert (record.ok, record.trouble) == (False, "the tests did not start")


# ---- The page


def test_every_cell_stands_for_its_run(tmp_path: Path) -> None:
    folder = ran(
        tmp_path,
        success("3.11", "django-5.2", django="5.2.19"),
        success("3.13", "django-5.2", django="5.2.19"),
        success("3.13", "django-newest", Django="6.1.3"),
        success("3.11", "bottle-0.13", bottle="0.13.0"),
        Record("3.13", "bottle-0.13", {"bottle": "0.13.0"}, "abc1234", 5, 0, "2 of 7 tests failed"),
    )
    text = page(FEW, ["3.11", "3.13"], folder)
    lines = text.splitlines()
    assert "|  | Python 3.11 | Python 3.13 |" in lines
    assert "| Django 5.2 | ✓ 5.2.19 | ✓ 5.2.19 |" in lines
    assert "| Django newest | –[^django-newest] | ✓ 6.1.3 |" in lines
    assert "| bottle 0.13 | ✓ 0.13.0 | ✗ 0.13.0[^bottle-0-13-on-3-13] |" in lines
    assert f"[^django-newest]: {NEEDS['django-newest'][1]}" in lines
    assert "[^bottle-0-13-on-3-13]: 2 of 7 tests failed." in lines
    assert "| bottle | `tests/frameworks/test_bottle*.py` | 5 to 7 | 0 |" in lines
    assert "| Django | `tests/*.py`, without slow ones | 7 | 0 |" in lines
    assert "`abc1234`" in text


def test_what_was_installed_beside_is_told_without_the_releases_themselves(tmp_path: Path) -> None:
    gevent = Subject("gevent", "gevent", ("tests/e2e/*.py",))
    folder = ran(
        tmp_path,
        success("3.13", "gevent-24.11.1", gevent="24.11.1", python="3.13.0", WebOb="1.8.9"),
        success("3.13", "bottle-0.13", gevent="26.9.0", python="3.13.0", WebOb="1.8.11"),
    )
    rows = [FEW[2], Release(gevent, "24.11.1", "gevent==24.11.1")]
    lines = page(rows, ["3.13"], folder).splitlines()
    assert "| gevent 24.11.1 | ✓ 24.11.1 |" in lines
    assert "| gevent | 26.9.0 |" in lines
    assert "| python | 3.13.0 |" in lines
    assert "| WebOb | 1.8.11, 1.8.9 |" in lines
    assert "| node | – |" in lines


def test_a_remark_stands_beside_a_success(tmp_path: Path) -> None:
    rows = [Release(DJANGO, "4.2", "Django==4.2.*")]
    text = page(rows, ["3.13"], ran(tmp_path, success("3.13", "django-4.2", Django="4.2.27")))
    assert "| Django 4.2 | ✓ 4.2.27[^django-4-2-on-3-13] |" in text
    assert f"[^django-4-2-on-3-13]: {REMARKS['django-4.2', '3.13']}" in text


def test_a_cell_that_was_not_run_is_asked_for(tmp_path: Path) -> None:
    folder = ran(tmp_path, success("3.11", "bottle-0.13"))
    with pytest.raises(LookupError, match=r"nox -s 'matrix-3\.13\(bottle-0\.13\)'$"):
        page([FEW[2]], ["3.11", "3.13"], folder)


@pytest.mark.parametrize("release", ROWS, ids=lambda release: release.id)
def test_in_the_docs_every_release_was_run_on_every_python(release: Release) -> None:
    classifiers = "\n".join(PYPROJECT["project"]["classifiers"])
    pythons = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", classifiers, re.MULTILINE)
    lines = (ROOT / "docs" / "matrix.md").read_text("utf-8").splitlines()
    assert f"|  | {' | '.join(f'Python {python}' for python in pythons)} |" in lines
    (row,) = (line for line in lines if line.startswith(f"| {release.title} |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")[1:]]
    assert [cell[0] for cell in cells] == ["–" if release.impossible(at) else "✓" for at in pythons]
