"""Looking at an application without becoming part of it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ..config.loading import NoSuchApplication, hidden_by, split_name
from .findings import Finding

__all__ = ["examine"]

#: Seconds in which an application has to be imported and looked at.
PATIENCE = 60.0


def examine(target: str, folder: str | None = None) -> tuple[list[Finding], str]:
    """What there is to say about the application ``module:attribute`` in ``folder`` (the current
    one by default), and what the application printed meanwhile.

    The module is imported and one handshake is made, by a client without a login, on a server on
    loopback. Blocks for up to a minute.
    """
    try:
        split_name(target)
    except NoSuchApplication as error:
        fix = "name the WSGI application: MODULE:APP, for example chat:app"
        return [Finding("import-failed", "problem", str(error), fix)], ""
    hiding = hidden_by(folder or os.getcwd())
    if hiding:
        text = f"{hiding} hides the package sockio from whatever is beside it"
        return [Finding("import-failed", "problem", text, "give that file another name")], ""
    probe = Path(__file__).with_name("probe.py")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "findings.json"
        try:
            ran = subprocess.run(
                [sys.executable, str(probe), target, str(out)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        except subprocess.TimeoutExpired as expired:
            finding = Finding(
                "import-failed",
                "problem",
                f"importing {target} and trying it took more than {PATIENCE:g} s: the import "
                "does not end, or the view of the handshake",
                "serve in a function that is only called where the module is the program: "
                "if __name__ == '__main__': serve(...); see what it printed: sockio doctor "
                "--verbose",
            )
            return [finding], (expired.output or b"").decode(errors="replace")
        printed = ran.stdout.decode(errors="replace")
        try:
            rows = json.loads(out.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            last = printed.strip().splitlines()[-1:] or [f"status {ran.returncode}"]
            finding = Finding(
                "import-failed",
                "problem",
                f"the process that looked at {target} ended early: {last[0]}",
                "see what it printed: sockio doctor --verbose",
            )
            return [finding], printed
    return [Finding(**row) for row in rows], printed
