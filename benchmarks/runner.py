"""Rounds of runs, each with a fresh server, interleaved so that all see the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import generator
from .environments import Environments
from .field import HERE, Server
from .generator import BenchmarkError
from .process import cores, prepare, running
from .results import Sample, samples_of
from .workloads import ROWS, Generated, Scripted, Workload

__all__ = ["Job", "Plan", "Runner"]

#: Cores used by others above which a run counts as disturbed: costs then grow by a tenth and more.
DISTURBED = 0.15


@dataclass(frozen=True)
class Job:
    """One workload on one fresh server."""

    round: int
    server: Server
    workload: Workload


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and for how long."""

    servers: Sequence[Server]
    workloads: Sequence[Workload]
    rounds: int = 3
    seconds: float = 1.5
    warmup: float = 0.8
    #: Seconds to spend on repeating a run that other processes disturbed.
    patience: float = 0.0

    def jobs(self) -> Iterator[Job]:
        """Workload by workload, the servers in turn: neighbours in time are what is compared."""
        for number in range(self.rounds):
            for workload in self.workloads:
                if workload.rounds is None or number < workload.rounds:
                    for server in self.servers:
                        if server.rows & set(workload.rows):
                            yield Job(number, server, workload)


class Runner:
    """Does jobs. Everything they need is installed and compiled by the first that needs it."""

    def __init__(self, plan: Plan, cache: Path) -> None:
        self.plan = plan
        self.environments = Environments(cache)
        self.program = generator.load_generator(cache)
        #: What each server said of itself.
        self.versions: dict[str, dict[str, str]] = {}

    def install(self, server: Server) -> None:
        """Make what a server needs, now; raises BenchmarkError."""
        server.command(self.environments)

    def do(self, job: Job) -> list[Sample]:
        """The samples of one job, the least disturbed that the plan has patience for.

        Raises BenchmarkError for a run that went wrong.
        """
        deadline = time.monotonic() + self.plan.patience
        best = self._once(job)
        while _others(best) > DISTURBED and time.monotonic() < deadline:
            best = min(best, self._once(job), key=_others)
        return best

    def _once(self, job: Job) -> list[Sample]:
        if isinstance(job.workload, Scripted):
            return self._script(job, job.workload)
        core, _ = cores()
        with running(job.server.command(self.environments), core) as server:
            self.versions[job.server.name] = dict(server.versions)
            if isinstance(job.workload, Generated):
                figures = self._generate(job.workload, job.server, server.port, server.pids)
                return samples_of(job.workload, job.server.name, job.round, figures)
            time.sleep(0.3)  # what it does when it has started is part of it
            found = {"start-cpu": server.cpu(), "start-rss": server.memory()}
        return [
            Sample(job.server.name, row, job.round, value * ROWS[row].factor)
            for row, value in found.items()
        ]

    def _generate(
        self, workload: Generated, server: Server, port: int, pids: Sequence[int]
    ) -> dict[str, float]:
        _, core = cores()
        arguments = [
            *workload.arguments(self.plan.seconds, self.plan.warmup),
            *("--port", str(port), "--core", str(core), "--dialect", server.dialect),
        ]
        for pid in pids:
            arguments += ["--pid", str(pid)]
        me = os.getpid()
        return generator.run(self.program, arguments, prepare=lambda: prepare(core, me))

    def _script(self, job: Job, workload: Scripted) -> list[Sample]:
        core, _ = cores()
        me = os.getpid()
        command = [str(self.environments.python(job.server.runs_in)), str(HERE / workload.script)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: prepare(core, me),
        )
        if done.returncode:
            raise BenchmarkError(f"{workload.script} failed:\n{done.stderr}")
        value = json.loads(done.stdout)[workload.member] * ROWS[workload.name].factor
        return [Sample(job.server.name, workload.name, job.round, value)]


def _others(samples: Sequence[Sample]) -> float:
    return max((sample.others or 0.0 for sample in samples), default=0.0)
