"""How this program was started, to start others like it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["folder_again", "started_by"]


def started_by(argv: Sequence[str]) -> list[str]:
    """The words before ``argv`` in the command line of this process: Python, its options, and the
    program. ``python -m sockio.cli`` where somebody called it with words of his own."""
    words = sys.orig_argv
    count = len(words) - len(argv)
    if count > 1 and words[count:] == [*argv]:
        return [sys.executable, *words[1:count]]
    return [sys.executable, "-m", "sockio.cli"]


def folder_again() -> str | None:
    """The directory that this process was started in, by the name that it had: where that is a
    symbolic link to the current release, it leads to the next one later. None where it is not
    known."""
    name = os.environ.get("PWD", "")
    try:
        return name if name and os.path.samefile(name, ".") else None
    except OSError:
        return None
