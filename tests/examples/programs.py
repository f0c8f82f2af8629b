"""Examples as their readers start them: a command, in a folder, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest

from ..support.transcript import PATIENCE, Transcript

__all__ = ["EXAMPLES", "Program", "command_of", "need", "running"]

EXAMPLES = Path(__file__).parents[2] / "examples"


def need(*modules: str, requirement: str) -> None:
    """Skip the test where a module is missing. CI has to have them all: there the test fails."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return
    why = f"needs {', '.join(missing)}: pip install {requirement!r}"
    if os.environ.get("CI"):
        pytest.fail(f"{why} (CI is set: it may not be skipped)")
    pytest.skip(why)


def command_of(example: str, beginning: str) -> list[str]:
    """The line of an example's README that begins so, as arguments for this very Python."""
    lines = (EXAMPLES / example / "README.md").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(beginning))
    python, *arguments = line.split()
    assert python == "python"
    return [sys.executable, *arguments]


class Program:
    """A running program and everything that it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said = Transcript(" ".join(process.args))  # type: ignore[arg-type]
        self._listener = gevent.spawn(self._listen)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.add("said", line.rstrip())
        self._said.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(line for (line,) in self._said.all("said"))

    def find(self, pattern: str, patience: float = PATIENCE) -> str:
        """The first group of a pattern in what it said, or says yet."""

        def look() -> str | None:
            found = re.search(pattern, self.output)
            return found[1] if found else None

        return self._said.wait(look, pattern, patience)

    def stop(self) -> int:
        """End it as a service manager would; its exit status."""
        self.terminate()
        return self.wait()

    def terminate(self) -> None:
        """Ask it to end, and do not wait for that."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status, when it has ended by itself."""
        status = self._process.wait()
        self._listener.join()
        return status


@contextmanager
def running(
    command: list[str], folder: Path, *, new_session: bool = False, **environ: str
) -> Iterator[Program]:
    """Start a program with the sockio that this process imports, wheel or checkout."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={
            **{name: text for name, text in os.environ.items() if name != "SOCKIO_CLIENT_JS"},
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONUNBUFFERED": "1",
            **environ,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=new_session,
    ) as process:
        program = Program(process)
        try:
            yield program
        finally:
            process.kill()
            program._listener.join()
