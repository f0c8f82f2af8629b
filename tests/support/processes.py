"""Servers in processes of their own: started by a command, listened to, ended by a signal."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import gevent
import pytest

from .transcript import PATIENCE, Transcript

__all__ = ["STARTS", "Process", "free_port", "need_module", "need_program", "running"]

#: Seconds that a program with a framework may take to start, on a machine that has much to do.
STARTS = 4 * PATIENCE


def free_port() -> int:
    """A port that nobody listens on, for servers that cannot choose one themselves."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI is set: it may not be skipped)")
    pytest.skip(what)


def need_program(name: str) -> str:
    """The path of a program; skips where it is missing. CI has to have it: there the test fails."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        _missing(f"needs {name} on PATH")
        raise AssertionError
    return path


def need_module(*names: str, requirement: str) -> None:
    """Skip where a module is missing. CI has to have it: there the test fails."""
    if any(importlib.util.find_spec(name) is None for name in names):
        _missing(f"needs {', '.join(names)}: pip install {requirement!r}")


def need_distribution(name: str) -> None:
    """Skip where a checkout was installed by another name. CI has to have it: there it fails."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        _missing(f"needs the checkout installed as {name}: pip install --no-deps -e .")


class Process:
    """A running program, and everything that it has said."""

    #: Seconds that it gets to end when it was told to; None for as many as it takes.
    patience: float | None = 2 * PATIENCE

    def __init__(
        self, command: Sequence[str], folder: Path, *, new_session: bool = False, **environ: str
    ) -> None:
        # Set by `nox -s demo` and the like, and not meant for what tests start.
        inherited = {name: text for name, text in os.environ.items() if name != "SOCKIO_CLIENT_JS"}
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            # The same sockio that this process imports: the installed wheel, or the checkout.
            env={
                **inherited,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONUNBUFFERED": "1",
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=new_session,
        )
        self.said = Transcript(" ".join(command))
        self._listener = gevent.spawn(self._listen)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.add("line", line.rstrip())
        self.said.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(str(line) for (line,) in self.said.all("line"))

    def find(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """The first match of a pattern in what it has said, or says yet."""
        return self.said.wait(lambda: re.search(pattern, self.output), pattern, patience)

    def says(self, line: str) -> None:
        """Wait for a line, once for each time that it is said."""
        self.said.next("line", line)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, wait, and give its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit status of a program that ends by itself."""
        status = self._process.wait(self.patience)
        self._listener.join()
        return status

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def running(command: Sequence[str], folder: Path, **environ: str) -> Iterator[Process]:
    """A program that is asked to end, and then made to, at the end of the block."""
    process = Process(command, folder, new_session=False, **environ)
    try:
        try:
            yield process
        finally:
            # Where the block has failed, too: its own children end with it, and leave its pipe.
            process.stop()
    finally:
        process.kill()
