"""The command line: ``python -m benchmarks run``, or ``report`` to draw what was measured."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .environments import default_cache
from .field import HERE, QUICK, SERVERS, chosen, variant
from .generator import BenchmarkError
from .machine import commit, machine
from .results import Results, Sample
from .runner import Job, Plan, Runner
from .tables import markdown, number, page, target_table
from .targets import judge
from .workloads import QUICK as QUICK_ROWS
from .workloads import ROWS, needed

DOCS = HERE.parent / "docs" / "performance"


def main() -> int:
    options = parse()
    # As an exception, so that the server of the moment is stopped, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if options.command == "report":
        publish(Results.load(options.results), options)
        return 0
    if options.command == "list":
        print_field()
        return 0
    try:
        plan = plan_of(options)
    except ValueError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    try:
        results = run(plan, options.cache)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 1
    results.save(options.output / "latest.json")
    publish(results, options)
    print(f"\n{target_table(judge(results.figures))}\n\nwritten to {options.output}")
    return 1 if results.failures else 0


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the options ask for; raises ValueError for names that mean nothing."""
    names = options.servers.split(",") if options.servers else QUICK if options.quick else SERVERS
    rows = (
        options.workloads.split(",") if options.workloads else QUICK_ROWS if options.quick else ROWS
    )
    rounds, seconds, warmup = (1, 0.6, 0.4) if options.quick else (3, 1.5, 0.8)
    servers = chosen(names) + [variant(text) for text in options.variant]
    return Plan(
        servers,
        needed(rows),
        rounds=options.rounds or rounds,
        seconds=options.seconds or seconds,
        warmup=warmup if options.warmup is None else options.warmup,
        patience=options.patience,
    )


def run(plan: Plan, cache: Path) -> Results:
    """Do all jobs of a plan, and show what they find."""
    console = Console(highlight=False, soft_wrap=True)
    runner = Runner(plan, cache)
    for server in plan.servers:
        runner.install(server)
    jobs = list(plan.jobs())
    samples: list[Sample] = []
    failures = []
    # It is drawn between the runs only: while one is measured nothing else shall run.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
        auto_refresh=False,
        speed_estimate_period=300,
    ) as progress:
        task = progress.add_task("", total=len(jobs))
        for job in jobs:
            progress.update(
                task, description=f"{job.server.name} {job.workload.name}", refresh=True
            )
            try:
                found = runner.do(job)
            except BenchmarkError as error:
                failures.append(failure(job, error))
                console.print(f"[red]{job.server.name} {job.workload.name}: {escape(str(error))}")
            else:
                samples += found
                for sample in found:
                    console.print(line(sample))
            progress.advance(task)
    return Results(
        samples,
        servers={server.name: server.title for server in plan.servers},
        versions=runner.versions,
        machine=machine(),
        commit=commit(HERE),
        options={
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "warmup": plan.warmup,
            "settings": {server.name: list(server.arguments) for server in plan.servers},
        },
        failures=failures,
    )


def failure(job: Job, error: BenchmarkError) -> dict[str, object]:
    return {
        "workload": job.workload.name,
        "server": job.server.name,
        "round": job.round,
        "error": str(error),
    }


def line(sample: Sample) -> str:
    text = f"{sample.row:10} {sample.server:14} {number(sample.cost):>8} {ROWS[sample.row].unit:14}"
    if sample.rate is not None:
        text += (
            f" {sample.rate:>9,.0f}/s  p50 {number(sample.p50):>6}  p99 {number(sample.p99):>6} ms"
        )
    if sample.generator is not None:
        text += f"  generator {sample.generator:4.0%}"
    if sample.others is not None:
        text += f"  others {sample.others:4.0%}"
    return text


def publish(results: Results, options: argparse.Namespace) -> None:
    """Write the tables and plots beside the results, and into the documentation if asked to."""
    from . import plots  # slow to import, and nothing before this needs it

    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "tables.md").write_text(page(results), encoding="utf-8")
    plots.draw(results, options.output)
    if options.docs:
        DOCS.mkdir(parents=True, exist_ok=True)
        for name, text in markdown(results).items():
            # Not .md: a page includes them, and Sphinx would take them for pages of their own.
            (DOCS / f"{name}.inc").write_text(text + "\n", encoding="utf-8")
        plots.draw(results, DOCS)
        results.save(DOCS / "results.json")


def print_field() -> None:
    for server in SERVERS.values():
        print(f"{server.name:14} {server.title}")
    print()
    for row in ROWS.values():
        print(f"{row.name:14} {row.title} ({row.unit})")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, then write results, tables and plots")
    run.add_argument("--servers", default="", help="names, comma-separated; all by default")
    run.add_argument("--workloads", default="", help="names, comma-separated; all by default")
    run.add_argument("--rounds", type=int, help="3 by default")
    run.add_argument("--seconds", type=float, help="measured in each run; 1.5 by default")
    run.add_argument("--warmup", type=float, help="seconds before; 0.8 by default")
    run.add_argument(
        "--patience",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="repeat a run that other processes disturb, for so long; keep the least disturbed",
    )
    run.add_argument("--quick", action="store_true", help="a sanity run of two minutes")
    run.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME[@SERVER]={...}",
        help="also sockio with other settings, as JSON; may be given more than once",
    )
    run.add_argument("--cache", type=Path, default=default_cache(), help="for what is installed")
    report = commands.add_parser("report", help="write tables and plots of earlier results")
    report.add_argument("results", type=Path, help="a latest.json")
    for command in (run, report):
        command.add_argument("--output", type=Path, default=HERE / "results", help="directory")
        command.add_argument("--docs", action="store_true", help="write to docs/performance, too")
    commands.add_parser("list", help="the servers and the workloads")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
