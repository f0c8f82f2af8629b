"""Several workers, beside its peers': ``python -m benchmarks.clusters``.

For 1, 2 and 4 workers of each: what a delivery of a broadcast costs all its processes, where many
are emitted at once and where one is under way; how many can be emitted in a second; how long one
takes from a client of one worker to a client of another; and the memory of a worker.

All of them run at the same time and are measured in turns, so that a noisy machine is noisy for
all. The Redis server's own time is not in it, the primary process of Node's cluster is. Needs
``redis-server``, Node and npm.

Five minutes in all; ``--docs`` writes the table of ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .environments import Environments, default_cache
from .machine import machine
from .workers import Ear

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "performance" / "clusters.inc"
TEXT = "x" * 20


class System:
    """Processes that are one server. ``commands`` start them."""

    def __init__(self, commands: Sequence[Sequence[str]], **environ: str) -> None:
        self.processes = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                # What ends when this does, does so by this.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **environ},
            )
            for command in commands
        ]
        self.ports: list[int] = []
        self.pids: list[int] = []
        for process in self.processes:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            self.ports.append(said["port"])
            self.pids += said["pids"]

    @property
    def cpu(self) -> float:
        """Seconds of all processes, user and system."""
        found = 0
        for pid in self.pids:
            # Of each thread: in nanoseconds, which the sums of the process are not.
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found += int((task / "schedstat").read_text().split()[0])
        return found / 1e9

    @property
    def memory(self) -> float:
        """MB of their own, of all."""
        found = 0
        for pid in self.pids:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            private = [line for line in text.splitlines() if line.startswith("Private_")]
            found += sum(int(line.split()[1]) for line in private)
        return found / 1000

    def close(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()


class Field:
    """What starts each system with so many workers."""

    def __init__(self, environments: Environments, redis: int, folder: Path) -> None:
        self._environments = environments
        self._redis = redis
        self._folder = folder

    def sockio(self, count: int) -> System:
        script = str(HERE / "servers" / "worker_server.py")
        mesh = str(self._folder / f"m{count}")
        return System([[sys.executable, script, ""]] * count, SOCKIO_MESH=mesh)

    def sockio_redis(self, count: int) -> System:
        script = str(HERE / "servers" / "worker_server.py")
        command = [sys.executable, script, f"redis://127.0.0.1:{self._redis}"]
        # Each is a host of its own.
        return System([command] * count, SOCKIO_MESH="off")

    def node_cluster(self, count: int) -> System:
        return System([[*self._node(), "cluster", str(count)]])

    def node_redis(self, count: int) -> System:
        return System([[*self._node(), "redis", str(self._redis)]] * count)

    def _node(self) -> list[str]:
        script = self._environments.node_script(HERE / "peers" / "node" / "workers4.js")
        return [self._environments.node(), str(script)]

    def pysio_redis(self, count: int) -> System:
        python = self._environments.python("bench-pysio-redis")
        script = str(HERE / "peers" / "python" / "pysio_redis.py")
        return System([[str(python), script, f"redis://127.0.0.1:{self._redis}"]] * count)


class Row(NamedTuple):
    """What was measured of a system with so many workers."""

    title: str
    workers: int
    cost: float
    ratio: float
    alone: float
    rate: float
    middle: float | None
    slow: float | None
    memory: float


class Measured:
    """A system under measurement: its clients, and the samples of each round."""

    def __init__(self, title: str, system: System, count: int, clients: int) -> None:
        self.title = title
        self.system = system
        self.count = count
        # One after the other: where one process hands connections out, each worker gets its share.
        self.ears = [connect(system.ports[each % len(system.ports)]) for each in range(clients)]
        #: Of a delivery, in bursts and where one emission is under way; deliveries a second.
        self.costs: list[float] = []
        self.alone: list[float] = []
        self.rates: list[float] = []
        self.latencies: list[float] = []
        self.memory = 0.0

    def deliver(self, emissions: int) -> None:
        """Clients of all workers have something said to all."""
        each = emissions // self.count
        before, began = self.system.cpu, time.perf_counter()
        for talker in self.ears[: self.count]:
            talker.say(f'42["emit",{each},"{TEXT}"]')
        for ear in self.ears:
            ear.until(b'"text"', each * self.count)
        deliveries = each * self.count * len(self.ears)
        self.rates.append(deliveries / (time.perf_counter() - began))
        self.costs.append((self.system.cpu - before) * 1e6 / deliveries)

    def wait(self, times: int) -> None:
        """From a client of one worker to one of another, one at a time; all hear it."""
        one, other = self.ears[:2]
        before = self.system.cpu
        for _ in range(times):
            began = time.perf_counter()
            one.say('42["emit",1,"x"]')
            other.until(b'"text"')
            self.latencies.append((time.perf_counter() - began) * 1000)
            one.until(b'"text"')
            for ear in self.ears[2:]:
                ear.until(b'"text"')
        self.alone.append((self.system.cpu - before) * 1e6 / times / len(self.ears))


def connect(port: int) -> Ear:
    """A client. What one says first behind Node's sticky is sometimes never read: try again."""
    for _ in range(10):
        try:
            return Ear(port, 2.0)
        except TimeoutError:
            continue
    raise SystemExit(f"nobody is let in at port {port}")


def measure(
    kinds: Mapping[str, Callable[[int], System]],
    count: int,
    clients: int,
    rounds: int,
    emissions: int,
) -> list[Row]:
    with contextlib.ExitStack() as stack:
        field: list[Measured] = []
        for title, start in kinds.items():
            system = start(count)
            stack.callback(system.close)
            empty = system.memory / count
            field.append(Measured(title, system, count, clients))
            for ear in field[-1].ears:
                stack.callback(ear.sock.close)
            field[-1].memory = empty
        for number in range(rounds + 1):
            random.shuffle(order := list(field))
            for each in order:
                each.deliver(emissions)
                if not number:  # warm
                    each.costs.clear()
                    each.rates.clear()
                else:
                    each.wait(300 // rounds)
        first = statistics.median(field[0].costs)
        return [row(each, first) for each in field]


def row(found: Measured, first: float) -> Row:
    cost = statistics.median(found.costs)
    # Alone there is nobody else.
    latencies = sorted(found.latencies) if found.count > 1 else []
    middle = latencies[len(latencies) // 2] if latencies else None
    slow = latencies[len(latencies) * 99 // 100] if latencies else None
    rate = statistics.median(found.rates)
    alone = statistics.median(found.alone)
    ratio = cost / first if first else 0.0
    return Row(found.title, found.count, cost, ratio, alone, rate, middle, slow, found.memory)


def table(rows: Sequence[Row], clients: int) -> str:
    lines = [
        "| | workers | CPU of a delivery, µs | ratio | one at a time, µs | emits a second | "
        "p50, ms | p99, ms | memory of a worker, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in rows:
        times = ["", ""] if each.middle is None else [f"{each.middle:.1f}", f"{each.slow:.1f}"]
        cells = [
            each.title,
            str(each.workers),
            f"{each.cost:.2f}",
            f"{each.ratio:.1f}",
            f"{each.alone:.1f}",
            f"{each.rate / clients:.0f}",
            *times,
            f"{each.memory:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """One of its own; its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not on PATH: it joins some of those that are measured")
    port = random.randrange(20_000, 32_000)
    command = [program, "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "Ready to accept" in line:
                    break
            yield port
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clusters", description=__doc__)
    parser.add_argument("--workers", default="1,2,4", help="how many, each in its turn")
    parser.add_argument(
        "--only", default="", help="measure those alone whose titles have this in it"
    )
    parser.add_argument("--clients", type=int, default=200, help="that hear each emission")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--emissions", type=int, default=200, help="in each round")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    # The path of a socket is short.
    folder = Path(tempfile.mkdtemp(prefix="mesh"))
    rows: list[Row] = []
    try:
        with redis_server(folder) as redis:
            field = Field(Environments(options.cache), redis, folder)
            kinds = {
                "sockio, mesh": field.sockio,
                "sockio, Redis": field.sockio_redis,
                "Node, socket.io 4, cluster adapter and sticky": field.node_cluster,
                "Node, socket.io 4, redis-adapter": field.node_redis,
                "python-socketio, gevent, RedisManager": field.pysio_redis,
            }
            chosen = {title: start for title, start in kinds.items() if options.only in title}
            for count in map(int, options.workers.split(",")):
                rows += measure(chosen, count, options.clients, options.rounds, options.emissions)
                print(table(rows, options.clients), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.docs:
        made_on = ", ".join(f"{name}: {value}" for name, value in machine().items())
        PAGE.write_text(f"{table(rows, options.clients)}\n{made_on}.\n", encoding="utf-8")


if __name__ == "__main__":
    main()
