"""The command line: ``python -m benchmarks run``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .environments import default_cache
from .field import SERVERS, chosen
from .generator import BenchmarkError
from .results import Sample, figures_of
from .runner import Plan, Runner
from .workloads import ROWS, needed


def main() -> int:
    options = parse()
    try:
        servers = chosen(options.servers.split(","))
        workloads = needed(options.workloads.split(",") if options.workloads else ROWS)
    except ValueError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    plan = Plan(servers, workloads, options.rounds, options.seconds, options.warmup)
    runner = Runner(plan, options.cache)
    samples: list[Sample] = []
    failures = 0
    for job in plan.jobs():
        try:
            got = runner.do(job)
        except BenchmarkError as error:
            failures += 1
            print(f"{job.workload.name:10} {job.server.name:14} FAILED: {error}", flush=True)
            continue
        samples += got
        for sample in got:
            unit = ROWS[sample.row].unit
            line = f"{sample.row:10} {sample.server:14} {sample.cost:9.4g} {unit:15}"
            if sample.rate is not None:
                line += (
                    f" {sample.rate:9.0f}/s  p50 {sample.p50:7.3f}  p99 {sample.p99:7.3f} ms"
                    f"  generator {sample.generator:4.0%}"
                )
            print(line, flush=True)
    if plan.rounds > 1:
        print("\nmedians")
        for figure in figures_of(samples).values():
            print(
                f"{figure.row:10} {figure.server:14} {figure.cost:9.4g} {ROWS[figure.row].unit:15}"
                f" ({figure.lowest:.4g} to {figure.highest:.4g})"
            )
    return 1 if failures else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure")
    run.add_argument("--servers", default=",".join(SERVERS), help="names, comma-separated")
    run.add_argument("--workloads", default="", help="names, comma-separated; all by default")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--seconds", type=float, default=2.0, help="measured in each run")
    run.add_argument("--warmup", type=float, default=0.8, help="seconds before")
    run.add_argument("--cache", type=Path, default=default_cache(), help="for what is installed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
