"""Examples as their readers start them: a command, in a folder, in a process of its own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..support.processes import Process
from ..support.transcript import PATIENCE

__all__ = ["EXAMPLES", "Program", "command_of", "running"]

EXAMPLES = Path(__file__).parents[2] / "examples"


def command_of(example: str, beginning: str) -> list[str]:
    """The line of an example's README that begins so, as arguments for this very Python."""
    lines = (EXAMPLES / example / "README.md").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(beginning))
    python, *arguments = line.split()
    assert python == "python"
    return [sys.executable, *arguments]


class Program(Process):
    """A running example, or a site of its framework."""

    patience = None

    def terminate(self) -> None:
        """Ask it to end, and do not wait for that."""
        self.send(signal.SIGTERM)

    def tells(self, pattern: str, patience: float = PATIENCE) -> str:
        """The first group of a pattern in what it said, or says yet."""
        return str(self.find(pattern, patience)[1])


@contextmanager
def running(
    command: list[str], folder: Path, *, new_session: bool = False, **environ: str
) -> Iterator[Program]:
    """Start a program; it is killed at the end of the block."""
    program = Program(command, folder, new_session=new_session, **environ)
    try:
        yield program
    finally:
        program.kill()
