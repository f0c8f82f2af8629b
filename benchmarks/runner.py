"""Rounds of runs, each with a fresh server, interleaved so that all see the same machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import generator
from .environments import Environments
from .field import Server
from .process import running, server_core_and_generator_core
from .results import Sample, samples_of
from .workloads import Generated

__all__ = ["Job", "Plan", "measure"]


@dataclass(frozen=True)
class Job:
    """One run: a workload on a fresh server."""

    round: int
    server: Server
    workload: Generated


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and for how long."""

    servers: Sequence[Server]
    workloads: Sequence[Generated]
    rounds: int = 3
    seconds: float = 2.0
    warmup: float = 0.8

    def jobs(self) -> Iterator[Job]:
        """Workload by workload, the servers in turn: neighbours in time are what is compared."""
        for number in range(self.rounds):
            for workload in self.workloads:
                if workload.rounds is not None and number >= workload.rounds:
                    continue
                for server in self.servers:
                    if not set(workload.rows) <= server.without:
                        yield Job(number, server, workload)


def measure(
    job: Job, plan: Plan, environments: Environments, program: Path
) -> tuple[list[Sample], dict[str, Any]]:
    """The samples of one job and all that the generator said; raises BenchmarkError."""
    server_core, generator_core = server_core_and_generator_core()
    command = job.server.command(environments)
    with running(command, server_core, job.server.environ) as server:
        arguments = [
            *job.workload.arguments(plan.seconds, plan.warmup),
            *("--port", str(server.port), "--core", str(generator_core)),
            *("--dialect", job.server.dialect),
        ]
        for pid in server.pids:
            arguments += ["--pid", str(pid)]
        figures = generator.run(program, arguments)
    return samples_of(job.workload, job.server.name, job.round, figures), figures
