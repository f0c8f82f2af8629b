"""Starts one server on its own core, and stops it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .generator import BenchmarkError

__all__ = ["Running", "cores", "die_in_time", "prepare", "running"]

START_TIMEOUT = 30.0
#: Before whatever else runs here, where the system lets us.
NICE = -20
#: Seconds after which a process that was started for one run is ended by the system.
LIFE = 600

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Running:
    """A server that listens: its port, its process with all that it started, its versions."""

    port: int
    pids: tuple[int, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def cpu(self) -> float:
        """Seconds of processor time used so far; in steps of 10 ms."""
        ticks = 0
        for pid in self.pids:
            # The name, in parentheses, may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Resident bytes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return pages * os.sysconf("SC_PAGE_SIZE")


def cores() -> tuple[int, int]:
    """The server's core and the generator's: the same one on a machine with only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def die_in_time(parent: int, seconds: int = LIFE) -> None:
    """Have this process killed when ``parent``, who started it, has ended, and after ``seconds``.

    To be called in a new process, before its program, which is bound by both. What floods without
    end would else go on when whoever measures it was killed.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.alarm(seconds)
    if os.getppid() != parent:
        os._exit(1)


def prepare(core: int, parent: int, seconds: int = LIFE) -> None:
    """Give this process its core, all the open files it may have, and priority if allowed; and an
    end, as :func:`die_in_time` does.

    To be called in a new process, before its program: it becomes the leader of a session.
    """
    # Here, and not by subprocess's start_new_session: where gevent has patched that, it comes after
    # this function, and the priority would be given to the session of whoever started us.
    die_in_time(parent, seconds)
    os.setsid()
    os.sched_setaffinity(0, {core})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        # Linux shares the time out between sessions first (sched(7), "autogroup"): a process's own
        # priority only counts within its session.
        Path("/proc/self/autogroup").write_text(str(NICE))


@contextlib.contextmanager
def running(command: Sequence[str], core: int) -> Iterator[Running]:
    """The server that ``command`` starts, until the end of the block.

    It has to print ``{"port": N, "versions": {...}}`` once it listens.
    """
    me = os.getpid()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: prepare(core, me),
        )
        try:
            yield _started(process)
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


def _started(process: subprocess.Popen[str]) -> Running:
    assert process.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if not select.select([process.stdout], [], [], 0.2)[0]:
            continue
        line = process.stdout.readline()
        if not line:
            raise BenchmarkError(f"the server ended with {process.wait()} before it listened")
        with contextlib.suppress(ValueError, TypeError, KeyError):
            said = json.loads(line)
            pids = (process.pid, *_children(process.pid))
            return Running(int(said["port"]), pids, said.get("versions", {}))
    raise BenchmarkError(f"the server did not listen within {START_TIMEOUT:g} seconds")


def _children(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_children(child)]
    return found
