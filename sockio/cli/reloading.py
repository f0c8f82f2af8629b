"""``sockio serve --reload``: a server in a process of its own, restarted when a source changes."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Collection, Sequence
from typing import Any

from .problem import Problem

__all__ = ["serve_and_reload"]


def serve_and_reload(argv: Sequence[str]) -> int:
    """Run the same command without ``--reload`` as a child, again whenever a Python file changes.

    In a process of its own, so that the watching threads and gevent never meet.
    """
    try:
        from watchfiles import PythonFilter, run_process
    except ModuleNotFoundError as error:
        raise Problem("--reload needs watchfiles: pip install watchfiles") from error
    rest = ["--reloaded" if word == "--reload" else word for word in argv]
    command = shlex.join([sys.executable, "-m", "sockio.cli", *rest])
    run_process(
        os.getcwd(),
        target=command,
        target_type="command",
        watch_filter=PythonFilter(),
        callback=_say_what_changed,
    )
    return 0


def _say_what_changed(changes: Collection[tuple[Any, str]]) -> None:
    files = sorted({os.path.relpath(path) for _, path in changes})
    shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    print(f"sockio: {shown} changed, restarting", file=sys.stderr, flush=True)
