"""The matrix: which releases are run on which Python, what a run leaves behind, and its page.

``nox -s matrix`` runs a cell for each pair and writes a :class:`Record`, ``nox -s matrix_page``
makes ``docs/matrix.md`` of them. Standard library only: nox imports this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["NEEDS", "REMARKS", "SUBJECTS", "Record", "Release", "Subject", "page", "releases"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Subject:
    """What comes in several releases, and the tests that concern it."""

    name: str
    #: As the package index and pyproject.toml spell it.
    package: str
    #: Globs from the root of the checkout. One that finds nothing is no error, all of them are.
    tests: tuple[str, ...]
    #: Series between the lowest release and the newest.
    between: tuple[str, ...] = ()
    #: Whether the lowest is a series, of which the newest release is taken.
    by_series: bool = False
    #: What else its tests make use of, where it is there.
    beside: tuple[str, ...] = ()
    #: An expression for pytest's ``-k`` where all the tests of these files would take too long, and
    #: what it leaves to the session ``tests``.
    keyword: str = ""
    left_out: str = ""

    def files(self, root: Path = ROOT) -> list[str]:
        """The files of tests there are, relative to ``root``; LookupError if there are none."""
        found = [path for glob in self.tests for path in sorted(root.glob(glob))]
        if not found:
            raise LookupError(f"{self.name}: no tests found by {', '.join(self.tests)}")
        return [path.relative_to(root).as_posix() for path in found]


SUBJECTS = (
    Subject(
        "django",
        "Django",
        ("tests/frameworks/test_django*.py", "tests/unit/integrations/test_django*.py"),
        between=("5.2",),
        by_series=True,
        beside=("Werkzeug",),  # the debugger of its development server
        keyword=(
            "(not test_django_runserver or static_files_and_the_debug_page)"
            " and not gunicorn and not gevent-websocket and not djangos_own_runserver"
            " and not the_end_of_the_server and not messages_are_private"
        ),
        left_out="most of those that start a server of their own",
    ),
    Subject("flask", "Flask", ("tests/frameworks/test_flask*.py",)),
    Subject(
        "pyramid",
        "pyramid",
        ("tests/frameworks/test_pyramid*.py",),
        beside=("pyramid_tm",),  # whose transactions become one per event
    ),
    Subject("bottle", "bottle", ("tests/frameworks/test_bottle*.py",)),
    Subject(
        "gevent",
        "gevent",
        (
            "tests/frameworks/test_bare_wsgi.py",
            "tests/e2e/test_conversation.py",
            "tests/e2e/test_endings.py",
            "tests/e2e/test_switching.py",
            "tests/websocket/test_gevent_websocket.py",
            "tests/websocket/test_plain_pywsgi.py",
            "tests/wsgi/test_real_server.py",
        ),
    ),
)


@dataclass(frozen=True)
class Release:
    """One release of a subject: a row of the table."""

    subject: Subject
    #: A version, or "newest".
    label: str
    #: What pip installs it by.
    requirement: str

    @property
    def id(self) -> str:
        return f"{self.subject.name}-{self.label}"

    @property
    def title(self) -> str:
        return f"{self.subject.package} {self.label}"

    def impossible(self, python: str) -> str | None:
        """Why there is no such cell on that Python ("3.10"), or None."""
        oldest, reason = NEEDS.get(self.id, (python, ""))
        return reason if _version(python) < _version(oldest) else None


#: The oldest Python that a release takes, and what to say where it is older.
NEEDS = {
    "django-newest": (
        "3.12",
        "Django 6.0 and later need Python 3.12. The newest that older ones take is 5.2, which has"
        " a row of its own.",
    ),
}

#: Cells that are run although the release does not promise that Python: what it does promise.
REMARKS = {
    ("django-4.2", "3.13"): "Django 4.2 promises Python 3.8 to 3.12.",
}

#: What the page shows of all that was installed with the releases.
SHOWN = (
    "python",
    "gevent",
    "greenlet",
    "gevent-websocket",
    "WebOb",
    "legacy-cgi",
    "websockets",
    "pytest",
    "node",
)


def releases(requirements: Iterable[str]) -> list[Release]:
    """All releases, the lowest of each subject from its lower bound in these requirements.

    KeyError where a subject has none.
    """
    matches = (re.match(r"([\w-]+)>=([\d.]+)$", requirement) for requirement in requirements)
    bounds = {match[1]: match[2] for match in matches if match}
    return [release for subject in SUBJECTS for release in _of(subject, bounds[subject.package])]


def _of(subject: Subject, lowest: str) -> Iterable[Release]:
    series = [lowest, *subject.between] if subject.by_series else []
    if not series:
        yield Release(subject, lowest, f"{subject.package}=={lowest}")
    for label in series:
        yield Release(subject, label, f"{subject.package}=={label}.*")
    yield Release(subject, "newest", subject.package)


@dataclass
class Record:
    """What running one cell came to."""

    #: "3.13", and the release's id.
    python: str
    release: str
    #: Full versions: "python", "node", and packages as the index spells them.
    versions: dict[str, str] = field(default_factory=dict)
    #: Of the last change of the package that was tested.
    commit: str = ""
    passed: int = 0
    skipped: int = 0
    #: Why it is no success; empty if it is one.
    trouble: str = "it was never finished"

    @property
    def ok(self) -> bool:
        return not self.trouble and self.passed > 0

    def version(self, name: str) -> str:
        """The full version of what was there, by its name in any case; empty if it was not."""
        found = {key.lower(): version for key, version in self.versions.items()}
        return found.get(name.lower(), "")

    @staticmethod
    def path(folder: Path, python: str, release: str) -> Path:
        return folder / f"{python}-{release}.json"

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        self.path(folder, self.python, self.release).write_text(f"{text}\n", "utf-8")

    @classmethod
    def read(cls, folder: Path, python: str, release: str) -> Record | None:
        """The record of a cell; None if it was not run."""
        try:
            return cls(**json.loads(cls.path(folder, python, release).read_text("utf-8")))
        except FileNotFoundError:
            return None

    def count(self, junit: Path) -> None:
        """Take the numbers and the trouble from the report that pytest wrote as JUnit XML."""
        if not junit.is_file():
            self.trouble = "the tests did not start"
            return
        suites = list(ElementTree.parse(junit).iter("testsuite"))

        def total(what: str) -> int:
            return sum(int(suite.get(what, "0")) for suite in suites)

        failed = total("failures") + total("errors")
        self.skipped = total("skipped")
        self.passed = total("tests") - failed - self.skipped
        if failed:
            self.trouble = f"{failed} of {total('tests')} tests failed"
        else:
            self.trouble = "" if self.passed else "no test ran"


# ---- The page


def page(rows: Sequence[Release], pythons: Sequence[str], folder: Path) -> str:
    """``docs/matrix.md``, from the records in ``folder``.

    LookupError, with the commands that help, if a cell that can be run was not.
    """
    cells = {
        (release.id, python): Record.read(folder, python, release.id)
        for release in rows
        for python in pythons
        if not release.impossible(python)
    }
    if missing := [f"'matrix-{py}({rel})'" for (rel, py), record in cells.items() if not record]:
        raise LookupError(f"not run yet, run: nox -s {' '.join(missing)}")
    ran = {cell: record for cell, record in cells.items() if record}
    notes: dict[str, str] = {}
    lines = [
        _TOP.format(commits=" and ".join(sorted({f"`{record.commit}`" for record in ran.values()})))
    ]
    lines += _row("", *(f"Python {python}" for python in pythons))
    lines += _row("---", *(":-:" for _ in pythons))
    for release in rows:
        shown = [_mark(release, python, ran, notes) for python in pythons]
        lines += _row(release.title, *shown)
    lines += ["", *(f"[^{name}]: {text}" for name, text in notes.items()), ""]
    lines += [_TESTS]
    for subject in dict.fromkeys(release.subject for release in rows):
        records = [ran[cell] for cell in ran if cell[0].startswith(f"{subject.name}-")]
        globs = ", ".join(f"`{glob}`" for glob in subject.tests)
        if subject.left_out:
            globs += f", without {subject.left_out}"
        passed = _range(record.passed for record in records)
        lines += _row(subject.package, globs, passed, _range(record.skipped for record in records))
    lines += ["", *_beside(rows, pythons, ran)]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> list[str]:
    return [f"| {' | '.join(cells)} |"]


def _mark(
    release: Release,
    python: str,
    ran: Mapping[tuple[str, str], Record],
    notes: dict[str, str],
) -> str:
    """What stands in a cell of the table. Its footnote, if it needs one, goes to ``notes``."""
    if reason := release.impossible(python):
        notes.setdefault(release.id, reason)
        return f"–[^{release.id}]"
    record = ran[release.id, python]
    version = record.version(release.subject.package)
    sign, remark = "✓", REMARKS.get((release.id, python), "")
    if not record.ok:
        sign, remark = "✗", f"{record.trouble}. {remark}".strip()
    if not remark:
        return f"{sign} {version}"
    name = f"{release.id}-on-{python}".replace(".", "-")
    notes[name] = remark
    return f"{sign} {version}[^{name}]"


def _range(numbers: Iterable[int]) -> str:
    few = sorted(set(numbers))
    return str(few[0]) if len(few) == 1 else f"{few[0]} to {few[-1]}"


def _beside(
    rows: Sequence[Release], pythons: Sequence[str], ran: Mapping[tuple[str, str], Record]
) -> Iterable[str]:
    """The table of what was there besides the releases of the rows."""
    yield _BESIDE
    yield from _row("", *(f"Python {python}" for python in pythons))
    yield from _row("---", *("---" for _ in pythons))
    for name in SHOWN:
        shown = []
        for python in pythons:
            versions = {
                record.version(name)
                for (release, at), record in ran.items()
                if at == python and not release.startswith(f"{name.lower()}-")
            }
            shown.append(", ".join(sorted(versions - {""})) or "–")
        yield from _row(name, *shown)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


_TOP = """\
# Pythons and frameworks

% Written by `nox -s matrix_page` from the records of `nox -s matrix`: change these, not this page.

Each cell was run: the built wheel, that one release and the newest of everything else, in a new
environment, with the tests that concern it, real servers and the real JavaScript client. The sockio
in it is that of commit {commits}.

✓ all tests passed, in that exact version; ✗ some failed; – there is no such combination.
"""

_TESTS = """\
To run them all and write this page again, or to run one of them (`nox --list` has the names):

```sh
nox -s matrix matrix_page
nox -s 'matrix-3.10(flask-newest)'
```

Pythons that the machine lacks are skipped; the page is written when every cell has been run.
`nox -s tests minimums` runs the whole suite, with the newest of everything and with the lowest.

## What was run

| | tests | passed | skipped |
|---|---|---|---|"""

_BESIDE = """\
## What else was installed
"""
