"""The how-to about testing shows tests: they are run, as a user's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..support.pages import programs


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
    )


def test_the_tests_in_the_howto_pass(tmp_path: Path) -> None:
    files = programs("howto/testing.md")
    assert {"chat.py", "conftest.py", "test_chat.py"} <= files.keys()
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    ran = run_tests(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    expected = sum(code.count("\ndef test_") for code in files.values())
    assert expected >= 9
    # Over three transports is three tests, of old clients four, over each transport of 0.9 six.
    assert f"{expected - 3 + 3 + 4 + 6} passed" in ran.stdout, ran.stdout


def test_the_first_one_needs_five_lines() -> None:
    body = programs("howto/testing.md")["test_chat.py"].split("\ndef ")[1]
    assert len(body.strip().splitlines()) == 5


def test_the_one_in_the_howto_about_recovery_passes(tmp_path: Path) -> None:
    files = programs("howto/recovery.md")
    assert {"recovery_site.py", "test_recovery_site.py"} == files.keys()
    files["conftest.py"] = programs("howto/testing.md")["conftest.py"]
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    ran = run_tests(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
