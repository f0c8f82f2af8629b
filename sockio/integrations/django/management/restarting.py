"""A process of its own for the server: patched by gevent from its first line on, and started again
when the code has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from django.apps import apps
from django.utils import autoreload

__all__ = ["REFUSED", "child_command", "is_child", "replace_process", "run_and_restart"]

#: The status with which Django's reloader asks for a new process.
RELOAD = 3
#: The status of a server that could not start for a reason that no change of code would mend.
REFUSED = 4
#: Seconds a child gets to say goodbye to its clients.
PATIENCE = 10.0

_MARK = "SOCKIO_RUNSERVER"


def is_child() -> bool:
    """Whether this process was started by one of the functions here."""
    return os.environ.get(_MARK) == "child"


def child_command() -> list[str]:
    """The command line of this process, with the patching in front."""
    options = [f"-W{option}" for option in sys.warnoptions]
    options += [
        f"-X{name}" if value is True else f"-X{name}={value}"
        for name, value in sys._xoptions.items()
    ]
    # "python -m django", or a package of the project's own.
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None:
        name = spec.parent if spec.name.rpartition(".")[2] == "__main__" else spec.name
        what = ["-m", name or spec.name]
    else:
        what = [sys.argv[0]]
    patched = str(Path(__file__).with_name("patched.py"))
    return [sys.executable, *options, patched, *what, *sys.argv[1:]]


def replace_process() -> None:
    """Become the patched process: same id, same terminal. Does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ[_MARK] = "child"
    command = child_command()
    os.execv(command[0], command)


def run_and_restart() -> int:
    """Run the patched process, again whenever it ends because of a change; its last status."""
    environ = {**os.environ, _MARK: "child", autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    command = child_command()
    while True:
        status = _run(command, environ)
        if status == 1:
            # A traceback, shown already: somebody is in the middle of writing.
            _wait_for_a_change()
        elif status != RELOAD:
            return status


def _run(command: list[str], environ: dict[str, str]) -> int:
    child = subprocess.Popen(command, env=environ, close_fds=False)

    def end(number: int, frame: FrameType | None) -> None:
        child.terminate()

    before = signal.signal(signal.SIGTERM, end)
    try:
        return child.wait()
    except KeyboardInterrupt:
        # The terminal told the child as well.
        return _last_words(child)
    finally:
        signal.signal(signal.SIGTERM, before)


def _last_words(child: subprocess.Popen[bytes]) -> int:
    for end in (child.terminate, child.kill):
        try:
            child.wait(PATIENCE / 2)
            break
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            end()
    child.wait()
    return 0


def _wait_for_a_change() -> None:
    """Until a module of the project is changed, or a new one is written."""
    reloader = autoreload.StatReloader()
    for app in apps.get_app_configs():
        if "site-packages" not in app.path:
            reloader.watch_dir(app.path, "**/*.py")
    before = dict(reloader.snapshot_files())
    sys.stderr.write("Waiting for a change of the code...\n")
    while dict(reloader.snapshot_files()) == before:
        time.sleep(reloader.SLEEP_TIME)
