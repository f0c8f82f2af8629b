"""Starts one server on its own core, and stops it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .generator import BenchmarkError

__all__ = ["Running", "children", "running", "server_core_and_generator_core"]

START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Running:
    """A server that listens: its port, and its process with all that it started."""

    port: int
    pids: tuple[int, ...]


def server_core_and_generator_core() -> tuple[int, int]:
    """Two of the cores that we may use; the same one twice on a machine that has no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[1 % len(cores)]


@contextlib.contextmanager
def running(
    command: Sequence[str], core: int, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """The server that ``command`` starts, until the end of the block.

    It has to say ``{"port": N}`` on the first line of its standard output once it listens.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(environ or {})},
            preexec_fn=lambda: _prepare(core),
            start_new_session=True,
        )
        try:
            yield Running(_port(process), (process.pid, *children(process.pid)))
        except BenchmarkError as error:
            errors.seek(0)
            said = errors.read()[-2000:].strip()
            raise BenchmarkError(f"{error}\n{said}" if said else str(error)) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _prepare(core: int) -> None:
    os.sched_setaffinity(0, {core})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.2)[0]:
            line = process.stdout.readline()
            if not line:
                raise BenchmarkError(f"the server ended with {process.wait()} before it listened")
            try:
                return int(json.loads(line)["port"])
            except (ValueError, TypeError, KeyError):
                continue
    raise BenchmarkError(f"the server did not listen within {START_TIMEOUT:g} seconds")


def children(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *children(child)]
    return found
